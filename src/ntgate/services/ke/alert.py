"""Alerts by thread id, which newer ntdlls build their locks on.

The mark of an alert that came before its wait has no place in XP's ETHREAD: the companion of
the thread holds it.
"""

from __future__ import annotations

from typing import Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, LARGE_INTEGER, ULONG, InOpt
from ntgate.errors import NtError
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus


@service()
def NtAlertThreadByThreadId(caller: Thread, ThreadId: ULONG) -> Outcome:
    """Wake a thread of the process from NtWaitForAlertByThreadId, or its next call of that."""
    objects = caller.executive.objects
    try:
        body = objects.reference_by_id(ThreadId, objects.types["Thread"])
    except NtError:
        return ntstatus.STATUS_INVALID_CID
    objects.dereference(body)
    thread = caller.executive.processes.threads[body]
    if thread.process is not caller.process:
        return ntstatus.STATUS_ACCESS_DENIED
    if thread.waits_for_alert:
        thread.waits_for_alert = False
        caller.executive.processes.unwait(thread, ntstatus.STATUS_ALERTED)
    else:
        thread.alert_by_id = True
    return ntstatus.STATUS_SUCCESS


@service()
def NtWaitForAlertByThreadId(
    caller: Thread, Handle: HANDLE, Timeout: InOpt[LARGE_INTEGER]
) -> Outcome:
    """Wait for NtAlertThreadByThreadId; Handle is an address that only debuggers look at."""
    limit = Timeout.read() if Timeout else None
    if caller.alert_by_id:
        caller.alert_by_id = False
        return ntstatus.STATUS_ALERTED
    if limit == 0:
        return ntstatus.STATUS_TIMEOUT
    caller.waits_for_alert = True
    caller.executive.processes.wait(caller, limit)
    return Wait(_alerted)


def _alerted(caller: Thread, status: int, _state: Any) -> Outcome:
    caller.waits_for_alert = False
    return status
