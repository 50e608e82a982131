"""Service numbers: XP's, and those of tables 2 and 3."""

import pytest
from fake_wine import stub_rows

from ntgate.loader.userland.tables import (
    Numbering,
    ServiceRow,
    nt_numbering,
    read_csv,
    win32k_numbering,
)

# Wine's ntdll has no stubs for these, and win32u none for the wrappers that become stubs.
OURS = ("__wine_unix_call_dispatcher", "wine_obj_name")
FIRST_WRAPPER = "NtGdiDdDDICheckVidPnExclusiveOwnership"


def test_xp_has_284_and_667_services_in_order() -> None:
    assert [row.number for row in nt_numbering().xp] == list(range(284))
    assert [row.number for row in win32k_numbering().xp] == list(range(0x1000, 0x1000 + 667))


def test_the_study_s_service() -> None:
    assert nt_numbering().row("NtWriteFile", 0x24) == ServiceRow(0x112, "NtWriteFile", 0x24, 0x24)


@pytest.mark.parametrize(
    ("dll", "numbering", "table", "first"),
    [
        ("ntdll", nt_numbering(), "table2.csv", 0x2000),
        ("win32u", win32k_numbering(), "table3.csv", 0x3000),
    ],
)
def test_every_stub_of_wine_8_0_has_a_number(
    dll: str, numbering: Numbering, table: str, first: int
) -> None:
    own = [row["name"] for row in read_csv("dispatch", table)]
    own = own[: own.index(FIRST_WRAPPER)] if FIRST_WRAPPER in own else own
    numbers = [numbering.row(name, popped).number for _, _, popped, name in stub_rows(dll)]
    beyond_xp = [number for number in numbers if number >= first]
    assert beyond_xp == list(range(first, first + len(beyond_xp)))
    assert len(beyond_xp) == len([name for name in own if name not in OURS])
    assert len(set(numbers)) == len(numbers)


def test_other_arguments_than_xp_s_mean_another_service() -> None:
    numbering = win32k_numbering()
    assert numbering.row("NtUserCreateWindowEx", 60).number == 4439
    own = numbering.row("NtUserCreateWindowEx", 68)
    assert own.number >> 12 == 3
    assert not numbering.is_xp(own)


def test_cdecl_services_have_arguments_that_the_stub_leaves() -> None:
    row = nt_numbering().row("wine_server_call", 0)
    assert (row.argument_bytes, row.popped_bytes) == (4, 0)


def test_an_unknown_service_gets_the_next_number_and_keeps_it() -> None:
    numbering = nt_numbering()
    last = numbering.row("wine_obj_name", 20).number
    new = numbering.row("NtOfATimeToCome", 8)
    assert new == ServiceRow(last + 1, "NtOfATimeToCome", 8, 8)
    assert numbering.row("NtOfATimeToCome", 8) == new
    assert numbering.row("NtAnother", 0).number == last + 2
