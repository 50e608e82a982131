"""Typed views of structures in system space.

    class LIST_ENTRY(Struct, size=0x08):
        Flink = u32(0x00)
        Blink = u32(0x04)

A view is an address and the kernel's memory: reading a member reads the guest, writing one
changes the guest.  A class may leave members out; its size and every offset are checked
against the XP type table by a test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, overload

from ntgate.memory.kernel import DIRECT_BASE, KernelMemory

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


Get = Callable[[Any], int]
Set = Callable[[Any, int], None]


class Number(Member, property):
    """A number: a property of the view, whose functions index RAM themselves where they can.

    Members are what the executive reads most; a call from one to KernelMemory would double
    what each costs.
    """

    def __init__(self, offset: int, get: Get, set_: Set) -> None:
        Member.__init__(self, offset)
        property.__init__(self, get, set_)

    if TYPE_CHECKING:

        @overload
        def __get__(self, view: None, owner: type) -> Self: ...
        @overload
        def __get__(self, view: Any, owner: type | None = None) -> int: ...
        def __get__(self, view: Any, owner: type | None = None) -> Self | int: ...

        def __set__(self, view: Any, value: int) -> None: ...


class u8(Number):
    size = 1

    def __init__(self, offset: int) -> None:
        place_of = offset - DIRECT_BASE

        def get(view: Struct) -> int:
            memory, place = view.memory, view.address + place_of
            if 0 <= place < memory.direct:
                return memory.bytes[place]
            return memory.u8(view.address + offset)

        def set_(view: Struct, value: int) -> None:
            memory, place = view.memory, view.address + place_of
            if 0 <= place < memory.direct:
                memory.bytes[place] = value & 0xFF
            else:
                memory.set_u8(view.address + offset, value)

        super().__init__(offset, get, set_)


class u16(Number):
    size = 2

    def __init__(self, offset: int) -> None:
        place_of = offset - DIRECT_BASE

        def get(view: Struct) -> int:
            memory, place = view.memory, view.address + place_of
            if 0 <= place < memory.direct:
                return memory.words[place >> 1]
            return memory.u16(view.address + offset)

        def set_(view: Struct, value: int) -> None:
            memory, place = view.memory, view.address + place_of
            if 0 <= place < memory.direct:
                memory.words[place >> 1] = value & 0xFFFF
            else:
                memory.set_u16(view.address + offset, value)

        super().__init__(offset, get, set_)


class u32(Number):
    size = 4

    def __init__(self, offset: int) -> None:
        place_of = offset - DIRECT_BASE

        def get(view: Struct) -> int:
            memory, place = view.memory, view.address + place_of
            if 0 <= place < memory.direct:
                return memory.dwords[place >> 2]
            return memory.u32(view.address + offset)

        def set_(view: Struct, value: int) -> None:
            memory, place = view.memory, view.address + place_of
            if 0 <= place < memory.direct:
                memory.dwords[place >> 2] = value & 0xFFFFFFFF
            else:
                memory.set_u32(view.address + offset, value)

        super().__init__(offset, get, set_)


class u64(Number):
    size = 8

    def __init__(self, offset: int) -> None:
        super().__init__(
            offset,
            lambda view: view.memory.u64(view.address + offset),
            lambda view, value: view.memory.set_u64(view.address + offset, value),
        )


class bits(Number):
    """A bit field of `width` bits from bit `first` of the dword at `offset`."""

    size = 4

    def __init__(self, offset: int, first: int, width: int = 1) -> None:
        mask = (1 << width) - 1
        self.first, self.mask = first, mask

        def get(view: Struct) -> int:
            return view.memory.u32(view.address + offset) >> first & mask

        def set_(view: Struct, value: int) -> None:
            address = view.address + offset
            kept = view.memory.u32(address) & ~(mask << first)
            view.memory.set_u32(address, kept | (value & mask) << first)

        super().__init__(offset, get, set_)


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
    """A structure inside a structure; a view of the outer one makes one of it, and keeps that."""

    name = ""

    def __init__(self, offset: int, struct: type[S]) -> None:
        super().__init__(offset)
        self.struct = struct
        self.size = struct.SIZE

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, view: None, owner: type) -> Self: ...
    @overload
    def __get__(self, view: Struct, owner: type) -> S: ...
    def __get__(self, view: Struct | None, owner: type) -> Self | S:
        if view is None:
            return self
        part = self.struct(view.memory, view.address + self.offset)
        setattr(view, self.name, part)  # hides this member, which has no __set__
        return part


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
