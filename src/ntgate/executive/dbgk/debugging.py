"""Debug objects: their queues of events, who is attached, and the debugger's answers.

EPROCESS.DebugPort says who debugs a process.  An event is a DEBUG_EVENT in the object's list;
its thread waits for ContinueEvent while the process's other threads are frozen.  Of one process
the debugger gets an event only when it has answered the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.dbgk.messages import (
    DEBUG_EVENT,
    DEBUG_OBJECT,
    DEBUGGER_INACTIVE,
    INACTIVE,
    KILL_ON_CLOSE,
    NOWAIT,
    READ,
    SUSPEND,
    UNION,
    Api,
    file_handle,
    state_change,
)
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ob.attributes import DUPLICATE_SAME_ACCESS
from ntgate.executive.ob.types import HandleClosing
from ntgate.executive.ps import suspend
from ntgate.layout import lists, ntstatus
from ntgate.layout.access import PROCESS_ALL_ACCESS, THREAD_ALL_ACCESS
from ntgate.layout.io import KEVENT
from ntgate.layout.ke import NOTIFICATION_EVENT, SYNCHRONIZATION_EVENT
from ntgate.layout.ps import EPROCESS, PEB
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Process, Thread

TAG = b"DbgE"
EXECUTIVE = 0  # KTHREAD.WaitReason


class Debugging:
    """What debug objects do; what processes have to tell is in Reports."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.kernel = executive.kernel
        self.kind = executive.objects.types["DebugObject"]
        self.kind.close = self._closed

    def initialize(self, body: int, *, kill_on_close: bool) -> None:
        debug = DEBUG_OBJECT(self.kernel, body)
        _initialize_event(debug.EventsPresent, NOTIFICATION_EVENT)
        debug.MutexCount = 1
        _initialize_event(debug.MutexEvent, SYNCHRONIZATION_EVENT)
        lists.initialize(self.kernel, debug.EventList.address)
        self.set_kill_on_close(body, wanted=kill_on_close)

    def set_kill_on_close(self, body: int, *, wanted: bool) -> None:
        debug = DEBUG_OBJECT(self.kernel, body)
        debug.Flags = debug.Flags & ~KILL_ON_CLOSE | (KILL_ON_CLOSE if wanted else 0)

    def is_inactive(self, body: int) -> bool:
        """Whether the last handle of the object has gone."""
        return bool(DEBUG_OBJECT(self.kernel, body).Flags & DEBUGGER_INACTIVE)

    # Who debugs whom.

    def assign(self, process: Process, body: int) -> None:
        """Make an object the debug port of a process that has none; raises NtError."""
        if process.eprocess.DebugPort:
            raise NtError(ntstatus.STATUS_PORT_ALREADY_SET)
        if self.is_inactive(body):
            raise NtError(ntstatus.STATUS_DEBUGGER_INACTIVE)
        self.executive.objects.reference(body)
        process.eprocess.DebugPort = body
        self._mark_peb(process)

    def inherit(self, process: Process, parent: Process) -> None:
        """A child is debugged by whoever debugs its parent, unless NoDebugInherit is set."""
        port = parent.eprocess.DebugPort
        if port and not parent.eprocess.NoDebugInherit and not self.is_inactive(port):
            self.assign(process, port)

    def release(self, eprocess: EPROCESS) -> None:
        """Forget the debug port of a process that ends."""
        port = eprocess.DebugPort
        if port:
            eprocess.DebugPort = 0
            self.executive.objects.dereference(port)

    def detach(self, process: Process, body: int) -> None:
        """Let a process go on undebugged; STATUS_PORT_NOT_SET where the object isn't its port."""
        if not body or process.eprocess.DebugPort != body:
            raise NtError(ntstatus.STATUS_PORT_NOT_SET)
        process.eprocess.DebugPort = 0
        self._mark_peb(process)
        address = process.eprocess.address
        for event in [event for event in self._events(body) if event.Process == address]:
            lists.remove(self.kernel, event.EventList.address)
            self._wake(event, ntstatus.STATUS_DEBUGGER_INACTIVE, ntstatus.DBG_CONTINUE)
        self.executive.objects.dereference(body)

    def _mark_peb(self, process: Process) -> None:
        try:
            process.memory.write(
                process.eprocess.Peb + PEB.BeingDebugged.offset,
                bytes((process.eprocess.DebugPort != 0,)),
            )
        except AccessViolation:
            return  # the process has unmapped its PEB, or ends

    def _closed(self, closing: HandleClosing) -> None:
        """With the last handle the debugger is gone: its processes go on, or end with it."""
        if closing.system_handles > 1:
            return
        debug = DEBUG_OBJECT(self.kernel, closing.body)
        debug.Flags |= DEBUGGER_INACTIVE
        processes = self.executive.processes
        debugged = [
            process for process in processes.active()
            if process.eprocess.DebugPort == closing.body
        ]  # fmt: skip
        for process in debugged:
            if debug.Flags & KILL_ON_CLOSE:
                processes.terminate_process(process, ntstatus.STATUS_DEBUGGER_INACTIVE)
            self.detach(process, closing.body)
        self.executive.waits.set_event(debug.EventsPresent.address)

    # Events.

    def queue(self, thread: Thread, api: Api, message: bytes, flags: int = 0) -> DEBUG_EVENT:
        """Put an event of a thread into the queue of its process's debug port."""
        executive = self.executive
        body = thread.process.eprocess.DebugPort
        event = DEBUG_EVENT(self.kernel, executive.pool.allocate(DEBUG_EVENT.SIZE, TAG))
        self.kernel.write(event.address, bytes(DEBUG_EVENT.SIZE))
        _initialize_event(event.ContinueEvent, SYNCHRONIZATION_EVENT)
        event.ClientId.UniqueProcess, event.ClientId.UniqueThread = thread.pid, thread.tid
        event.Process, event.Thread = thread.process.eprocess.address, thread.ethread.address
        event.Flags, event.ApiNumber = flags, api
        event.Message = message.ljust(UNION, b"\0")
        executive.objects.reference(event.Process)
        executive.objects.reference(event.Thread)
        debug = DEBUG_OBJECT(self.kernel, body)
        lists.insert_tail(self.kernel, debug.EventList.address, event.EventList.address)
        if not flags & NOWAIT:
            thread.debug_event = event.address
            suspend.freeze_others(thread)
        executive.waits.set_event(debug.EventsPresent.address)
        return event

    def send(self, thread: Thread, api: Api, message: bytes) -> None:
        """Queue an event, and make the thread wait for the answer."""
        event = self.queue(thread, api, message)
        self.executive.waits.begin(
            thread, [event.ContinueEvent.address], WAIT_ANY, None, reason=EXECUTIVE
        )

    def _events(self, body: int) -> list[DEBUG_EVENT]:
        head = DEBUG_OBJECT(self.kernel, body).EventList.address
        return [DEBUG_EVENT(self.kernel, entry) for entry in lists.entries(self.kernel, head)]

    def take(self, body: int, debugger: Thread) -> bytes | None:
        """DBGUI_WAIT_STATE_CHANGE of the next event, with handles of the debugger's; None: none.

        Without one, the object is no longer signalled.
        """
        busy = set()
        for event in self._events(body):
            process = event.Process
            if process not in busy and not event.Flags & READ:
                event.Flags = event.Flags & ~INACTIVE | READ
                return self._opened(event, debugger)
            if not event.Flags & READ:
                event.Flags |= INACTIVE
            busy.add(process)
        DEBUG_OBJECT(self.kernel, body).EventsPresent.Header.SignalState = 0
        return None

    def _opened(self, event: DEBUG_EVENT, debugger: Thread) -> bytes:
        objects, table = self.executive.objects, debugger.process.handles
        api, process, thread, file = Api(event.ApiNumber), 0, 0, 0
        if api in (Api.CREATE_PROCESS, Api.CREATE_THREAD):
            thread = objects.create_handle(table, event.Thread, THREAD_ALL_ACCESS)
        if api == Api.CREATE_PROCESS:
            process = objects.create_handle(table, event.Process, PROCESS_ALL_ACCESS)
        source = file_handle(event)
        if source:
            file = objects.duplicate(
                objects.kernel_table, source, table, options=DUPLICATE_SAME_ACCESS
            )
        return state_change(event, process, thread, file)

    def resume(self, body: int, pid: int, tid: int, status: int) -> None:
        """NtDebugContinue: STATUS_INVALID_PARAMETER unless the debugger has such an event."""
        executive = self.executive
        for event in self._events(body):
            found = (event.ClientId.UniqueProcess, event.ClientId.UniqueThread) == (pid, tid)
            if found and event.Flags & READ:
                break
        else:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        lists.remove(self.kernel, event.EventList.address)
        process = event.Process
        thread = executive.processes.threads[event.Thread]
        if status == ntstatus.DBG_TERMINATE_THREAD:
            executive.processes.terminate_thread(thread, status)
        elif status == ntstatus.DBG_TERMINATE_PROCESS:
            executive.processes.terminate_process(thread.process, status)
        self._wake(event, ntstatus.STATUS_SUCCESS, status)
        for following in self._events(body):
            if following.Process == process:
                following.Flags &= ~INACTIVE
                executive.waits.set_event(body)
                return

    def _wake(self, event: DEBUG_EVENT, status: int, returned: int) -> None:
        """An event that is out of the queue has been answered."""
        executive = self.executive
        thread = executive.processes.threads[event.Thread]
        event.Status, event.ReturnedStatus = status, returned
        if event.Flags & SUSPEND:
            suspend.resume(thread)
        if event.Flags & NOWAIT:
            self._free(event)
            return
        thread.debug_event, thread.debug_reply = 0, status or returned
        suspend.thaw_all(thread.process)
        if not thread.ethread.Terminated:
            executive.waits.set_event(event.ContinueEvent.address)
        # It has ended meanwhile, or this was about its end: it does not run again.
        elif Api(event.ApiNumber) in (Api.EXIT_THREAD, Api.EXIT_PROCESS):
            executive.processes.thread_ended(thread)
        else:
            executive.processes.leave(thread)
        self._free(event)

    def _free(self, event: DEBUG_EVENT) -> None:
        objects = self.executive.objects
        file, process, thread = file_handle(event), event.Process, event.Thread
        self.executive.pool.free(event.address)
        if file:
            objects.close_handle(objects.kernel_table, file)
        objects.dereference(thread)
        objects.dereference(process)


def _initialize_event(event: KEVENT, kind: int) -> None:
    event.Header.Type, event.Header.Size = kind, KEVENT.SIZE // 4
    event.Header.SignalState = 0
    lists.initialize(event.memory, event.Header.WaitListHead.address)
