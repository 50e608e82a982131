"""`sx`, `.lastevent`, `.exr`, `.ecxr`: events and exceptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.event_filters import ANY, EVENTS, EventFilter
from ntgate.debug.guest_events import EXCEPTIONS, exception_name
from ntgate.debug.processes import record
from ntgate.debug.registers import state
from ntgate.debug.running import show_registers_of
from ntgate.debug.session import Session
from ntgate.debug.target import RaisedException, Reaction, StopReason
from ntgate.layout.ntstatus import STATUS_ACCESS_VIOLATION

_SHORT = {code: short for short, code, _name in EXCEPTIONS}
_CODES = {short: code for short, code, _name in EXCEPTIONS}
_ACCESSES = {0: "read from", 1: "write to", 8: "execute non-executable"}
_MOST_PARAMETERS = 15


@command("sx", help="List what is done about events and exceptions", usage="sx")
def list_filters(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    for found in session.filters:
        if found.key in EVENTS:
            yield _row(found)
    yield ""
    for found in session.filters:
        if found.key not in EVENTS:
            yield _row(found)


def _row(found: EventFilter) -> str:
    key = found.key if isinstance(found.key, str) else _SHORT.get(found.key, f"{found.key:08x}")
    row = f"{key:>4} - {found.name} - {found.reaction.value}"
    if found.key not in EVENTS:
        row += " - not handled"
    if found.pattern:
        row += f" ({found.pattern} only)"
    return f'{row} "{found.commands}"' if found.commands else row


def _key(args: Arguments) -> tuple[str | int, str]:
    """Key and pattern of `av`, `ld:kernel32`, `c0000005` or `*`."""
    word, _, pattern = args.take_word().partition(":")
    folded = word.casefold()
    if folded == ANY or folded in EVENTS:
        return folded, pattern
    if folded in _CODES:
        return _CODES[folded], pattern
    try:
        return int(folded.removeprefix("0x"), 16) & 0xFFFFFFFF, pattern
    except ValueError:
        text = f"^ Syntax error in '{args.line}': '{word}' is no event; sx lists them"
        raise KdError(text) from None


def _set(reaction: Reaction) -> Callable[[Session, Arguments], Iterable[str]]:
    def set_filter(session: Session, args: Arguments) -> Iterable[str]:
        commands = None
        if args.take_option("-c"):
            commands = args.take_string()
            if commands is None:
                raise args.mistake()
        if not args:
            raise args.mistake()
        while args:
            key, pattern = _key(args)
            found = session.filters.get(key)
            if pattern and not session.filters.has_name(key):
                raise KdError(f"^ Syntax error in '{args.line}': {found.name} has no name to match")
            found.reaction = reaction
            if reaction is Reaction.SECOND_CHANCE and key in EVENTS:
                found.reaction = Reaction.IGNORE
            found.pattern = pattern
            if commands is not None:
                found.commands = commands
        return ()

    return set_filter


for _name, _reaction, _help in (
    ("sxe", Reaction.BREAK, "Break at an event, and at the first chance of an exception"),
    ("sxd", Reaction.SECOND_CHANCE, "Break at the second chance of an exception only"),
    ("sxn", Reaction.OUTPUT, "Tell of an event, and go on"),
    ("sxi", Reaction.IGNORE, "Ignore an event or exception, the second chance too"),
):
    command(
        _name,
        help=_help,
        usage=f'{_name} [-c "COMMANDS"] EVENT ...\n'
        "EVENT: ct et cpr[:IMAGE] epr ld[:MODULE] ud[:MODULE], av and the others of sx, a code, *",
    )(_set(_reaction))


@command("sxr", help="Forget every sxe, sxd, sxn and sxi", usage="sxr")
def reset_filters(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    session.filters.reset()
    yield "sx state reset to defaults"


@command(".lastevent", help="Show why the machine stopped last", usage=".lastevent")
def last_event(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    stop = session.last_stop
    if stop is None:
        raise KdError("Nothing has happened yet")
    if stop.event is not None:
        text = stop.event.text.partition("\n")[0]
        yield f"Last event: {stop.event.pid:x}.{stop.event.tid:x}: {text}"
        return
    if stop.reason is StopReason.BREAKPOINT:
        numbers = [
            f"{known.number}" for known in session.breakpoints if known.handle in stop.breakpoints
        ]
        text = f"Hit breakpoint {' '.join(numbers)}".rstrip()
    else:
        text = stop.text.partition("\n")[0] or stop.reason.value.capitalize()
    yield f"Last event: {text}"


def _last_exception(session: Session) -> RaisedException:
    stop = session.last_stop
    if stop is None or stop.event is None or stop.event.exception is None:
        raise KdError("The last event was not an exception")
    return stop.event.exception


@command(
    ".exr",
    help="Show an EXCEPTION_RECORD; -1: that of the last event",
    usage=".exr ADDRESS | -1",
)
def exception_record(session: Session, args: Arguments) -> Iterable[str]:
    if args.take_option("-1"):
        args.finish()
        raised = _last_exception(session)
        return _record_rows(session, raised.address, raised.code, 0, raised.parameters)
    found = record(session, "_EXCEPTION_RECORD", args.take_address())
    args.finish()
    count = found["NumberParameters"]
    information = found.at("ExceptionInformation")
    parameters = tuple(
        peek.number(session.target, information + 4 * index)
        for index in range(min(count, _MOST_PARAMETERS))
    )
    address, code = found["ExceptionAddress"], found["ExceptionCode"]
    return _record_rows(session, address, code, found["ExceptionFlags"], parameters)


def _record_rows(
    session: Session, address: int, code: int, flags: int, parameters: tuple[int, ...]
) -> Iterator[str]:
    name = session.name(address)
    yield f"ExceptionAddress: {address:08x}{f' ({name})' if name else ''}"
    known = exception_name(code)
    yield f"   ExceptionCode: {code:08x}{f' ({known})' if known != 'Unknown exception' else ''}"
    yield f"  ExceptionFlags: {flags:08x}"
    yield f"NumberParameters: {len(parameters)}"
    for index, value in enumerate(parameters):
        yield f"   Parameter[{index}]: {value:08x}"
    if code == STATUS_ACCESS_VIOLATION and len(parameters) > 1:
        way = _ACCESSES.get(parameters[0], "access")
        yield f"Attempt to {way} address {parameters[1]:08x}"


@command(".ecxr", help="Look at the registers of the last exception", usage=".ecxr")
def exception_context(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    show_registers_of(session, _last_exception(session))
    yield from state(session)
