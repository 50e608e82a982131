"""The object manager's views lie where XP's type table has the members."""

from __future__ import annotations

import inspect

import pytest

from ntgate.layout import ob
from ntgate.layout.type_table import TypeTable
from ntgate.memory.structs import Struct

VIEWS = [
    view
    for _, view in inspect.getmembers(ob, inspect.isclass)
    if issubclass(view, Struct) and view.__module__ == ob.__name__
]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: str(view.__name__))
def test_a_view_agrees_with_the_type_table(view: type[Struct]) -> None:
    known = TypeTable().struct(f"_{view.__name__}")
    assert known.size == view.SIZE
    for name, member in view.members().items():
        assert (name, member.offset) == (name, known.field(name).offset)


def test_there_are_views() -> None:
    assert {"OBJECT_HEADER", "OBJECT_TYPE", "HANDLE_TABLE"} <= {view.__name__ for view in VIEWS}
