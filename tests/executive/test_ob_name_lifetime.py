"""How long a name lasts: with handles, permanent, in a directory that has gone."""

from __future__ import annotations

import pytest
from ob_program import Program, blocks, new_program, status_of

from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob import attributes as a
from ntgate.executive.ob.handle_table import HANDLE_LIMIT
from ntgate.layout import ntstatus as s
from ntgate.layout.ob import HANDLE_TABLE


@pytest.fixture
def program() -> Program:
    return new_program()


def test_the_last_handle_takes_the_name_along(program: Program) -> None:
    before = blocks(program)
    path = "\\BaseNamedObjects\\short lived"
    handle = program.made("Event", path)
    body = program.body(handle)
    program.ob.reference(body)
    program.close(handle)
    assert program.open("Event", path)[0] == s.STATUS_OBJECT_NAME_NOT_FOUND
    assert program.ob.name_of(body) == ""
    program.ob.dereference(body)
    assert blocks(program) == before


def test_permanent_and_temporary(program: Program) -> None:
    before = blocks(program)
    path = "\\BaseNamedObjects\\kept"
    handle = program.made("Event", path, a.OBJ_PERMANENT)
    body = program.body(handle)
    program.close(handle)
    status, handle = program.open("Event", path)
    assert (status, program.body(handle)) == (0, body)
    program.ob.make_temporary(body)
    assert program.open("Event", path)[0] == 0
    program.ob.make_permanent(body)
    program.ob.delete_table(program.table)
    assert program.at(path) == body
    program.ob.make_temporary(body)
    assert status_of(lambda: program.ob.lookup(path)) == s.STATUS_OBJECT_NAME_NOT_FOUND
    program.table = program.ob.create_table(0x81100020, 8)
    assert blocks(program) == before


def test_a_directory_outlives_its_name(program: Program) -> None:
    before = blocks(program)
    directory = program.made("Directory", "\\BaseNamedObjects\\gone")
    event = program.made("Event", "\\BaseNamedObjects\\gone\\event")
    program.close(directory)
    assert program.ob.name_of(program.body(event)) == "...\\event"
    status, _ = program.open("Event", "\\BaseNamedObjects\\gone\\event")
    assert status == s.STATUS_OBJECT_PATH_NOT_FOUND
    program.close(event)
    assert blocks(program) == before


def test_an_object_without_room_can_have_no_name(program: Program) -> None:
    body = program.ob.create(program.ob.types["Event"], 0x10)
    attributes = ObjectAttributes("\\BaseNamedObjects\\x")
    assert status_of(lambda: program.ob.insert(program.table, body, 0, attributes)) == (
        s.STATUS_INVALID_PARAMETER
    )


def test_insert_without_a_handle(program: Program) -> None:
    attributes = ObjectAttributes("\\Device\\Null")
    body = program.ob.create(program.ob.types["Device"], 0xB8, attributes)
    inserted = program.ob.insert(0, body, 0, attributes)
    assert (inserted.handle, inserted.body, inserted.status) == (0, body, 0)
    assert program.ob.header(body).PointerCount == 2
    assert program.at("\\Device\\Null") == body


def test_insert_that_gets_no_handle_leaves_no_name(program: Program) -> None:
    before = blocks(program)
    attributes = ObjectAttributes("\\BaseNamedObjects\\x")
    body = program.ob.create(program.ob.types["Event"], 0x10, attributes)

    view = HANDLE_TABLE(program.ob.memory, program.table)
    view.FirstFree, view.NextHandleNeedingPool = 0, HANDLE_LIMIT
    refused = status_of(lambda: program.ob.insert(program.table, body, 0, attributes))
    assert refused == s.STATUS_INSUFFICIENT_RESOURCES
    assert status_of(lambda: program.ob.lookup(attributes.name)) == s.STATUS_OBJECT_NAME_NOT_FOUND
    assert blocks(program) == before


def test_inserted_access(program: Program) -> None:
    handle = program.made("Mutant", "\\BaseNamedObjects\\m", a.OBJ_INHERIT)
    found = program.ob.query_handle(program.table, handle)
    assert (found.granted_access, found.attributes) == (0x1F0001, a.OBJ_INHERIT)
    assert program.ob.header(found.body).PointerCount == 2
