"""The prepared userland as it lies in the user's cache, and how it is found again.

    <cache>/ntgate/userland-13/      13 is LAYOUT: raised whenever a preparation's output changes
        current                      the name of the folder in use
        lock                         held while a preparation runs
        <version>-<hash>/
            manifest.json            what is here: all that is read when a machine starts
            system32/*.dll ...       the PE files, lower-case names
            nls/*.nls                the NLS tables
            made/WINDOWS/...         other files, each by its path on C:
            hives/software ...       the registry of a new machine
            symbols/*.dll.sym        (RVA, name) of each file's functions

Files are never hashed on the way to a machine; `Userland.status` does that when asked.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, field
from pathlib import Path
from typing import Literal

from ntgate.cache import cache_folder
from ntgate.errors import UsageError
from ntgate.layout.paths import SYSTEM32
from ntgate.loader.userland.errors import UserlandError
from ntgate.loader.userland.strip import Symbol, decode_symbols
from ntgate.loader.userland.tables import ServiceRow
from ntgate.records import dataclass

LAYOUT = 13
MANIFEST = "manifest.json"
CURRENT = "current"
PE_FOLDER = "system32"
NLS_FOLDER = "nls"
SYMBOL_FOLDER = "symbols"
MADE_FOLDER = "made"
HIVE_FOLDER = "hives"

Kind = Literal["wine", "xp"]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Size in bytes and SHA-256 (hex) of one file of the userland."""

    size: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> FileRecord:
        """The record of a file's content."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a prepared userland is made of.

    `kind` is "wine" (re-linked) or "xp" (a user's own DLLs, as they are). `origin` tells where the
    files came from, `packages` the SHA-256 of each package file. `files` has the path of each file
    below the userland's folder. `ntdll_base` and `entries` are addresses in ntdll; `services` are
    those beyond XP's that its and win32u's stubs call, from numbers 2000h and 3000h. `places` has
    the paths on C: of the PE files that are not in system32 alone.
    """

    kind: Kind
    version: str
    origin: str
    packages: dict[str, str]
    ntdll_base: int
    entries: dict[str, int]
    services: tuple[ServiceRow, ...]
    places: dict[str, list[str]]
    files: dict[str, FileRecord] = field(repr=False)

    def encode(self) -> str:
        """The manifest as JSON."""
        return json.dumps({"layout": LAYOUT, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def decode(cls, text: str) -> Manifest:
        """A manifest from JSON. Raises ValueError, KeyError or TypeError when it is none."""
        row = json.loads(text)
        if row.pop("layout") != LAYOUT:
            raise ValueError("another layout")
        row["services"] = tuple(ServiceRow(**service) for service in row["services"])
        row["files"] = {path: FileRecord(**record) for path, record in row["files"].items()}
        return cls(**row)


@dataclass(frozen=True, slots=True)
class Status:
    """What `ntgate userland status` tells. `damaged` are files missing or with another hash."""

    place: Path
    kind: Kind
    version: str
    origin: str
    packages: dict[str, str]
    files: int
    size: int
    damaged: tuple[str, ...]


class Userland:
    """A prepared userland, opened by reading its manifest alone."""

    def __init__(self, place: Path, manifest: Manifest) -> None:
        self.place = place
        self.manifest = manifest

    @classmethod
    def open(cls, place: Path) -> Userland:
        """The userland in this folder. Raises UserlandError when there is none that fits."""
        try:
            text = (place / MANIFEST).read_text(encoding="utf-8")
            return cls(place, Manifest.decode(text))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise UserlandError(f"no prepared userland in {place}: install it again") from None

    @classmethod
    def find(cls, root: Path | None = None) -> Userland | None:
        """The userland in use, below `root` (the user's cache when None); None when not installed.

        Raises UserlandError when the one in use can't be read.
        """
        try:
            root = root or userland_root()
        except UsageError:
            return None
        try:
            name = (root / CURRENT).read_text(encoding="utf-8").strip()
        except OSError:
            return None
        if not name or Path(name).name != name:
            raise UserlandError(f"{root / CURRENT} is damaged: install the userland again")
        return cls.open(root / name)

    @property
    def ntdll_base(self) -> int:
        """Where ntdll.dll is mapped in every process."""
        return self.manifest.ntdll_base

    @property
    def entries(self) -> dict[str, int]:
        """The addresses of KiUserExceptionDispatcher, LdrInitializeThunk and the like."""
        return self.manifest.entries

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the PE files: lower-case, with extension."""
        return self._names(PE_FOLDER)

    @property
    def nls_names(self) -> tuple[str, ...]:
        """The names of the NLS tables: lower-case, with extension."""
        return self._names(NLS_FOLDER)

    def file(self, name: str) -> Path | None:
        """The PE file with this name (any case), or None."""
        return self._path(f"{PE_FOLDER}/{name.lower()}")

    def nls(self, name: str) -> Path | None:
        """The NLS table with this name (any case), such as ``"c_1252.nls"``, or None."""
        return self._path(f"{NLS_FOLDER}/{name.lower()}")

    def places(self, name: str) -> list[str]:
        """The paths on C: of the PE file with this name (lower case)."""
        return self.manifest.places.get(name, [f"{SYSTEM32}\\{name}"])

    def drive_files(self) -> dict[str, str]:
        """The host's path of every file that the userland has on C:, by its path there."""
        place = str(self.place)
        files = {
            path: os.path.join(place, PE_FOLDER, name)
            for name in self.names
            for path in self.places(name)
        }
        for name in self.nls_names:
            files[f"{SYSTEM32}\\{name}"] = str(self.place / NLS_FOLDER / name)
        for name in self._names(MADE_FOLDER):
            files["C:\\" + name.replace("/", "\\")] = str(self.place / MADE_FOLDER / name)
        return files

    def hives(self) -> dict[str, Path]:
        """The hive files of a new machine's registry, by name."""
        return {name: self.place / HIVE_FOLDER / name for name in self._names(HIVE_FOLDER)}

    def services(self, table: int) -> tuple[ServiceRow, ...]:
        """The services of table 2 (ntdll's) or 3 (win32u's), by number."""
        rows = (row for row in self.manifest.services if row.number >> 12 == table)
        return tuple(sorted(rows, key=lambda row: row.number))

    def symbols(self, name: str) -> list[Symbol]:
        """(RVA, name) of each function in a PE file, by address; empty when they are not known."""
        path = self._path(f"{SYMBOL_FOLDER}/{name.lower()}.sym")
        return decode_symbols(path.read_bytes()) if path else []

    def status(self) -> Status:
        """Hash every file and tell what is here."""
        manifest = self.manifest
        damaged = (path for path, record in manifest.files.items() if self._reads(path) != record)
        return Status(
            self.place,
            manifest.kind,
            manifest.version,
            manifest.origin,
            manifest.packages,
            len(manifest.files),
            sum(record.size for record in manifest.files.values()),
            tuple(sorted(damaged)),
        )

    def _names(self, folder: str) -> tuple[str, ...]:
        paths = (path.split("/", 1) for path in self.manifest.files)
        return tuple(name for above, name in paths if above == folder)

    def _path(self, path: str) -> Path | None:
        return self.place / path if path in self.manifest.files else None

    def _reads(self, path: str) -> FileRecord | None:
        try:
            return FileRecord.of((self.place / path).read_bytes())
        except OSError:
            return None


def userland_root() -> Path:
    """The folder of all prepared userlands of this layout, in the user's cache."""
    return cache_folder() / f"userland-{LAYOUT}"
