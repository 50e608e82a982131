"""Where on drive C: the files of a Wine userland belong.

Most are in system32. What is elsewhere, or in more than one place, wine.inf says, with the files
that it takes out of resources; DLLs that programs find by a manifest are side-by-side assemblies
and have a folder of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import field
from fnmatch import fnmatch

from ntgate.image.resources import RT_MANIFEST, Resource
from ntgate.layout.paths import SYSTEM32, WINDOWS
from ntgate.loader.userland.inf import DIRECTORIES, INSTALL, Inf
from ntgate.records import dataclass

WINSXS = WINDOWS + "\\WinSxS"
DATA = "WINE_DATA_FILE"  # the type of the resources that wine.inf makes files of
_ASSEMBLY = "WINE_MANIFEST"
_NOT_INSTALLED = "-"
_TAG = re.compile(r"<\s*(assemblyIdentity|file)\b([^>]*)>")
_ATTRIBUTE = re.compile(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_IDENTITY = ("processorArchitecture", "name", "publicKeyToken", "version", "language")


@dataclass
class Places:
    """Full paths on C:.  `of` has every place of each PE file, `made` the content of new files."""

    of: dict[str, list[str]] = field(default_factory=dict)
    made: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, folder: str) -> None:
        """One more place of a PE file."""
        places = self.of.setdefault(name, [])
        if (path := f"{folder}\\{name}") not in places:
            places.append(path)


def place(
    names: list[str], inf: Inf | None, resources: Callable[[str, str | int], list[Resource]]
) -> Places:
    """The places of PE files with these names.

    resources(name, type) are those of a file.  The order of `of` is the one in which the files
    are registered.
    """
    places = Places()
    left = dict.fromkeys(names)
    for dirid, subfolder, pattern, *source in _fake_dlls(inf):
        folder = "\\".join(filter(None, (DIRECTORIES[dirid], subfolder)))
        found = [name for name in left if fnmatch(name, pattern)] if "*" in pattern else [pattern]
        for name in found:
            if name in names:
                if source != [_NOT_INSTALLED]:
                    places.add(name, folder)
                left.pop(name, None)
    for name in left:
        places.add(name, SYSTEM32)
    if inf is not None:
        for folder, files in _copied(inf):
            for name, module, number in files:
                for resource in resources(module, DATA):
                    if resource.name == number:
                        places.made[f"{folder}\\{name}"] = resource.data
    for name in names:
        for resource in resources(name, RT_MANIFEST):
            if str(resource.name).startswith(_ASSEMBLY):
                _place_assembly(places, names, resource.data)
    return places


def _fake_dlls(inf: Inf | None) -> Iterator[list[str]]:
    """(directory, folder, name or pattern[, source]) of each line, in lower case but for the
    folder; lines that only make a folder or that name a 16-bit file are left out."""
    if inf is None:
        return
    for section in INSTALL:
        for sections in inf.named(section, "WineFakeDlls"):
            for each in sections:
                for line in inf.lines(each.strip()):
                    dirid, subfolder, name, *source = [*line, "", ""][: max(len(line), 3)]
                    if name and dirid in DIRECTORIES and (not source or source[0] == "-"):
                        yield [dirid, subfolder.strip("\\"), name.lower(), *source]


def _copied(inf: Inf) -> Iterator[tuple[str, list[tuple[str, str, int]]]]:
    """(folder, [(name, module, resource)]) of the sections whose files come from resources."""
    folders = dict(inf.pairs("DestinationDirs"))
    for sections in inf.named("DefaultInstall.NT", "CopyFiles"):
        for section in (section.strip() for section in sections):
            dirid, _, below = folders.get(section, "").partition(",")
            if dirid.strip() in DIRECTORIES:
                folder = "\\".join(filter(None, (DIRECTORIES[dirid.strip()], below.strip())))
                yield folder, list(_from_resources(inf, section))


def _from_resources(inf: Inf, section: str) -> Iterator[tuple[str, str, int]]:
    for name, *source in inf.lines(section):
        if source and source[0].startswith("@"):
            path, _, number = source[0].rpartition(",")
            yield name, path.rpartition("\\")[2].lower(), abs(int(number))


def _place_assembly(places: Places, names: list[str], manifest: bytes) -> None:
    """The manifest into WinSxS\\Manifests, and the files that it names into their folder."""
    text = manifest.decode("utf-8", "replace")
    folder = ""
    for tag, rest in _TAG.findall(text):
        given = {name: one or other for name, one, other in _ATTRIBUTE.findall(rest)}
        if tag == "file" and folder:
            name = given.get("name", "").lower()
            if name in names:
                places.add(name, f"{WINSXS}\\{folder}")
        elif tag == "assemblyIdentity" and not folder and "publicKeyToken" in given:
            if not given.get("processorArchitecture"):
                text = text.replace('processorArchitecture=""', 'processorArchitecture="x86"', 1)
                given["processorArchitecture"] = "x86"
            given.setdefault("language", "none")
            folder = "_".join(given[part] for part in _IDENTITY).lower() + "_deadbeef"
    if folder:
        places.made[f"{WINSXS}\\Manifests\\{folder}.manifest"] = text.encode()
