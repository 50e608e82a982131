"""Making and ending processes and threads.

The lists that the manager walks are the guest's: PsActiveProcessHead, EPROCESS.ThreadListHead,
PspCidTable.  What an unlinked EPROCESS loses here, it loses everywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ntgate.entry.context import INITIAL_FX, SIZE, TrapContext
from ntgate.executive.events import ProcessExit, ProcessStart, ThreadExit, ThreadStart
from ntgate.executive.ke.scheduler import INITIALIZED, READY, RUNNING, TERMINATED, WAITING
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.ps import apc
from ntgate.executive.ps.modules import LoadedModules
from ntgate.executive.ps.stacks import KernelStacks
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import lists, ntstatus
from ntgate.layout import machine as m
from ntgate.layout.ke import KAPC_STATE, KPROCESS, KTHREAD
from ntgate.layout.ps import EPROCESS, ETHREAD

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive

THREAD_OBJECT, PROCESS_OBJECT = 6, 3  # DISPATCHER_HEADER.Type
NORMAL_PRIORITY = 8
SYSTEM_PID = 4
EFLAGS_START = 0x202
USER_STACK_ROOM = 20  # LdrInitializeThunk's return address and arguments


class ProcessManager:
    def __init__(self, executive: Executive, map_page: Callable[[int, int], None]) -> None:
        self.executive = executive
        self.kernel = executive.kernel
        self.stacks = KernelStacks(executive.pool.take_pages, map_page)
        self.processes: dict[int, Process] = {}  # companions by the address of the EPROCESS
        self.threads: dict[int, Thread] = {}  # companions by the address of the ETHREAD
        self._dead: list[Thread] = []  # ended, but perhaps still on their kernel stack
        self.process_head = executive.symbols["PsActiveProcessHead"]
        self.modules = LoadedModules(
            executive.kernel, executive.pool, executive.symbols["PsLoadedModuleList"]
        )
        self.on_exit: Callable[[Process], None] = lambda _process: None

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

    def threads_of(self, process: Process) -> Iterator[Thread]:
        head = process.eprocess.address + EPROCESS.ThreadListHead.offset
        for entry in lists.entries(self.kernel, head):
            thread = self.threads.get(entry - ETHREAD.ThreadListEntry.offset)
            if thread is not None:
                yield thread

    # Processes.

    def create_system(self) -> None:
        """The System process with the idle thread, in whose context the boot ends."""
        mm, objects = self.executive.mm, self.executive.objects
        eprocess = self._new_eprocess("System", parent=0)
        space = mm.spaces[eprocess.address] = ProcessSpace(mm, eprocess, mm.system_space)
        eprocess.Pcb.DirectoryTableBase = mm.system_space.pdpt
        system = self._add(eprocess, space, "System")
        security = self.executive.security
        security.assign_primary(eprocess, security.system_token)
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

    def create_process(self, name: str, parent: Process | None) -> Process:
        """An empty address space with its process object, without a thread."""
        eprocess = self._new_eprocess(name, parent.pid if parent else SYSTEM_PID)
        space = self.executive.mm.create_space(eprocess)
        process = self._add(eprocess, space, name)
        self.executive.security.inherit_primary(eprocess, parent.eprocess if parent else None)
        self.executive.events.emit(
            ProcessStart(process.pid, 0, name, eprocess.InheritedFromUniqueProcessId)
        )
        return process

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
        eprocess.PriorityClass = 2
        eprocess.DeviceMap = objects.device_map
        eprocess.ObjectTable = objects.create_table(body, eprocess.UniqueProcessId)
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
        """A thread that starts in ring 3 at the process's entry with `context` on its stack.

        context: a CONTEXT whose Esp is the top of the user stack and whose Eip and Eax are
        what ntdll's start routine expects.  Raises AccessViolation when the stack is not there.
        """
        thread = self._new_thread(process, teb)
        tcb: KTHREAD = thread.ethread.Tcb
        (esp,) = struct.unpack_from("<I", context, 0xC4)
        (start,) = struct.unpack_from("<I", context, 0xB0)
        record_at = (esp - SIZE) & ~3
        process.memory.write(record_at, context[:SIZE])
        top = record_at - USER_STACK_ROOM
        process.memory.write(top, struct.pack("<5I", 0, record_at, 0, 0, 0))
        user = TrapContext.base(self.kernel, tcb)
        frame = user.frame
        frame.SegGs, frame.SegEs, frame.SegDs = 0, m.KGDT_R3_DATA, m.KGDT_R3_DATA
        frame.PreviousPreviousMode, frame.ExceptionList = 1, 0xFFFFFFFF
        frame.SegFs, frame.SegCs = m.KGDT_R3_TEB, m.KGDT_R3_CODE
        frame.Eip, frame.EFlags = process.user_entry, EFLAGS_START
        frame.HardwareEsp, frame.HardwareSegSs = top, m.KGDT_R3_DATA
        frame.DbgArgMark = 0xBADB0D00
        self._push_start(thread, "KiThreadStartup")
        thread.ethread.StartAddress = process.user_entry
        thread.ethread.Win32StartAddress = start
        process.eprocess.ActiveThreads += 1
        tcb.SuspendCount = int(suspended)
        if not suspended:
            self.executive.scheduler.ready(tcb)
        return thread

    def _new_thread(self, process: Process, teb: int) -> Thread:
        objects = self.executive.objects
        body = objects.create(objects.types["Thread"], ETHREAD.SIZE)
        ethread = ETHREAD(self.kernel, body)
        stack = self.stacks.allocate()
        tcb: KTHREAD = ethread.Tcb
        tcb.Header.Type, tcb.Header.Size = THREAD_OBJECT, KTHREAD.SIZE // 4
        for offset in (8, KTHREAD.MutantListHead.offset, KTHREAD.ApcState.offset,
                       KTHREAD.ApcState.offset + 8):  # fmt: skip
            lists.initialize(self.kernel, body + offset)
        tcb.StackLimit = stack[0]
        tcb.InitialStack = tcb.StackBase = stack[0] + m.KERNEL_STACK_SIZE
        tcb.Teb = teb
        tcb.State = INITIALIZED
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
        ethread.Cid.UniqueProcess = process.pid
        ethread.Cid.UniqueThread = objects.allocate_id(body)
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
        """PspUserThreadStartup: the thread's first moment, still in ring 0."""
        self.executive.events.emit(
            ThreadStart(thread.pid, thread.tid, thread.ethread.Win32StartAddress)
        )

    # Ending.

    def terminate_process(self, process: Process, status: int) -> None:
        """End every thread of the process; the running one at its next wait."""
        if process.exited:
            return
        process.eprocess.ProcessExiting = 1
        for thread in list(self.threads_of(process)):
            self._end_thread(thread, status)
        self._process_ended(process, status)

    def terminate_thread(self, thread: Thread, status: int) -> None:
        """End one thread, and its process with it when it was the last."""
        if thread.ethread.Terminated:
            return
        self._end_thread(thread, status)
        process = thread.process
        if not process.eprocess.ActiveThreads:
            self._process_ended(process, status)

    def _end_thread(self, thread: Thread, status: int) -> None:
        tcb: KTHREAD = thread.ethread.Tcb
        if thread.ethread.Terminated:
            return
        if tcb.State == READY:
            self.executive.scheduler.unready(tcb)
        if thread.timer is not None:
            self.executive.clock.cancel(thread.timer)
            thread.timer = None
        thread.pending = None
        self.executive.waits.unlink(thread)
        self.executive.waits.release(thread)
        self.executive.waits.abandon_mutants(thread)
        apc.discard(thread)
        thread.ethread.Terminated = 1
        self.executive.io.cancel(thread)
        tcb.State = TERMINATED
        thread.ethread.ExitStatus = status
        thread.ethread.ExitTime = self.executive.clock.system_time
        tcb.Header.SignalState = 1
        self.executive.waits.signaled(tcb.address)
        thread.process.eprocess.ActiveThreads -= 1
        thread.process.eprocess.LastThreadExitStatus = status
        self.executive.events.emit(ThreadExit(thread.pid, thread.tid, status))
        self._dead.append(thread)

    def _process_ended(self, process: Process, status: int) -> None:
        process.exited = True
        process.exit_status = process.eprocess.ExitStatus = status
        process.eprocess.ExitTime = self.executive.clock.system_time
        header = process.eprocess.Pcb.Header
        header.SignalState = 1
        self.executive.waits.signaled(header.address)
        self.executive.events.emit(ProcessExit(process.pid, 0, status))
        self.on_exit(process)

    def reap(self) -> None:
        """Free what dead threads used, except for the one whose stack is still in use."""
        if not self._dead:
            return
        current = self.executive.scheduler.prcb.CurrentThread
        staying = [thread for thread in self._dead if thread.ethread.address == current]
        for thread in self._dead:
            if thread.ethread.address != current:
                self._free_thread(thread)
        self._dead = staying

    def _free_thread(self, thread: Thread) -> None:
        body = thread.ethread.address
        lists.remove(self.kernel, body + ETHREAD.ThreadListEntry.offset)
        lists.remove(self.kernel, body + KTHREAD.ThreadListEntry.offset)
        self.stacks.free(thread.stack)
        objects = self.executive.objects
        objects.free_id(thread.tid)
        del self.threads[body]
        objects.dereference(body)
        if thread.process.exited and not any(self.threads_of(thread.process)):
            self._free_process(thread.process)

    def _free_process(self, process: Process) -> None:
        eprocess = process.eprocess
        objects = self.executive.objects
        objects.delete_table(eprocess.ObjectTable)
        eprocess.ObjectTable = 0
        self.executive.mm.delete_space(process.space)
        lists.remove(self.kernel, eprocess.address + EPROCESS.ActiveProcessLinks.offset)
        objects.free_id(process.pid)
        del self.processes[eprocess.address]
        objects.dereference(eprocess.address)

    # Waiting.

    def wait(self, thread: Thread, timeout: int | None, *, alertable: bool = False) -> bool:
        """Make the thread wait, for `timeout` (NT's form) at most; None is for ever.

        False where an alertable wait need not begin: a user APC is due.
        """
        tcb: KTHREAD = thread.ethread.Tcb
        if alertable and apc.test_alert(thread):
            return False
        tcb.State = WAITING
        tcb.Alertable = int(alertable)
        thread.wait_status = ntstatus.STATUS_SUCCESS
        if timeout is not None:
            clock = self.executive.clock
            thread.timer = clock.set_timer(
                clock.due_time(timeout), lambda: self._timeout(thread)
            )
        return True

    def _timeout(self, thread: Thread) -> None:
        thread.timer = None
        self.unwait(thread, ntstatus.STATUS_TIMEOUT)

    def unwait(self, thread: Thread, status: int) -> None:
        """Make a waiting thread ready; its service resumes with `status`."""
        if thread.ethread.Tcb.State != WAITING:
            return
        if thread.timer is not None:
            self.executive.clock.cancel(thread.timer)
            thread.timer = None
        thread.wait_status = status
        self.executive.waits.unlink(thread)
        self.executive.scheduler.ready(thread.ethread.Tcb)
