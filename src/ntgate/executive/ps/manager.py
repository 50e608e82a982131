"""Making and ending processes and threads.

The lists that the manager walks are the guest's: PsActiveProcessHead, EPROCESS.ThreadListHead,
PspCidTable.  What an unlinked EPROCESS loses here, it loses everywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from ntgate.entry.context import ALL, INITIAL_FX, SIZE, TrapContext
from ntgate.errors import NtError
from ntgate.executive.events import ProcessStart, ThreadStart
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.ps import apc, suspend
from ntgate.executive.ps.exceptions import raise_status
from ntgate.executive.ps.job import Jobs
from ntgate.executive.ps.modules import LoadedModules
from ntgate.executive.ps.rundown import Rundown
from ntgate.executive.ps.stacks import KernelStacks
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import lists, ntstatus
from ntgate.layout import machine as m
from ntgate.layout.ke import (
    INITIALIZED,
    KAPC_STATE,
    KPROCESS,
    KTHREAD,
    PROCESS_OBJECT,
    RUNNING,
    THREAD_OBJECT,
    USER_MODE,
    USER_REQUEST,
    WAITING,
)
from ntgate.layout.machine import EFLAGS_START, SYSTEM_PID
from ntgate.layout.ps import EPROCESS, ETHREAD
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive

NORMAL_PRIORITY = 8
NORMAL_CLASS = 2
INHERITED_CLASSES = (1, 5)  # idle and below normal
USER_STACK_ROOM = 20  # LdrInitializeThunk's return address and arguments


class ProcessManager(Rundown):
    """One for the machine; what ends processes and threads is in Rundown."""

    def __init__(self, executive: Executive, map_page: Callable[[int, int], None]) -> None:
        super().__init__(executive)
        self.stacks = KernelStacks(executive.pool.take_pages, map_page)
        self.jobs = Jobs(executive)
        self.process_head = executive.symbols["PsActiveProcessHead"]
        self.modules = LoadedModules(
            executive.kernel, executive.pool, executive.symbols["PsLoadedModuleList"]
        )

    # Companions.

    def process(self, eprocess: int) -> Process:
        return self.processes[eprocess]

    def thread(self, ethread: int) -> Thread:
        return self.threads[ethread]

    @property
    def current(self) -> Thread:
        return self.threads[self.executive.scheduler.prcb.CurrentThread]

    def active(self) -> Iterator[Process]:
        """The processes that the guest's list shows."""
        for entry in lists.entries(self.kernel, self.process_head):
            process = self.processes.get(entry - EPROCESS.ActiveProcessLinks.offset)
            if process is not None:
                yield process

    # Processes.

    def create_system(self) -> None:
        """The System process with the idle thread, in whose context the boot ends."""
        mm, objects = self.executive.mm, self.executive.objects
        eprocess = self._new_eprocess("System", parent=0)
        space = mm.spaces[eprocess.address] = ProcessSpace(mm, eprocess, mm.system_space)
        eprocess.Pcb.DirectoryTableBase = mm.system_space.pdpt
        system = self._add(eprocess, space, "System")
        eprocess.ObjectTable = objects.create_table(eprocess.address, system.pid)
        security = self.executive.security
        security.assign_primary(eprocess, security.system_token)
        security.secure(eprocess.address)
        objects.kernel_table = system.handles
        objects.current_process = lambda: self.current.process.eprocess.address
        objects.current_thread = lambda: self.current.ethread.address
        self.kernel.set_u32(
            self.executive.symbols["PsInitialSystemProcess"], system.eprocess.address
        )
        idle = self._new_thread(system, teb=0)
        idle.ethread.SystemThread = 1
        self._push_start(idle, "KiIdleLoop")
        idle.ethread.Tcb.Priority = 0
        prcb = self.executive.scheduler.prcb
        prcb.CurrentThread = prcb.IdleThread = idle.ethread.address
        idle.ethread.Tcb.State = RUNNING
        self.executive.windows.make_desktop(idle)

    def create_process(
        self,
        name: str,
        parent: Process | None,
        *,
        inherit_handles: bool = False,
        only: Collection[int] | None = None,
        command_line: str = "",
    ) -> Process:
        """An empty address space with its process object, without a thread.

        The caller has the one reference on the object; each thread will have its own.  With
        inherit_handles the parent's inheritable handles are there, `only` those of them if it
        is given.  Raises NtError.
        """
        eprocess = self._new_eprocess(name, parent.pid if parent else SYSTEM_PID)
        body, objects = eprocess.address, self.executive.objects
        try:
            space = self.executive.mm.create_space(eprocess)
            process = self._add(eprocess, space, name)
            self.executive.security.inherit_primary(eprocess, parent.eprocess if parent else None)
            if parent is not None:
                self._inherit(process, parent)
            if parent is not None and inherit_handles:
                eprocess.ObjectTable = objects.inherit_table(
                    parent.handles, body, process.pid, only
                )
            else:
                eprocess.ObjectTable = objects.create_table(body, process.pid)
        except NtError:
            objects.dereference(body)
            raise
        process.command_line = command_line
        self.executive.events.emit(
            ProcessStart(
                process.pid, 0, name, eprocess.InheritedFromUniqueProcessId, command_line
            )
        )
        return process

    def _inherit(self, process: Process, parent: Process) -> None:
        """What a process has from its parent beside handles."""
        child, of = process.eprocess, parent.eprocess
        child.DeviceMap = of.DeviceMap
        process.group = parent.group
        child.DefaultHardErrorProcessing = of.DefaultHardErrorProcessing
        child.Pcb.Affinity = of.Pcb.Affinity
        if of.PriorityClass in INHERITED_CLASSES:
            child.PriorityClass = of.PriorityClass
            child.Pcb.BasePriority = suspend.CLASS_PRIORITIES[of.PriorityClass]

    def _new_eprocess(self, name: str, parent: int) -> EPROCESS:
        objects = self.executive.objects
        body = objects.create(objects.types["Process"], EPROCESS.SIZE)
        eprocess = EPROCESS(self.kernel, body)
        kprocess: KPROCESS = eprocess.Pcb
        kprocess.Header.Type, kprocess.Header.Size = PROCESS_OBJECT, KPROCESS.SIZE // 4
        for head in ("ReadyListHead", "ThreadListHead", "ProfileListHead"):
            lists.initialize(self.kernel, body + getattr(KPROCESS, head).offset)
        lists.initialize(self.kernel, body + 8)
        lists.initialize(self.kernel, body + EPROCESS.ThreadListHead.offset)
        kprocess.IopmOffset = 0x20AC
        kprocess.BasePriority, kprocess.ThreadQuantum, kprocess.Affinity = NORMAL_PRIORITY, 6, 1
        eprocess.UniqueProcessId = objects.allocate_id(body)
        eprocess.ImageFileName = name.encode("latin-1", "replace")[:15]
        eprocess.InheritedFromUniqueProcessId = parent
        eprocess.CreateTime = self.executive.clock.system_time
        eprocess.ExitStatus = ntstatus.STATUS_PENDING
        eprocess.PriorityClass = NORMAL_CLASS
        eprocess.DefaultHardErrorProcessing = 1
        eprocess.DeviceMap = objects.device_map
        lists.insert_tail(
            self.kernel, self.process_head, body + EPROCESS.ActiveProcessLinks.offset
        )
        return eprocess

    def _add(self, eprocess: EPROCESS, space: ProcessSpace, name: str) -> Process:
        process = Process(self.executive, eprocess, space)
        process.image_name = name
        self.processes[eprocess.address] = process
        self.executive.objects.set_companion(eprocess.address, process)
        return process

    # Threads.

    def create_thread(
        self, process: Process, context: bytes, teb: int, *, suspended: bool = False
    ) -> Thread:
        """A thread that starts in ring 3 with `context`, by way of the process's user entry.

        context: a CONTEXT whose Esp is the top of the user stack and whose Eip, Eax and Ebx are
        what ntdll's start routine expects.  Raises NtError.
        """
        if process.exited or process.eprocess.ProcessExiting:
            raise NtError(ntstatus.STATUS_PROCESS_IS_TERMINATING)
        thread = self._new_thread(process, teb)
        tcb: KTHREAD = thread.ethread.Tcb
        user = TrapContext.base(self.kernel, tcb)
        frame = user.frame
        frame.SegGs, frame.SegEs, frame.SegDs = 0, m.KGDT_R3_DATA, m.KGDT_R3_DATA
        frame.PreviousPreviousMode, frame.ExceptionList = 1, 0xFFFFFFFF
        frame.SegFs, frame.SegCs = m.KGDT_R3_TEB, m.KGDT_R3_CODE
        frame.EFlags, frame.HardwareSegSs = EFLAGS_START, m.KGDT_R3_DATA
        frame.DbgArgMark = 0xBADB0D00
        tcb.Iopl = process.eprocess.Pcb.Iopl
        user.apply(context)
        self._push_start(thread, "KiThreadStartup")
        thread.ethread.StartAddress = frame.Eip
        thread.ethread.Win32StartAddress = frame.Eax
        process.eprocess.ActiveThreads += 1
        tcb.SuspendCount = int(suspended)
        self.executive.scheduler.ready(tcb)
        return thread

    def _new_thread(self, process: Process, teb: int) -> Thread:
        objects = self.executive.objects
        stack = self.stacks.allocate()
        try:
            body = objects.create(objects.types["Thread"], ETHREAD.SIZE)
            try:
                self.executive.security.secure_thread(body, process.eprocess)
                tid = objects.allocate_id(body)
            except NtError:
                objects.dereference(body)
                raise
        except NtError:
            self.stacks.free(stack)
            raise
        ethread = ETHREAD(self.kernel, body)
        tcb: KTHREAD = ethread.Tcb
        tcb.Header.Type, tcb.Header.Size = THREAD_OBJECT, KTHREAD.SIZE // 4
        for offset in (8, KTHREAD.MutantListHead.offset, KTHREAD.ApcState.offset,
                       KTHREAD.ApcState.offset + 8):  # fmt: skip
            lists.initialize(self.kernel, body + offset)
        tcb.StackLimit = self.stacks.end(stack)
        tcb.LargeStack = int(tcb.StackLimit != stack[0])
        tcb.InitialStack = tcb.StackBase = stack[0] + m.KERNEL_STACK_SIZE
        tcb.Teb = teb
        tcb.State = INITIALIZED
        tcb.Affinity = tcb.UserAffinity = process.eprocess.Pcb.Affinity
        tcb.Priority = tcb.BasePriority = process.eprocess.Pcb.BasePriority
        tcb.Quantum = process.eprocess.Pcb.ThreadQuantum
        tcb.ServiceTable = self.executive.symbols["KeServiceDescriptorTable"]
        self.kernel.set_u32(
            body + KTHREAD.ApcState.offset + KAPC_STATE.Process.offset, process.eprocess.address
        )
        self.kernel.write(tcb.InitialStack - m.NPX_FRAME_LENGTH, INITIAL_FX)
        tcb.PreviousMode = 1
        ethread.CreateTime = self.executive.clock.system_time
        ethread.ThreadsProcess = process.eprocess.address
        objects.reference(process.eprocess.address)
        ethread.Cid.UniqueProcess = process.pid
        ethread.Cid.UniqueThread = tid
        for head, entry in (
            (EPROCESS.ThreadListHead.offset, ETHREAD.ThreadListEntry.offset),
            (KPROCESS.ThreadListHead.offset, KTHREAD.ThreadListEntry.offset),
        ):
            lists.insert_tail(self.kernel, process.eprocess.address + head, body + entry)
        thread = Thread(process, ethread, stack, teb)
        self.threads[body] = thread
        objects.set_companion(body, thread)
        return thread

    def _push_start(self, thread: Thread, routine: str) -> None:
        """What SwapContext pops: ExceptionList, EFLAGS and the routine to return to."""
        tcb = thread.ethread.Tcb
        frame = tcb.InitialStack - m.NPX_FRAME_LENGTH - m.TRAP_FRAME_LENGTH
        start = struct.pack("<3I", 0xFFFFFFFF, 2, self.executive.symbols[routine])
        tcb.KernelStack = frame - len(start)
        self.kernel.write(tcb.KernelStack, start)

    def thread_started(self, thread: Thread) -> None:
        """PspUserThreadStartup: the thread's first moment, still in ring 0.

        The CONTEXT that it starts with goes to its stack, and ntdll's LdrInitializeThunk runs
        first; it continues with that CONTEXT.  What a debugger or the parent has set in the
        meantime counts.
        """
        start = thread.ethread.Win32StartAddress or thread.ethread.StartAddress
        self.executive.events.emit(ThreadStart(thread.pid, thread.tid, start))
        context = TrapContext.base(self.kernel, thread.ethread.Tcb)
        record_at = (context.frame.HardwareEsp - SIZE) & ~3
        top = record_at - USER_STACK_ROOM
        try:
            thread.memory.write(record_at, context.capture(ALL))
            thread.memory.write(top, struct.pack("<5I", 0, record_at, 0, 0, 0))
        except AccessViolation as fault:
            raise_status(thread, fault.status, context.frame.address)
            return
        context.redirect(thread.process.user_entry, top)

    # Waiting.

    def wait(
        self,
        thread: Thread,
        timeout: int | None,
        *,
        alertable: bool = False,
        reason: int = USER_REQUEST,
    ) -> bool:
        """Make the thread wait, for `timeout` (NT's form) at most; None is for ever.

        False where an alertable wait need not begin: thread.wait_status says why.
        """
        tcb: KTHREAD = thread.ethread.Tcb
        if alertable and self.test_alert(thread):
            return False
        tcb.State, tcb.WaitReason = WAITING, reason
        tcb.WaitMode = USER_MODE
        tcb.Alertable = int(alertable)
        thread.wait_status = ntstatus.STATUS_SUCCESS
        clock = self.executive.clock
        tcb.WaitTime = clock.tick_count
        if timeout is not None:
            thread.timer = clock.set_timer(
                clock.due_time(timeout), lambda: self._timeout(thread)
            )
        return True

    def test_alert(self, thread: Thread) -> bool:
        """Whether an alertable wait ends at once: thread.wait_status says why."""
        if suspend.test_alert(thread):
            thread.wait_status = ntstatus.STATUS_ALERTED
        elif apc.test_alert(thread):
            thread.wait_status = ntstatus.STATUS_USER_APC
        else:
            return False
        return True

    def _timeout(self, thread: Thread) -> None:
        thread.timer = None
        self.unwait(thread, ntstatus.STATUS_TIMEOUT)

    def unwait(self, thread: Thread, status: int) -> None:
        """Make a waiting thread ready; its service resumes with `status`."""
        tcb: KTHREAD = thread.ethread.Tcb
        if tcb.State != WAITING or suspend.is_frozen(tcb) or thread.ethread.Terminated:
            return
        if thread.timer is not None:
            self.executive.clock.cancel(thread.timer)
            thread.timer = None
        thread.wait_status = status
        self.executive.waits.unlink(thread)
        tcb.WaitReason = 0
        self.executive.scheduler.ready(tcb)
