"""Every event of a machine as a trace tells it."""

from __future__ import annotations

import pytest

from ntgate.cli.trace_events import describe
from ntgate.executive import events
from ntgate.executive.events import Event
from ntgate.trace.filters import EVENTS
from ntgate.trace.places import Places
from ntgate.trace.values import show, to_json

LIMIT = 16  # of a command line's characters
EXAMPLES: list[tuple[Event, str, str]] = [
    (events.ProcessStart(8, 0, "a.exe", 4, 'a.exe "b\n" c'), "process start",
     '{image="a.exe", parent=4, command_line="a.exe "b<LF>" c"}'),
    (events.ProcessExit(8, 0, 7), "process exit", "{status=7}"),
    (events.ThreadStart(8, 12, 0x401000), "thread start", "{start=0x401000, in_image=FALSE}"),
    (events.CodeStart(8, 12, 0x401010, 0x400000, 0x3000, 0x40, "private"), "code start",
     "{address=0x401010, base=0x400000, size=0x3000, protect=PAGE_EXECUTE_READWRITE, "
     "memory=private}"),
    (events.ThreadExit(8, 12, 0xC0000005), "thread exit", "{status=STATUS_ACCESS_VIOLATION}"),
    (events.ModuleLoad(8, 12, "b.dll", 0x10000, 0x2000, 0, b""), "module load",
     '{name="b.dll", base=0x10000, size=0x2000}'),
    (events.ModuleUnload(8, 12, 0x10000), "module unload", '{name="", base=0x10000}'),
    (events.GuestException(8, 12, 0xC0000005, 0x401010, (1, 0), True), "exception",
     "{code=STATUS_ACCESS_VIOLATION, address=0x401010, in_image=FALSE, "
     "access=write, target=0x0, chance=first}"),
    (events.GuestException(8, 12, 0xE06D7363, 0x401010, (1, 2), False), "exception",
     "{code=0xe06d7363 (Visual C++), address=0x401010, in_image=FALSE, "
     "parameters=[0x1, 0x2], chance=second}"),
    (events.DebugPrint(8, 12, "text\n"), "debug print", '{text="text<LF>"}'),
    (events.DialogAnswered(8, 12, "Title", "Go on?", "Yes"), "dialog answered",
     '{title="Title", text="Go on?", answer="Yes"}'),
    (events.HardError(8, 12, 0xC0000135, ("a.dll", 1), 6), "hard error",
     '{status=STATUS_DLL_NOT_FOUND, parameters=["a.dll", 0x1], response=6}'),
    (events.Unimplemented(8, 12, "NtUserFoo", 0x1234), "unimplemented service",
     '{name="NtUserFoo", number=4660}'),
    (events.FileChange(8, 12, "written", "C:\\a", False), "file written", '{path="C:\\a"}'),
    (events.FileChange(8, 12, "renamed", "C:\\b", False, "C:\\a"), "file renamed",
     '{path="C:\\b", previous="C:\\a"}'),
    (events.PathDenied(8, 12, "C:\\..\\x", "leads out"), "file denied",
     '{path="C:\\..\\x", reason="leads out"}'),
]  # fmt: skip


@pytest.mark.parametrize(("event", "name", "fields"), EXAMPLES)
def test_an_event(event: Event, name: str, fields: str) -> None:
    told = describe(event, Places().process(event.pid), LIMIT)
    assert told is not None
    assert (told[0], show(told[1])) == (name, fields)
    assert name.partition(" ")[0] in EVENTS
    assert "service" not in told[1]  # the key by which a line of JSON is a call


@pytest.mark.parametrize(
    ("command_line", "text", "json"),
    [
        ("", "", ""),
        ("x" * LIMIT, "x" * LIMIT, "x" * LIMIT),
        ('a.exe "C:\\b\t1" 234', 'a.exe "C:\\b<TAB>1" 2', 'a.exe \\"C:\\\\b\\t1\\" 2...'),
    ],
)
def test_a_long_command_line_is_cut(command_line: str, text: str, json: str) -> None:
    event = events.ProcessStart(8, 0, "a.exe", 4, command_line)
    told = describe(event, Places().process(8), LIMIT)
    assert told is not None
    dots = "..." if len(command_line) > LIMIT else ""
    assert show(told[1]) == '{image="a.exe", parent=4' + (
        f', command_line="{text}"{dots}}}' if text else "}"
    )
    assert to_json(told[1]) == '{"image": "a.exe", "parent": 4' + (
        f', "command_line": "{json}"}}' if json else "}"
    )


def test_no_event_is_forgotten() -> None:
    assert {type(event) for event, _name, _fields in EXAMPLES} == set(Event.__subclasses__())


def test_an_address_in_an_image_is_named() -> None:
    places = Places().process(8)
    places.load(0x400000, 0x2000, "a.exe", b"")
    told = describe(events.ThreadStart(8, 12, 0x401000), places, LIMIT)
    assert told == ("thread start", {"start": "a+0x1000"})


def test_a_second_image_of_a_file_is_told() -> None:
    places = Places().process(8)
    for base in (0x10000, 0x20000):
        places.load(base, 0x2000, "b.dll", b"")
    told = describe(events.ModuleLoad(8, 12, "B.DLL", 0x20000, 0x2000, 0, b""), places, LIMIT)
    assert told is not None and told[1]["again"] is True
    places.unload(0x10000)
    told = describe(events.ModuleLoad(8, 12, "b.dll", 0x20000, 0x2000, 0, b""), places, LIMIT)
    assert told is not None and "again" not in told[1]


def test_a_module_goes_by_the_name_that_it_came_by() -> None:
    places = Places().process(8)
    places.load(0x10000, 0x2000, "b.dll", b"")
    told = describe(events.ModuleUnload(8, 12, 0x10000), places, LIMIT)
    assert told == ("module unload", {"name": "b.dll", "base": "0x10000"})
