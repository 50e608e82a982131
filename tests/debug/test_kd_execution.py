"""Running, stepping and breakpoints."""

from __future__ import annotations

import pytest

from debug.kd_fakes import (
    ENTRY,
    MAIN,
    NT_WRITE_FILE,
    FakeMachine,
    answer,
    assemble,
    kd,
    machine,
    mistake,
)
from ntgate.debug.interpreter import Interpreter
from ntgate.debug.symbols import Module
from ntgate.debug.target import Stop, StopReason

FAST_ENTRY = 0x805426E0


def eip(interpreter: Interpreter) -> int:
    return interpreter.session.machine.register("eip")


def test_a_hit_shows_the_number_the_registers_and_the_instruction() -> None:
    interpreter = kd()
    assert answer(interpreter, "bp nt!KiFastCallEntry") == ""
    assert answer(interpreter, "bl") == " 0 e 805426e0     0001 (0001) nt!KiFastCallEntry\n"
    lines = answer(interpreter, "g").splitlines()
    assert lines[0] == "Breakpoint 0 hit"
    assert lines[1].startswith("eax=00000112 ")
    assert lines[4:] == [
        "nt!KiFastCallEntry:",
        "805426e0 b923000000      mov     ecx,23h",
    ]


def test_g_ends_with_the_program() -> None:
    assert answer(kd(), "g") == "The program has exited with code 0\n"


def test_g_to_an_address_leaves_no_breakpoint() -> None:
    fake = machine()
    interpreter = kd(fake)
    lines = answer(interpreter, "g app!main").splitlines()
    assert lines[0].startswith("eax=")
    assert eip(interpreter) == MAIN
    assert not fake.breakpoints
    assert answer(interpreter, "bl") == ""


def test_g_from_an_address() -> None:
    interpreter = kd()
    answer(interpreter, "g =401005 401006")
    assert eip(interpreter) == ENTRY + 6


def test_bl_shows_every_kind() -> None:
    interpreter = kd()
    answer(interpreter, 'bp 401000; bp app!main 5 "r eax; g"; ba w4 12ff44; bu foo!bar; bd 1')
    assert answer(interpreter, "bl") == (
        " 0 e 00401000     0001 (0001) app!start\n"
        ' 1 d 00401010     0005 (0005) app!main "r eax; g"\n'
        " 2 e 0012ff44 w 4 0001 (0001) 0012ff44\n"
        " 3 eu             0001 (0001) (foo!bar)\n"
    )
    assert answer(interpreter, "bc 0-1, 3; bl") == " 2 e 0012ff44 w 4 0001 (0001) 0012ff44\n"
    assert answer(interpreter, "bc *; bl") == ""


def test_numbers_are_used_again_and_can_be_chosen() -> None:
    interpreter = kd()
    answer(interpreter, "bp 401000; bp 401005; bc 0; bp 401006")
    assert [line[:13] for line in answer(interpreter, "bl").splitlines()] == [
        " 0 e 00401006",
        " 1 e 00401005",
    ]
    answer(interpreter, "bp7 401010")
    assert answer(interpreter, "bp7 401011") == "breakpoint 7 redefined\n"
    assert answer(interpreter, "bl").splitlines()[2:] == [
        " 7 e 00401011     0001 (0001) app!main+0x1"
    ]
    assert answer(interpreter, "? @$bp7") == "Evaluate expression: 4198417 = 00401011\n"
    answer(interpreter, "bp80542611")
    assert " 2 e 80542611 " in answer(interpreter, "bl")


def test_the_same_address_is_redefined() -> None:
    interpreter = kd()
    assert answer(interpreter, "bp 401000; bp 401000 3") == "breakpoint 0 redefined\n"
    assert answer(interpreter, "bl") == " 0 e 00401000     0003 (0003) app!start\n"


def test_a_disabled_breakpoint_does_not_stop() -> None:
    interpreter = kd()
    answer(interpreter, "bp nt!NtWriteFile; bd 0")
    assert "exited" in answer(interpreter, "g")
    interpreter = kd()
    answer(interpreter, "bp nt!NtWriteFile; bd 0; be 0; g")
    assert eip(interpreter) == NT_WRITE_FILE


def test_passes_are_counted() -> None:
    interpreter = kd()
    answer(interpreter, "bp app!main+1f 3")
    assert answer(interpreter, "g").startswith("Breakpoint 0 hit\n")
    assert answer(interpreter, "r ecx") == "ecx=00000001\n"
    assert answer(interpreter, "bl") == " 0 e 0040102f     0001 (0003) app!main+0x1f\n"


def test_a_one_shot_breakpoint_goes_when_hit() -> None:
    interpreter = kd()
    answer(interpreter, "bp /1 app!main+1f")
    assert answer(interpreter, "g").startswith("Breakpoint 0 hit\n")
    assert answer(interpreter, "bl") == ""
    assert "exited" in answer(interpreter, "g")


def test_commands_of_a_breakpoint_can_go_on() -> None:
    interpreter = kd()
    answer(interpreter, 'bp app!main+1f "r ecx; g; .echo never"')
    assert answer(interpreter, "g") == (
        "ecx=00000003\necx=00000002\necx=00000001\nThe program has exited with code 0\n"
    )


def test_commands_of_a_breakpoint_that_stay() -> None:
    interpreter = kd()
    answer(interpreter, 'bp app!main+1f "r ecx; .if (@ecx == 2) {} .else {gc}"')
    lines = answer(interpreter, "g").splitlines()
    assert lines[:2] == ["ecx=00000003", "ecx=00000002"]
    assert lines[-1].startswith("0040102f 49 ")
    assert len(lines) == 7


def test_a_breakpoint_whose_commands_go_does_not_hide_another() -> None:
    interpreter = kd()
    answer(interpreter, 'bp app!main "g"; bp5 app!main')
    assert answer(interpreter, "g").startswith("Breakpoint 5 hit\n")
    assert eip(interpreter) == MAIN


def test_commands_that_step_onto_their_own_breakpoint_end() -> None:
    interpreter = kd()
    answer(interpreter, 'bp app!main+1f "t; t; t; t"')
    lines = answer(interpreter, "g").splitlines()
    assert lines[-1].startswith("0040102f")


def test_a_data_breakpoint_stops_behind_the_write() -> None:
    interpreter = kd()
    answer(interpreter, "ba w4 12ff74")
    lines = answer(interpreter, "g").splitlines()
    assert lines[0] == "Breakpoint 0 hit"
    assert eip(interpreter) == MAIN + 5


def test_a_data_breakpoint_on_reads() -> None:
    interpreter = kd()
    answer(interpreter, "ba r4 7ffe0300; g")
    assert eip(interpreter) == 0x7C92E4F0


@pytest.mark.parametrize(
    "command", ["ba", "ba x4 401000", "ba w3 401000", "ba e4 401000", "ba w4", "ba w4 401002"]
)
def test_wrong_data_breakpoints(command: str) -> None:
    interpreter = kd()
    mistake(interpreter, command)
    assert answer(interpreter, "bl") == ""


@pytest.mark.parametrize("command", ["bc", "bd x", "be 5", "bc 1-x", "bp nt!nosuch", 'bp 1 "'])
def test_wrong_breakpoint_commands(command: str) -> None:
    assert "error" in mistake(kd(), command)


def test_bu_waits_for_its_symbol() -> None:
    fake = machine()
    app = fake.symbols.module("app")
    assert app is not None
    fake.symbols.remove(app)
    interpreter = kd(fake)
    answer(interpreter, "bu app!main")
    assert answer(interpreter, "bl") == " 0 eu             0001 (0001) (app!main)\n"
    fake.symbols.add(app)
    assert answer(interpreter, "g").startswith("Breakpoint 0 hit\n")
    assert answer(interpreter, "bl") == " 0 e 00401010     0001 (0001) app!main\n"


class Loading(FakeMachine):
    """Maps its program when it is resumed."""

    def resume(self, instructions: int | None = None) -> Stop:
        if self.stop_at_modules and self.late is not None:
            self.symbols.add(self.late)
            self.late = None
            return Stop(StopReason.MODULE)
        return super().resume(instructions)

    late: Module | None = None


def test_a_module_that_comes_while_the_machine_runs() -> None:
    """bp becomes bu for a module that is not there; a name that one lacks stays a mistake."""
    fake = machine(Loading)
    assert isinstance(fake, Loading)
    fake.late = fake.symbols.module("app")
    assert fake.late is not None
    fake.symbols.remove(fake.late)
    interpreter = kd(fake)
    deferred = "Bp expression 'app!main' could not be resolved, adding deferred bp\n"
    assert answer(interpreter, 'bp app!main "k 1"') == deferred
    assert "Couldn't resolve" in mistake(interpreter, "bp nt!NoSuch")
    assert "Couldn't resolve" in mistake(interpreter, "bp NoSuch")
    assert answer(interpreter, "g").splitlines()[1].endswith(" app!main")
    assert not fake.stop_at_modules


def test_t_goes_into_calls_and_p_over_them() -> None:
    interpreter = kd()
    answer(interpreter, "t")
    assert eip(interpreter) == MAIN
    interpreter = kd()
    lines = answer(interpreter, "p").splitlines()
    assert eip(interpreter) == ENTRY + 5
    assert lines[-2:] == ["app!start+0x5:", "00401005 90              nop"]


def test_t_enters_the_kernel_at_sysenter_and_p_does_not() -> None:
    interpreter = kd()
    answer(interpreter, "g 7c92e4f2; t")
    assert eip(interpreter) == FAST_ENTRY
    interpreter = kd()
    answer(interpreter, "g 7c92e4f2; p")
    assert eip(interpreter) == 0x7C92E4F4
    assert answer(interpreter, "r esp") == "esp=0012ff4c\n"


def test_counts_show_every_step() -> None:
    interpreter = kd()
    text = answer(interpreter, "t 3")
    assert text.count("eip=") == 3
    assert eip(interpreter) == MAIN + 3


def test_steps_end_at_a_breakpoint() -> None:
    interpreter = kd()
    answer(interpreter, "bp nt!NtWriteFile")
    text = answer(interpreter, "p 2")
    assert "Breakpoint 0 hit" in text
    assert eip(interpreter) == NT_WRITE_FILE
    assert text.count("eip=") == 1


def test_p_stays_in_its_own_call_when_that_recurses() -> None:
    fake = machine()
    code = """
        call next
        nop
        hlt
    next:
        dec eax
        jne again
        ret
    again:
        push eax
        call next2
        pop ecx
        ret
    next2:
        jmp next
    """
    fake.put(ENTRY, assemble(code, ENTRY))
    fake.registers["eax"] = 4
    interpreter = kd(fake)
    answer(interpreter, "t; t; t; t")
    esp = fake.registers["esp"]
    answer(interpreter, "p")
    assert fake.registers["esp"] == esp


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (MAIN + 3, ENTRY + 5),
        (NT_WRITE_FILE, 0x8054272A),
        (NT_WRITE_FILE + 3, 0x8054272A),
        (NT_WRITE_FILE + 5, 0x8054272A),
        (FAST_ENTRY, 0x7C92E4F4),
        (0x8054272A, 0x7C92E4F4),
        (0x7C92DF60, MAIN + 0x1A),
        (0x7C92E4F4, 0x7C92DF6C),
    ],
)
def test_gu_runs_to_the_caller(start: int, end: int) -> None:
    interpreter = kd()
    answer(interpreter, f"g {start:x}; gu")
    assert eip(interpreter) == end


def test_gu_with_no_caller() -> None:
    assert mistake(kd(), "gu") == "Can't find where this routine returns to"


@pytest.mark.parametrize(
    ("command", "end"),
    [
        ("pc", MAIN + 0x15),
        ("tc", MAIN + 0x15),
        ("pt", MAIN + 0x23),
        ("tt", NT_WRITE_FILE + 0xB),
        ("pa app!main+1f", MAIN + 0x1F),
        ("ta nt!NtWriteFile", NT_WRITE_FILE),
    ],
)
def test_running_to_a_kind_of_instruction(command: str, end: int) -> None:
    interpreter = kd()
    answer(interpreter, "g app!main")
    text = answer(interpreter, command)
    assert eip(interpreter) == end
    assert text.count("eip=") == 1


def test_pa_ends_when_something_else_happens() -> None:
    interpreter = kd()
    assert "exited" in answer(interpreter, "pa 12345678")


def test_an_exception_is_told() -> None:
    fake = machine()
    fake.put(ENTRY, assemble("mov eax, dword ptr [0]", ENTRY))
    lines = answer(kd(fake), "g").splitlines()
    assert lines[0] == "Access violation - code c0000005 (first chance)"
    assert lines[-1].endswith(" ds:0023:00000000=????????")


def test_an_exception_without_words_shows_its_code() -> None:
    fake = machine()
    fake.put(ENTRY, b"\xcc")
    assert answer(kd(fake), "g").splitlines()[0] == "Unknown exception - code 80000003"


def test_an_interrupt_is_told() -> None:
    fake = machine()
    fake.put(ENTRY, b"\xeb\xfe")
    assert answer(kd(fake), "g").splitlines()[0] == "Break-in by the user"


def test_a_failure_of_the_machine_fails_the_command() -> None:
    class Failing(FakeMachine):
        def resume(self, instructions: int | None = None) -> Stop:
            return Stop(StopReason.FAILURE, text="KeyError at nt!NtWriteFile")

    fake = Failing()
    result = kd(fake).execute("g; .echo more")
    assert not result.ok
    assert result.text.startswith("KeyError at nt!NtWriteFile\neax=")
    assert result.text.endswith("This is a fault of ntgate's; the machine can be looked at\n")


def test_exceptions_are_answered_where_the_machine_asks() -> None:
    class Asking(FakeMachine):
        answered: bool | None = None

        def answer_exception(self, handled: bool) -> None:
            self.answered = handled

    assert "use g" in mistake(kd(), "gh")
    fake = Asking()
    kd(fake).execute("gn")
    assert fake.answered is False
    kd(fake).execute("gh")
    assert fake.answered is True


def test_temporary_breakpoints_go_whatever_happens() -> None:
    fake = machine()
    interpreter = kd(fake)
    answer(interpreter, "bp nt!NtWriteFile; p; gu; pc; g 12345678")
    assert len(fake.breakpoints) == 1


def test_q_leaves_and_ends_the_line() -> None:
    interpreter = kd()
    assert answer(interpreter, "q; .echo never") == ""
    assert interpreter.is_leaving
