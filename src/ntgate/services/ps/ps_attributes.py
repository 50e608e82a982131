"""PS_ATTRIBUTE_LIST: what NtCreateUserProcess and NtCreateThreadEx are told beside arguments.

A SIZE_T of the whole length, then records of 10h bytes: attribute, size, value or pointer, and
where the length of an answer goes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from ntgate.errors import NtError
from ntgate.layout.ntstatus import STATUS_INVALID_PARAMETER
from ntgate.memory.user import UserMemory
from ntgate.records import dataclass

PS_ATTRIBUTE_PARENT_PROCESS = 0x60000
PS_ATTRIBUTE_DEBUG_PORT     = 0x60001
PS_ATTRIBUTE_TOKEN          = 0x60002
PS_ATTRIBUTE_CLIENT_ID      = 0x10003
PS_ATTRIBUTE_TEB_ADDRESS    = 0x10004
PS_ATTRIBUTE_IMAGE_NAME     = 0x20005
PS_ATTRIBUTE_IMAGE_INFO     = 0x00006
PS_ATTRIBUTE_PRIORITY_CLASS = 0x20008
PS_ATTRIBUTE_ERROR_MODE     = 0x20009
PS_ATTRIBUTE_HANDLE_LIST    = 0x2000B
PS_ATTRIBUTE_JOB_LIST       = 0x20013

RECORD = struct.Struct("<4I")
HEADER = 4
MOST_ATTRIBUTES = 64


@dataclass(frozen=True)
class PsAttribute:
    """`value` is a number or an address, `returned` an address or 0."""

    size: int
    value: int
    returned: int


class PsAttributes:
    """The records of one list, by attribute."""

    def __init__(self, memory: UserMemory, records: Mapping[int, PsAttribute]) -> None:
        self._memory = memory
        self._records = records

    def __contains__(self, attribute: int) -> bool:
        return attribute in self._records

    def value(self, attribute: int) -> int:
        """The number of an attribute, 0 where it is not there."""
        record = self._records.get(attribute)
        return record.value if record else 0

    def data(self, attribute: int) -> bytes:
        """What an attribute points at, nothing where it is not there."""
        record = self._records.get(attribute)
        return self._memory.read(record.value, record.size) if record else b""

    def handles(self, attribute: int) -> tuple[int, ...]:
        """An array of handles."""
        data = self.data(attribute)
        if len(data) % 4:
            raise NtError(STATUS_INVALID_PARAMETER)
        return struct.unpack(f"<{len(data) // 4}I", data)

    def answer(self, attribute: int, data: bytes) -> None:
        """Write as much of an answer as there is room for, where it was asked for."""
        record = self._records.get(attribute)
        if record is None:
            return
        data = data[: record.size]
        self._memory.write(record.value, data)
        if record.returned:
            self._memory.set_u32(record.returned, len(data))


def read_attributes(memory: UserMemory, address: int) -> PsAttributes:
    """The list at an address, empty for NULL; raises NtError and AccessViolation."""
    if not address:
        return PsAttributes(memory, {})
    count, rest = divmod(memory.u32(address) - HEADER, RECORD.size)
    if rest or not 0 <= count <= MOST_ATTRIBUTES:
        raise NtError(STATUS_INVALID_PARAMETER)
    records = {}
    for attribute, size, value, returned in RECORD.iter_unpack(
        memory.read(address + HEADER, count * RECORD.size)
    ):
        if attribute in records:
            raise NtError(STATUS_INVALID_PARAMETER)
        records[attribute] = PsAttribute(size, value, returned)
    return PsAttributes(memory, records)
