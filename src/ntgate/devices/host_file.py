"""The bytes of a host file, read or written through a descriptor."""

from __future__ import annotations

import os
import sys
from collections.abc import Hashable

from ntgate.devices.host_errors import nt_error


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    if sys.platform != "win32":
        return os.pread(descriptor, size, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)


def _pwrite(descriptor: int, data: bytes, offset: int) -> int:
    if sys.platform != "win32":
        return os.pwrite(descriptor, data, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, data)


class HostContent:
    """Owns its descriptor; every method raises NtError where the host can't do it."""

    def __init__(self, descriptor: int, *, writable: bool) -> None:
        self._descriptor = descriptor
        self._writable = writable
        self._size = os.fstat(descriptor).st_size

    @property
    def size(self) -> int:
        """Of a file that is only read, as it was when it was opened."""
        if self._writable:
            self._size = os.fstat(self._descriptor).st_size
        return self._size

    @property
    def allocated(self) -> int:
        return -(-self.size // 0x1000) * 0x1000

    @property
    def stamp(self) -> Hashable:
        try:
            found = os.fstat(self._descriptor)
        except OSError as error:
            raise nt_error(error) from None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def read(self, offset: int, size: int) -> bytes:
        size = min(size, self.size - offset)
        parts = []
        try:
            while size > 0:
                part = _pread(self._descriptor, size, offset)
                if not part:
                    break
                parts.append(part)
                offset, size = offset + len(part), size - len(part)
        except OSError as error:
            raise nt_error(error) from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        try:
            while data:
                written = _pwrite(self._descriptor, data, offset)
                offset, data = offset + written, data[written:]
        except OSError as error:
            raise nt_error(error) from None

    def set_size(self, size: int) -> None:
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            raise nt_error(error) from None

    def flush(self) -> None:
        if self._writable:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                raise nt_error(error) from None

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
