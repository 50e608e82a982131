r"""The echo of ping, which iphlpapi asks \Device\Nsi for: the machine answers itself."""

from __future__ import annotations

import struct

from ntgate.devices.network import addresses as a
from ntgate.devices.network.options import TTL
from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
from ntgate.layout.sockets import AF_INET

# Source, destination, address of the reply, 32 or 64 bits, TTL, TOS, flags, sizes of options and
# of data, timeout; options and data follow.
REQUEST = struct.Struct("<28s28sQ4B3I")
# Address, status, time, size of the data, replies, address of the data, TTL, TOS, flags, size and
# address of options: ICMP_ECHO_REPLY.
REPLY = struct.Struct("<4s2I2HI4BI")
OUR_BITS = 32
IP_SUCCESS, IP_BUF_TOO_SMALL, IP_DEST_NET_UNREACHABLE = 0, 11001, 11002


def echo(data: bytes, room: int) -> bytes:
    """The reply as it stands in the caller's memory; raises NtError."""
    if len(data) < REQUEST.size or room < REPLY.size:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    fields = REQUEST.unpack_from(data)
    _source, destination, at, bits, _ttl, tos, flags, option_size, size, _timeout = fields
    padded = -(-option_size // 4) * 4
    if bits != OUR_BITS or len(data) < REQUEST.size + padded + size:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    target = a.parse(destination)
    if target.family != AF_INET:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    if not target.is_loopback:
        return _failed(IP_DEST_NET_UNREACHABLE)
    options = data[REQUEST.size : REQUEST.size + padded]
    content = data[REQUEST.size + padded :][:size]
    if room < REPLY.size + padded + size:
        return _failed(IP_BUF_TOO_SMALL)
    first = at + REPLY.size
    head = REPLY.pack(
        target.host, IP_SUCCESS, 0, size, 1, first + padded, TTL, tos, flags, option_size,
        first,
    )  # fmt: skip
    return head + options + content


def _failed(status: int) -> bytes:
    return REPLY.pack(bytes(4), status, 0, 0, 0, 0, 0, 0, 0, 0, 0)
