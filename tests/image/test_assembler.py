"""The dialect of the `.asm` files, and where an error in one of them is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntgate.image.assembler import AssemblyError, assemble


def code(text: str, **known: int) -> str:
    """The bytes of a chunk at 80541000."""
    pieces = assemble({"a.asm": f";@org 80541000h\n{text}"}, known).pieces
    return pieces[0x80541000].hex(" ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nop                     ; a comment: int3, 0FFh", "90"),
        ("mov     eax, 0FFh", "b8 ff 00 00 00"),
        ("mov eax, 10h", "b8 10 00 00 00"),
        ("mov eax, 10", "b8 0a 00 00 00"),
        ("mov eax, 0x10", "b8 10 00 00 00"),
        ("push 30h", "6a 30"),
        (".long 0BADB0D00h, 1", "00 0d db ba 01 00 00 00"),
        ('.ascii "10h ; KTHREAD.Teb"', b"10h ; KTHREAD.Teb".hex(" ")),
        # The encodings of the study, and of what Keystone gets wrong.
        ("mov edi, edi\n mov ebp, esp\n mov edx, esp\n mov esp, ebp", "8b ff 8b ec 8b d4 8b e5"),
        ("int3", "cc"),
        ("push ds\n push es\n push fs\n pop es\n pop ds", "1e 06 0f a0 07 1f"),
        # Structures of XP.
        ("mov eax, [esi+KTHREAD.TrapFrame]", "8b 86 34 01 00 00"),
        ("or byte ptr [ebp+KTRAP_FRAME.EFlags+1], 2", "80 4d 71 02"),
        ("mov eax, fs:[KPCR.PrcbData.CurrentThread]", "64 a1 24 01 00 00"),
        ("sub esp, EXCEPTION_RECORD.size", "83 ec 50"),
        ("mov al, [ecx+KTHREAD.ApcState.UserApcPending]", "8a 41 4a"),
    ],
)
def test_the_dialect(text: str, expected: str) -> None:
    assert code(text) == expected


def test_known_symbols_are_addresses() -> None:
    assert code("call KiCallHost", KiCallHost=0x80541000) == "e8 fb ff ff ff"
    assert code("mov eax, [KiHostReply]", KiHostReply=0x80553008) == "a1 08 30 55 80"


def test_macros() -> None:
    text = """
@macro load REGISTER VALUE
        mov     REGISTER, VALUE         ; VALUE is not a part of VALUES
        @twice  REGISTER
@end
@macro twice R
        inc     R
        inc     R
@end
        @load eax 5
        @twice ecx
"""
    assert code(text) == "b8 05 00 00 00 40 40 41 41"


def test_macros_are_known_in_every_file() -> None:
    sources = {"a.asm": ";@org 1000h\n@pair", "b.asm": "@macro pair\n nop\n nop\n@end\n"}
    assert assemble(sources, {}).pieces == {0x1000: b"\x90\x90"}


def test_names() -> None:
    """Capital: public.  Underscore: for all chunks.  Else: for its own chunk."""
    sources = {
        "a.asm": ";@org 1000h\nPublic:\n jmp _Shared\nlocal:\n jmp local",
        "b.asm": ";@org 2000h\nlocal:\n jmp Public\n_Shared:\n jmp local",
    }
    assembled = assemble(sources, {"Outside": 0x5000})
    assert assembled.symbols == {"Public": 0x1000}
    jump_to_shared = b"\xe9" + (0x2005 - 0x1005).to_bytes(4, "little")
    assert assembled.pieces[0x1000] == jump_to_shared + b"\xeb\xfe"
    jump_to_public = b"\xe9" + (0x1000 - 0x2005 & 0xFFFFFFFF).to_bytes(4, "little")
    assert assembled.pieces[0x2000] == jump_to_public + b"\xeb\xf9"


@given(padding=st.integers(100, 150), chain=st.integers(1, 6))
def test_jumps_take_the_length_of_their_distance(padding: int, chain: int) -> None:
    """Each jump is short or near depending on the ones between it and its label."""
    jumps = "\n".join(f"J{i}: jmp Target" for i in range(chain))
    assembled = assemble({"a.asm": f";@org 1000h\n{jumps}\n.fill {padding}, 1, 90h\nTarget:\n"}, {})
    piece, symbols = assembled.pieces[0x1000], assembled.symbols
    for i in range(chain):
        at = symbols[f"J{i}"] - 0x1000
        size = 2 if piece[at] == 0xEB else 5
        distance = int.from_bytes(piece[at + 1 : at + size], "little", signed=True)
        assert 0x1000 + at + size + distance == symbols["Target"]
        assert (size == 2) == (-128 <= distance <= 127)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nop\n mov eax, ebq\n nop", "b.asm:3: 'mov eax, ebq': Cannot find a symbol"),
        ("again:\n frob\n jmp again", "b.asm:3: 'frob': Invalid mnemonic"),
        ("jmp nowhere", "b.asm:2: 'jmp nowhere'"),
        ("@macro twice R\n inc R\n frob R\n@end\n nop\n @twice eax", "b.asm:7: 'frob eax'"),
        (" @nothing eax", "b.asm:2: no macro is named nothing"),
        ("@macro m A B\n@end\n@m 1", "b.asm:4: m takes 2 arguments, here are 1"),
        ("@macro m\n nop", "b.asm: a macro has no @end"),
        ("mov eax, [ecx+KTHREAD.Nothing]", "b.asm:2: _KTHREAD has no field Nothing"),
        ("mov eax, NOTHING.size", "b.asm:2: Symbol _NOTHING not found"),
        ('.ascii "abc ; no end', "b.asm:2: a string has no end"),
        ("push Somewhere", "b.asm:2: 'push Somewhere': Keystone would push 16 bits"),
        ("Twice:\n nop\nTwice:\n nop", "Twice is defined twice"),
        ("First:\n nop", "First is defined twice"),
        ("nop\n nop\n;@org 80001001h\n nop", "the chunk at 80001001 begins below 80001002"),
        ("nop\n;@org 80001000h\n nop", "two chunks begin at 80001000"),
    ],
)
def test_an_error_names_its_place(text: str, message: str) -> None:
    sources = {"a.asm": ";@org 80000000h\nFirst:\n nop", "b.asm": f";@org 80001000h\n{text}"}
    with pytest.raises(AssemblyError) as error:
        assemble(sources, {})
    assert message in str(error.value)


def test_code_without_an_address() -> None:
    with pytest.raises(AssemblyError, match=r"^a\.asm:2: code before the first ;@org"):
        assemble({"a.asm": "; comment\n nop\n"}, {})
