"""The global atom table."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import ULONG, USHORT, OutOpt, Scalar, SizedBy
from ntgate.executive.atoms import FIRST, LONGEST_NAME, AtomTable
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus

AtomBasicInformation, AtomTableInformation = 0, 1
HEADER = 6  # USHORTs: usage count, flags, length of the name
ATOM_PINNED = 1
SMALLEST_POINTER = 0x10000

PWSTR = Annotated[int, Scalar("PWSTR", kind="pointer"), SizedBy("Length")]
ATOM_INFORMATION_CLASS = Annotated[int, Scalar("ATOM_INFORMATION_CLASS")]
Answer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("AtomInformationLength", "out")]


def _atoms(caller: Thread) -> AtomTable:
    return caller.executive.processes.jobs.atoms(caller.process)


def _look_up(
    caller: Thread, name: int, length: int, atom: OutOpt[USHORT], find: Callable[[str], int]
) -> int:
    """A name's atom as `find` gives it; a pointer below 10000h is an atom itself."""
    if length > 2 * LONGEST_NAME:
        return ntstatus.STATUS_INVALID_PARAMETER
    atom.probe()
    if name < SMALLEST_POINTER:
        if not 0 < name < FIRST:
            return ntstatus.STATUS_INVALID_PARAMETER
        atom.write(name)
    else:
        text = caller.memory.read(name, length & ~1).decode("utf-16-le", "surrogatepass")
        atom.write(find(text))
    return ntstatus.STATUS_SUCCESS


@service()
def NtAddAtom(caller: Thread, AtomName: PWSTR, Length: ULONG, Atom: OutOpt[USHORT]) -> Outcome:
    """The atom of a name, with one reference more."""
    return _look_up(caller, AtomName, Length, Atom, _atoms(caller).add)


@service()
def NtFindAtom(caller: Thread, AtomName: PWSTR, Length: ULONG, Atom: OutOpt[USHORT]) -> Outcome:
    """The atom of a name that is in the table."""
    return _look_up(caller, AtomName, Length, Atom, _atoms(caller).find)


@service()
def NtDeleteAtom(caller: Thread, Atom: USHORT) -> Outcome:
    """Take a reference away; the last one removes the name."""
    _atoms(caller).delete(Atom)
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryInformationAtom(
    caller: Thread,
    Atom: USHORT,
    AtomInformationClass: ATOM_INFORMATION_CLASS,
    AtomInformation: Answer,
    AtomInformationLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """Name and use of one atom, or the list of all."""
    ReturnLength.probe()
    atoms = _atoms(caller)
    if AtomInformationClass == AtomBasicInformation:
        if AtomInformationLength < HEADER + 2:
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
        name, references, pinned = atoms.query(Atom)
        whole = name.encode("utf-16-le", "surrogatepass")
        text = whole[: AtomInformationLength - HEADER - 2 & ~1]
        status = ntstatus.STATUS_SUCCESS
        length = len(text)
        if not text:
            status, length = ntstatus.STATUS_BUFFER_TOO_SMALL, len(whole)
        flags = ATOM_PINNED if pinned else 0
        data = struct.pack("<3H", references, flags, length) + text + b"\0\0"
    elif AtomInformationClass == AtomTableInformation:
        numbers = list(atoms.all())
        data = struct.pack(f"<I{len(numbers)}H", len(numbers), *numbers)
        status = ntstatus.STATUS_SUCCESS
        if AtomInformationLength < len(data):
            return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    else:
        return ntstatus.STATUS_INVALID_INFO_CLASS
    caller.memory.write(AtomInformation, data)
    ReturnLength.write(len(data))
    return status
