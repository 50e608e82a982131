"""News of changes; the first test is the course of Wine's conformance test against Windows."""

from __future__ import annotations

import struct

import pytest
from cm_program import TEST, USER, Program

from ntgate.dispatch.outcome import Wait
from ntgate.executive.ps import apc
from ntgate.layout import lists
from ntgate.layout import ntstatus as s
from ntgate.layout.ke import KTHREAD, WAITING

NAME, ATTRIBUTES, LAST_SET, SECURITY = 1, 2, 4, 8


@pytest.fixture
def p() -> Program:
    return Program()


def notify(
    p: Program, key: int, event: int = 0, change: int = NAME, tree: int = 0, *, wait: bool = False
) -> int | Wait:
    block = p.put(bytes(8))
    return p.call("NtNotifyChangeKey", key, event, 0, 0, block, change, tree, 0, 0, int(not wait))


def test_watching_a_key(p: Program) -> None:
    key, key2 = p.key(TEST), p.key(TEST)
    events = [p.event(signaled=1) for _ in range(4)]

    def signaled() -> list[bool]:
        return [p.is_signaled(event) for event in events]

    assert notify(p, key, events[0], NAME) == s.STATUS_PENDING
    assert notify(p, key, events[1], 0) == s.STATUS_PENDING
    assert notify(p, key2, events[2], 0) == s.STATUS_PENDING
    assert notify(p, key2, events[3], NAME) == s.STATUS_PENDING
    assert signaled() == [False] * 4
    subkey = p.key("test_subkey", key)
    assert signaled() == [True, True, False, False]
    assert notify(p, key, events[0], 0) == s.STATUS_PENDING
    assert signaled() == [False, True, False, False]
    assert notify(p, key, events[1], 0) == s.STATUS_PENDING
    assert signaled() == [False] * 4
    assert p.call("NtDeleteKey", subkey) == 0
    assert signaled() == [True, True, False, False]
    p.close(subkey)
    assert notify(p, key, events[0], 0) == s.STATUS_PENDING
    assert notify(p, key, events[1], 0) == s.STATUS_PENDING
    p.close(key)
    assert signaled() == [True, True, False, False]
    p.close(key2)
    assert signaled() == [True] * 4


@pytest.mark.parametrize(
    ("change", "tree", "expected"),
    [
        (NAME, 0, ["create", "delete"]),
        (LAST_SET, 0, ["set", "delete value"]),
        (ATTRIBUTES, 0, ["flags"]),
        (SECURITY, 0, ["security"]),
        (NAME, 1, ["create", "create below", "delete below", "delete"]),
        (LAST_SET, 1, ["set", "set below", "delete value"]),
        (0, 1, []),
    ],
)
def test_which_changes_count(p: Program, change: int, tree: int, expected: list[str]) -> None:
    key, event = p.key(TEST), p.event()
    seen = []
    handles: dict[str, int] = {}

    def make(name: str, root: int) -> None:
        handles[name] = p.key(name, root)

    for name, action in (
        ("create", lambda: make("sub", key)),
        ("set", lambda: p.set(key, "value", b"1234")),
        ("set below", lambda: p.set(handles["sub"], "value", b"1234")),
        ("flags", lambda: p.call("NtSetInformationKey", key, 1, p.put(bytes(4)), 4)),
        ("security", lambda: p.registry.tree.set_security(p.node(key), b"")),
        ("create below", lambda: make("subsub", handles["sub"])),
        ("delete below", lambda: p.call("NtDeleteKey", handles["subsub"])),
        ("delete value", lambda: p.call("NtDeleteValueKey", key, p.string("value"))),
        ("delete", lambda: p.call("NtDeleteKey", handles["sub"])),
    ):
        assert notify(p, key, event, change, tree) == s.STATUS_PENDING
        action()
        if p.is_signaled(event):
            seen.append(name)
    assert seen == expected


def test_a_change_that_nobody_waits_for_is_kept(p: Program) -> None:
    key, event = p.key(TEST), p.event()
    p.close(p.key("before", key))
    assert notify(p, key, event) == s.STATUS_PENDING
    p.close(p.key("one", key), p.key("two", key))
    assert notify(p, key, event) == s.STATUS_SUCCESS
    assert p.is_signaled(event)
    assert notify(p, key, event) == s.STATUS_PENDING


def test_a_thread_waits(p: Program) -> None:
    key = p.key(TEST)
    answer = notify(p, key, wait=True)
    assert isinstance(answer, Wait)
    tcb: KTHREAD = p.thread.ethread.Tcb
    assert tcb.State == WAITING
    p.registry.tree.create(p.node(key), "sub")
    assert tcb.State != WAITING
    assert answer.resume(p.thread, p.thread.wait_status, answer.state) == s.STATUS_SUCCESS
    block = answer.state.io_status_block
    assert struct.unpack("<2I", p.memory.read(block, 8)) == (s.STATUS_NOTIFY_ENUM_DIR, 0)
    assert p.registry.notifications.waiting == 0


def test_a_thread_that_ends_waits_no_more(p: Program) -> None:
    key = p.key(TEST)
    node = p.node(key)
    assert isinstance(notify(p, key, wait=True), Wait)
    notify(p, p.key(TEST), p.event())
    assert p.registry.notifications.waiting == 2
    p.executive.processes.terminate_process(p.process, 0)
    assert p.registry.notifications.waiting == 0
    p.registry.tree.create(node, "sub")


def test_a_routine_is_called_with_the_status(p: Program) -> None:
    key, block = p.key(TEST), p.put(bytes(8))
    answer = p.call("NtNotifyChangeKey", key, 0, 0x401000, 0x77, block, LAST_SET, 0, 0, 0, 1)
    assert answer == s.STATUS_PENDING
    p.set(key, "value", b"")
    assert struct.unpack("<2I", p.memory.read(block, 8)) == (s.STATUS_NOTIFY_ENUM_DIR, 0)
    assert apc.is_queued(p.thread)
    head = p.thread.ethread.Tcb.ApcState.address + 8
    assert len(list(lists.entries(p.executive.kernel, head))) == 1


def test_two_keys_at_once(p: Program) -> None:
    key, event = p.key(TEST), p.event()
    other = p.attributes(rf"{USER}\Environment")

    def ask() -> int | Wait:
        return p.call(
            "NtNotifyChangeMultipleKeys", key, 1, other, event, 0, 0, p.put(bytes(8)), LAST_SET,
            0, 0, 0, 1,
        )  # fmt: skip

    for path in (rf"{USER}\Environment", TEST):
        assert ask() == s.STATUS_PENDING
        assert not p.is_signaled(event)
        changed = p.key(path)
        p.set(changed, "value", b"")
        p.close(changed)
        assert p.is_signaled(event)
    p.close(key)
    assert p.registry.notifications.waiting == 0
    too_many = p.call(
        "NtNotifyChangeMultipleKeys", p.key(TEST), 2, other, 0, 0, 0, p.put(bytes(8)), 1, 0, 0,
        0, 1,
    )  # fmt: skip
    assert too_many == s.STATUS_INVALID_PARAMETER


def test_what_is_refused(p: Program) -> None:
    key = p.key(TEST)
    assert notify(p, key, change=0x10) == s.STATUS_INVALID_PARAMETER
    assert notify(p, key, event=key) == s.STATUS_OBJECT_TYPE_MISMATCH
    assert notify(p, p.key(TEST, access=2)) == s.STATUS_ACCESS_DENIED
    bad = p.call("NtNotifyChangeKey", key, 0, 0, 0, 0, 1, 0, 0, 0, 1)
    assert bad == s.STATUS_ACCESS_VIOLATION
    p.call("NtDeleteKey", key)
    assert notify(p, key) == s.STATUS_KEY_DELETED
    assert p.registry.notifications.waiting == 0


def test_a_watched_key_is_deleted(p: Program) -> None:
    key, event = p.key(TEST), p.event()
    assert notify(p, key, event) == s.STATUS_PENDING
    assert p.call("NtDeleteKey", key) == 0
    assert p.is_signaled(event)
    p.close(key)
