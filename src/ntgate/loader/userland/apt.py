"""apt-get with a state folder of its own, for the i386 architecture: it changes nothing.

It looks into the machine's own sources, or into the archives that it is given.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from ntgate.loader.userland.errors import UserlandError
from ntgate.loader.userland.progress import Progress
from ntgate.records import dataclass

SUITE = "bookworm"  # Debian 12, which has Wine 8.0

_POLL_SECONDS = 0.1
_TROUBLE = re.compile(r"^(?:E: |W: (?=Failed))(?P<text>.*)", re.MULTILINE)
_URI_LINE = re.compile(r"^'[^']*' (?P<file>\S+) (?P<size>\d+)", re.MULTILINE)
_ORIGIN_LINE = re.compile(r"^(?P<archive>\S+) Debian Debian$", re.MULTILINE)
# The security archive, of the same origin, has another label.
_ORIGIN_FORMAT = "$(REPO_URI) $(ORIGIN) $(LABEL)"


@dataclass(frozen=True, slots=True)
class Package:
    """A package that ntgate knows: its version, and the SHA-256 of its file."""

    name: str
    architecture: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """What apt would download: the package, its version, the file's name and size in bytes."""

    package: Package
    version: str
    file: str
    size: int


class Apt:
    """`work` is a folder that it makes; `archives` are addresses of Debian archives, of which it
    takes the suite `bookworm`, or None for the machine's own sources.

    `signed`: whether an archive must be signed with a key that the machine's apt trusts. Only
    Debian has Debian's keys, so what comes without that must be known by its SHA-256.
    """

    def __init__(
        self, work: Path, archives: Sequence[str] | None = None, *, signed: bool = True
    ) -> None:
        self.signed = signed
        self.folder = work / "packages"
        self.title = "your apt sources" if archives is None else " ".join(archives)
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
        if archives is not None:
            options = "" if signed else "[trusted=yes] "
            lines = [f"deb {options}{archive} {SUITE} main\n" for archive in archives]
            (work / "sources.list").write_text("".join(lines))
            settings["Dir::Etc::sourcelist"] = str(work / "sources.list")
            settings["Dir::Etc::sourceparts"] = os.devnull
        self._command = ["apt-get", "-q"]
        for key, value in settings.items():
            self._command += ["-o", f"{key}={value}"]

    def update(self) -> None:
        """Read the indexes. One that fails is no reason to stop: the package may be in others."""
        self._run("update")

    def debian_archives(self) -> list[str]:
        """Where the sources get Debian, of whatever release; by the indexes that were read."""
        told = self._run("indextargets", "--format", _ORIGIN_FORMAT, "Created-By: Packages")
        found = (match["archive"] for match in _ORIGIN_LINE.finditer(told))
        return [archive for archive in dict.fromkeys(found) if not archive.startswith("cdrom:")]

    def candidate(self, package: Package, version: str | None = None) -> Candidate | None:
        """What apt would download for a package, in this version or the one that it prefers."""
        name = f"{package.name}:i386" if package.architecture == "i386" else package.name
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
            self._remember(running.stderr.read())
        if any(not (self.folder / candidate.file).is_file() for candidate in candidates):
            raise UserlandError(f"the download failed: {self.errors[-1] if self.errors else '?'}")

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
        self._remember(done.stderr)
        return done.stdout

    def _remember(self, stderr: str) -> None:
        self.errors += (" ".join(match["text"].split()) for match in _TROUBLE.finditer(stderr))


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
