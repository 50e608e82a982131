"""Ports of one protocol: who has bound which, and who gets what is sent there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ntgate.devices.network.addresses import Endpoint, anywhere
from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
from ntgate.layout.sockets import AF_INET, AF_INET6

if TYPE_CHECKING:
    from ntgate.devices.network.socket import Socket

FIRST_EPHEMERAL, LAST_EPHEMERAL = 1025, 5000  # XP's, unless MaxUserPort says otherwise


class Ports:
    """The sockets that have a port, in the order in which they were bound."""

    def __init__(self) -> None:
        self._bound: dict[int, list[Socket]] = {}
        self._next = FIRST_EPHEMERAL

    def bind(self, socket: Socket, address: Endpoint) -> Endpoint:
        """The address with a port; raises NtError where the port is another's."""
        if address.port:
            self._check(socket, address)
        else:
            address = address.at(address.host, self._free())
        self._bound.setdefault(address.port, []).append(socket)
        return address

    def release(self, socket: Socket) -> None:
        """The socket is closed."""
        if socket.local is None:
            return
        sockets = self._bound.get(socket.local.port, [])
        if socket in sockets:
            sockets.remove(socket)
            if not sockets:
                del self._bound[socket.local.port]

    def at(self, target: Endpoint) -> Iterator[Socket]:
        """Who has that address (not mapped), the ones with the address itself first."""
        sockets = self._bound.get(target.port, ())
        for exact in (True, False):
            for socket in sockets:
                for claim in claims(socket, socket.bound_to):
                    if claim.family == target.family and (
                        claim.host == target.host if exact else claim.is_any
                    ):
                        yield socket

    def _free(self) -> int:
        for _ in range(FIRST_EPHEMERAL, LAST_EPHEMERAL + 1):
            port = self._next
            self._next = port + 1 if port < LAST_EPHEMERAL else FIRST_EPHEMERAL
            if port not in self._bound:
                return port
        raise NtError(s.STATUS_INSUFFICIENT_RESOURCES)

    def _check(self, socket: Socket, address: Endpoint) -> None:
        """The rules of MSDN's "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE", as of XP."""
        mine = _conflicts(socket, address)
        for other in self._bound.get(address.port, ()):
            theirs = _conflicts(other, other.bound_to)
            wild = _is_wild(other, other.bound_to)
            if _meet(mine, theirs, any_host=wild or _is_wild(socket, address)):
                reuse = socket.options.reuse
                if reuse and not other.options.exclusive:
                    continue
                denied = reuse or wild
                raise NtError(s.STATUS_ACCESS_DENIED if denied else s.STATUS_SHARING_VIOLATION)


def claims(socket: Socket, address: Endpoint) -> list[Endpoint]:
    """The addresses at which a socket that is bound to one is found, none of them mapped."""
    if address.family == AF_INET6 and address.is_any and not socket.options.v6_only:
        return [address, anywhere(AF_INET, address.port)]
    return [address.plain]


def _conflicts(socket: Socket, address: Endpoint) -> list[Endpoint]:
    """Those that it takes away from others: both wildcards only if it is exclusive."""
    found = claims(socket, address)
    return found if socket.options.exclusive else found[:1]


def _is_wild(socket: Socket, address: Endpoint) -> bool:
    return socket.options.exclusive and address.plain.is_any


def _meet(mine: list[Endpoint], theirs: list[Endpoint], *, any_host: bool) -> bool:
    return any(
        one.family == other.family and (any_host or one.host == other.host)
        for one in mine
        for other in theirs
    )
