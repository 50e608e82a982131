"""CONTEXT records: what ring 3 sees of a trap frame and of the FPU save area behind it.

Offsets and flags are those of the public CONTEXT definition for x86; the conversion between
the FXSAVE and the FNSAVE image follows the Intel SDM, volume 1, 10.5.1.1.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from ntgate.layout import machine as m
from ntgate.layout.ke import KPCR, KPROCESS, KTHREAD, KTRAP_FRAME
from ntgate.memory.kernel import KernelMemory
from ntgate.records import dataclass

SIZE = 0x2CC
CONTEXT_I386 = 0x10000
CONTROL, INTEGER, SEGMENTS, FLOATING_POINT, DEBUG_REGISTERS, EXTENDED_REGISTERS = (
    CONTEXT_I386 | 1 << n for n in range(6)
)
FULL = CONTROL | INTEGER | SEGMENTS
ALL = FULL | FLOATING_POINT | DEBUG_REGISTERS | EXTENDED_REGISTERS

_FLOAT_SAVE, _FLOAT_SIZE = 0x1C, 0x70
_EXTENDED = 0xCC
_DWORD = struct.Struct("<I")

# What ring 3 may set: CF PF AF ZF SF TF DF OF NT, RF, AC VIF VIP ID; not VM, IOPL and IF.
USER_EFLAGS = 0x003D_4DD5
EFLAGS_IF, EFLAGS_TF, EFLAGS_RESERVED, EFLAGS_IOPL = 1 << 9, 1 << 8, 1 << 1, 3 << 12
DR7_USER = 0xFFFF_0155  # local enables, conditions and lengths; never GD or the global enables
DR7_ENABLES = 0xFF
DR6_USER = 0xE00F


IN_LDT = 1 << 2
_USER_SELECTORS = frozenset((m.KGDT_R3_CODE, m.KGDT_R3_DATA, m.KGDT_R3_TEB))


def _selector(otherwise: int) -> Callable[[int], int]:
    """Null, the selectors of ring 3 and those of an LDT; `otherwise` in the place of any other.

    The kernel repairs one without a descriptor when it loads it.
    """

    def sanitize(value: int) -> int:
        value = value & 0xFFFF | 3
        if value == 3:
            return 0
        return value if value in _USER_SELECTORS or value & IN_LDT else otherwise

    return sanitize


def _ldt_or(otherwise: int) -> Callable[[int], int]:
    """A selector of an LDT, or `otherwise`."""
    return lambda value: value & 0xFFFF | 3 if value & IN_LDT else otherwise


def _breakpoint(value: int) -> int:
    return value if value <= m.MM_HIGHEST_USER_ADDRESS else 0


def _same(value: int) -> int:
    return value


@dataclass(frozen=True)
class _Member:
    """A dword of CONTEXT, the dword of KTRAP_FRAME that it is, and what ring 3 may put there."""

    record: int
    frame: int
    mask: int  # of the significant bits
    sanitize: Callable[[int], int]


def _members(*rows: tuple[str, int, Callable[[int], int]]) -> tuple[_Member, ...]:
    """rows: member of KTRAP_FRAME, offset in CONTEXT, sanitizer."""
    return tuple(
        _Member(
            offset // 4, getattr(KTRAP_FRAME, name).offset // 4,
            0xFFFF if "Seg" in name else 0xFFFFFFFF, sanitize,
        )
        for name, offset, sanitize in rows
    )  # fmt: skip


_DEBUG = _members(
    ("Dr0", 0x04, _breakpoint), ("Dr1", 0x08, _breakpoint), ("Dr2", 0x0C, _breakpoint),
    ("Dr3", 0x10, _breakpoint), ("Dr6", 0x14, lambda value: value & DR6_USER),
    ("Dr7", 0x18, lambda value: value & DR7_USER),
)  # fmt: skip
_GROUPS = (
    (SEGMENTS, _members(
        ("SegGs", 0x8C, _selector(0)), ("SegFs", 0x90, _selector(m.KGDT_R3_TEB)),
        ("SegEs", 0x94, _selector(m.KGDT_R3_DATA)), ("SegDs", 0x98, _selector(m.KGDT_R3_DATA)),
    )),
    (INTEGER, _members(
        ("Edi", 0x9C, _same), ("Esi", 0xA0, _same), ("Ebx", 0xA4, _same), ("Edx", 0xA8, _same),
        ("Ecx", 0xAC, _same), ("Eax", 0xB0, _same),
    )),
    (CONTROL, _members(
        ("Ebp", 0xB4, _same), ("Eip", 0xB8, _same),
        ("SegCs", 0xBC, _ldt_or(m.KGDT_R3_CODE)),
        ("EFlags", 0xC0, lambda value: value & USER_EFLAGS | EFLAGS_IF | EFLAGS_RESERVED),
        ("HardwareEsp", 0xC4, _same), ("HardwareSegSs", 0xC8, _ldt_or(m.KGDT_R3_DATA)),
    )),
)  # fmt: skip
_DR7, _GS, _ES, _DS, _FS, _EIP, _CS, _EFLAGS, _ESP, _SS = (
    member.offset // 4
    for member in (
        KTRAP_FRAME.Dr7, KTRAP_FRAME.SegGs, KTRAP_FRAME.SegEs, KTRAP_FRAME.SegDs,
        KTRAP_FRAME.SegFs, KTRAP_FRAME.Eip, KTRAP_FRAME.SegCs, KTRAP_FRAME.EFlags,
        KTRAP_FRAME.HardwareEsp, KTRAP_FRAME.HardwareSegSs,
    )
)  # fmt: skip
_SELECTORS = tuple(offset // 4 for offset in (0x8C, 0x90, 0x94, 0x98, 0xBC, 0xC8))
_RECORD = struct.Struct("<51I")  # up to ExtendedRegisters
_FRAME = struct.Struct("<35I")


class TrapContext:
    """The user-mode state of one thread: its trap frame and its FX save area."""

    def __init__(self, memory: KernelMemory, thread: KTHREAD, frame: int) -> None:
        self.memory = memory
        self.thread = thread
        self.frame = KTRAP_FRAME(memory, frame)
        self.fx_area = thread.InitialStack - m.NPX_FRAME_LENGTH

    @classmethod
    def base(cls, memory: KernelMemory, thread: KTHREAD) -> TrapContext:
        """The frame of the thread's entry from ring 3, which lies at the top of its stack."""
        top = thread.InitialStack - m.NPX_FRAME_LENGTH - m.TRAP_FRAME_LENGTH
        return cls(memory, thread, top)

    def capture(self, flags: int) -> bytes:
        """A CONTEXT with the groups that `flags` names."""
        out = bytearray(SIZE)
        self.fill(out, flags)
        return bytes(out)

    def fill(self, out: bytearray, flags: int) -> None:
        """Fill the groups of `flags` into an existing CONTEXT; the rest keeps its bytes.

        Debug registers that break on nothing read as 0, whatever they hold.
        """
        record = list(_RECORD.unpack_from(out))
        frame = self._read_frame()
        record[0] = flags
        for group, members in _GROUPS:
            if flags & group == group:
                for member in members:
                    record[member.record] = frame[member.frame] & member.mask
        if flags & DEBUG_REGISTERS == DEBUG_REGISTERS:
            active = frame[_DR7] & DR7_ENABLES
            for member in _DEBUG:
                record[member.record] = frame[member.frame] if active else 0
        _RECORD.pack_into(out, 0, *record)
        if flags & FLOATING_POINT == FLOATING_POINT:
            out[_FLOAT_SAVE : _FLOAT_SAVE + _FLOAT_SIZE] = fnsave_image(self.fx_image())
        if flags & EXTENDED_REGISTERS == EXTENDED_REGISTERS:
            out[_EXTENDED : _EXTENDED + 0x200] = self.fx_image()

    def _read_frame(self) -> list[int]:
        return list(_FRAME.unpack(self.memory.read(self.frame.address, _FRAME.size)))

    def redirect(self, eip: int, esp: int) -> None:
        """Resume ring 3 in a routine of the system's, with flat segments and without TF."""
        frame = self._read_frame()
        frame[_EIP], frame[_ESP] = eip, esp
        frame[_CS], frame[_SS] = m.KGDT_R3_CODE, m.KGDT_R3_DATA
        frame[_DS] = frame[_ES] = m.KGDT_R3_DATA
        frame[_FS], frame[_GS] = m.KGDT_R3_TEB, 0
        frame[_EFLAGS] &= ~EFLAGS_TF
        self.memory.write(self.frame.address, _FRAME.pack(*frame))

    def _set_debug_active(self, active: bool) -> None:
        """Whether the entry and exit code exchanges the debug registers; KPCR has a copy."""
        self.thread.DebugActive = int(active)
        pcr = KPCR(self.memory, m.KPCR_ADDRESS)
        if pcr.PrcbData.CurrentThread == self.thread.address:
            pcr.DebugActive = int(active)

    def _ldt_size(self) -> int:
        """Bytes of the LDT of the thread's process."""
        process = KPROCESS(self.memory, self.thread.ApcState.Process)
        low, high = struct.unpack("<2I", process.LdtDescriptor)
        return (low & 0xFFFF) + 1 if high else 0

    def fx_image(self) -> bytes:
        return self.memory.read(self.fx_area, 0x200)

    def apply(self, record: bytes) -> None:
        """Load the groups of a CONTEXT, keeping ring 3 within what it may have."""
        words = list(_RECORD.unpack_from(record))
        flags = words[0]
        frame = self._read_frame()
        local = self._ldt_size()
        for at in _SELECTORS:
            if words[at] & IN_LDT and words[at] & 0xFFF8 >= local:
                words[at] &= ~IN_LDT  # of the GDT then, which ring 3 can't have
        for group, members in (*_GROUPS, (DEBUG_REGISTERS, _DEBUG)):
            if flags & group == group:
                for member in members:
                    frame[member.frame] = member.sanitize(words[member.record])
        if self.thread.Iopl:
            frame[_EFLAGS] |= EFLAGS_IOPL
        self.memory.write(self.frame.address, _FRAME.pack(*frame))
        if flags & DEBUG_REGISTERS == DEBUG_REGISTERS:
            self._set_debug_active(bool(frame[_DR7] & DR7_ENABLES))
        if flags & EXTENDED_REGISTERS == EXTENDED_REGISTERS:
            image = bytearray(record[_EXTENDED : _EXTENDED + 0x200])
            mxcsr = _DWORD.unpack_from(image, 24)[0] & 0xFFBF
            _DWORD.pack_into(image, 24, mxcsr)
            self.memory.write(self.fx_area, bytes(image))
        elif flags & FLOATING_POINT == FLOATING_POINT:
            saved = record[_FLOAT_SAVE : _FLOAT_SAVE + _FLOAT_SIZE]
            self.memory.write(self.fx_area, fxsave_image(saved, self.fx_image()))


def fnsave_image(fx: bytes) -> bytes:
    """FLOATING_SAVE_AREA (112 bytes) of an FXSAVE image."""
    control, status, abridged, _opcode = struct.unpack_from("<HHBxH", fx, 0)
    eip, cs, data, ds = struct.unpack_from("<IHxxIH", fx, 8)
    top = status >> 11 & 7
    registers = [fx[32 + 16 * i : 42 + 16 * i] for i in range(8)]
    tag = 0
    for physical in range(8):
        in_use = abridged >> physical & 1
        kind = _register_tag(registers[(physical - top) & 7]) if in_use else EMPTY
        tag |= kind << 2 * physical
    return (
        struct.pack(
            "<7I", control | 0xFFFF0000, status | 0xFFFF0000, tag | 0xFFFF0000,
            eip, cs, data, ds | 0xFFFF0000,
        )
        + b"".join(registers)
        + bytes(4)
    )  # fmt: skip


EMPTY = 3


def _register_tag(register: bytes) -> int:
    """Tag of an 80-bit register: 0 valid, 1 zero, 2 special."""
    mantissa = int.from_bytes(register[:8], "little")
    exponent = int.from_bytes(register[8:], "little") & 0x7FFF
    if exponent == 0:
        return 1 if mantissa == 0 else 2
    return 2 if exponent == 0x7FFF or not mantissa >> 63 else 0


def fxsave_image(saved: bytes, before: bytes) -> bytes:
    """An FXSAVE image with the x87 part of a FLOATING_SAVE_AREA; MXCSR and XMM as before."""
    control, status, tag, eip, cs, data, ds = struct.unpack_from("<7I", saved, 0)
    abridged = sum(1 << i for i in range(8) if tag >> 2 * i & 3 != 3)
    out = bytearray(before)
    struct.pack_into("<HHBxH", out, 0, control & 0xFFFF, status & 0xFFFF, abridged, 0)
    struct.pack_into("<IHxxIH", out, 8, eip, cs & 0xFFFF, data, ds & 0xFFFF)
    for i in range(8):
        out[32 + 16 * i : 42 + 16 * i] = saved[28 + 10 * i : 38 + 10 * i]
    return bytes(out)


INITIAL_FX = struct.pack("<HHBxHIHxxIHxxII", 0x27F, 0, 0, 0, 0, 0, 0, 0, 0x1F80, 0xFFBF).ljust(
    0x200, b"\0"
)
