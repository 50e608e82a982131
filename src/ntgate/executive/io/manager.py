r"""The I/O manager: drivers, devices, file objects, and opening by name.

    \Device\HarddiskVolume1   the tree of volume.py, which \??\C: leads to
    \Device\NamedPipe         pipes by name
    \Device\Null, \Device\ConDrv, ...   what devices/ attaches
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from ntgate.errors import NtError
from ntgate.executive.events import PathDenied
from ntgate.executive.io import constants as c
from ntgate.executive.io.completion import CompletionPorts
from ntgate.executive.io.held import HeldBytes
from ntgate.executive.io.open_file import MOST_REPARSES, Create, Opener, OpenFile
from ntgate.executive.io.reparse import Reparse
from ntgate.executive.io.request import Request
from ntgate.executive.io.stream_reads import StreamReads
from ntgate.executive.mm.section import Section, create_section, delete_section
from ntgate.executive.ob import HandleClosing, ObjectAttributes
from ntgate.executive.ob import attributes as a
from ntgate.layout import io as layout
from ntgate.layout import lists
from ntgate.layout import ntstatus as s
from ntgate.layout.access import MAXIMUM_ALLOWED
from ntgate.layout.io import DEVICE_OBJECT, DRIVER_OBJECT, FILE_OBJECT
from ntgate.layout.ke import DISPATCHER_HEADER, NOTIFICATION_EVENT, SYNCHRONIZATION_EVENT
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.io.device import Consoles
    from ntgate.executive.io.disk_file import DiskFile
    from ntgate.executive.io.volume import Volume
    from ntgate.executive.ps.thread import Thread

TAG_NAME = b"IoNm"
LONGEST_NAME = 0xFFFC  # bytes of a file object's name

_OBJECT_FLAGS = (
    (c.FILE_SYNCHRONOUS, layout.FO_SYNCHRONOUS_IO),
    (c.FILE_SYNCHRONOUS_IO_ALERT, layout.FO_ALERTABLE_IO),
    (c.FILE_NO_INTERMEDIATE_BUFFERING, layout.FO_NO_INTERMEDIATE_BUFFERING),
    (c.FILE_WRITE_THROUGH, layout.FO_WRITE_THROUGH),
    (c.FILE_SEQUENTIAL_ONLY, layout.FO_SEQUENTIAL_ONLY),
    (c.FILE_RANDOM_ACCESS, layout.FO_RANDOM_ACCESS),
)


@dataclass(frozen=True, slots=True)
class Device:
    """The companion of a DEVICE_OBJECT; `name` is its path."""

    view: DEVICE_OBJECT
    name: str
    opener: Opener

    @property
    def device_type(self) -> int:
        return self.view.DeviceType

    @property
    def characteristics(self) -> int:
        return self.view.Characteristics


class IoManager:
    """One for the machine, made by `start_io`.

    `pending` has the requests that wait, by the address of the IRP.
    """

    volume: Volume
    pipes: Device  # \\Device\\NamedPipe
    consoles: Consoles | None = None  # once their driver is attached

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.kernel = executive.kernel
        self.pool = executive.pool
        self.objects = objects = executive.objects
        self.pending: dict[int, Request] = {}
        self.stream_reads = StreamReads(self)
        self.last_serial = 0
        self.finished: dict[int, int] = {}  # statuses that threads wait for, by serial
        self.fast_files: dict[int, DiskFile] = {}  # by body: those with fast I/O
        self.ports = CompletionPorts(executive)
        self.held = HeldBytes()
        kind = self.file_type = objects.types["File"]
        kind.delete = self._delete_file
        kind.close = self._close_handle
        kind.query_name = self.name_of
        kind.waitable = self.waitable
        objects.types["Section"].delete = self._delete_section

    # Drivers and devices.

    def create_driver(self, name: str) -> DRIVER_OBJECT:
        r"""A permanent driver object: `\Driver\Null`."""
        body = self._keep("Driver", DRIVER_OBJECT.SIZE, name)
        driver = DRIVER_OBJECT(self.kernel, body)
        driver.Type, driver.Size = layout.IO_TYPE_DRIVER, DRIVER_OBJECT.SIZE
        self.objects.blocks.set_string(driver.DriverName, name, TAG_NAME)
        return driver

    def create_device(
        self, driver: DRIVER_OBJECT, name: str, device_type: int, opener: Opener,
        characteristics: int = layout.FILE_DEVICE_SECURE_OPEN,
    ) -> Device:  # fmt: skip
        """A permanent device object under `name`, a path, that `opener` opens files on."""
        body = self._keep("Device", DEVICE_OBJECT.SIZE, name)
        view = DEVICE_OBJECT(self.kernel, body)
        view.Type, view.Size = layout.IO_TYPE_DEVICE, DEVICE_OBJECT.SIZE
        view.DriverObject, view.NextDevice = driver.address, driver.DeviceObject
        driver.DeviceObject = body
        view.Flags = layout.DO_BUFFERED_IO | layout.DO_DEVICE_HAS_NAME
        view.Characteristics, view.DeviceType = characteristics, device_type
        view.StackSize = 1
        device = Device(view, name, opener)
        self.objects.set_companion(body, device)
        return device

    def create_link(self, name: str, target: str) -> None:
        r"""A permanent symbolic link, such as `\??\C:`."""
        attributes = ObjectAttributes(name, 0, a.OBJ_PERMANENT | a.OBJ_CASE_INSENSITIVE)
        body = self.objects.create_symbolic_link(target, attributes, kernel=True)
        self.objects.insert(0, body, 0, attributes)
        self.objects.dereference(body)

    def _keep(self, kind: str, size: int, name: str) -> int:
        attributes = ObjectAttributes(name, 0, a.OBJ_PERMANENT | a.OBJ_CASE_INSENSITIVE)
        body = self.objects.create(self.objects.types[kind], size, attributes, kernel=True)
        self.objects.insert(0, body, 0, attributes)
        self.objects.dereference(body)
        return body

    # Opening.

    def open(
        self, table: int, attributes: ObjectAttributes, create: Create
    ) -> int:
        """A handle to a new file object; raises NtError.

        create: `path` and `related` are filled in here, `access` may have generic rights, and
        `information` says what was done.
        """
        create.maximum = bool(create.access & MAXIMUM_ALLOWED)
        create.access = self.file_type.grant(create.access & ~MAXIMUM_ALLOWED)
        file = self.open_object(attributes, create)
        body = file.object.address
        try:
            handle = self.objects.create_handle(
                table, body, create.access, attributes.attributes & ~a.OBJ_EXCLUSIVE
            )
        except NtError:
            file.cleanup()
            self.objects.dereference(body)
            raise
        file.object.Flags |= layout.FO_HANDLE_CREATED
        self.objects.dereference(body)
        return handle

    def open_object(self, attributes: ObjectAttributes, create: Create) -> OpenFile:
        """A new file object with one reference and no handle; `access` is granted already."""
        create.security, create.quality = attributes.security, attributes.quality
        for _ in range(MOST_REPARSES):
            try:
                return self._open_at(attributes, create)
            except Reparse as onward:
                attributes = replace(attributes, name=onward.path, root=0)
        raise NtError(s.STATUS_REPARSE_POINT_NOT_RESOLVED)

    def _open_at(self, attributes: ObjectAttributes, create: Create) -> OpenFile:
        """Raises NtError, and Reparse where the name leads on."""
        device, create.path, create.related = self._find(attributes)
        if create.makes_on not in (0, device.device_type):
            raise NtError(s.STATUS_OBJECT_NAME_INVALID)
        file = self._new_file(device, create)
        body = file.address
        try:
            opened = device.opener.open(create, file)
        except (NtError, Reparse):
            self.objects.dereference(body)
            raise
        device.view.ReferenceCount += 1
        self.objects.set_companion(body, opened)
        if opened.fast:
            self.fast_files[body] = cast("DiskFile", opened)
        made = create.information == c.FILE_CREATED
        if made and attributes.security and not opened.security:
            self.executive.security.secure(body, attributes.security)
        return opened

    def close_object(self, file: OpenFile) -> None:
        """End what `open_object` has begun."""
        file.cleanup()
        self.objects.dereference(file.object.address)

    def attach(self, device: Device, opener: Opener, create: Create) -> int:
        """The body of a new file object on a device that nobody looks up by name."""
        file = self._new_file(device, create)
        device.view.ReferenceCount += 1
        self.objects.set_companion(file.address, opener.open(create, file))
        return file.address

    def file(self, body: int) -> OpenFile:
        """The companion of a file object; raises STATUS_OBJECT_TYPE_MISMATCH."""
        # A subclass is the rule here, which mypy's type[T] of an abstract T can't say.
        return self.objects.companion(body, OpenFile)

    def name_of(self, body: int) -> str:
        """The full NT path of a file object; raises NtError for one that has none."""
        return self.file(body).object_name

    def waitable(self, body: int) -> int:
        """The DISPATCHER_HEADER that a wait on a file waits for; raises NtError."""
        return self.file(body).waitable

    def _find(self, attributes: ObjectAttributes) -> tuple[Device, str, OpenFile | None]:
        objects = self.objects
        try:
            body, path = objects.lookup(
                attributes.name, attributes.attributes | a.OBJ_CASE_INSENSITIVE, attributes.root,
                self.file_type,
            )  # fmt: skip
        except NtError as error:
            if error.status in (s.STATUS_OBJECT_NAME_NOT_FOUND, s.STATUS_OBJECT_PATH_NOT_FOUND):
                self._tell_missing(attributes.name)
            raise
        kind = objects.type_of(body)
        if kind is self.file_type:
            related = self.file(body)
            if path.startswith("\\"):
                raise NtError(s.STATUS_INVALID_PARAMETER)
            return related.device, path, related
        if kind.name != "Device":
            raise NtError(s.STATUS_OBJECT_TYPE_MISMATCH)
        return objects.companion(body, Device), path, None

    def _tell_missing(self, name: str) -> None:
        """Another drive, a share, a raw disk: what a program has tried is worth knowing."""
        if name.startswith("\\"):
            caller = self.executive.processes.current
            self.executive.events.emit(
                PathDenied(caller.pid, caller.tid, name, "there is no such device")
            )

    def _new_file(self, device: Device, create: Create) -> FILE_OBJECT:
        objects = self.objects
        body = objects.create(self.file_type, FILE_OBJECT.SIZE)
        file = FILE_OBJECT(self.kernel, body)
        file.Type, file.Size = layout.IO_TYPE_FILE, FILE_OBJECT.SIZE
        file.DeviceObject, file.Vpb = device.view.address, device.view.Vpb
        options, flags = create.options, 0
        for option, flag in _OBJECT_FLAGS:
            if options & option:
                flags |= flag
        file.Flags = flags
        self._event(file.Lock.Header, SYNCHRONIZATION_EVENT)
        self._event(file.Event.Header, NOTIFICATION_EVENT)
        file.Event.Header.SignalState = 1  # the open is over when anybody can look
        if create.path:
            if 2 * len(create.path) > LONGEST_NAME:
                objects.dereference(body)
                raise NtError(s.STATUS_NAME_TOO_LONG)
            objects.blocks.set_string(file.FileName, create.path, TAG_NAME)
        return file

    def _event(self, header: DISPATCHER_HEADER, kind: int) -> None:
        header.Type, header.Size = kind, DISPATCHER_HEADER.SIZE // 4
        lists.initialize(self.kernel, header.WaitListHead.address)

    # Sections.

    def create_section(
        self, file: OpenFile | None, protect: int, attributes: int, size: int
    ) -> Section:
        """A section that has no object yet; raises NtError.

        The pages of a file hold a reference on the file object that they came by, as long as
        a section or a view is there.
        """
        backing = file.section_file() if file is not None else None
        body = file.object.address if file is not None else 0
        section = create_section(
            self.executive.mm, protect, attributes, size=size, file=backing, file_object=body
        )
        segment = section.segment
        if body and segment.deleted is None:
            self.objects.reference(body)
            segment.deleted = lambda: self.objects.dereference(body)
        return section

    def _delete_section(self, body: int) -> None:
        delete_section(self.objects.companion(body, Section))

    # Closing.

    def _close_handle(self, closing: HandleClosing) -> None:
        file = self._companion(closing.body)
        if file is None:
            return
        if closing.process_handles == 1:
            file.process_cleanup(closing.process)
        if closing.system_handles == 1:
            file.cleanup()
            for request in [r for r in self.pending.values() if r.file is file]:
                request.cancel()
            file.object.Flags |= layout.FO_CLEANUP_COMPLETE

    def _delete_file(self, body: int) -> None:
        view = FILE_OBJECT(self.kernel, body)
        file = self._companion(body)
        self.fast_files.pop(body, None)
        if file is not None:
            file.close()
            file.device.view.ReferenceCount -= 1
        if view.CompletionContext:
            self.ports.detach(view)
        self.objects.blocks.free_string(view.FileName)

    def _companion(self, body: int) -> OpenFile | None:
        """None while an open fails."""
        try:
            return self.file(body)
        except NtError:
            return None

    # Taking back.

    def cancel(
        self, thread: Thread | None, file: OpenFile | None = None, iosb: int = 0, *,
        synchronous: bool = False,
    ) -> int:  # fmt: skip
        """Cancel what waits of a thread, on a file, with a status block; how many these were.

        synchronous: only what the thread itself waits for.
        """
        found = [
            request
            for request in self.pending.values()
            if (thread is None or request.thread is thread)
            and (file is None or request.file is file)
            and (not iosb or request.iosb == iosb)
            and (request.synchronous or not synchronous)
        ]
        for request in found:
            if request.irp:
                request.cancel()
        return len(found)
