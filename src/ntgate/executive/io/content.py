"""The bytes of a file: in memory, cluster by cluster, over a base that is only read."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from ntgate.errors import NtError
from ntgate.layout.ntstatus import STATUS_DISK_FULL

CLUSTER = 0x1000
ZERO_CHUNK = 0x100000


class Content(Protocol):
    """Bytes with a size.  Reads end at the size; writes extend it, with zeros in a gap."""

    @property
    def size(self) -> int: ...
    @property
    def allocated(self) -> int:
        """Bytes that it takes on its volume."""
    @property
    def stamp(self) -> Hashable:
        """Another one once somebody else has changed the bytes."""
    def read(self, offset: int, size: int) -> bytes: ...
    def write(self, offset: int, data: bytes) -> None:
        """Raises STATUS_DISK_FULL, having written nothing."""
    def set_size(self, size: int) -> None: ...
    def flush(self) -> None: ...


class Space:
    """Clusters of host memory that the files of a volume may take together."""

    def __init__(self, clusters: int) -> None:
        self.total = clusters
        self.used = 0

    @property
    def free(self) -> int:
        return self.total - self.used

    def take(self, clusters: int) -> None:
        """Raises STATUS_DISK_FULL."""
        if clusters > self.free:
            raise NtError(STATUS_DISK_FULL)
        self.used += clusters

    def give_back(self, clusters: int) -> None:
        self.used -= clusters


class MemoryContent:
    """Clusters that have been written; the others are the base's, or zero."""

    def __init__(self, space: Space, base: Content | None = None) -> None:
        self._space = space
        self._clusters: dict[int, bytearray] = {}
        self._base = base
        self._base_size = base.size if base is not None else 0
        self.size = self._base_size

    @property
    def allocated(self) -> int:
        return -(-self.size // CLUSTER) * CLUSTER

    @property
    def stamp(self) -> Hashable:
        return self._base.stamp if self._base is not None else None

    @property
    def taken(self) -> int:
        """Bytes of the clusters that are not zeros by default."""
        of_base = -(-self._base_size // CLUSTER)
        own = sum(1 for number in self._clusters if number >= of_base)
        return (of_base + own) * CLUSTER

    def read(self, offset: int, size: int) -> bytes:
        size = min(size, self.size - offset)
        if size <= 0:
            return b""
        number, start = divmod(offset, CLUSTER)
        if start + size <= CLUSTER:
            return self._piece(number, start, size)
        parts = []
        while size:
            part = min(size, CLUSTER - start)
            parts.append(self._piece(number, start, part))
            number, start, size = number + 1, 0, size - part
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        number, start = divmod(offset, CLUSTER)
        cluster = self._clusters.get(number)
        if cluster is not None and start + len(data) <= CLUSTER:
            cluster[start : start + len(data)] = data
        else:
            self._write_clusters(number, start, data)
        if end > self.size:
            self.size = end

    def set_size(self, size: int) -> None:
        if size < self.size:
            self._cut(size)
        elif -(-size // CLUSTER) - -(-self.size // CLUSTER) > self._space.free:
            raise NtError(STATUS_DISK_FULL)
        self.size = size

    def ranges(self, start: int, end: int) -> list[tuple[int, int]]:
        """(start, end) of what was written, or comes from the base, cluster by cluster."""
        end = min(end, self.size)
        of_base = -(-self._base_size // CLUSTER)
        first, last = start // CLUSTER, -(-end // CLUSTER)
        if last - first <= len(self._clusters):
            there = [n for n in range(first, last) if n < of_base or n in self._clusters]
        else:
            known = set(range(first, min(last, of_base)))
            there = sorted(known.union(n for n in self._clusters if first <= n < last))
        found: list[tuple[int, int]] = []
        for number in there:
            low, high = max(number * CLUSTER, start), min((number + 1) * CLUSTER, end)
            if found and found[-1][1] == low:
                found[-1] = (found[-1][0], high)
            else:
                found.append((low, high))
        return found

    def zero(self, start: int, end: int) -> None:
        """Zeros within the size: what is behind the base's bytes takes no room any more.

        Raises STATUS_DISK_FULL.
        """
        for low, high in self.ranges(start, end):
            whole = range(
                max(-(-low // CLUSTER), -(-self._base_size // CLUSTER)), high // CLUSTER
            )
            if not whole:
                self._write_zeros(low, high)
                continue
            self._write_zeros(low, whole.start * CLUSTER)
            for number in whole:
                del self._clusters[number]
            self._space.give_back(len(whole))
            self._write_zeros(whole.stop * CLUSTER, high)

    def _write_zeros(self, start: int, end: int) -> None:
        while start < end:
            part = min(end - start, ZERO_CHUNK)
            self.write(start, bytes(part))
            start += part

    def flush(self) -> None:
        """Memory holds it all."""

    def release(self) -> None:
        """The file is gone: its clusters are free."""
        self._space.give_back(len(self._clusters))
        self._clusters.clear()

    def _piece(self, number: int, start: int, size: int) -> bytes:
        cluster = self._clusters.get(number)
        if cluster is not None:
            return bytes(cluster[start : start + size])
        return self._from_base(number * CLUSTER + start, size).ljust(size, b"\0")

    def _from_base(self, offset: int, size: int) -> bytes:
        size = min(size, self._base_size - offset)
        return self._base.read(offset, size) if self._base is not None and size > 0 else b""

    def _write_clusters(self, number: int, start: int, data: bytes) -> None:
        last = number + (start + len(data) - 1) // CLUSTER
        missing = [n for n in range(number, last + 1) if n not in self._clusters]
        self._space.take(len(missing))
        for new in missing:
            filled = self._from_base(new * CLUSTER, CLUSTER)
            self._clusters[new] = bytearray(filled.ljust(CLUSTER, b"\0"))
        position = 0
        while position < len(data):
            part = min(len(data) - position, CLUSTER - start)
            self._clusters[number][start : start + part] = data[position : position + part]
            number, start, position = number + 1, 0, position + part

    def _cut(self, size: int) -> None:
        first = -(-size // CLUSTER)
        dropped = [number for number in self._clusters if number >= first]
        for number in dropped:
            del self._clusters[number]
        self._space.give_back(len(dropped))
        self._base_size = min(self._base_size, size)
        if size % CLUSTER and size // CLUSTER in self._clusters:
            self._clusters[size // CLUSTER][size % CLUSTER :] = bytes(-size % CLUSTER)
