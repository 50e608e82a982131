"""Names of files on the host, which Wine's DLLs ask for and no program here gets."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import PVOID, ULONG
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus


@service()
def wine_nt_to_unix_file_name(
    caller: Thread, ObjectAttributes: PVOID, Name: PVOID, Size: PVOID, Disposition: ULONG
) -> Outcome:
    """No file of the machine has a name on the host."""
    return ntstatus.STATUS_OBJECT_PATH_NOT_FOUND


@service()
def wine_unix_to_nt_file_name(
    caller: Thread, Name: PVOID, Buffer: PVOID, Size: PVOID
) -> Outcome:
    """No file of the host has a name in the machine."""
    return ntstatus.STATUS_OBJECT_PATH_NOT_FOUND
