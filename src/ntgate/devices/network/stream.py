"""TCP without a wire: the two ends of a connection, and the bytes on their way.

What one end sends stands at once in the other's queue.  As much of it as the receiver's buffer
holds counts as arrived; the rest as still in the sender's, which is how a sender that nobody reads
from comes to wait.
"""

from __future__ import annotations

from collections.abc import Callable

from ntgate.devices.network.addresses import Endpoint


def _nobody() -> None:
    """Until a socket has the end."""


class StreamEnd:
    """One end.  `changed` is called when its socket may have something new to look at.

    `urgent` has the bytes of MSG_OOB that were not read; as on Windows, where they stood in the
    stream does not matter to who reads the rest.
    """

    def __init__(self, local: Endpoint, remote: Endpoint, receive_room: int) -> None:
        self.local = local
        self.remote = remote
        self.receive_room = receive_room
        self.peer: StreamEnd | None = None  # None when the other end is gone
        self.changed: Callable[[], None] = _nobody
        self.finished = False  # the other end has sent all
        self.sent_all = False  # this one has
        self.reset = False
        self.urgent = bytearray()
        self.urgent_inline = False
        self._queue = bytearray()

    # Receiving.

    @property
    def available(self) -> int:
        return len(self._queue)

    @property
    def ended(self) -> bool:
        """Nothing is left, and nothing will come."""
        return self.finished and not self._queue

    def take(self, size: int, *, peek: bool = False) -> bytes:
        """Up to `size` bytes from the queue."""
        data = bytes(self._queue[:size])
        if data and not peek:
            del self._queue[: len(data)]
            if self.peer is not None:
                self.peer.changed()
        return data

    def take_urgent(self, *, peek: bool = False) -> bytes:
        """The oldest byte that was sent out of band, b"" without one."""
        data = bytes(self.urgent[:1])
        if not peek:
            del self.urgent[:1]
        return data

    def take_inline(self, *, inline: bool) -> None:
        """SO_OOBINLINE: what is out of band now joins the rest."""
        self.urgent_inline = inline
        if inline:
            self._queue += self.urgent
            self.urgent.clear()

    # Sending.

    @property
    def unsent(self) -> int:
        """Bytes for which the other end has had no room."""
        peer = self.peer
        return max(0, len(peer._queue) - peer.receive_room) if peer is not None else 0

    def send(self, data: bytes) -> None:
        """To one that is closed already: it answers with a reset."""
        peer = self.peer
        if peer is None:
            self.fail()
            return
        peer._queue += data
        peer.changed()

    def send_urgent(self, data: bytes) -> None:
        """The last byte goes out of band, unless the receiver wants it in the stream."""
        peer = self.peer
        if peer is None or peer.urgent_inline:
            self.send(data)
            return
        peer._queue += data[:-1]
        peer.urgent += data[-1:]
        peer.changed()

    # The end.

    def finish(self) -> None:
        """Nothing more will be sent."""
        self.sent_all = True
        if self.peer is not None and not self.peer.finished:
            self.peer.finished = True
            self.peer.changed()

    def close(self, *, abort: bool) -> None:
        """The socket goes; bytes that it did not read make it an abort too."""
        peer, self.peer = self.peer, None
        if peer is None:
            return
        peer.peer = None
        if abort or self._queue:
            peer.fail()
        elif not peer.finished:
            peer.finished = True
            peer.changed()

    def fail(self) -> None:
        """A reset has come: what was not read is lost."""
        self.reset = True
        self.peer = None
        self._queue.clear()
        self.urgent.clear()
        self.changed()


def connection(
    client: Endpoint, server: Endpoint, client_room: int, server_room: int
) -> tuple[StreamEnd, StreamEnd]:
    """Both ends of a new connection; the rooms are receive buffers in bytes."""
    near = StreamEnd(client, server, client_room)
    far = StreamEnd(server, client, server_room)
    near.peer, far.peer = far, near
    return near, far
