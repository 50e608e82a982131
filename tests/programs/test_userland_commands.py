"""The userland's own commands: cmd.exe, reg.exe, find, sort, xcopy.

Wine 8.0's findstr, where and fc print nothing, wherever they run, its find takes no options, and
sort and more are missing.
"""

from __future__ import annotations

from program_run import Runner


def cmd(run: Runner, line: str, *, rw: bool = False, typed: str = "") -> list[str]:
    return run("cmd.exe", "/c", line, options=["--rw"] if rw else [], typed=typed).lines()


def test_dir(run: Runner) -> None:
    (run.folder / "one.txt").write_bytes(b"x" * 1234)
    (run.folder / "sub folder").mkdir()
    lines = cmd(run, "dir")
    assert "Directory of C:\\work" in lines
    assert any(line.endswith("     1,234  one.txt") for line in lines)
    assert any(line.endswith("<DIR>         sub folder") for line in lines)
    assert "       1 file                     1,234 bytes" in lines
    assert cmd(run, "dir /b /a-d") == ["one.txt"]


def test_redirection_and_type(run: Runner) -> None:
    assert cmd(run, "echo first>made.txt& echo second>>made.txt& type made.txt", rw=True) == [
        "first", "second",
    ]  # fmt: skip
    assert (run.folder / "made.txt").read_bytes() == b"first\r\nsecond\r\n"


def test_redirection_to_nul(run: Runner) -> None:
    """cmd.exe goes to the end of what it writes to, and complains where it can't."""
    ended = run("cmd.exe", "/c", "echo a>nul& echo b>>nul& dir >nul 2>nul& echo done")
    assert (ended.lines(), ended.errors) == (["done"], "")


def test_what_is_written_without_rw_stays_inside(run: Runner) -> None:
    assert cmd(run, "echo kept>made.txt& type made.txt") == ["kept"]
    assert list(run.folder.iterdir()) == []


def test_a_pipe(run: Runner) -> None:
    (run.folder / "list.txt").write_bytes(b"pear\r\napple\r\nplum\r\n")
    (run.folder / "do.bat").write_bytes(b'@type list.txt | find "p" | find "pl"\r\n')
    assert cmd(run, "do.bat") == ["apple", "plum"]


def test_for(run: Runner) -> None:
    assert cmd(run, "for %i in (a b c) do @echo item %i") == ["item a", "item b", "item c"]
    assert cmd(run, "for /l %i in (1,2,5) do @echo %i") == ["1", "3", "5"]


def test_copy_and_delete(run: Runner) -> None:
    (run.folder / "from.bin").write_bytes(bytes(range(256)) * 40)
    cmd(run, "copy from.bin to.bin", rw=True)
    assert (run.folder / "to.bin").read_bytes() == bytes(range(256)) * 40
    cmd(run, "del from.bin & ren to.bin last.bin & md new", rw=True)
    assert sorted(path.name for path in run.folder.iterdir()) == ["last.bin", "new"]


def test_errorlevel(run: Runner) -> None:
    assert run("cmd.exe", "/c", "exit 7").code == 7
    assert run("cmd.exe", "/c", "cmd /c exit 3 & if errorlevel 3 echo three").output == "three\n"
    assert run("cmd.exe", "/c", "cmd /c exit 2 || echo failed").output == "failed\n"


def test_a_batch_file(run: Runner) -> None:
    (run.folder / "do.bat").write_bytes(
        b"@echo off\r\nset name=%1\r\ncall :say %name%\r\ngoto end\r\n"
        b":say\r\necho hello %1\r\ngoto :eof\r\n:end\r\nexit /b 5\r\n"
    )
    ran = run("cmd.exe", "/c", "do.bat world")
    assert (ran.output, ran.code) == ("hello world\n", 5)


def test_a_command_typed(run: Runner) -> None:
    assert run("cmd.exe", "/q", typed="exit 4\n").code == 4


def test_find(run: Runner) -> None:
    (run.folder / "list.txt").write_bytes(b"pear\r\nApple\r\nplum\r\n")
    (run.folder / "do.bat").write_bytes(b'@find "pp" list.txt\r\n@find "quince" list.txt\r\n')
    ran = run("cmd.exe", "/c", "do.bat")
    assert ran.output.split() == ["----------", "LIST.TXT", "Apple", "----------", "LIST.TXT"]
    assert ran.code == 1


def test_find_s_options(run: Runner) -> None:
    (run.folder / "list.txt").write_bytes(b"pear\r\nApple\r\n\r\nplum\r\n")
    (run.folder / "say.txt").write_bytes(b'he said "p"\r\n')

    def find(words: str) -> tuple[int, str]:
        ran = run("find.exe", words, options=["--verbatim"])
        return ran.code, ran.output

    assert find('/c "p" list.txt') == (0, "\n---------- LIST.TXT: 3\n")
    assert find('/i/n "AP" list.txt') == (0, "\n---------- LIST.TXT\n[2]Apple\n")
    assert find('/v "p" list.txt') == (0, "\n---------- LIST.TXT\n\n")
    assert find('"""p""" *.txt') == (
        0, '\n---------- LIST.TXT\n\n---------- SAY.TXT\nhe said "p"\n'
    )  # fmt: skip
    assert find("p list.txt") == (2, "")
    count = run("find.exe", '/v /c ""', options=["--verbatim"], typed="a\nb\n\n")
    assert count.lines() == ["3"]


def test_sort(run: Runner) -> None:
    text = "pear 1\nApple 3\nplum 2\napple 3\n"
    assert run("sort.exe", typed=text).lines() == ["Apple 3", "apple 3", "pear 1", "plum 2"]
    (run.folder / "list.txt").write_bytes(text.replace("\n", "\r\n").encode())
    assert run("sort.exe", "/r", "list.txt").lines() == ["plum 2", "pear 1", "Apple 3", "apple 3"]
    assert run("sort.exe", "/+2", "list.txt", "/o", "list.txt", options=["--rw"]).lines() == []
    assert (run.folder / "list.txt").read_bytes() == b"pear 1\r\nplum 2\r\nApple 3\r\napple 3\r\n"


def test_fc(run: Runner) -> None:
    (run.folder / "a.txt").write_bytes(b"one\r\ntwo\r\nthree\r\nfour\r\n")
    (run.folder / "b.txt").write_bytes(b"one\r\nTWO\r\nthree\r\nfour\r\nfive\r\n")
    ran = run("fc.exe", "a.txt", "b.txt")
    assert ran.code == 1
    assert ran.output.split() == (
        "Comparing files a.txt and B.TXT ***** a.txt one two three ***** B.TXT one TWO three "
        "***** ***** a.txt four ***** B.TXT four five *****"
    ).split()
    same = run("fc.exe", "/b", "a.txt", "a.txt").lines()
    assert same == ["Comparing files a.txt and A.TXT", "FC: no differences encountered", ""]
    ran = run("fc.exe", "/b", "a.txt", "b.txt")
    assert (ran.code, ran.output.splitlines()[1]) == (1, "00000005: 74 54")
    assert run("fc.exe", "a.txt", "c.txt").code == 2


def test_more(run: Runner) -> None:
    text = "a\n\n\n\tb\n"
    assert run("more.exe", "/s", "/t4", "+2", typed=text).lines() == ["", "    b"]


def test_reg(run: Runner) -> None:
    key = "HKCU\\Software\\Tried"
    line = (
        f"reg add {key} /v Name /t REG_DWORD /d 42 /f & reg query {key} & "
        f"reg delete {key} /f & reg query {key} || echo gone"
    )
    text = run("cmd.exe", "/c", line).output
    assert "Name    REG_DWORD    0x2a" in text
    assert text.endswith("\ngone\n")


def test_reg_tells_the_system_s_version(run: Runner) -> None:
    key = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"
    text = run("reg.exe", "query", key, "/v", "CSDVersion").output
    assert "CSDVersion    REG_SZ    Service Pack 3" in text


def test_xcopy(run: Runner) -> None:
    for name in ("one.txt", "deep/two.txt"):
        (run.folder / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (run.folder / "from" / name).write_bytes(name.encode())
    ran = run("xcopy.exe", "from", "to", "/s", "/i", options=["--rw"])
    assert ran.code == 0, ran.errors
    assert (run.folder / "to/deep/two.txt").read_bytes() == b"deep/two.txt"


def test_findstr(run: Runner) -> None:
    lines = ["alpha one", "Beta two", "gamma one", "x.y"]
    (run.folder / "a.txt").write_text("\n".join(lines) + "\n")
    (run.folder / "b.txt").write_text("beta\n")
    assert run("findstr.exe", "one two", "a.txt").lines() == lines[:3]
    assert run("findstr.exe", "/i", "/n", "BETA", "a.txt").lines() == ["2:Beta two"]
    assert run("findstr.exe", "/v", "/c:a one", "a.txt").lines() == ["Beta two", "x.y"]
    assert run("findstr.exe", "/r", "^[ag].*e$", "a.txt").lines() == [lines[0], lines[2]]
    assert run("findstr.exe", "/l", "x.y", "*.txt").lines() == ["a.txt:x.y"]
    assert run("findstr.exe", "/m", "/i", "beta", "*.txt").lines() == ["a.txt", "b.txt"]
    assert run("findstr.exe", "nowhere", "a.txt").code == 1
    assert run("cmd.exe", "/c", "type a.txt | findstr amm").lines() == ["gamma one"]


def test_where(run: Runner) -> None:
    (run.folder / "tool.bat").write_text("@echo off\n")
    assert run("where.exe", "cmd").lines() == [r"C:\WINDOWS\system32\cmd.exe"]
    assert run("where.exe", "tool").lines() == [r"C:\work\tool.bat"]
    assert run("where.exe", "/r", r"C:\work", "*.bat").lines() == [r"C:\work\tool.bat"]
    missing = run("where.exe", "no_such_program")
    assert (missing.code, missing.output) == (1, "")
    assert missing.errors.startswith("INFO: Could not find files")
