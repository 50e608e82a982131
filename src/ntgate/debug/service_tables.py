"""`!ssdt`: the system service tables in guest memory, and which entries are not NT's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session
from ntgate.layout.ke import SERVICE_DESCRIPTOR_SIZE, SERVICE_DESCRIPTORS
from ntgate.records import dataclass

_TABLES = ("nt!KeServiceDescriptorTable", "nt!KeServiceDescriptorTableShadow")
_LARGEST_TABLE = 0x1000
_SERVICE_MODULES = ("nt", "win32k")


@dataclass(frozen=True)
class ServiceTable:
    """A KSERVICE_TABLE_DESCRIPTOR; `index` is its place, bits 12 and 13 of a service number."""

    index: int
    base: int
    limit: int
    argument_bytes: int


@dataclass(frozen=True)
class Entry:
    """One service: its routine and argument bytes, None where that memory can't be read."""

    number: int
    routine: int | None
    argument_bytes: int | None


def tables_at(session: Session, name: str) -> Iterator[ServiceTable]:
    """The descriptors in use at a symbol; raises KdError, Unreadable."""
    address = session.machine.symbols.lookup(name)
    if address is None:
        raise KdError(f"Couldn't resolve error at '{name}'")
    for index in range(SERVICE_DESCRIPTORS):
        at = address + index * SERVICE_DESCRIPTOR_SIZE
        base, limit, argument_bytes = (
            peek.number(session.target, at + offset) for offset in (0, 8, 12)
        )
        if base and limit:
            yield ServiceTable(index, base, limit, argument_bytes)


def entries(session: Session, table: ServiceTable) -> Iterator[Entry]:
    """Every entry of a table."""
    count = min(table.limit, _LARGEST_TABLE)
    routines = peek.with_holes(session.target, table.base, 4 * count)
    sizes = peek.with_holes(session.target, table.argument_bytes, count)
    for index in range(count):
        raw = [byte for byte in routines[4 * index : 4 * index + 4] if byte is not None]
        routine = int.from_bytes(bytes(raw), "little") if len(raw) == 4 else None
        yield Entry(table.index << 12 | index, routine, sizes[index])


def suspicion(session: Session, entry: Entry) -> str:
    """What is wrong with an entry, `""` where nothing is."""
    if entry.routine is None:
        return "unreadable"
    expected = session.expected_services.get(entry.number)
    module = session.machine.symbols.module_at(entry.routine)
    names = {symbol.name for symbol in session.machine.symbols.at(entry.routine)}
    if module is None or module.name not in _SERVICE_MODULES:
        return f"HOOKED, expected nt!{expected.name}" if expected else "HOOKED, outside nt"
    if expected and (
        entry.routine != expected.routine
        if expected.routine is not None
        else expected.name not in names
    ):
        return f"HOOKED, expected {module.name}!{expected.name}"
    if expected and entry.argument_bytes != expected.argument_bytes:
        return f"ARGUMENT BYTES, expected {expected.argument_bytes:x}"
    return ""


@command(
    "!ssdt",
    help="Show the system service tables; HOOKED marks what is not NT's own",
    usage="!ssdt             the nt table\n"
    "!ssdt -s          all tables, win32k's too\n"
    "!ssdt -h          only what is hooked, in all tables\n"
    "!ssdt NUMBER      one service\n"
    "!ssdt PATTERN     services by name: !ssdt NtWrite*",
)
def service_tables(session: Session, args: Arguments) -> Iterable[str]:
    only_hooked = args.take_option("-h") is not None
    shows_all = args.take_option("-s") is not None
    wanted = args.take_rest().removeprefix("nt!")
    number = _service_number(session, wanted)
    pattern = wanted.casefold() if wanted and number is None else ""
    names = _TABLES if only_hooked or shows_all or wanted else _TABLES[:1]
    seen: set[ServiceTable] = set()
    found = 0
    for name in names:
        tables = [table for table in tables_at(session, name) if table not in seen]
        seen.update(tables)
        for table in tables:
            rows = []
            for entry in entries(session, table):
                remark = suspicion(session, entry)
                if only_hooked and not remark:
                    continue
                if number is not None and entry.number != number:
                    continue
                if pattern and not _is_called(session, entry, pattern):
                    continue
                rows.append(_row(session, entry, remark))
            found += len(rows)
            if rows:
                yield _heading(name, table)
                yield from rows
    if not found:
        yield "No service is hooked" if only_hooked else f"No service matches '{wanted}'"


def _service_number(session: Session, wanted: str) -> int | None:
    """The number in `112`; a name or a pattern is none."""
    if not wanted or not wanted[0].isdigit():
        return None
    return session.evaluator.value(wanted)


def _is_called(session: Session, entry: Entry, pattern: str) -> bool:
    expected = session.expected_services.get(entry.number)
    names = [expected.name] if expected else []
    if entry.routine is not None:
        names += [symbol.name for symbol in session.machine.symbols.at(entry.routine)]
    return any(fnmatchcase(name.casefold(), pattern) for name in names)


def _heading(name: str, table: ServiceTable) -> str:
    return (
        f"{name}[{table.index}]: Base {table.base:08x} Limit {table.limit:x} "
        f"Number {table.argument_bytes:08x}"
    )


def _row(session: Session, entry: Entry, remark: str) -> str:
    routine = "????????" if entry.routine is None else f"{entry.routine:08x}"
    size = "??" if entry.argument_bytes is None else f"{entry.argument_bytes:02x}"
    symbol = session.name(entry.routine) if entry.routine is not None else None
    row = f"{entry.number:4x}  {routine}  {size}  {symbol or ''}"
    return f"{row:<52} {remark}".rstrip()
