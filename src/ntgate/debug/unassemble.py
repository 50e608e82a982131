"""`u`, `ub` and `uf`: code as instructions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.disasm import MAX_INSTRUCTION, CodeLine, ends_flow, unreadable_line
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session
from ntgate.debug.target import Unreadable

_DEFAULT_COUNT = 8
_LONGEST_LISTING = 0x10000
_LARGEST_FUNCTION = 20_000  # instructions


def line_at(session: Session, address: int) -> CodeLine:
    """The instruction at an address; raises Unreadable."""
    code = peek.readable(session.target, address, MAX_INSTRUCTION)
    if not code:
        raise Unreadable(address)
    return session.disassembler.decode(code, address)


def listing(session: Session, address: int, count: int, end: int | None = None) -> Iterator[str]:
    """Up to `count` instructions that start before `end`, with the labels between them.

    The first line has a label whatever its offset, the others where a symbol is.  Leaves the
    cursor of `u` behind the last instruction.
    """
    first = True
    while count and (end is None or address < end):
        at_symbol = bool(session.machine.symbols.at(address))
        if (first and session.name(address)) or at_symbol:
            yield f"{session.name(address)}:"
        session.cursors.code = address
        try:
            line = line_at(session, address)
        except Unreadable:
            yield unreadable_line(address)
            raise
        yield str(line)
        if line.next_address < address:
            return
        session.cursors.code = address = line.next_address
        first = False
        count -= 1


@command(
    "u",
    help="Unassemble: show code as instructions",
    usage="u [ADDRESS [LCOUNT | END]]",
    continues=True,
)
def unassemble(session: Session, args: Arguments) -> Iterable[str]:
    if not args:
        start = session.cursors.code
        address = session.target.register("eip") if start is None else start
        yield from listing(session, address, _DEFAULT_COUNT)
        return
    before = args.rest
    address = args.take_address()
    if not args:
        yield from listing(session, address, _DEFAULT_COUNT)
        return
    by_count = args.rest[0] in "lL"
    args.rest = before
    found = args.take_range(1, _DEFAULT_COUNT)
    args.finish()
    if found.count > _LONGEST_LISTING:
        raise KdError(f"^ Range error in '{args.line}'")
    if by_count:
        yield from listing(session, found.address, found.count)
    else:
        end = found.address + found.size
        yield from listing(session, found.address, found.size, end)


@command("ub", help="Unassemble the instructions before an address", usage="ub ADDRESS [LCOUNT]")
def unassemble_backwards(session: Session, args: Arguments) -> Iterable[str]:
    if args:
        found = args.take_range(1, _DEFAULT_COUNT)
        address, count = found.address, found.count
    else:
        address = session.target.register("eip")
        count = _DEFAULT_COUNT
    args.finish()
    if count > _LONGEST_LISTING:
        raise KdError(f"^ Range error in '{args.line}'")
    lines = before(session, address, count)
    if not lines:
        raise Unreadable(max(address - 1, 0))
    yield from listing(session, lines[0].address, len(lines))
    session.cursors.code = lines[0].address


def before(session: Session, address: int, count: int) -> list[CodeLine]:
    """The `count` instructions that end at `address`, fewer where they can't be found.

    From the symbol below where that decodes in step, since code before it may be data; else
    from the farthest start that does.
    """
    farthest = max(address - count * MAX_INSTRUCTION, 0)
    starts = []
    location = session.machine.symbols.nearest(address - 1) if address else None
    if location and location.symbol and address - location.symbol.address < 0x10000:
        starts.append(location.symbol.address)
    known = peek.with_holes(session.target, farthest, address - farthest)
    first_known = next(
        (farthest + i + 1 for i in range(len(known) - 1, -1, -1) if known[i] is None), farthest
    )
    best: list[CodeLine] = []
    for start in (*starts, *range(first_known, address)):
        lines = _in_step(session, start, address)
        if len(lines) >= count:
            return lines[-count:]
        if len(lines) > len(best):
            best = lines
    return best


def _in_step(session: Session, start: int, end: int) -> list[CodeLine]:
    """The instructions from `start`, if one of them ends exactly at `end`."""
    code = peek.readable(session.target, start, end - start)
    lines = []
    offset = 0
    while offset < len(code):
        line = session.disassembler.decode(code[offset : offset + MAX_INSTRUCTION], start + offset)
        if not line.is_valid:
            return []
        lines.append(line)
        offset += len(line.raw)
    return lines if start + offset == end else []


@command("uf", help="Unassemble a whole function, following its branches", usage="uf ADDRESS")
def unassemble_function(session: Session, args: Arguments) -> Iterable[str]:
    address = args.take_address() if args else session.target.register("eip")
    args.finish()
    location = session.machine.symbols.nearest(address)
    start = location.symbol.address if location and location.symbol else address
    code, is_whole = _function(session, start)
    if address not in code:
        code, is_whole = _function(session, address)
    if not is_whole:
        yield "Flow analysis was incomplete, some code may be missing"
    targets = {line.instruction.near_branch_target for line in code.values() if _branches(line)}
    previous: CodeLine | None = None
    for start, line in sorted(code.items()):
        is_new_block = previous is None or previous.next_address != start or start in targets
        if is_new_block:
            if previous is not None:
                yield ""
            yield f"{session.label(start)}:"
        yield str(line)
        previous = line


def _branches(line: CodeLine) -> bool:
    instruction = line.instruction
    return (
        instruction.is_jcc_short_or_near
        or instruction.is_jmp_short_or_near
        or instruction.is_loop
        or instruction.is_loopcc
        or instruction.is_jcx_short
    )


def _function(session: Session, entry: int) -> tuple[dict[int, CodeLine], bool]:
    """Every instruction reached from `entry` without a call, and whether nothing was missed."""
    code: dict[int, CodeLine] = {}
    pending = [entry]
    is_whole = True
    while pending:
        address = pending.pop()
        while address not in code:
            if len(code) >= _LARGEST_FUNCTION:
                return code, False
            try:
                line = line_at(session, address)
            except Unreadable:
                if not code:
                    raise
                is_whole = False
                break
            code[address] = line
            if not line.is_valid:
                is_whole = False
                break
            if _branches(line):
                pending.append(line.instruction.near_branch_target)
            if ends_flow(line.instruction):
                break
            address = line.next_address
    return code, is_whole
