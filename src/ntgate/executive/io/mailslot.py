r"""Mailslots, as \Device\Mailslot has them: one reads messages that others write."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import information_class as i
from ntgate.executive.io.held import HeldBytes
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.executive.io.request import Request
from ntgate.executive.io.share import ShareAccess
from ntgate.executive.ob.names import upcase
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT, FO_MAILSLOT
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.io.manager import Device, IoManager

FSCTL_MAILSLOT_PEEK = 0x0C4003
PEEK_HEADER = struct.Struct("<4I")
FOREVER = -1  # a ReadTimeout
NO_MESSAGE = 0xFFFFFFFF  # NextMessageSize


@dataclass(frozen=True, slots=True)
class NewMailslot:
    """What NtCreateMailslotFile says besides a create; the timeout in NT's form."""

    quota: int
    largest: int
    timeout: int


class Mailslot:
    """`largest`: bytes of a message, 0: any."""

    def __init__(self, name: str, new: NewMailslot, held: HeldBytes) -> None:
        self.name = name
        self._held = held
        self.quota, self.largest, self.timeout = new.quota, new.largest, new.timeout
        self.messages: deque[bytes] = deque()
        self.readers: deque[tuple[Request, int, Callable[[], None]]] = deque()
        self.share = ShareAccess()
        self.closed = False

    def put(self, data: bytes) -> None:
        """A reader that waits takes it, if it has the room.

        Raises STATUS_INSUFFICIENT_RESOURCES.
        """
        while self.readers:
            request, size, stop = self.readers.popleft()
            stop()
            if len(data) > size:
                request.complete(s.STATUS_BUFFER_TOO_SMALL)
                continue
            request.complete(s.STATUS_SUCCESS, len(data), data)
            return
        self._held.take(len(data))
        self.messages.append(data)

    def take(self) -> bytes:
        """The first message, which there is."""
        data = self.messages.popleft()
        self._held.give_back(len(data))
        return data


class MailslotServer(OpenFile):
    """The end that reads."""

    def __init__(
        self, file: FILE_OBJECT, device: MailslotDevice, access: int, slot: Mailslot
    ) -> None:
        super().__init__(file, device.device, access)
        self._slots = device
        self.slot = slot
        self.name = slot.name
        file.Flags |= FO_MAILSLOT

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        slot = self.slot
        if slot.messages:
            if len(slot.messages[0]) > size:
                raise NtError(s.STATUS_BUFFER_TOO_SMALL)
            return slot.take()
        if slot.timeout == 0:
            raise NtError(s.STATUS_IO_TIMEOUT)
        self._wait(request, size)
        return None

    def _wait(self, request: Request, size: int) -> None:
        slot, clock = self.slot, self._slots.io.executive.clock
        timer: int | None = None

        def stop() -> None:
            if timer is not None:
                clock.cancel(timer)

        def take_back() -> None:
            stop()
            slot.readers.remove(entry)

        def expired() -> None:
            slot.readers.remove(entry)
            request.complete(s.STATUS_IO_TIMEOUT)

        entry = (request, size, stop)
        if slot.timeout != FOREVER:
            timer = clock.set_timer(clock.due_time(slot.timeout), expired)
        slot.readers.append(entry)
        request.pend(take_back)

    def file_control(self, request: Request, code: int, data: bytes, room: int) -> bytes | None:
        if code != FSCTL_MAILSLOT_PEEK:
            raise NtError(s.STATUS_INVALID_DEVICE_REQUEST)
        if room < PEEK_HEADER.size:
            raise NtError(s.STATUS_BUFFER_TOO_SMALL)
        messages = self.slot.messages
        length = len(messages[0]) if messages else NO_MESSAGE
        return PEEK_HEADER.pack(sum(map(len, messages)), len(messages), length, 0)

    def query(self, information_class: int) -> bytes:
        slot = self.slot
        if information_class == i.FileMailslotQueryInformation:
            length = len(slot.messages[0]) if slot.messages else NO_MESSAGE
            return struct.pack(
                "<4Iq", slot.largest, slot.quota, length, len(slot.messages), slot.timeout
            )
        if information_class == i.FileBasicInformation:
            return struct.pack("<4QIxxxx", 0, 0, 0, 0, c.FILE_ATTRIBUTE_NORMAL)
        raise NtError(s.STATUS_INVALID_PARAMETER)

    def set(self, information_class: int, data: bytes, other: OpenFile | None) -> None:
        if information_class != i.FileMailslotSetInformation:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        (self.slot.timeout,) = struct.unpack_from("<q", data)

    def cleanup(self) -> None:
        slot = self.slot
        slot.closed = True
        self._slots.forget(slot)
        while slot.readers:
            request, _size, stop = slot.readers.popleft()
            stop()
            request.complete(s.STATUS_FILE_FORCED_CLOSED)


class MailslotClient(OpenFile):
    """An end that writes."""

    def __init__(self, file: FILE_OBJECT, device: Device, access: int, slot: Mailslot) -> None:
        super().__init__(file, device, access)
        self._slot = slot
        self.name = slot.name
        file.Flags |= FO_MAILSLOT

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        raise NtError(s.STATUS_INVALID_PARAMETER)

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        if self._slot.closed:
            raise NtError(s.STATUS_FILE_FORCED_CLOSED)
        if self._slot.largest and len(data) > self._slot.largest:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        self._slot.put(data)
        return len(data)

    def cleanup(self) -> None:
        self._slot.share.remove(self.object)


class MailslotRoot(OpenFile):
    """The device itself."""


class MailslotDevice:
    """The opener of the device, which sets `device` once it is there."""

    device: Device

    def __init__(self, io: IoManager) -> None:
        self.io = io
        self._slots: dict[str, Mailslot] = {}

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        """Raises NtError."""
        name = create.path if create.path.startswith("\\") else "\\" + create.path
        if isinstance(create.extra, NewMailslot):
            return self._create(create, create.extra, file, name)
        create.take_maximum()
        if name == "\\":
            return MailslotRoot(file, self.device, create.access)
        slot = self._slots.get(upcase(name))
        if slot is None:
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        slot.share.check(create.access, create.share)
        slot.share.add(file, create.access, create.share)
        return MailslotClient(file, self.device, create.access, slot)

    def _create(
        self, create: Create, new: NewMailslot, file: FILE_OBJECT, name: str
    ) -> OpenFile:
        if name == "\\":
            raise NtError(s.STATUS_OBJECT_NAME_INVALID)
        if upcase(name) in self._slots:
            raise NtError(s.STATUS_OBJECT_NAME_COLLISION)
        create.take_maximum(c.FILE_WRITE_DATA)
        slot = self._slots[upcase(name)] = Mailslot(name, new, self.io.held)
        create.information = c.FILE_CREATED
        return MailslotServer(file, self, create.access, slot)

    def forget(self, slot: Mailslot) -> None:
        """Its server is closed."""
        del self._slots[upcase(slot.name)]
        while slot.messages:
            slot.take()
