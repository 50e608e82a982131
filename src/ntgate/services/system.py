"""The clock."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import LARGE_INTEGER, ULONG, Out, OutOpt
from ntgate.executive.ke.clock import BOOT_SYSTEM_TIME, PERFORMANCE_FREQUENCY
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus


@service()
def NtQuerySystemTime(caller: Thread, SystemTime: Out[LARGE_INTEGER]) -> Outcome:
    """The virtual time in 100 ns units since 1601."""
    SystemTime.write(BOOT_SYSTEM_TIME + caller.executive.clock.precise())
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryPerformanceCounter(
    caller: Thread,
    PerformanceCounter: Out[LARGE_INTEGER],
    PerformanceFrequency: OutOpt[LARGE_INTEGER],
) -> Outcome:
    """The counter of the ACPI timer, 3.58 MHz."""
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
        pointer.write(156_250)
    return ntstatus.STATUS_SUCCESS
