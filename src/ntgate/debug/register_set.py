"""The registers by the names that a kd user gives them: parts, flags and whole registers."""

from __future__ import annotations

from ntgate.debug.names import (
    FLAGS,
    PARTIAL_REGISTERS,
    SEGMENT_REGISTERS,
    WHOLE_REGISTERS,
)
from ntgate.debug.target import NoSuchRegister, Target

_GENERAL = ("eax", "ebx", "ecx", "edx", "esi", "edi")
_POINTERS = ("eip", "esp", "ebp")
SEGMENTS = ("cs", "ss", "ds", "es", "fs", "gs")
_SELECTORS = SEGMENT_REGISTERS | {"tr", "ldtr"}
_ALIASES = {"eflags": "efl"}


def _find(name: str) -> tuple[str, int, int]:
    """(whole register, lowest bit, bits); raises NoSuchRegister."""
    folded = _ALIASES.get(name.lower(), name.lower())
    if folded in WHOLE_REGISTERS:
        return folded, 0, 16 if folded in _SELECTORS else 32
    part = PARTIAL_REGISTERS.get(folded) or FLAGS.get(folded)
    if part is None:
        raise NoSuchRegister(name)
    return part


def register_names() -> list[str]:
    """Every name that `r` takes."""
    return sorted((*WHOLE_REGISTERS, *PARTIAL_REGISTERS, *FLAGS, *_ALIASES))


def is_register(name: str) -> bool:
    """Whether there is a register, a part of one or a flag of that name."""
    try:
        _find(name)
    except NoSuchRegister:
        return False
    return True


def write(target: Target, name: str, value: int) -> None:
    """Sets a register or a part; drops the bits of `value` that don't fit.

    Raises NoSuchRegister.
    """
    whole, low, bits = _find(name)
    mask = (1 << bits) - 1
    rest = 0 if (low, bits) == (0, 32) else target.register(whole) & ~(mask << low)
    target.set_register(whole, rest | (value & mask) << low)


def render(target: Target, name: str) -> str:
    """`eax=00000001`, `fs=00000030`, `ax=0001`, `al=01`, `zf=1`; raises NoSuchRegister."""
    whole, low, bits = _find(name)
    value = target.register(whole) >> low & ((1 << bits) - 1)
    digits = 8 if whole in _SELECTORS else (bits + 3) // 4
    return f"{name.lower()}={value:0{digits}x}"


# (bit, set, clear) in WinDbg's order.
_FLAG_WORDS = (
    (11, "ov", "nv"),
    (10, "dn", "up"),
    (9, "ei", "di"),
    (7, "ng", "pl"),
    (6, "zr", "nz"),
    (4, "ac", "na"),
    (2, "pe", "po"),
    (0, "cy", "nc"),
)


def flags_text(efl: int) -> str:
    """`iopl=0         nv up ei pl zr na pe nc`: EFLAGS as the register block shows them."""
    vip = "vip" if efl >> 20 & 1 else ""
    vif = "vif" if efl >> 19 & 1 else ""
    words = " ".join(on if efl >> bit & 1 else off for bit, on, off in _FLAG_WORDS)
    return f"iopl={efl >> 12 & 3} {vip:3} {vif:3} {words}"


def block(target: Target) -> list[str]:
    """The three lines of `r`."""
    value = {name: target.register(name) for name in (*_GENERAL, *_POINTERS, *SEGMENTS, "efl")}

    def line(names: tuple[str, ...]) -> str:
        return " ".join(f"{name}={value[name]:08x}" for name in names)

    segments = "  ".join(f"{name}={value[name] & 0xFFFF:04x}" for name in SEGMENTS)
    return [
        line(_GENERAL),
        f"{line(_POINTERS)} {flags_text(value['efl'])}",
        f"{segments}             efl={value['efl']:08x}",
    ]
