"""`version` and `vertarget`: which system the machine runs, as its memory tells it."""

from __future__ import annotations

from collections.abc import Iterable

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.session import Session
from ntgate.layout.machine import SHARED_USER_DATA_KERNEL

_PRODUCTS = {1: "WinNt", 2: "LanManNt", 3: "ServerNt"}
_NAMES = {(5, 0): "Windows 2000", (5, 1): "Windows XP", (5, 2): "Windows Server 2003"}
# (bit, name) of SuiteMask.
_SUITES = (
    (0, "SmallBusiness"),
    (1, "Enterprise"),
    (4, "TerminalServer"),
    (7, "DataCenter"),
    (8, "SingleUserTS"),
    (9, "Personal"),
)


@command("vertarget", "version", help="Show the version of the machine's system", usage="vertarget")
def target_version(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()

    def shared(field: str) -> int:
        offset = session.types.offset("_KUSER_SHARED_DATA", field)
        return peek.number(session.target, SHARED_USER_DATA_KERNEL + offset)

    major, minor = shared("NtMajorVersion"), shared("NtMinorVersion")
    name = _NAMES.get((major, minor), f"Windows NT {major}.{minor}")
    symbols = session.machine.symbols
    build = _build(session)
    build_text = f" Version {build}" if build else ""
    yield f"{name} Kernel{build_text} UP Free x86 compatible"
    suites = [suite for bit, suite in _SUITES if shared("SuiteMask") >> bit & 1]
    product = _PRODUCTS.get(shared("NtProductType"), "unknown")
    yield f"Product: {product}, suite: {' '.join(suites)}".rstrip()
    kernel = symbols.module("nt")
    if kernel:
        loaded = symbols.lookup("nt!PsLoadedModuleList")
        list_text = f" PsLoadedModuleList = 0x{loaded:08x}" if loaded is not None else ""
        yield f"Kernel base = 0x{kernel.base:08x}{list_text}"


def _build(session: Session) -> int:
    """NtBuildNumber without its free/checked bits; 0 where the kernel has none."""
    address = session.machine.symbols.lookup("nt!NtBuildNumber")
    return 0 if address is None else peek.number(session.target, address) & 0xFFFFFFF
