"""`k`, `.trap`, `.cxr`: stacks from ring 0 into ring 3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debug.kd_fakes import IDT, MAIN, NT_WRITE_FILE, answer, gate, kd, machine, mistake

IN_SERVICE = (
    "ChildEBP RetAddr\n"
    "f7beff58 8054272a nt!NtWriteFile+0x5\n"
    "f7beff84 7c92e4f4 nt!KiFastCallEntry+0x4a\n"
    "0012ff48 7c92df6c ntdll!KiFastSystemCallRet\n"
    "0012ff4c 0040102a ntdll!NtWriteFile+0xc\n"
    "0012ff78 00401005 app!main+0x1a\n"
    "00000000 00000000 app!start+0x5\n"
)
USER_PART = IN_SERVICE.split("\n", 3)[3]


def test_a_stack_through_the_trap_frame() -> None:
    interpreter = kd()
    answer(interpreter, f"g {NT_WRITE_FILE + 5:x}")
    assert answer(interpreter, "k") == IN_SERVICE


@pytest.mark.parametrize("offset", [0, 2, 3, 5, 0xA, 0xB])
def test_everywhere_in_the_service_the_callers_are_the_same(offset: int) -> None:
    interpreter = kd()
    answer(interpreter, f"g {NT_WRITE_FILE + offset:x}")
    rows = answer(interpreter, "k").splitlines()
    assert [row.split()[1:] for row in rows[2:]] == [
        row.split()[1:] for row in IN_SERVICE.splitlines()[2:]
    ]
    assert rows[1].startswith("f7beff58 8054272a nt!NtWriteFile")


@pytest.mark.parametrize("address", ["7c92df60", "7c92df65", "7c92df6a"])
def test_in_the_stub(address: str) -> None:
    interpreter = kd()
    answer(interpreter, f"g {address}")
    rows = answer(interpreter, "k").splitlines()
    assert rows[1].startswith("0012ff4c 0040102a ntdll!NtWriteFile")
    assert rows[2] == "0012ff78 00401005 app!main+0x1a"


@pytest.mark.parametrize("address", ["7c92e4f0", "7c92e4f2", "7c92e4f4"])
def test_in_ki_fast_system_call(address: str) -> None:
    interpreter = kd()
    answer(interpreter, f"g {address}")
    rows = answer(interpreter, "k").splitlines()
    assert rows[1].startswith("0012ff48 7c92df6c ntdll!KiFastSystemCall")
    assert "\n".join(rows[2:]) + "\n" == USER_PART.split("\n", 1)[1]


@pytest.mark.parametrize("steps", range(0, 24))
def test_while_ki_fast_call_entry_builds_the_frame(steps: int) -> None:
    interpreter = kd()
    answer(interpreter, "g nt!KiFastCallEntry")
    if steps:
        answer(interpreter, f"t 0n{steps}")
    rows = answer(interpreter, "k").splitlines()
    assert " 7c92e4f4 nt!KiFastCallEntry" in rows[1]
    assert "\n".join(rows[2:]) + "\n" == USER_PART


def test_once_the_frame_is_built_it_is_named() -> None:
    interpreter = kd()
    answer(interpreter, "g nt!KiFastCallEntry+4a")
    assert answer(interpreter, "kv").splitlines()[1] == (
        "f7beff84 7c92e4f4 badb0d00 00000000 00000000 nt!KiFastCallEntry+0x4a"
        " (TrapFrame @ f7beff84)"
    )


def test_at_the_start_of_an_interrupt_gate() -> None:
    fake = machine()
    interpreter = kd(fake)
    answer(interpreter, f"g {MAIN + 1:x}")
    frame = [MAIN + 1, 0x1B, 0x246, fake.registers["esp"], 0x23]
    for position, value in enumerate(frame):
        fake.put_number(0xF7BEFFEC + 4 * position, value)
    fake.registers.update(eip=0x80542611, esp=0xF7BEFFEC, cs=8, ss=0x10)
    rows = answer(interpreter, "k").splitlines()
    assert rows[1] == "f7beffec 00401011 nt!KiSystemService"
    assert rows[2] == "0012ff78 00401005 app!main+0x1"


def test_a_fault_with_an_error_code() -> None:
    fake = machine()
    fake.put(IDT + 0xE * 8, gate(0x80540000, 0x8E))
    fake.put(0x80540000, b"\x90" * 16)
    for position, value in enumerate([4, MAIN, 0x1B, 0x246, 0x12FF7C, 0x23]):
        fake.put_number(0xF7BEFFE8 + 4 * position, value)
    fake.put_number(0x12FF7C, 0x401005)
    fake.registers.update(eip=0x80540000, esp=0xF7BEFFE8, cs=8, ss=0x10)
    rows = answer(kd(fake), "k").splitlines()
    assert rows[1].startswith("f7beffe8 00401010 nt!")
    assert rows[2] == "0012ff78 00401005 app!main"


def test_the_forms_of_k() -> None:
    interpreter = kd()
    answer(interpreter, f"g {NT_WRITE_FILE + 5:x}")
    arguments = "0040102a 00000001 00000002"
    assert answer(interpreter, "kb").splitlines()[3] == (
        f"0012ff48 7c92df6c {arguments} ntdll!KiFastSystemCallRet"
    )
    assert (
        answer(interpreter, "kv")
        .splitlines()[2]
        .endswith("nt!KiFastCallEntry+0x4a (TrapFrame @ f7beff84)")
    )
    assert answer(interpreter, "kn").splitlines()[:2] == [
        " # ChildEBP RetAddr",
        "00 f7beff58 8054272a nt!NtWriteFile+0x5",
    ]
    assert answer(interpreter, "kf").splitlines()[2].startswith("      2c  f7beff84")
    assert answer(interpreter, "kL") == answer(interpreter, "kp") == IN_SERVICE
    assert len(answer(interpreter, "k 2").splitlines()) == 3
    assert len(answer(interpreter, "kbn2").splitlines()) == 3
    assert (
        answer(interpreter, "k = 12ff78 12ff78 40102a").splitlines()[1:]
        == (USER_PART.splitlines()[2:])
    )


def test_trap_shows_the_users_registers_until_it_is_reset() -> None:
    fake = machine()
    interpreter = kd(fake)
    answer(interpreter, f"g {NT_WRITE_FILE + 5:x}")
    lines = answer(interpreter, ".trap f7beff84").splitlines()
    assert lines[0] == "ErrCode = 00000000"
    assert lines[2].startswith("eip=7c92e4f4 esp=0012ff4c ebp=0012ff78 ")
    assert lines[3].startswith("cs=001b  ss=0023  ")
    assert lines[4] == "ntdll!KiFastSystemCallRet:"
    assert answer(interpreter, "? @esp") == "Evaluate expression: 1245004 = 0012ff4c\n"
    stack = answer(interpreter, "k").splitlines()
    assert stack[0] == "  *** Stack trace for last set context - .trap or .cxr resets it"
    assert "\n".join(stack[2:]) + "\n" == USER_PART
    assert ".trap" in mistake(interpreter, "r eax=1")
    assert answer(interpreter, "r cr3") == "cr3=00039000\n"
    assert answer(interpreter, ".trap") == "Resetting default scope\n"
    assert answer(interpreter, "k") == IN_SERVICE


def test_running_leaves_the_saved_context() -> None:
    interpreter = kd()
    answer(interpreter, f"g {NT_WRITE_FILE + 5:x}; .trap f7beff84; t")
    assert answer(interpreter, "r eip") == f"eip={NT_WRITE_FILE + 0xA:08x}\n"


def test_a_kernel_mode_trap_frame_ends_below_its_esp() -> None:
    fake = machine()
    fake.put(0xF7BE0000, bytes(0x8C))
    fake.put_number(0xF7BE0000 + 0x68, 0x80542611)
    fake.put_number(0xF7BE0000 + 0x6C, 8)
    fake.put_number(0xF7BE0000 + 0x64, 0x11)
    lines = answer(kd(fake), ".trap f7be0000").splitlines()
    assert lines[0] == "ErrCode = 00000011"
    assert lines[2].startswith("eip=80542611 esp=f7be0074 ")
    assert lines[3].startswith("cs=0008  ss=0010  ")


def test_cxr_shows_a_context_record() -> None:
    fake = machine()
    fake.put(0x20000000, bytes(0x2CC))
    for offset, value in ((0xB0, 0x1234), (0xB8, 0x7C92E4F0), (0xC4, 0x12FF00), (0xBC, 0x1B)):
        fake.put_number(0x20000000 + offset, value)
    lines = answer(kd(fake), ".cxr 20000000").splitlines()
    assert lines[0].startswith("eax=00001234 ")
    assert lines[1].startswith("eip=7c92e4f0 esp=0012ff00 ")
    assert answer(kd(fake), ".cxr") == ""


def test_no_frame_there() -> None:
    assert mistake(kd(), ".trap 0") == "Memory access error at 00000000"
    assert mistake(kd(), ".cxr 0") == "Memory access error at 00000000"


@given(
    st.lists(st.integers(0, 0xFFFFFFFF), min_size=0, max_size=64),
    st.integers(0x12FF00, 0x130000),
    st.integers(0x12FF00, 0x130010),
    st.sampled_from([0x401000, 0x401020, 0x7C92E4F4, 0x805426F4, 0x80542611, 0, 0xFFFFFFFF]),
)
def test_a_broken_stack_ends(words: list[int], ebp: int, esp: int, eip: int) -> None:
    fake = machine()
    for position, word in enumerate(words):
        fake.put_number(0x12FF00 + 4 * position, word)
    fake.registers.update(ebp=ebp, esp=esp, eip=eip, cs=(eip >> 31 and 8) or 0x1B)
    rows = answer(kd(fake), "kv 10").splitlines()
    assert 2 <= len(rows) <= 0x11
