"""Opportunistic locks: who may keep a stream's data to itself, and is asked before others come.

A granted request waits; it ends when the lock is broken, with what is left of it.  An exclusive
lock (level 1, batch, filter) is broken by an open of somebody else, who waits until its owner has
acknowledged or closed; a level 2 lock by a write, and nobody waits for that.  The rules are those
that Microsoft documents for file systems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.ke.kernel_event import make_event
from ntgate.layout import ntstatus as s
from ntgate.layout.access import READ_CONTROL, SYNCHRONIZE

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.io.disk_file import DiskFile
    from ntgate.executive.io.open_file import Create
    from ntgate.executive.io.request import Request
    from ntgate.executive.io.stream import Stream

FSCTL_REQUEST_OPLOCK_LEVEL_1    = 0x090000
FSCTL_REQUEST_OPLOCK_LEVEL_2    = 0x090004
FSCTL_REQUEST_BATCH_OPLOCK      = 0x090008
FSCTL_OPLOCK_BREAK_ACKNOWLEDGE  = 0x09000C
FSCTL_OPBATCH_ACK_CLOSE_PENDING = 0x090010
FSCTL_OPLOCK_BREAK_NOTIFY       = 0x090014
FSCTL_OPLOCK_BREAK_ACK_NO_2     = 0x090050
FSCTL_REQUEST_FILTER_OPLOCK     = 0x09005C

EXCLUSIVE = frozenset(
    (FSCTL_REQUEST_OPLOCK_LEVEL_1, FSCTL_REQUEST_BATCH_OPLOCK, FSCTL_REQUEST_FILTER_OPLOCK)
)
_ACKNOWLEDGES = frozenset(
    (FSCTL_OPLOCK_BREAK_ACKNOWLEDGE, FSCTL_OPLOCK_BREAK_ACK_NO_2, FSCTL_OPBATCH_ACK_CLOSE_PENDING)
)
CONTROLS = EXCLUSIVE | _ACKNOWLEDGES | {FSCTL_REQUEST_OPLOCK_LEVEL_2, FSCTL_OPLOCK_BREAK_NOTIFY}
# What an ended request tells of the lock.
FILE_OPLOCK_BROKEN_TO_LEVEL_2, FILE_OPLOCK_BROKEN_TO_NONE = 7, 8
FILE_OPBATCH_BREAK_UNDERWAY = 9

_OF_ATTRIBUTES = c.FILE_READ_ATTRIBUTES | c.FILE_WRITE_ATTRIBUTES | SYNCHRONIZE
_PAST_A_FILTER = (
    _OF_ATTRIBUTES | c.FILE_READ_DATA | c.FILE_READ_EA | c.FILE_EXECUTE | READ_CONTROL
)
_OVERWRITES = (c.FILE_SUPERSEDE, c.FILE_OVERWRITE, c.FILE_OVERWRITE_IF)


class OplockBreak(NtError):
    """An open has to wait for the owner of a lock: until `event`, an object's body, is set.

    Who can't wait finds the file in use.
    """

    def __init__(self, event: int) -> None:
        super().__init__(s.STATUS_SHARING_VIOLATION)
        self.event = event


class Oplock:
    """The locks of one stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._executive: Executive | None = None
        self._owner: DiskFile | None = None  # of the exclusive lock
        self._kind = 0  # the control that asked for it
        self._request: Request | None = None  # which waits until it is broken
        self._level2: dict[DiskFile, Request] = {}
        self._broken_to = 0  # what the owner has been told, and not acknowledged
        self._event = 0  # set when that is over
        self._notified: list[Request] = []

    # What a program asks.

    def ask(self, file: DiskFile, request: Request, code: int) -> bytes | None:
        """A request, an acknowledgement, or a wait for the end of a break.  Raises NtError."""
        self._executive = request.io.executive
        if code == FSCTL_OPLOCK_BREAK_NOTIFY:
            return self._notify(request)
        if code in _ACKNOWLEDGES:
            return self._acknowledge(file, request, code)
        if request.synchronous or self._owner is not None:
            raise NtError(s.STATUS_OPLOCK_NOT_GRANTED)
        if code == FSCTL_REQUEST_OPLOCK_LEVEL_2:
            if self._stream.locks.locks or file in self._level2:
                raise NtError(s.STATUS_OPLOCK_NOT_GRANTED)
            self._grant_level2(file, request)
            return None
        if self._stream.opens > 1:
            raise NtError(s.STATUS_OPLOCK_NOT_GRANTED)
        self.written()
        self._owner, self._kind, self._request = file, code, request
        request.pend(lambda: self._withdraw(file))
        return None

    def _grant_level2(self, file: DiskFile, request: Request) -> None:
        self._level2[file] = request

        def withdraw() -> None:
            del self._level2[file]

        request.pend(withdraw)

    def _acknowledge(self, file: DiskFile, request: Request, code: int) -> bytes | None:
        if file is not self._owner or not self._broken_to:
            raise NtError(s.STATUS_INVALID_OPLOCK_PROTOCOL)
        if code == FSCTL_OPBATCH_ACK_CLOSE_PENDING:
            return b""
        keeps = self._broken_to == FILE_OPLOCK_BROKEN_TO_LEVEL_2
        self._release()
        if keeps and code == FSCTL_OPLOCK_BREAK_ACKNOWLEDGE:
            self._grant_level2(file, request)
            return None
        return b""

    def _notify(self, request: Request) -> bytes | None:
        if not self._broken_to:
            return b""
        self._notified.append(request)
        request.pend(lambda: self._notified.remove(request))
        return None

    # What others do.

    def opening(self, create: Create, *, before_sharing: bool) -> None:
        """Somebody opens the stream.  Raises OplockBreak where he has to wait for the owner.

        A batch or filter lock is broken before sharing is looked at, as its owner may close.
        """
        overwrites = create.disposition in _OVERWRITES
        if not before_sharing and overwrites:
            self.written()
        early = self._kind != FSCTL_REQUEST_OPLOCK_LEVEL_1
        if self._owner is None or early != before_sharing:
            return
        passing = _PAST_A_FILTER if self._kind == FSCTL_REQUEST_FILTER_OPLOCK else _OF_ATTRIBUTES
        if not overwrites and not create.access & ~passing:
            return
        if not self._broken_to:
            to_none = overwrites or self._kind == FSCTL_REQUEST_FILTER_OPLOCK
            self._break(FILE_OPLOCK_BROKEN_TO_NONE if to_none else FILE_OPLOCK_BROKEN_TO_LEVEL_2)
        if create.options & c.FILE_COMPLETE_IF_OPLOCKED:
            create.status = s.STATUS_OPLOCK_BREAK_IN_PROGRESS
            if early:
                create.information = FILE_OPBATCH_BREAK_UNDERWAY
            return
        raise OplockBreak(self._event)

    def written(self) -> None:
        """The data change, or a range is locked: nobody shares what he has read any more."""
        requests, self._level2 = list(self._level2.values()), {}
        for request in requests:
            request.complete(s.STATUS_SUCCESS, FILE_OPLOCK_BROKEN_TO_NONE)

    def closed(self, file: DiskFile) -> None:
        """The last handle of a file object is closed, which acknowledges a break."""
        shared = self._level2.pop(file, None)
        if shared is not None:
            shared.complete(s.STATUS_SUCCESS, FILE_OPLOCK_BROKEN_TO_NONE)
        if file is self._owner:
            request, self._request = self._request, None
            self._release()
            if request is not None:
                request.complete(s.STATUS_SUCCESS, FILE_OPLOCK_BROKEN_TO_NONE)

    def _break(self, to: int) -> None:
        assert self._executive is not None and self._request is not None
        self._event = make_event(self._executive)
        self._broken_to = to
        request, self._request = self._request, None
        request.complete(s.STATUS_SUCCESS, to)

    def _withdraw(self, file: DiskFile) -> None:
        """Its request is cancelled."""
        if self._owner is file:
            self._request = None
            self._release()

    def _release(self) -> None:
        """There is no exclusive lock any more: who waited for that goes on."""
        self._owner, self._kind, self._broken_to = None, 0, 0
        event, self._event = self._event, 0
        if event:
            assert self._executive is not None
            self._executive.waits.set_event(event)
            self._executive.objects.dereference(event)
        notified, self._notified = self._notified, []
        for request in notified:
            request.complete(s.STATUS_SUCCESS)
