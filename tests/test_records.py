"""Data classes of which the methods are made late are the data classes of the library."""

from __future__ import annotations

import dataclasses
from dataclasses import field
from typing import ClassVar

import pytest

from ntgate import records


@records.dataclass(frozen=True)
class Base:
    first: int
    second: tuple[int, ...] = (1, 2)


@records.dataclass(frozen=True)
class Derived(Base):
    third: list[int] = field(default_factory=list, compare=False)


@records.dataclass(frozen=True, slots=True)
class Slots:
    kind: ClassVar[str] = "slots"
    left: int
    right: int


@records.dataclass(slots=True)
class SlotsWithDefaults:
    left: int = 3


@records.dataclass(eq=False)
class Changing:
    value: int

    def __post_init__(self) -> None:
        self.value += 1


def test_the_subclass_first() -> None:
    made = Derived(7)
    assert (made.first, made.second, made.third) == (7, (1, 2), [])
    assert made == Derived(7, third=[1])
    assert hash(made) == hash(Derived(7))
    assert repr(made) == "Derived(first=7, second=(1, 2), third=[])"
    assert dataclasses.replace(made, first=8) == Derived(8)
    assert Base(1) == Base(1) != Derived(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.first = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        Derived()  # type: ignore[call-arg]


def test_slots() -> None:
    made = Slots(1, right=2)
    assert dataclasses.astuple(made) == (1, 2)
    assert Slots.kind == "slots"
    assert not hasattr(made, "__dict__")
    assert SlotsWithDefaults() == SlotsWithDefaults(3)


def test_a_plain_subclass_and_what_follows_init() -> None:
    class Plain(Changing):
        pass

    assert Plain(1).value == 2
    assert Changing(1) != Changing(1)
    assert isinstance(Plain(1), Changing)


def test_nothing_is_made_for_a_class_without_instances() -> None:
    @records.dataclass(frozen=True)
    class Unused:
        value: int

    assert "__repr__" not in vars(Unused)
    Unused(1)
    assert "__repr__" in vars(Unused)
