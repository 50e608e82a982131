"""Where the userland's files come from: Debian packages, or a folder of the user's.

A source gives PE files and NLS tables one at a time, so that the half gigabyte of debug sections
never lies on the disk.
"""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol

from ntgate.loader.userland.errors import UserlandError, WrongFolder
from ntgate.loader.userland.relink import has_wine_8_0_stubs, is_wine
from ntgate.records import dataclass

# 16-bit modules and VxDs (.dll16, .vxd ...) can't run here.
PE_SUFFIXES = frozenset(".dll .exe .sys .drv .ocx .cpl .acm .ax .com .ds .msstyles .tlb".split())
NLS_SUFFIX = ".nls"
INF = "wine.inf"  # what Wine's set-up reads
WINE_VERSION = "8.0"

# Debian's Wine imports it from a package of its own.
_ZLIB = PurePosixPath("i686-w64-mingw32/lib/zlib1.dll")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file, with its lower-case name."""

    name: str
    data: bytes

    @property
    def is_nls(self) -> bool:
        """Whether it is an NLS table and not a PE file."""
        return self.name.endswith(NLS_SUFFIX)

    @property
    def is_inf(self) -> bool:
        """Whether it is wine.inf and not a PE file."""
        return self.name == INF


class Source(Protocol):
    """A set of userland files. `version` and `origin` are for people, `packages` for checking."""

    @property
    def version(self) -> str:
        """The version of Wine, or ``"xp"``."""

    @property
    def origin(self) -> str:
        """Where the files come from."""

    @property
    def packages(self) -> Mapping[str, str]:
        """The SHA-256 of each package file, by file name."""

    @property
    def count(self) -> int | None:
        """How many files there are, when that is known before they are read."""

    def files(self) -> Iterator[SourceFile]:
        """The files, each once."""


@dataclass(frozen=True, slots=True)
class Packages:
    """Debian package files on the disk."""

    paths: tuple[Path, ...]
    version: str
    origin: str
    packages: Mapping[str, str]
    count: int | None = None

    def files(self) -> Iterator[SourceFile]:
        """The 32-bit PE files and the NLS tables in the packages."""
        for path in self.paths:
            yield from _package_files(path)


class Folder:
    """A folder that the user names, in any of these forms: one with the DLLs themselves (an
    installed Wine's `i386-windows`, or Windows XP's), the root of a Wine installation, or a Wine
    prefix.

    Raises UserlandError when it is none, when it holds no 32-bit ntdll.dll, or that of another Wine
    than 8.0 and not `any_version`.
    """

    def __init__(self, place: Path, *, any_version: bool = False) -> None:
        if not place.is_dir():
            raise WrongFolder(f"{place} is not a folder")
        self._paths = _folder_files(place)
        ntdll = self._paths.get("ntdll.dll")
        if ntdll is None:
            raise WrongFolder(f"{place} holds no ntdll.dll, nor a Wine tree or prefix that does")
        self.origin = str(ntdll.parent.absolute())
        self.packages: Mapping[str, str] = {}
        self.count: int | None = len(self._paths)
        data = ntdll.read_bytes()
        if not is_wine(data):
            self.version = "xp"
        elif has_wine_8_0_stubs(data):
            self.version = WINE_VERSION
        elif any_version:
            self.version = "unknown"
        else:
            raise WrongFolder(
                f"{ntdll} is not Wine {WINE_VERSION}'s; --any-version takes it all the same"
            )

    def files(self) -> Iterator[SourceFile]:
        """The folder's PE files and NLS tables."""
        for name, path in self._paths.items():
            yield SourceFile(name, path.read_bytes())


def _package_files(path: Path) -> Iterator[SourceFile]:
    command = ["dpkg-deb", "--fsys-tarfile", str(path)]
    damaged = UserlandError(f"{path.name} can't be unpacked: it is damaged")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpack:
        assert unpack.stdout is not None
        try:
            with tarfile.open(fileobj=unpack.stdout, mode="r|") as tar:
                for member in tar:
                    inside = PurePosixPath(member.name)
                    if member.isfile() and _is_wanted(inside):
                        content = tar.extractfile(member)
                        assert content is not None
                        yield SourceFile(inside.name.lower(), content.read())
            unpack.stdout.read()
            if unpack.wait():
                raise damaged
        except tarfile.TarError:
            raise damaged from None
        finally:
            unpack.kill()


def _is_wanted(path: PurePosixPath) -> bool:
    if path == "usr" / _ZLIB:
        return True
    if path.parent.name == "i386-windows":
        return path.suffix.lower() in PE_SUFFIXES
    if path.name == INF:
        return True
    return path.suffix == NLS_SUFFIX and path.parent.parts[-2:] == ("wine", "nls")


def _folder_files(place: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in _dll_folders(place):
        for path in sorted(folder.iterdir()):
            name = path.name.lower()
            if path.suffix.lower() in PE_SUFFIXES | {NLS_SUFFIX} and path.is_file():
                found.setdefault(name, path)
        if "ntdll.dll" in found:
            for nls in _nls_folders(place, folder):
                for path in sorted(nls.glob(f"*{NLS_SUFFIX}")):
                    found.setdefault(path.name.lower(), path)
                for path in (nls.parent / INF, nls.parent / "inf" / INF):
                    if path.is_file():
                        found.setdefault(INF, path)
            for root in _roots(place, folder):
                if (root / _ZLIB).is_file():
                    found.setdefault(_ZLIB.name, root / _ZLIB)
            return found
        found.clear()
    return {}


def _dll_folders(place: Path) -> Iterator[Path]:
    windows = place / "drive_c" / "windows"
    candidates = [
        place,
        windows / "syswow64",
        windows / "system32",
        place / "lib" / "wine" / "i386-windows",
        place / "usr" / "lib" / "i386-linux-gnu" / "wine" / "i386-windows",
        place / "usr" / "lib" / "wine" / "i386-windows",
        place / "i386-windows",
        place / "system32",
    ]
    return (folder for folder in candidates if folder.is_dir())


def _roots(place: Path, dlls: Path) -> list[Path]:
    """Where the installation that has these DLLs may have its other files."""
    return [place, place / "usr", *dlls.parents]


def _nls_folders(place: Path, dlls: Path) -> list[Path]:
    """Where a Wine keeps the tables for the DLLs in this folder."""
    shared = [root / "share" / "wine" / "nls" for root in _roots(place, dlls)]
    return [*shared, place / "drive_c" / "windows" / "system32", place / "nls"]
