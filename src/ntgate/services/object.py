"""Handles."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus


@service()
def NtClose(caller: Thread, Handle: HANDLE) -> Outcome:
    """Close a handle of the calling process."""
    caller.executive.objects.close_handle(caller.process.handles, Handle)
    return ntstatus.STATUS_SUCCESS
