"""Changing, searching and comparing memory: `e`, `f`, `m`, `c`, `s`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.display import LARGEST_DISPLAY, LAYOUTS, rows
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session

_WRITE_LIMIT = 0x1000000


def take_bytes(args: Arguments, size: int) -> bytes:
    """All that is left, as elements of `size` bytes; strings give their characters."""
    found = bytearray()
    while args:
        text = args.take_string()
        if text is not None:
            for letter in text.encode("latin-1", "replace"):
                found += letter.to_bytes(size, "little")
            continue
        value = args.take_value()
        limit = 1 << 8 * size
        if value >= limit and (1 << 64) - value > limit // 2:
            raise KdError(f"^ Overflow error in '{args.line}'")
        found += (value % limit).to_bytes(size, "little")
    return bytes(found)


def _enter_numbers(name: str, size: int) -> Callable[[Session, Arguments], Iterable[str]]:
    def enter(session: Session, args: Arguments) -> Iterable[str]:
        address = args.take_address()
        if not args:
            raise KdError(f"^ Syntax error in '{args.line}': there is no value to enter")
        session.target.write(address, take_bytes(args, size))
        session.cursors.enter = name
        return ()

    return enter


for _name, _size, _what in (
    ("eb", 1, "bytes"),
    ("ew", 2, "words"),
    ("ed", 4, "doublewords"),
    ("eq", 8, "quadwords"),
):
    command(_name, help=f"Enter {_what} into memory", usage=f'{_name} ADDRESS VALUE | "TEXT" ...')(
        _enter_numbers(_name, _size)
    )


@command("e", help="Enter values as the last e command did", usage="e ADDRESS VALUE ...")
def enter_again(session: Session, args: Arguments) -> Iterable[str]:
    return session.run(f"{session.cursors.enter} {args.take_rest()}")


def _enter_text(encoding: str, terminator: bytes) -> Callable[[Session, Arguments], Iterable[str]]:
    def enter(session: Session, args: Arguments) -> Iterable[str]:
        address = args.take_address()
        text = args.take_string()
        if text is None:
            raise args.mistake()
        args.finish()
        session.target.write(address, text.encode(encoding, "replace") + terminator)
        return ()

    return enter


for _name, _encoding, _terminator, _what in (
    ("ea", "latin-1", b"", "an ASCII string, with no zero at its end"),
    ("eza", "latin-1", b"\0", "an ASCII string and a zero"),
    ("eu", "utf-16-le", b"", "a Unicode string, with no zero at its end"),
    ("ezu", "utf-16-le", b"\0\0", "a Unicode string and a zero"),
):
    command(_name, help=f"Enter {_what}", usage=f'{_name} ADDRESS "TEXT"')(
        _enter_text(_encoding, _terminator)
    )


@command("f", help="Fill memory with a pattern", usage='f RANGE BYTE | "TEXT" ...')
def fill(session: Session, args: Arguments) -> Iterable[str]:
    found = args.take_range(1, 1)
    pattern = take_bytes(args, 1)
    if not pattern:
        raise KdError(f"^ Syntax error in '{args.line}': there is no pattern")
    if found.count > _WRITE_LIMIT:
        raise KdError(f"^ Range error in '{args.line}'")
    repeated = pattern * (found.count // len(pattern) + 1)
    session.target.write(found.address, repeated[: found.count])
    yield f"Filled {found.count:#x} bytes"


@command("m", help="Move (copy) memory", usage="m RANGE DESTINATION")
def move(session: Session, args: Arguments) -> Iterable[str]:
    found = args.take_range(1, 1)
    destination = args.take_address()
    args.finish()
    if found.count > _WRITE_LIMIT:
        raise KdError(f"^ Range error in '{args.line}'")
    session.target.write(destination, session.target.read(found.address, found.count))
    return ()


@command("c", help="Compare memory; shows the bytes that differ", usage="c RANGE ADDRESS")
def compare(session: Session, args: Arguments) -> Iterable[str]:
    found = args.take_range(1, 1)
    other = args.take_address()
    args.finish()
    if found.count > LARGEST_DISPLAY:
        raise KdError(f"^ Range error in '{args.line}'")
    here = session.target.read(found.address, found.count)
    there = session.target.read(other, found.count)
    for offset, (left, right) in enumerate(zip(here, there, strict=True)):
        if left != right:
            yield f"{found.address + offset:08x}  {left:02x} - {other + offset:08x} {right:02x}"


@command(
    "s",
    help="Search memory for bytes, numbers or a string",
    usage='s [-b | -w | -d | -q] RANGE VALUE | "TEXT" ...\n'
    's -a RANGE "TEXT"\n'
    's -u RANGE "TEXT"\n'
    "s -[1]KIND ...    only the addresses\n"
    "RANGE: ADDRESS LCOUNT, ADDRESS L?COUNT above 256 MB, or START END",
)
def search(session: Session, args: Arguments) -> Iterable[str]:
    option = args.take_option(r"-(\[1\])?([bwdqau])")
    kind = option[2] if option else "b"
    size = {"w": 2, "d": 4, "q": 8}.get(kind, 1)
    found = args.take_range(size, 0x80)
    if kind in "au":
        text = args.take_string()
        if text is None:
            raise args.mistake()
        args.finish()
        pattern = text.encode("utf-16-le" if kind == "u" else "latin-1", "replace")
    else:
        pattern = take_bytes(args, size)
    if not pattern:
        raise KdError(f"^ Syntax error in '{args.line}': there is no pattern")
    layout = LAYOUTS[{"w": "dW", "u": "dW", "d": "dc", "q": "dq"}.get(kind, "db")]
    for address in matches(session, found.address, found.size, pattern, size):
        if option and option[1]:
            yield f"0x{address:08x}"
        else:
            raw = peek.with_holes(session.target, address, layout.size * layout.per_row)
            yield from rows(layout, address, raw)


def matches(session: Session, address: int, size: int, pattern: bytes, step: int) -> Iterator[int]:
    """Where `pattern` lies whole within the range, at multiples of `step` from its start.

    Memory that can't be read is skipped.
    """
    kept = bytearray()
    kept_at = address
    for start, data in peek.chunks(session.target, address, size):
        if start != kept_at + len(kept):
            kept.clear()
            kept_at = start
        kept += data
        position = kept.find(pattern)
        while position >= 0:
            if (kept_at + position - address) % step == 0:
                yield kept_at + position
            position = kept.find(pattern, position + 1)
        surplus = len(kept) - (len(pattern) - 1)
        if surplus > 0:
            del kept[:surplus]
            kept_at += surplus
