"""Structures and buffers of a caller as values, by the descriptions of dispatch/data."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any
from uuid import UUID

from ntgate.dispatch.named_types import InformationClass, Structure, TypeName, named_types
from ntgate.layout.cm import REG_DWORD, REG_EXPAND_SZ, REG_LINK, REG_MULTI_SZ, REG_QWORD, REG_SZ
from ntgate.trace.peek import Peek, Unreadable
from ntgate.trace.scalars import ScalarType, hexadecimal, scalar_type
from ntgate.trace.sockets import (
    SOCKET_TYPES,
    address_behind,
    buffers_behind,
    received,
    socket_address,
)
from ntgate.trace.values import Bytes, Clipped, Fixed, Memo, Word

CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
MOST_LOOKED_AT = 0x10000  # bytes of a buffer of structures
POINTERS = {"STRING": (8, "unicode_string"), "SID": (4, "sid")}

FixedDecoder = Callable[[Peek, int], Fixed]


class Ended(Exception):
    """The buffer ends before the member does."""


def fixed_decoder(structure: Structure) -> FixedDecoder | None:
    """A quick decoder of a structure of numbers alone; None for any other."""
    layout, offset = "<", 0
    shows = []
    for name, kind in structure.members:
        scalar = scalar_type(kind.name, kind.size)
        if scalar is None or kind.count:
            return None
        padding = -offset % scalar.size
        code = "x" * scalar.size if name == "_" else _code(scalar)
        layout += "x" * padding + code
        offset += padding + scalar.size
        if name != "_":
            shows.append((name, scalar.show))
    compiled = struct.Struct(layout)
    size, unpack = compiled.size, compiled.unpack

    def members(data: bytes) -> Fixed:
        return Fixed({
            name: value if show is None else show(value)
            for (name, show), value in zip(shows, unpack(data), strict=True)
        })  # fmt: skip

    made = Memo(members)
    return lambda peek, address: made[peek.read(address, size)]


class StructureDecoder:
    """Decodes what is described; string_limit: bytes of a buffer that are shown."""

    def __init__(self, string_limit: int) -> None:
        self.string_limit = string_limit
        self.types = named_types()

    def information(
        self, described: InformationClass, peek: Peek, address: int, length: int
    ) -> Any:
        """The buffer of an information class.  Raises Unreadable."""
        kind = described.content
        if kind is None:
            return self.buffer(peek, address, length)
        if described.chain:
            data = peek.available(address, min(length, MOST_LOOKED_AT))
            if not data:
                raise Unreadable
            return self._chain(kind, data, peek)
        return self.content(kind, peek, address, length)

    def content(self, kind: TypeName, peek: Peek, address: int, length: int) -> Any:
        """A buffer that holds one type, or with the count `*` many.  Raises Unreadable."""
        data = peek.available(address, min(length, MOST_LOOKED_AT))
        if not data:
            raise Unreadable
        try:
            return self._value(kind, data, 0, 0, {}, peek)[0]
        except Ended:
            return Bytes(data[: self.string_limit], more=len(data) > self.string_limit)

    def received(self, peek: Peek, code: int, parameters: int, size: int) -> Any:
        """What a receive on a socket has got.  Raises Unreadable."""
        return received(peek, code, parameters, size, self.string_limit)

    def structure(self, name: str, peek: Peek, address: int) -> Any:
        """A structure whose end its members tell.  Raises Unreadable."""
        data = peek.available(address, MOST_LOOKED_AT >> 4)
        if not data:
            raise Unreadable
        return self._structure(self.types.structures[name], data, 0, peek)[0]

    def buffer(self, peek: Peek, address: int, length: int) -> Bytes:
        """Raises Unreadable."""
        limit = self.string_limit
        return Bytes(peek.read(address, min(length, limit)), more=length > limit)

    def registry_data(self, kind: int, data: bytes, length: int) -> Any:
        """The data of a value by its type; length: all of its bytes."""
        if kind in (REG_SZ, REG_EXPAND_SZ, REG_LINK, REG_MULTI_SZ) and len(data) % 2 == 0:
            text = data.decode("utf-16-le", "surrogatepass")
            if kind == REG_MULTI_SZ:
                return text.rstrip("\0").split("\0") if text.strip("\0") else []
            if length > len(data):
                return Clipped(text)
            return text.removesuffix("\0")
        if (kind, length) in ((REG_DWORD, 4), (REG_QWORD, 8)) and len(data) == length:
            return hexadecimal(int.from_bytes(data, "little"))
        limit = self.string_limit
        return Bytes(data[:limit], more=length > limit)

    def _chain(self, kind: TypeName, data: bytes, peek: Peek) -> list[Any]:
        entries, at = [], 0
        while at + 4 <= len(data):
            try:
                entries.append(self._value(kind, data, at, at, {}, peek)[0])
            except Ended:
                break
            ahead = int.from_bytes(data[at : at + 4], "little")
            if not ahead:
                break
            at += ahead
        return entries

    def _structure(
        self, structure: Structure, data: bytes, start: int, peek: Peek
    ) -> tuple[dict[str, Any], int]:
        """The members that lie within the data, and where the structure ends."""
        numbers: dict[str, int] = {}
        shown: dict[str, Any] = {}
        hidden = {"_", "NextEntryOffset"}
        for _name, kind in structure.members:
            hidden |= {kind.count, kind.offset}
        at = start
        for name, kind in structure.members:
            try:
                value, at = self._value(kind, data, at, start, numbers, peek)
            except Ended:
                break
            scalar = scalar_type(kind.name, kind.size)
            if scalar is not None and not kind.count:
                numbers[name] = int.from_bytes(data[at - scalar.size : at], "little")
            if name not in hidden:
                shown[name] = value
        return shown, -(-at // self._alignment(structure)) * self._alignment(structure)

    def _value(
        self, kind: TypeName, data: bytes, at: int, start: int, numbers: dict[str, int], peek: Peek
    ) -> tuple[Any, int]:
        """A member at `at` or behind it, as its alignment wants, and where it ends."""
        if kind.name in ("TEXT", "BYTES", "DATA"):
            return self._sized(kind, data, at, start, numbers)
        if kind.name in SOCKET_TYPES:
            return self._of_socket(kind, data, at, start, numbers, peek)
        if kind.count:
            count = _count(kind.count, numbers)
            element = TypeName(kind.name, kind.size)
            values = []
            for _ in range(count):
                begin = at
                try:
                    value, at = self._value(element, data, begin, start, numbers, peek)
                except Ended:
                    break
                if at == begin:  # a structure of which nothing is there
                    break
                values.append(value)
            return values, at
        if kind.name == "GUID":
            at += -(at - start) % 4
            if at + 16 > len(data):
                raise Ended
            return Word(f"{{{UUID(bytes_le=data[at : at + 16])}}}"), at + 16
        if kind.name in POINTERS:
            size, reader = POINTERS[kind.name]
            at += -(at - start) % 4
            if at + size > len(data):
                raise Ended
            return _pointed(peek, reader, data[at : at + size]), at + size
        if kind.name in self.types.structures:
            structure = self.types.structures[kind.name]
            at += -(at - start) % self._alignment(structure)
            return self._structure(structure, data, at, peek)
        scalar = scalar_type(kind.name, kind.size)
        assert scalar is not None
        at += -(at - start) % scalar.size
        end = at + scalar.size
        if end > len(data):
            raise Ended
        number = int.from_bytes(data[at:end], "little", signed=scalar.signed)
        return number if scalar.show is None else scalar.show(number), end

    def _of_socket(
        self, kind: TypeName, data: bytes, at: int, start: int, numbers: dict[str, int], peek: Peek
    ) -> tuple[Any, int]:
        if kind.name == "SOCKADDR":
            shown, size = socket_address(data[at:])
            if not size:
                raise Ended
            return shown, at + size
        at += -(at - start) % 8
        if at + 8 > len(data):
            raise Ended
        pointer = int.from_bytes(data[at : at + 8], "little")
        if kind.name == "PSOCKADDR":
            return address_behind(peek, pointer), at + 8
        count = _count(kind.count, numbers)
        return buffers_behind(peek, pointer, count, self.string_limit), at + 8

    def _sized(
        self, kind: TypeName, data: bytes, at: int, start: int, numbers: dict[str, int]
    ) -> tuple[Any, int]:
        if kind.name == "TEXT":
            at += -(at - start) % 2
        if at > len(data):
            raise Ended
        if kind.count.isdigit():
            length = int(kind.count)
        else:
            length = numbers[kind.count] if kind.count in numbers else len(data) - at
        begin = start + numbers[kind.offset] if kind.offset else at
        room = min(length, kind.room) if kind.room else length
        chunk = data[begin : begin + room]
        end = max(at, begin) + (kind.room or length)
        if kind.name == "TEXT":
            text = chunk[: len(chunk) & ~1].decode("utf-16-le", "surrogatepass")
            if kind.count.isdigit():
                text = text.partition("\0")[0]
            if kind.count == "*" and len(text) > self.string_limit:
                return Clipped(text[: self.string_limit]), end
            return text, end
        if kind.name == "DATA":
            return self.registry_data(numbers["Type"], chunk, length), end
        return Bytes(chunk[: self.string_limit], more=length > self.string_limit), end

    def _alignment(self, structure: Structure) -> int:
        most = 1
        for _name, kind in structure.members:
            if kind.name in self.types.structures:
                most = max(most, self._alignment(self.types.structures[kind.name]))
            elif kind.name in SOCKET_TYPES:
                most = max(most, 4 if kind.name == "SOCKADDR" else 8)
            elif kind.name in POINTERS or kind.name == "GUID":
                most = max(most, 4)
            else:
                scalar = scalar_type(kind.name, kind.size)
                most = max(most, scalar.size if scalar is not None else 1)
        return most


def _count(text: str, numbers: dict[str, int]) -> int:
    if text == "*":
        return MOST_LOOKED_AT
    return int(text) if text.isdigit() else numbers[text]


def _pointed(peek: Peek, reader: str, data: bytes) -> Any:
    """What a UNICODE_STRING or a pointer to a SID leads to; its address when it is not there."""
    pointer = int.from_bytes(data[-4:], "little")
    try:
        if reader == "sid":
            return Word(peek.sid(pointer)) if pointer else None
        return peek.text(pointer, int.from_bytes(data[:2], "little"))
    except Unreadable:
        return hexadecimal(pointer)


def _code(scalar: ScalarType) -> str:
    code = CODES[scalar.size]
    return code.lower() if scalar.signed else code
