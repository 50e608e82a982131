"""The VAD tree against a sorted list."""

from __future__ import annotations

from bisect import insort

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mm_machine import MmMachine

from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import PRIVATE_MEMORY, TAG_SHORT
from ntgate.executive.mm.vad_tree import GRANULARITY, HIGHEST_VPN, LOWEST_VPN
from ntgate.layout.mm import MMVAD_SHORT

MACHINE = MmMachine()


def check_links(space: ProcessSpace) -> None:
    """Children know their parents, keys are in order, the root has no parent."""

    def walk(address: int, parent: int, low: int, high: int) -> int:
        if not address:
            return 0
        node = MMVAD_SHORT(MACHINE.kernel, address)
        assert node.Parent == parent
        assert low <= node.StartingVpn <= node.EndingVpn <= high
        return (
            1
            + walk(node.LeftChild, address, low, node.StartingVpn - 1)
            + walk(node.RightChild, address, node.EndingVpn + 1, high)
        )

    process = space.process
    assert walk(process.VadRoot, 0, 0, HIGHEST_VPN) == process.NumberOfVads


def lowest_free(ranges: list[tuple[int, int]], pages: int) -> int | None:
    start = LOWEST_VPN
    for first, last in ranges:
        if start + pages <= first:
            break
        start = max(start, last + 1 + GRANULARITY - 1 & -GRANULARITY)
    return start if start + pages - 1 <= HIGHEST_VPN else None


def highest_free(ranges: list[tuple[int, int]], pages: int) -> int | None:
    end = HIGHEST_VPN
    for first, last in [*reversed(ranges), (0, LOWEST_VPN - 1)]:
        start = end - pages + 1 & -GRANULARITY
        if start > last:
            return start
        end = first - 1
    return None


steps = st.one_of(
    st.tuples(st.just("find"), st.integers(1, 80)),
    st.tuples(st.just("down"), st.integers(1, 80)),
    st.tuples(st.just("insert"), st.integers(0, 0x300), st.integers(1, 40)),
    st.tuples(st.just("remove"), st.integers(0, 100)),
    st.tuples(st.just("shrink"), st.integers(0, 100)),
)


@given(st.lists(steps, max_size=60))
def test_the_tree_is_a_sorted_list(program: list[tuple[str, int] | tuple[str, int, int]]) -> None:
    space = MACHINE.process()
    tree = space.vads
    ranges: list[tuple[int, int]] = []
    nodes: dict[int, int] = {}
    for action, value, *rest in program:
        match action:
            case "find" | "down":
                model, find = (
                    (lowest_free, tree.find_free)
                    if action == "find"
                    else (highest_free, tree.find_free_down)
                )
                first = find(value)
                assert first == model(ranges, value)
                assert first is not None
                last = first + value - 1
            case "insert":
                first, last = value, value + rest[0] - 1
                taken = any(a <= last and first <= b for a, b in ranges)
                assert tree.overlaps(first, last) == taken
                if taken:
                    continue
            case "remove":
                if ranges:
                    first, last = ranges.pop(value % len(ranges))
                    space.remove_vad(space.vad(nodes.pop(first)))
                continue
            case _:
                if ranges and ranges[value % len(ranges)][0] < ranges[value % len(ranges)][1]:
                    first, last = ranges.pop(value % len(ranges))
                    node = nodes.pop(first)
                    MMVAD_SHORT(MACHINE.kernel, node).StartingVpn = first + 1
                    tree.shrunk(node)
                    insort(ranges, (first + 1, last))
                    nodes[first + 1] = node
                continue
        insort(ranges, (first, last))
        nodes[first] = space.add_vad(TAG_SHORT, first, last, PRIVATE_MEMORY)
    check_links(space)
    assert [tree.bounds(node) for node in tree] == ranges
    for vpn in range(0x340):
        inside = [a for a, b in ranges if a <= vpn <= b]
        assert tree.find(vpn) == (nodes[inside[0]] if inside else 0)
        above = [a for a, b in ranges if b >= vpn]
        assert tree.at_or_above(vpn) == (nodes[above[0]] if above else 0)
    MACHINE.manager.delete_space(space)


def test_the_tree_stays_flat() -> None:
    space = MACHINE.process()
    for _ in range(512):
        first = space.vads.find_free(1)
        assert first is not None
        space.add_vad(TAG_SHORT, first, first, PRIVATE_MEMORY)

    def depth(address: int) -> int:
        if not address:
            return 0
        node = MMVAD_SHORT(MACHINE.kernel, address)
        return 1 + max(depth(node.LeftChild), depth(node.RightChild))

    assert depth(space.process.VadRoot) < 40
    MACHINE.manager.delete_space(space)


def test_a_node_that_a_debugger_unlinks_is_gone() -> None:
    space = MACHINE.process()
    for first in (0x100, 0x200, 0x300):
        space.add_vad(TAG_SHORT, first, first, PRIVATE_MEMORY)
    root = MMVAD_SHORT(MACHINE.kernel, space.process.VadRoot)
    leaf = MMVAD_SHORT(MACHINE.kernel, root.LeftChild or root.RightChild)
    hidden = leaf.StartingVpn
    assert space.vads.find(0x200) and space.vads.find(hidden)
    space.process.VadHint = root.address
    if leaf.address == root.LeftChild:
        root.LeftChild = 0
    else:
        root.RightChild = 0
    assert space.vads.find(hidden) == 0


@pytest.mark.parametrize("pages", [HIGHEST_VPN - LOWEST_VPN + 2, 0x80000])
def test_no_range_is_too_large(pages: int) -> None:
    space = MACHINE.process()
    assert space.vads.find_free(pages) is None
    assert space.vads.find_free_down(pages) is None
    MACHINE.manager.delete_space(space)
