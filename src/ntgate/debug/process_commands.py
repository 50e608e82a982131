"""`!process` and `!thread`: the kernel's records of processes and threads, and their stacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.frames import Place, current_place, walk
from ntgate.debug.processes import (
    find_process,
    find_thread,
    image_name,
    implicit_process,
    implicit_thread,
    owner,
    processes,
    saved_registers,
    threads,
)
from ntgate.debug.records import Record
from ntgate.debug.session import Session
from ntgate.debug.stack import stack_rows
from ntgate.debug.target import Unreadable
from ntgate.layout.ke import TERMINATED, WAITING
from ntgate.layout.machine import SHARED_USER_DATA
from ntgate.layout.se import FAST_REF_MASK

_MULTIPLIER_SHIFT = 24  # of milliseconds
_PAGE_KB = 4
_DEEPEST_STACK = 50

DETAILS, WAITS, THREADS = 1, 2, 4  # the flags of `!process`
_ALL = DETAILS | WAITS | THREADS

_STATES = ("INITIALIZED", "READY", "RUNNING on processor 0", "STANDBY", "TERMINATED", "WAIT",
           "TRANSITION")  # fmt: skip
_REASONS = (
    "Executive", "FreePage", "PageIn", "PoolAllocation", "DelayExecution", "Suspended",
    "UserRequest", "WrExecutive", "WrFreePage", "WrPageIn", "WrPoolAllocation",
    "WrDelayExecution", "WrSuspended", "WrUserRequest", "WrEventPair", "WrQueue", "WrLpcReceive",
    "WrLpcReply", "WrVirtualMemory", "WrPageOut", "WrRendezvous",
)  # fmt: skip
_DISPATCHER_TYPES = {
    0: "NotificationEvent", 1: "SynchronizationEvent", 2: "Mutant", 3: "ProcessObject",
    4: "QueueObject", 5: "Semaphore", 6: "Thread", 7: "Gate", 8: "NotificationTimer",
    9: "SynchronizationTimer",
}  # fmt: skip
_MOST_WAITS = 64


@command(
    "!process",
    help="Show processes, with their threads and stacks",
    usage="!process [EPROCESS | ID | 0 | -1] [FLAGS] [IMAGE]\n"
    "0: all of them; -1 or nothing: the one that is looked at\n"
    "FLAGS: 1 times and sizes, 2 waits, 4 threads, 6 threads with their stacks, 0 the head alone",
)
def show_process(session: Session, args: Arguments) -> Iterable[str]:
    number = _take_which(args)
    flags = args.take_value() if args else (_ALL if number is None else 0)
    image = args.take_word().casefold()
    args.finish()
    if number == 0:
        yield "**** NT ACTIVE PROCESS DUMP ****"
        chosen: Iterable[Record] = processes(session)
    else:
        chosen = [implicit_process(session) if number is None else find_process(session, number)]
    for process in chosen:
        if not image or image_name(process).casefold() == image:
            yield from describe_process(session, process, flags)


def _take_which(args: Arguments) -> int | None:
    """None for the one that is looked at."""
    if not args or args.take_option("-1"):
        return None
    return args.take_address()


def describe_process(session: Session, process: Record, flags: int) -> Iterator[str]:
    """The rows of `!process` for one."""
    yield from head_of(process)
    if flags & DETAILS:
        yield from _details(session, process)
    if flags & (WAITS | THREADS):
        yield ""
        for thread in threads(process):
            rows = describe_thread(session, thread, flags)
            yield from (f"        {row}".rstrip() for row in rows)
    yield ""


def head_of(process: Record) -> Iterator[str]:
    """The three rows that begin with PROCESS."""
    table = process.follow("_HANDLE_TABLE", "ObjectTable")
    count = f"{table['HandleCount']:3}." if table is not None else "  0."
    yield (
        f"PROCESS {process.address:08x}  SessionId: {_session_id(process)}  "
        f"Cid: {process['UniqueProcessId']:04x}    Peb: {process['Peb']:08x}  "
        f"ParentCid: {process['InheritedFromUniqueProcessId']:04x}"
    )
    yield (
        f"    DirBase: {process['Pcb.DirectoryTableBase']:08x}  "
        f"ObjectTable: {process['ObjectTable']:08x}  HandleCount: {count}"
    )
    yield f"    Image: {image_name(process)}"


def _session_id(process: Record) -> str:
    return "none" if not process["Peb"] else "0"


def _details(session: Session, process: Record) -> Iterator[str]:
    now, least, most = (
        process[f"Vm.{name}"]
        for name in ("WorkingSetSize", "MinimumWorkingSetSize", "MaximumWorkingSetSize")
    )
    yield (
        f"    VadRoot {process['VadRoot']:08x} Vads {process['NumberOfVads']} Clone "
        f"{process['CloneRoot']:x} Private {process['NumberOfPrivatePages']}. "
        f"Modified {process['ModifiedPageCount']}. Locked {process['NumberOfLockedPages']}."
    )
    yield f"    DeviceMap {process['DeviceMap']:08x}"
    rows: list[tuple[str, str]] = [
        ("Token", f"{process['Token'] & ~FAST_REF_MASK:08x}"),
        ("UserTime", duration(session, process["Pcb.UserTime"])),
        ("KernelTime", duration(session, process["Pcb.KernelTime"])),
        ("QuotaPoolUsage[PagedPool]", f"{process['QuotaUsage[1]']}"),
        ("QuotaPoolUsage[NonPagedPool]", f"{process['QuotaUsage[0]']}"),
        ("Working Set Sizes (now,min,max)",
         f"({now}, {least}, {most}) ({now * _PAGE_KB}KB, {least * _PAGE_KB}KB, "
         f"{most * _PAGE_KB}KB)"),
        ("PeakWorkingSetSize", f"{process['Vm.PeakWorkingSetSize']}"),
        ("VirtualSize", f"{process['VirtualSize'] >> 20} Mb"),
        ("PeakVirtualSize", f"{process['PeakVirtualSize'] >> 20} Mb"),
        ("PageFaultCount", f"{process['Vm.PageFaultCount']}"),
        ("BasePriority", f"{process['Pcb.BasePriority']}"),
        ("CommitCharge", f"{process['CommitCharge']}"),
    ]  # fmt: skip
    for name, value in rows:
        yield f"    {name:<33} {value}"
    if process["DebugPort"]:
        yield f"    {'DebugPort':<33} {process['DebugPort']:08x}"
    if process["Job"]:
        yield f"    {'Job':<33} {process['Job']:08x}"


@command(
    "!thread",
    help="Show a thread: its state, what it waits for, its stack",
    usage="!thread [ETHREAD | ID | -1] [FLAGS]\nFLAGS: as those of !process; without: all",
)
def show_thread(session: Session, args: Arguments) -> Iterable[str]:
    number = _take_which(args)
    flags = args.take_value() if args else _ALL
    args.finish()
    thread = implicit_thread(session) if number is None else find_thread(session, number)
    yield from describe_thread(session, thread, flags)


def describe_thread(session: Session, thread: Record, flags: int) -> Iterator[str]:
    """The rows of `!thread`, and of a thread below `!process`."""
    state = thread["Tcb.State"]
    name = _STATES[state] if state < len(_STATES) else f"state {state}"
    yield (
        f"THREAD {thread.address:08x}  Cid {thread['Cid.UniqueProcess']:04x}."
        f"{thread['Cid.UniqueThread']:04x}  Teb: {thread['Tcb.Teb']:08x} "
        f"Win32Thread: {thread['Tcb.Win32Thread']:08x} {name}"
        + (_why(thread) if state == WAITING else "")
    )
    if state == WAITING and flags & WAITS:
        yield from (f"    {row}" for row in _waits(thread))
    if not flags & WAITS:
        return
    if thread["ActiveImpersonationInfo"]:
        yield f"Impersonation token:  {_impersonated(thread):08x}"
    else:
        yield "Not impersonating"
    process = owner(session, thread)
    yield f"Owning Process            {process.address:08x}       Image:         " + (
        image_name(process) or "<Unknown>"
    )
    attached = thread["Tcb.ApcState.Process"]
    if attached != process.address:
        yield f"Attached Process          {attached:08x}"
    ticks = _ticks(session)[0] - thread["Tcb.WaitTime"] & 0xFFFFFFFF
    yield (
        f"Wait Start TickCount      {thread['Tcb.WaitTime']:<14} "
        f"Ticks: {ticks} ({_days(session, ticks)})"
    )
    yield f"Context Switch Count      {thread['Tcb.ContextSwitches']}"
    yield f"UserTime                  {duration(session, thread['Tcb.UserTime'])}"
    yield f"KernelTime                {duration(session, thread['Tcb.KernelTime'])}"
    if thread["Win32StartAddress"]:
        yield f"Win32 Start Address {_place(session, process, thread['Win32StartAddress'])}"
    if thread["StartAddress"]:
        yield f"Start Address {_place(session, process, thread['StartAddress'])}"
    yield (
        f"Stack Init {thread['Tcb.InitialStack']:08x} Current {thread['Tcb.KernelStack']:08x} "
        f"Base {thread['Tcb.StackBase']:08x} Limit {thread['Tcb.StackLimit']:08x} Call 0"
    )
    yield (
        f"Priority {thread['Tcb.Priority']} BasePriority {thread['Tcb.BasePriority']} "
        f"PriorityDecrement {thread['Tcb.PriorityDecrement']} "
        f"DecrementCount {thread['Tcb.DecrementCount']}"
    )
    if flags & THREADS and state != TERMINATED:
        yield from stack_of(session, thread)


def _why(thread: Record) -> str:
    reason = thread["Tcb.WaitReason"]
    name = _REASONS[reason] if reason < len(_REASONS) else f"{reason}"
    mode = "UserMode" if thread["Tcb.WaitMode"] else "KernelMode"
    return f": ({name}) {mode} {'Alertable' if thread['Tcb.Alertable'] else 'Non-Alertable'}"


def _waits(thread: Record) -> Iterator[str]:
    """The objects of the wait blocks, in their circle."""
    first = block = thread.follow("_KWAIT_BLOCK", "Tcb.WaitBlockList")
    for _ in range(_MOST_WAITS):
        if block is None:
            return
        waited = block.follow("_DISPATCHER_HEADER", "Object")
        if waited is not None:
            kind = waited["Type"]
            name = _DISPATCHER_TYPES.get(kind, f"type {kind:x}")
            limit = ""
            if name == "Semaphore":
                limit = f" Limit {peek.number(thread.target, waited.address + 0x10):#x}"
            yield f"{waited.address:08x}  {name}{limit}"
        block = block.follow("_KWAIT_BLOCK", "NextWaitBlock")
        if block is not None and first is not None and block.address == first.address:
            return


def _impersonated(thread: Record) -> int:
    information = thread.follow("_PS_IMPERSONATION_INFORMATION", "ImpersonationInfo")
    return information["Token"] & ~FAST_REF_MASK if information is not None else 0


def stack_of(session: Session, thread: Record) -> Iterator[str]:
    """The rows of `kb` for a thread, in the address space of its process."""
    saved = saved_registers(thread)
    if saved is not None:
        place = Place(saved["eip"], saved["ebp"], saved["esp"])
    elif session.target.is_saved_context:
        raise KdError("`.trap`, `.cxr` or `.thread` is in the way: .cxr goes back")
    else:
        place = current_place(session.target)
    with session.seen_from(owner(session, thread)["Pcb.DirectoryTableBase"]):
        yield from stack_rows(session, "b", walk(session.target, place, _DEEPEST_STACK))


def _place(session: Session, process: Record, address: int) -> str:
    with session.seen_from(process["Pcb.DirectoryTableBase"]):
        name = session.name(address)
    return f"{name} (0x{address:08x})" if name else f"0x{address:08x}"


def _ticks(session: Session) -> tuple[int, int]:
    """TickCountLow and its multiplier; nothing where the page is not mapped."""
    try:
        raw = session.target.read(SHARED_USER_DATA, 8)  # TickCountLow, TickCountMultiplier
    except Unreadable:
        return 0, 0
    return int.from_bytes(raw[:4], "little"), int.from_bytes(raw[4:], "little")


def _milliseconds(session: Session, ticks: int) -> int:
    return ticks * _ticks(session)[1] >> _MULTIPLIER_SHIFT


def duration(session: Session, ticks: int) -> str:
    """`00:00:00.015` of clock ticks."""
    seconds, rest = divmod(_milliseconds(session, ticks), 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def _days(session: Session, ticks: int) -> str:
    seconds, rest = divmod(_milliseconds(session, ticks), 1000)
    days, hours = divmod(seconds // 3600, 24)
    return f"{days}:{hours:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
