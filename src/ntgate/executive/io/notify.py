"""Changes in directories, for those who wait for them."""

from __future__ import annotations

import struct
from dataclasses import field
from typing import TYPE_CHECKING

from ntgate.layout.ntstatus import (
    STATUS_DELETE_PENDING,
    STATUS_NOTIFY_ENUM_DIR,
    STATUS_SUCCESS,
)
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.io.request import Request
    from ntgate.executive.io.stream import Stream
    from ntgate.executive.io.tree import Directory, Entry

FILE_NOTIFY_CHANGE_FILE_NAME   = 0x001
FILE_NOTIFY_CHANGE_DIR_NAME    = 0x002
FILE_NOTIFY_CHANGE_ATTRIBUTES  = 0x004
FILE_NOTIFY_CHANGE_SIZE        = 0x008
FILE_NOTIFY_CHANGE_LAST_WRITE  = 0x010
FILE_NOTIFY_CHANGE_EA          = 0x080
FILE_NOTIFY_CHANGE_STREAM_NAME = 0x200
FILE_NOTIFY_VALID_MASK         = 0xFFF

FILE_ACTION_ADDED            = 1
FILE_ACTION_REMOVED          = 2
FILE_ACTION_MODIFIED         = 3
FILE_ACTION_RENAMED_OLD_NAME = 4
FILE_ACTION_RENAMED_NEW_NAME = 5
FILE_ACTION_ADDED_STREAM     = 6
FILE_ACTION_REMOVED_STREAM   = 7


@dataclass(eq=False, slots=True)
class Watch:
    """What one open directory wants to hear, and has heard since its last request.

    `room` is the buffer of the first request, as on NT; what doesn't fit is lost, and `lost`
    says so.
    """

    directory: Directory
    filter: int
    tree: bool
    room: int
    heard: bytearray = field(default_factory=bytearray)
    last: int = 0  # where the last record in `heard` begins
    lost: bool = False
    waiting: list[tuple[Request, int]] = field(default_factory=list)  # with their room

    def hear(self, name: str, action: int) -> None:
        encoded = name.encode("utf-16-le", "surrogatepass")
        start = len(self.heard) + 3 & ~3
        if self.lost or start + 12 + len(encoded) > self.room:
            self.lost = True
            self.heard.clear()
        else:
            if self.heard:
                self.heard.extend(bytes(start - len(self.heard)))
                struct.pack_into("<I", self.heard, self.last, start - self.last)
            self.last = start
            self.heard += struct.pack("<3I", 0, action, len(encoded)) + encoded

    @property
    def is_due(self) -> bool:
        return self.lost or bool(self.heard)

    def take(self, room: int) -> tuple[int, bytes]:
        """Status and records, once."""
        data = bytes(self.heard)
        lost = self.lost or len(data) > room
        self.heard.clear()
        self.last, self.lost = 0, False
        return (STATUS_NOTIFY_ENUM_DIR, b"") if lost else (STATUS_SUCCESS, data)


class Notifier:
    """The watches of one volume."""

    def __init__(self) -> None:
        self.watches: list[Watch] = []

    def report_stream(self, entry: Entry, stream: Stream, action: int) -> None:
        """A named stream comes or goes."""
        self.report(entry, FILE_NOTIFY_CHANGE_STREAM_NAME, action, stream.suffix)

    def report(self, entry: Entry, changed: int, action: int, suffix: str = "") -> None:
        """An entry has been changed, or goes: it is still in its directory."""
        if not self.watches:
            return
        name, directory = entry.name + suffix, entry.directory
        near = True
        due = []
        while directory is not None:
            for watch in self.watches:
                if (
                    watch.directory is directory
                    and watch.filter & changed
                    and (near or watch.tree)
                ):
                    watch.hear(name, action)
                    if action != FILE_ACTION_RENAMED_OLD_NAME:  # the new one is to follow
                        due.append(watch)
            above = directory.entries[0] if directory.entries else None
            if above is None or above.directory is None:
                break
            name, directory = f"{above.name}\\{name}", above.directory
            near = False
        for watch in due:
            self.answer(watch)

    def ends(self, directory: Directory) -> None:
        """A directory is going to be deleted: nobody need wait for changes in it any more."""
        for watch in self.watches:
            if watch.directory is directory:
                waiting, watch.waiting = watch.waiting, []
                for request, _room in waiting:
                    request.complete(STATUS_DELETE_PENDING)

    @staticmethod
    def answer(watch: Watch) -> None:
        """Complete the oldest request that waits, if there is something to tell."""
        if watch.waiting and watch.is_due:
            request, room = watch.waiting.pop(0)
            status, data = watch.take(room)
            request.complete(status, len(data), data)
