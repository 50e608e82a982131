"""Ports: LPCP_PORT_OBJECTs in guest memory, as XP lays them out.

A server's connection port has the queue from which it receives what all its clients send; a
client's communication port has a queue of its own for what the server sends back unasked.  A
thread that waits for an answer hangs in the LpcReplyChain of the port at the other end.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.lpc import messages as msg
from ntgate.executive.lpc.messages import Message
from ntgate.executive.ob import UNNAMED, HandleClosing, ObjectAttributes
from ntgate.layout import lists, ntstatus
from ntgate.layout.ke import DISPATCHER_HEADER, KSEMAPHORE, NOTIFICATION_EVENT, SEMAPHORE_OBJECT
from ntgate.layout.lpc import (
    LPCP_NONPAGED_PORT_QUEUE,
    LPCP_PORT_OBJECT,
    TERMINATION_PORT,
)
from ntgate.layout.ps import ETHREAD

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Thread

# LPCP_PORT_OBJECT.Flags, from public write-ups.
SERVER_CONNECTION_PORT        = 1
UNCONNECTED_COMMUNICATION_PORT = 2
SERVER_COMMUNICATION_PORT     = 3
CLIENT_COMMUNICATION_PORT     = 4
PORT_TYPE                     = 0x0F
PORT_WAITABLE                 = 0x2000_0000
PORT_DESTROYED                = 0x8000_0000  # its last handle is closed: nobody receives

LARGEST_MESSAGE = 0x148  # header included
LARGEST_CONNECTION_INFORMATION = 0x104
MOST_QUEUED = 0x7FFF_FFFF
TAG = b"Port"


class Ports:
    """The ports of one machine.  A port is named by the address of its object's body."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.kernel = executive.kernel
        self.objects = executive.objects
        self.blocks = executive.objects.blocks
        self._message_id = 0
        self.connecting: dict[int, int] = {}  # client ports, by ETHREADs that wait for a server
        for name in ("Port", "WaitablePort"):
            kind = self.objects.types[name]
            kind.delete = self._delete
            kind.close = self._close

    def view(self, port: int) -> LPCP_PORT_OBJECT:
        return LPCP_PORT_OBJECT(self.kernel, port)

    def type_of(self, port: int) -> int:
        kind: int = self.view(port).Flags & PORT_TYPE
        return kind

    # Making

    def create_connection_port(
        self, thread: Thread, attributes: ObjectAttributes, information: int, length: int, *,
        waitable: bool,
    ) -> int:  # fmt: skip
        """A server's port that isn't inserted yet; the lengths are the largest allowed."""
        flags = SERVER_CONNECTION_PORT | (PORT_WAITABLE if waitable else 0)
        port = self._create("WaitablePort" if waitable else "Port", flags, thread, attributes)
        view = self.view(port)
        view.ConnectionPort = port
        view.MaxConnectionInfoLength, view.MaxMessageLength = information, length
        view.ServerProcess = thread.process.eprocess.address
        return self._with_queue(port)

    def create_communication_port(self, thread: Thread, kind: int, connection_port: int) -> int:
        """One end of a connection, with one reference, and one of its own on the other port."""
        port = self._create("Port", kind, thread, UNNAMED)
        view, server = self.view(port), self.view(connection_port)
        view.ConnectionPort = connection_port
        view.MaxMessageLength = server.MaxMessageLength
        self.objects.reference(connection_port)
        return self._with_queue(port) if kind == CLIENT_COMMUNICATION_PORT else port

    def _create(
        self, name: str, flags: int, thread: Thread, attributes: ObjectAttributes
    ) -> int:
        port = self.objects.create(self.objects.types[name], LPCP_PORT_OBJECT.SIZE, attributes)
        view = self.view(port)
        view.Flags = flags
        view.Creator.UniqueProcess, view.Creator.UniqueThread = thread.pid, thread.tid
        for head in (view.LpcReplyChainHead, view.LpcDataInfoChainHead,
                     view.MsgQueue.ReceiveHead):  # fmt: skip
            lists.initialize(self.kernel, head.address)
        self._initialize_header(view.WaitEvent.Header, NOTIFICATION_EVENT, 4)
        return port

    def _with_queue(self, port: int) -> int:
        """The port, once it can receive; it goes where that can't be."""
        try:
            at = self.blocks.allocate(LPCP_NONPAGED_PORT_QUEUE.SIZE, TAG)
        except NtError:
            self.objects.dereference(port)
            raise
        queue = LPCP_NONPAGED_PORT_QUEUE(self.kernel, at)
        self.prepare(queue.Semaphore, MOST_QUEUED)
        queue.BackPointer = port
        view = self.view(port)
        view.MsgQueue.NonPagedPortQueue = queue.address
        view.MsgQueue.Semaphore = queue.Semaphore.address
        return port

    def prepare(self, semaphore: KSEMAPHORE, limit: int) -> None:
        """Make it a semaphore that nobody has released yet."""
        self._initialize_header(semaphore.Header, SEMAPHORE_OBJECT, KSEMAPHORE.SIZE // 4)
        semaphore.Limit = limit

    def _initialize_header(self, header: DISPATCHER_HEADER, kind: int, size: int) -> None:
        header.Type, header.Size, header.SignalState = kind, size, 0
        lists.initialize(self.kernel, header.WaitListHead.address)

    # Queues

    def receives_from(self, port: int) -> int:
        """The port in whose queue is what a handle to `port` receives."""
        if self.type_of(port) == CLIENT_COMMUNICATION_PORT:
            return port
        connection: int = self.view(port).ConnectionPort
        return connection

    def destination(self, port: int) -> tuple[int, int, int]:
        """Where a message of `port` goes: the queue's port, the far end, the context there.

        Raises STATUS_PORT_DISCONNECTED.
        """
        view = self.view(port)
        if view.Flags & PORT_TYPE == SERVER_CONNECTION_PORT:
            if view.Flags & PORT_DESTROYED:
                raise NtError(ntstatus.STATUS_PORT_DISCONNECTED)
            return port, port, view.PortContext
        far = view.ConnectedPort
        if not far:
            raise NtError(ntstatus.STATUS_PORT_DISCONNECTED)
        queue = self.receives_from(far)
        if self.view(queue).Flags & PORT_DESTROYED:
            raise NtError(ntstatus.STATUS_PORT_DISCONNECTED)
        return queue, far, self.view(far).PortContext

    def next_id(self) -> int:
        """The number of a message that wants an answer: never 0."""
        self._message_id = self._message_id % 0xFFFFFFFF + 1
        return self._message_id

    def enqueue(self, queue: int, message: Message, sender: int, context: int) -> int:
        """Put a message at the end of a port's queue; its LPCP_MESSAGE."""
        at = msg.store(self.blocks, message, sender, context)
        view = self.view(queue)
        lists.insert_tail(self.kernel, view.MsgQueue.ReceiveHead.address, at)
        semaphore = view.MsgQueue.Semaphore
        header = DISPATCHER_HEADER(self.kernel, semaphore)
        header.SignalState += 1
        self.executive.waits.signaled(semaphore)
        if view.Flags & PORT_WAITABLE:
            self.executive.waits.set_event(view.WaitEvent.address)
        return at

    def dequeue(self, queue: int) -> int:
        """Take the first message, for which the semaphore has been waited for; 0 for none."""
        view = self.view(queue)
        head = view.MsgQueue.ReceiveHead.address
        if lists.is_empty(self.kernel, head):
            return 0
        at = self.kernel.u32(head)
        lists.remove(self.kernel, at)
        if lists.is_empty(self.kernel, head):
            view.WaitEvent.Header.SignalState = 0
        return at

    def keep_data(self, queue: int, at: int) -> None:
        """A request whose data the server may still read stays until it is answered."""
        head = self.view(queue).LpcDataInfoChainHead.address
        lists.insert_tail(self.kernel, head, at)

    def kept(self, queue: int, message: Message) -> int:
        """The LPCP_MESSAGE of a request that was kept; 0 for none."""
        for at in lists.entries(self.kernel, self.view(queue).LpcDataInfoChainHead.address):
            found = msg.load(self.blocks, at)
            if (found.id, found.client) == (message.id, message.client):
                return at
        return 0

    def forget(self, at: int) -> None:
        """Free a kept message."""
        lists.remove(self.kernel, at)
        self.blocks.free(at)

    # Waiting for an answer

    def expect_reply(self, thread: Thread, far: int, number: int) -> int:
        """The thread will wait for the answer to message `number`; its semaphore's address."""
        ethread = thread.ethread
        self.prepare(ethread.LpcReplySemaphore, 1)
        ethread.LpcReplyMessageId, ethread.LpcReplyMessage = number, 0
        head = self.view(far).LpcReplyChainHead.address
        lists.insert_tail(self.kernel, head, ethread.LpcReplyChain.address)
        thread.lpc_wait = far
        address: int = ethread.LpcReplySemaphore.address
        return address

    def waiting_thread(self, client: tuple[int, int], number: int) -> Thread:
        """The thread that waits for the answer to a message.

        Raises STATUS_INVALID_CID, and STATUS_REPLY_MESSAGE_MISMATCH where it doesn't wait.
        """
        try:
            body = self.objects.reference_by_id(client[1], self.objects.types["Thread"])
        except NtError:
            raise NtError(ntstatus.STATUS_INVALID_CID) from None
        self.objects.dereference(body)
        thread = self.executive.processes.threads[body]
        if thread.pid != client[0]:
            raise NtError(ntstatus.STATUS_INVALID_CID)
        if not number or not thread.lpc_wait or thread.ethread.LpcReplyMessageId != number:
            raise NtError(ntstatus.STATUS_REPLY_MESSAGE_MISMATCH)
        return thread

    def answer(self, thread: Thread, message: Message) -> None:
        """Give a waiting thread its answer."""
        ethread = thread.ethread
        self._leave_chain(thread)
        ethread.LpcReplyMessage = msg.store(self.blocks, message)
        self.wake(thread)

    def wake(self, thread: Thread) -> None:
        """Let it go with what LpcReplyMessage is: nothing means that the port is gone."""
        self._leave_chain(thread)
        semaphore = thread.ethread.LpcReplySemaphore
        semaphore.Header.SignalState = 1
        self.executive.waits.signaled(semaphore.address)

    def take_reply(self, thread: Thread) -> Message | None:
        """The answer that a thread has got, once; None where there is none."""
        self._leave_chain(thread)
        at = thread.ethread.LpcReplyMessage
        if not at:
            return None
        thread.ethread.LpcReplyMessage = 0
        message = msg.load(self.blocks, at)
        self.blocks.free(at)
        return message

    def _leave_chain(self, thread: Thread) -> None:
        if thread.lpc_wait:
            thread.lpc_wait = 0
            thread.ethread.LpcReplyMessageId = 0
            lists.remove(self.kernel, thread.ethread.LpcReplyChain.address)

    # Ends

    def register_termination(self, thread: Thread, port: int) -> None:
        """When the thread ends, `port` gets LPC_CLIENT_DIED."""
        entry = TERMINATION_PORT(
            self.kernel, self.blocks.allocate(TERMINATION_PORT.SIZE, b"PsTp")
        )
        self.objects.reference(port)
        entry.Port, entry.Next = port, thread.ethread.TerminationPort
        thread.ethread.TerminationPort = entry.address

    def thread_ended(self, thread: Thread) -> None:
        """It waits for no answer any more, and those who asked are told."""
        self.take_reply(thread)
        self.connecting.pop(thread.ethread.address, None)
        ethread = thread.ethread
        data = struct.pack("<Q", ethread.CreateTime)
        died = Message(msg.LPC_CLIENT_DIED, data, (thread.pid, thread.tid))
        while ethread.TerminationPort:
            entry = TERMINATION_PORT(self.kernel, ethread.TerminationPort)
            ethread.TerminationPort = entry.Next
            port = entry.Port
            self.blocks.free(entry.address)
            self._tell(port, died)
            self.objects.dereference(port)

    def _tell(self, port: int, message: Message) -> None:
        """Send what nobody waits for, if there is still somebody to receive it."""
        try:
            queue, _far, context = self.destination(port)
        except NtError:
            return
        self.enqueue(queue, message, port, context)

    def _close(self, closing: HandleClosing) -> None:
        if closing.system_handles == 1:
            self._disconnect(closing.body)

    def _disconnect(self, port: int) -> None:
        """Nobody uses this end any more: the other one is told, once."""
        view = self.view(port)
        kind = view.Flags & PORT_TYPE
        if view.Flags & PORT_DESTROYED:
            return
        if kind == CLIENT_COMMUNICATION_PORT:
            data = struct.pack("<Q", self.executive.clock.system_time)
            client = (view.Creator.UniqueProcess, view.Creator.UniqueThread)
            self._tell(port, Message(msg.LPC_PORT_CLOSED, data, client))
        view.Flags |= PORT_DESTROYED
        self._abandon(port)
        if kind != SERVER_CONNECTION_PORT and view.ConnectedPort:
            self.view(view.ConnectedPort).ConnectedPort = 0
            view.ConnectedPort = 0

    def _abandon(self, port: int) -> None:
        """Free what is queued, and let those go who wait for an answer."""
        while at := self.dequeue(port):
            self.blocks.free(at)
        view = self.view(port)
        for at in list(lists.entries(self.kernel, view.LpcDataInfoChainHead.address)):
            self.forget(at)
        for chain in list(lists.entries(self.kernel, view.LpcReplyChainHead.address)):
            thread = self.executive.processes.threads.get(
                chain - ETHREAD.LpcReplyChain.offset
            )
            if thread is not None:
                self.wake(thread)

    def _delete(self, port: int) -> None:
        self._disconnect(port)
        view = self.view(port)
        if view.ClientThread:
            self.objects.dereference(view.ClientThread)
        if view.StaticSecurity.ClientToken:
            self.objects.dereference(view.StaticSecurity.ClientToken)
        if view.MsgQueue.NonPagedPortQueue:
            self.blocks.free(view.MsgQueue.NonPagedPortQueue)
        if view.Flags & PORT_TYPE != SERVER_CONNECTION_PORT and view.ConnectionPort:
            self.objects.dereference(view.ConnectionPort)
