"""The `d` commands: memory as bytes, numbers, text and pointers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session
from ntgate.debug.target import Unreadable
from ntgate.records import dataclass

LARGEST_DISPLAY = 0x100000
_TEXT_ROW = 32
_LONGEST_TEXT = 0x4000
_ADDRESS_MASK = 0xFFFFFFFF

Known = Sequence[int | None]


@dataclass(frozen=True)
class Layout:
    """How one `d` command lays out its rows.  `element` renders an element's bytes."""

    size: int
    per_row: int
    count: int  # elements, without a range
    element: Callable[[Known], str]
    has_text: bool = False  # the characters at the end of the row
    dash_at: int = 0  # the element before which `-` stands


def hex_number(raw: Known) -> str:
    """The element as a number, `??` for each byte that can't be read."""
    return "".join("??" if byte is None else f"{byte:02x}" for byte in reversed(raw))


def _quad(raw: Known) -> str:
    return f"{hex_number(raw[4:])}`{hex_number(raw[:4])}"


def _real(raw: Known) -> str:
    if None in raw:
        return "?" * 8
    code = "<f" if len(raw) == 4 else "<d"
    (value,) = struct.unpack(code, bytes(byte or 0 for byte in raw))
    return f"{msvc_exponent(f'{value:.8g}' if code == '<f' else f'{value:.17g}'):>24}"


def msvc_exponent(text: str) -> str:
    """A C number with the three exponent digits of Microsoft's C library."""
    mantissa, mark, exponent = text.partition("e")
    return f"{mantissa}e{exponent[0]}{int(exponent[1:]):03d}" if mark else text


def characters(raw: Known) -> str:
    """ASCII with `.` for the rest and `?` for what can't be read."""
    return "".join(
        "?" if byte is None else chr(byte) if 0x20 <= byte < 0x7F else "." for byte in raw
    )


LAYOUTS = {
    "db": Layout(1, 16, 128, hex_number, has_text=True, dash_at=8),
    "dw": Layout(2, 8, 64, hex_number),
    "dW": Layout(2, 8, 64, hex_number, has_text=True),
    "dd": Layout(4, 4, 32, hex_number),
    "dc": Layout(4, 4, 32, hex_number, has_text=True),
    "dq": Layout(8, 2, 16, _quad),
    "df": Layout(4, 1, 16, _real),
    "dD": Layout(8, 1, 8, _real),
}


def rows(layout: Layout, address: int, raw: Known) -> Iterator[str]:
    """The rows of bytes that lie at `address`."""
    width = layout.size * layout.per_row
    for start in range(0, len(raw), width):
        row = raw[start : start + width]
        elements = [
            layout.element(row[offset : offset + layout.size])
            for offset in range(0, len(row), layout.size)
        ]
        text = elements[0]
        for index, element in enumerate(elements[1:], 1):
            text += ("-" if index == layout.dash_at else " ") + element
        if layout.has_text:
            full = layout.per_row * (2 * layout.size + 1) - 1
            text = f"{text:<{full}}  {characters(row)}"
        yield f"{address + start & _ADDRESS_MASK:08x}  {text}"


def _start(session: Session) -> int:
    cursor = session.cursors.data
    return session.target.register("eip") if cursor is None else cursor


def take_range(session: Session, args: Arguments, size: int, count: int) -> tuple[int, int]:
    """The address and the number of elements of `size` bytes that a `d` command is to show."""
    if not args:
        return _start(session), count
    found = args.take_range(size, count)
    args.finish()
    if found.size > LARGEST_DISPLAY:
        raise KdError(f"^ Range error in '{args.line}'")
    return found.address, found.count


def _numbers(name: str) -> Callable[[Session, Arguments], Iterable[str]]:
    layout = LAYOUTS[name]

    def display_numbers(session: Session, args: Arguments) -> Iterable[str]:
        address, count = take_range(session, args, layout.size, layout.count)
        raw = peek.with_holes(session.target, address, count * layout.size)
        yield from rows(layout, address, raw)
        session.cursors.data = address + len(raw) & _ADDRESS_MASK
        session.cursors.display = name

    return display_numbers


for _name, _help in (
    ("db", "Display bytes and ASCII characters"),
    ("dw", "Display words (2 bytes)"),
    ("dW", "Display words and ASCII characters"),
    ("dd", "Display doublewords (4 bytes)"),
    ("dc", "Display doublewords and ASCII characters"),
    ("dq", "Display quadwords (8 bytes)"),
    ("df", "Display single-precision numbers (4 bytes)"),
    ("dD", "Display double-precision numbers (8 bytes)"),
):
    command(_name, help=_help, usage=f"{_name} [ADDRESS [LCOUNT | END]]", continues=True)(
        _numbers(_name)
    )


@command("d", help="Display memory as the last d command did", usage="d [RANGE]", continues=True)
def display_again(session: Session, args: Arguments) -> Iterable[str]:
    return session.run(f"{session.cursors.display} {args.take_rest()}")


def _text(session: Session, args: Arguments, width: int) -> Iterator[str]:
    limit = _LONGEST_TEXT
    if args:
        found = args.take_range(width, limit)
        args.finish()
        address, limit = found.address, min(found.count, limit)
    else:
        address = _start(session)
    try:
        raw = peek.zero_terminated(session.target, address, width, limit)
    except Unreadable:
        yield f'{address:08x}  "{"?" * _TEXT_ROW}"'
        raise
    step = _TEXT_ROW * width
    for offset in range(0, max(len(raw), 1), step):
        text = printable(raw[offset : offset + step], width)
        yield f'{address + offset & _ADDRESS_MASK:08x}  "{text}"'
    session.cursors.data = address + len(raw) + width & _ADDRESS_MASK


def printable(raw: bytes, width: int) -> str:
    """ASCII (width 1) or UTF-16 (width 2) text with `.` for what can't be shown."""
    text = raw.decode("utf-16-le", "replace") if width == 2 else raw.decode("latin-1")
    return "".join(
        letter if letter.isprintable() and (width == 2 or letter < "\x7f") else "."
        for letter in text
    )


@command("da", help="Display an ASCII string", usage="da [ADDRESS [LCOUNT]]", continues=True)
def display_ascii(session: Session, args: Arguments) -> Iterable[str]:
    yield from _text(session, args, 1)
    session.cursors.display = "da"


@command("du", help="Display a Unicode string", usage="du [ADDRESS [LCOUNT]]", continues=True)
def display_unicode(session: Session, args: Arguments) -> Iterable[str]:
    yield from _text(session, args, 2)
    session.cursors.display = "du"


def _counted_string(session: Session, args: Arguments, width: int) -> Iterator[str]:
    address = args.take_address() if args else _start(session)
    args.finish()
    length = peek.number(session.target, address, 2) // width * width
    buffer = peek.number(session.target, address + 4)
    raw = session.target.read(buffer, length) if length else b""
    for offset in range(0, max(length, 1), _TEXT_ROW * width):
        text = printable(raw[offset : offset + _TEXT_ROW * width], width)
        yield f'{buffer + offset & _ADDRESS_MASK:08x}  "{text}"'
    session.cursors.data = address + 8 & _ADDRESS_MASK


@command("ds", help="Display the text of a STRING structure", usage="ds ADDRESS", continues=True)
def display_string(session: Session, args: Arguments) -> Iterable[str]:
    return _counted_string(session, args, 1)


@command(
    "dS", help="Display the text of a UNICODE_STRING structure", usage="dS ADDRESS", continues=True
)
def display_unicode_string(session: Session, args: Arguments) -> Iterable[str]:
    return _counted_string(session, args, 2)


def _pointers(name: str) -> Callable[[Session, Arguments], Iterable[str]]:
    layout = LAYOUTS["dq" if name == "dqs" else "dd"]

    def display_pointers(session: Session, args: Arguments) -> Iterable[str]:
        address, count = take_range(session, args, layout.size, 128 // layout.size)
        raw = peek.with_holes(session.target, address, count * layout.size)
        for offset in range(0, len(raw), layout.size):
            element = raw[offset : offset + layout.size]
            value = layout.element(element)
            symbol = None
            if None not in element:
                symbol = session.name(int(hex_number(element[:4]), 16))
            yield f"{address + offset & _ADDRESS_MASK:08x}  {value} {symbol or ''}".rstrip()
        session.cursors.data = address + len(raw) & _ADDRESS_MASK
        session.cursors.display = name

    return display_pointers


for _name, _help in (
    ("dps", "Display pointers with the symbols that they point at"),
    ("dds", "Display doublewords with the symbols that they point at"),
    ("dqs", "Display quadwords with the symbols that they point at"),
):
    command(_name, help=_help, usage=f"{_name} [ADDRESS [LCOUNT | END]]", continues=True)(
        _pointers(_name)
    )


def _bits(raw: Known) -> str:
    if None in raw:
        return "?" * 8 * len(raw)
    return " ".join(f"{byte or 0:08b}" for byte in reversed(raw))


def _binary(session: Session, args: Arguments, size: int) -> Iterator[str]:
    address, count = take_range(session, args, size, 32 // size)
    raw = peek.with_holes(session.target, address, count * size)
    yield f"{'':10}{' '.join(['76543210'] * 4)}"
    yield f"{'':10}{' '.join(['--------'] * 4)}"
    for offset in range(0, len(raw), 4):
        elements = [
            raw[start : start + size] for start in range(offset, min(offset + 4, len(raw)), size)
        ]
        bits = " ".join(_bits(element) for element in elements)
        numbers = " ".join(hex_number(element) for element in elements)
        yield f"{address + offset & _ADDRESS_MASK:08x}  {bits:<35}  {numbers}"
    session.cursors.data = address + len(raw) & _ADDRESS_MASK


@command("dyb", help="Display bytes in binary", usage="dyb [RANGE]", continues=True)
def display_binary_bytes(session: Session, args: Arguments) -> Iterable[str]:
    return _binary(session, args, 1)


@command("dyd", help="Display doublewords in binary", usage="dyd [RANGE]", continues=True)
def display_binary_doublewords(session: Session, args: Arguments) -> Iterable[str]:
    return _binary(session, args, 4)


def _physical(name: str) -> Callable[[Session, Arguments], Iterable[str]]:
    layout = LAYOUTS[name]

    def display_physical(session: Session, args: Arguments) -> Iterable[str]:
        if not args:
            raise args.mistake()
        address, count = take_range(session, args, layout.size, layout.count)
        raw = session.target.read_physical(address, count * layout.size)
        for line in rows(layout, address, list(raw)):
            yield f"#{line}"

    return display_physical


for _name, _help in (("db", "bytes"), ("dw", "words"), ("dd", "doublewords"), ("dq", "quadwords")):
    command(f"!{_name}", help=f"Display {_help} of physical memory", usage=f"!{_name} RANGE")(
        _physical(_name)
    )
