"""What WSARecvMsg tells beside a datagram: where it was sent to, its hops, its traffic class."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.layout.sockets import AF_INET, AF_INET6

if TYPE_CHECKING:
    from ntgate.devices.network.datagrams import Datagram
    from ntgate.devices.network.socket import Socket

HEADER = struct.Struct("<Iii")  # WSACMSGHDR: length with the header, level, type
ALIGNMENT = 4
LOOPBACK_INDEX = 1  # the interface that everything comes by
PKTINFO = 19
# By family: the level; of each option that asks, the type of what it gets.
_LEVELS = {AF_INET: 0, AF_INET6: 41}
_PACKET = {AF_INET: "IP_PKTINFO", AF_INET6: "IPV6_RECVPKTINFO"}
_HOPS = {AF_INET: ("IP_RECVTTL", 4), AF_INET6: ("IPV6_RECVHOPLIMIT", 21)}
_CLASS = {AF_INET: ("IP_RECVTOS", 3), AF_INET6: ("IPV6_RECVTCLASS", 39)}


def control_data(socket: Socket, datagram: Datagram) -> bytes:
    """The control messages, as the socket's options ask for them."""
    family = socket.family
    level = _LEVELS[family]
    rows: list[tuple[int, bytes]] = []
    if socket.options.value(_PACKET[family]):
        host = datagram.target.seen_by(family).host
        rows.append((PKTINFO, host + struct.pack("<I", LOOPBACK_INDEX)))
    for (option, kind), value in (
        (_HOPS[family], datagram.hops),
        (_CLASS[family], datagram.traffic_class),
    ):
        if socket.options.value(option):
            rows.append((kind, struct.pack("<I", value)))
    parts = []
    for kind, content in rows:
        row = HEADER.pack(HEADER.size + len(content), level, kind) + content
        parts.append(row.ljust(-(-len(row) // ALIGNMENT) * ALIGNMENT, b"\0"))
    return b"".join(parts)
