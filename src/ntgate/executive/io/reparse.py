r"""Reparse points: the buffers that set and tell them, and where a path goes on through one.

A junction's target is a full NT path, `\??\C:\folder`; so is a symbolic link's, or it is
relative to the folder that the link is in.  What is left of a path is added, and the I/O manager
starts again from the root of the namespace: a target leads nowhere that the program could not
name itself.  Symbolic links are newer than XP, which doesn't know their tag.
"""

from __future__ import annotations

import struct

from ntgate.errors import NtError
from ntgate.executive.uuids import GUID_SIZE
from ntgate.layout import ntstatus as s
from ntgate.records import dataclass

HEADER = struct.Struct("<I2H")  # ReparseTag, ReparseDataLength, Reserved
LARGEST = 0x4000  # bytes of a whole buffer
IO_REPARSE_TAG_MOUNT_POINT = 0xA000_0003
IO_REPARSE_TAG_SYMLINK     = 0xA000_000C
IO_REPARSE_TAG_RESERVED_RANGE = 1
TAG_MICROSOFT = 0x8000_0000
TAG_VALID = 0xF000_FFFF
SYMLINK_FLAG_RELATIVE = 1
NAMES = struct.Struct("<4H")  # offset and length of the substitute name, and of the print name


class Reparse(Exception):
    """An open goes on at `path`, a full NT path: STATUS_REPARSE."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True)
class ReparsePoint:
    """`guid` is empty for Microsoft's tags; `target` for tags that lead nowhere."""

    tag: int
    guid: bytes
    data: bytes
    target: str = ""
    relative: bool = False

    @property
    def buffer(self) -> bytes:
        """REPARSE_DATA_BUFFER, or REPARSE_GUID_DATA_BUFFER."""
        return HEADER.pack(self.tag, len(self.data), 0) + self.guid + self.data

    @property
    def header_size(self) -> int:
        return HEADER.size + len(self.guid)

    def check_same(self, other: ReparsePoint) -> None:
        """Only one of the same kind replaces or deletes it; raises NtError."""
        if self.tag != other.tag:
            raise NtError(s.STATUS_IO_REPARSE_TAG_MISMATCH)
        if self.guid != other.guid:
            raise NtError(s.STATUS_REPARSE_ATTRIBUTE_CONFLICT)

    def resolve(self, folder: str, rest: str) -> str:
        r"""The path to go on with: `folder` is the NT path of the one that the point is in,
        `rest` what is left of the name, with its backslash.

        Raises STATUS_IO_REPARSE_TAG_NOT_HANDLED.
        """
        if not self.target:
            raise NtError(s.STATUS_IO_REPARSE_TAG_NOT_HANDLED)
        if not self.relative:
            return self.target.removesuffix("\\") + rest if rest else self.target
        parts = folder.split("\\")
        top = 3  # "", Device and the volume's name
        for part in self.target.split("\\"):
            if part == "..":
                if len(parts) <= top:
                    raise NtError(s.STATUS_OBJECT_PATH_INVALID)
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        return "\\".join(parts) + rest


def parse(data: bytes) -> ReparsePoint:
    """What FSCTL_SET_REPARSE_POINT is given; raises NtError."""
    tag, guid, content = _split(data)
    if tag not in (IO_REPARSE_TAG_MOUNT_POINT, IO_REPARSE_TAG_SYMLINK):
        return ReparsePoint(tag, guid, content)
    fixed = NAMES.size + (4 if tag == IO_REPARSE_TAG_SYMLINK else 0)
    if len(content) < fixed:
        raise NtError(s.STATUS_IO_REPARSE_DATA_INVALID)
    offset, length, print_offset, print_length = NAMES.unpack_from(content)
    names = content[fixed:]
    in_bounds = offset + length <= len(names) and print_offset + print_length <= len(names)
    if not in_bounds or not length or (offset | length | print_offset | print_length) & 1:
        raise NtError(s.STATUS_IO_REPARSE_DATA_INVALID)
    target = names[offset : offset + length].decode("utf-16-le", "surrogatepass")
    relative = fixed > NAMES.size and content[NAMES.size] & SYMLINK_FLAG_RELATIVE
    if not relative and not target.startswith("\\"):
        raise NtError(s.STATUS_IO_REPARSE_DATA_INVALID)
    return ReparsePoint(tag, guid, content, target, bool(relative))


def parse_deletion(data: bytes) -> ReparsePoint:
    """What FSCTL_DELETE_REPARSE_POINT is given: a header alone; raises NtError."""
    tag, guid, content = _split(data)
    if content:
        raise NtError(s.STATUS_IO_REPARSE_DATA_INVALID)
    return ReparsePoint(tag, guid, b"")


def _split(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag, GUID and data."""
    if not HEADER.size <= len(data) <= LARGEST:
        raise NtError(s.STATUS_IO_REPARSE_DATA_INVALID)
    tag, length, _reserved = HEADER.unpack_from(data)
    if tag <= IO_REPARSE_TAG_RESERVED_RANGE or tag & ~TAG_VALID:
        raise NtError(s.STATUS_IO_REPARSE_TAG_INVALID)
    start = HEADER.size + (0 if tag & TAG_MICROSOFT else GUID_SIZE)
    if start + length != len(data):
        raise NtError(s.STATUS_IO_REPARSE_DATA_INVALID)
    guid = data[HEADER.size : start]
    if guid and not any(guid):
        raise NtError(s.STATUS_IO_REPARSE_DATA_INVALID)
    return tag, guid, data[start:]
