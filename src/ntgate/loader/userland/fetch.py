"""Gets Debian's packages with Wine's DLLs through apt, as an ordinary user, changing nothing.

apt works on a private state folder with the machine's own sources, for the i386 architecture; the
packages are downloaded and never installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import unquote

from ntgate.loader.userland.errors import UserlandError
from ntgate.loader.userland.progress import Progress
from ntgate.loader.userland.sources import Packages
from ntgate.records import dataclass

_ELSEWHERE = "name a folder with --from DIR (an installed Wine 8.0, or your own DLLs)"
_POLL_SECONDS = 0.1
_TROUBLE = re.compile(r"^(?:E: |W: (?=Failed))(?P<text>.*)", re.MULTILINE)
_URI_LINE = re.compile(r"^'[^']*' (?P<file>\S+) (?P<size>\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """A package that ntgate knows: its version, and the SHA-256 of its file."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """What apt would download: the package, its version, the file's name and size in bytes."""

    package: Package
    version: str
    file: str
    size: int


LIBWINE = Package(
    "libwine",
    "8.0~repack-4",
    "c992aad6a47d81b719514f5d06c5df10267f1e40a6f4f3b4e3f655cbbf308d57",
)
ZLIB = Package(
    "libz-mingw-w64",
    "1.2.13+dfsg-1",
    "b9e73ca486bc2aa66da86b5724220d2dd7c8299636b1df74c3414757a2170615",
)
PINNED = (LIBWINE, ZLIB)


def fetch(work: Path, progress: Progress, *, any_version: bool = False) -> Packages:
    """Download the packages into `work` (95 MB). Another version than the pinned one is taken only
    with `any_version`; a pinned version's file must have the pinned hash.

    Raises UserlandError, in one line, when apt is missing, offers another version, or fails.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise UserlandError(f"{tool} is not here (it is on Debian and Ubuntu): {_ELSEWHERE}")
    apt = _Apt(work)
    progress.step("reading the package index", None)
    apt.update()
    candidates = [_choose(apt, package, any_version) for package in PINNED]
    total = sum(candidate.size for candidate in candidates)
    progress.step(f"downloading libwine {candidates[0].version}", total)
    apt.download(candidates, total, progress)
    paths = tuple(apt.folder / candidate.file for candidate in candidates)
    hashes = {path.name: _sha256(path) for path in paths}
    for candidate in candidates:
        package = candidate.package
        if candidate.version == package.version and hashes[candidate.file] != package.sha256:
            raise UserlandError(
                f"{candidate.file} is not the file that ntgate knows: its SHA-256 differs"
            )
    version = candidates[0].version
    return Packages(paths, version, f"Debian package libwine:i386 {version}", hashes)


def _choose(apt: _Apt, package: Package, any_version: bool) -> Candidate:
    pinned = apt.candidate(package, package.version)
    if pinned is not None:
        return pinned
    offered = apt.candidate(package)
    if offered is None:
        raise UserlandError(f"apt finds no {package.name}:i386 ({apt.errors[0]}): {_ELSEWHERE}")
    if not any_version:
        raise UserlandError(
            f"the archive of this release has {package.name} {offered.version}, ntgate knows "
            f"{package.version}: --any-version takes it all the same, or {_ELSEWHERE}"
        )
    return offered


class _Apt:
    """apt-get with a state folder of its own."""

    def __init__(self, work: Path) -> None:
        self.folder = work / "packages"
        self.errors: list[str] = []
        for folder in (work / "lists" / "partial", work / "cache" / "archives" / "partial"):
            folder.mkdir(parents=True)
        self.folder.mkdir()
        settings = {
            "Acquire::Retries": "3",
            "APT::Architecture": "i386",
            "APT::Architectures": "i386",
            "APT::Sandbox::User": "",
            "Debug::NoLocking": "true",
            "Dir::Cache": str(work / "cache"),
            "Dir::State::lists": str(work / "lists"),
            "Dir::State::status": os.devnull,
        }
        self._command = ["apt-get", "-q"]
        for key, value in settings.items():
            self._command += ["-o", f"{key}={value}"]

    def update(self) -> None:
        """Read the indexes. One that fails is no reason to stop: the package may be in others."""
        self._run("update")

    def candidate(self, package: Package, version: str | None = None) -> Candidate | None:
        """What apt would download for a package, in this version or the one that it prefers."""
        name = f"{package.name}:i386" if package is LIBWINE else package.name
        wanted = f"{name}={version}" if version else name
        match = _URI_LINE.search(self._run("download", "--print-uris", wanted))
        if match is None:
            return None
        found = unquote(match["file"]).split("_")[1]
        return Candidate(package, found, match["file"], int(match["size"]))

    def download(self, candidates: list[Candidate], total: int, progress: Progress) -> None:
        """Download them into `folder`."""
        wanted = [f"{candidate.package.name}={candidate.version}" for candidate in candidates]
        command = [*self._command, "download", *wanted]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            try:
                while running.poll() is None:
                    time.sleep(_POLL_SECONDS)
                    progress.advance(min(_size_of(self.folder), total))
            finally:
                running.kill()
            assert running.stderr is not None
            self._remember("download", running.stderr.read())
        if any(not (self.folder / candidate.file).is_file() for candidate in candidates):
            raise UserlandError(f"the download failed: {self.errors[-1]}")

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self._remember(arguments[0], done.stderr)
        return done.stdout

    def _remember(self, what: str, stderr: str) -> None:
        told = (" ".join(match["text"].split()) for match in _TROUBLE.finditer(stderr))
        self.errors += list(told) or [f"apt-get {what} told no error"]


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def _size_of(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        try:
            size += path.stat().st_size if path.is_file() else 0
        except OSError:  # apt renames a file when it is complete
            continue
    return size


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
