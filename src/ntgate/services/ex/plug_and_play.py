"""Plug and play: its services are for the holder of SeTcbPrivilege, and there is no manager."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG, Scalar
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_TCB
from ntgate.layout import ntstatus
from ntgate.services.ps.ps_information import demand

PLUGPLAY_CONTROL_CLASS = Annotated[int, Scalar("PLUGPLAY_CONTROL_CLASS")]
EventBlockAt = Annotated[int, Scalar("PPLUGPLAY_EVENT_BLOCK", kind="pointer")]


@service(partial="for who may ask: STATUS_NOT_IMPLEMENTED")
def NtPlugPlayControl(
    caller: Thread,
    PnPControlClass: PLUGPLAY_CONTROL_CLASS,
    PnPControlData: PVOID,
    PnPControlDataLength: ULONG,
) -> Outcome:
    """Devices and their properties."""
    demand(caller, SE_TCB)
    return ntstatus.STATUS_NOT_IMPLEMENTED


@service(partial="for who may ask: STATUS_NOT_IMPLEMENTED")
def NtGetPlugPlayEvent(
    caller: Thread,
    EventHandle: HANDLE,
    Context: PVOID,
    EventBlock: EventBlockAt,
    EventBufferSize: ULONG,
) -> Outcome:
    """Wait for a device that comes or goes."""
    demand(caller, SE_TCB)
    return ntstatus.STATUS_NOT_IMPLEMENTED
