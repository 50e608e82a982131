"""Consoles: a terminal is one, a program can have another, and what is written there is seen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from program_run import Runner, environment

from ntgate.loader.userland import Userland

TYPED = b"cls\necho first\nset /p name=who? \nsecond\necho [%name%]\nexit 3\n"
SECONDS = 60
# The leader of a new session gets the terminal that it opens: Ctrl-C is a signal then.
ENTRY = (
    "import os; os.close(os.open(os.ttyname(0), os.O_RDWR)); from ntgate.cli import main; main()"
)
LEFT, UP = b"\x1b[D", b"\x1b[A"


@dataclass(frozen=True)
class Seen:
    """What a terminal was sent, without its control sequences, and how the run ended."""

    code: int
    sent: bytes

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self.sent.decode("utf-8", "replace"))


class Terminal:
    """A run on a terminal, at which somebody waits for a text and then types."""

    def __init__(self, folder: Path, size: tuple[int, int] | None, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        if size is not None:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", size[1], size[0], 0, 0))
        self._running = subprocess.Popen(
            [sys.executable, "-c", ENTRY, "run", "--time-limit", str(SECONDS), *words],
            cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(),
            start_new_session=True,
        )  # fmt: skip
        self.mode = termios.tcgetattr(theirs)
        self._theirs = theirs
        self._sent = b""

    def type(self, keys: bytes, behind: bytes = b"") -> None:
        """Once `behind` has been sent since the last keys."""
        self._wait_for(behind)
        os.write(self._ours, keys)

    def _wait_for(self, text: bytes) -> None:
        start, until = len(self._sent), time.monotonic() + SECONDS
        while text not in self._sent[start:]:
            assert time.monotonic() < until, self._sent
            self._take(0.5)

    def _take(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        self._sent += os.read(self._ours, 4096)
        return True

    def end(self) -> Seen:
        """When the run has ended."""
        while self._running.poll() is None:
            self._take(0.1)
        while self._take(0):
            pass
        assert termios.tcgetattr(self._theirs) == self.mode
        os.close(self._theirs)
        os.close(self._ours)
        return Seen(self._running.returncode, self._sent)


@pytest.mark.usefixtures("userland")
def test_cmd_on_a_terminal_without_a_size(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, None, "cmd.exe")
    terminal.type(TYPED)
    seen = terminal.end()
    assert seen.code == 3, seen.text
    assert "first" in seen.text
    assert "who?" in seen.text
    assert "[second]" in seen.text


@pytest.mark.usefixtures("userland")
def test_lines_are_edited_and_single_keys_are_read(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, (80, 25), "cmd.exe")
    terminal.type(b"echo abX\x7fc" + LEFT + LEFT + b"z\r", behind=b">")
    terminal.type(b"pause\r", behind=b"work>")
    terminal.type(b"k", behind=b"continue")  # no Enter
    terminal.type(UP + UP + b"\r", behind=b"work>")  # the first line again
    terminal.type(b"exit 7\r", behind=b"azbc\r")
    seen = terminal.end()
    assert seen.code == 7, seen.text
    assert seen.text.count("\nazbc\n") == 2


@pytest.mark.usefixtures("userland")
def test_ctrl_c_ends_the_run_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, (80, 25), "cmd.exe")
    terminal.type(b"echo x\r", behind=b"work>")
    terminal.type(b"\x03", behind=b"work>")
    assert terminal.end().code == 130


@pytest.mark.usefixtures("userland")
@pytest.mark.parametrize(("keys", "code"), [(b"k", ord("k")), (b"", 0)])
def test_a_program_that_looks_for_keys_sleeps_by_the_host_s_clock(
    tmp_path: Path, guest: Callable[[str], Path], keys: bytes, code: int
) -> None:
    """Else its time would be over before anybody could press one."""
    terminal = Terminal(tmp_path, (80, 25), str(guest("console_keys")))
    terminal.type(b"", behind=b"looking")
    time.sleep(0.7)
    terminal.type(keys)
    assert terminal.end().code == code


@pytest.mark.usefixtures("userland")
def test_another_console_is_on_the_same_terminal(tmp_path: Path) -> None:
    asked = 'start /wait cmd /c "set /p name=who? & call echo [%^name%]"'
    terminal = Terminal(tmp_path, (80, 25), "--verbatim", "cmd.exe", "/c", asked)
    terminal.type(b"me\r", behind=b"who?")
    seen = terminal.end()
    assert (seen.code, "[me]" in seen.text) == (0, True), seen.text


def lines(run: Runner, *words: str) -> list[str]:
    return [line.rstrip() for line in run("cmd.exe", "/c", *words).lines()]


def test_what_a_console_of_its_own_shows_goes_to_standard_output(run: Runner) -> None:
    assert lines(run, "start /wait cmd /c echo hi & echo done") == ["hi", "done"]


def test_what_goes_past_a_redirection_goes_to_standard_error(run: Runner) -> None:
    ended = run("cmd.exe", "/c", "echo seen> CONOUT$ & echo done")
    assert (ended.output.split(), ended.errors.split()) == (["done"], ["seen"])


def test_without_a_keyboard_a_line_ends_at_once(run: Runner) -> None:
    words = "start /wait cmd /c set /p name=who? & echo behind"
    assert lines(run, words) == ["who?behind"]


def test_a_program_s_own_checks(run: Runner, guest: Callable[[str], Path]) -> None:
    found = run(guest("consoles")).lines()
    assert "passed" in found
    assert found.count("of its own") == 1  # the child without a window is not seen


def test_the_userland_has_the_console_host(userland: Userland) -> None:
    host = userland.file("conhost.exe")
    assert host is not None and b"wine_server_call" not in host.read_bytes()
