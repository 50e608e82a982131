"""What Wine lacks: a DLL, and programs that are stubs there."""

from pathlib import Path

import pefile
import pytest
from iced_x86 import Decoder, Mnemonic, Register

from ntgate.loader.userland.provided import PROGRAMS, bcryptprimitives, replacement
from ntgate.tools.build_programs import build


def test_process_prng_asks_rtl_gen_random_and_answers_a_bool() -> None:
    pe = pefile.PE(data=bcryptprimitives())
    (export,) = pe.DIRECTORY_ENTRY_EXPORT.symbols
    (imported,) = (function for entry in pe.DIRECTORY_ENTRY_IMPORT for function in entry.imports)
    assert (export.name, imported.name) == (b"ProcessPrng", b"SystemFunction036")
    push_size, push_data, call, widen, leave = Decoder(32, pe.get_data(export.address, 20))
    for push in push_size, push_data:
        assert (push.mnemonic, push.memory_base) == (Mnemonic.PUSH, Register.ESP)
        assert push.memory_displacement == 8
    assert (call.mnemonic, call.memory_displacement) == (Mnemonic.CALL, imported.address)
    assert widen.mnemonic == Mnemonic.MOVZX
    assert (leave.mnemonic, leave.immediate(0)) == (Mnemonic.RET, 8)


def test_its_one_address_moves_with_it() -> None:
    pe = pefile.PE(data=bcryptprimitives())
    (export,) = pe.DIRECTORY_ENTRY_EXPORT.symbols
    before = pe.get_dword_at_rva(export.address + 10)
    pe.relocate_image(pe.OPTIONAL_HEADER.ImageBase + 0x10000)
    assert pe.get_dword_at_rva(export.address + 10) == before + 0x10000


@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("*.c")))
def test_the_programs_are_what_their_sources_make(name: str, tmp_path: Path) -> None:
    kept = (PROGRAMS / f"{name}.exe").read_bytes()
    assert build(name, tmp_path) == kept
    assert replacement(f"{name}.exe", b"MZ...stub:...") == kept


def test_only_stubs_are_replaced() -> None:
    assert replacement("findstr.exe", b"MZ, and it works") == b"MZ, and it works"
    assert replacement("net.exe", b"MZ...stub:...") == b"MZ...stub:..."
    assert replacement("tool.h", b"stub:") == b"stub:"


def test_wine_s_find_is_replaced_and_no_other() -> None:
    assert replacement("find.exe", b"MZ...Wine builtin DLL...").startswith(b"MZ\x78")
    assert replacement("find.exe", b"MZ, of Windows") == b"MZ, of Windows"
    assert replacement("cmd.exe", b"MZ...Wine builtin DLL...") == b"MZ...Wine builtin DLL..."
