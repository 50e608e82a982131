"""What a trace calls the objects of handles."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ntgate.executive.ob import ObjectAttributes
from ntgate.layout.access import GENERIC_ALL
from ntgate.machine import Machine
from ntgate.trace.handle_names import HandleNames


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain", "plain"),
        ("a\nNtClose(Handle=0x4) = 0", "a<LF>NtClose(Handle=0x4) = 0"),
        ("\ud800\x1b[31m\u202e", "<U+D800><U+001B>[31m<U+202E>"),
    ],
)
def test_a_name_is_on_one_line_whatever_is_in_it(name: str, shown: str) -> None:
    machine = Machine()
    objects = machine.executive.objects
    table = objects.create_table(0, 4)
    body = objects.create(
        objects.types["Event"], 0x10, attributes := ObjectAttributes(f"\\BaseNamedObjects\\{name}")
    )
    handle = objects.insert(table, body, GENERIC_ALL, attributes).handle
    caller = SimpleNamespace(process=SimpleNamespace(handles=table))
    assert HandleNames(objects)(caller, handle) == f"\\BaseNamedObjects\\{shown}"
