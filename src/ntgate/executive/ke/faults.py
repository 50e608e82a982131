"""From a fault's vector to an exception code, as KiTrap0D, KiTrap10 and KiTrap13 decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.cpu.instructions import LONGEST_INSTRUCTION
from ntgate.entry.context import EFLAGS_IOPL
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.layout.ke import KTRAP_FRAME
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Thread

PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3))
STRING_IO = (b"\x6c", b"\x6d", b"\x6e", b"\x6f")
# One-byte opcodes: ins, outs, in, out, cli, sti, hlt.
PRIVILEGED = frozenset(
    (0x6C, 0x6D, 0x6E, 0x6F, 0xE4, 0xE5, 0xE6, 0xE7, 0xEC, 0xED, 0xEE, 0xEF, 0xF4, 0xFA, 0xFB)
)
# After 0f: clts, invd, wbinvd, mov to and from control and debug registers, wrmsr, rdmsr,
# sysexit; rdtsc and rdpmc by CR4.
PRIVILEGED_0F = frozenset((0x06, 0x08, 0x09, 0x20, 0x21, 0x22, 0x23, 0x30, 0x31, 0x32, 0x33, 0x35))


# Where ring 0 loads the selectors of a frame of ring 3, and how far above its esp they are.
_LOADS = {
    "KiExitSegGs": ((KTRAP_FRAME.SegGs.offset, 0),),
    "KiExitSegEs": ((KTRAP_FRAME.SegEs.offset, 0),),
    "KiExitSegDs": ((KTRAP_FRAME.SegDs.offset, 0),),
    "KiExitSegFs": ((0, 0),),
    "KiServiceExitSegFs": ((0, 0),),
    "KiExitIret": ((4, m.KGDT_R3_CODE), (0x10, m.KGDT_R3_DATA)),
    "KiSystemCallExit": ((4, m.KGDT_R3_CODE), (0x10, m.KGDT_R3_DATA)),
}


def repair_selectors(thread: Thread, frame: KTRAP_FRAME) -> bool:
    """Whether a ring-0 fault was that of a selector of ring 3 which is gone: it is another now.

    The LDT may lose a descriptor while a thread that uses it stands in the kernel.
    """
    executive = thread.executive
    for name, loads in _LOADS.items():
        if executive.symbols[name] == frame.Eip:
            # A frame of ring 0 ends where the stack pointer was.
            top = frame.address + KTRAP_FRAME.HardwareEsp.offset
            for offset, instead in loads:
                executive.kernel.set_u32(top + offset, instead)
            return True
    return False


def selector_exception(thread: Thread, vector: int, frame: KTRAP_FRAME) -> int:
    """The code for #NP, #SS or #GP from ring 3; #GP with an error code is an access violation.

    0 for a fault of ring 0 that has been repaired.
    """
    if not frame.SegCs & 3 and repair_selectors(thread, frame):
        return 0
    if vector == 0x0D and not frame.ErrCode & 0xFFFF and _is_privileged(thread, frame.Eip):
        return ntstatus.STATUS_PRIVILEGED_INSTRUCTION
    return ntstatus.STATUS_ACCESS_VIOLATION


def is_refused_string_io(thread: Thread, frame: KTRAP_FRAME) -> bool:
    """Whether a page fault is that of an `ins` or `outs` without the right to its port.

    The engine touches the memory first, a processor looks at the right first.
    """
    if frame.EFlags & EFLAGS_IOPL == EFLAGS_IOPL:
        return False
    return _opcode(thread, frame.Eip)[:1] in STRING_IO


def _opcode(thread: Thread, eip: int) -> bytes:
    """Up to three bytes of the instruction behind its prefixes; none where it can't be read."""
    try:
        code = thread.memory.read(eip, LONGEST_INSTRUCTION)
    except AccessViolation:
        try:
            code = thread.memory.read(eip, 0x1000 - (eip & 0xFFF))
        except AccessViolation:
            return b""
    position = 0
    while position < len(code) and code[position] in PREFIXES:
        position += 1
    return code[position : position + 3]


def _is_privileged(thread: Thread, eip: int) -> bool:
    rest = _opcode(thread, eip)
    if not rest:
        return False
    if rest[0] in PRIVILEGED:
        return True
    if rest[0] != 0x0F or len(rest) < 2:
        return False
    if rest[1] in PRIVILEGED_0F:
        return True
    if len(rest) < 3 or rest[1] not in (0x00, 0x01):
        return False
    extension = rest[2] >> 3 & 7
    # 0f 00: lldt, ltr.  0f 01: lgdt, lidt, lmsw, invlpg.
    return extension in ((2, 3) if rest[1] == 0x00 else (2, 3, 6, 7))


def _fx_words(thread: Thread) -> tuple[int, int, int]:
    area = thread.ethread.Tcb.InitialStack - m.NPX_FRAME_LENGTH
    kernel = thread.executive.kernel
    return kernel.u16(area), kernel.u16(area + 2), kernel.u32(area + 24)


# Exception flags in the order in which NT looks at them: bit, code.
_X87 = (
    (0x01, ntstatus.STATUS_FLOAT_INVALID_OPERATION),
    (0x04, ntstatus.STATUS_FLOAT_DIVIDE_BY_ZERO),
    (0x02, ntstatus.STATUS_FLOAT_INVALID_OPERATION),
    (0x08, ntstatus.STATUS_FLOAT_OVERFLOW),
    (0x10, ntstatus.STATUS_FLOAT_UNDERFLOW),
    (0x20, ntstatus.STATUS_FLOAT_INEXACT_RESULT),
)


def npx_exception(thread: Thread) -> int:
    """The code of an x87 exception: the first unmasked flag, a stack fault told apart."""
    control, status, _mxcsr = _fx_words(thread)
    pending = status & ~control & 0x3F
    for bit, code in _X87:
        if pending & bit:
            if bit == 0x01 and status & 0x40:
                return ntstatus.STATUS_FLOAT_STACK_CHECK
            return code
    return ntstatus.STATUS_FLOAT_INVALID_OPERATION


def xmm_exception(thread: Thread) -> int:
    """The code of an SSE exception: traps for one operand set, or for several."""
    _control, _status, mxcsr = _fx_words(thread)
    pending = mxcsr & ~(mxcsr >> 7) & 0x3F
    if pending & 0x07:
        return ntstatus.STATUS_FLOAT_MULTIPLE_TRAPS
    return ntstatus.STATUS_FLOAT_MULTIPLE_FAULTS
