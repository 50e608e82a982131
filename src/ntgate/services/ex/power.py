"""Power: a machine on mains that never sleeps."""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import BOOLEAN, HANDLE, ULONG, Out, Scalar, SizedBy
from ntgate.executive.ke.clock import CPU_MHZ
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_SHUTDOWN
from ntgate.layout import ntstatus
from ntgate.services.ex.shutdown import shut_down
from ntgate.services.ps.ps_information import demand

SystemPowerCapabilities, SystemBatteryState, ProcessorInformation = 4, 5, 11
SystemExecutionState = 16
PowerDeviceD0 = 1
# POWER_ACTION; those between the last two shut down, too.
PowerActionNone, PowerActionShutdown, PowerActionWarmEject = 0, 4, 7
PowerSystemMaximum = 7
ES_CONTINUOUS = 0x8000_0000
ES_VALID = ES_CONTINUOUS | 0x47

POWER_INFORMATION_LEVEL = Annotated[int, Scalar("POWER_INFORMATION_LEVEL")]
EXECUTION_STATE = Annotated[int, Scalar("EXECUTION_STATE", kind="hex")]
POWER_ACTION = Annotated[int, Scalar("POWER_ACTION")]
SYSTEM_POWER_STATE = Annotated[int, Scalar("SYSTEM_POWER_STATE")]
DEVICE_POWER_STATE = Annotated[int, Scalar("DEVICE_POWER_STATE")]
Given = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("InputBufferLength")]
Answer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("OutputBufferLength", "out")]


@service(partial="capabilities, battery, processor and execution state only")
def NtPowerInformation(
    caller: Thread,
    InformationLevel: POWER_INFORMATION_LEVEL,
    InputBuffer: Given,
    InputBufferLength: ULONG,
    OutputBuffer: Answer,
    OutputBufferLength: ULONG,
) -> Outcome:
    """What the machine can do, and in what state it is."""
    if InformationLevel == SystemPowerCapabilities:
        data = bytes(76)  # no button, no lid, no sleep state
    elif InformationLevel == SystemBatteryState:
        data = struct.pack("<4B4x6I", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)  # on mains, no battery
    elif InformationLevel == ProcessorInformation:
        data = struct.pack("<6I", 0, CPU_MHZ, CPU_MHZ, CPU_MHZ, 0, 0)
    elif InformationLevel == SystemExecutionState:
        data = struct.pack("<I", caller.execution_state & ~ES_CONTINUOUS)
    else:
        return ntstatus.STATUS_INVALID_PARAMETER
    if InputBuffer or InputBufferLength or not OutputBuffer:
        return ntstatus.STATUS_INVALID_PARAMETER
    if OutputBufferLength < len(data):
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    caller.memory.write(OutputBuffer, data)
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetThreadExecutionState(
    caller: Thread, ExecutionState: EXECUTION_STATE, PreviousExecutionState: Out[EXECUTION_STATE]
) -> Outcome:
    """What of the machine the thread needs awake; told again as the previous state."""
    if ExecutionState & ~ES_VALID:
        return ntstatus.STATUS_INVALID_PARAMETER
    PreviousExecutionState.write(caller.execution_state | ES_CONTINUOUS)
    if ExecutionState & ES_CONTINUOUS:
        caller.execution_state = ExecutionState
    return ntstatus.STATUS_SUCCESS


@service()
def NtGetDevicePowerState(
    caller: Thread, Device: HANDLE, State: Out[DEVICE_POWER_STATE]
) -> Outcome:
    """Every device is on."""
    caller.object(Device, "File", 0)
    State.write(PowerDeviceD0)
    return ntstatus.STATUS_SUCCESS


@service()
def NtIsSystemResumeAutomatic(caller: Thread) -> Outcome:
    """FALSE as the status: the machine has not been woken."""
    return 0


@service()
def NtRequestWakeupLatency(caller: Thread, LatencyTime: ULONG) -> Outcome:
    """Taken, for a machine that is always awake."""
    return ntstatus.STATUS_SUCCESS


@service()
def NtInitiatePowerAction(
    caller: Thread,
    SystemAction: POWER_ACTION,
    LightestSystemState: SYSTEM_POWER_STATE,
    Flags: ULONG,
    Asynchronous: BOOLEAN,
) -> Outcome:
    """Shut the machine down, which can't sleep; for the holder of SeShutdownPrivilege."""
    return _act(caller, SystemAction, LightestSystemState)


@service()
def NtSetSystemPowerState(
    caller: Thread,
    SystemAction: POWER_ACTION,
    MinSystemState: SYSTEM_POWER_STATE,
    Flags: ULONG,
) -> Outcome:
    """What NtInitiatePowerAction ends in."""
    return _act(caller, SystemAction, MinSystemState)


def _act(caller: Thread, action: int, state: int) -> Outcome:
    demand(caller, SE_SHUTDOWN)
    if action > PowerActionWarmEject or state >= PowerSystemMaximum:
        return ntstatus.STATUS_INVALID_PARAMETER
    if PowerActionShutdown <= action < PowerActionWarmEject:
        return shut_down(caller)
    return ntstatus.STATUS_SUCCESS if action == PowerActionNone else ntstatus.STATUS_NOT_SUPPORTED
