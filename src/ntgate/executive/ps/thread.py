"""What the host keeps of a thread and of a process, beside their objects in guest memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ntgate.executive.cng.table import KeyTable
from ntgate.executive.io.counters import OPERATIONS
from ntgate.executive.mm.fault import access_fault, user_memory
from ntgate.executive.ps.image_path import image_path, set_image_path
from ntgate.layout import machine as m
from ntgate.layout.ke import KPCR, KTRAP_FRAME
from ntgate.layout.ps import EPROCESS, ETHREAD
from ntgate.memory.user import UserMemory

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.mm.files import SectionFile
    from ntgate.executive.mm.image import Image
    from ntgate.executive.mm.space import ProcessSpace
    from ntgate.executive.ps.exceptions import Raised
    from ntgate.executive.win32k.gdi import GdiObjects


class UserImages(Protocol):
    """ntdll.dll and what else a process finds in its memory beside its program."""

    def map(self, process: Process) -> int:
        """Map them and tell the process its ring-3 entries: the ApiSetMap, 0 without one.

        Raises NtError.
        """

    def bind(self, process: Process, file: SectionFile) -> None:
        """Resolve the program's imports, where ntdll does not; raises NtError."""

    def entry(self, name: str) -> int:
        """Address of a routine that ntdll exports, 0 for one that it doesn't."""


class Process:
    """The companion of an EPROCESS."""

    def __init__(self, executive: Executive, eprocess: EPROCESS, space: ProcessSpace) -> None:
        self.executive = executive
        self.eprocess = eprocess
        self.space = space
        self.memory = user_memory(space)
        self.io_counters = executive.kernel.physical(eprocess.address + OPERATIONS) >> 3  # a qword
        self.exited = False
        self.exit_status = 0  # kept when the object is gone
        self.images: UserImages | None = None  # what its children have, too
        self.image: Image | None = None  # the headers of its program
        self.user_entry = 0  # what a thread runs first in ring 3: ntdll!LdrInitializeThunk
        self.thread_entry = 0  # what the thread's first CONTEXT calls: ntdll!RtlUserThreadStart
        self.exception_entry = 0  # ntdll!KiUserExceptionDispatcher
        self.apc_entry = 0  # ntdll!KiUserApcDispatcher
        self.callback_entry = 0  # ntdll!KiUserCallbackDispatcher
        self.gdi: GdiObjects | None = None  # once one of its threads calls win32k
        self.has_windows = False  # user32 has told its window procedures
        self.builtin_classes = False  # and has been called to make its own classes ready
        self.desktop = 0  # the handle of its threads' desktop, once one has asked
        self.cng_keys = KeyTable()
        self.runs_wine = False  # its DLLs are Wine's, whose kernelbase asks some things otherwise
        self.image_name = ""
        self.command_line = ""
        self.ignores_ctrl_c = False  # see control_event.py
        self.group = self.pid  # the id of the process that leads those which get Ctrl-C together

    @property
    def pid(self) -> int:
        return self.eprocess.UniqueProcessId

    @property
    def image_path(self) -> str:
        """NT path, \\Device\\...; "" for System."""
        return image_path(self.executive, self.eprocess)

    @image_path.setter
    def image_path(self, path: str) -> None:
        set_image_path(self.executive, self.eprocess, path)

    @property
    def handles(self) -> int:
        """Address of the handle table."""
        return self.eprocess.ObjectTable


class Thread:
    """The companion of an ETHREAD, and the `caller` of its services."""

    def __init__(
        self, process: Process, ethread: ETHREAD, stack: tuple[int, int], teb: int
    ) -> None:
        self.process = process
        self.executive = process.executive
        self.ethread = ethread
        # Its own, so that a service which touches the guard page of its stack lets that grow.
        self.memory = UserMemory(
            process.executive.cpu,
            process.space.tables.pdpt,
            lambda address, error: access_fault(process.space, address, error, teb=teb),
        )
        self.teb = teb
        self.owns_stack = False  # its user stack goes when it ends
        self.name = ""  # ThreadNameInformation
        self.stack = stack
        self.stack_limit, self.stack_delta = stack
        self.stack_base = self.stack_limit + m.KERNEL_STACK_SIZE
        self.stack_end = process.executive.processes.stacks.end(stack)
        self.pending: Any = None  # dispatch.outcome.Wait of the service that waits
        self.pending_id = 0
        self.callbacks: list[tuple[Any, int]] = []  # UserCalls that run, with their services' IDs
        self.wait_status = 0
        self.waited: tuple[int, ...] = ()  # bodies that the wait keeps
        self.execution_state = 0  # ES_SYSTEM_REQUIRED and the like
        self.timer: int | None = None  # of the clock, while a wait has a timeout
        self.keyed_wait = 0  # the keyed event in whose queue it is
        self.saved_port = 0  # what KeyedWaitValue stands in place of meanwhile
        self.lpc_wait = 0  # the port in whose reply chain it is
        self.debug_event = 0  # the DEBUG_EVENT whose answer it waits for
        self.debug_reply = 0  # the last answer
        self.raised: Raised | None = None  # the exception that the debugger has first
        self.creation_told = False  # a debugger knows of it
        self.tells_of_process = False  # ... as the first of its process
        self.alert_by_id = False  # NtAlertThreadByThreadId has come before the wait for it
        self.waits_for_alert = False

    @property
    def tid(self) -> int:
        return self.ethread.Cid.UniqueThread

    @property
    def pid(self) -> int:
        return self.ethread.Cid.UniqueProcess

    def grow_stack(self) -> None:
        """Make its kernel stack larger, while it runs; raises NtError."""
        executive, tcb = self.executive, self.ethread.Tcb
        self.stack_end = tcb.StackLimit = executive.processes.stacks.grow(self.stack)
        tcb.LargeStack = 1
        KPCR(executive.kernel, m.KPCR_ADDRESS).NtTib.StackLimit = self.stack_end

    def object(self, handle: int, kind: str | None, access: int) -> int:
        """The body of a handle's object, which stays while the service runs; raises NtError."""
        objects = self.executive.objects
        if kind:
            of_type = objects.types[kind]
            return objects.body_of_handle(self.process.handles, handle, of_type, access)
        body = objects.reference_by_handle(self.process.handles, handle, None, access)
        objects.dereference(body)
        return body

    @property
    def user_stack(self) -> int:
        """esp of ring 3 as it was at the call."""
        return KTRAP_FRAME(self.executive.kernel, self.frame).HardwareEsp

    @property
    def frame(self) -> int:
        """Address of the trap frame of the call that the thread is in."""
        return self.ethread.Tcb.TrapFrame
