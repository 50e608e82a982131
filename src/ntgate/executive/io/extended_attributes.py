"""Extended attributes of files: the lists that programs give and get, and what a file keeps.

FILE_FULL_EA_INFORMATION: NextEntryOffset, Flags, EaNameLength, EaValueLength, the name with a
NUL, the value; FILE_GET_EA_INFORMATION: NextEntryOffset, EaNameLength, the name with a NUL.
"""

from __future__ import annotations

import struct

from ntgate.errors import NtError
from ntgate.executive.io.chain import Chain
from ntgate.layout import ntstatus as s
from ntgate.records import dataclass

FULL_EA = struct.Struct("<I2BH")
GET_EA = struct.Struct("<IB")
FILE_NEED_EA = 0x80
LARGEST_EAS = 0xFFFF  # bytes that the attributes of a file take together, as FEA2LIST counts
LONGEST_NAME = 254
# FAT's rules for 8.3 names hold, but for the length and the spaces.
NOT_IN_NAMES = frozenset(b'"*+,/:;<=>?[\\]|') | frozenset(range(32))


@dataclass(frozen=True, slots=True)
class Ea:
    """The name is in capitals, as NTFS keeps it; `flags` is 0 or FILE_NEED_EA."""

    name: bytes
    value: bytes
    flags: int = 0

    def pack(self) -> bytes:
        """FILE_FULL_EA_INFORMATION, NextEntryOffset 0."""
        head = FULL_EA.pack(0, self.flags, len(self.name), len(self.value))
        return head + self.name + b"\0" + self.value


class EaError(NtError):
    """A list that is wrong at `offset`, which the status block tells."""

    def __init__(self, status: int, offset: int) -> None:
        super().__init__(status)
        self.offset = offset


class Eas:
    """What one file has, in the order in which it came."""

    def __init__(self) -> None:
        self._by_name: dict[bytes, Ea] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def all(self) -> list[Ea]:
        return list(self._by_name.values())

    @property
    def size(self) -> int:
        """FILE_EA_INFORMATION.EaSize: what OS/2's list of them would take, 0 without any."""
        if not self._by_name:
            return 0
        return 4 + sum(4 + len(ea.name) + 1 + len(ea.value) for ea in self._by_name.values())

    @property
    def needed(self) -> bool:
        """Whether a program must know of them to understand the file."""
        return any(ea.flags & FILE_NEED_EA for ea in self._by_name.values())

    def get(self, name: bytes) -> Ea:
        """Without a value, where there is none of that name."""
        return self._by_name.get(name, Ea(name, b""))

    def change(self, given: list[Ea]) -> None:
        """Set each one, or remove one that has no value; raises STATUS_EA_TOO_LARGE."""
        before = dict(self._by_name)
        for ea in given:
            if ea.value:
                self._by_name[ea.name] = ea
            else:
                self._by_name.pop(ea.name, None)
        if self.size > LARGEST_EAS:
            self._by_name = before
            raise NtError(s.STATUS_EA_TOO_LARGE)


def _upper(name: bytes) -> bytes:
    """ASCII alone, as bytes.upper does it: the OEM code page is no concern of the kernel's."""
    return name.upper()


def _check_name(name: bytes, offset: int) -> None:
    if not 0 < len(name) <= LONGEST_NAME or not NOT_IN_NAMES.isdisjoint(name):
        raise EaError(s.STATUS_INVALID_EA_NAME, offset)


def parse_full(data: bytes) -> list[Ea]:
    """A list of FILE_FULL_EA_INFORMATION; raises EaError, as IoCheckEaBufferValidity and NTFS."""
    found = []
    offset = 0
    while True:
        if len(data) - offset < FULL_EA.size + 1:
            raise EaError(s.STATUS_EA_LIST_INCONSISTENT, offset)
        following, flags, name_length, value_length = FULL_EA.unpack_from(data, offset)
        name_at = offset + FULL_EA.size
        value_at = name_at + name_length + 1
        end = value_at + value_length
        if end > len(data) or data[value_at - 1]:
            raise EaError(s.STATUS_EA_LIST_INCONSISTENT, offset)
        if following and following != (end - offset + 3 & ~3):
            raise EaError(s.STATUS_EA_LIST_INCONSISTENT, offset)
        name = data[name_at : name_at + name_length]
        _check_name(name, offset)
        if flags & ~FILE_NEED_EA:
            raise EaError(s.STATUS_INVALID_EA_FLAG, offset)
        found.append(Ea(_upper(name), data[value_at:end], flags))
        if not following:
            return found
        offset += following


def parse_names(data: bytes) -> list[bytes]:
    """A list of FILE_GET_EA_INFORMATION, each name once; raises EaError."""
    found: dict[bytes, None] = {}
    offset = 0
    while True:
        if len(data) - offset < GET_EA.size + 1:
            raise EaError(s.STATUS_EA_LIST_INCONSISTENT, offset)
        following, length = GET_EA.unpack_from(data, offset)
        name_at = offset + GET_EA.size
        end = name_at + length + 1
        if end > len(data) or (following and following != (end - offset + 3 & ~3)):
            raise EaError(s.STATUS_EA_LIST_INCONSISTENT, offset)
        name = data[name_at : name_at + length]
        _check_name(name, offset)
        found[_upper(name)] = None
        if not following:
            return list(found)
        offset += following


def pack(eas: list[Ea], room: int, *, single: bool) -> tuple[bytes, int]:
    """As many as fit, each on 4 bytes, and how many these are."""
    chain = Chain(room, 4)
    for ea in eas[:1] if single else eas:
        if not chain.add(ea.pack()):
            break
    return bytes(chain.data), chain.count
