"""CONTEXT records: what ring 3 sees of a trap frame and of the FPU save area behind it.

Offsets and flags are those of the public CONTEXT definition for x86; the conversion between
the FXSAVE and the FNSAVE image follows the Intel SDM, volume 1, 10.5.1.1.
"""

from __future__ import annotations

import struct

from ntgate.layout import machine as m
from ntgate.layout.ke import KTHREAD, KTRAP_FRAME
from ntgate.memory.kernel import KernelMemory

SIZE = 0x2CC
CONTEXT_I386 = 0x10000
CONTROL, INTEGER, SEGMENTS, FLOATING_POINT, DEBUG_REGISTERS, EXTENDED_REGISTERS = (
    CONTEXT_I386 | 1 << n for n in range(6)
)
FULL = CONTROL | INTEGER | SEGMENTS
ALL = FULL | FLOATING_POINT | DEBUG_REGISTERS | EXTENDED_REGISTERS

# Member, offset in CONTEXT, member of KTRAP_FRAME.
_DEBUG = (
    ("Dr0", 0x04), ("Dr1", 0x08), ("Dr2", 0x0C), ("Dr3", 0x10), ("Dr6", 0x14), ("Dr7", 0x18),
)  # fmt: skip
_SEGMENTS = (("SegGs", 0x8C), ("SegFs", 0x90), ("SegEs", 0x94), ("SegDs", 0x98))
_INTEGER = (
    ("Edi", 0x9C), ("Esi", 0xA0), ("Ebx", 0xA4), ("Edx", 0xA8), ("Ecx", 0xAC), ("Eax", 0xB0),
)  # fmt: skip
_CONTROL = (
    ("Ebp", 0xB4), ("Eip", 0xB8), ("SegCs", 0xBC), ("EFlags", 0xC0), ("HardwareEsp", 0xC4),
    ("HardwareSegSs", 0xC8),
)  # fmt: skip
_FLOAT_SAVE, _FLOAT_SIZE = 0x1C, 0x70
_EXTENDED = 0xCC
_DWORD = struct.Struct("<I")

USER_EFLAGS = 0x003E_0DD7  # what ring 3 may set: CF PF AF ZF SF TF DF OF, AC, ID, VIF, VIP
EFLAGS_IF = 1 << 9
DR7_USER = 0xFFFF_0155  # local enables, conditions and lengths; never GD or the global enables
DR6_USER = 0xE00F


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
        """Fill the groups of `flags` into an existing CONTEXT; the rest keeps its bytes."""
        _DWORD.pack_into(out, 0, flags)
        frame = self.frame
        for group, members in _GROUPS:
            if flags & group == group:
                for name, offset in members:
                    value = getattr(frame, name)
                    if name.startswith("Seg") or name == "HardwareSegSs":
                        value &= 0xFFFF
                    _DWORD.pack_into(out, offset, value)
        if flags & FLOATING_POINT == FLOATING_POINT:
            out[_FLOAT_SAVE : _FLOAT_SAVE + _FLOAT_SIZE] = fnsave_image(self.fx_image())
        if flags & EXTENDED_REGISTERS == EXTENDED_REGISTERS:
            out[_EXTENDED : _EXTENDED + 0x200] = self.fx_image()

    def fx_image(self) -> bytes:
        return self.memory.read(self.fx_area, 0x200)

    def apply(self, record: bytes) -> None:
        """Load the groups of a CONTEXT, keeping ring 3 within what it may have."""
        flags = _DWORD.unpack_from(record, 0)[0]
        frame = self.frame
        for group, members in _GROUPS:
            if flags & group == group:
                for name, offset in members:
                    setattr(frame, name, _sanitized(name, _DWORD.unpack_from(record, offset)[0]))
        if flags & DEBUG_REGISTERS == DEBUG_REGISTERS:
            self.thread.DebugActive = 1 if frame.Dr7 & 0xFF else 0
            self.memory.set_u8(m.KPCR_ADDRESS + 0x50, self.thread.DebugActive)
        if flags & EXTENDED_REGISTERS == EXTENDED_REGISTERS:
            image = bytearray(record[_EXTENDED : _EXTENDED + 0x200])
            mxcsr = _DWORD.unpack_from(image, 24)[0] & 0xFFBF
            _DWORD.pack_into(image, 24, mxcsr)
            self.memory.write(self.fx_area, bytes(image))
        elif flags & FLOATING_POINT == FLOATING_POINT:
            saved = record[_FLOAT_SAVE : _FLOAT_SAVE + _FLOAT_SIZE]
            self.memory.write(self.fx_area, fxsave_image(saved, self.fx_image()))


_GROUPS = (
    (CONTROL, _CONTROL),
    (INTEGER, _INTEGER),
    (SEGMENTS, _SEGMENTS),
    (DEBUG_REGISTERS, _DEBUG),
)


def _sanitized(name: str, value: int) -> int:
    if name == "SegCs":
        return m.KGDT_R3_CODE
    if name == "HardwareSegSs":
        return m.KGDT_R3_DATA
    if name in ("SegDs", "SegEs", "SegFs", "SegGs"):
        allowed = (m.KGDT_R3_DATA, m.KGDT_R3_TEB, m.KGDT_R3_CODE)
        value = value & 0xFFFF
        if value | 3 in allowed:
            return value | 3
        return {"SegFs": m.KGDT_R3_TEB, "SegGs": 0}.get(name, m.KGDT_R3_DATA)
    if name == "EFlags":
        return value & USER_EFLAGS | EFLAGS_IF | 2
    if name == "Dr7":
        return value & DR7_USER
    if name == "Dr6":
        return value & DR6_USER
    if name in ("Dr0", "Dr1", "Dr2", "Dr3"):
        return value if value <= m.MM_HIGHEST_USER_ADDRESS else 0
    return value


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
