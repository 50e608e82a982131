"""I/O completion ports: KQUEUE objects whose packets are XP's IO_MINI_COMPLETION_PACKETs.

That structure is in no public table; its size and members here are public write-ups': a
LIST_ENTRY, the packet's type, then key context, APC context, status and information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.layout import lists
from ntgate.layout.io import FILE_OBJECT, IO_COMPLETION_CONTEXT, KQUEUE
from ntgate.layout.ke import QUEUE_OBJECT
from ntgate.layout.ntstatus import STATUS_INVALID_PARAMETER
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive

TAG_PACKET, TAG_CONTEXT = b"Icp ", b"IoCc"
PACKET_SIZE = 0x20
MINI_PACKET = 2  # PacketType
PACKET_TYPE, KEY_CONTEXT, APC_CONTEXT, STATUS, INFORMATION = 0x08, 0x0C, 0x10, 0x14, 0x18


@dataclass(frozen=True, slots=True)
class Packet:
    """What NtRemoveIoCompletion gives."""

    key: int
    context: int
    status: int
    information: int


class CompletionPorts:
    """The ports of a machine; a port is named by the address of its body."""

    def __init__(self, executive: Executive) -> None:
        self._executive = executive
        self._kernel = executive.kernel
        self._objects = executive.objects
        executive.objects.types["IoCompletion"].delete = self._delete

    def initialize(self, body: int, concurrency: int) -> None:
        """Fill in a zeroed KQUEUE; as many threads may run as there are processors: one."""
        queue = KQUEUE(self._kernel, body)
        queue.Header.Type, queue.Header.Size = QUEUE_OBJECT, KQUEUE.SIZE // 4
        queue.MaximumCount = concurrency or 1
        for head in (queue.Header.WaitListHead, queue.EntryListHead, queue.ThreadListHead):
            lists.initialize(self._kernel, head.address)

    def post(self, body: int, packet: Packet) -> None:
        """Queue a packet; a thread that waits for one is let go."""
        kernel = self._kernel
        at = self._objects.blocks.allocate(PACKET_SIZE, TAG_PACKET)
        kernel.set_u32(at + PACKET_TYPE, MINI_PACKET)
        kernel.set_u32(at + KEY_CONTEXT, packet.key)
        kernel.set_u32(at + APC_CONTEXT, packet.context)
        kernel.set_u32(at + STATUS, packet.status)
        kernel.set_u32(at + INFORMATION, packet.information)
        queue = KQUEUE(kernel, body)
        lists.insert_tail(kernel, queue.EntryListHead.address, at)
        queue.Header.SignalState += 1
        self._executive.waits.signaled(body)

    def take(self, body: int) -> Packet | None:
        """The oldest packet."""
        kernel = self._kernel
        queue = KQUEUE(kernel, body)
        at = next(lists.entries(kernel, queue.EntryListHead.address), 0)
        if not at:
            return None
        packet = Packet(
            kernel.u32(at + KEY_CONTEXT), kernel.u32(at + APC_CONTEXT),
            kernel.u32(at + STATUS), kernel.u32(at + INFORMATION),
        )  # fmt: skip
        lists.remove(kernel, at)
        self._objects.blocks.free(at)
        queue.Header.SignalState -= 1
        return packet

    def depth(self, body: int) -> int:
        """How many packets there are."""
        return KQUEUE(self._kernel, body).Header.SignalState

    # Files with a port.

    def attach(self, file: FILE_OBJECT, port: int, key: int) -> None:
        """Have a file's completions queued; raises STATUS_INVALID_PARAMETER for a second port."""
        if file.CompletionContext:
            raise NtError(STATUS_INVALID_PARAMETER)
        at = self._objects.blocks.allocate(IO_COMPLETION_CONTEXT.SIZE, TAG_CONTEXT)
        context = IO_COMPLETION_CONTEXT(self._kernel, at)
        context.Port, context.Key = port, key
        self._objects.reference(port)
        file.CompletionContext = at

    def detach(self, file: FILE_OBJECT) -> None:
        context = IO_COMPLETION_CONTEXT(self._kernel, file.CompletionContext)
        file.CompletionContext = 0
        self._objects.dereference(context.Port)
        self._objects.blocks.free(context.address)

    def post_file(self, context: int, apc_context: int, status: int, information: int) -> None:
        """A request on a file with a port has ended."""
        view = IO_COMPLETION_CONTEXT(self._kernel, context)
        self.post(view.Port, Packet(view.Key, apc_context, status, information))

    def _delete(self, body: int) -> None:
        while self.take(body) is not None:
            pass
