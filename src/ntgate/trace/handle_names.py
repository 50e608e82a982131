"""What the handles of a caller are of: the names of their objects, or the types."""

from __future__ import annotations

from functools import cached_property
from string import ascii_uppercase
from typing import Any

from ntgate.cpu.mmu import PageFault
from ntgate.errors import NtError
from ntgate.layout.mm import CONTROL_AREA, SECTION_OBJECT, SEGMENT
from ntgate.layout.ps import EPROCESS, ETHREAD
from ntgate.trace.values import Memo, printable

DRIVES = "\\GLOBAL??"
OF_CALLER = (0xFFFFFFFF, 0xFFFFFFFE)  # NtCurrentProcess, NtCurrentThread


class HandleNames:
    """Gives `C:\\work\\a.txt`, `\\REGISTRY\\MACHINE`, `Event`; a drive's letter for its device.

    A process is `Process 20 find.exe`, a thread `Thread 20.24`, a section without a name
    `Section` and its file.  Each is on one line, whatever characters are in it.  Every question
    looks into the guest's tables and objects, which the guest may change: nothing of them is
    kept, and nothing there can break the answer.
    """

    def __init__(self, objects: Any) -> None:
        self._objects = objects
        self._files = objects.types["File"]
        self._letters = Memo(self._with_drive)

    def __call__(self, caller: Any, handle: int) -> str:
        """Empty for what is no handle of the caller's."""
        objects, files = self._objects, self._files
        table = caller.process.handles
        try:
            try:
                # Most handles of a trace are of files, and this is the short way to them.
                body = objects.body_of_handle(table, handle, files, 0)
            except NtError:
                body = objects.query_handle(table, handle).body
            name = str(objects.name_of(body))
            return self._letters[name] if name else self._unnamed(body)
        except (NtError, PageFault):
            return ""

    def process_of(self, caller: Any, handle: int) -> int:
        """The number of the process that a handle is of, or of its thread; 0 for neither."""
        if handle in OF_CALLER:
            return int(caller.pid)
        objects = self._objects
        try:
            body = objects.query_handle(caller.process.handles, handle).body
            kind = str(objects.type_of(body).name)
            if kind == "Process":
                return int(EPROCESS(objects.memory, body).UniqueProcessId)
            return int(ETHREAD(objects.memory, body).Cid.UniqueProcess) if kind == "Thread" else 0
        except (NtError, PageFault):
            return 0

    def _unnamed(self, body: int) -> str:
        memory = self._objects.memory
        kind = str(self._objects.type_of(body).name)
        if kind == "Process":
            process = EPROCESS(memory, body)
            image = process.ImageFileName.partition(b"\0")[0].decode("latin-1")
            return f"Process {process.UniqueProcessId} {printable(image)}".rstrip()
        if kind == "Thread":
            cid = ETHREAD(memory, body).Cid
            return f"Thread {cid.UniqueProcess}.{cid.UniqueThread}"
        if kind == "Section":
            segment = SEGMENT(memory, SECTION_OBJECT(memory, body).Segment)
            file = CONTROL_AREA(memory, segment.ControlArea).FilePointer
            if file:
                return f"Section {self._letters[str(self._objects.name_of(file))]}"
        return kind

    def _with_drive(self, name: str) -> str:
        for device, folder, letter in self._drives:
            if name.startswith(folder) or name == device:
                return printable(letter + name[len(device) :])
        return printable(name)

    @cached_property
    def _drives(self) -> list[tuple[str, str, str]]:
        """Device, the same as a folder, and letter, of each drive that is there at first."""
        objects, drives = self._objects, []
        for letter in ascii_uppercase:
            try:
                body, _ = objects.lookup(f"{DRIVES}\\{letter}:", kind=objects.types["SymbolicLink"])
            except NtError:
                continue
            device = objects.link_target(body)
            drives.append((device, device + "\\", f"{letter}:"))
        return drives
