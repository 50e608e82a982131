"""The prompt: `-c`, piped commands, a terminal, Ctrl-C, history and completion."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from debug.kd_fakes import ENTRY, FakeMachine, answer, kd, machine
from ntgate.debug import console
from ntgate.debug.completion import candidates
from ntgate.debug.interpreter import Interpreter
from ntgate.debug.line_editor import KdCompleter
from ntgate.debug.target import Stop


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_commands_are_shown_with_their_answers() -> None:
    out = io.StringIO()
    assert console.run_commands(kd(), "rdmsr 176; r idtr;", out)
    assert out.getvalue() == (
        "kd> rdmsr 176\nmsr[176] = 00000000`805426e0\nkd> r idtr\nidtr=8003f400\n"
    )


def test_a_failure_is_reported_and_the_others_run() -> None:
    out = io.StringIO()
    assert not console.run_commands(kd(), "nosuch; r idtr", out)
    assert out.getvalue() == ("kd> nosuch\n^ Syntax error in 'nosuch'\nkd> r idtr\nidtr=8003f400\n")


def test_q_ends_the_commands() -> None:
    out = io.StringIO()
    assert console.run_commands(kd(), "q; r", out)
    assert out.getvalue() == "kd> q\n"


def test_piped_commands() -> None:
    out = io.StringIO()
    stdin = io.StringIO("r idtr\n\n  r gdtl; r tr\nnosuch\nq\nr\n")
    assert not console.interact(kd(), stdin, out)
    assert out.getvalue() == (
        "kd> r idtr\nidtr=8003f400\n"
        "kd> r gdtl; r tr\ngdtl=000003ff\ntr=00000028\n"
        "kd> nosuch\n^ Syntax error in 'nosuch'\n"
        "kd> q\n"
    )


def converse(interpreter: Interpreter, keys: str) -> str:
    """What a terminal shows behind the prompts when these keys are typed."""
    out = Terminal()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        assert console.interact(interpreter, Terminal(), out)
    return out.getvalue()


@pytest.fixture
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return tmp_path


def test_a_terminal_reads_until_q(state_home: Path) -> None:
    assert converse(kd(), "r idtr\rq\rr\r") == "idtr=8003f400\n"


def test_ctrl_d_leaves_and_ctrl_c_drops_the_line(state_home: Path) -> None:
    assert converse(kd(), "r ei\x03r idtr\r\x04") == "idtr=8003f400\n"


def test_an_empty_line_repeats(state_home: Path) -> None:
    shown = converse(kd(), "dd 401000 L1\r\rt\r\rq\r")
    rows = [line for line in shown.splitlines() if line.startswith("0040")]
    assert rows[0].startswith("00401000  ")
    assert rows[1].startswith("00401004  ")
    assert [line[:12] for line in shown.splitlines() if line.startswith("eip=")] == [
        "eip=00401010",
        "eip=00401011",
    ]


def test_mistakes_are_red_at_a_terminal(state_home: Path) -> None:
    shown = converse(kd(), "nosuch\r\x04")
    assert shown == "\x1b[31m^ Syntax error in 'nosuch'\x1b[0m\n"


def test_no_color_is_respected(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert converse(kd(), "nosuch\r\x04") == "^ Syntax error in 'nosuch'\n"


def test_history_is_kept(state_home: Path) -> None:
    converse(kd(), "r idtr\r\x04")
    assert "+r idtr" in (state_home / "ntgate" / "kd_history").read_text()
    assert converse(kd(), "\x1b[A\r\x04") == "idtr=8003f400\n"


def test_no_history_where_none_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    assert console.history_file() is None


def test_tab_completes() -> None:
    completer = KdCompleter(kd().session)
    (found,) = completer.get_completions(Document("u nt!KiFastC"), CompleteEvent())
    assert (found.text, found.start_position) == ("nt!KiFastCallEntry", -len("nt!KiFastC"))


class Interrupted(FakeMachine):
    """Its user presses Ctrl-C while it runs."""

    def resume(self, instructions: int | None = None) -> Stop:
        signal.raise_signal(signal.SIGINT)
        return super().resume(instructions)


def test_ctrl_c_stops_a_running_machine() -> None:
    fake = Interrupted()
    fake.put(ENTRY, b"\xeb\xfe")
    fake.registers["eip"] = ENTRY
    out = io.StringIO()
    before = signal.getsignal(signal.SIGINT)
    assert console.run_commands(kd(fake), "g; .echo next", out)
    assert out.getvalue().splitlines()[1] == "Break-in by the user"
    assert out.getvalue().endswith("kd> .echo next\nnext\n")
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_ends_any_other_command() -> None:
    class Pressed(FakeMachine):
        def read(self, address: int, size: int) -> bytes:
            signal.raise_signal(signal.SIGINT)
            return super().read(address, size)

    out = io.StringIO()
    assert not console.run_commands(kd(Pressed()), "db 401000; .echo next", out)
    assert out.getvalue() == "kd> db 401000\nInterrupted\nkd> .echo next\nnext\n"


@pytest.mark.parametrize(
    ("line", "word", "some"),
    [
        ("", "", ["bp", "db", "!idt"]),
        ("b", "b", ["bp", "bl", "ba"]),
        ("!s", "!s", ["!ssdt"]),
        ("r; !i", "!i", ["!idt"]),
        ("u nt!KiFast", "nt!KiFast", ["nt!KiFastCallEntry"]),
        ("u KiFast", "KiFast", ["nt!KiFastCallEntry", "ntdll!KiFastSystemCall"]),
        ("u nt", "nt", ["nt!", "ntdll!"]),
        ("r @id", "@id", ["@idtr", "@idtl"]),
        ("r ea", "ea", ["eax"]),
        ("dt _KTRAP", "_KTRAP", ["_KTRAP_FRAME"]),
        ("dt nt!_KTRAP", "_KTRAP", ["_KTRAP_FRAME"]),
        ("dt -r _KPC", "_KPC", ["_KPCR"]),
    ],
)
def test_completion(line: str, word: str, some: list[str]) -> None:
    found_word, found = candidates(kd().session, line)
    assert found_word == word
    assert set(some) <= set(found)


def test_a_bug_in_a_command_does_not_end_the_session() -> None:
    class Broken(FakeMachine):
        def read_msr(self, index: int) -> int:
            raise ZeroDivisionError("division by zero")

    out = io.StringIO()
    assert not console.run_commands(kd(Broken()), "rdmsr 176; .echo next", out)
    lines = out.getvalue().splitlines()
    assert lines[1].startswith("A bug in ntgate: ZeroDivisionError: division by zero (test_kd_")
    assert lines[2:] == ["kd> .echo next", "next"]


def test_completion_has_a_limit() -> None:
    assert len(candidates(kd().session, "u nt!")[1]) <= 200


def test_the_slow_imports_are_late() -> None:
    code = (
        "import sys, ntgate.debug.console;"
        "print([name for name in ('prompt_toolkit', 'unicorn', 'keystone') if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert shown.stdout == "[]\n"


def test_a_session_as_the_study_has_it() -> None:
    interpreter = kd(machine())
    assert answer(interpreter, "rdmsr 174") == "msr[174] = 00000000`00000008\n"
    assert answer(interpreter, "u nt!KiSystemService L8").splitlines() == [
        "nt!KiSystemService:",
        "80542611 6a00            push    0",
        "80542613 55              push    ebp",
        "80542614 53              push    ebx",
        "80542615 56              push    esi",
        "80542616 57              push    edi",
        "80542617 0fa0            push    fs",
        "80542619 bb30000000      mov     ebx,30h",
        "8054261e 668ee3          mov     fs,bx",
    ]
