"""UDP without a wire: the datagrams that a socket has not received yet."""

from __future__ import annotations

from collections import deque

from ntgate.devices.network.addresses import Endpoint
from ntgate.records import dataclass

LARGEST_DATAGRAM = 65507  # bytes of UDP data in an IPv4 packet


@dataclass(frozen=True, slots=True)
class Datagram:
    """One, with where it came from and where it went to."""

    source: Endpoint
    target: Endpoint
    data: bytes
    hops: int  # that it may still make
    traffic_class: int  # IP_TOS


class DatagramQueue:
    """What has come; more than `room` bytes are lost, as on any network."""

    def __init__(self) -> None:
        self._queue: deque[Datagram] = deque()
        self.available = 0  # bytes
        self.refused = False  # nobody was at the port that the last one was sent to

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, datagram: Datagram, room: int) -> bool:
        """False when it is lost; one alone always fits."""
        if self._queue and self.available + len(datagram.data) > room:
            return False
        self._queue.append(datagram)
        self.available += len(datagram.data)
        return True

    def take(self, *, peek: bool) -> Datagram:
        """The oldest."""
        if peek:
            return self._queue[0]
        datagram = self._queue.popleft()
        self.available -= len(datagram.data)
        return datagram

    def keep_from(self, source: Endpoint) -> None:
        """Forget what others have sent: the socket is connected now."""
        kept = [one for one in self._queue if one.source == source]
        self._queue = deque(kept)
        self.available = sum(len(one.data) for one in kept)
