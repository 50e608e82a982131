"""Registers that the guest saved in memory: KTRAP_FRAME and CONTEXT, as XP lays them out."""

from __future__ import annotations

from ntgate.debug.register_set import SEGMENTS
from ntgate.debug.target import Target, Unreadable

# Without the four V86 selectors at its end.
_TRAP_FRAME_SIZE = 0x7C
DBG_ARG_MARK = 0xBADB0D00

_TRAP_FRAME = {
    "gs": 0x30, "es": 0x34, "ds": 0x38, "edx": 0x3C, "ecx": 0x40, "eax": 0x44,
    "fs": 0x50, "edi": 0x54, "esi": 0x58, "ebx": 0x5C, "ebp": 0x60,
    "eip": 0x68, "cs": 0x6C, "efl": 0x70, "esp": 0x74, "ss": 0x78,
}  # fmt: skip
_DBG_ARG_MARK = 0x08
_ERR_CODE = 0x64

_CONTEXT_SIZE = 0xCC
_CONTEXT = {
    "gs": 0x8C, "fs": 0x90, "es": 0x94, "ds": 0x98, "edi": 0x9C, "esi": 0xA0, "ebx": 0xA4,
    "edx": 0xA8, "ecx": 0xAC, "eax": 0xB0, "ebp": 0xB4, "eip": 0xB8, "cs": 0xBC, "efl": 0xC0,
    "esp": 0xC4, "ss": 0xC8,
}  # fmt: skip

CONTEXT_REGISTERS = tuple(_CONTEXT)
_CODE_SELECTORS = (0x08, 0x1B)
_KERNEL_STACK_SELECTOR = 0x10
_VIRTUAL_8086 = 1 << 17


def _word(raw: bytes, offset: int) -> int:
    return int.from_bytes(raw[offset : offset + 4], "little")


def _registers(raw: bytes, layout: dict[str, int]) -> dict[str, int]:
    saved = {name: _word(raw, offset) for name, offset in layout.items()}
    for name in SEGMENTS:
        saved[name] &= 0xFFFF
    return saved


def is_trap_frame(target: Target, address: int) -> bool:
    """Whether a KTRAP_FRAME lies at an address: its DbgArgMark, and a Cs that NT uses."""
    try:
        raw = target.read(address, _TRAP_FRAME_SIZE)
    except Unreadable:
        return False
    if _word(raw, _DBG_ARG_MARK) != DBG_ARG_MARK:
        return False
    is_virtual_8086 = bool(_word(raw, _TRAP_FRAME["efl"]) & _VIRTUAL_8086)
    return is_virtual_8086 or _word(raw, _TRAP_FRAME["cs"]) & 0xFFFF in _CODE_SELECTORS


def from_trap_frame(target: Target, address: int) -> dict[str, int]:
    """The registers in the KTRAP_FRAME at an address; raises Unreadable."""
    return registers_of_trap_frame(target.read(address, _TRAP_FRAME_SIZE), address)


def registers_of_trap_frame(raw: bytes, address: int) -> dict[str, int]:
    """The registers in the bytes of the KTRAP_FRAME at an address.

    The processor saves esp and ss only where the ring changed; else the frame ends below them.
    """
    saved = _registers(raw, _TRAP_FRAME)
    if not saved["cs"] & 3 and not saved["efl"] & _VIRTUAL_8086:
        saved["esp"] = address + _TRAP_FRAME["esp"] & 0xFFFFFFFF
        saved["ss"] = _KERNEL_STACK_SELECTOR
    return saved


def store_in_trap_frame(target: Target, address: int, name: str, value: int) -> None:
    """Change a register in the KTRAP_FRAME at an address; raises Unreadable."""
    target.write(address + _TRAP_FRAME[name], value.to_bytes(4, "little"))


def error_code(target: Target, address: int) -> int:
    """The ErrCode in the KTRAP_FRAME at an address; raises Unreadable."""
    return _word(target.read(address, _TRAP_FRAME_SIZE), _ERR_CODE)


def from_context(target: Target, address: int) -> dict[str, int]:
    """The registers in the CONTEXT at an address; raises Unreadable."""
    return _registers(target.read(address, _CONTEXT_SIZE), _CONTEXT)
