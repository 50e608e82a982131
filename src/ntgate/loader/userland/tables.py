"""The number of each service that the userland's stubs call.

XP's services keep XP's numbers. Those that XP lacks have numbers of ours in the two tables that XP
leaves empty: 2 for ntdll's, 3 for win32u's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ntgate.records import dataclass

PACKAGES = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service: its number, and its bytes of arguments.

    `argument_bytes` is what the kernel copies from the caller's stack, `popped_bytes` what the
    stub's `ret` removes: none where the function is cdecl.
    """

    number: int
    name: str
    argument_bytes: int
    popped_bytes: int


class Numbering:
    """Numbers for the stubs of one DLL: XP's by name, else one in a table of ours.

    A stub takes XP's number only when it also pops XP's bytes: Wine has functions that took other
    arguments on XP, and XP's service would misread theirs.
    """

    def __init__(self, xp: tuple[ServiceRow, ...], extra: tuple[ServiceRow, ...]) -> None:
        self.xp = xp
        self._known = {(row.name, row.popped_bytes): row for row in extra + xp}
        self._next = extra[-1].number + 1
        self._xp_numbers = frozenset(row.number for row in xp)

    def row(self, name: str, popped_bytes: int) -> ServiceRow:
        """The service that a stub calls; a new number for one that no table has."""
        known = self._known.get((name, popped_bytes))
        if known is None:
            known = ServiceRow(self._next, name, popped_bytes, popped_bytes)
            self._known[name, popped_bytes] = known
            self._next += 1
        return known

    def is_xp(self, row: ServiceRow) -> bool:
        """Whether XP has this service."""
        return row.number in self._xp_numbers


def nt_numbering() -> Numbering:
    """For ntdll: XP's 284 services, and table 2."""
    return Numbering(_table("xp_sp3_nt.csv"), _table("table2.csv"))


def win32k_numbering() -> Numbering:
    """For win32u: XP's 667 win32k services, and table 3."""
    return Numbering(_table("xp_sp3_win32k.csv"), _table("table3.csv"))


def read_csv(package: str, name: str) -> Iterator[dict[str, str]]:
    """The rows of a table in the data folder of one of ntgate's packages, by column."""
    import csv

    text = (PACKAGES / package / "data" / name).read_text(encoding="ascii")
    return csv.DictReader(text.splitlines())


def _table(name: str) -> tuple[ServiceRow, ...]:
    return tuple(
        ServiceRow(
            int(row["number"], 16),
            row["name"],
            int(row["argument_bytes"]),
            int(row.get("popped_bytes", row["argument_bytes"])),
        )
        for row in read_csv("dispatch", name)
    )
