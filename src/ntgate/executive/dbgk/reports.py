"""What a debugged process tells its debugger, and what a new debugger is told of the past."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.dbgk import messages
from ntgate.executive.dbgk.debugging import Debugging
from ntgate.executive.dbgk.messages import NOWAIT, SUSPEND, Api
from ntgate.executive.io import constants as c
from ntgate.executive.io.open_file import Create
from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob.attributes import OBJ_CASE_INSENSITIVE
from ntgate.executive.ps import suspend
from ntgate.layout import ntstatus
from ntgate.layout.access import SYNCHRONIZE
from ntgate.layout.pe import E_LFANEW
from ntgate.layout.ps import PEB
from ntgate.memory.user import AccessViolation

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process, Thread

ARBITRARY_USER_POINTER = 0x14  # in a TEB: the name of the image that the loader maps
LOAD_ORDER, DLL_BASE = 0x0C, 0x18  # in PEB_LDR_DATA, in LDR_DATA_TABLE_ENTRY
MOST_MODULES = 500
FILE_GENERIC_READ = 0x120089
SYMBOL_TABLE = 0x0C  # in IMAGE_NT_HEADERS: PointerToSymbolTable, then NumberOfSymbols


class Reports(Debugging):
    """One for the machine."""

    def is_debugged(self, thread: Thread) -> bool:
        """Whether what happens in a thread is a debugger's business."""
        port = thread.process.eprocess.DebugPort
        return bool(port) and not thread.ethread.HideFromDebugger

    # The thread that it happens in waits where these return True.

    def report_creation(self, thread: Thread) -> bool:
        """DbgkCreateThread: a thread is about to begin, perhaps the first of its process."""
        if not self.is_debugged(thread) or thread.ethread.SkipCreationMsg:
            return False
        self.send(thread, *self._creation(thread))
        return True

    def report_ntdll(self, thread: Thread) -> bool:
        """After the first thread's creation: the image that the kernel has mapped itself."""
        if not self.is_debugged(thread) or thread.ethread.SkipCreationMsg:
            return False
        base = self._ntdll(thread.process)
        if thread.tells_of_process and base:
            thread.tells_of_process = False
            self.send(thread, Api.LOAD_DLL, self._load_dll(thread.process, base, 0))
            return True
        return False

    def report_load(self, thread: Thread, process: Process, base: int) -> bool:
        """A thread has mapped an image into its own process."""
        if process is not thread.process or not self.is_debugged(thread):
            return False
        name = thread.teb + ARBITRARY_USER_POINTER
        self.send(thread, Api.LOAD_DLL, self._load_dll(process, base, name))
        return True

    def report_unload(self, thread: Thread, process: Process, base: int) -> bool:
        if process is not thread.process or not self.is_debugged(thread):
            return False
        self.send(thread, Api.UNLOAD_DLL, base.to_bytes(4, "little"))
        return True

    def report_exception(self, thread: Thread, record: bytes, *, first_chance: bool) -> bool:
        """`record`: an EXCEPTION_RECORD."""
        if not self.is_debugged(thread):
            return False
        message = messages.exception(record, first_chance=first_chance)
        self.send(thread, Api.EXCEPTION, message)
        return True

    def report_exit(self, thread: Thread) -> bool:
        """Its end waits for the debugger's answer; the last thread's is that of the process."""
        if not self.is_debugged(thread) or thread.ethread.SkipTerminationMsg:
            return False
        if not thread.ethread.SkipCreationMsg and not thread.creation_told:
            self.queue(thread, *self._creation(thread), NOWAIT)
        last = not thread.process.eprocess.ActiveThreads
        status = thread.ethread.ExitStatus.to_bytes(4, "little")
        self.queue(thread, Api.EXIT_PROCESS if last else Api.EXIT_THREAD, status)
        return True

    # Attaching.

    def attach(self, process: Process, body: int) -> None:
        """Debug a process that runs: it is told as if it began now.  Raises NtError."""
        if process.exited or process.eprocess.ProcessExiting:
            raise NtError(ntstatus.STATUS_PROCESS_IS_TERMINATING)
        threads = [
            thread for thread in self.executive.processes.threads_of(process)
            if not thread.ethread.Terminated
        ]  # fmt: skip
        if not threads:
            raise NtError(ntstatus.STATUS_UNSUCCESSFUL)
        self.assign(process, body)
        process.eprocess.NoDebugInherit = 1
        process.eprocess.CreateReported = 0
        for thread in threads:
            if thread.ethread.HideFromDebugger:
                continue
            flags = NOWAIT
            with suppress(NtError):
                suspend.suspend(thread)
                flags |= SUSPEND
            self.queue(thread, *self._creation(thread), flags)
            thread.ethread.SkipCreationMsg = 1
        for base in self._modules(process):
            self.queue(threads[0], Api.LOAD_DLL, self._load_dll(process, base, 0), NOWAIT)

    def _modules(self, process: Process) -> Iterator[int]:
        """The bases of the DLLs in the loader's list, of ntdll alone where it has none yet."""
        memory = process.memory
        try:
            ldr = memory.u32(process.eprocess.Peb + PEB.Ldr.offset)
            head = ldr + LOAD_ORDER
            entry = memory.u32(head) if ldr else 0
            if not entry:
                yield from filter(None, (self._ntdll(process),))
                return
            for _ in range(MOST_MODULES):
                entry = memory.u32(entry)  # the first is the program
                if entry == head:
                    return
                yield memory.u32(entry + DLL_BASE)
        except AccessViolation:
            return

    # Messages.

    def _creation(self, thread: Thread) -> tuple[Api, bytes]:
        """CREATE_PROCESS for the first thread that is told of, CREATE_THREAD for the others."""
        process = thread.process
        thread.creation_told = True
        if process.eprocess.CreateReported:
            start = thread.ethread.Win32StartAddress or thread.ethread.StartAddress
            return Api.CREATE_THREAD, messages.create_thread(start)
        process.eprocess.CreateReported = 1
        thread.tells_of_process = True
        base = process.eprocess.SectionBaseAddress
        entry = process.image.entry if process.image else 0
        return Api.CREATE_PROCESS, messages.create_process(
            self._open_file(process, base), base, _symbols(process, base),
            base + entry & 0xFFFFFFFF,
        )  # fmt: skip

    def _load_dll(self, process: Process, base: int, name: int) -> bytes:
        file, symbols = self._open_file(process, base), _symbols(process, base)
        return messages.load_dll(file, base, symbols, name)

    def _open_file(self, process: Process, base: int) -> int:
        """System's handle of the file of the image that is mapped there; 0 without one."""
        executive, objects = self.executive, self.executive.objects
        vad = process.space.vad_at(base >> 12)
        if vad is None or not vad.is_image:
            return 0
        file = executive.mm.segments[vad.control_area].file
        if file is None or not file.name.startswith("\\"):
            return 0  # the built-in ntdll, and programs, are no files
        create = Create(
            "", FILE_GENERIC_READ | SYNCHRONIZE,
            share=c.FILE_SHARE_READ | c.FILE_SHARE_WRITE | c.FILE_SHARE_DELETE,
            options=c.FILE_SYNCHRONOUS_IO_NONALERT,
        )  # fmt: skip
        try:
            opened = executive.io.open_object(
                ObjectAttributes(file.name, 0, OBJ_CASE_INSENSITIVE), create
            )
        except NtError:
            return 0
        body = opened.object.address
        handle = objects.create_handle(objects.kernel_table, body, FILE_GENERIC_READ | SYNCHRONIZE)
        objects.dereference(body)
        return handle

    def _ntdll(self, process: Process) -> int:
        vad = process.space.vad_at(process.exception_entry >> 12)
        return vad.first << 12 if vad is not None and vad.is_image else 0


def _symbols(process: Process, base: int) -> tuple[int, int]:
    """DebugInfoFileOffset and DebugInfoSize: the COFF symbols that the header names."""
    memory = process.memory
    try:
        header = base + memory.u32(base + E_LFANEW) & 0xFFFFFFFF
        return memory.u32(header + SYMBOL_TABLE), memory.u32(header + SYMBOL_TABLE + 4)
    except AccessViolation:
        return 0, 0
