"""Byte-range locks of a stream, as FsRtl keeps them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from operator import attrgetter

from ntgate.errors import NtError
from ntgate.layout.ntstatus import STATUS_FILE_LOCK_CONFLICT, STATUS_RANGE_NOT_LOCKED
from ntgate.records import dataclass

_start = attrgetter("start")


@dataclass(frozen=True, slots=True)
class Lock:
    """`file` is the address of the file object, `process` of the EPROCESS; `end` excludes."""

    start: int
    end: int
    exclusive: bool
    file: int
    process: int
    key: int

    def overlaps(self, start: int, end: int) -> bool:
        return self.start < end and start < self.end

    def has_owner_of(self, other: Lock) -> bool:
        return self.is_owned_by(other.file, other.process, other.key)

    def is_owned_by(self, file: int, process: int, key: int) -> bool:
        return self.file == file and self.process == process and self.key == key


@dataclass(eq=False, slots=True)
class Waiter:
    """A lock that is wanted; `granted` is called when it is had."""

    lock: Lock
    granted: Callable[[], None]


class LockTable:
    """The locks of one stream, by where they start, and those that wait for one to go."""

    __slots__ = ("_longest", "locks", "waiters")

    def __init__(self) -> None:
        self.locks: list[Lock] = []
        self.waiters: list[Waiter] = []
        self._longest = 0  # bytes of a lock that there has been since there was none

    def _near(self, start: int, end: int) -> list[Lock]:
        """Those that may overlap with a range."""
        first = bisect_left(self.locks, start - self._longest, key=_start)
        return self.locks[first : bisect_left(self.locks, end, key=_start)]

    def _hold(self, lock: Lock) -> None:
        length = lock.end - lock.start
        self._longest = max(self._longest, length) if self.locks else length
        insort(self.locks, lock, key=_start)

    def try_lock(self, wanted: Lock) -> bool:
        """Shared locks go with shared ones and their owner's exclusive ones, exclusive ones with
        none.  Empty ranges clash with nothing.
        """
        for held in self._near(wanted.start, wanted.end):
            if not held.overlaps(wanted.start, wanted.end):
                continue
            if wanted.exclusive or (held.exclusive and not held.has_owner_of(wanted)):
                return False
        self._hold(wanted)
        return True

    def wait(self, wanted: Lock, granted: Callable[[], None]) -> Waiter:
        waiter = Waiter(wanted, granted)
        self.waiters.append(waiter)
        return waiter

    def unlock(self, wanted: Lock) -> None:
        """Drop one lock of exactly that range, exclusive ones first.

        Raises STATUS_RANGE_NOT_LOCKED.
        """
        first = bisect_left(self.locks, wanted.start, key=_start)
        last = bisect_right(self.locks, wanted.start, key=_start)
        fitting = [
            number
            for number in range(first, last)
            if self.locks[number].end == wanted.end and self.locks[number].has_owner_of(wanted)
        ]
        if not fitting:
            raise NtError(STATUS_RANGE_NOT_LOCKED)
        del self.locks[min(fitting, key=lambda number: not self.locks[number].exclusive)]
        self._grant()

    def unlock_all(self, file: int, process: int | None = None) -> None:
        """A process, or with None everybody, closes the file object."""
        kept = [
            lock
            for lock in self.locks
            if lock.file != file or (process is not None and lock.process != process)
        ]
        if len(kept) < len(self.locks):
            self.locks = kept
            self._grant()

    def check(
        self, offset: int, size: int, file: int, process: int, key: int, *, write: bool
    ) -> None:
        """May these bytes be read or written?  Raises STATUS_FILE_LOCK_CONFLICT.

        Reading passes everybody's shared locks and one's own; writing only one's own exclusive.
        """
        for held in self._near(offset, offset + size):
            if held.overlaps(offset, offset + size):
                own = held.is_owned_by(file, process, key)
                if not ((own and held.exclusive) or (not held.exclusive and not write)):
                    raise NtError(STATUS_FILE_LOCK_CONFLICT)

    def _grant(self) -> None:
        for waiter in list(self.waiters):
            if waiter in self.waiters and self.try_lock(waiter.lock):
                self.waiters.remove(waiter)
                waiter.granted()
