"""Key objects and their control blocks in guest memory, and what the registry may hold."""

from __future__ import annotations

import pytest
from cm_program import (
    TEST,
    USER,
    Program,
)

from ntgate.executive.cm.tree import QUOTA
from ntgate.layout import ntstatus as s
from ntgate.layout.cm import CM_KEY_CONTROL_BLOCK


@pytest.fixture(scope="module")
def machine() -> Program:
    return Program()


@pytest.fixture
def p(machine: Program) -> Program:
    """The program, with an empty test key."""
    machine.empty_test_key()
    return machine


def test_control_blocks_name_the_key_and_go_with_the_last_handle(p: Program) -> None:
    before = p.registry.tree.root.kcb
    count = CM_KEY_CONTROL_BLOCK(p.executive.kernel, before).RefCount
    first, second = p.key(TEST + "\\\u03c0"), p.key(TEST + "\\\u03c0")
    assert p.guest_path(first) == p.guest_path(second) == f"{TEST}\\\u03c0"
    node = p.node(first)
    block = CM_KEY_CONTROL_BLOCK(p.executive.kernel, node.kcb)
    assert (block.RefCount, block.Delete, node.opens) == (2, 0, 2)
    assert p.call("NtDeleteKey", first) == 0
    assert block.Delete == 1
    p.close(first, second)
    assert (node.kcb, node.opens) == (0, 0)
    assert p.registry.tree.find(TEST).kcb == 0
    assert CM_KEY_CONTROL_BLOCK(p.executive.kernel, before).RefCount == count


def test_the_last_key_object_frees_its_blocks_in_any_order(p: Program) -> None:
    handles = [p.key(TEST), p.key(TEST + "\\a"), p.key(TEST + "\\a\\b")]
    assert p.call("NtDeleteKey", handles[2]) == 0
    assert p.call("NtDeleteKey", handles[1]) == 0
    for handle in handles:
        p.close(handle)
    assert p.registry.tree.find(USER).kcb == 0


def test_a_program_that_ends_leaves_no_key_open() -> None:
    p = Program()
    p.key(TEST)
    p.executive.processes.terminate_process(p.process, 0)
    p.machine.run()
    node = p.registry.tree.find(TEST)
    assert (node.opens, node.kcb) == (0, 0)


def test_the_registry_holds_no_more_than_its_quota(p: Program) -> None:
    key = p.key(TEST)
    tree = p.registry.tree
    used = tree.used
    too_large = p.call("NtSetValueKey", key, p.string("v"), 0, 3, p.page, 0x1000001)
    assert too_large == s.STATUS_INSUFFICIENT_RESOURCES
    assert p.set(key, "v", bytes(100)) == 0
    tree.used += QUOTA
    assert p.create("sub", key)[0] == s.STATUS_INSUFFICIENT_RESOURCES
    assert p.set(key, "more", b"x") == s.STATUS_INSUFFICIENT_RESOURCES
    assert p.set(key, "v", bytes(99)) == 0
    tree.used -= QUOTA
    assert p.call("NtDeleteValueKey", key, p.string("v")) == 0
    p.close(p.key("sub", key))
    tree.delete_tree(tree.find(TEST + "\\sub"))
    assert tree.used == used
    p.close(key)
