"""The clock and its resolution."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import BOOLEAN, LARGE_INTEGER, ULONG, In, Out, OutOpt
from ntgate.executive.ke.clock import PERFORMANCE_FREQUENCY
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_SYSTEMTIME
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.services.ps.ps_information import demand


@service()
def NtQuerySystemTime(caller: Thread, SystemTime: Out[LARGE_INTEGER]) -> Outcome:
    """The virtual time in 100 ns units since 1601."""
    SystemTime.write(caller.executive.clock.precise_system_time())
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryPerformanceCounter(
    caller: Thread,
    PerformanceCounter: Out[LARGE_INTEGER],
    PerformanceFrequency: OutOpt[LARGE_INTEGER],
) -> Outcome:
    """A counter of 10 MHz, the rate that Wine's ntdll takes for granted."""
    PerformanceCounter.write(caller.executive.clock.performance_counter())
    PerformanceFrequency.write(PERFORMANCE_FREQUENCY)
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryTimerResolution(
    caller: Thread,
    MaximumTime: Out[ULONG],
    MinimumTime: Out[ULONG],
    CurrentTime: Out[ULONG],
) -> Outcome:
    """One tick is all there is."""
    for pointer in (MaximumTime, MinimumTime, CurrentTime):
        pointer.write(m.TICK_100NS)
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetTimerResolution(
    caller: Thread, DesiredResolution: ULONG, SetResolution: BOOLEAN, CurrentResolution: Out[ULONG]
) -> Outcome:
    """Ask for a finer clock, or no longer; it stays one tick."""
    CurrentResolution.write(m.TICK_100NS)
    process = caller.process.eprocess
    if not SetResolution and not process.SetTimerResolution:
        return ntstatus.STATUS_TIMER_RESOLUTION_NOT_SET
    process.SetTimerResolution = int(bool(SetResolution))
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetSystemTime(
    caller: Thread, SystemTime: In[LARGE_INTEGER], PreviousTime: OutOpt[LARGE_INTEGER]
) -> Outcome:
    """Set the virtual clock; for the holder of SeSystemtimePrivilege."""
    new = SystemTime.read()
    PreviousTime.probe()
    if new <= 0:
        return ntstatus.STATUS_INVALID_PARAMETER
    demand(caller, SE_SYSTEMTIME)
    clock = caller.executive.clock
    previous = clock.precise_system_time()
    clock.set_system_time(new)
    PreviousTime.write(previous)
    return ntstatus.STATUS_SUCCESS
