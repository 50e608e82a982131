"""`lm`, `ln` and `x`: modules and symbols."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from fnmatch import translate

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session
from ntgate.debug.symbols import Module
from ntgate.debug.target import Target, Unreadable
from ntgate.layout.machine import MM_SYSTEM_RANGE_START
from ntgate.layout.pe import E_LFANEW

_TIMESTAMP_OFFSET, _CHECKSUM_OFFSET = 0x08, 0x58  # from the PE signature


@command(
    "lm",
    help="List the modules in memory",
    usage="lm [v][k | u] [m PATTERN | a ADDRESS]\n"
    "v: details; k: kernel mode only; u: user mode only; as one word or several: lmvm nt",
    options="vkumafnoDt1",
)
def list_modules(session: Session, args: Arguments) -> Iterable[str]:
    options = args.options
    while args and options[-1:] not in ("m", "a"):
        options += args.take_word()
    modules = session.machine.symbols.modules
    if options.endswith("a"):
        address = args.take_address()
        modules = [module for module in modules if address in module]
    elif options.endswith("m"):
        pattern = re.compile(translate(args.take_word() or "*"), re.IGNORECASE)
        modules = [module for module in modules if pattern.match(module.name)]
    args.finish()
    if "k" in options:
        modules = [module for module in modules if module.base >= MM_SYSTEM_RANGE_START]
    if "u" in options:
        modules = [module for module in modules if module.base < MM_SYSTEM_RANGE_START]
    yield "start    end        module name"
    for module in modules:
        yield _row(module)
        if "v" in options:
            yield from _details(session.target, module)


def _row(module: Module) -> str:
    kind = "(export symbols)" if module.names else "(no symbols)"
    return f"{module.base:08x} {module.end & 0xFFFFFFFF:08x}   {module.name:<12} {kind}"


def _details(target: Target, module: Module) -> Iterator[str]:
    yield f"    Image path: {module.image_path}"
    yield f"    Image name: {module.image_name}"
    stamp = module.timestamp or _in_header(target, module.base, _TIMESTAMP_OFFSET) or 0
    when = datetime.fromtimestamp(stamp, UTC)
    yield f"    Timestamp:        {when:%a %b %d %H:%M:%S %Y} ({stamp:08X})"
    checksum = _in_header(target, module.base, _CHECKSUM_OFFSET)
    yield f"    CheckSum:         {'unavailable' if checksum is None else f'{checksum:08X}'}"
    yield f"    ImageSize:        {module.size:08X}"
    if module.version:
        yield f"    File version:     {module.version}"


def _in_header(target: Target, base: int, offset: int) -> int | None:
    """A dword of the PE header in memory; None where that can't be read."""
    try:
        header = peek.number(target, base + E_LFANEW)
        return peek.number(target, base + header + offset)
    except Unreadable:
        return None


@command("ln", help="List the symbols nearest to an address", usage="ln [ADDRESS]")
def list_nearest(session: Session, args: Arguments) -> Iterable[str]:
    address = args.take_address() if args else session.target.register("eip")
    args.finish()
    location = session.machine.symbols.nearest(address)
    if location is None or (location.symbol is None and location.next is None):
        raise KdError(f"No symbol is near {address:08x}")
    columns = []
    if location.symbol:
        columns.append(f"({location.symbol.address:08x})   {location}")
    if location.next:
        distance = location.next.address - address
        columns.append(f"({location.next.address:08x})   {location.next}-{distance:#x}")
    yield "  |  ".join(columns)
    exact = session.machine.symbols.at(address)
    if exact:
        yield "Exact matches:"
    for symbol in exact:
        yield f"    {symbol} = <no type information>"


@command("x", help="Examine symbols: list those that match", usage="x MODULE!PATTERN")
def examine(session: Session, args: Arguments) -> Iterable[str]:
    pattern = args.take_word()
    args.finish()
    if not pattern:
        raise args.mistake()
    symbols = session.machine.symbols.match(pattern)
    if not symbols:
        raise KdError(f"Couldn't resolve 'x {pattern}'")
    for symbol in symbols:
        yield f"{symbol.address:08x} {symbol} = <no type information>"
