"""What NtQuerySystemInformation tells of processes and threads: classes 5 and 57.

The records are read from the guest's lists, so an EPROCESS that is taken out of
ActiveProcessLinks is missing here too.  Layouts are XP's (SYSTEM_PROCESS_INFORMATION, 0b8h
bytes, then a SYSTEM_THREAD_INFORMATION of 40h bytes for each thread, then the name).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ntgate.executive.executive import Executive
from ntgate.executive.ps.image_path import image_path
from ntgate.layout import lists
from ntgate.layout import machine as m
from ntgate.layout.mm import EPROCESS_VM, bytes_of
from ntgate.layout.ob import HANDLE_TABLE
from ntgate.layout.ps import EPROCESS, ETHREAD

PROCESS, THREAD = 0xB8, 0x40
EXTENDED = struct.Struct("<4I3I4x")  # StackBase, StackLimit, Win32StartAddress, TebBase
IDLE_NAME = ""


def process_information(
    executive: Executive, address: int, *, extended: bool
) -> bytes:
    """The records for a buffer at `address`, to which the names' pointers refer."""
    records = [_idle(executive)]
    head = executive.processes.process_head
    for entry in lists.entries(executive.kernel, head):
        eprocess = EPROCESS_VM(
            executive.kernel, entry - EPROCESS_VM.ActiveProcessLinks.offset
        )
        if eprocess.ProcessDelete:
            continue  # it has ended, and stays only while it is held
        records.append(_record(executive, eprocess, extended=extended))
    out = bytearray()
    for number, (block, name) in enumerate(records):
        start = len(out)
        text = name.encode("utf-16-le", "surrogatepass")
        out += block + text + b"\0\0"
        out.extend(bytes(-len(out) % 8))
        following = len(out) - start if number < len(records) - 1 else 0
        struct.pack_into("<I", out, start, following)
        if text:
            place = address + start + len(block)
            struct.pack_into("<HHI", out, start + 0x38, len(text), len(text) + 2, place)
    return bytes(out)


def _idle(executive: Executive) -> tuple[bytes, str]:
    """Process 0: what runs when nothing does.  It is in no list."""
    block = bytearray(PROCESS)
    idle = ETHREAD(executive.kernel, executive.scheduler.prcb.IdleThread)
    struct.pack_into("<q", block, 0x30, idle.Tcb.KernelTime * m.TICK_100NS)
    return bytes(block), IDLE_NAME


def _threads(executive: Executive, eprocess: EPROCESS_VM) -> Iterator[ETHREAD]:
    head = eprocess.address + EPROCESS_VM.ThreadListHead.offset
    for entry in lists.entries(executive.kernel, head):
        yield ETHREAD(executive.kernel, entry - ETHREAD.ThreadListEntry.offset)


def _record(
    executive: Executive, eprocess: EPROCESS_VM, *, extended: bool
) -> tuple[bytes, str]:
    kernel, tick = executive.kernel, m.TICK_100NS
    threads = list(_threads(executive, eprocess))
    user = sum(thread.Tcb.UserTime for thread in threads) + kernel.u32(
        eprocess.address + EPROCESS_VM.Pcb.offset + 0x3C
    )
    in_kernel = sum(thread.Tcb.KernelTime for thread in threads) + kernel.u32(
        eprocess.address + EPROCESS_VM.Pcb.offset + 0x38
    )
    path = image_path(executive, EPROCESS(kernel, eprocess.address))
    name = path.rpartition("\\")[2] or eprocess.ImageFileName.rstrip(b"\0").decode("latin-1")
    block = bytearray(PROCESS)
    struct.pack_into("<I", block, 0x04, len(threads))
    struct.pack_into("<3q", block, 0x20, eprocess.CreateTime, user * tick, in_kernel * tick)
    handles = HANDLE_TABLE(kernel, eprocess.ObjectTable).HandleCount if eprocess.ObjectTable else 0
    struct.pack_into(
        "<6I", block, 0x40, eprocess.Pcb.BasePriority, eprocess.UniqueProcessId,
        eprocess.InheritedFromUniqueProcessId, handles, 0, eprocess.Pcb.DirectoryTableBase,
    )  # fmt: skip
    vm = eprocess.Vm
    quota = struct.unpack("<6I", kernel.read(eprocess.address + 0x90, 24))
    struct.pack_into(
        "<12I", block, 0x58, eprocess.PeakVirtualSize, eprocess.VirtualSize, vm.PageFaultCount,
        bytes_of(vm.PeakWorkingSetSize), bytes_of(vm.WorkingSetSize),
        quota[4], quota[1], quota[3], quota[0],
        bytes_of(eprocess.CommitCharge), bytes_of(eprocess.CommitChargePeak),
        bytes_of(eprocess.CommitCharge),
    )  # fmt: skip
    block[0x88:0xB8] = kernel.read(eprocess.address + 0x1B8, 48)
    for thread in threads:
        block += _thread(thread, extended=extended)
    return bytes(block), name


def _thread(thread: ETHREAD, *, extended: bool) -> bytes:
    tcb, tick = thread.Tcb, m.TICK_100NS
    record = struct.pack(
        "<3q2I2IiiIII4x", tcb.KernelTime * tick, tcb.UserTime * tick, thread.CreateTime,
        tcb.WaitTime, thread.StartAddress, thread.Cid.UniqueProcess, thread.Cid.UniqueThread,
        tcb.Priority, tcb.BasePriority, tcb.ContextSwitches, tcb.State, tcb.WaitReason,
    )  # fmt: skip
    assert len(record) == THREAD
    if extended:
        record += EXTENDED.pack(
            tcb.StackBase, tcb.StackLimit, thread.Win32StartAddress, tcb.Teb, 0, 0, 0
        )
    return record
