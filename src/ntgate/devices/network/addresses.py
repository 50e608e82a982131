"""Addresses of sockets: families, their form in memory, and what of them is this machine."""

from __future__ import annotations

import struct

from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
from ntgate.layout.sockets import AF_INET, AF_INET6
from ntgate.records import dataclass

SOCKADDR_IN = struct.Struct("<HH4s8x")  # the ports of both are big-endian
SOCKADDR_IN6 = struct.Struct("<HHI16sI")
SIZES = {AF_INET: SOCKADDR_IN.size, AF_INET6: SOCKADDR_IN6.size}
LARGEST = SOCKADDR_IN6.size
ANY = {AF_INET: bytes(4), AF_INET6: bytes(16)}
LOOPBACK = {AF_INET: b"\x7f\0\0\1", AF_INET6: bytes(15) + b"\1"}
LOOPBACK_NET = 127
BROADCAST = b"\xff\xff\xff\xff"
MAPPED = bytes(10) + b"\xff\xff"  # an IPv4 address as an IPv6 one


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who sends or is sent to; `host` has the bytes of the address in their order."""

    family: int
    host: bytes
    port: int
    flow: int = 0
    scope: int = 0

    @property
    def is_any(self) -> bool:
        return not any(self.host)

    @property
    def is_mapped(self) -> bool:
        return self.family == AF_INET6 and self.host.startswith(MAPPED)

    @property
    def is_loopback(self) -> bool:
        """One of this machine's own: 127.0.0.0/8 and ::1 are all that it has."""
        if self.family == AF_INET:
            return self.host[0] == LOOPBACK_NET
        return self.host == LOOPBACK[AF_INET6]

    @property
    def is_broadcast(self) -> bool:
        return self.host == BROADCAST

    @property
    def plain(self) -> Endpoint:
        """The IPv4 address that a mapped one means."""
        if not self.is_mapped:
            return self
        return Endpoint(AF_INET, self.host[len(MAPPED) :], self.port)

    def seen_by(self, family: int) -> Endpoint:
        """As a socket of that family names it."""
        if family == self.family or family != AF_INET6:
            return self
        return Endpoint(AF_INET6, MAPPED + self.host, self.port)

    def at(self, host: bytes, port: int) -> Endpoint:
        """The same family with another address and port."""
        return Endpoint(self.family, host, port, self.flow, self.scope)

    def pack(self) -> bytes:
        """A sockaddr_in or sockaddr_in6."""
        port = _swapped(self.port)
        if self.family == AF_INET:
            return SOCKADDR_IN.pack(AF_INET, port, self.host)
        return SOCKADDR_IN6.pack(AF_INET6, port, self.flow, self.host, self.scope)


def parse(data: bytes) -> Endpoint:
    """A sockaddr of either family; raises STATUS_INVALID_ADDRESS."""
    family = int.from_bytes(data[:2], "little")
    size = SIZES.get(family)
    if size is None or len(data) < size:
        raise NtError(s.STATUS_INVALID_ADDRESS)
    if family == AF_INET:
        _, port, host = SOCKADDR_IN.unpack_from(data)
        return Endpoint(AF_INET, host, _swapped(port))
    _, port, flow, host, scope = SOCKADDR_IN6.unpack_from(data)
    return Endpoint(AF_INET6, host, _swapped(port), flow, scope)


def anywhere(family: int, port: int = 0) -> Endpoint:
    """The wildcard address."""
    return Endpoint(family, ANY[family], port)


def check_reachable(target: Endpoint) -> None:
    """Raise NtError for what is no address to send to, or not on this machine."""
    if target.is_any or not target.port:
        raise NtError(s.STATUS_INVALID_ADDRESS_COMPONENT)
    if not target.is_loopback:
        raise NtError(s.STATUS_NETWORK_UNREACHABLE)


def check_own(address: Endpoint) -> None:
    """Raise STATUS_INVALID_ADDRESS_COMPONENT for an address that no interface here has."""
    if address.scope or not (address.is_any or address.is_loopback):
        raise NtError(s.STATUS_INVALID_ADDRESS_COMPONENT)


def _swapped(port: int) -> int:
    return (port & 0xFF) << 8 | port >> 8
