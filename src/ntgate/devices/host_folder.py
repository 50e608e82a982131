"""A host folder as a folder of the guest's volume: read-only, copy-on-write or write-through.

What the guest can't name is left out: names that NT doesn't allow, the second of two that
differ in letter case alone, links that lead out, and what is neither a file nor a folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Literal

from ntgate.devices.host_errors import nt_error
from ntgate.devices.host_file import HostContent
from ntgate.devices.host_walk import HostRoot, LeadsOut
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.content import Content
from ntgate.executive.io.names import STRIPPED, is_valid
from ntgate.executive.io.source import FileSource, FolderSource, Metadata, Policy, Source
from ntgate.executive.ob.names import upcase
from ntgate.layout.ntstatus import STATUS_OBJECT_NAME_INVALID
from ntgate.layout.times import UNIX_EPOCH
from ntgate.records import dataclass

WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def _check_name(name: str) -> None:
    """Raises STATUS_OBJECT_NAME_INVALID for what the host can't spell."""
    if os.name == "nt" and name[-1:] in STRIPPED:
        raise NtError(STATUS_OBJECT_NAME_INVALID)
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise NtError(STATUS_OBJECT_NAME_INVALID) from None


@dataclass(frozen=True)
class HostMount:
    """`denied` hears of a path that leads out, which was a good one when it was first seen."""

    root: HostRoot
    policy: Policy
    denied: Callable[[list[str], str], None]


class HostNode:
    """A file or folder by its name in the folder above."""

    is_directory: bool

    def __init__(self, mount: HostMount, above: HostFolder | None, name: str) -> None:
        self._mount = mount
        self._above = above
        self._name = name

    @property
    def policy(self) -> Policy:
        return self._mount.policy

    @property
    def path(self) -> list[str]:
        """Components below the root, as they are now."""
        return [] if self._above is None else [*self._above.path, self._name]

    def _failed(self, error: OSError) -> NtError:
        """What a failure of the host's is to the guest."""
        if isinstance(error, LeadsOut):
            self._mount.denied(self.path, str(error))
        return nt_error(error)

    def moved(self, above: HostFolder, name: str) -> None:
        """It has another name now."""
        self._above, self._name = above, name

    def metadata(self) -> Metadata:
        """The host's last write is every time: the others change by being looked at."""
        try:
            found = self._mount.root.stat(self.path)
        except OSError as error:
            raise self._failed(error) from None
        kind = c.FILE_ATTRIBUTE_DIRECTORY if self.is_directory else c.FILE_ATTRIBUTE_ARCHIVE
        locked = not found.st_mode & WRITE_BITS and not self.is_directory
        attributes = kind | (c.FILE_ATTRIBUTE_READONLY if locked else 0)
        size = 0 if self.is_directory else found.st_size
        return Metadata.at(found.st_mtime_ns // 100 + UNIX_EPOCH, attributes, size)

    def set_metadata(self, metadata: Metadata) -> None:
        times = [max(0, (time - UNIX_EPOCH) * 100) for time in (metadata.access, metadata.write)]
        try:
            self._mount.root.set_times(self.path, *times)
            if not self.is_directory:
                mode = stat.S_IMODE(self._mount.root.stat(self.path).st_mode)
                locked = metadata.attributes & c.FILE_ATTRIBUTE_READONLY
                wanted = mode & ~WRITE_BITS if locked else mode | stat.S_IWUSR
                if wanted != mode:
                    self._mount.root.set_mode(self.path, wanted)
        except OSError as error:
            raise self._failed(error) from None


class HostFile(HostNode):
    """A regular file, open while the guest has it open."""

    is_directory: Literal[False] = False
    _content: HostContent | None = None

    def open(self) -> Content:
        if self._content is None:
            try:
                self._content = self._open()
            except OSError as error:
                raise self._failed(error) from None
        return self._content

    def _open(self) -> HostContent:
        if self.policy is Policy.WRITE_THROUGH:
            try:
                return HostContent(self._mount.root.open(self.path, os.O_RDWR), writable=True)
            except PermissionError:
                pass  # it can still be read
        return HostContent(self._mount.root.open(self.path, os.O_RDONLY), writable=False)

    def close(self) -> None:
        if self._content is not None:
            self._content.close()
            self._content = None


class HostFolder(HostNode):
    """A folder; below a write-through mount it is looked at again when it has changed."""

    is_directory: Literal[True] = True

    def __init__(
        self, mount: HostMount, above: HostFolder | None = None, name: str = ""
    ) -> None:
        super().__init__(mount, above, name)
        self._known: dict[str, HostFile | HostFolder] = {}
        self._refused: dict[str, str] = {}

    def stamp(self) -> int:
        if self.policy is not Policy.WRITE_THROUGH:
            return 0
        try:
            return self._mount.root.stat(self.path).st_mtime_ns
        except OSError as error:
            raise self._failed(error) from None

    def entries(self) -> list[tuple[str, Source]]:
        try:
            names = sorted(self._mount.root.names(self.path))
        except OSError as error:
            raise self._failed(error) from None
        found: list[tuple[str, Source]] = []
        seen: set[str] = set()
        self._refused.clear()
        for name in names:
            if is_valid(name) and upcase(name) not in seen:
                node, known = self._node(name), self._known.get(name)
                if known is not None and type(node) is type(known):
                    node = known
                if node is not None:
                    self._known[name] = node
                    seen.add(upcase(name))
                    found.append((name, node))
        return found

    def refused(self, name: str) -> str | None:
        return self._refused.get(upcase(name))

    def _node(self, name: str) -> HostFile | HostFolder | None:
        try:
            mode = self._mount.root.stat([*self.path, name]).st_mode
        except LeadsOut as error:
            self._refused[upcase(name)] = str(error)
            return None
        except OSError:
            return None
        kind = HostFolder if stat.S_ISDIR(mode) else HostFile
        return kind(self._mount, self, name)

    def create_file(self, name: str) -> HostFile:
        _check_name(name)
        try:
            os.close(self._mount.root.create([*self.path, name], os.O_RDWR))
        except OSError as error:
            raise self._failed(error) from None
        node = self._known[name] = HostFile(self._mount, self, name)
        return node

    def create_folder(self, name: str) -> HostFolder:
        _check_name(name)
        try:
            self._mount.root.make_directory([*self.path, name])
        except OSError as error:
            raise self._failed(error) from None
        node = self._known[name] = HostFolder(self._mount, self, name)
        return node

    def remove(self, name: str) -> None:
        try:
            self._mount.root.remove([*self.path, name])
        except OSError as error:
            raise self._failed(error) from None
        self._known.pop(name, None)

    def link(self, file: FileSource, name: str) -> None:
        assert isinstance(file, HostFile)
        _check_name(name)
        try:
            self._mount.root.link(file.path, [*self.path, name])
        except OSError as error:
            raise self._failed(error) from None
        self._known[name] = file

    def remember(self, name: str, file: FileSource) -> None:
        assert isinstance(file, HostFile)
        file.moved(self, name)

    def rename(self, name: str, target: FolderSource, new_name: str) -> None:
        assert isinstance(target, HostFolder)
        _check_name(new_name)
        try:
            self._mount.root.rename([*self.path, name], [*target.path, new_name])
        except OSError as error:
            raise self._failed(error) from None
        node = self._known.pop(name)
        node.moved(target, new_name)
        target._known[new_name] = node
