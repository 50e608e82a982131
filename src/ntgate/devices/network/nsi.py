r"""\Device\Nsi, which Wine's iphlpapi asks for interfaces, addresses, routes and sockets."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.devices.network.echo import echo
from ntgate.devices.network.interface import TABLES, Row, Table
from ntgate.errors import NtError
from ntgate.executive.io.manager import Device, IoManager
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT

if TYPE_CHECKING:
    from ntgate.devices.network.driver import Network
    from ntgate.executive.io.request import Request

NAME, LINK = "\\Device\\Nsi", "\\??\\Nsi"
FILE_DEVICE_NETWORK = 0x12
ENUMERATE_ALL, GET_ALL_PARAMETERS, GET_PARAMETER = 0x121000, 0x121004, 0x121008
ICMP_ECHO = 0x12100C
MODULE = struct.Struct("<H2xI16s")  # NPI_MODULEID: its size, MIT_GUID, the GUID
ENUMERATION = struct.Struct("<8I")  # two numbers, table, sizes of the parts, most rows
ALL_PARAMETERS = struct.Struct("<6I")  # a number, table, sizes of the parts; the key follows
PARAMETER = struct.Struct("<5I")  # a number, table, size of the key, part, offset; the key
FIRST_MODULE = 0xEB004A00


class NsiFile(OpenFile):
    """One open file."""

    def __init__(self, file: FILE_OBJECT, device: Device, access: int, network: Network) -> None:
        super().__init__(file, device, access)
        self._network = network

    def device_control(
        self, request: Request, code: int, data: bytes, room: int
    ) -> bytes | None:
        if code == ICMP_ECHO:
            answer = echo(data, room)
            request.pend(lambda: None)
            request.complete(s.STATUS_SUCCESS, len(answer), answer)
            return None
        if len(data) < MODULE.size:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        _, _, guid = MODULE.unpack_from(data)
        module, rest = int.from_bytes(guid[:4], "little") - FIRST_MODULE, data[MODULE.size :]
        if code == ENUMERATE_ALL:
            return self._enumerate(request, module, rest, room)
        if code == GET_ALL_PARAMETERS:
            return self._all(module, rest, room)
        if code == GET_PARAMETER:
            return self._parameter(module, rest, room)
        raise NtError(s.STATUS_NOT_SUPPORTED)

    def _enumerate(self, request: Request, module: int, data: bytes, room: int) -> bytes:
        """The count, then the keys, the settings, what changes and what stays of all rows."""
        _, _, number, *sizes, most = _unpack(ENUMERATION, data)
        table = _table(module, number)
        _check(table, tuple(sizes))
        size = 4 + sum(sizes) * most
        if room < size:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        rows = table.rows(self._network)
        count = len(rows)
        if any(sizes) and count > most:
            request.status, count = s.STATUS_BUFFER_OVERFLOW, most
        answer = struct.pack("<I", count)
        for part, width in enumerate(sizes):
            if width:
                column = b"".join(row[part] for row in rows[:most])
                answer += column.ljust(width * most, b"\0")
        return answer

    def _all(self, module: int, data: bytes, room: int) -> bytes:
        _, number, key_size, *sizes = _unpack(ALL_PARAMETERS, data)
        table = _table(module, number)
        key = _key(table, data[ALL_PARAMETERS.size :], key_size)
        _check(table, (0, *sizes))
        if room < sum(sizes):
            raise NtError(s.STATUS_INVALID_PARAMETER)
        row = self._row(table, key)
        return b"".join(part for part, size in zip(row[1:], sizes, strict=True) if size)

    def _parameter(self, module: int, data: bytes, room: int) -> bytes:
        _, number, key_size, part, offset = _unpack(PARAMETER, data)
        table = _table(module, number)
        key = _key(table, data[PARAMETER.size :], key_size)
        if part >= len(table.sizes) - 1 or offset + room > table.sizes[part + 1]:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        return self._row(table, key)[part + 1][offset : offset + room]

    def _row(self, table: Table, key: bytes) -> Row:
        for row in table.rows(self._network):
            if row[0] == key:
                return row
        raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)


def _unpack(layout: struct.Struct, data: bytes) -> tuple[int, ...]:
    if len(data) < layout.size:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    return layout.unpack_from(data)


def _table(module: int, number: int) -> Table:
    table = TABLES.get((module, number))
    if table is None:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    return table


def _check(table: Table, sizes: tuple[int, ...]) -> None:
    """Each part is asked for as it is, or not at all."""
    if any(size not in (0, real) for size, real in zip(sizes, table.sizes, strict=True)):
        raise NtError(s.STATUS_INVALID_PARAMETER)


def _key(table: Table, data: bytes, size: int) -> bytes:
    if size != table.sizes[0] or len(data) < size:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    return data[:size]


class NsiDriver:
    """The opener."""

    device: Device

    def __init__(self, network: Network) -> None:
        self._network = network

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        create.take_maximum()
        return NsiFile(file, self.device, create.access, self._network)


def attach_tables(io: IoManager, network: Network) -> None:
    driver = NsiDriver(network)
    driver.device = io.create_device(
        io.create_driver("\\Driver\\nsiproxy"), NAME, FILE_DEVICE_NETWORK, driver
    )
    io.create_link(LINK, NAME)
