"""Who waits for changes of keys: what NtNotifyChangeKey leaves behind.

The first call on a handle fixes what it watches (a _CM_NOTIFY_BLOCK on XP): a change that comes
while nobody waits is kept for the next call.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING

from ntgate.executive.cm.node import KeyNode
from ntgate.executive.cm.tree import CHANGE_NAME
from ntgate.executive.ps import apc
from ntgate.layout import lists, ntstatus
from ntgate.layout.ke import DISPATCHER_HEADER, NOTIFICATION_EVENT
from ntgate.memory.user import AccessViolation
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Thread

TAG = b"CMpe"


@dataclass(eq=False)
class NotifyBlock:
    """What one key object watches.  `pending`: it has changed while nobody waited."""

    node: KeyNode
    change_filter: int
    watch_tree: bool
    pending: bool = False
    posts: list[Post] = field(default_factory=list)

    def wants(self, change: int, *, below: bool) -> bool:
        return bool(change & self.change_filter) and (self.watch_tree or not below)


@dataclass(eq=False)
class Post:
    """One call that waits, on one block or on two.

    event: the body of an event object that the post holds a reference on, or 0.  wake: the
    DISPATCHER_HEADER that a synchronous caller waits for, or 0.  status: STATUS_PENDING until it
    is answered.
    """

    thread: Thread
    blocks: tuple[NotifyBlock, ...]
    event: int = 0
    wake: int = 0
    apc_routine: int = 0
    apc_context: int = 0
    io_status_block: int = 0
    status: int = ntstatus.STATUS_PENDING


class Notifications:
    """Every watch of one machine."""

    def __init__(self) -> None:
        self._blocks: dict[KeyNode, list[NotifyBlock]] = {}

    @property
    def waiting(self) -> int:
        """How many calls are waiting."""
        return len({
            post
            for watching in self._blocks.values()
            for block in watching
            for post in block.posts
        })  # fmt: skip

    def watch(self, node: KeyNode, change_filter: int, *, watch_tree: bool) -> NotifyBlock:
        block = NotifyBlock(node, change_filter, watch_tree)
        self._blocks.setdefault(node, []).append(block)
        return block

    def begin(self, post: Post) -> int:
        """STATUS_PENDING, or at once STATUS_NOTIFY_ENUM_DIR for a change that was kept."""
        if any(block.pending for block in post.blocks):
            for block in post.blocks:
                block.pending = False
            self._answer(post, ntstatus.STATUS_NOTIFY_ENUM_DIR)
            return post.status
        for block in post.blocks:
            block.posts.append(post)
        return ntstatus.STATUS_PENDING

    def changed(self, node: KeyNode, change: int) -> None:
        """Tell those who watch a key or a key above it."""
        if not self._blocks:
            return
        above: KeyNode | None = node
        while above is not None:
            for block in tuple(self._blocks.get(above, ())):
                if block.wants(change, below=above is not node):
                    self._fire(block, ntstatus.STATUS_NOTIFY_ENUM_DIR)
            above = above.parent

    def deleted(self, node: KeyNode) -> None:
        """A key that is watched is gone."""
        for block in tuple(self._blocks.get(node, ())):
            if block.wants(CHANGE_NAME, below=False):
                self._fire(block, ntstatus.STATUS_NOTIFY_ENUM_DIR)

    def end(self, block: NotifyBlock) -> None:
        """The last handle of a watching key object is closed."""
        for post in tuple(block.posts):
            self.cancel(post, ntstatus.STATUS_NOTIFY_CLEANUP)
        watching = self._blocks[block.node]
        watching.remove(block)
        if not watching:
            del self._blocks[block.node]

    def thread_ended(self, tid: int) -> None:
        """Drop what a thread that is gone waits for, without an answer."""
        blocks = [block for watching in self._blocks.values() for block in watching]
        for block in blocks:
            for post in [post for post in block.posts if post.thread.tid == tid]:
                self._withdraw(post)
                self._release(post)

    def cancel(self, post: Post, status: int) -> None:
        self._withdraw(post)
        self._answer(post, status)

    def make_wake(self, thread: Thread) -> int:
        """A notification event in pool for a synchronous caller; `finish_wait` frees it."""
        executive = thread.executive
        address = executive.objects.blocks.allocate(DISPATCHER_HEADER.SIZE, TAG)
        header = DISPATCHER_HEADER(executive.kernel, address)
        header.Type, header.Size = NOTIFICATION_EVENT, DISPATCHER_HEADER.SIZE // 4
        lists.initialize(executive.kernel, header.WaitListHead.address)
        return address

    def finish_wait(self, post: Post) -> int:
        """The synchronous caller runs again, answered or not; the status of its call."""
        if post.status == ntstatus.STATUS_PENDING:
            self._withdraw(post)
        self._release(post)
        return post.status

    def _fire(self, block: NotifyBlock, status: int) -> None:
        if not block.posts:
            block.pending = True
        for post in tuple(block.posts):
            self.cancel(post, status)

    def _withdraw(self, post: Post) -> None:
        for block in post.blocks:
            if post in block.posts:
                block.posts.remove(post)

    def _answer(self, post: Post, status: int) -> None:
        post.status = status
        thread = post.thread
        waits = thread.executive.waits
        if post.wake:
            waits.set_event(post.wake)
            return
        if post.apc_routine:
            with suppress(AccessViolation):
                thread.memory.write(
                    post.io_status_block, status.to_bytes(4, "little") + bytes(4)
                )
            apc.queue(thread, post.apc_routine, post.apc_context, post.io_status_block, 0)
        if post.event:
            waits.set_event(post.event)
        self._release(post)

    def _release(self, post: Post) -> None:
        """Give back what the post holds."""
        objects = post.thread.executive.objects
        if post.event:
            objects.dereference(post.event)
            post.event = 0
        if post.wake:
            objects.blocks.free(post.wake)
            post.wake = 0
