"""Which service has which number: the four tables that eax can name.

Table 0 is XP SP3's nt table, table 1 its win32k table.  XP leaves tables 2 and 3 empty; here
they hold what Wine's DLLs call and XP does not have: newer and private services in table 2,
win32u's in table 3.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ntgate.records import dataclass

DATA = Path(__file__).parent / "data"
FILES = ("xp_sp3_nt.csv", "xp_sp3_win32k.csv", "table2.csv", "table3.csv")
NT, WIN32K, EXTRA, EXTRA_WIN32 = range(4)
# In the numbers of tables 1 and 3, whose services answer with handles and BOOLs, but those whose
# names begin like this with an NTSTATUS.
WIN32K_BIT, RETURNS_STATUS = 0x1000, "NtGdiDdDDI"


@dataclass(frozen=True)
class ServiceNumber:
    """`number` is what eax holds, table bits included; `argument_bytes` a multiple of 4."""

    number: int
    name: str
    argument_bytes: int


@cache
def service_table(table: int) -> tuple[ServiceNumber, ...]:
    """The services of a table in the order of their numbers, without gaps."""
    rows = []
    for line in (DATA / FILES[table]).read_text().splitlines()[1:]:
        fields = line.split(",")
        rows.append(ServiceNumber(int(fields[0], 16), fields[1], int(fields[2])))
    return tuple(rows)


@cache
def services_by_name() -> dict[str, ServiceNumber]:
    """Every service of the four tables."""
    return {row.name: row for table in range(4) for row in service_table(table)}
