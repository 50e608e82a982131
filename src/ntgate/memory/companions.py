"""What the host keeps beside structures in guest memory, found by their addresses."""

from __future__ import annotations

from typing import NoReturn, TypeVar

from ntgate.errors import GuestBugCheck

T = TypeVar("T")

CRITICAL_STRUCTURE_CORRUPTION = 0x109  # the parameter: an address that names nothing


class Companions(dict[int, T]):
    """By address.  A lookup of one that has none means that guest memory has been damaged.

    It raises GuestBugCheck then; `get` and `in` are for addresses that may be wrong.
    """

    def __missing__(self, address: int) -> NoReturn:
        raise GuestBugCheck(CRITICAL_STRUCTURE_CORRUPTION, (address, 0, 0, 0))
