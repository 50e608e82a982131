"""Typed views of structures in system space.

    class LIST_ENTRY(Struct, size=0x08):
        Flink = u32(0x00)
        Blink = u32(0x04)

A view is an address and the kernel's memory: reading a member reads the guest, writing one
changes the guest.  A class may leave members out; its size and every offset are checked
against the XP type table by a test.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from ntgate.memory.kernel import KernelMemory

S = TypeVar("S", bound="Struct")


class Struct:
    """A structure of `SIZE` bytes at `address`."""

    SIZE: ClassVar[int]
    __slots__ = ("address", "memory")

    def __init_subclass__(cls, size: int = 0, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if size:
            cls.SIZE = size
        for name, member in vars(cls).items():
            if isinstance(member, Member) and member.offset + member.size > cls.SIZE:
                raise TypeError(f"{cls.__name__}.{name} ends beyond its size {cls.SIZE:#x}")

    def __init__(self, memory: KernelMemory, address: int) -> None:
        self.memory = memory
        self.address = address

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.address == other.address

    def __hash__(self) -> int:
        return self.address

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.address:08x}>"

    @classmethod
    def members(cls) -> dict[str, Member]:
        """Every declared member by name, base classes first."""
        return {
            name: member
            for base in reversed(cls.__mro__)
            for name, member in vars(base).items()
            if isinstance(member, Member)
        }


class Member:
    """A member at `offset`; the subclasses say how many bytes and how they are read."""

    size = 0

    def __init__(self, offset: int) -> None:
        self.offset = offset


class u8(Member):
    size = 1

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: Struct, owner: type) -> int: ...
    def __get__(self, view: Struct | None, owner: type) -> Self | int:
        if view is None:
            return self
        return view.memory.u8(view.address + self.offset)

    def __set__(self, view: Struct, value: int) -> None:
        view.memory.set_u8(view.address + self.offset, value)


class u16(Member):
    size = 2

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: Struct, owner: type) -> int: ...
    def __get__(self, view: Struct | None, owner: type) -> Self | int:
        if view is None:
            return self
        return view.memory.u16(view.address + self.offset)

    def __set__(self, view: Struct, value: int) -> None:
        view.memory.set_u16(view.address + self.offset, value)


class u32(Member):
    size = 4

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: Struct, owner: type) -> int: ...
    def __get__(self, view: Struct | None, owner: type) -> Self | int:
        if view is None:
            return self
        return view.memory.u32(view.address + self.offset)

    def __set__(self, view: Struct, value: int) -> None:
        view.memory.set_u32(view.address + self.offset, value)


class u64(Member):
    size = 8

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: Struct, owner: type) -> int: ...
    def __get__(self, view: Struct | None, owner: type) -> Self | int:
        if view is None:
            return self
        return view.memory.u64(view.address + self.offset)

    def __set__(self, view: Struct, value: int) -> None:
        view.memory.set_u64(view.address + self.offset, value)


class bits(Member):
    """A bit field of `width` bits from bit `first` of the dword at `offset`."""

    size = 4

    def __init__(self, offset: int, first: int, width: int = 1) -> None:
        super().__init__(offset)
        self.first = first
        self.mask = (1 << width) - 1

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: Struct, owner: type) -> int: ...
    def __get__(self, view: Struct | None, owner: type) -> Self | int:
        if view is None:
            return self
        return view.memory.u32(view.address + self.offset) >> self.first & self.mask

    def __set__(self, view: Struct, value: int) -> None:
        address = view.address + self.offset
        kept = view.memory.u32(address) & ~(self.mask << self.first)
        view.memory.set_u32(address, kept | (value & self.mask) << self.first)


class raw(Member):
    """`size` bytes: arrays and names."""

    def __init__(self, offset: int, size: int) -> None:
        super().__init__(offset)
        self.size = size

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: Struct, owner: type) -> bytes: ...
    def __get__(self, view: Struct | None, owner: type) -> Self | bytes:
        if view is None:
            return self
        return view.memory.read(view.address + self.offset, self.size)

    def __set__(self, view: Struct, value: bytes) -> None:
        view.memory.write(view.address + self.offset, value.ljust(self.size, b"\0")[: self.size])


class embed(Member, Generic[S]):
    """A structure inside a structure."""

    def __init__(self, offset: int, struct: type[S]) -> None:
        super().__init__(offset)
        self.struct = struct
        self.size = struct.SIZE

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: Struct, owner: type) -> S: ...
    def __get__(self, view: Struct | None, owner: type) -> Self | S:
        if view is None:
            return self
        return self.struct(view.memory, view.address + self.offset)


class pointer(Member, Generic[S]):
    """A pointer to a structure: None for NULL."""

    size = 4

    def __init__(self, offset: int, struct: type[S]) -> None:
        super().__init__(offset)
        self.struct = struct

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: Struct, owner: type) -> S | None: ...
    def __get__(self, view: Struct | None, owner: type) -> Self | S | None:
        if view is None:
            return self
        address = view.memory.u32(view.address + self.offset)
        return self.struct(view.memory, address) if address else None

    def __set__(self, view: Struct, value: S | None) -> None:
        view.memory.set_u32(view.address + self.offset, 0 if value is None else value.address)
