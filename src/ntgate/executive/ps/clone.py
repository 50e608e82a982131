"""Processes without a section: a clone of their parent, or for the System process an empty one.

The clone has the parent's memory as it was, with PEB and TEBs, and no thread.
"""

from __future__ import annotations

import struct

from ntgate.errors import NtError
from ntgate.executive.mm.clone import clone
from ntgate.executive.ps import ldt
from ntgate.executive.ps.start import discard
from ntgate.executive.ps.thread import Process
from ntgate.layout import ntstatus
from ntgate.memory.user import AccessViolation

# INITIAL_PEB: InheritedAddressSpace, ReadImageFileExecOptions, BeingDebugged, SpareBool, Mutant.
_INITIAL_PEB = struct.pack("<4Bi", 1, 0, 0, 0, -1)


def create_clone(parent: Process, *, inherit_handles: bool) -> Process:
    """A process with the parent's memory, program and, if asked, inheritable handles.

    The caller has the one reference on its object.  Raises NtError:
    STATUS_PROCESS_IS_TERMINATING for a parent that has ended.
    """
    executive, of = parent.executive, parent.eprocess
    if parent.exited or of.VmDeleted:
        raise NtError(ntstatus.STATUS_PROCESS_IS_TERMINATING)
    process = executive.processes.create_process(
        parent.image_name, parent, inherit_handles=inherit_handles,
        command_line=parent.command_line,
    )  # fmt: skip
    try:
        if of.Peb:
            _copy_program(process, parent)
            clone(process.space, parent.space)
            ldt.copy(process, parent)
            _begin_peb(process)
    except NtError as error:
        discard(process, error.status)
        raise
    return process


def _copy_program(process: Process, parent: Process) -> None:
    """What the host and the EPROCESS keep of the program that is in the memory."""
    child, of = process.eprocess, parent.eprocess
    if of.SectionObject:
        process.executive.objects.reference(of.SectionObject)
        child.SectionObject = of.SectionObject
    child.SectionBaseAddress, child.Peb, child.Cookie = of.SectionBaseAddress, of.Peb, of.Cookie
    child.SubSystemMajorVersion = of.SubSystemMajorVersion
    child.SubSystemMinorVersion = of.SubSystemMinorVersion
    child.Pcb.ExecuteOptions = of.Pcb.ExecuteOptions
    for name in (
        "images", "image", "image_path", "user_entry", "thread_entry",
        "exception_entry", "apc_entry", "callback_entry", "runs_wine",
    ):  # fmt: skip
        setattr(process, name, getattr(parent, name))


def _begin_peb(process: Process) -> None:
    try:
        process.memory.write(process.eprocess.Peb, _INITIAL_PEB)
    except AccessViolation as fault:
        raise NtError(fault.status) from None
