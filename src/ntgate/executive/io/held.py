"""What was written to pipes and mailslots and nobody has read yet, together."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.layout.ntstatus import STATUS_INSUFFICIENT_RESOURCES

MOST_HELD = 0x1000_0000  # bytes: the nonpaged pool of a machine as large as the study's


class HeldBytes:
    """Bounds the bytes that a guest can have the host keep."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self._left = most

    def take(self, size: int) -> None:
        """Raises STATUS_INSUFFICIENT_RESOURCES."""
        if size > self._left:
            raise NtError(STATUS_INSUFFICIENT_RESOURCES)
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size
