"""Gets Debian's packages with Wine's DLLs through apt, as an ordinary user, changing nothing.

The machine's own sources are asked first. Where they are not Debian 12's, the archive that they
take another release of Debian from is, and elsewhere (on Ubuntu) Debian's own or the user's choice.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ntgate.errors import UsageError
from ntgate.loader.userland.apt import Apt, Candidate, Package
from ntgate.loader.userland.errors import UserlandError
from ntgate.loader.userland.progress import Progress
from ntgate.loader.userland.sources import Packages
from ntgate.records import dataclass

ARCHIVE = "http://ftp.debian.org/debian/"

LIBWINE = Package(
    "libwine",
    "i386",
    "8.0~repack-4",
    "c992aad6a47d81b719514f5d06c5df10267f1e40a6f4f3b4e3f655cbbf308d57",
)
ZLIB = Package(
    "libz-mingw-w64",
    "all",
    "1.2.13+dfsg-1",
    "b9e73ca486bc2aa66da86b5724220d2dd7c8299636b1df74c3414757a2170615",
)
PINNED = (LIBWINE, ZLIB)

_ADDRESS = re.compile(r"(?:https?|ftp)://[^\s/\[\]]+(?:/[^\s\[\]]*)?|file:/[^\s\[\]]*")
_ELSEWHERE = "name a folder with --from DIR (an installed Wine 8.0, or your own DLLs)"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user says of the packages: any version of them, and the Debian archive to ask."""

    any_version: bool = False
    mirror: str | None = None

    def __post_init__(self) -> None:
        if self.mirror is not None and not _ADDRESS.fullmatch(self.mirror):
            raise UsageError(
                f"--mirror {self.mirror}: a Debian archive is named as in http://HOST/debian"
            )


def fetch(work: Path, progress: Progress, choice: Choice) -> Packages:
    """Download the packages into `work` (95 MB). Another version than the pinned one is taken only
    with `any_version`; a pinned version's file must have the pinned hash.

    Raises UserlandError, in one line, when apt is missing, finds no such version, or fails.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise UserlandError(f"{tool} is not here (it is on Debian and Ubuntu): {_ELSEWHERE}")
    apt, candidates = _search(work, progress, choice)
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


def _search(work: Path, progress: Progress, choice: Choice) -> tuple[Apt, list[Candidate]]:
    """The first place that has what is wanted, and what apt would download there."""
    answers = []
    others = []
    for apt in _places(work, progress, choice):
        pinned = [apt.candidate(package, package.version) for package in PINNED]
        if all(pinned):
            return apt, [each for each in pinned if each]
        offered = [each for package in PINNED if (each := apt.candidate(package))]
        if apt.signed and len(offered) == len(PINNED):
            if choice.any_version:
                return apt, offered
            others.append(offered[0].version)
        answers.append(f"{apt.title}: {_answer(apt, pinned, offered)}")
    ways = ["name another archive of Debian with --mirror URL"]
    if others:
        ways.append(f"take {others[0]} all the same with --any-version")
    known = " and ".join(f"{package.name} {package.version}" for package in PINNED)
    raise UserlandError(
        f"apt finds no {known} ({'; '.join(answers)}): {', '.join(ways)}, or {_ELSEWHERE}"
    )


def _answer(apt: Apt, pinned: list[Candidate | None], offered: list[Candidate]) -> str:
    """Why a place won't do, in a few words."""
    missing = PINNED[pinned.index(None)]
    has = [f"{each.package.name} {each.version}" for each in offered if each.package is missing]
    return has[0] if has else (apt.errors or [f"no {missing.name}"])[0]


def _places(work: Path, progress: Progress, choice: Choice) -> Iterator[Apt]:
    """Where to look, one after another, each with its indexes read."""
    if choice.mirror is not None:
        yield _asked(Apt(work / "mirror", [choice.mirror], signed=choice.any_version), progress)
        return
    own = _asked(Apt(work / "own"), progress)
    yield own
    archives = own.debian_archives()
    if archives:
        yield _asked(Apt(work / "same", archives, signed=False), progress)
    if ARCHIVE not in archives:
        yield _asked(Apt(work / "debian", [ARCHIVE], signed=False), progress)


def _asked(apt: Apt, progress: Progress) -> Apt:
    progress.step(f"asking {apt.title}", None)
    apt.update()
    return apt


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
