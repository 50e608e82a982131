r"""\Device\NamedPipe: creating pipes, connecting to them by name, waiting for one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import pipe as p
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.executive.io.pipe import Instance, Pipe, PipeEnd, connect_client
from ntgate.executive.ob.names import upcase
from ntgate.layout import ntstatus as s
from ntgate.layout.io import FILE_OBJECT
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.io.manager import Device, IoManager
    from ntgate.executive.io.request import Request

FSCTL_PIPE_QUERY_CLIENT_PROCESS = 0x110024
WAIT_HEADER = struct.Struct("<qI?")
WAIT_NAME_AT = 14
# Win32's default, which Wine 8.0's kernelbase asks for with 0, and XP's by its value.
DEFAULT_TIMEOUT = -500_000
WAIT_FOREVER = -(1 << 63)
# What the device and its root directory answer to the controls of a pipe.
_ROOT_REFUSES = {
    p.FSCTL_PIPE_PEEK: s.STATUS_INVALID_PARAMETER,
    p.FSCTL_PIPE_GET_CONNECTION_ATTRIBUTE: s.STATUS_INVALID_PARAMETER,
    FSCTL_PIPE_QUERY_CLIENT_PROCESS: s.STATUS_INVALID_PARAMETER,
    p.FSCTL_PIPE_DISCONNECT: s.STATUS_PIPE_DISCONNECTED,
    p.FSCTL_PIPE_TRANSCEIVE: s.STATUS_PIPE_DISCONNECTED,
    p.FSCTL_PIPE_LISTEN: s.STATUS_ILLEGAL_FUNCTION,
    p.FSCTL_PIPE_IMPERSONATE: s.STATUS_ILLEGAL_FUNCTION,
}
# ShareAccess of a server says who may do what.
_CONFIGURATIONS = {
    c.FILE_SHARE_WRITE: p.INBOUND,
    c.FILE_SHARE_READ: p.OUTBOUND,
    c.FILE_SHARE_READ | c.FILE_SHARE_WRITE: p.FULL_DUPLEX,
}


class MissingPipe(NtError):
    """There is no pipe of that name; `path` begins with a backslash."""

    def __init__(self, path: str) -> None:
        super().__init__(s.STATUS_OBJECT_NAME_NOT_FOUND)
        self.path = path


@dataclass(frozen=True, slots=True)
class NewPipe:
    """What NtCreateNamedPipeFile says besides a create; `timeout` in NT's relative form."""

    pipe_type: int
    read_mode: int
    completion_mode: int
    maximum: int
    inbound: int
    outbound: int
    timeout: int | None


class PipeRoot(OpenFile):
    """The device, or its root directory: that is for FSCTL_PIPE_WAIT and pipes without a name."""

    def __init__(
        self, file: FILE_OBJECT, pipes: PipeDevice, access: int, *, is_directory: bool
    ) -> None:
        super().__init__(file, pipes.device, access)
        self._pipes = pipes
        self.is_directory = is_directory

    @property
    def name(self) -> str:  # type: ignore[override]
        return "\\" if self.is_directory else ""

    def read(self, request: Request, offset: int, size: int) -> bytes | None:
        raise NtError(s.STATUS_INVALID_PARAMETER)

    def write(self, request: Request, offset: int, data: bytes) -> int | None:
        raise NtError(s.STATUS_INVALID_PARAMETER)

    def file_control(self, request: Request, code: int, data: bytes, room: int) -> bytes | None:
        if code != p.FSCTL_PIPE_WAIT:
            raise NtError(_ROOT_REFUSES.get(code, s.STATUS_NOT_SUPPORTED))
        if not self.is_directory:
            raise NtError(s.STATUS_ILLEGAL_FUNCTION)
        if len(data) < WAIT_NAME_AT:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        timeout, length, specified = WAIT_HEADER.unpack_from(data)
        if length > len(data) - WAIT_NAME_AT or length & 1:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        raw = data[WAIT_NAME_AT : WAIT_NAME_AT + length]
        name = "\\" + raw.decode("utf-16-le", "surrogatepass")
        return self._pipes.wait(request, name, timeout if specified else None)


class PipeDevice:
    """The opener of the device, which sets `device` once it is there."""

    device: Device

    def __init__(self, io: IoManager) -> None:
        self._io = io
        self._pipes: dict[str, Pipe] = {}
        self._waiting: list[tuple[str, Callable[[], None]]] = []

    def open(self, create: Create, file: FILE_OBJECT) -> OpenFile:
        """Raises NtError."""
        related, path = create.related, create.path
        if isinstance(create.extra, NewPipe):
            return self._create(create, create.extra, file)
        if isinstance(related, PipeEnd):
            if path:
                raise NtError(s.STATUS_OBJECT_NAME_INVALID)
            return self._connect(related.instance.pipe, create, file)
        if not path.removeprefix("\\"):
            create.take_maximum()
            inherited = isinstance(related, PipeRoot) and related.is_directory
            return PipeRoot(file, self, create.access, is_directory=bool(path) or inherited)
        pipe = self._pipes.get(self._key(path))
        if pipe is None or not pipe.instances:
            raise MissingPipe(path if path.startswith("\\") else "\\" + path)
        if create.disposition == c.FILE_CREATE:
            raise NtError(s.STATUS_OBJECT_NAME_COLLISION)
        return self._connect(pipe, create, file)

    def _connect(self, pipe: Pipe, create: Create, file: FILE_OBJECT) -> OpenFile:
        instance = pipe.listening()
        if instance is None:
            raise NtError(s.STATUS_PIPE_NOT_AVAILABLE)
        thread = self._io.executive.processes.current
        return connect_client(instance, create, file, self.device, thread)

    @staticmethod
    def _key(path: str) -> str:
        return upcase(path if path.startswith("\\") else "\\" + path)

    # Servers.

    def _create(self, create: Create, new: NewPipe, file: FILE_OBJECT) -> OpenFile:
        configuration = _CONFIGURATIONS.get(create.share)
        if configuration is None:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        root = create.related if isinstance(create.related, PipeRoot) else None
        if root is not None and not root.is_directory:
            raise NtError(s.STATUS_OBJECT_NAME_INVALID)
        unnamed = root is not None and not create.path
        if not unnamed and not create.path.removeprefix("\\"):
            raise NtError(s.STATUS_OBJECT_NAME_INVALID)
        key = self._key(create.path)
        pipe = None if unnamed else self._pipes.get(key)
        if pipe is not None and not pipe.instances:
            pipe = None  # its last instance is closed
        if pipe is None:
            pipe = self._new_pipe(create, new, configuration, unnamed=unnamed)
            if not unnamed:
                self._pipes[key] = pipe
                pipe.listens = lambda: self._listens(key)
                pipe.ended = lambda: self._pipes.pop(key, None)
            create.information = c.FILE_CREATED
        else:
            self._check_more(pipe, create, configuration)
            asked = create.access | c.FILE_CREATE_PIPE_INSTANCE
            self._io.executive.security.check_file(pipe.security, asked)
        denied = {p.INBOUND: c.FILE_WRITE_DATA, p.OUTBOUND: c.FILE_READ_DATA}
        create.take_maximum(denied.get(configuration, 0))
        instance = Instance(pipe, self._io.executive.processes.current.pid)
        server = PipeEnd(
            file, self.device, create.access, instance, p.SERVER, new.read_mode,
            new.completion_mode,
        )  # fmt: skip
        pipe.listens()
        return server

    def _new_pipe(
        self, create: Create, new: NewPipe, configuration: int, *, unnamed: bool
    ) -> Pipe:
        if create.disposition == c.FILE_OPEN:
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        if new.timeout is None or new.timeout > 0:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        name = create.path if create.path.startswith("\\") else "\\" + create.path
        return Pipe(
            "" if unnamed else name, configuration, new.pipe_type, new.maximum, new.inbound,
            new.outbound, new.timeout or DEFAULT_TIMEOUT,
            self._io.executive.security.new_pipe_security(create.security), self._io.held,
        )  # fmt: skip

    @staticmethod
    def _check_more(pipe: Pipe, create: Create, configuration: int) -> None:
        """One more instance goes the same ways; its type is the first one's."""
        if len(pipe.instances) >= pipe.maximum and pipe.maximum < p.UNLIMITED_INSTANCES:
            raise NtError(s.STATUS_INSTANCE_NOT_AVAILABLE)
        if create.disposition == c.FILE_CREATE:
            raise NtError(s.STATUS_ACCESS_DENIED)
        if pipe.configuration != configuration:
            raise NtError(s.STATUS_ACCESS_DENIED)

    # Waiting for a server.

    def wait(self, request: Request, name: str, timeout: int | None) -> bytes | None:
        """FSCTL_PIPE_WAIT; raises STATUS_OBJECT_NAME_NOT_FOUND."""
        pipe = self._pipes.get(self._key(name))
        if pipe is None or not pipe.instances:
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        if pipe.listening() is not None:
            return b""
        clock = self._io.executive.clock
        waiting: tuple[str, Callable[[], None]]
        timer: int | None = None

        def stop() -> None:
            self._waiting.remove(waiting)
            if timer is not None:
                clock.cancel(timer)

        def found() -> None:
            stop()
            request.complete(s.STATUS_SUCCESS)

        def expired() -> None:
            self._waiting.remove(waiting)
            request.complete(s.STATUS_IO_TIMEOUT)

        waiting = (self._key(name), found)
        limit = pipe.timeout if timeout is None else timeout
        if limit != WAIT_FOREVER:
            timer = clock.set_timer(clock.due_time(limit), expired)
        self._waiting.append(waiting)
        request.pend(stop)
        return None

    def _listens(self, key: str) -> None:
        """One who waits for an instance of that name is told."""
        for waited, found in list(self._waiting):
            if waited == key:
                found()
                return
