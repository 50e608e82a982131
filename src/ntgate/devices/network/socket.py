"""A socket: an open file on \\Device\\Afd, what it is and what happens to it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ntgate.devices.network import codes
from ntgate.devices.network.addresses import SIZES, Endpoint, anywhere, check_own
from ntgate.devices.network.datagrams import DatagramQueue
from ntgate.devices.network.events import Events
from ntgate.devices.network.options import Options
from ntgate.devices.network.stream import StreamEnd
from ntgate.devices.network.waiting import Waiting, serve
from ntgate.errors import NtError
from ntgate.executive.io.open_file import OpenFile
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT
from ntgate.layout.sockets import SOCK_DGRAM, SOCK_STREAM

if TYPE_CHECKING:
    from ntgate.devices.network.accept import Accept
    from ntgate.devices.network.connect import Caller
    from ntgate.devices.network.driver import Network
    from ntgate.executive.io.request import Request

UNCONNECTED, CONNECTING, CONNECTED, LISTENING, CONNECTIONLESS = range(5)
SD_RECEIVE, SD_SEND, SD_BOTH = range(3)


class Socket(OpenFile):
    """`kind` is 0 until a control has created it.

    `bound_to` is what it was bound to, `local` the name that it tells: an address of its own once
    it is connected.  A stream has an `end` while it is connected, a listener its `backlog` of ends
    that nobody has accepted and the `callers` for whom there is no room in it.
    """

    def __init__(self, file: FILE_OBJECT, network: Network, access: int) -> None:
        super().__init__(file, network.device, access)
        self.network = network
        self.family = self.kind = self.protocol = 0
        self.owner = 0  # the id of the process that has created it
        self.created = 0  # system time
        self.state = UNCONNECTED
        self.options = Options(0)
        self.events = Events(network.io)
        self.nonblocking = False
        self.bound_to = self.local = anywhere(2)
        self.is_bound = False
        self.remote: Endpoint | None = None
        self.end: StreamEnd | None = None
        self.connect_time = 0
        self.receive_shut = self.send_shut = False
        self.datagrams = DatagramQueue()
        self.backlog: deque[StreamEnd] = deque()
        self.backlog_size = 0
        self.callers: deque[Caller] = deque()
        self.caller: Caller | None = None  # while it is one itself
        self.accepts: deque[Waiting] = deque()
        self.accepting: Accept | None = None  # what was accepted into it and waits for data
        self.receives: deque[Waiting] = deque()
        self.urgent_receives: deque[Waiting] = deque()
        self.sends: deque[Waiting] = deque()

    # What it is.

    def create(self, family: int, kind: int, protocol: int, owner: int) -> None:
        """Once for each; raises STATUS_INVALID_PARAMETER for one that is there already."""
        if self.kind:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        self.family, self.kind, self.protocol = family, kind, protocol
        self.owner, self.created = owner, self.network.io.executive.clock.system_time
        self.network.sockets[self] = None
        self.options = Options(kind)
        self.bound_to = self.local = anywhere(family)
        self.state = UNCONNECTED if kind == SOCK_STREAM else CONNECTIONLESS

    @property
    def is_stream(self) -> bool:
        return self.kind == SOCK_STREAM

    def bind(self, address: Endpoint) -> None:
        """Take an address, with a free port for port 0; raises NtError."""
        if self.is_bound:
            raise NtError(s.STATUS_ADDRESS_ALREADY_ASSOCIATED)
        if address.family != self.family:
            raise NtError(s.STATUS_INVALID_ADDRESS)
        if address.is_mapped and self.options.v6_only:
            raise NtError(s.STATUS_INVALID_ADDRESS_COMPONENT)
        check_own(address.plain)
        self.bound_to = self.local = self.network.ports[self.kind].bind(self, address)
        self.is_bound = True

    def bind_somewhere(self) -> None:
        """Bind one that isn't to any address."""
        if not self.is_bound:
            self.bind(anywhere(self.family))

    def target(self, address: Endpoint) -> Endpoint:
        """The address that this socket means by one, not mapped; raises NtError."""
        if address.family != self.family or len(address.pack()) != SIZES[self.family]:
            raise NtError(s.STATUS_INVALID_ADDRESS)
        if address.is_mapped and self.options.v6_only:
            raise NtError(s.STATUS_NETWORK_UNREACHABLE)
        return address.plain

    def connected(self, end: StreamEnd) -> None:
        """It has an end of a connection from now on."""
        self.end = end
        self.state = CONNECTED
        self.is_bound = True
        self.local = end.local.seen_by(self.family)
        self.remote = end.remote.seen_by(self.family)
        self.connect_time = self.network.io.executive.clock.interrupt_time
        end.take_inline(inline=bool(self.options.value("SO_OOBINLINE")))
        end.changed = self.touch

    # What can be done without waiting.

    def ready(self) -> int:
        """AFD_POLL_* of what holds now."""
        if self.state == LISTENING:
            return codes.ACCEPTABLE if self.backlog else 0
        if self.state == CONNECTIONLESS:
            some = len(self.datagrams) or self.datagrams.refused
            named = codes.CONNECTED if self.remote is not None else 0
            return codes.WRITE | named | (codes.READ if some else 0)
        if self.state == CONNECTED:
            return codes.CONNECTED | self._stream_ready()
        failed = self.state == UNCONNECTED and codes.CONNECT_FAILED in self.events.errors
        return codes.CONNECT_FAILED if failed else 0

    def _stream_ready(self) -> int:
        end = self.end
        assert end is not None
        if end.reset:
            return codes.RESET | codes.WRITE
        ready = 0
        if end.available:
            ready |= codes.READ
        if end.urgent:
            ready |= codes.OOB
        if end.finished:
            ready |= codes.HUP
        if end.unsent < self.send_room and not self.sends:
            ready |= codes.WRITE
        return ready

    @property
    def send_room(self) -> int:
        """A send waits while this many bytes are still in the sender's buffer."""
        return max(1, self.options.value("SO_SNDBUF"))

    def touch(self) -> None:
        """Something may have changed: see to it as soon as nothing else is being seen to."""
        self.network.touch(self)

    def settle(self) -> None:
        """Complete the requests that need not wait any more, and tell who wants to know."""
        if self.state == LISTENING:
            serve(self.accepts)
            self._admit_callers()
        if self.accepting is not None:
            self.accepting.data_came()
        serve(self.urgent_receives)
        serve(self.receives)
        serve(self.sends)
        if self.send_shut and not self.sends and self.end is not None and not self.end.sent_all:
            self.end.finish()
        told = self.ready() & ~(codes.CONNECTED | codes.CONNECT_FAILED)
        self.events.update(told)
        self.network.polls.update(self)

    def _admit_callers(self) -> None:
        while self.callers and len(self.backlog) < self.backlog_size:
            self.callers[0].admitted()

    # Reading and writing as a file.

    def read(self, request: Request, offset: int, size: int) -> bytes | int | None:  # type: ignore[override]
        return self.network.read(self, request, size)

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        return self.network.write(self, request, data)

    def device_control(
        self, request: Request, code: int, data: bytes, room: int
    ) -> bytes | int | None:
        return self.network.control(self, request, code, data, room)

    # The end.

    def shut_down(self, how: int) -> None:
        """shutdown(); raises NtError."""
        if how > SD_BOTH:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        if self.state not in (CONNECTED, CONNECTIONLESS):
            raise NtError(s.STATUS_INVALID_CONNECTION)
        if how != SD_SEND:
            self.receive_shut = True
        if how != SD_RECEIVE:
            self.send_shut = True
        if how == SD_BOTH:
            self.events.forget()
            self.nonblocking = True
        self.touch()

    def cleanup(self) -> None:
        self.network.sockets.pop(self, None)
        self.network.polls.closed(self)
        for queue in (self.urgent_receives, self.receives):
            while self.is_stream and queue:
                queue[0].end(queue, s.STATUS_LOCAL_DISCONNECT)
        if self.accepting is not None:
            self.accepting.give_up()
        if self.caller is not None:
            self.caller.abandon()
        self.events.forget()
        if self.kind in (SOCK_STREAM, SOCK_DGRAM) and self.is_bound:
            self.network.ports[self.kind].release(self)
        self.state, was = UNCONNECTED, self.state
        if was == LISTENING:
            for end in self.backlog:
                end.close(abort=True)
            self.backlog.clear()
            while self.callers:
                self.callers[0].admitted()
        if self.end is not None:
            linger, seconds = self.options.linger
            self.end.close(abort=bool(self.sends) or (linger and not seconds))
            self.end = None

    def disconnect(self) -> StreamEnd | None:
        """Give its end back: a deferred accept."""
        end, self.end = self.end, None
        self.state = UNCONNECTED
        return end
