"""Decoders of single arguments: from a dword of a call to a value."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ntgate.dispatch.named_types import InformationClass
from ntgate.layout.ob import CURRENT_PROCESS
from ntgate.trace.peek import LONGEST_STRING, Peek
from ntgate.trace.scalars import PSEUDO_HANDLES, ScalarType
from ntgate.trace.structures import CODES, StructureDecoder
from ntgate.trace.values import Bytes, Clipped, Word

MOST_ELEMENTS = 64  # MAXIMUM_WAIT_OBJECTS


class View:
    """A call as its decoders see it.

    handle_name: the name of a handle's object, or "".  place: the name of an address in the
    process of a handle, which is one of a process or a thread; "" outside of its images.
    """

    __slots__ = ("handle_name", "peek", "place", "raw")

    def __init__(self, peek: Peek) -> None:
        self.peek = peek
        self.raw: Sequence[int] = ()
        self.handle_name: Callable[[int], str] = lambda _handle: ""
        self.place: Callable[[int, int], str] = lambda _address, _handle: ""


LAST_ATOM = 0xFFFF  # below any buffer's address
Decode = Callable[[View, int], Any]  # raises peek.Unreadable
Size = Callable[[View], int]


def handle_decoder(*, with_names: bool, pseudo: bool) -> Decode:
    """`0x24<\\Device\\...>`; pseudo: -1 and its like stand for the caller's own objects."""

    def bare(_view: View, word: int) -> Word:
        name = PSEUDO_HANDLES.get(word) if pseudo else None
        return Word(name or f"{word:#x}")

    def named(view: View, word: int) -> Word:
        name = view.handle_name(word) if 0 < word < 0xFFFFFFF0 else ""
        return Word(f"{word:#x}<{name}>") if name else bare(view, word)

    return named if with_names else bare


def address_decoder(owner: int | None) -> Decode:
    """`0x7c92d6c0<ntdll!NtOpenFile>`; owner: the argument that tells whose address it is."""

    def decode(view: View, word: int) -> Any:
        if not word:
            return Word("0x0")
        name = view.place(word, CURRENT_PROCESS if owner is None else view.raw[owner])
        return Word(f"{word:#x}<{name}>" if name else f"{word:#x}")

    return decode


def pointer_decoder(scalar: ScalarType) -> Decode:
    """A pointer to a number; None for NULL."""
    code = CODES[scalar.size]
    unpack = struct.Struct("<" + (code.lower() if scalar.signed else code)).unpack
    size, show = scalar.size, scalar.show

    def decode(view: View, word: int) -> Any:
        if not word:
            return None
        (value,) = unpack(view.peek.read(word, size))
        return value if show is None else show(value)

    return decode


def array_decoder(element: Decode, count: int) -> Decode:
    """As many dwords as the argument of index `count` says."""

    def decode(view: View, word: int) -> Any:
        size = 4 * min(view.raw[count], MOST_ELEMENTS)
        words = struct.unpack(f"<{size // 4}I", view.peek.read(word, size))
        return [element(view, each) for each in words]

    return decode


def unicode_string_decoder(view: View, word: int) -> Any:
    """Its text; the number of an atom, which win32k takes in the place of the buffer."""
    if not word:
        return None
    text = view.peek.unicode_string(word)
    atom = view.peek.u32(word + 4) if not text else 0
    return Word(f"{atom:#x}") if 0 < atom <= LAST_ATOM else text


def sized_buffer(decoder: StructureDecoder, size: Size) -> Decode:
    limit = decoder.string_limit

    def decode(view: View, word: int) -> Any:
        if not word:
            return None
        length = size(view)
        return Bytes(view.peek.read(word, min(length, limit)), more=length > limit)

    return decode


def class_buffer(
    decoder: StructureDecoder, rows: Mapping[int, InformationClass], by_class: int, size: Size
) -> Decode:
    """What the information class says that the buffer holds."""

    def decode(view: View, word: int) -> Any:
        if not word:
            return None
        described = rows.get(view.raw[by_class])
        if described is None:
            return decoder.buffer(view.peek, word, size(view))
        return decoder.information(described, view.peek, word, size(view))

    return decode


def registry_data_decoder(decoder: StructureDecoder, kind: int, length: int) -> Decode:
    """The data of a value that is being set."""

    def decode(view: View, word: int) -> Any:
        if not word:
            return None
        size = view.raw[length]
        data = view.peek.read(word, min(size, LONGEST_STRING))
        return decoder.registry_data(view.raw[kind], data, size)

    return decode


def text_pointer(limit: int) -> Decode:
    """A PWSTR: UTF-16 up to its NUL."""

    def decode(view: View, word: int) -> Any:
        if not word:
            return None
        data = view.peek.available(word, 2 * limit)
        text, found, _rest = data.decode("utf-16-le", "replace").partition("\0")
        return text if found else Clipped(text)

    return decode
