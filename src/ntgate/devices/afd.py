r"""\Device\Afd: sockets on a machine without a network.

A socket can be made, set up, bound and asked; what would reach somebody else answers that the
network is unreachable.  The control codes are those that Wine 8.0's ws2_32 sends.
"""

from __future__ import annotations

import struct

from ntgate.errors import NtError
from ntgate.executive.io.manager import Device, IoManager
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.executive.io.request import Request
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT

NAME = "\\Device\\Afd"
FILE_DEVICE_NAMED_PIPE = 0x11  # what sockets say that they are

BIND, LISTEN, RECV = 0x012003, 0x01200B, 0x012017
GETSOCKNAME, EVENT_SELECT, GET_EVENTS = 0x01202F, 0x012087, 0x01208B


def _code(function: int) -> int:
    """Wine's own: of FILE_DEVICE_NETWORK, buffered, for any access."""
    return 0x12 << 16 | function << 2


CREATE, CONNECT, SHUTDOWN, RECVMSG, SENDMSG = (_code(200 + n) for n in (0, 3, 4, 5, 6))
TRANSMIT, FIONBIO, FIONREAD, INTERFACES = (_code(200 + n) for n in (7, 9, 11, 13))
MESSAGE_SELECT = _code(215)
GETPEERNAME, DEFER, GET_INFO = (_code(200 + n) for n in (16, 17, 18))
# Socket options: codes to get them, each followed by the one to set it, but for these.
OPTIONS = range(_code(219), _code(299), 4)
SET_BEFORE = {_code(get): _code(get - 1) for get in (230, 232, 236)}
GETS_ONLY = {_code(219): 0, _code(222): 0, _code(292): 0xFFFFFFFF}  # listening, error, connected

UNREACHABLE = frozenset((CONNECT, SENDMSG, TRANSMIT))
SILENT = frozenset((FIONBIO, EVENT_SELECT, MESSAGE_SELECT, DEFER, SHUTDOWN))
CREATE_PARAMETERS = struct.Struct("<4i")  # family, type, protocol, flags
ADDRESS_FAMILIES = {2: 16, 23: 28}  # AF_INET, AF_INET6: the size of an address
NUMBER_OF_EVENTS = 13


class SocketFile(OpenFile):
    """A socket, once it has been created by a control."""

    def __init__(self, file: FILE_OBJECT, device: Device, access: int) -> None:
        super().__init__(file, device, access)
        self._kind: tuple[int, int, int, int] | None = None
        self._address: bytes | None = None
        self._options: dict[int, bytes] = {}

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        raise NtError(s.STATUS_INVALID_CONNECTION)

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        raise NtError(s.STATUS_INVALID_CONNECTION)

    def device_control(
        self, request: Request, code: int, data: bytes, room: int
    ) -> bytes | None:
        if code == CREATE:
            return self._create(data)
        if self._kind is None:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        if code in UNREACHABLE:
            raise NtError(s.STATUS_NETWORK_UNREACHABLE)
        if code in SILENT:
            return b""
        if code == BIND:
            return self._bind(data, room)
        if code == GETSOCKNAME:
            if self._address is None:
                raise NtError(s.STATUS_INVALID_PARAMETER)
            return _fit(self._address, room)
        if code in (RECV, RECVMSG, GETPEERNAME):
            raise NtError(s.STATUS_INVALID_CONNECTION)
        if code == LISTEN:
            raise NtError(s.STATUS_NETWORK_UNREACHABLE)
        if code == FIONREAD:
            return _fit(bytes(4), room)
        if code == INTERFACES:
            return b""
        if code == GET_INFO:
            return _fit(CREATE_PARAMETERS.pack(*self._kind)[:12], room)
        if code == GET_EVENTS:
            return _fit(bytes(4 + 4 * NUMBER_OF_EVENTS), room)
        if code in OPTIONS:
            return self._option(code, data, room)
        raise NtError(s.STATUS_NOT_SUPPORTED)

    def _create(self, data: bytes) -> bytes:
        if len(data) < CREATE_PARAMETERS.size or self._kind is not None:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        family, kind, protocol, flags = CREATE_PARAMETERS.unpack_from(data)
        if family not in ADDRESS_FAMILIES:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        self._kind = (family, kind, protocol, flags)
        return b""

    def _bind(self, data: bytes, room: int) -> bytes:
        """An int that nobody knows, then the address; the answer is the address that it has."""
        assert self._kind is not None
        size = ADDRESS_FAMILIES[self._kind[0]]
        address = data[4 : 4 + size]
        if len(address) < size:
            raise NtError(s.STATUS_INVALID_ADDRESS)
        if self._address is not None:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        self._address = address
        return _fit(address, room)

    def _option(self, code: int, data: bytes, room: int) -> bytes:
        """What was set is told again; what was not is 0."""
        if code in GETS_ONLY:
            return _fit(struct.pack("<I", GETS_ONLY[code]), room)
        if room:
            found = self._options.get(SET_BEFORE.get(code, code + 4), b"")
            return found[:room].ljust(min(room, 4), b"\0")
        self._options[code] = data
        return b""


def _fit(answer: bytes, room: int) -> bytes:
    if len(answer) > room:
        raise NtError(s.STATUS_BUFFER_TOO_SMALL)
    return answer


class SocketDriver:
    """The opener."""

    device: Device

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        create.take_maximum()
        return SocketFile(file, self.device, create.access)


def attach_sockets(io: IoManager) -> None:
    driver = SocketDriver()
    driver.device = io.create_device(
        io.create_driver("\\Driver\\AFD"), NAME, FILE_DEVICE_NAMED_PIPE, driver
    )
