"""Arguments as text and as JSON values, from the declarations of the services."""

from __future__ import annotations

from typing import Any

from ntgate.dispatch.service import Parameter, Service
from ntgate.dispatch.types import OBJECT_ATTRIBUTES, UNICODE_STRING, Scalar, scalar_struct
from ntgate.layout.ntstatus import name_of
from ntgate.memory.user import AccessViolation, UserMemory
from ntgate.trace.names import ENUMS_BY_NAME, FLAGS_BY_KIND, FLAGS_BY_NAME, flags

PSEUDO_HANDLES = {0xFFFFFFFF: "NtCurrentProcess", 0xFFFFFFFE: "NtCurrentThread"}
LONGEST_STRING = 0x1000  # bytes of a UNICODE_STRING that are looked at


class Decoder:
    """Looks at a caller's memory without bringing in, or changing, any page.

    string_limit: bytes of a buffer that are shown.
    """

    def __init__(self, string_limit: int = 32) -> None:
        self.string_limit = string_limit

    def inputs(self, service: Service, raw: list[int], memory: UserMemory) -> dict[str, Any]:
        """What the service is given, in declared order; pure outputs show their address."""
        values = {}
        for parameter, word in zip(service.parameters, raw, strict=False):
            values[parameter.name] = self._input(service, parameter, word, raw, memory)
        return values

    def complete(
        self, service: Service, values: dict[str, Any], raw: list[int], memory: UserMemory
    ) -> None:
        """Fill in the input buffers whose pages came in only when the service read them."""
        for parameter, word in zip(service.parameters, raw, strict=False):
            sized_by = parameter.sized_by
            if (
                sized_by is not None
                and sized_by.direction == "in"
                and isinstance(values[parameter.name], Word)
            ):
                length = _length(service, parameter, raw)
                values[parameter.name] = self._buffer(word, length, memory)

    def outputs(
        self, service: Service, raw: list[int], memory: UserMemory, status: int
    ) -> dict[str, Any]:
        """What the service left behind its output pointers."""
        if status >> 30 == 3:
            return {}
        values = {}
        for parameter, word in zip(service.parameters, raw, strict=False):
            if not word:
                continue
            if parameter.pointer is not None and "out" in parameter.pointer.DIRECTION:
                values[parameter.name] = self._target(service, parameter, word, memory)
            elif parameter.sized_by is not None and parameter.sized_by.direction == "out":
                length = _length(service, parameter, raw)
                values[parameter.name] = self._buffer(word, length, memory)
        return values

    def _input(
        self, service: Service, parameter: Parameter, word: int, raw: list[int], memory: UserMemory
    ) -> Any:
        if parameter.pointer is not None:
            if not word:
                return None
            if parameter.pointer.DIRECTION == "out":
                return Word(f"{word:#x}")
            return self._target(service, parameter, word, memory)
        assert parameter.scalar is not None
        if parameter.sized_by is not None:
            if parameter.sized_by.direction == "out":
                return Word(f"{word:#x}")
            return self._buffer(word, _length(service, parameter, raw), memory)
        return scalar_value(service.number.name, parameter.name, parameter.scalar, word)

    def _target(
        self, service: Service, parameter: Parameter, address: int, memory: UserMemory
    ) -> Any:
        target = parameter.target
        try:
            if isinstance(target, Scalar):
                (value,) = scalar_struct(target).unpack(_peek(memory, address, target.size))
                return scalar_value(service.number.name, parameter.name, target, value)
            if target is OBJECT_ATTRIBUTES:
                return object_attributes(memory, address)
            if target is UNICODE_STRING:
                return unicode_string(memory, address)
            structure = target.unpack(_peek(memory, address, target.SIZE))
        except AccessViolation:
            return Word(f"{address:#x}")
        return {
            name: scalar_value("", name, scalar, getattr(structure, name))
            for name, scalar in target.FIELDS.items()
        }

    def _buffer(self, address: int, length: int, memory: UserMemory) -> Any:
        shown = min(length, self.string_limit)
        try:
            data = _peek(memory, address, shown)
        except AccessViolation:
            return Word(f"{address:#x}")
        return Bytes(data, more=length > shown)


class Word(str):
    """A name or a hexadecimal number: shown bare, where text of the guest stands in quotes."""

    __slots__ = ()


class Bytes:
    """The beginning of a buffer."""

    def __init__(self, data: bytes, *, more: bool) -> None:
        self.data = data
        self.more = more

    def text(self) -> str:
        """As strace writes it: "ab\\n"... ."""
        return f'"{escape(self.data)}"' + ("..." if self.more else "")


_ESCAPES = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x22: '\\"', 0x5C: "\\\\", 0: "\\0"}


def escape(data: bytes) -> str:
    return "".join(
        _ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
        for byte in data
    )


def scalar_value(service: str, name: str, scalar: Scalar, value: int) -> Any:
    """A number as the field writes it: by name, in hexadecimal where it is no count."""
    for key in ((service, name), ("", name)):
        if key in ENUMS_BY_NAME:
            named = ENUMS_BY_NAME[key].get(value)
            return value if named is None else Word(named)
        if key in FLAGS_BY_NAME:
            return Word(flags(value, FLAGS_BY_NAME[key]))
    if scalar.kind in FLAGS_BY_KIND:
        return Word(flags(value, FLAGS_BY_KIND[scalar.kind]))
    if scalar.kind == "status":
        return Word(name_of(value & 0xFFFFFFFF))
    if scalar.kind == "boolean":
        return bool(value & 0xFF)
    if scalar.kind == "handle":
        return Word(PSEUDO_HANDLES.get(value, f"{value:#x}"))
    if scalar.kind in ("pointer", "hex"):
        return Word(f"{value:#x}")
    if scalar.signed and value >> 31 == 1 and scalar.size == 4:
        return value - (1 << 32)
    return value


def unicode_string(memory: UserMemory, address: int) -> str:
    string = UNICODE_STRING.unpack(_peek(memory, address, UNICODE_STRING.SIZE))
    assert isinstance(string, UNICODE_STRING)
    data = _peek(memory, string.Buffer, min(string.Length, LONGEST_STRING))
    return data.decode("utf-16-le", "replace")


def object_attributes(memory: UserMemory, address: int) -> dict[str, Any]:
    """What of OBJECT_ATTRIBUTES is set."""
    given = OBJECT_ATTRIBUTES.unpack(_peek(memory, address, OBJECT_ATTRIBUTES.SIZE))
    assert isinstance(given, OBJECT_ATTRIBUTES)
    shown: dict[str, Any] = {}
    if given.RootDirectory:
        shown["RootDirectory"] = Word(f"{given.RootDirectory:#x}")
    if given.ObjectName:
        shown["ObjectName"] = unicode_string(memory, given.ObjectName)
    shown["Attributes"] = Word(flags(given.Attributes, FLAGS_BY_NAME["", "Attributes"]))
    return shown


def _length(service: Service, parameter: Parameter, raw: list[int]) -> int:
    assert parameter.sized_by is not None
    for other, word in zip(service.parameters, raw, strict=False):
        if other.name == parameter.sized_by.parameter:
            return word
    return 0


def _peek(memory: UserMemory, address: int, size: int) -> bytes:
    """Memory that is there; a page that would have to be brought in counts as unreadable."""
    looking = UserMemory(memory.cpu, memory.cr3, lambda _address, _error: 0xC0000005)
    return looking.read(address, size)
