"""What getsockopt and setsockopt get and set."""

from __future__ import annotations

import struct

from ntgate.devices.network.codes import wine
from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
from ntgate.layout.sockets import SOCK_DGRAM, SOCK_RAW, SOCK_STREAM
from ntgate.records import dataclass

BUFFER = 8192  # XP's SO_RCVBUF and SO_SNDBUF, bytes
LINGER = struct.Struct("<2H")
TTL = 128


@dataclass(frozen=True, slots=True)
class Option:
    """A number that is kept: its codes, and what it is where nobody has set it.

    `kinds` are the socket types that know it, all when empty.
    """

    name: str
    get: int
    set: int
    default: int = 0
    kinds: tuple[int, ...] = ()
    whole: bool = False  # all four bytes or none


_DATAGRAMS = (SOCK_DGRAM, SOCK_RAW)


def _option(name: str, number: int, default: int = 0, kinds: tuple[int, ...] = ()) -> Option:
    return Option(name, wine(number), wine(number + 1), default, kinds)


def _swapped(name: str, number: int, default: int = 0) -> Option:
    """Of those whose code to set comes before the one to get."""
    return Option(name, wine(number + 1), wine(number), default, whole=True)


_OPTIONS = (
    _option("SO_BROADCAST", 220),
    _option("SO_KEEPALIVE", 223),
    _option("SO_LINGER", 225, kinds=(SOCK_STREAM,)),
    _option("SO_OOBINLINE", 227),
    _swapped("SO_RCVBUF", 229, BUFFER),
    _swapped("SO_RCVTIMEO", 231),
    _option("SO_REUSEADDR", 233),
    _swapped("SO_SNDBUF", 235, BUFFER),
    Option("SO_SNDTIMEO", wine(237), wine(238), whole=True),
    _option("IP_DONTFRAGMENT", 242),
    _option("IP_HDRINCL", 246, kinds=(SOCK_RAW,)),
    _option("IP_MULTICAST_IF", 248, kinds=_DATAGRAMS),
    _option("IP_MULTICAST_LOOP", 250, 1, _DATAGRAMS),
    _option("IP_MULTICAST_TTL", 252, 1, _DATAGRAMS),
    _option("IP_PKTINFO", 256, kinds=_DATAGRAMS),
    _option("IP_TOS", 258),
    _option("IP_TTL", 260, TTL),
    _option("IP_UNICAST_IF", 263),
    _option("IPV6_DONTFRAG", 266),
    _option("IPV6_MULTICAST_HOPS", 269, 1, _DATAGRAMS),
    _option("IPV6_MULTICAST_IF", 271, kinds=_DATAGRAMS),
    _option("IPV6_MULTICAST_LOOP", 273, 1, _DATAGRAMS),
    _option("IPV6_UNICAST_HOPS", 275, TTL),
    _option("IPV6_UNICAST_IF", 277),
    _option("IPV6_V6ONLY", 279, 1),
    _option("TCP_NODELAY", 284, kinds=(SOCK_STREAM,)),
    _option("IPV6_RECVHOPLIMIT", 286, kinds=_DATAGRAMS),
    _option("IPV6_RECVPKTINFO", 288, kinds=_DATAGRAMS),
    _option("IPV6_RECVTCLASS", 290, kinds=_DATAGRAMS),
    _option("IP_RECVTTL", 293, kinds=_DATAGRAMS),
    _option("IP_RECVTOS", 295, kinds=_DATAGRAMS),
    _option("SO_EXCLUSIVEADDRUSE", 297),
)
GETS = {option.get: option for option in _OPTIONS}
SETS = {option.set: option for option in _OPTIONS}
GET_IP_OPTIONS, SET_IP_OPTIONS = wine(254), wine(255)
FLAGS = frozenset((
    "SO_BROADCAST", "SO_KEEPALIVE", "SO_OOBINLINE", "SO_REUSEADDR", "SO_EXCLUSIVEADDRUSE",
    "TCP_NODELAY", "IPV6_V6ONLY", "IP_DONTFRAGMENT", "IPV6_DONTFRAG", "IP_MULTICAST_LOOP",
    "IPV6_MULTICAST_LOOP", "IP_PKTINFO", "IP_RECVTOS", "IP_RECVTTL", "IPV6_RECVHOPLIMIT",
    "IPV6_RECVPKTINFO", "IPV6_RECVTCLASS",
))  # fmt: skip
BYTES = frozenset(
    ("IP_MULTICAST_TTL", "IP_TOS", "IP_TTL", "IPV6_MULTICAST_HOPS", "IPV6_UNICAST_HOPS")
)
_EXCLUDE = {"SO_REUSEADDR": "SO_EXCLUSIVEADDRUSE", "SO_EXCLUSIVEADDRUSE": "SO_REUSEADDR"}


class Options:
    """Those of one socket, by name."""

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._values: dict[str, int] = {}
        self.ip_options = b""

    def copy(self) -> Options:
        """An accepted socket has its listener's."""
        copy = Options(self._kind)
        copy._values = dict(self._values)
        return copy

    def value(self, name: str) -> int:
        return self._values.get(name, _DEFAULTS[name])

    @property
    def reuse(self) -> bool:
        return bool(self.value("SO_REUSEADDR"))

    @property
    def exclusive(self) -> bool:
        return bool(self.value("SO_EXCLUSIVEADDRUSE"))

    @property
    def v6_only(self) -> bool:
        return bool(self.value("IPV6_V6ONLY"))

    @property
    def linger(self) -> tuple[bool, int]:
        """Whether to linger, and for how many seconds."""
        value = self.value("SO_LINGER")
        return bool(value & 0xFFFF), value >> 16

    def get(self, option: Option, room: int) -> bytes:
        """As many of its four bytes as there is room for; raises NtError.

        Of the IP level, what needs no more than one is given as one or four.
        """
        self._check_kind(option)
        if room < (4 if option.whole else 1):
            raise NtError(s.STATUS_BUFFER_TOO_SMALL)
        short = option.name.startswith("IP") and (option.name in FLAGS or option.name in BYTES)
        if room < 4 and short:
            room = 1
        return struct.pack("<I", self.value(option.name))[:room]

    def set(self, option: Option, data: bytes) -> None:
        """From one to four bytes; raises NtError."""
        self._check_kind(option)
        if len(data) < (4 if option.whole else 1):
            raise NtError(s.STATUS_BUFFER_TOO_SMALL)
        value = int.from_bytes(data[:4], "little")
        if option.name in BYTES and value > 0xFF:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        other = _EXCLUDE.get(option.name)
        if value and other is not None and self.value(other):
            raise NtError(s.STATUS_INVALID_PARAMETER)
        self._values[option.name] = int(value != 0) if option.name in FLAGS else value

    def keep_alive(self, on: bool) -> None:
        """What SIO_KEEPALIVE_VALS does beside its times, which no lost peer here needs."""
        self._values["SO_KEEPALIVE"] = int(on)

    def _check_kind(self, option: Option) -> None:
        if option.kinds and self._kind not in option.kinds:
            raise NtError(s.STATUS_INVALID_PARAMETER)


_DEFAULTS = {option.name: option.default for option in _OPTIONS}
