"""Profile objects: at the clock interrupt, the bucket of the interrupted eip is counted.

A started profile is a KPROFILE in the list of its process, or in KiProfileListHead for all; the
sampler goes through those lists.  The machine's only source of profile interrupts is the clock,
so that the interval is a number of ticks.

EPROFILE and KPROFILE are in no public table of XP's types; their members are those of public
headers and write-ups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.layout import lists, ntstatus
from ntgate.layout import machine as m
from ntgate.layout.ke import KPROCESS, KTRAP_FRAME, LIST_ENTRY
from ntgate.memory.structs import Struct, embed, u8, u16, u32
from ntgate.memory.user import AccessViolation
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Process, Thread

TYPE_PROFILE = 23  # KOBJECTS.ProfileObject
TAG = b"Prof"
MOST_TICKS = 64  # of one interval
PROFILE_TIME = 0


class EPROFILE(Struct, size=0x30):
    """The body of a profile object."""

    Process             = u32(0x00)  # KPROCESS, 0 for all
    RangeBase           = u32(0x04)
    RangeSize           = u32(0x08)
    Buffer              = u32(0x0C)  # of the process that made it: a ULONG for each bucket
    BufferSize          = u32(0x10)
    BucketSize          = u32(0x14)  # a power of two
    ProfileObject       = u32(0x18)  # KPROFILE, while it is started
    LockedBufferAddress = u32(0x1C)
    Mdl                 = u32(0x20)
    Segment             = u32(0x24)
    ProfileSource       = u32(0x28)
    Affinity            = u32(0x2C)


class KPROFILE(Struct, size=0x2C):
    Type             = u16(0x00)
    Size             = u16(0x02)
    ProfileListEntry = embed(0x04, LIST_ENTRY)
    Process          = u32(0x0C)
    RangeBase        = u32(0x10)
    RangeLimit       = u32(0x14)
    BucketShift      = u32(0x18)
    Buffer           = u32(0x1C)
    Segment          = u32(0x20)
    Affinity         = u32(0x24)
    Source           = u16(0x28)
    Started          = u8(0x2A)


@dataclass(frozen=True)
class Owner:
    """The process in whose memory a profile's buffer is."""

    process: Process


class Profiles:
    """What is being profiled; `started` is how many are."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.kernel = executive.kernel
        self.blocks = executive.objects.blocks
        self.kind = executive.objects.types["Profile"]
        self.kind.delete = self._delete
        self.started = 0
        self._head = executive.symbols["KiProfileListHead"]
        self._interval = executive.symbols["KiProfileInterval"]
        self._passed = 0  # ticks since the last sample
        self._owners: dict[int, Process] = {}  # in whose memory a KPROFILE's buffer is

    @property
    def interval(self) -> int:
        """100 ns units between two samples."""
        return self.kernel.u32(self._interval)

    def set_interval(self, wanted: int) -> None:
        """To the nearest that there is."""
        ticks = min(max((wanted + m.TICK_100NS // 2) // m.TICK_100NS, 1), MOST_TICKS)
        self.kernel.set_u32(self._interval, ticks * m.TICK_100NS)

    def start(self, body: int) -> None:
        """Raises STATUS_PROFILING_NOT_STOPPED for one that is started."""
        profile = EPROFILE(self.kernel, body)
        if profile.ProfileObject:
            raise NtError(ntstatus.STATUS_PROFILING_NOT_STOPPED)
        started = KPROFILE(self.kernel, self.blocks.allocate(KPROFILE.SIZE, TAG))
        started.Type, started.Size = TYPE_PROFILE, KPROFILE.SIZE
        started.Process, started.Buffer = profile.Process, profile.Buffer
        started.RangeBase = profile.RangeBase
        started.RangeLimit = profile.RangeBase + profile.RangeSize & 0xFFFFFFFF
        started.BucketShift = profile.BucketSize.bit_length() - 3
        started.Segment, started.Source = profile.Segment, profile.ProfileSource
        started.Affinity, started.Started = profile.Affinity, 1
        profile.ProfileObject = started.address
        self._owners[started.address] = self.executive.objects.companion(body, Owner).process
        lists.insert_tail(self.kernel, self._list(profile), started.ProfileListEntry.address)
        self.started += 1

    def stop(self, body: int) -> None:
        """Raises STATUS_PROFILING_NOT_STARTED."""
        profile = EPROFILE(self.kernel, body)
        if not profile.ProfileObject:
            raise NtError(ntstatus.STATUS_PROFILING_NOT_STARTED)
        started = KPROFILE(self.kernel, profile.ProfileObject)
        lists.remove(self.kernel, started.ProfileListEntry.address)
        del self._owners[started.address]
        self.blocks.free(started.address)
        profile.ProfileObject = 0
        self.started -= 1

    def sample(self, thread: Thread, frame: KTRAP_FRAME) -> None:
        """The clock has interrupted a thread."""
        self._passed += 1
        if self._passed * m.TICK_100NS < self.interval:
            return
        self._passed = 0
        own = thread.process.eprocess.Pcb.ProfileListHead.address
        for head in (own, self._head):
            for entry in lists.entries(self.kernel, head):
                profile = KPROFILE(self.kernel, entry - KPROFILE.ProfileListEntry.offset)
                self._count(profile, frame)

    def _count(self, profile: KPROFILE, frame: KTRAP_FRAME) -> None:
        eip = frame.Eip
        if profile.Source != PROFILE_TIME or not profile.RangeBase <= eip < profile.RangeLimit:
            return
        if profile.Segment and profile.Segment != frame.SegCs & 0xFFFF:
            return
        owner = self._owners.get(profile.address)
        if owner is None or owner.exited:
            return
        bucket = profile.Buffer + (eip - profile.RangeBase >> profile.BucketShift & ~3)
        try:
            owner.memory.set_u32(bucket, owner.memory.u32(bucket) + 1)
        except AccessViolation:
            return  # the program has freed its buffer

    def _list(self, profile: EPROFILE) -> int:
        if not profile.Process:
            return self._head
        address: int = profile.Process + KPROCESS.ProfileListHead.offset
        return address

    def _delete(self, body: int) -> None:
        profile = EPROFILE(self.kernel, body)
        if profile.ProfileObject:
            self.stop(body)
        if profile.Process:
            self.executive.objects.dereference(profile.Process)
