r"""Names of hosts and services, which Wine's ws2_32 and dnsapi ask their Unix sides for.

Nobody outside is asked: a host is the machine itself, a number, or in the machine's own
drivers\etc\hosts; a service is in its drivers\etc\services.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from contextlib import suppress

from ntgate.errors import NtError
from ntgate.executive.io.hive_files import VolumeHiveFiles
from ntgate.executive.ob.attributes import OBJ_CASE_INSENSITIVE, ObjectAttributes
from ntgate.executive.ps.thread import Thread
from ntgate.layout.sockets import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    SOCK_DGRAM,
    SOCK_STREAM,
    WSAEAFNOSUPPORT,
    WSAEFAULT,
    WSAHOST_NOT_FOUND,
    WSATYPE_NOT_FOUND,
)
from ntgate.layout.win32_errors import ERROR_INSUFFICIENT_BUFFER, ERROR_MORE_DATA
from ntgate.records import dataclass

HOST_NAME = "ntgate"
LOCALHOST = "localhost"
TABLES = "\\??\\C:\\WINDOWS\\system32\\drivers\\etc\\"
DNS_ERROR_RCODE_SERVER_FAILURE = 9002
END_OF_LIST, DNS_ADDR_ARRAY_SIZE = 2, 32  # bytes, without an element
AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST = 0x1, 0x2, 0x4
NI_NUMERICHOST, NI_NAMEREQD, NI_NUMERICSERV, NI_DGRAM = 0x2, 0x4, 0x8, 0x10
LONGEST = 256

ADDRINFO = struct.Struct("<4i4I")  # flags, family, type, protocol, then size and three pointers
HOSTENT = struct.Struct("<2I2HI")  # name, aliases, family, size of an address, addresses
GETADDRINFO = struct.Struct("<5I")  # node, service, hints, buffer, its size
SOCKADDR = {AF_INET: struct.Struct(">H4s8x"), AF_INET6: struct.Struct(">H4x16s4x")}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotFoundError(Exception):
    """The error that Winsock answers."""

    def __init__(self, error: int) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Wish:
    """What of addrinfo's hints counts."""

    flags: int = 0
    family: int = AF_UNSPEC
    kind: int = 0
    protocol: int = 0


def family_of(address: Address) -> int:
    return AF_INET if address.version == 4 else AF_INET6


def host_addresses(caller: Thread, name: str) -> list[Address]:
    """The addresses of a host; raises NotFoundError.  IPv4 comes first, as XP has it."""
    number = _number(name)
    if number is not None:
        return [number]
    wanted = name.lower().rstrip(".")
    found: list[Address] = []
    for row in _table(caller, "hosts"):
        if wanted in (part.lower() for part in row[1:]):
            with suppress(ValueError):
                found.append(ipaddress.ip_address(row[0]))
    if not found and wanted in (HOST_NAME, LOCALHOST):
        found = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    if not found:
        raise NotFoundError(WSAHOST_NOT_FOUND)
    return found


def host_of(caller: Thread, address: Address) -> str:
    """The name of an address; raises NotFoundError."""
    for row in _table(caller, "hosts"):
        if _number(row[0]) == address and len(row) > 1:
            return row[1]
    if address.is_loopback:
        return HOST_NAME
    raise NotFoundError(WSAHOST_NOT_FOUND)


def service_port(caller: Thread, name: str, kind: int) -> int:
    """The port of a service, by name or number; raises NotFoundError."""
    if name.isdecimal():
        return int(name) & 0xFFFF
    for row in _services(caller, kind):
        if name in (row[0], *row[2:]):
            return int(row[1].partition("/")[0]) & 0xFFFF
    raise NotFoundError(WSATYPE_NOT_FOUND)


def service_of(caller: Thread, port: int, kind: int) -> str:
    """The name of a port's service, the number where it has none."""
    for row in _services(caller, kind):
        if row[1].partition("/")[0] == str(port):
            return row[0]
    return str(port)


def _services(caller: Thread, kind: int) -> Iterator[list[str]]:
    protocol = "udp" if kind == SOCK_DGRAM else "tcp"
    for row in _table(caller, "services"):
        if len(row) > 1:
            port, _, named = row[1].partition("/")
            if named == protocol and port.isdecimal():
                yield row


def _table(caller: Thread, name: str) -> list[list[str]]:
    """The words of each line of a file; none where it is not there."""
    files = VolumeHiveFiles(caller.executive.io)
    attributes = ObjectAttributes(TABLES + name, attributes=OBJ_CASE_INSENSITIVE)
    try:
        _, data = files.read(caller, attributes)
    except NtError:
        return []
    lines = data.decode("cp1252", "replace").splitlines()
    return [words for line in lines if (words := line.partition("#")[0].split())]


def _number(name: str) -> Address | None:
    """An address in figures: inet_addr's forms, or IPv6's."""
    with suppress(ValueError):
        if ":" in name:
            return ipaddress.IPv6Address(name.partition("%")[0])
        parts = [int(part, 8 if part[:1] == "0" and part.isdecimal() else 0)
                 if part[:1].isdecimal() else -1 for part in name.split(".")]  # fmt: skip
        if not 1 <= len(parts) <= 4 or any(not 0 <= part < 256 for part in parts[:-1]):
            return None
        last = 256 ** (5 - len(parts))
        if not 0 <= parts[-1] < last:
            return None
        value = parts[-1]
        for place, part in enumerate(parts[:-1]):
            value |= part << 8 * (3 - place)
        return ipaddress.IPv4Address(value)
    return None


# The functions, in the form of services/wine/unix_call.py: a pointer to arguments, an error or 0.


def get_address_info(caller: Thread, arguments: int) -> int:
    memory = caller.memory
    node_at, service_at, hints, buffer, size_at = GETADDRINFO.unpack(
        memory.read(arguments, GETADDRINFO.size)
    )
    wish = Wish()
    if hints:
        wish = Wish(*ADDRINFO.unpack(memory.read(hints, ADDRINFO.size))[:4])
    try:
        rows = _rows(caller, _text(caller, node_at), _text(caller, service_at), wish)
    except NotFoundError as error:
        return error.error
    name = _text(caller, node_at) if wish.flags & AI_CANONNAME else None
    needed = sum(len(row[-1]) + ADDRINFO.size for row in rows) + len(name or "") + 1
    if memory.u32(size_at) < needed:
        memory.set_u32(size_at, needed)
        return ERROR_INSUFFICIENT_BUFFER
    memory.write(buffer, _linked(buffer, rows, name))
    return 0


def _rows(
    caller: Thread, node: str | None, service: str | None, wish: Wish
) -> list[tuple[int, int, int, bytes]]:
    """Family, type, protocol and sockaddr of each answer."""
    if wish.family not in (AF_UNSPEC, AF_INET, AF_INET6):
        raise NotFoundError(WSAEAFNOSUPPORT)
    if node is None:
        hosts = ("0.0.0.0", "::") if wish.flags & AI_PASSIVE else ("127.0.0.1", "::1")
        addresses = [ipaddress.ip_address(host) for host in hosts]
    elif wish.flags & AI_NUMERICHOST and _number(node) is None:
        raise NotFoundError(WSAHOST_NOT_FOUND)
    else:
        addresses = host_addresses(caller, node)
    addresses = [one for one in addresses if wish.family in (AF_UNSPEC, family_of(one))]
    if not addresses:
        raise NotFoundError(WSAHOST_NOT_FOUND)
    port = service_port(caller, service, wish.kind) if service else 0
    return [
        (family_of(one), wish.kind, wish.protocol, _sockaddr(one, port)) for one in addresses
    ]


def _linked(at: int, rows: list[tuple[int, int, int, bytes]], name: str | None) -> bytes:
    """The list as it stands in memory; only the first has the canonical name."""
    data = bytearray()
    for number, (family, kind, protocol, address) in enumerate(rows):
        extra = _encoded(name) if name is not None and not number else b""
        own = at + len(data)
        address_at = own + ADDRINFO.size
        name_at = address_at + len(address) if extra else 0
        following = address_at + len(address) + len(extra) if number < len(rows) - 1 else 0
        data += ADDRINFO.pack(
            0, family, kind, protocol, len(address), name_at, address_at, following
        )
        data += address + extra
    return bytes(data)


def _sockaddr(address: Address, port: int) -> bytes:
    family = family_of(address)
    return family.to_bytes(2, "little") + SOCKADDR[family].pack(port, address.packed)


def get_host_by_name(caller: Thread, arguments: int) -> int:
    """{char *name; struct hostent *; unsigned int *size}."""
    name_at, host, size = struct.unpack("<3I", caller.memory.read(arguments, 12))
    name = _text(caller, name_at) or ""
    try:
        found = [one for one in host_addresses(caller, name) if family_of(one) == AF_INET]
    except NotFoundError as error:
        return error.error
    return _host(caller, name, found, host, size) if found else WSAHOST_NOT_FOUND


def get_host_by_address(caller: Thread, arguments: int) -> int:
    """{void *address; int length; int family; struct hostent *; unsigned int *size}."""
    at, length, family, host, size = struct.unpack("<5I", caller.memory.read(arguments, 20))
    if (family, length) not in ((AF_INET, 4), (AF_INET6, 16)):
        return WSAEAFNOSUPPORT
    address = ipaddress.ip_address(caller.memory.read(at, length))
    try:
        name = host_of(caller, address)
    except NotFoundError as error:
        return error.error
    return _host(caller, name, [address], host, size)


def _host(caller: Thread, name: str, found: list[Address], at: int, size_at: int) -> int:
    """A hostent with its lists behind it: no aliases, the addresses, the name."""
    lists = 4 + 4 * (len(found) + 1)
    addresses = b"".join(one.packed for one in found)
    text = _encoded(name)
    needed = HOSTENT.size + lists + len(addresses) + len(text)
    if caller.memory.u32(size_at) < needed:
        caller.memory.set_u32(size_at, needed)
        return ERROR_INSUFFICIENT_BUFFER
    first = at + HOSTENT.size + lists
    length = len(found[0].packed)
    pointers = [first + length * number for number in range(len(found))]
    data = HOSTENT.pack(
        first + len(addresses), at + HOSTENT.size, family_of(found[0]), length,
        at + HOSTENT.size + 4,
    )  # fmt: skip
    data += struct.pack(f"<I{len(found)}II", 0, *pointers, 0) + addresses + text
    caller.memory.write(at, data)
    return 0


def get_host_name(caller: Thread, arguments: int) -> int:
    """{char *name; unsigned int size}."""
    at, size = caller.memory.u32(arguments), caller.memory.u32(arguments + 4)
    return 0 if _put(caller, HOST_NAME, at, size) else WSAEFAULT


def get_name_info(caller: Thread, arguments: int) -> int:
    """{sockaddr *; int length; char *host; DWORD size; char *service; DWORD size; int flags}."""
    at, length, host, host_size, service, service_size, flags = struct.unpack(
        "<7I", caller.memory.read(arguments, 28)
    )
    data = caller.memory.read(at, length)
    family = int.from_bytes(data[:2], "little")
    layout = SOCKADDR.get(family)
    if layout is None or len(data) < 2 + layout.size:
        return WSAEAFNOSUPPORT
    port, packed = layout.unpack_from(data, 2)
    address = ipaddress.ip_address(packed)
    name = str(address)
    if not flags & NI_NUMERICHOST:
        try:
            name = host_of(caller, address)
        except NotFoundError as error:
            if flags & NI_NAMEREQD:
                return error.error
    kind = SOCK_DGRAM if flags & NI_DGRAM else SOCK_STREAM
    named = str(port) if flags & NI_NUMERICSERV else service_of(caller, port, kind)
    for text, where, size in ((name, host, host_size), (named, service, service_size)):
        if where and size and not _put(caller, text, where, size):
            return WSAEFAULT
    return 0


# What dnsapi asks for: there are neither servers nor domains to search.


def get_search_list(caller: Thread, arguments: int) -> int:
    """{WCHAR *list; DWORD *length}: an empty list."""
    at, size_at = struct.unpack("<2I", caller.memory.read(arguments, 8))
    return _empty(caller, at, size_at, END_OF_LIST)


def get_server_list(caller: Thread, arguments: int) -> int:
    """{USHORT family; DNS_ADDR_ARRAY *; DWORD *length}: an array of none."""
    at, size_at = struct.unpack("<2I", caller.memory.read(arguments + 4, 8))
    return _empty(caller, at, size_at, DNS_ADDR_ARRAY_SIZE)


def _empty(caller: Thread, at: int, size_at: int, size: int) -> int:
    """Zeros, or their size alone."""
    short = caller.memory.u32(size_at) < size
    caller.memory.set_u32(size_at, size)
    if at and short:
        return ERROR_MORE_DATA
    if at:
        caller.memory.write(at, bytes(size))
    return 0


def set_server_list(_caller: Thread, _arguments: int) -> int:
    return 0


def query_servers(_caller: Thread, _arguments: int) -> int:
    return DNS_ERROR_RCODE_SERVER_FAILURE


def _put(caller: Thread, text: str, at: int, size: int) -> bool:
    data = _encoded(text)
    if len(data) <= size:
        caller.memory.write(at, data)
    return len(data) <= size


def _encoded(text: str) -> bytes:
    """In the code page that `_text` reads, a byte for each character, with its 0."""
    return text.encode("cp1252", "replace") + b"\0"


def _text(caller: Thread, at: int) -> str | None:
    """A string of the caller's, cut off where no name is that long."""
    if not at:
        return None
    data = bytearray()
    while len(data) < LONGEST:
        byte = caller.memory.read(at + len(data), 1)
        if byte == b"\0":
            break
        data += byte
    return data.decode("cp1252", "replace")
