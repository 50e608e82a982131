"""Disk quotas of the volume: limits that programs set and ask for, and that nobody enforces.

Tracking is off, as on an XP that was just installed: no file counts against its owner's entry.
"""

from __future__ import annotations

import struct

from ntgate.errors import NtError
from ntgate.layout import ntstatus as s
from ntgate.records import dataclass

NO_LIMIT = -1
DELETE_ENTRY = -2  # as a limit: the entry goes
SID_HEAD = 8
# FILE_QUOTA_INFORMATION up to the SID: next, length of the SID, time, used, threshold, limit;
# FILE_GET_QUOTA_INFORMATION: next, length of the SID.
QUOTA = struct.Struct("<2Iq3q")
GET_QUOTA = struct.Struct("<2I")
# FILE_FS_CONTROL_INFORMATION: three of the content index, threshold, limit, flags.
CONTROL = struct.Struct("<5qI4x")
FILE_VC_QUOTA_TRACK, FILE_VC_QUOTA_ENFORCE = 0x01, 0x02
FILE_VC_VALID = 0x3FF


@dataclass(frozen=True, slots=True)
class Entry:
    """`time` is that of its last change; threshold and limit in bytes."""

    threshold: int
    limit: int
    time: int = 0

    def pack(self, sid: bytes) -> bytes:
        return QUOTA.pack(0, len(sid), self.time, 0, self.threshold, self.limit) + sid


class Quotas:
    """By SID, in the order in which they came."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self.flags = 0
        self.threshold = self.limit = NO_LIMIT

    @property
    def control(self) -> bytes:
        """FILE_FS_CONTROL_INFORMATION."""
        return CONTROL.pack(0, 0, 0, self.threshold, self.limit, self.flags)

    def set_control(self, data: bytes) -> None:
        """Raises STATUS_INVALID_PARAMETER for what is no flag, and for tracking."""
        _start, _filter, _stop, threshold, limit, flags = CONTROL.unpack_from(data)
        if flags & ~FILE_VC_VALID or flags & (FILE_VC_QUOTA_TRACK | FILE_VC_QUOTA_ENFORCE):
            raise NtError(s.STATUS_INVALID_PARAMETER)
        if threshold < NO_LIMIT or limit < NO_LIMIT:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        self.threshold, self.limit, self.flags = threshold, limit, flags

    def change(self, given: list[tuple[bytes, Entry]]) -> None:
        for sid, entry in given:
            if entry.limit == DELETE_ENTRY:
                self._entries.pop(sid, None)
            else:
                self._entries[sid] = entry

    def select(self, sids: list[bytes] | None, start: bytes) -> list[bytes]:
        """Records of those SIDs, with the default where there is no entry; of all from `start`
        on without a list.  Raises STATUS_INVALID_SID for a start that has none.
        """
        default = Entry(self.threshold, self.limit)
        if sids is not None:
            return [self._entries.get(sid, default).pack(sid) for sid in sids]
        known = list(self._entries)
        if start and start not in self._entries:
            raise NtError(s.STATUS_INVALID_SID)
        first = known.index(start) if start else 0
        return [self._entries[sid].pack(sid) for sid in known[first:]]


def _check_sid(sid: bytes) -> None:
    if len(sid) < SID_HEAD or sid[0] != 1 or len(sid) != SID_HEAD + 4 * sid[1]:
        raise NtError(s.STATUS_INVALID_SID)


def parse_changes(data: bytes, now: int) -> list[tuple[bytes, Entry]]:
    """A list of FILE_QUOTA_INFORMATION; raises STATUS_QUOTA_LIST_INCONSISTENT."""
    found = []
    for head, sid in _records(data, QUOTA):
        _next, _length, _time, _used, threshold, limit = head
        if threshold < NO_LIMIT or limit < DELETE_ENTRY:
            raise NtError(s.STATUS_INVALID_PARAMETER)
        found.append((sid, Entry(threshold, limit, now)))
    return found


def parse_sids(data: bytes) -> list[bytes]:
    """A list of FILE_GET_QUOTA_INFORMATION; raises STATUS_QUOTA_LIST_INCONSISTENT."""
    return [sid for _head, sid in _records(data, GET_QUOTA)]


def _records(data: bytes, kind: struct.Struct) -> list[tuple[tuple[int, ...], bytes]]:
    found = []
    offset = 0
    while True:
        if len(data) - offset < kind.size:
            raise NtError(s.STATUS_QUOTA_LIST_INCONSISTENT)
        head = kind.unpack_from(data, offset)
        following, length = head[0], head[1]
        sid = data[offset + kind.size : offset + kind.size + length]
        if len(sid) != length or following & 3 or (following and following < kind.size + length):
            raise NtError(s.STATUS_QUOTA_LIST_INCONSISTENT)
        _check_sid(sid)
        found.append((head, sid))
        if not following:
            return found
        offset += following
