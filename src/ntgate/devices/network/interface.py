r"""The tables of \Device\Nsi: the one network interface there is, its addresses and routes, and
the sockets.

Rows have up to four parts: a key, what can be set, what changes, what stays.  Layouts are those
of Wine 8.0's include/wine/nsi.h.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.devices.network import addresses as a
from ntgate.devices.network.options import TTL
from ntgate.devices.network.socket import CONNECTED, LISTENING, Socket
from ntgate.layout.sockets import AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.devices.network.driver import Network

IF_TYPE_SOFTWARE_LOOPBACK = 24
INDEX = 1
LUID = struct.pack("<Q", IF_TYPE_SOFTWARE_LOOPBACK << 48 | INDEX << 24)
NAME = "MS TCP Loopback interface"
GUID = struct.pack("<IHH8s", INDEX, 0, 0, b"\0\0ntgate")
ADMIN_STATUS_UP = OPER_STATUS_UP = MEDIA_CONNECTED = 1
MTU = 1520  # XP's of this interface, bytes
SPEED = 10_000_000  # bits a second
NET_IF_ACCESS_LOOPBACK, NET_IF_CONNECTION_DEDICATED = 1, 1
LONGEST_NAME, LONGEST_PHYSICAL = 514, 32
FOR_EVER = 0xFFFFFFFF  # a lifetime
WELL_KNOWN = 2  # IpPrefixOrigin, IpSuffixOrigin
DAD_PREFERRED = 4
PROTOCOL_LOCAL = 2  # MIB_IPPROTO_LOCAL
HOST_BITS = {AF_INET: 32, AF_INET6: 128}
LISTEN, ESTABLISHED, FIN_WAIT2, CLOSE_WAIT, TIME_WAIT = 2, 5, 7, 8, 11  # MIB_TCP_STATE_*
SOCKADDR_INET_SIZE = 28

Row = tuple[bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Table:
    """`sizes` are those of the four parts of a row, in bytes."""

    sizes: tuple[int, int, int, int]
    rows: Callable[[Network], list[Row]]


def _counted(text: str) -> bytes:
    """An IF_COUNTED_STRING; the length doesn't count a final 0."""
    data = text.encode("utf-16-le")
    return struct.pack("<H", len(data)) + data.ljust(LONGEST_NAME, b"\0")


NO_ADDRESS = bytes(2 + LONGEST_PHYSICAL)  # an IF_PHYSICAL_ADDRESS of no length


def _interfaces(network: Network) -> list[Row]:
    settings = bytes(16) + struct.pack("<I", ADMIN_STATUS_UP) + _counted(NAME) + NO_ADDRESS
    settings += bytes(2) + _counted("") + bytes(4)
    state = struct.pack("<5I4x2Q", OPER_STATUS_UP, 0, MEDIA_CONNECTED, 0, MTU, SPEED, SPEED)
    constant = struct.pack("<I", INDEX) + _counted(NAME)
    constant += struct.pack(
        "<4I", IF_TYPE_SOFTWARE_LOOPBACK, NET_IF_ACCESS_LOOPBACK, 0, NET_IF_CONNECTION_DEDICATED
    )
    constant += GUID + bytes(2) + NO_ADDRESS + struct.pack("<3I", 0, 0, 0)
    return [(LUID, settings, state.ljust(216, b"\0"), constant)]


def _indices(network: Network) -> list[Row]:
    return [(struct.pack("<I", INDEX), b"", b"", LUID)]


def _compartments(network: Network) -> list[Row]:
    return [
        (struct.pack("<I", 1), struct.pack("<4I", 1, 0, TTL, 0),
         struct.pack("<4I", 1, 1, 0, 1), b"")
    ]  # fmt: skip


def _unicast(family: int) -> Callable[[Network], list[Row]]:
    def rows(network: Network) -> list[Row]:
        key = LUID + a.LOOPBACK[family] + (bytes(4) if family == AF_INET else b"")
        prefix = 8 if family == AF_INET else HOST_BITS[family]
        settings = struct.pack("<5I8x", FOR_EVER, FOR_EVER, WELL_KNOWN, WELL_KNOWN, prefix)
        return [(key, settings, struct.pack("<2I", 0, DAD_PREFERRED), bytes(8))]

    return rows


def _routes(family: int) -> Callable[[Network], list[Row]]:
    whole = a.LOOPBACK[family]

    def row(prefix: bytes, bits: int) -> Row:
        key = struct.pack("<I", 0) + prefix + struct.pack("<B15x", bits)
        if family == AF_INET6:
            key += bytes(4)
        key += LUID + LUID + a.ANY[family] + (bytes(4) if family == AF_INET else b"")
        own = int(bits == HOST_BITS[family])
        settings = struct.pack("<5I4B8x", 0, FOR_EVER, FOR_EVER, 1, PROTOCOL_LOCAL, own, 0, 0, 1)
        changing = bytes(16) + prefix
        return key, settings, changing, struct.pack("<2I", 0, INDEX)

    def rows(network: Network) -> list[Row]:
        found = [row(whole, HOST_BITS[family])]
        if family == AF_INET:
            found.insert(0, row(whole[:1] + bytes(3), 8))
        return found

    return rows


def _nothing(network: Network) -> list[Row]:
    return []


def _zeros(changing: int, constant: int) -> Callable[[Network], list[Row]]:
    """Statistics that nobody keeps."""
    row = (b"", b"", bytes(changing), bytes(constant))
    return lambda _network: [row]


def _tcp(*wanted: int) -> Callable[[Network], list[Row]]:
    def rows(network: Network) -> list[Row]:
        found = []
        for socket in network.sockets:
            state = tcp_state(socket)
            if state and (not wanted or state in wanted):
                remote = socket.remote or a.anywhere(socket.family)
                key = _inet(socket.local) + _inet(remote)
                found.append((key, b"", struct.pack("<I16x", state), _owner(socket)))
        return found

    return rows


def tcp_state(socket: Socket) -> int:
    """MIB_TCP_STATE_* of a stream, 0 for one that is no connection."""
    if socket.state == LISTENING:
        return LISTEN
    end = socket.end
    if socket.state != CONNECTED or end is None or end.reset:
        return 0
    if end.finished:
        return TIME_WAIT if end.sent_all else CLOSE_WAIT
    return FIN_WAIT2 if end.sent_all else ESTABLISHED


def _udp(network: Network) -> list[Row]:
    return [
        (_inet(socket.local), b"", b"",
         struct.pack("<I4xQ16x", socket.owner, socket.created))
        for socket in network.sockets
        if socket.kind == SOCK_DGRAM and socket.is_bound
    ]  # fmt: skip


def _tcp_statistics(network: Network) -> list[Row]:
    states = [tcp_state(one) for one in network.sockets if one.kind == SOCK_STREAM]
    open_now = sum(state in (ESTABLISHED, CLOSE_WAIT) for state in states)
    changing = struct.pack("<4I", 0, 0, 0, 0) + struct.pack("<I", open_now)
    changing = changing.ljust(52, b"\0") + struct.pack("<I", sum(map(bool, states)))
    key = struct.pack("<H", AF_INET)
    return [(key, b"", changing.ljust(104, b"\0"), bytes(20))]


def _udp_statistics(network: Network) -> list[Row]:
    count = len(_udp(network))
    changing = bytes(24) + struct.pack("<I", count)
    return [(struct.pack("<H", AF_INET), b"", changing.ljust(48, b"\0"), b"")]


def _inet(name: a.Endpoint) -> bytes:
    return name.pack().ljust(SOCKADDR_INET_SIZE, b"\0")


def _owner(socket: Socket) -> bytes:
    return struct.pack("<12xIQ8x", socket.owner, socket.created)


IPV4, IPV6, UDP, TCP, NDIS = 0x00, 0x01, 0x02, 0x03, 0x11  # NPI_MODULEIDs of Microsoft's
_CONNECTION = (56, 0, 20, 32)

# By module and number.
TABLES: dict[tuple[int, int], Table] = {
    (NDIS, 0): Table((8, 1092, 216, 600), _interfaces),
    (NDIS, 2): Table((4, 0, 0, 8), _indices),
    (IPV4, 10): Table((16, 28, 8, 8), _unicast(AF_INET)),
    (IPV6, 10): Table((24, 28, 8, 8), _unicast(AF_INET6)),
    (IPV4, 11): Table((24, 32, 16, 0), _nothing),
    (IPV6, 11): Table((32, 32, 16, 0), _nothing),
    (IPV4, 16): Table((48, 32, 20, 8), _routes(AF_INET)),
    (IPV6, 16): Table((72, 32, 32, 8), _routes(AF_INET6)),
    (TCP, 0): Table((2, 0, 104, 20), _tcp_statistics),
    (TCP, 3): Table(_CONNECTION, _tcp()),
    (TCP, 4): Table(_CONNECTION, _tcp(ESTABLISHED, FIN_WAIT2, CLOSE_WAIT, TIME_WAIT)),
    (TCP, 5): Table(_CONNECTION, _tcp(LISTEN)),
    (UDP, 0): Table((2, 0, 48, 0), _udp_statistics),
    (UDP, 1): Table((28, 0, 0, 32), _udp),
}
for _module in (IPV4, IPV6):
    TABLES[_module, 2] = Table((4, 16, 16, 0), _compartments)
    TABLES[_module, 3] = Table((0, 0, 2064, 0), _zeros(2064, 0))
    TABLES[_module, 6] = Table((0, 0, 216, 4), _zeros(216, 4))
