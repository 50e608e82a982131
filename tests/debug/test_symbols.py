"""Names for addresses and addresses for names, as WinDbg finds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debug.fakes import reference_symbols
from ntgate.debug.symbols import Module, SymbolTable, module_name


@pytest.fixture
def symbols() -> SymbolTable:
    return reference_symbols()


@pytest.mark.parametrize(
    ("image_path", "name"),
    [
        ("\\WINDOWS\\system32\\ntoskrnl.exe", "nt"),
        ("ntkrnlpa.exe", "nt"),
        ("C:\\WINDOWS\\system32\\KERNEL32.dll", "kernel32"),
        ("C:/guest/my-app.v2.exe", "my_app_v2"),
        ("no_extension", "no_extension"),
    ],
)
def test_a_module_is_called_by_its_file_and_the_kernel_nt(image_path: str, name: str) -> None:
    assert module_name(image_path) == name


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("nt!KiFastCallEntry", 0x805426E0),
        ("KiFastCallEntry", 0x805426E0),
        ("ntoskrnl!KiFastCallEntry", 0x805426E0),
        ("NT!kifastcallentry", 0x805426E0),
        ("_KiFastCallEntry", 0x805426E0),
        ("NtWriteFile", 0x7C92DF60),
        ("nt", 0x804D8000),
        ("NTDLL", 0x7C920000),
        ("ntdll!KiFastCallEntry", None),
        ("nosuch!KiFastCallEntry", None),
        ("KiFastCall", None),
        ("", None),
        ("!", None),
    ],
)
def test_lookup(symbols: SymbolTable, name: str, address: int | None) -> None:
    assert symbols.lookup(name) == address


def test_a_bare_name_is_nts_before_ntdlls_before_any_other() -> None:
    everywhere = [
        Module("a.dll", 0x10000000, 0x1000, [(0x10000010, "memcpy"), (0x10000020, "only_a")]),
        Module("ntdll.dll", 0x7C920000, 0x1000, [(0x7C920010, "memcpy"), (0x7C920020, "Exact")]),
        Module("ntoskrnl.exe", 0x804D8000, 0x1000, [(0x804D8020, "EXACT")]),
    ]
    table = SymbolTable(everywhere)
    assert table.lookup("memcpy") == 0x7C920010
    assert table.lookup("only_a") == 0x10000020
    assert table.lookup("Exact") == 0x7C920020
    assert table.lookup("exact") == 0x804D8020


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (0x805426E0, "nt!KiFastCallEntry"),
        (0x805427DC, "nt!KiFastCallEntry+0xfc"),
        (0x7C92DF60, "ntdll!NtWriteFile"),
        (0x804D8000, "nt"),
        (0x804D8010, "nt+0x10"),
        (0x7C91FFFF, "7c91ffff"),
        (0x7C9B3000, "7c9b3000"),
        (0x00000010, "00000010"),
    ],
)
def test_format(symbols: SymbolTable, address: int, text: str) -> None:
    assert symbols.format(address) == text


def test_nearest_tells_both_neighbours(symbols: SymbolTable) -> None:
    location = symbols.nearest(0x7C92E4F2)
    assert location and location.symbol and location.next
    assert (location.module.name, location.symbol.name, location.displacement) == (
        "ntdll",
        "KiFastSystemCall",
        2,
    )
    assert str(location.next) == "ntdll!KiFastSystemCallRet"


def test_every_name_of_an_address(symbols: SymbolTable) -> None:
    assert [str(symbol) for symbol in symbols.at(0x7C92DF60)] == [
        "ntdll!NtWriteFile",
        "ntdll!ZwWriteFile",
    ]
    assert symbols.at(0x7C92DF61) == ()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (
            "nt!Ki*",
            ["KiSystemCallExitBranch", "KiSystemService", "KiFastCallEntry", "KiServiceTable"],
        ),
        ("NT!kifast*", ["KiFastCallEntry"]),
        ("*!?tWriteFile", ["NtWriteFile"]),
        ("KiFast*", ["KiFastSystemCall", "KiFastSystemCallRet", "KiFastCallEntry"]),
        ("ntoskrnl!KiServiceTable", ["KiServiceTable"]),
        ("hal!*", []),
    ],
)
def test_match(symbols: SymbolTable, pattern: str, names: list[str]) -> None:
    assert [symbol.name for symbol in symbols.match(pattern)] == names


def test_a_process_sees_its_own_modules_and_the_kernels() -> None:
    first = Module("a.exe", 0x400000, 0x2000, [(0x401000, "main")], process=0x39000)
    second = Module("b.exe", 0x400000, 0x2000, [(0x401004, "main")], process=0x42000)
    table = SymbolTable([first, second, Module("ntoskrnl.exe", 0x804D8000, 0x1000)])
    assert table.lookup("main") is None
    assert [module.name for module in table.modules] == ["nt"]
    table.current_process = 0x39000
    assert table.format(0x401008) == "a!main+0x8"
    assert table.lookup("b!main") is None
    table.current_process = 0x42000
    assert table.format(0x401008) == "b!main+0x4"
    assert [module.name for module in table.modules] == ["b", "nt"]
    table.remove(second)
    assert table.format(0x401008) == "00401008"
    table.current_process = 0x39000
    table.remove_process(0x39000)
    assert table.lookup("main") is None


def test_a_size_goes_with_its_symbol() -> None:
    module = Module("a.dll", 0x1000, 0x1000, [(0x1010, "f"), (0x1020, "g")], sizes={0x1010: 9})
    assert [(symbol.name, symbol.size) for symbol in module] == [("f", 9), ("g", 0)]
    assert module.find("f") in module.at(0x1010)


@given(
    st.dictionaries(st.integers(0, 0xFFF), st.text("abAB_", min_size=1, max_size=6), min_size=1),
    st.integers(0, 0xFFF),
)
def test_nearest_is_the_last_symbol_at_or_below(names: dict[int, str], offset: int) -> None:
    base = 0x80000000
    module = Module("x.sys", base, 0x1000, [(base + at, name) for at, name in names.items()])
    location = SymbolTable([module]).nearest(base + offset)
    below = [at for at in names if at <= offset]
    above = [at for at in names if at > offset]
    assert location is not None
    assert (location.symbol.address - base if location.symbol else None) == max(below, default=None)
    assert (location.next.address - base if location.next else None) == min(above, default=None)
    assert location.displacement == offset - max(below, default=0)
