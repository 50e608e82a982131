"""`dg`, `!idt`, `!pcr`, `!pte`, `!ssdt`, `lm`, `ln`, `x`, `vertarget`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debug.kd_fakes import (
    ARGUMENT_TABLE,
    DESCRIPTOR_TABLE,
    GDT,
    IDT,
    KPCR,
    SERVICE_TABLE,
    SHADOW_TABLE,
    answer,
    descriptor,
    gate,
    kd,
    machine,
    mistake,
)
from ntgate.debug import segments
from ntgate.debug.processor_tables import pte_letters
from ntgate.debug.symbols import Module, SymbolTable

HEADER = (
    "                                  P Si Gr Pr Lo\n"
    "Sel    Base     Limit     Type    l ze an es ng Flags\n"
    "---- -------- -------- ---------- - -- -- -- -- --------\n"
)


def test_dg_shows_one_descriptor() -> None:
    assert answer(kd(), "dg 30") == (
        HEADER + "0030 ffdff000 00001fff Data RW Ac 0 Bg Pg P  Nl 00000c93\n"
    )


def test_dg_shows_several() -> None:
    rows = answer(kd(), "dg 8 3b").splitlines()[3:]
    assert rows == [
        "0008 00000000 ffffffff Code RE Ac 0 Bg Pg P  Nl 00000c9b",
        "0010 00000000 ffffffff Data RW Ac 0 Bg Pg P  Nl 00000c93",
        "0018 00000000 ffffffff Code RE Ac 3 Bg Pg P  Nl 00000cfb",
        "0020 00000000 ffffffff Data RW Ac 3 Bg Pg P  Nl 00000cf3",
        "0028 80042000 000020ab TSS32 Busy 0 Nb By P  Nl 0000008b",
        "0030 ffdff000 00001fff Data RW Ac 0 Bg Pg P  Nl 00000c93",
        "0038 7ffde000 00000fff Data RW Ac 3 Bg By P  Nl 000004f3",
    ]


def test_dg_shows_a_descriptor_of_the_ldt() -> None:
    fake = machine()
    table = GDT + 0x200
    fake.put(GDT + 0x48, descriptor(0x82, table, 0x0F))
    fake.put(table + 8, descriptor(0xF3, 0x00402000, 0x0040000000000007))
    assert "000f" in mistake(kd(fake), "dg f")
    fake.set_register("ldtr", 0x48)
    assert answer(kd(fake), "dg f").splitlines()[3] == (
        "000f 00402000 00000007 Data RW Ac 3 Bg By P  Nl 000004f3"
    )
    assert "0017" in mistake(kd(fake), "dg 17")


def test_dg_beyond_the_table() -> None:
    assert "0400" in mistake(kd(), "dg 400")
    assert "000c" in mistake(kd(), "dg c")


@given(st.binary(min_size=8, max_size=8), st.integers(0, 0xFFFF))
def test_any_descriptor_has_a_row_of_its_columns(raw: bytes, selector: int) -> None:
    row = segments.decode(selector, raw).row()
    assert len(row) == len("0030 ffdff000 00001fff Data RW Ac 0 Bg Pg P  Nl 00000c93")


def test_idt_shows_one_vector() -> None:
    assert answer(kd(), "!idt 2e") == "\nDumping IDT:\n\n2e:\t80542611 nt!KiSystemService\n\n"


def test_idt_shows_what_is_in_use() -> None:
    fake = machine()
    fake.put(IDT + 8 * 8, gate(0, 0x85, 0x50))
    rows = answer(kd(fake), "!idt").splitlines()
    assert rows[3:-1] == [
        "08:\tTask Selector = 0x0050",
        "2e:\t80542611 nt!KiSystemService",
        "2f:\t8054590c nt!KiTrap0F",
    ]


def test_idt_shows_all() -> None:
    assert len(answer(kd(), "!idt -a").splitlines()) == 0x100 + 4


def test_idt_follows_the_table() -> None:
    fake = machine()
    fake.put(IDT + 8 * 0x2E, gate(0x00401010, 0xEE))
    assert "2e:\t00401010 app!main\n" in answer(kd(fake), "!idt 2e")


def test_idt_beyond_its_limit() -> None:
    assert mistake(kd(), "!idt 100") == "Vector 100 is beyond the IDT's limit of 7ff"


def test_pcr() -> None:
    fake = machine()
    fake.put(KPCR, bytes(0xD70))
    for offset, value in ((0x1C, KPCR), (0x20, KPCR + 0x120), (0x38, IDT), (0x124, 0x8055A580)):
        fake.put_number(KPCR + offset, value)
    lines = answer(kd(fake), "!pcr").splitlines()
    assert lines[0] == "KPCR for Processor 0 at ffdff000:"
    assert "\t            SelfPcr: ffdff000" in lines
    assert "\tNtTib.ExceptionList: 00000000" in lines
    assert "\t      CurrentThread: 8055a580" in lines
    assert len({line.index(":") for line in lines[2:] if line}) == 1


def test_pcr_follows_the_gdt() -> None:
    fake = machine()
    fake.put(GDT + 0x30, bytes(8))
    fake.registers["gdtl"] = 0x2F
    assert "30" in mistake(kd(fake), "!pcr")


@pytest.mark.parametrize(
    ("entry", "letters"),
    [
        (0x163, "-G-DA--KWEV"),
        (0x121, "-G--A--KREV"),
        (0x067, "---DA--UWEV"),
        (0x8000000000000025, "----A--UR-V"),
        (0x1E3, "-GLDA--KWEV"),
        (0x21D, "C----NTUREV"),
    ],
)
def test_pte_letters(entry: int, letters: str) -> None:
    assert pte_letters(entry) == letters


def page_tables(pde: int, pte: int) -> str:
    fake = machine()
    fake.put_number(0xC0602010, pde, 8)
    fake.put_number(0xC04026C0, pte, 8)
    return answer(kd(fake), "!pte 804d8000")


def test_pte_of_a_page() -> None:
    assert page_tables(0x0003B063, 0x80000000004D8163) == (
        "                    VA 804d8000\n"
        "PDE at C0602010            PTE at C04026C0\n"
        "contains 000000000003B063  contains 80000000004D8163\n"
        "pfn 3b        ---DA--KWEV  pfn 4d8       -G-DA--KW-V\n"
    )


def test_pte_of_a_large_page() -> None:
    assert page_tables(0x004001E3, 0x1234) == (
        "                    VA 804d8000\n"
        "PDE at C0602010            PTE at C04026C0\n"
        "contains 00000000004001E3  contains 0000000000000000\n"
        "pfn 400       -GLDA--KWEV  LARGE PAGE pfn 4d8\n"
    )


@pytest.mark.parametrize(
    ("pte", "text"),
    [
        (0, "not valid"),
        (0x80, "not valid, DemandZero, Protect: 4"),
        (0x00123880, "not valid, Transition: pfn 123, Protect: 4"),
        (0xE1001234_00000400, "not valid, Proto: E1001234"),
    ],
)
def test_pte_not_valid(pte: int, text: str) -> None:
    assert page_tables(0x0003B063, pte).splitlines()[-1] == f"pfn 3b        ---DA--KWEV  {text}"


def test_pte_without_a_page_table() -> None:
    assert page_tables(0, 0).splitlines()[-2:] == [
        "contains 0000000000000000  contains unavailable",
        "not valid",
    ]
    assert answer(kd(), "!pte 804d8000").splitlines()[-2:] == [
        "contains unavailable       contains unavailable",
        "not valid",
    ]


ROW_112 = " 112  80571120  24  nt!NtWriteFile\n"
HEADING = "nt!KeServiceDescriptorTable[0]: Base 80501000 Limit 11c Number 80501800\n"


def test_ssdt_lists_the_table() -> None:
    text = answer(kd(), "!ssdt")
    assert text.startswith(HEADING + "   0  80570000  04  nt!NtService000\n")
    assert ROW_112 in text
    assert len(text.splitlines()) == 0x11C + 1


@pytest.mark.parametrize("wanted", ["112", "0x112", "NtWriteFile", "ntwrite*", "nt!NtWrite*"])
def test_ssdt_shows_one_service(wanted: str) -> None:
    assert answer(kd(), f"!ssdt {wanted}") == HEADING + ROW_112


def test_ssdt_without_a_match() -> None:
    assert answer(kd(), "!ssdt NtNo*") == "No service matches 'NtNo*'\n"
    assert answer(kd(), "!ssdt -h") == "No service is hooked\n"
    assert "error" in mistake(kd(), "!ssdt 1zz")


@pytest.mark.parametrize(
    ("routine", "symbol"),
    [
        (0x00401010, "app!main"),
        (0x90000000, ""),
        (0x80571122, "nt!NtWriteFile+0x2"),
        (0x80571110, "nt!NtService111"),
    ],
)
def test_ssdt_marks_hooks(routine: int, symbol: str) -> None:
    fake = machine()
    fake.put_number(SERVICE_TABLE + 4 * 0x112, routine)
    row = f" 112  {routine:08x}  24  {symbol:<32} HOOKED, expected nt!NtWriteFile\n"
    assert answer(kd(fake), "!ssdt -h") == HEADING + row


def test_ssdt_marks_changed_argument_bytes() -> None:
    fake = machine()
    fake.put_number(ARGUMENT_TABLE + 0x112, 0x28, 1)
    assert answer(kd(fake), "!ssdt -h").endswith(" ARGUMENT BYTES, expected 24\n")


def test_ssdt_finds_hooks_in_the_shadow_tables() -> None:
    fake = machine()
    fake.put_number(0xBF990000, 0x00401010)
    for offset, value in ((0, 0xBF990000), (8, 1), (12, 0xBF990000)):
        fake.put_number(SHADOW_TABLE + 0x10 + offset, value)
    assert answer(kd(fake), "!ssdt -h").splitlines() == [
        "nt!KeServiceDescriptorTableShadow[1]: Base bf990000 Limit 1 Number bf990000",
        "1000  00401010  10  app!main                         HOOKED, outside nt",
    ]
    assert len(answer(kd(fake), "!ssdt -s").splitlines()) == 0x11C + 3


def test_ssdt_survives_a_table_that_is_not_there() -> None:
    fake = machine()
    fake.put_number(DESCRIPTOR_TABLE, 0x90000000)
    fake.put_number(DESCRIPTOR_TABLE + 8, 0xFFFFFFFF)
    rows = answer(kd(fake), "!ssdt").splitlines()
    assert len(rows) == 0x1001
    assert rows[1].endswith("unreadable")
    fake.symbols = SymbolTable()
    assert "nt!KeServiceDescriptorTable" in mistake(kd(fake), "!ssdt")


def test_lm() -> None:
    assert answer(kd(), "lm") == (
        "start    end        module name\n"
        "00400000 00405000   app          (export symbols)\n"
        "7c920000 7c9b3000   ntdll        (export symbols)\n"
        "804d8000 806ed000   nt           (export symbols)\n"
    )


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("lmk", ["nt"]),
        ("lmu", ["app", "ntdll"]),
        ("lm m nt*", ["ntdll", "nt"]),
        ("lmm NTDLL", ["ntdll"]),
        ("lm k m n*", ["nt"]),
        ("lm a 7c92e4f0", ["ntdll"]),
        ("lma 0", []),
    ],
)
def test_lm_chooses(command: str, names: list[str]) -> None:
    assert [row.split()[2] for row in answer(kd(), command).splitlines()[1:]] == names


def test_lmv_shows_details() -> None:
    fake = machine()
    module = Module(
        "C:\\x\\y.dll", 0x10000000, 0x2000, timestamp=0x4802BDC5, version="5.1.2600.5512"
    )
    fake.symbols.add(module)
    fake.put_number(0x1000003C, 0x80)
    fake.put_number(0x10000080 + 0x58, 0xA1234)
    assert answer(kd(fake), "lmvm y") == (
        "start    end        module name\n"
        "10000000 10002000   y            (no symbols)\n"
        "    Image path: C:\\x\\y.dll\n"
        "    Image name: y.dll\n"
        "    Timestamp:        Mon Apr 14 02:13:25 2008 (4802BDC5)\n"
        "    CheckSum:         000A1234\n"
        "    ImageSize:        00002000\n"
        "    File version:     5.1.2600.5512\n"
    )


def test_ln() -> None:
    assert answer(kd(), "ln 805426ed") == (
        "(805426e0)   nt!KiFastCallEntry+0xd  |  (8054590c)   nt!KiTrap0F-0x321f\n"
    )
    assert answer(kd(), "ln nt!KiFastCallEntry").splitlines()[1:] == [
        "Exact matches:",
        "    nt!KiFastCallEntry = <no type information>",
    ]
    assert mistake(kd(), "ln 0") == "No symbol is near 00000000"


def test_x() -> None:
    assert answer(kd(), "x nt!KiFast*") == ("805426e0 nt!KiFastCallEntry = <no type information>\n")
    assert len(answer(kd(), "x *!NtWriteFile").splitlines()) == 2
    assert mistake(kd(), "x nosuch!*") == "Couldn't resolve 'x nosuch!*'"
    assert "error" in mistake(kd(), "x")


def test_vertarget_reads_shared_user_data() -> None:
    fake = machine()
    for offset, value in ((0x26C, 5), (0x270, 1), (0x264, 1), (0x2D0, 0x110)):
        fake.put_number(0xFFDF0000 + offset, value)
    assert answer(kd(fake), "vertarget") == (
        "Windows XP Kernel UP Free x86 compatible\n"
        "Product: WinNt, suite: TerminalServer SingleUserTS\n"
        "Kernel base = 0x804d8000\n"
    )
