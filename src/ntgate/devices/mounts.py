r"""Which folders of the host the guest sees, and where.

By default the current folder is C:\work and the folder of the program, unless a mount shows it
already, is C:\program: both copy-on-write, so that nothing that the guest does reaches the
host.  A mount is written HOST=GUEST[:ro|cow|rw].
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from ntgate.devices.host_folder import HostFolder, HostMount
from ntgate.devices.host_walk import open_root
from ntgate.errors import UsageError
from ntgate.executive.io.names import STRIPPED, is_valid
from ntgate.executive.io.source import Policy
from ntgate.executive.io.volume import Volume
from ntgate.executive.ob.names import upcase
from ntgate.layout.paths import DRIVE_ROOT
from ntgate.records import dataclass

WORK_FOLDER, PROGRAM_FOLDER = "C:\\work", "C:\\program"


@dataclass(frozen=True)
class Mount:
    r"""A host folder, absolute and without links, and its place: C:\ and at least a name."""

    host: Path
    guest: str
    policy: Policy = Policy.COPY_ON_WRITE

    @classmethod
    def of(cls, host: Path | str, guest: str, policy: Policy = Policy.COPY_ON_WRITE) -> Mount:
        """Raises UsageError for a folder that is not there, or a place that can't be."""
        try:
            real = Path(host).resolve(strict=True)
        except (OSError, RuntimeError) as error:  # RuntimeError before Python 3.13
            reason: str | None = "a link leads to itself"
            if isinstance(error, OSError) and error.errno != errno.ELOOP:
                reason = error.strerror
            raise UsageError(f"can't mount {host}: {reason}") from None
        if not real.is_dir():
            raise UsageError(f"can't mount {host}: it is not a folder")
        path = guest.replace("/", "\\").rstrip("\\")
        if upcase(path[:3]) != DRIVE_ROOT:
            raise UsageError(f"can't mount at {guest}: a place is a path such as C:\\data")
        if not all(is_valid(name) and name[-1] not in STRIPPED for name in path[3:].split("\\")):
            raise UsageError(f"can't mount at {guest}: Windows does not allow that name")
        return cls(real, DRIVE_ROOT + path[3:], policy)

    @classmethod
    def parse(cls, text: str) -> Mount:
        """HOST=GUEST[:ro|cow|rw]; raises UsageError."""
        host, mark, guest = text.rpartition("=")
        if not mark or not host or not guest:
            raise UsageError(f"{text!r} is no mount: write HOST=GUEST, HOST=GUEST:ro, :cow or :rw")
        policy = Policy.COPY_ON_WRITE
        place, colon, word = guest.rpartition(":")
        if colon and len(place) > 1:
            known = {policy.value: policy for policy in Policy}
            if word not in known:
                raise UsageError(f"{text!r}: {word!r} is none of {', '.join(known)}")
            guest, policy = place, known[word]
        return cls.of(host, guest, policy)

    @property
    def components(self) -> list[str]:
        return self.guest[len(DRIVE_ROOT) :].split("\\")


class Mounts:
    """The mounts of a machine; a later one goes over an earlier one at the same place."""

    def __init__(self, mounts: Iterable[Mount] = ()) -> None:
        self._mounts = list(mounts)

    @classmethod
    def standard(
        cls, program: Path | None = None, *more: Mount, work: Policy = Policy.COPY_ON_WRITE
    ) -> Mounts:
        """The current folder, the program's, and what the user adds; raises UsageError."""
        try:
            current = Path.cwd()
        except OSError as error:
            raise UsageError(f"there is no current folder: {error.strerror}") from None
        mounts = [Mount.of(current, WORK_FOLDER, work)]
        if program is not None:
            folder = program.resolve().parent
            if not any(folder.is_relative_to(mount.host) for mount in (*mounts, *more)):
                mounts.append(Mount.of(folder, PROGRAM_FOLDER))
        return cls([*mounts, *more])

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts)

    def guest_path(self, host: Path) -> str | None:
        """Where the guest sees a host file or folder; None where it doesn't."""
        real = host.resolve()
        best: Mount | None = None
        for mount in self._mounts:
            if real.is_relative_to(mount.host) and (
                best is None or len(mount.host.parts) >= len(best.host.parts)
            ):
                best = mount
        if best is None:
            return None
        return "\\".join([best.guest, *real.relative_to(best.host).parts])

    def apply(self, volume: Volume) -> None:
        """Fill the folders of a volume; raises UsageError for one that can't be opened."""
        for mount in self._mounts:
            try:
                root = open_root(os.fspath(mount.host))
            except OSError as error:
                raise UsageError(f"can't mount {mount.host}: {error.strerror}") from None
            denied = partial(_denied, volume, mount.guest.removeprefix("C:"))
            folder = HostFolder(HostMount(root, mount.policy, denied))
            volume.tree.mount(folder, *mount.components)


def _denied(volume: Volume, place: str, below: list[str], reason: str) -> None:
    volume.tell.denied("\\".join([place, *below]), reason)
