"""What the services that ask and change processes and threads share: lengths and privileges.

XP's classes take a buffer of exactly their length.  Classes that only newer systems have are
answered where Wine's DLLs ask for them.
"""

from __future__ import annotations

from ntgate.dispatch.types import ULONG, OutOpt
from ntgate.errors import NtError
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus

THE_PROCESSOR = 1  # an affinity mask
HIGHEST_PAGE_PRIORITY = 5
POWER_THROTTLING = 0x0C  # bytes of POWER_THROTTLING_PROCESS_STATE and of the thread's
IO_COUNTERS_SIZE = 0x30


def answer(
    caller: Thread, data: bytes, address: int, length: int, returned: OutOpt[ULONG]
) -> int:
    """Give information whose length must be exact."""
    if length != len(data):
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    returned.probe()
    caller.memory.write(address, data)
    returned.write(len(data))
    return ntstatus.STATUS_SUCCESS


def answer_string(
    caller: Thread, text: str, address: int, length: int, returned: OutOpt[ULONG]
) -> int:
    """Give a UNICODE_STRING with its text behind it, NUL included in the room."""
    data = text.encode("utf-16-le", "surrogatepass")
    size = 8 + len(data) + 2
    returned.write(size)
    if length < size:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    string = len(data).to_bytes(2, "little") + (len(data) + 2).to_bytes(2, "little")
    caller.memory.write(address, string + (address + 8).to_bytes(4, "little") + data + b"\0\0")
    return ntstatus.STATUS_SUCCESS


def given(caller: Thread, address: int, length: int, size: int) -> bytes:
    """A structure of exactly `size` bytes; raises STATUS_INFO_LENGTH_MISMATCH."""
    if length != size:
        raise NtError(ntstatus.STATUS_INFO_LENGTH_MISMATCH)
    return caller.memory.read(address, size)


def given_u32(caller: Thread, address: int, length: int) -> int:
    """A ULONG; raises STATUS_INFO_LENGTH_MISMATCH."""
    return u32(given(caller, address, length, 4))


def u32(data: bytes) -> int:
    """A ULONG that was given."""
    return int.from_bytes(data, "little")


def demand(caller: Thread, privilege: int) -> None:
    """Raises STATUS_PRIVILEGE_NOT_HELD unless the caller has the privilege enabled."""
    if not caller.executive.security.effective(caller.ethread).has_privilege(privilege):
        raise NtError(ntstatus.STATUS_PRIVILEGE_NOT_HELD)
