"""Code as WinDbg writes it: the study's listings, and the forms that iced writes otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debug.kd_fakes import FakeMachine, answer, kd, machine, mistake
from ntgate.debug.disasm import MAX_INSTRUCTION, Disassembler

ADDRESS = 0x805426E0
TABLE = 0x80504460


def name(address: int) -> str | None:
    if TABLE <= address < TABLE + 0x100:
        offset = address - TABLE
        return f"nt!KiServiceTable+{offset:#x}" if offset else "nt!KiServiceTable"
    return None


def decoded(code: str, address: int = ADDRESS) -> str:
    line = Disassembler(name).decode(bytes.fromhex(code), address)
    assert line.raw.hex() == code
    return line.operation


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("b812010000", "mov     eax,112h"),
        ("ba0003fe7f", "mov     edx,7FFE0300h"),
        ("ff12", "call    dword ptr [edx]"),
        ("c22400", "ret     24h"),
        ("8bd4", "mov     edx,esp"),
        ("0f34", "sysenter"),
        ("c3", "ret"),
        ("b923000000", "mov     ecx,23h"),
        ("6a30", "push    30h"),
        ("0fa1", "pop     fs"),
        ("8ed9", "mov     ds,cx"),
        ("8ec1", "mov     es,cx"),
        ("648b0d40000000", "mov     ecx,dword ptr fs:[40h]"),
        ("8b6104", "mov     esp,dword ptr [ecx+4]"),
        ("6a23", "push    23h"),
        ("8d542408", "lea     edx,[esp+8]"),
        ("cd2e", "int     2Eh"),
        ("6a00", "push    0"),
        ("55", "push    ebp"),
        ("53", "push    ebx"),
        ("56", "push    esi"),
        ("57", "push    edi"),
        ("0fa0", "push    fs"),
        ("bb30000000", "mov     ebx,30h"),
        ("668ee3", "mov     fs,bx"),
    ],
)
def test_the_studys_lines(code: str, text: str) -> None:
    assert decoded(code) == text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("f3a5", "rep movs dword ptr es:[edi],dword ptr [esi]"),
        ("a4", "movs    byte ptr es:[edi],byte ptr [esi]"),
        ("64a5", "movs    dword ptr es:[edi],dword ptr fs:[esi]"),
        ("f2ae", "repne scas byte ptr es:[edi]"),
        ("66ab", "stos    word ptr es:[edi]"),
        ("f3a6", "repe cmps byte ptr [esi],byte ptr es:[edi]"),
        ("6c", "ins     byte ptr es:[edi],dx"),
        ("6f", "outs    dx,dword ptr [esi]"),
        ("d7", "xlat    byte ptr [ebx]"),
        ("8b450c", "mov     eax,dword ptr [ebp+0Ch]"),
        ("8945fc", "mov     dword ptr [ebp-4],eax"),
        ("6aff", "push    0FFFFFFFFh"),
        ("8b8100001dc0", "mov     eax,dword ptr [ecx-3FE30000h]"),
        ("a100000010", "mov     eax,dword ptr ds:[10000000h]"),
        ("f00fb10a", "lock cmpxchg dword ptr [edx],ecx"),
        ("7505", "jne     805426e7"),
        ("e800000000", "call    805426e5"),
        ("ea1e27c1773300", "jmp     0033:77C1271E"),
        ("66c3", "ret"),
        ("cf", "iretd"),
        ("cc", "int     3"),
        ("8cd8", "mov     eax,ds"),
        ("f20f1000", "movsd   xmm0,qword ptr [eax]"),
    ],
)
def test_windbgs_forms(code: str, text: str) -> None:
    assert decoded(code) == text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("a160445080", "mov     eax,dword ptr [nt!KiServiceTable (80504460)]"),
        ("8b1564445080", "mov     edx,dword ptr [nt!KiServiceTable+0x4 (80504464)]"),
        ("ff148560445080", "call    dword ptr nt!KiServiceTable (80504460)[eax*4]"),
        ("8a8160445080", "mov     al,byte ptr nt!KiServiceTable (80504460)[ecx]"),
        ("bb60445080", "mov     ebx,offset nt!KiServiceTable (80504460)"),
        ("6860445080", "push    offset nt!KiServiceTable (80504460)"),
        ("8d0d60445080", "lea     ecx,[nt!KiServiceTable (80504460)]"),
        ("2560445080", "and     eax,80504460h"),
        ("64a160445080", "mov     eax,dword ptr fs:[80504460h]"),
    ],
)
def test_addresses_with_symbols(code: str, text: str) -> None:
    assert decoded(code) == text


def test_a_branch_shows_symbol_and_address() -> None:
    assert decoded("eb03", TABLE - 5) == "jmp     nt!KiServiceTable (80504460)"


@pytest.mark.parametrize("code", ["ffff", "0fff", "64", "b8", "f0909090"])
def test_what_is_no_instruction_takes_one_byte(code: str) -> None:
    line = Disassembler(name).decode(bytes.fromhex(code), ADDRESS)
    assert str(line) == f"{ADDRESS:08x} {code[:2]:<15} ???"


@given(st.binary(min_size=1, max_size=MAX_INSTRUCTION), st.integers(0, 0xFFFFFFFF))
def test_any_bytes_make_a_line(code: bytes, address: int) -> None:
    line = Disassembler(name).decode(code, address)
    assert 1 <= len(line.raw) <= len(code)
    assert code.startswith(line.raw)
    assert str(line).startswith(f"{address:08x} {line.raw.hex()}")
    assert "\n" not in str(line)


def test_u_lists_eight_and_goes_on() -> None:
    interpreter = kd()
    assert answer(interpreter, "u 805426e0") == (
        "nt!KiFastCallEntry:\n"
        "805426e0 b923000000      mov     ecx,23h\n"
        "805426e5 6a30            push    30h\n"
        "805426e7 0fa1            pop     fs\n"
        "805426e9 8ed9            mov     ds,cx\n"
        "805426eb 8ec1            mov     es,cx\n"
        "805426ed 648b0d40000000  mov     ecx,dword ptr fs:[40h]\n"
        "805426f4 8b6104          mov     esp,dword ptr [ecx+4]\n"
        "805426f7 6a23            push    23h\n"
    )
    assert answer(interpreter, "u").startswith(
        "nt!KiFastCallEntry+0x19:\n805426f9 52              push    edx\n"
    )


def test_u_names_each_symbol_on_the_way() -> None:
    assert answer(kd(), "u 0x7c92e4f0 L3") == (
        "ntdll!KiFastSystemCall:\n"
        "7c92e4f0 8bd4            mov     edx,esp\n"
        "7c92e4f2 0f34            sysenter\n"
        "ntdll!KiFastSystemCallRet:\n"
        "7c92e4f4 c3              ret\n"
    )


def test_u_to_an_end_address_includes_it() -> None:
    lines = answer(kd(), "u nt!KiSystemService 80542613").splitlines()
    assert lines == [
        "nt!KiSystemService:",
        "80542611 6a00            push    0",
        "80542613 55              push    ebp",
    ]


def test_u_without_an_address_starts_at_eip() -> None:
    assert answer(kd(), "u").splitlines()[:2] == [
        "app!start:",
        "00401000 e80b000000      call    app!main (00401010)",
    ]


def test_u_where_no_memory_is() -> None:
    assert kd().execute("u 0").text == (
        "00000000 ??              ???\nMemory access error at 00000000\n"
    )


def test_u_does_not_run_past_the_last_address() -> None:
    fake = machine()
    fake.put(0xFFFFFFFF, b"\x90")
    interpreter = kd(fake)
    assert answer(interpreter, "u ffffffff") == "ffffffff 90              nop\n"


def test_ub_ends_where_it_is_told() -> None:
    assert answer(kd(), "ub 805426f7 L3") == (
        "nt!KiFastCallEntry+0xb:\n"
        "805426eb 8ec1            mov     es,cx\n"
        "805426ed 648b0d40000000  mov     ecx,dword ptr fs:[40h]\n"
        "805426f4 8b6104          mov     esp,dword ptr [ecx+4]\n"
    )


def test_ub_goes_before_the_symbol_where_it_must() -> None:
    fake = machine()
    fake.put(ADDRESS - 0x10, b"\x90" * 0x10)
    lines = answer(kd(fake), "ub 805426e5 L3").splitlines()
    assert [line[:8] for line in lines if not line.endswith(":")] == [
        "805426de",
        "805426df",
        "805426e0",
    ]


def test_ub_at_the_start_of_memory() -> None:
    assert mistake(kd(), "ub 0") == "Memory access error at 00000000"
    assert mistake(kd(), "ub 400000") == "Memory access error at 003fffff"


def test_uf_follows_branches_and_parts_blocks() -> None:
    lines = answer(kd(), "uf app!main+3").splitlines()
    assert lines[0] == "app!main:"
    assert lines[-5:] == [
        "app!main+0x1f:",
        "0040102f 49              dec     ecx",
        "00401030 75fd            jne     app!main+0x1f (0040102f)",
        "00401032 5d              pop     ebp",
        "00401033 c3              ret",
    ]
    assert lines[-6] == ""


def test_uf_says_when_it_could_not_see_everything() -> None:
    fake = machine()
    fake.put(0x401FFE, b"\x90\x90")
    lines = answer(kd(fake), "uf 401ffe").splitlines()
    assert lines[0] == "Flow analysis was incomplete, some code may be missing"


@given(st.binary(min_size=1, max_size=200), st.integers(0, 200))
def test_listings_of_any_code_end(code: bytes, offset: int) -> None:
    fake = FakeMachine()
    fake.put(0x10000, code)
    interpreter = kd(fake)
    for line in (f"u 10000+{offset:x}", f"ub 10000+{offset:x}", f"uf 10000+{offset:x}"):
        interpreter.execute(line)
