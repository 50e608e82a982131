"""The clock, its resolution, and the profile interrupt."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import BOOLEAN, LARGE_INTEGER, ULONG, In, Out, OutOpt, Scalar
from ntgate.executive.ke.clock import PERFORMANCE_FREQUENCY
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_SYSTEM_PROFILE, SE_SYSTEMTIME
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.services.ps_information import demand

KPROFILE_SOURCE = Annotated[int, Scalar("KPROFILE_SOURCE")]
ProfileTime, ProfileAlignmentFixup = 0, 1


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


@service()
def NtQueryIntervalProfile(
    caller: Thread, ProfileSource: KPROFILE_SOURCE, Interval: Out[ULONG]
) -> Outcome:
    """100 ns units between two profile interrupts; 0 for what the machine can't count."""
    if ProfileSource == ProfileTime:
        Interval.write(caller.executive.profile_interval)
    else:
        Interval.write(int(ProfileSource == ProfileAlignmentFixup))
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetIntervalProfile(
    caller: Thread, Interval: ULONG, Source: KPROFILE_SOURCE
) -> Outcome:
    """For the holder of SeSystemProfilePrivilege."""
    demand(caller, SE_SYSTEM_PROFILE)
    if Source == ProfileTime:
        caller.executive.profile_interval = min(max(Interval, 1221), 1_000_000)
    return ntstatus.STATUS_SUCCESS
