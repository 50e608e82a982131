"""The keys that a process has in use."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.cng.keys import AsymmetricKey
from ntgate.executive.cng.symmetric import SymmetricKey
from ntgate.layout.ntstatus import STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_HANDLE

MOST_IN_USE = 0x4000

Key = SymmetricKey | AsymmetricKey


class KeyTable:
    """Keys by numbers from 1 on, none of which comes twice."""

    def __init__(self) -> None:
        self._keys: dict[int, Key] = {}
        self._last = 0

    def add(self, key: Key) -> int:
        """Raises NtError STATUS_INSUFFICIENT_RESOURCES."""
        if len(self._keys) >= MOST_IN_USE:
            raise NtError(STATUS_INSUFFICIENT_RESOURCES)
        self._last += 1
        self._keys[self._last] = key
        return self._last

    def symmetric(self, number: int) -> SymmetricKey | None:
        """None where there is no such key."""
        key = self._keys.get(number)
        return key if isinstance(key, SymmetricKey) else None

    def asymmetric(self, number: int) -> AsymmetricKey:
        """Raises NtError STATUS_INVALID_HANDLE."""
        key = self._keys.get(number)
        if not isinstance(key, AsymmetricKey):
            raise NtError(STATUS_INVALID_HANDLE)
        return key

    def drop(self, number: int) -> None:
        """Of a number that is none, nothing happens."""
        self._keys.pop(number, None)
