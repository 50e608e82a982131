"""A process's virtual address descriptors: the tree under EPROCESS.VadRoot.

The tree in the guest is the only record of what is allocated: every question walks it.  XP
doesn't document how its tree is balanced; here it is a heap in a hash of the nodes' addresses
(a treap), which needs no room in them and has the same shape in every run.  VadHint is the
node last found; VadFreeHint is a node below which no multiple of 64 KB is free.

A node is its address in nonpaged pool, 0 is none; page numbers are inclusive.
"""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.errors import GuestBugCheck
from ntgate.layout.mm import EPROCESS_VM, MMVAD
from ntgate.memory.companions import CRITICAL_STRUCTURE_CORRUPTION
from ntgate.memory.kernel import DIRECT_BASE, KernelMemory

LOWEST_VPN = 0x10      # MM_LOWEST_USER_ADDRESS
HIGHEST_VPN = 0x7FFDF  # MM_HIGHEST_VAD_ADDRESS: SharedUserData's 64 KB follow
GRANULARITY = 0x10     # pages in the 64 KB that a reservation is aligned to

# No way through a tree is longer; one that has been damaged may lead in circles.
DEPTH, NODES = range(1000), range(1 << 20)

START, END, PARENT, LEFT, RIGHT, FLAGS = range(6)  # dwords of _MMVAD_SHORT


def _priority(node: int) -> int:
    return node * 0x9E3779B1 >> 3 & 0xFFFFFFFF


def _round_up(page: int, alignment: int) -> int:
    return (page + alignment - 1) & -alignment


class VadTree:
    """Finds, inserts and removes nodes.  Allocating them and their pages is the caller's."""

    def __init__(self, memory: KernelMemory, process: EPROCESS_VM) -> None:
        self._memory = memory
        self._dwords = memory.ram.dwords
        self._direct = memory.direct
        start = memory.physical(process.address)
        self._root = (start + EPROCESS_VM.VadRoot.offset) >> 2
        self._hint = (start + EPROCESS_VM.VadHint.offset) >> 2
        self._count = (start + EPROCESS_VM.NumberOfVads.offset) >> 2
        self._free_hint = (start + EPROCESS_VM.VadFreeHint.offset) >> 2

    def index(self, node: int) -> int:
        """Where a node is, as an index into ram.dwords."""
        place = node - DIRECT_BASE
        if 0 <= place < self._direct:
            return place >> 2
        return self._memory.physical(node) >> 2

    def view(self, node: int) -> MMVAD:
        """Typed; a private node ends after the members of _MMVAD_SHORT."""
        return MMVAD(self._memory, node)

    def bounds(self, node: int) -> tuple[int, int]:
        i = self.index(node)
        return int(self._dwords[i]), int(self._dwords[i + 1])

    def _damage(self, node: int) -> GuestBugCheck:
        """For a way through the tree that has no end."""
        return GuestBugCheck(CRITICAL_STRUCTURE_CORRUPTION, (node, 0, 0, 0))

    # Lookup.

    def index_at(self, vpn: int) -> int:
        """The index in ram.dwords of the node that covers a page; 0 without one."""
        dwords = self._dwords
        hint = dwords[self._hint]
        place = hint - DIRECT_BASE
        if 0 <= place < self._direct:
            i = int(place >> 2)
            if dwords[i] <= vpn <= dwords[i + END]:
                return i
        node = self.find(vpn)
        return self.index(node) if node else 0

    def find(self, vpn: int) -> int:
        """The node that covers a page."""
        dwords, index = self._dwords, self.index
        hint = dwords[self._hint]
        if hint:
            i = index(hint)
            if dwords[i] <= vpn <= dwords[i + END]:
                return int(hint)
        node = dwords[self._root]
        for _ in DEPTH:
            if not node:
                return 0
            i = index(node)
            if vpn < dwords[i]:
                node = dwords[i + LEFT]
            elif vpn > dwords[i + END]:
                node = dwords[i + RIGHT]
            else:
                dwords[self._hint] = node
                return int(node)
        raise self._damage(node)

    def at_or_above(self, vpn: int) -> int:
        """The lowest node that ends at `vpn` or above: the first that a range could meet."""
        dwords, best, node = self._dwords, 0, self._dwords[self._root]
        for _ in DEPTH:
            if not node:
                return best
            i = self.index(node)
            if dwords[i + END] < vpn:
                node = dwords[i + RIGHT]
            else:
                best = int(node)
                if dwords[i] <= vpn:
                    return best
                node = dwords[i + LEFT]
        raise self._damage(node)

    def overlaps(self, first: int, last: int) -> bool:
        node = self.at_or_above(first)
        return bool(node) and self._dwords[self.index(node)] <= last

    def _edge(self, node: int, side: int) -> int:
        if not node:
            return 0
        for _ in DEPTH:
            child = int(self._dwords[self.index(node) + side])
            if not child:
                return node
            node = child
        raise self._damage(node)

    def _next(self, node: int, side: int) -> int:
        """The neighbour in address order: RIGHT is the successor, LEFT the predecessor."""
        dwords = self._dwords
        child = int(dwords[self.index(node) + side])
        if child:
            return self._edge(child, LEFT + RIGHT - side)
        parent = int(dwords[self.index(node) + PARENT])
        for _ in DEPTH:
            if not parent or dwords[self.index(parent) + side] != node:
                return parent
            node, parent = parent, int(dwords[self.index(parent) + PARENT])
        raise self._damage(node)

    def successor(self, node: int) -> int:
        return self._next(node, RIGHT)

    def predecessor(self, node: int) -> int:
        return self._next(node, LEFT)

    def first(self) -> int:
        return self._edge(int(self._dwords[self._root]), LEFT)

    def __iter__(self) -> Iterator[int]:
        """Every node in address order; the loop may remove the node that it was given."""
        node = self.first()
        for _ in NODES:
            if not node:
                return
            following = self.successor(node)
            yield node
            node = following
        raise self._damage(node)

    # Free ranges.

    def find_free(
        self,
        pages: int,
        *,
        alignment: int = GRANULARITY,
        lowest: int = LOWEST_VPN,
        highest: int = HIGHEST_VPN,
    ) -> int | None:
        """The lowest free range: its first page, or None."""
        hint = int(self._dwords[self._free_hint])
        if hint:
            start, node = max(LOWEST_VPN, self.bounds(hint)[1] + 1), self.successor(hint)
        else:
            start, node = LOWEST_VPN, self.first()
        start = _round_up(max(start, lowest), alignment)
        for _ in NODES:
            if start + pages - 1 > highest:
                return None
            if not node:
                return start
            first, last = self.bounds(node)
            if start + pages <= first:
                return start
            if last >= start:
                start = _round_up(last + 1, alignment)
            node = self.successor(node)
        raise self._damage(node)

    def find_free_down(
        self,
        pages: int,
        *,
        alignment: int = GRANULARITY,
        lowest: int = LOWEST_VPN,
        highest: int = HIGHEST_VPN,
    ) -> int | None:
        """The highest free range: its first page, or None."""
        end = highest  # the last page that is free, as far as is known
        node = self._edge(int(self._dwords[self._root]), RIGHT)
        for _ in NODES:
            start = (end - pages + 1) & -alignment
            if start < lowest:
                return None
            if not node or self.bounds(node)[1] < start:
                return start
            end = min(end, self.bounds(node)[0] - 1)
            node = self.predecessor(node)
        raise self._damage(node)

    # Change.

    def insert(self, node: int) -> None:
        """Link a node whose pages are free."""
        dwords = self._dwords
        i = self.index(node)
        start = dwords[i]
        parent, place = 0, self._root
        for _ in DEPTH:
            child = dwords[place]
            if not child:
                break
            parent = child
            j = self.index(child)
            place = j + (LEFT if start < dwords[j] else RIGHT)
        else:
            raise self._damage(parent)
        dwords[place] = node
        dwords[i + PARENT] = parent
        dwords[i + LEFT] = dwords[i + RIGHT] = 0
        priority = _priority(node)
        for _ in DEPTH:
            parent = dwords[i + PARENT]
            if not parent or _priority(parent) >= priority:
                break
            self._rotate_up(node)
        else:
            raise self._damage(node)
        dwords[self._count] += 1
        self._advance_free_hint()

    def remove(self, node: int) -> None:
        dwords = self._dwords
        i = self.index(node)
        if dwords[self._hint] == node:
            dwords[self._hint] = 0
        hint = int(dwords[self._free_hint])
        if hint and dwords[i] <= self.bounds(hint)[0]:
            dwords[self._free_hint] = self.predecessor(node)
        for _ in DEPTH:
            left, right = dwords[i + LEFT], dwords[i + RIGHT]
            if not left and not right:
                break
            up = right if not left or (right and _priority(right) > _priority(left)) else left
            self._rotate_up(up)
        else:
            raise self._damage(node)
        self._replace_child(dwords[i + PARENT], node, 0)
        dwords[self._count] -= 1

    def shrunk(self, node: int) -> None:
        """The pages of a linked node have become fewer."""
        hint = int(self._dwords[self._free_hint])
        if hint and self._dwords[self.index(node)] <= self.bounds(hint)[0]:
            self._dwords[self._free_hint] = self.predecessor(node)

    def _advance_free_hint(self) -> None:
        """Past the nodes that leave no multiple of 64 KB free between them."""
        dwords = self._dwords
        hint = int(dwords[self._free_hint])
        end, node = (
            (self.bounds(hint)[1], self.successor(hint)) if hint else (LOWEST_VPN - 1, self.first())
        )
        for _ in NODES:
            if not node or dwords[self.index(node)] > _round_up(end + 1, GRANULARITY):
                break
            hint, end = node, max(end, int(dwords[self.index(node) + END]))
            node = self.successor(node)
        else:
            raise self._damage(node)
        dwords[self._free_hint] = hint

    def _replace_child(self, parent: int, old: int, new: int) -> None:
        if not parent:
            self._dwords[self._root] = new
            return
        j = self.index(parent)
        self._dwords[j + (LEFT if self._dwords[j + LEFT] == old else RIGHT)] = new

    def _rotate_up(self, node: int) -> None:
        dwords = self._dwords
        i = self.index(node)
        parent = dwords[i + PARENT]
        j = self.index(parent)
        side = LEFT if dwords[j + LEFT] == node else RIGHT
        other = LEFT + RIGHT - side
        inner = dwords[i + other]
        grandparent = dwords[j + PARENT]
        dwords[j + side] = inner
        if inner:
            dwords[self.index(inner) + PARENT] = parent
        dwords[i + other] = parent
        dwords[j + PARENT] = node
        dwords[i + PARENT] = grandparent
        self._replace_child(grandparent, parent, node)

