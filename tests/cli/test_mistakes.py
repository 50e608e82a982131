"""What a user types wrong, and output that can't be written: one line on stderr, an exit code."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import ntgate as package
from ntgate.cli import main
from ntgate.loader.builtin.images import builtin_ntdll, builtin_program

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(package.__file__).parent.parent)}


def ntgate(words: Sequence[str], folder: Path, redirect: str = "") -> tuple[int, str, str]:
    """redirect: what a shell does to the command, such as `>&-`."""
    command = [sys.executable, "-m", "ntgate", *words]
    if redirect:
        command = ["sh", "-c", f'exec "$@" {redirect}', "sh", *command]
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr

COM_DESCRIPTOR = 24 + 96 + 14 * 8  # its data directory, from the signature on


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Programs that can't be run, and one that can."""
    native = builtin_program("sysenter").file
    header = int.from_bytes(native[0x3C:0x40], "little")
    machine = native[: header + 4] + b"\x64\x86" + native[header + 6 :]
    (tmp_path / "wide.exe").write_bytes(machine)
    (tmp_path / "program.exe").write_bytes(native)
    (tmp_path / "library.dll").write_bytes(builtin_ntdll().file)
    (tmp_path / "cut.exe").write_bytes(native[:0x180])
    (tmp_path / "dos.exe").write_bytes(native[:0x3C] + bytes(0x40))
    descriptor = header + COM_DESCRIPTOR
    managed = native[:descriptor] + struct.pack("<2I", 0x2000, 72) + native[descriptor + 8 :]
    (tmp_path / "managed.exe").write_bytes(managed)
    (tmp_path / "short.exe").write_bytes(native[:0x1C])
    (tmp_path / "old.exe").write_bytes(native[:header] + b"NE" + bytes(0x40))
    (tmp_path / "vxd.exe").write_bytes(native[:header] + b"LE" + bytes(0x40))
    (tmp_path / "lines.bat").write_bytes(b"@echo off\r\n")
    (tmp_path / "tiny.com").write_bytes(b"\xb4\x4c\xcd\x21")
    (tmp_path / "text.txt").write_text("no program")
    (tmp_path / "empty.exe").write_bytes(b"")
    (tmp_path / "round").symlink_to("round")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "missing.exe"], "can't read missing.exe"),
        (["run", "."], "can't read .: Is a directory"),
        (["run", "text.txt"], "text.txt is not a Windows program"),
        (["run", "empty.exe"], "empty.exe is not a Windows program"),
        (["run", "cut.exe"], "cut.exe"),
        (["run", "library.dll"], "library.dll is a DLL, not a program"),
        (["run", "wide.exe"], "not a 32-bit x86 program: it is 64-bit (x86-64)"),
        (["run", "dos.exe"], "dos.exe is a DOS program"),
        (["run", "short.exe"], "short.exe is a DOS program"),
        (["run", "managed.exe"], "managed.exe is a .NET program"),
        (["run", "old.exe"], "old.exe is a 16-bit Windows program"),
        (["run", "vxd.exe"], "vxd.exe is an OS/2 program or a VxD"),
        (["run", "lines.bat"], "lines.bat is a batch file: `cmd.exe /c lines.bat` runs it"),
        (["run", "tiny.com"], "tiny.com is a DOS program"),
        (["run", "@nothing"], "no built-in program is @nothing"),
        (["run"], "Missing argument 'PROGRAM'; see ntgate run --help"),
        (["run", "--bad", "@seh"], "No such option '--bad'"),
        (["run", "--time-limit", "0", "@seh"], "--time-limit 0"),
        (["run", "--time-limit", "soon", "@seh"], "'soon' is not a valid float"),
        (["run", "--time-limit", "nan", "@seh"], "--time-limit nan"),
        (["run", "--time-limit", "inf", "@seh"], "--time-limit inf"),
        (["run", "--time-limit", "1e30", "@seh"], "--time-limit 1e+30"),
        (["run", ""], "the program's name is empty"),
        (["run", os.devnull], f"can't run {os.devnull}: it is not a regular file"),
        (["run", "./pipe"], "can't run ./pipe: it is not a regular file"),
        (["run", "./" + "long" * 100], "File name too long"),
        (["run", "--mount", "round=C:\\x", "@seh"], "can't mount round: a link leads to itself"),
        (["userland", "install", "--from", "missing"], "missing is not a folder"),
        (["userland", "install", "--from", "."], ". holds no ntdll.dll"),
        (["run", "--memory-limit", "3", "@seh"], "--memory-limit 3"),
        (["run", "--memory", "3", "@seh"], "--memory 3"),
        (["run", "--env", "COLOUR", "@seh"], "--env COLOUR: write NAME=VALUE"),
        (["run", "--mount", "here", "@seh"], "'here' is no mount"),
        (["run", "--mount", "missing=C:\\x", "@seh"], "can't mount missing"),
        (["run", "--mount", "text.txt=C:\\x", "@seh"], "it is not a folder"),
        (["run", "--mount", ".=D:\\x", "@seh"], "can't mount at D:\\x"),
        (["run", "--mount", ".=C:\\x:rx", "@seh"], "'rx' is none of ro, cow, rw"),
        (["run", "--report", "missing/file", "@seh"], "can't write missing/file"),
        (["trace", "-e", "trace=NtNothing", "@seh"], "no service is named 'NtNothing'"),
        (["trace", "-e", "trace=%nothing", "@seh"], "no service family is %nothing"),
        (["trace", "-e", "inject=NtClose:status=what", "@seh"], "'status=what'"),
        (["trace", "-e", "inject=NtClose:status=1:when=0", "@seh"], "'when=0'"),
        (["trace", "-e", "event=nothing", "@seh"], "no kind of event is 'nothing'"),
        (["trace", "--format", "xml", "@seh"], "--format xml"),
        (["trace", "-s", "-1", "@seh"], "-s -1"),
        (["trace", "-o", ".", "@seh"], "can't write .: Is a directory"),
        (["kd", "missing.exe"], "can't read missing.exe"),
        (["nothing"], "No such command 'nothing'; see ntgate --help"),
    ],
)
def test_mistakes(
    folder: Path,
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["ntgate", *words])
    with pytest.raises(SystemExit) as leaving:
        main()
    output, errors = capsys.readouterr()
    assert (leaving.value.code, output) == (2, "")
    (line,) = errors.splitlines()
    assert line.startswith("ntgate: ")
    assert says in line


@pytest.mark.parametrize("program", ["cmd.exe", "needs.exe"])
def test_no_userland(
    folder: Path,
    program: str,
    guest: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    native = guest("hello_native").read_bytes()
    (folder / "needs.exe").write_bytes(native.replace(b"ntdll.dll", b"other.dll"))
    monkeypatch.setitem(ENVIRONMENT, "XDG_CACHE_HOME", str(folder))
    code, output, errors = ntgate(["run", program], folder)
    assert (code, output) == (2, "")
    (line,) = errors.splitlines()
    assert "run `ntgate userland install`" in line


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["kd", "-c", "r"], 1),
        (["demo"], 1),
        (["run", "--help"], 1),
        (["run", "--report", "/dev/full", "@seh"], 2),
        (["trace", "-o", "/dev/full", "@seh"], 2),
    ],
)
def test_a_full_disk(folder: Path, words: list[str], code: int) -> None:
    found, _output, errors = ntgate(words, folder, ">/dev/full")
    assert found == code
    (line,) = errors.splitlines()
    assert line.startswith("ntgate: can't write")
    assert line.endswith("No space left on device")


@pytest.mark.parametrize("redirect", [">&-", "<&-"])
def test_closed_streams(folder: Path, redirect: str) -> None:
    code, _output, errors = ntgate(["run", "program.exe"], folder, redirect)
    assert (code, errors) == (0, "")
    code, _output, errors = ntgate(["kd"], folder, redirect)
    assert (code, errors) == (
        2, "ntgate: kd needs the standard output and, without -c, the standard input\n"
    )  # fmt: skip


def test_stderr_is_closed(folder: Path) -> None:
    """Nothing of what belongs there comes out of stdout."""
    assert ntgate(["run", "missing.exe"], folder, "2>&-")[:2] == (2, "")
    assert ntgate(["trace", "program.exe"], folder, "2>&-")[:2] == (2, "")
    assert ntgate(["trace", "-o", "calls", "program.exe"], folder, "2>&-")[0] == 0
    assert "NtWriteFile(" in (folder / "calls").read_text()


def test_a_user_without_a_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No HOME, and no entry in the host's list of users: there is no place for a cache."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delitem(ENVIRONMENT, name, raising=False)
    lonely = folder / "sitecustomize.py"
    lonely.write_text("import pwd\ndef missing(user):\n    raise KeyError(user)\n"
                      "pwd.getpwuid = missing\n")  # fmt: skip
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", f"{folder}:{ENVIRONMENT['PYTHONPATH']}")
    assert ntgate(["run", "program.exe"], folder)[::2] == (0, "")
    assert ntgate(["kd"], folder, "</dev/null")[::2] == (0, "")
    assert ntgate(["userland", "status"], folder)[::2] == (1, "")
    code, _output, errors = ntgate(["userland", "install"], folder)
    assert (code, errors) == (2, "ntgate: you have no home folder: set HOME, or XDG_CACHE_HOME\n")


def test_a_reader_that_leaves(folder: Path) -> None:
    """More lines than a pipe holds."""
    _code, output, errors = ntgate(["kd", "-c", "u nt L2000"], folder, "| head -n 1")
    assert (output, errors) == ("kd> u nt L2000\n", "")


@pytest.mark.parametrize("words", [["kd", "-c", "u nt L2000"], ["demo"]], ids=["kd", "demo"])
def test_a_reader_that_leaves_is_told_in_the_exit_code(words: list[str], folder: Path) -> None:
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "ntgate", *words],
        cwd=folder, env=ENVIRONMENT, stdout=write, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        os.close(write)
        os.close(read)
        _output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (141, b"")


def test_version(folder: Path) -> None:
    """Of the source, which need not be installed."""
    assert ntgate(["--version"], folder) == (0, f"ntgate {package.__version__}\n", "")
