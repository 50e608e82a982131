"""What requests on sockets pass: addresses, and arrays of buffers behind pointers."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

from ntgate.dispatch.named_types import named_types
from ntgate.layout.sockets import AF_INET, AF_INET6
from ntgate.trace.peek import Peek, Unreadable
from ntgate.trace.scalars import hexadecimal
from ntgate.trace.values import Bytes, Word

SOCKET_TYPES = ("SOCKADDR", "PSOCKADDR", "WSABUFS")
SIZES = {AF_INET: 16, AF_INET6: 28}
WSABUF = struct.Struct("<2I")  # length, address
MOST_BUFFERS = 16
LONGEST = 32  # bytes that are shown of what is no address
# Where a receive's parameters have the array and the count of its buffers.
ARRAYS = {"IOCTL_AFD_RECEIVE": (0, 4), "IOCTL_AFD_WINE_RECVMSG": (40, 36)}


def socket_address(data: bytes) -> tuple[Any, int]:
    """127.0.0.1:80 or [::1]:80, and the size of it; nothing of size 0 for no data."""
    family = int.from_bytes(data[:2], "little")
    size = SIZES.get(family, len(data))
    if family not in SIZES or len(data) < size:
        return Bytes(data[:LONGEST], more=len(data) > LONGEST), len(data)
    port = int.from_bytes(data[2:4], "big")
    if family == AF_INET:
        return Word(f"{ipaddress.IPv4Address(data[4:8])}:{port}"), size
    return Word(f"[{ipaddress.IPv6Address(data[8:24])}]:{port}"), size


def address_behind(peek: Peek, pointer: int) -> Any:
    """The address that a pointer leads to; None without one."""
    if not pointer:
        return None
    data = peek.available(pointer, SIZES[AF_INET6])
    return socket_address(data)[0] if data else hexadecimal(pointer)


def buffers_behind(peek: Peek, pointer: int, count: int, limit: int) -> Any:
    """The data of each buffer; the array's address where it is not there."""
    try:
        rows = peek.read(pointer, WSABUF.size * min(count, MOST_BUFFERS))
    except Unreadable:
        return hexadecimal(pointer)
    return [_buffer(peek, address, length, limit) for length, address in WSABUF.iter_unpack(rows)]


def received(peek: Peek, code: int, parameters: int, size: int, limit: int) -> Any:
    """The first `size` bytes of a receive's buffers.  Raises Unreadable."""
    array_at, count_at = _arrays()[code]
    array, count = peek.u32(parameters + array_at), peek.u32(parameters + count_at)
    rows = peek.read(array, WSABUF.size * min(count, MOST_BUFFERS))
    shown = []
    for length, address in WSABUF.iter_unpack(rows):
        if not size:
            break
        part = min(length, size)
        shown.append(_buffer(peek, address, part, limit))
        size -= part
    return shown


def _arrays() -> dict[int, tuple[int, int]]:
    names = named_types().values["CONTROL_CODE"].rows
    return {code: ARRAYS[name] for code, name in names if name in ARRAYS}


def _buffer(peek: Peek, address: int, length: int, limit: int) -> Any:
    data = peek.available(address, min(length, limit))
    if not data and length:
        return hexadecimal(address)
    return Bytes(data, more=length > len(data))
