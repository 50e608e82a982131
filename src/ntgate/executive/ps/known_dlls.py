r"""\KnownDlls: an image section of each DLL that the registry lists, as smss makes them at boot.

Here they are made when somebody first looks into the directory: a program that doesn't pays
nothing for them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.cm.node import from_utf16
from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob.attributes import OBJ_CASE_INSENSITIVE, OBJ_PERMANENT
from ntgate.executive.ob.names import upcase
from ntgate.executive.ps.environment import expand
from ntgate.executive.ps.start import image_section, section_object
from ntgate.layout.cm import REG_EXPAND_SZ, REG_SZ
from ntgate.layout.paths import SYSTEM32

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive

KNOWN_DLLS = r"\KnownDlls"
LIST = r"\REGISTRY\MACHINE\SYSTEM\CurrentControlSet\Control\Session Manager\KnownDLLs"
FOLDER = "DllDirectory"  # the one value of the list that names no DLL
LINK = "KnownDllPath"
LONGEST = 260  # characters of a folder or a name: no file has a longer one for Win32
IMPORTED_BY_ALL = "ntdll.dll"  # and so smss adds it to those of the list


def prepare_known_dlls(executive: Executive) -> None:
    """Once, at boot."""
    directory, _ = executive.objects.lookup(KNOWN_DLLS)
    executive.objects.fill_at_first_look(directory, partial(_fill, executive, directory))


def _fill(executive: Executive, directory: int) -> None:
    objects = executive.objects
    folder, names = _listed(executive)
    flags = OBJ_PERMANENT | OBJ_CASE_INSENSITIVE
    attributes = ObjectAttributes(LINK, directory, flags)
    objects.keep(objects.create_symbolic_link(folder, attributes, kernel=True), attributes)
    for name in names:
        attributes = ObjectAttributes(name, directory, flags)
        try:
            section = image_section(executive, rf"\??\{folder}\{name}")
        except NtError:
            continue  # smss leaves out what is missing or is no image
        objects.keep(section_object(executive, section, attributes, kernel=True), attributes)


def _listed(executive: Executive) -> tuple[str, list[str]]:
    """The folder of the known DLLs, and their names, each once, in the registry's order."""
    folder, names = SYSTEM32, {upcase(IMPORTED_BY_ALL): IMPORTED_BY_ALL}
    try:
        values = executive.registry.tree.find(LIST).values
    except NtError:
        values = []
    for value in values:
        if value.type in (REG_SZ, REG_EXPAND_SZ):
            text = expand(from_utf16(value.data).rstrip("\0"))
            if not 0 < len(text) <= LONGEST:
                continue
            if upcase(value.name) == upcase(FOLDER):
                folder = text
            elif "\\" not in text:
                names.setdefault(upcase(text), text)
    return folder, list(names.values())
