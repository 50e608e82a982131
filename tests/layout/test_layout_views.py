"""Every Struct of layout/ agrees with XP SP3's type table: its size and every member."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

from ntgate import layout
from ntgate.layout import type_table
from ntgate.layout.type_table import Array, Bitfield, Field, TypeTable, UnknownType
from ntgate.memory.structs import Member, Struct, bits, embed


def views() -> list[type[Struct]]:
    """Every Struct that a module of layout/ defines."""
    found = []
    for info in pkgutil.iter_modules(layout.__path__, "ntgate.layout."):
        module = importlib.import_module(info.name)
        found += [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Struct)
            and value.__module__ == info.name
        ]
    return found


@pytest.fixture(scope="module")
def types() -> TypeTable:
    return TypeTable()


def table_struct(types: TypeTable, view: type[Struct]) -> type_table.Struct | None:
    """The table's structure of the class's name, or of the class that it adds members to."""
    for base in view.__mro__:
        try:
            return types.struct(f"_{base.__name__}")
        except UnknownType:
            continue
    return None


def fields(of: type_table.Struct, start: int = 0) -> Iterator[Field]:
    """The fields by name, and those of unnamed unions and of bit field structures in them."""
    for field in of.fields:
        yield Field(start + field.offset, field.name, field.type)
        inner = field.type
        if isinstance(inner, type_table.Struct) and (
            inner.name == "__unnamed" or any(isinstance(f.type, Bitfield) for f in inner.fields)
        ):
            yield from fields(inner, start + field.offset)


def agrees(member: Member, field: Field) -> bool:
    """Same place and size; an array's first element may stand for the array."""
    if isinstance(member, bits):
        kind = field.type
        return (
            isinstance(kind, Bitfield)
            and member.offset == field.offset
            and (member.first, member.mask) == (kind.position, (1 << kind.width) - 1)
        )
    sizes = {field.type.size}
    if isinstance(field.type, Array):
        sizes.add(field.type.element.size)
    return member.offset == field.offset and member.size in sizes


@pytest.mark.parametrize("view", views(), ids=lambda view: view.__name__)
def test_a_view_agrees_with_the_table(types: TypeTable, view: type[Struct]) -> None:
    known = table_struct(types, view)
    assert known is not None, f"no table has {view.__name__}"
    assert known.size == view.SIZE
    by_name: dict[str, list[Field]] = {}
    for field in fields(known):
        by_name.setdefault(field.name, []).append(field)
    for name, member in view.members().items():
        candidates = by_name.get(name, [])
        assert any(agrees(member, field) for field in candidates), (
            f"{view.__name__}.{name} at {member.offset:#x}, the table has {candidates}"
        )


def test_embedded_structures_are_the_tables(types: TypeTable) -> None:
    for view in views():
        known = table_struct(types, view)
        if known is None:
            continue
        for name, member in view.members().items():
            if isinstance(member, embed):
                kinds = [field.type for field in fields(known) if field.name == name]
                kinds = [kind.element if isinstance(kind, Array) else kind for kind in kinds]
                embedded = table_struct(types, member.struct)
                assert embedded in kinds, f"{view.__name__}.{name}"


def test_a_wrong_offset_is_found(types: TypeTable) -> None:
    class LIST_ENTRY(Struct, size=0x08):
        Flink = bits(0x04, 0, 32)

    known = table_struct(types, LIST_ENTRY)
    assert known is not None
    assert not any(agrees(LIST_ENTRY.members()["Flink"], field) for field in fields(known))
