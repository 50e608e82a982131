"""Profile objects: which code runs, counted by address at the clock interrupt."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG, Out, Scalar
from ntgate.executive.ke.profiles import EPROFILE, PROFILE_TIME, Owner
from ntgate.executive.ob import UNNAMED
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_SYSTEM_PROFILE
from ntgate.layout import ntstatus
from ntgate.layout.access import PROCESS_QUERY_INFORMATION, PROFILE_ALL_ACCESS, PROFILE_CONTROL
from ntgate.services.ps.ps_information import demand
from ntgate.services.ps.thread_create import process_of

FEWEST_BITS, MOST_BITS = 2, 31  # of a bucket's size
SEGMENTS_END = 0x10000  # a base below that is a selector, where no bucket size is given
PROFILE_ALIGNMENT_FIXUP = 1

KPROFILE_SOURCE = Annotated[int, Scalar("KPROFILE_SOURCE")]
PULONG = Annotated[int, Scalar("PULONG", kind="pointer")]


@service()
def NtCreateProfile(
    caller: Thread,
    ProfileHandle: Out[HANDLE],
    Process: HANDLE,
    ProfileBase: PVOID,
    ProfileSize: ULONG,
    BucketSize: ULONG,
    Buffer: PULONG,
    BufferSize: ULONG,
    ProfileSource: KPROFILE_SOURCE,
    Affinity: ULONG,
) -> Outcome:
    """Count where a process runs, or with SeSystemProfilePrivilege all of them, in a range.

    A bucket is 2 ** BucketSize bytes of code and one ULONG of the buffer.  Of the sources the
    clock is the only one that counts.
    """
    if not BufferSize:
        return ntstatus.STATUS_INVALID_PARAMETER_7
    segment = 0
    if not BucketSize and ProfileBase < SEGMENTS_END and BufferSize >= 4:
        segment, ProfileBase = ProfileBase, 0
        a_bucket = ProfileSize // (BufferSize // 4)
        BucketSize = max(a_bucket - 1, 0).bit_length() if a_bucket else 0
        BucketSize = max(BucketSize, FEWEST_BITS)
    if not FEWEST_BITS <= BucketSize <= MOST_BITS:
        return ntstatus.STATUS_INVALID_PARAMETER
    if ProfileSize >> BucketSize - 2 > BufferSize:
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    ProfileHandle.probe()
    caller.memory.probe_for_write(Buffer, BufferSize)
    if ProfileBase + ProfileSize >> 32:
        return ntstatus.STATUS_BUFFER_OVERFLOW
    objects = caller.executive.objects
    process = 0
    if Process:
        process = process_of(caller, Process, PROCESS_QUERY_INFORMATION).eprocess.address
    else:
        demand(caller, SE_SYSTEM_PROFILE)
    body = objects.create(objects.types["Profile"], EPROFILE.SIZE, UNNAMED)
    if process:
        objects.reference(process)
    profile = EPROFILE(caller.executive.kernel, body)
    profile.Process, profile.RangeBase, profile.RangeSize = process, ProfileBase, ProfileSize
    profile.Buffer, profile.BufferSize = Buffer, BufferSize
    profile.BucketSize, profile.Segment = 1 << BucketSize, segment
    profile.ProfileSource, profile.Affinity = ProfileSource, Affinity
    objects.set_companion(body, Owner(caller.process))
    inserted = objects.insert(caller.process.handles, body, PROFILE_ALL_ACCESS, UNNAMED)
    ProfileHandle.write(inserted.handle)
    return inserted.status


@service()
def NtStartProfile(caller: Thread, ProfileHandle: HANDLE) -> Outcome:
    """Begin to count."""
    body = caller.object(ProfileHandle, "Profile", PROFILE_CONTROL)
    caller.executive.profiles.start(body)
    return ntstatus.STATUS_SUCCESS


@service()
def NtStopProfile(caller: Thread, ProfileHandle: HANDLE) -> Outcome:
    """Count no longer; what the buffer has stays."""
    body = caller.object(ProfileHandle, "Profile", PROFILE_CONTROL)
    caller.executive.profiles.stop(body)
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryIntervalProfile(
    caller: Thread, ProfileSource: KPROFILE_SOURCE, Interval: Out[ULONG]
) -> Outcome:
    """100 ns units between two profile interrupts; 0 for what the machine can't count."""
    if ProfileSource == PROFILE_TIME:
        Interval.write(caller.executive.profiles.interval)
    else:
        Interval.write(int(ProfileSource == PROFILE_ALIGNMENT_FIXUP))
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetIntervalProfile(
    caller: Thread, Interval: ULONG, Source: KPROFILE_SOURCE
) -> Outcome:
    """For the holder of SeSystemProfilePrivilege; the nearest number of clock ticks counts."""
    demand(caller, SE_SYSTEM_PROFILE)
    if Source == PROFILE_TIME:
        caller.executive.profiles.set_interval(Interval)
    return ntstatus.STATUS_SUCCESS
