"""Prepares the userland once: get the files, strip, re-link, and put them into the cache.

Everything is made in a work folder beside the place where it will lie and moved there whole; an
interrupted preparation leaves what was installed before. One runs at a time.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ntgate.image.resources import Resource, resources_of
from ntgate.layout.machine import NTDLL_BASE
from ntgate.layout.paths import DRIVE_ROOT, SYSTEM32
from ntgate.loader.userland.cache import (
    CURRENT,
    HIVE_FOLDER,
    MADE_FOLDER,
    MANIFEST,
    NLS_FOLDER,
    PE_FOLDER,
    SYMBOL_FOLDER,
    FileRecord,
    Kind,
    Manifest,
    Userland,
    userland_root,
)
from ntgate.loader.userland.errors import UserlandError
from ntgate.loader.userland.fetch import LIBWINE, PINNED, Choice, fetch
from ntgate.loader.userland.inf import Inf
from ntgate.loader.userland.placing import WINSXS, Places, place
from ntgate.loader.userland.progress import Progress, Silent
from ntgate.loader.userland.provided import PROVIDED, replacement
from ntgate.loader.userland.registry import build_hives
from ntgate.loader.userland.relink import (
    Relinked,
    entries,
    is_wine,
    ntdll_base,
    relink_ntdll,
    relink_win32u,
)
from ntgate.loader.userland.rename import RENAMED, rename_import
from ntgate.loader.userland.sources import Folder, Source, SourceFile
from ntgate.loader.userland.strip import Stripped, encode_symbols, strip
from ntgate.loader.userland.tables import ServiceRow

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

REGISTRATION = "WINE_REGISTRY"  # the type of the resources that are registration scripts

_WORK = ".work"
_LOCK = "lock"
_POLL_SECONDS = 0.2
_NEEDED = {
    "wine": ("system32/ntdll.dll", "system32/kernel32.dll", "system32/kernelbase.dll",
             "system32/win32u.dll", "nls/locale.nls", "nls/l_intl.nls", "nls/c_1252.nls"),
    "xp": ("system32/ntdll.dll", "system32/kernel32.dll"),
}  # fmt: skip


def install(
    folder: Path | None = None,
    *,
    any_version: bool = False,
    mirror: str | None = None,
    progress: Progress | None = None,
    root: Path | None = None,
) -> Userland:
    """Install the userland from `folder`, or Debian's packages when None, and make it current.

    `any_version` takes another Wine than 8.0; `mirror` is the address of the Debian archive to ask,
    where it is not apt's own sources. `root` stands for the user's cache. Nothing is done
    when the pinned packages are installed already and whole. Raises UserlandError.
    """
    choice = Choice(any_version, mirror)
    progress = progress or Silent()
    root = root or userland_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root, progress):
            if folder is None and (installed := _pinned_and_whole(root)) is not None:
                return installed
            return _install(folder, choice, progress, root)
    except OSError as error:
        hint = "; set XDG_CACHE_HOME to a folder of yours" * isinstance(error, PermissionError)
        where = error.filename or root
        raise UserlandError(f"{where}: {error.strerror or error}{hint}") from None


def _install(folder: Path | None, choice: Choice, progress: Progress, root: Path) -> Userland:
    work = root / _WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        source: Source = (
            fetch(work, progress, choice)
            if folder is None
            else Folder(folder, any_version=choice.any_version)
        )
        manifest = _Preparation(work / "userland", progress).run(source)
        text = manifest.encode()
        (work / "userland" / MANIFEST).write_text(text, encoding="utf-8", newline="\n")
        place = root / (
            re.sub(r"[^\w.~+-]", "_", manifest.version)
            + "-"
            + hashlib.sha256(text.encode()).hexdigest()[:8]
        )
        shutil.rmtree(place, ignore_errors=True)
        (work / "userland").rename(place)
        (work / CURRENT).write_text(place.name, encoding="utf-8")
        (work / CURRENT).replace(root / CURRENT)
        for other in root.iterdir():
            if other.is_dir() and other not in (place, work):
                shutil.rmtree(other, ignore_errors=True)
        return Userland(place, manifest)
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Preparation:
    """One run over the files of a source, into a fresh folder."""

    def __init__(self, place: Path, progress: Progress) -> None:
        self._place = place
        self._progress = progress
        self._kind: Kind = "wine"
        self._base = NTDLL_BASE
        self._entries: dict[str, int] = {}
        self._services: list[ServiceRow] = []
        self._files: dict[str, FileRecord] = {}
        self._inf: str | None = None

    def run(self, source: Source) -> Manifest:
        """Prepare every file; gives the manifest, which is not written yet."""
        self._progress.step("preparing the DLLs", source.count)
        for done, file in enumerate(source.files(), start=1):
            if file.is_nls:
                self._write(f"{NLS_FOLDER}/{file.name}", file.data)
            elif file.is_inf:
                self._inf = file.data.decode("utf-8", "replace")
            else:
                self._prepare(file)
            self._progress.advance(done)
        for name, make in PROVIDED.items():
            if f"{PE_FOLDER}/{name}" not in self._files:
                self._prepare(SourceFile(name, make()))
        missing = [path for path in _NEEDED[self._kind] if path not in self._files]
        if missing:
            raise UserlandError(f"{source.origin} has no {Path(missing[0]).name}")
        self._progress.step("making the registry", None)
        places = self._install()
        return Manifest(
            self._kind,
            source.version,
            source.origin,
            dict(source.packages),
            self._base,
            self._entries,
            tuple(sorted(self._services, key=lambda row: row.number)),
            {
                name: paths
                for name, paths in sorted(places.of.items())
                if paths != [f"{SYSTEM32}\\{name}"]
            },
            dict(sorted(self._files.items())),
        )

    def _prepare(self, file: SourceFile) -> None:
        stripped = strip(replacement(file.name, file.data), file.name)
        if file.name == "ntdll.dll":
            stripped = self._ntdll(stripped)
        elif file.name == "win32u.dll":
            stripped = self._linked(relink_win32u(stripped))
        elif file.name in RENAMED:
            stripped = rename_import(stripped, *RENAMED[file.name])
        self._write(f"{PE_FOLDER}/{file.name}", stripped.data)
        if stripped.symbols:
            self._write(f"{SYMBOL_FOLDER}/{file.name}.sym", encode_symbols(stripped.symbols))

    def _install(self) -> Places:
        """What Wine's set-up does in a new prefix: files into their places, and the registry."""
        names = sorted(
            path.removeprefix(f"{PE_FOLDER}/") for path in self._files if path.startswith(PE_FOLDER)
        )
        places = place(names, Inf(self._inf) if self._inf is not None else None, self._resources)
        for path, data in sorted(places.made.items()):
            self._write(f"{MADE_FOLDER}/{path.removeprefix(DRIVE_ROOT)}".replace("\\", "/"), data)
        scripts: dict[str, list[str]] = {}
        for name, paths in places.of.items():
            found = [each.data.decode() for each in self._resources(name, REGISTRATION)]
            if found:
                scripts |= {path: found for path in paths if not path.startswith(WINSXS)}
        for name, hive in build_hives(self._inf, scripts).items():
            self._write(f"{HIVE_FOLDER}/{name}", hive)
        return places

    def _resources(self, name: str, kind: str | int) -> list[Resource]:
        path = self._place / PE_FOLDER / name
        return resources_of(path.read_bytes(), kind) if path.is_file() else []

    def _ntdll(self, stripped: Stripped) -> Stripped:
        if is_wine(stripped.data):
            stripped = self._linked(relink_ntdll(stripped))
        else:
            self._kind = "xp"
        self._base, self._entries = ntdll_base(stripped.data), entries(stripped.data)
        return stripped

    def _linked(self, relinked: Relinked) -> Stripped:
        self._services += relinked.services
        return relinked.file

    def _write(self, path: str, data: bytes) -> None:
        (self._place / path).parent.mkdir(parents=True, exist_ok=True)
        (self._place / path).write_bytes(data)
        self._files[path] = FileRecord.of(data)


def _pinned_and_whole(root: Path) -> Userland | None:
    try:
        installed = Userland.find(root)
    except UserlandError:
        return None
    hashes = {package.sha256 for package in PINNED}
    if installed is None or installed.manifest.version != LIBWINE.version:
        return None
    if set(installed.manifest.packages.values()) != hashes or installed.status().damaged:
        return None
    return installed


@contextmanager
def _alone(root: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of a cache; it goes with the process, however that ends."""
    with (root / _LOCK).open("a+b") as file:
        if not _try_lock(file):
            progress.step("waiting for another installation", None)
            while not _try_lock(file):
                time.sleep(_POLL_SECONDS)
        yield


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
