"""`r`, `rdmsr`, `wrmsr`, and the line of the instruction that runs next."""

from __future__ import annotations

import pytest
from iced_x86 import ConditionCode

from debug.kd_fakes import FakeMachine, answer, assemble, kd, machine, mistake
from ntgate.debug.annotate import condition_holds
from ntgate.debug.register_set import flags_text, register_names

CODE = 0x00401000


def test_r_shows_the_block_the_label_and_the_instruction() -> None:
    fake = machine()
    fake.registers.update(
        eax=0, ebx=0x813F4FF0, ecx=0x10, edx=0xFFDFF848, esi=0x8145D168, edi=0x813F4FC8,
        eip=0x805426ED, esp=0xF714EEC4, ebp=0xF714EEE0,
        cs=8, ss=0x10, ds=0x23, es=0x23, fs=0x30, gs=0, efl=0x246,
    )  # fmt: skip
    assert answer(kd(fake), "r") == (
        "eax=00000000 ebx=813f4ff0 ecx=00000010 edx=ffdff848 esi=8145d168 edi=813f4fc8\n"
        "eip=805426ed esp=f714eec4 ebp=f714eee0 iopl=0         nv up ei pl zr na pe nc\n"
        "cs=0008  ss=0010  ds=0023  es=0023  fs=0030  gs=0000             efl=00000246\n"
        "nt!KiFastCallEntry+0xd:\n"
        "805426ed 648b0d40000000  mov     ecx,dword ptr fs:[40h] fs:0030:00000040=80042000\n"
    )


@pytest.mark.parametrize(
    ("efl", "text"),
    [
        (0x00000000, "iopl=0         nv up di pl nz na po nc"),
        (0x00000FD7, "iopl=0         ov dn ei ng zr ac pe cy"),
        (0x00183202, "iopl=3 vip vif nv up ei pl nz na po nc"),
    ],
)
def test_flags(efl: int, text: str) -> None:
    assert flags_text(efl) == text


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("r eax", "eax=12345678"),
        ("reax", "eax=12345678"),
        ("r@eax", "eax=12345678"),
        ("r EAX", "eax=12345678"),
        ("r ax", "ax=5678"),
        ("r al", "al=78"),
        ("r ah", "ah=56"),
        ("r eax,cs", "eax=12345678 cs=0000001b"),
        ("r eax, zf, efl", "eax=12345678 zf=1 efl=00000246"),
        ("r idtr", "idtr=8003f400"),
        ("r gdtr", "gdtr=8003f000"),
        ("r gdtl", "gdtl=000003ff"),
        ("r idtl", "idtl=000007ff"),
        ("r cr3", "cr3=00039000"),
        ("r dr7", "dr7=00000000"),
        ("r tr", "tr=00000028"),
        ("r $ip", "$ip=00401000"),
    ],
)
def test_one_register(command: str, text: str) -> None:
    fake = machine()
    fake.registers["eax"] = 0x12345678
    assert answer(kd(fake), command) == text + "\n"


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        ("r eax=5", "eax", 5),
        ("r@eax=1", "eax", 1),
        ("reax=2", "eax", 2),
        ("r @eax=poi(8003f570)", "eax", 0x00082611),
        ("r eax = @ebx + 1", "eax", 1),
        ("r al=ff", "eax", 0x123456FF),
        ("r ah=1ff", "eax", 0x1234FF78),
        ("r ax=0", "eax", 0x12340000),
        ("r zf=0", "efl", 0x206),
        ("r cf=1", "efl", 0x247),
        ("r iopl=3", "efl", 0x3246),
        ("r efl=2", "efl", 2),
        ("r eax=1, ebx=2", "ebx", 2),
        ("r cs=10008", "cs", 8),
    ],
)
def test_changing_a_register(command: str, name: str, value: int) -> None:
    fake = machine()
    fake.registers["eax"] = 0x12345678
    assert answer(kd(fake), command) == ""
    assert fake.registers[name] == value


def test_pseudo_registers_keep_their_values() -> None:
    interpreter = kd()
    answer(interpreter, "r @$t1 = 12; r $t2=@$t1*2")
    assert answer(interpreter, "r $t2") == "$t2=00000024\n"


@pytest.mark.parametrize("command", ["r nosuch", "r nosuch=1", "r $nosuch", "r $t99=1", "r 1"])
def test_no_such_register(command: str) -> None:
    assert "error" in mistake(kd(), command)


def test_every_name_of_a_register_can_be_shown() -> None:
    interpreter = kd()
    for name in register_names():
        assert answer(interpreter, f"r {name}").startswith(f"{name}=")


def test_msrs() -> None:
    interpreter = kd()
    assert answer(interpreter, "rdmsr 174") == "msr[174] = 00000000`00000008\n"
    assert answer(interpreter, "rdmsr 175") == "msr[175] = 00000000`f88c7000\n"
    assert answer(interpreter, "rdmsr 176") == "msr[176] = 00000000`805426e0\n"
    assert answer(interpreter, "wrmsr 176 12`805426e0") == ""
    assert answer(interpreter, "rdmsr 176") == "msr[176] = 00000012`805426e0\n"
    assert mistake(interpreter, "rdmsr 999") == "no such msr: 999"
    assert mistake(interpreter, "wrmsr 999 1") == "no such msr: 999"


def current_line(fake: FakeMachine) -> str:
    return answer(kd(fake), "r").splitlines()[-1]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("mov eax, dword ptr [esp+4]", "ss:0023:0012ff84=44434241"),
        ("mov al, byte ptr [0x12ff84]", "ds:0023:0012ff84=41"),
        ("mov eax, dword ptr [ecx*4 + 0x12ff80]", "ds:0023:0012ff84=44434241"),
        ("mov eax, dword ptr [0x500000]", "ds:0023:00500000=????????"),
        ("call dword ptr [0x7ffe0300]", "ds:0023:7ffe0300=7c92e4f0"),
        ("fld qword ptr [0x12ff84]", "ds:0023:0012ff84=4847464544434241"),
    ],
)
def test_the_memory_that_an_instruction_touches(code: str, shown: str) -> None:
    fake = machine()
    fake.put(0x12FF84, b"ABCDEFGH")
    fake.registers["ecx"] = 1
    fake.put(CODE, assemble(code, CODE))
    assert current_line(fake).endswith(" " + shown)


@pytest.mark.parametrize("code", ["lea eax, [esp+4]", "push eax", "ret", "mov eax, ebx"])
def test_instructions_that_touch_nothing(code: str) -> None:
    fake = machine()
    fake.put(CODE, assemble(code, CODE))
    assert "=" not in current_line(fake)


def test_a_conditional_jump_tells_where_it_goes() -> None:
    fake = machine()
    fake.put(CODE, assemble("jne 0x401010", CODE))
    assert current_line(fake).endswith("[br=0]")
    fake.registers["efl"] = 0x202
    assert current_line(fake).endswith("[br=1]")


@pytest.mark.parametrize(
    ("condition", "efl", "holds"),
    [
        (ConditionCode.O, 0x800, True),
        (ConditionCode.B, 1, True),
        (ConditionCode.E, 0x40, True),
        (ConditionCode.BE, 0x40, True),
        (ConditionCode.S, 0x80, True),
        (ConditionCode.P, 4, True),
        (ConditionCode.L, 0x80, True),
        (ConditionCode.L, 0x880, False),
        (ConditionCode.LE, 0x40, True),
        (ConditionCode.LE, 0, False),
    ],
)
def test_conditions_and_their_opposites(condition: int, efl: int, holds: bool) -> None:
    opposites: dict[int, int] = {
        ConditionCode.O: ConditionCode.NO,
        ConditionCode.B: ConditionCode.AE,
        ConditionCode.E: ConditionCode.NE,
        ConditionCode.BE: ConditionCode.A,
        ConditionCode.S: ConditionCode.NS,
        ConditionCode.P: ConditionCode.NP,
        ConditionCode.L: ConditionCode.GE,
        ConditionCode.LE: ConditionCode.G,
    }
    assert condition_holds(condition, efl) is holds
    assert condition_holds(opposites[condition], efl) is not holds


def test_r_where_no_code_is() -> None:
    fake = machine()
    fake.registers["eip"] = 0x500000
    assert answer(kd(fake), "r").splitlines()[-1] == "00500000 ??              ???"
