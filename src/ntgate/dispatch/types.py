"""The types of service parameters, under NT's names.

A scalar is an int with a name, a size and a sign; the tracer and the documentation take both
from here.  A structure in user memory is a class with annotated members.  `In`, `Out`, `InOut`
and their `Opt` forms (NULL allowed) are pointers to one of them, opened with `read` and `write`,
which probe as NT does and raise AccessViolation.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar, get_type_hints

from ntgate.memory.user import UserMemory, UserPtr
from ntgate.records import dataclass

T = TypeVar("T")


@dataclass(frozen=True)
class Scalar:
    """How a number is passed: its NT name, bytes, and whether it is signed."""

    name: str
    size: int = 4
    signed: bool = False
    kind: str = "number"  # how it is shown: number, hex, handle, status, pointer, boolean, time


HANDLE = Annotated[int, Scalar("HANDLE", kind="handle")]
ULONG = Annotated[int, Scalar("ULONG")]
LONG = Annotated[int, Scalar("LONG", signed=True)]
USHORT = Annotated[int, Scalar("USHORT", 2)]
UCHAR = Annotated[int, Scalar("UCHAR", 1)]
SIZE_T = Annotated[int, Scalar("SIZE_T", kind="hex")]
ULONG_PTR = Annotated[int, Scalar("ULONG_PTR", kind="hex")]
ACCESS_MASK = Annotated[int, Scalar("ACCESS_MASK", kind="hex")]
BOOLEAN = Annotated[int, Scalar("BOOLEAN", 1, kind="boolean")]
NTSTATUS = Annotated[int, Scalar("NTSTATUS", kind="status")]
PVOID = Annotated[int, Scalar("PVOID", kind="pointer")]
LARGE_INTEGER = Annotated[int, Scalar("LARGE_INTEGER", 8, signed=True)]
ULARGE_INTEGER = Annotated[int, Scalar("ULARGE_INTEGER", 8)]
PROCESSINFOCLASS = Annotated[int, Scalar("PROCESSINFOCLASS")]
THREADINFOCLASS = Annotated[int, Scalar("THREADINFOCLASS")]
MEMORY_INFORMATION_CLASS = Annotated[int, Scalar("MEMORY_INFORMATION_CLASS")]
MEMORY_TYPE = Annotated[int, Scalar("ULONG", kind="memory type")]
PAGE_PROTECTION = Annotated[int, Scalar("ULONG", kind="page protection")]

_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


@cache
def scalar_struct(scalar: Scalar) -> struct.Struct:
    code = _CODES[scalar.size]
    return struct.Struct("<" + (code.lower() if scalar.signed else code))


class UserStruct:
    """A structure in user memory: packed members in order, natural alignment.

        class IO_STATUS_BLOCK(UserStruct, size=8):
            Status: NTSTATUS
            Information: ULONG_PTR
    """

    SIZE: ClassVar[int]
    FIELDS: ClassVar[dict[str, Scalar]]
    _packer: ClassVar[struct.Struct]
    _masks: ClassVar[list[tuple[str, int]]]  # of each member; 0 where it is signed

    def __init_subclass__(cls, size: int, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        hints = get_type_hints(cls, include_extras=True)
        cls.FIELDS = {
            name: scalar_of(hint)
            for name, hint in hints.items()
            if name not in UserStruct.__annotations__
        }
        layout, offset = "<", 0
        for scalar in cls.FIELDS.values():
            padding = -offset % scalar.size
            code = _CODES[scalar.size]
            layout += "x" * padding + (code.lower() if scalar.signed else code)
            offset += padding + scalar.size
        layout += "x" * (size - offset)
        cls.SIZE = size
        cls._masks = [
            (name, 0 if scalar.signed else (1 << 8 * scalar.size) - 1)
            for name, scalar in cls.FIELDS.items()
        ]
        cls._packer = struct.Struct(layout)
        if cls._packer.size != size:
            raise TypeError(f"{cls.__name__}: members take {offset} bytes, {size} declared")

    def __init__(self, *values: int, **named: int) -> None:
        for name, value in zip(self.FIELDS, values, strict=False):
            setattr(self, name, value)
        for name in self.FIELDS:
            if name in named:
                setattr(self, name, named[name])
            elif not hasattr(self, name):
                setattr(self, name, 0)

    def pack(self) -> bytes:
        values = self.__dict__
        return self._packer.pack(
            *[values[name] & mask if mask else values[name] for name, mask in self._masks]
        )

    @classmethod
    def unpack(cls, data: bytes) -> UserStruct:
        made = cls.__new__(cls)
        made.__dict__.update(zip(cls.FIELDS, cls._packer.unpack(data), strict=True))
        return made

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name):#x}" for name in self.FIELDS)
        return f"{type(self).__name__}({shown})"


def scalar_of(hint: Any) -> Scalar:
    """The Scalar in an annotation; raises TypeError where there is none."""
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, Scalar):
            return extra
    raise TypeError(f"{hint!r} is not a scalar of dispatch.types")


class Pointer(Generic[T]):
    """A user pointer to a T, opened only through the caller's memory."""

    __slots__ = ("address", "memory", "target")
    DIRECTION: ClassVar[str] = ""
    OPTIONAL: ClassVar[bool] = False

    def __init__(self, memory: UserMemory, address: int, target: Any) -> None:
        self.memory = memory
        self.address = address
        self.target = target

    def __bool__(self) -> bool:
        return self.address != 0

    @property
    def size(self) -> int:
        return int(self.target.size if isinstance(self.target, Scalar) else self.target.SIZE)

    def _read(self) -> T:
        if self.target.__class__ is Scalar and self.target.size == 4 and not self.target.signed:
            dword: Any = self.memory.u32(self.address)
            return dword  # type: ignore[no-any-return]
        data = self.memory.read(self.address, self.size)
        value: Any
        if isinstance(self.target, Scalar):
            value = scalar_struct(self.target).unpack(data)[0]
        else:
            value = self.target.unpack(data)
        result: T = value
        return result

    def _write(self, value: T) -> None:
        if self.target.__class__ is Scalar and self.target.size == 4:
            dword: Any = value
            self.memory.set_u32(self.address, dword)
            return
        data: bytes
        if isinstance(self.target, Scalar):
            number: Any = value
            if not self.target.signed:
                number &= (1 << 8 * self.target.size) - 1
            data = scalar_struct(self.target).pack(number)
        else:
            structure: Any = value
            data = structure.pack()
        self.memory.write(self.address, data)


class In(Pointer[T]):
    """Read by the service."""

    __slots__ = ()
    DIRECTION = "in"

    def read(self) -> T:
        return self._read()


class Out(Pointer[T]):
    """Written by the service; `probe` first where a failure later could not be undone."""

    __slots__ = ()
    DIRECTION = "out"

    def write(self, value: T) -> None:
        self._write(value)

    def probe(self) -> None:
        self.memory.probe_for_write(self.address, self.size)


class InOut(Out[T]):
    __slots__ = ()
    DIRECTION = "inout"

    def read(self) -> T:
        return self._read()


class InOpt(In[T]):
    __slots__ = ()
    OPTIONAL = True


class OutOpt(Out[T]):
    """NULL: `write` does nothing."""

    __slots__ = ()
    OPTIONAL = True

    def write(self, value: T) -> None:
        if self.address:
            self._write(value)

    def probe(self) -> None:
        if self.address:
            super().probe()


class InOutOpt(InOut[T]):
    """NULL: `write` does nothing."""

    __slots__ = ()
    OPTIONAL = True

    def write(self, value: T) -> None:
        if self.address:
            self._write(value)

    def probe(self) -> None:
        if self.address:
            super().probe()


@dataclass(frozen=True)
class SizedBy:
    """A buffer's length in bytes is the value of another parameter."""

    parameter: str
    direction: str = "in"


Buffer = Annotated[UserPtr, Scalar("PVOID", kind="pointer")]


class IO_STATUS_BLOCK(UserStruct, size=0x08):
    Status: NTSTATUS
    Information: ULONG_PTR


class CLIENT_ID(UserStruct, size=0x08):
    UniqueProcess: HANDLE
    UniqueThread: HANDLE


class UNICODE_STRING(UserStruct, size=0x08):
    Length: USHORT
    MaximumLength: USHORT
    Buffer: PVOID


class OBJECT_ATTRIBUTES(UserStruct, size=0x18):
    Length: ULONG
    RootDirectory: HANDLE
    ObjectName: PVOID
    Attributes: ULONG
    SecurityDescriptor: PVOID
    SecurityQualityOfService: PVOID
