"""The companion of a FILE_OBJECT on a character device."""

from __future__ import annotations

from typing import Protocol


class ByteDevice(Protocol):
    """A device without positions: `devices/` has the kinds."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end."""
        ...

    def write(self, data: bytes) -> int:
        """How many bytes were taken."""
        ...


class FileDevice:
    """One open file on a character device."""

    def __init__(self, device: ByteDevice) -> None:
        self.device = device

    def read(self, size: int) -> bytes:
        return self.device.read(size)

    def write(self, data: bytes) -> int:
        return self.device.write(data)
