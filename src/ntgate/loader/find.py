"""What a user's word for a program means: a built-in one, a file of the host, or the userland's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ntgate.errors import UsageError
from ntgate.executive.ob.names import upcase
from ntgate.image.pe_view import exports_of
from ntgate.layout.paths import SYSTEM32
from ntgate.loader.builtin.images import builtin_ntdll, builtin_program, program_names
from ntgate.loader.programs import Program, load_program
from ntgate.loader.userland import Userland
from ntgate.records import dataclass

EXECUTABLE = ".exe"


@dataclass(frozen=True, slots=True)
class FoundProgram:
    """`on_host`: the file, where its folder has to be shown to the guest; else `guest_path`.

    `needs`: what the built-in ntdll can't stand in for, a DLL or a function; "" when it can.
    """

    program: Program
    needs: str
    on_host: Path | None
    guest_path: str


def find_program(name: str | Path, userland: Userland | None) -> FoundProgram:
    """@NAME is built in; a path or a file of the current folder is the host's; a bare name, or a
    path that begins with C:\\WINDOWS\\system32, may be the userland's.  `.exe` may be left out.

    Raises UsageError for one that is not there or can't be started.
    """
    word = os.fspath(name)
    if word.startswith("@"):
        return _built_in(word)
    if not word:
        raise UsageError("the program's name is empty")
    path = Path(word)
    if not os.path.isfile(path) and os.path.isfile(word + EXECUTABLE):
        path = Path(word + EXECUTABLE)
    is_there = os.path.isfile(path)
    listed_name = _listed_name(word)
    if userland is not None and not is_there and listed_name:
        listed = userland.file(listed_name) or userland.file(listed_name + EXECUTABLE)
        path = listed if listed is not None else path
    try:
        if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
            raise UsageError(f"can't run {word}: it is not a regular file")
        file = path.read_bytes()
    except OSError as error:
        is_the_userlands = userland is None and listed_name and not os.path.exists(path)
        install = "; for the userland's programs run `ntgate userland install`"
        hint = install if is_the_userlands else ""
        raise UsageError(f"can't read {word}: {error.strerror}{hint}") from None
    program = load_program(path.name, file)
    needs = _needs(program)
    own = userland.file(path.name) if userland is not None else None
    if own is not None and own.resolve() == path.resolve():
        assert userland is not None
        return FoundProgram(program, needs, None, userland.places(path.name)[0])
    return FoundProgram(program, needs, path, "")


def _listed_name(word: str) -> str:
    """The name that a bare word, or a path into the guest's system32, has in the userland."""
    folder, _, name = word.replace("/", "\\").rpartition("\\")
    return name if upcase(folder) in ("", upcase(SYSTEM32)) else ""


def _needs(program: Program) -> str:
    """A program without imports finds its functions in DLLs that NT loads for every program."""
    for dll in program.dlls:
        if dll != "ntdll.dll":
            return dll
    exports = exports_of(builtin_ntdll().file)
    used = {function for _dll, slots in program.imports for _slot, function in slots}
    missing = sorted(used - exports.keys())
    return f"ntdll!{missing[0]}" if missing else "" if used else "kernel32.dll"


def _built_in(word: str) -> FoundProgram:
    try:
        image = builtin_program(word[1:])
    except KeyError:
        known = ", ".join(f"@{known}" for known in program_names())
        raise UsageError(f"no built-in program is {word}; there are {known}") from None
    return FoundProgram(load_program(image.name, image.file), "", None, f"C:\\{image.name}")
