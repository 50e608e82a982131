"""A folder of the host that nothing leads out of: neither `..` nor a symbolic link.

Where the host has openat(2), every step is taken by a descriptor of the directory before and
never through a link: the text of a link is read and walked here, from the root again when it is
absolute.  So a link that is put in place between a look and an open leads nowhere new.  A link
to something outside is as if it were not there.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

if sys.platform == "win32":
    from ntgate.devices.kernel32 import open_shared
else:

    def open_shared(path: str, flags: int) -> int:
        """A file that may be deleted and renamed meanwhile, as any may here."""
        return os.open(path, flags, 0o666)


MOST_LINKS = 40
READ_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
# A FIFO must not block the machine, and a program that is started must not inherit.
ALWAYS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
LINKS_REFUSED = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)  # what O_NOFOLLOW answers on hosts

Path = Sequence[str]


class HostRoot(Protocol):
    """Paths are components below the root.  Every method raises OSError."""

    def open(self, path: Path, flags: int) -> int:
        """A descriptor of a regular file or a directory; the caller closes it."""
    def create(self, path: Path, flags: int) -> int:
        """A new regular file."""
    def names(self, path: Path) -> list[str]: ...
    def stat(self, path: Path) -> os.stat_result:
        """Of what a link leads to."""
    def make_directory(self, path: Path) -> None: ...
    def remove(self, path: Path) -> None:
        """A file, a link, or an empty directory."""
    def rename(self, path: Path, target: Path) -> None:
        """To a name that is free, or the same file's in other letters."""
    def link(self, path: Path, target: Path) -> None:
        """A hard link, never to a link."""
    def set_times(self, path: Path, access: int, write: int) -> None:
        """In nanoseconds since 1970."""
    def set_mode(self, path: Path, mode: int) -> None: ...


def open_root(path: str) -> HostRoot:
    """The folder, by the best way that the host has; raises OSError."""
    return DescriptorRoot(path) if os.open in os.supports_dir_fd else PathRoot(path)


class LeadsOut(OSError):
    """A step of a path leaves the folder: to whoever asks, nothing is there."""

    def __init__(self, name: str, why: str = "a link leads out of the mounted folder") -> None:
        super().__init__(errno.ENOENT, "leads out of the folder", name)
        self._why = why

    def __str__(self) -> str:
        return self._why


def _check_kind(mode: int, name: str) -> None:
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EACCES, "is neither a file nor a folder", name)


def _check_free(source: os.stat_result, target: os.stat_result, name: str) -> None:
    """What the guest does not see, such as a link that leads out, is not replaced."""
    if not os.path.samestat(source, target):
        raise FileExistsError(errno.EEXIST, "is there already", name)


class DescriptorRoot:
    """Steps by descriptors."""

    def __init__(self, path: str) -> None:
        self._real = os.path.realpath(path)
        self._root = os.open(self._real, READ_DIRECTORY | ALWAYS)

    def __del__(self) -> None:
        if hasattr(self, "_root"):
            os.close(self._root)

    def open(self, path: Path, flags: int) -> int:
        descriptor = self._walk(path, flags)
        try:
            _check_kind(os.fstat(descriptor).st_mode, path[-1] if path else "")
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def create(self, path: Path, flags: int) -> int:
        with self._directory(path[:-1]) as above:
            flags |= os.O_CREAT | os.O_EXCL | NOFOLLOW | ALWAYS
            return os.open(path[-1], flags, 0o666, dir_fd=above)

    def names(self, path: Path) -> list[str]:
        with self._directory(path) as directory:
            return os.listdir(directory)

    def stat(self, path: Path) -> os.stat_result:
        if path:
            with self._directory(path[:-1]) as above:
                found = os.stat(path[-1], dir_fd=above, follow_symlinks=False)
                if not stat.S_ISLNK(found.st_mode):
                    _check_kind(found.st_mode, path[-1])
                    return found
        descriptor = self.open(path, os.O_RDONLY)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def make_directory(self, path: Path) -> None:
        with self._directory(path[:-1]) as above:
            os.mkdir(path[-1], dir_fd=above)

    def remove(self, path: Path) -> None:
        with self._directory(path[:-1]) as above:
            found = os.stat(path[-1], dir_fd=above, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                os.rmdir(path[-1], dir_fd=above)
            else:
                os.unlink(path[-1], dir_fd=above)

    def rename(self, path: Path, target: Path) -> None:
        with self._directory(path[:-1]) as source, self._directory(target[:-1]) as into:
            found = os.stat(path[-1], dir_fd=source, follow_symlinks=False)
            with suppress(FileNotFoundError):
                there = os.stat(target[-1], dir_fd=into, follow_symlinks=False)
                _check_free(found, there, target[-1])
            os.rename(path[-1], target[-1], src_dir_fd=source, dst_dir_fd=into)

    def link(self, path: Path, target: Path) -> None:
        with self._directory(path[:-1]) as source, self._directory(target[:-1]) as into:
            found = os.stat(path[-1], dir_fd=source, follow_symlinks=False)
            _check_kind(found.st_mode, path[-1])
            os.link(
                path[-1], target[-1], src_dir_fd=source, dst_dir_fd=into, follow_symlinks=False
            )

    def set_times(self, path: Path, access: int, write: int) -> None:
        with self._opened(path) as descriptor:
            os.utime(descriptor, ns=(access, write))

    def set_mode(self, path: Path, mode: int) -> None:
        with self._opened(path) as descriptor:
            os.chmod(descriptor, mode)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        descriptor = self.open(path, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _directory(self, path: Path) -> Iterator[int]:
        descriptor = self._walk(path, READ_DIRECTORY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _walk(self, path: Path, flags: int) -> int:
        """Open what is at the end of the path; `above` has the directories on the way."""
        above = [os.dup(self._root)]
        waiting = deque(path)
        links = 0
        try:
            while waiting:
                name = waiting.popleft()
                if name in ("", "."):
                    continue
                if name == "..":
                    if len(above) == 1:
                        raise LeadsOut(name)
                    os.close(above.pop())
                    continue
                wanted = READ_DIRECTORY if waiting else flags
                try:
                    above.append(os.open(name, wanted | NOFOLLOW | ALWAYS, dir_fd=above[-1]))
                except OSError as error:
                    parts = self._link(name, above[-1], error)
                    links += 1
                    if links > MOST_LINKS:
                        raise OSError(errno.ELOOP, "too many links", name) from None
                    if parts[0] == "/":
                        while len(above) > 1:
                            os.close(above.pop())
                    waiting.extendleft(reversed(parts[1:]))
            return above.pop()
        finally:
            for descriptor in above:
                os.close(descriptor)

    def _link(self, name: str, directory: int, error: OSError) -> list[str]:
        """Where a link leads: "/" or "" for its start, then the components."""
        if error.errno not in LINKS_REFUSED:
            raise error
        try:
            target = os.readlink(name, dir_fd=directory)
        except OSError:
            raise error from None
        if not target.startswith("/"):
            return ["", *target.split("/")]
        inside = target.removeprefix(self._real.rstrip("/") + "/")
        if inside == target and target.rstrip("/") != self._real:
            raise LeadsOut(name)
        return ["/", *(inside.split("/") if inside != target else ())]


class PathRoot:
    """For hosts without openat(2): a path is resolved, and must still be below the root.

    Whoever can change the folder while the machine runs could win a race against that.
    """

    def __init__(self, path: str) -> None:
        self._real = os.path.realpath(path)
        os.listdir(self._real)

    def open(self, path: Path, flags: int) -> int:
        place = self._resolve(path)
        _check_kind(os.stat(place).st_mode, place)
        return open_shared(place, flags | ALWAYS)

    def create(self, path: Path, flags: int) -> int:
        return open_shared(self._new(path), flags | os.O_CREAT | os.O_EXCL | ALWAYS)

    def names(self, path: Path) -> list[str]:
        return os.listdir(self._resolve(path))

    def stat(self, path: Path) -> os.stat_result:
        found = os.stat(self._resolve(path))
        _check_kind(found.st_mode, path[-1] if path else "")
        return found

    def make_directory(self, path: Path) -> None:
        os.mkdir(self._new(path))

    def remove(self, path: Path) -> None:
        place = os.path.join(self._resolve(path[:-1]), path[-1])
        if stat.S_ISDIR(os.lstat(place).st_mode):
            os.rmdir(place)
        else:
            os.unlink(place)

    def rename(self, path: Path, target: Path) -> None:
        place = os.path.join(self._resolve(path[:-1]), path[-1])
        wanted = self._new(target)
        with suppress(FileNotFoundError):
            _check_free(os.lstat(place), os.lstat(wanted), wanted)
        os.replace(place, wanted)

    def link(self, path: Path, target: Path) -> None:
        place = os.path.join(self._resolve(path[:-1]), path[-1])
        _check_kind(os.lstat(place).st_mode, place)
        os.link(place, self._new(target))

    def set_times(self, path: Path, access: int, write: int) -> None:
        os.utime(self._resolve(path), ns=(access, write))

    def set_mode(self, path: Path, mode: int) -> None:
        os.chmod(self._resolve(path), mode)

    def _new(self, path: Path) -> str:
        """Where a new name would be.  Win32 makes a device of NUL, and `a` of `a.`: never here."""
        place = os.path.join(self._resolve(path[:-1]), path[-1])
        if os.path.abspath(place) != place:
            raise LeadsOut(place, "the host takes the name for another one")
        return place

    def _resolve(self, path: Path) -> str:
        place = os.path.realpath(os.path.join(self._real, *path))
        real, found = os.path.normcase(self._real), os.path.normcase(place)
        try:
            is_below = os.path.commonpath([real, found]) == real
        except ValueError:  # another drive of Windows
            is_below = False
        if not is_below:
            raise LeadsOut(place)
        return place
