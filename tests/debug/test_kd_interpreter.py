"""Command lines: names, splitting, conditions, aliases, output, mistakes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from debug.fakes import FakeTarget
from debug.kd_fakes import answer, kd, machine, mistake
from ntgate.debug import commands
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.interpreter import Interpreter


@pytest.mark.parametrize(
    ("line", "name", "options", "rest"),
    [
        ("u", "u", "", ""),
        ("u7c92e4f0", "u", "", "7c92e4f0"),
        ("u 7c92e4f0", "u", "", " 7c92e4f0"),
        ("db8003f400", "db", "", "8003f400"),
        ("dbffdff000", "db", "", "ffdff000"),
        ("r@eax=1", "r", "", "@eax=1"),
        ("reax=1", "r", "", "eax=1"),
        ("?1+1", "?", "", "1+1"),
        ("??1", "??", "", "1"),
        ("kbn", "k", "bn", ""),
        ("kv5", "k", "v", "5"),
        ("k5", "k", "", "5"),
        ("t5", "t", "", "5"),
        ("lmvm nt", "lm", "vm", " nt"),
        ("bl", "bl", "", ""),
        ("bp3 401000", "bp", "", "3 401000"),
        ("DB 1", "db", "", " 1"),
        ("dW 1", "dW", "", " 1"),
        ("!IDT", "!idt", "", ""),
        (".echo x", ".echo", "", " x"),
        ("*x", "*", "", "x"),
        ("$$x", "$$", "", "x"),
    ],
)
def test_finding_the_command(line: str, name: str, options: str, rest: str) -> None:
    found, found_options, found_rest = commands.find(line)
    assert (found.name, found_options, found_rest) == (name, options, rest)


@pytest.mark.parametrize(
    "line", ["xyz", "run", "help", "dbx", ".nosuch", "$x", "%", "'"]
)
def test_no_such_command(line: str) -> None:
    assert mistake(kd(), line) == f"^ Syntax error in '{line}'"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("!locks 0 0", "No export locks found"),
        ("? foo", "Couldn't resolve error at 'foo'"),
        ("db foo", "Couldn't resolve error at 'foo'"),
        ("? poi(0)", "Memory access error at ')'"),
        ("r 1", "^ Syntax error in '1'"),
        ("rdmsr", "^ Syntax error in 'rdmsr'"),
        ("rdmsr 176 5", "^ Extra character error in '5'"),
        ("dt _NOSUCH", "Symbol _NOSUCH not found."),
        ("dt", "^ Syntax error in 'dt'"),
        (".printf x", "^ Syntax error in 'x'"),
        ('.printf "%d"', "^ Syntax error in '%d': there is no value for it"),
        (".if (1)", "^ Syntax error in '.if (1)'"),
        (".if (1) {r", "^ Syntax error in '{r'"),
        ("as x", "^ Syntax error in 'as x'"),
        ("ad x", "Alias 'x' isn't set"),
        ("n 7", "^ Syntax error in 'n 7': the radix is 8, 10 or 16"),
        (".help nosuch", "There is no command 'nosuch'; .help lists them"),
    ],
)
def test_mistakes_are_one_clear_line(line: str, message: str) -> None:
    result = kd().execute(line)
    assert not result.ok
    assert result.text == message + "\n"


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("r; k ;u", ["r", "k", "u"]),
        (" ;; r ;", ["r"]),
        ('bp 1 "r;g"; k', ['bp 1 "r;g"', "k"]),
        (r'.echo "a\";b"; k', [r'.echo "a\";b"', "k"]),
        (".if (1) {r;k}; u", [".if (1) {r;k}", "u"]),
        ("r; * a;b", ["r", "* a;b"]),
        ("$$ a;r", ["$$ a", "r"]),
        ("as x r;k", ["as x r;k"]),
        ("j 1 'r' ; 'k'", ["j 1 'r' ; 'k'"]),
        ("", []),
    ],
)
def test_splitting(line: str, pieces: list[str]) -> None:
    assert kd().split(line) == pieces


def test_a_mistake_ends_the_line() -> None:
    result = kd().execute(".echo a; nosuch; .echo b")
    assert result.text == "a\n^ Syntax error in 'nosuch'\n"
    assert not result.ok
    assert kd().execute(".echo a").ok


def test_mistakes_inside_other_commands_count() -> None:
    assert not kd().execute(".if (1) {nosuch; .echo a}").ok
    assert not kd().execute("j 1 'nosuch'").ok
    assert kd().execute("j 1 'nosuch; .echo a'").text == "^ Syntax error in 'nosuch'\n"


def test_text_comes_as_it_is_made() -> None:
    written: list[str] = []
    mistakes: list[str] = []
    interpreter = Interpreter(machine(), write=written.append, write_mistake=mistakes.append)
    interpreter.execute(".echo a; r eax; nosuch")
    assert written == ["a\n", "eax=00000000\n"]
    assert mistakes == ["^ Syntax error in 'nosuch'\n"]


def test_a_terminal_gets_no_commands_from_the_guest() -> None:
    written: list[str] = []
    Interpreter(machine(), write=written.append).execute(".echo red\x1b[31m\ttab\x9b2J")
    assert "".join(written) == "red.[31m\ttab.2J\n"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (".if (1) {.echo a} .else {.echo b}", "a\n"),
        (".if (0) {.echo a} .else {.echo b}", "b\n"),
        (".if (0) {.echo a} .elsif (2 > 1) {.echo b} .else {.echo c}", "b\n"),
        (".if (1) {.echo a} .elsif (poi(0)) {.echo b} .else {.echo c}", "a\n"),
        (".if 1 {.if (0) {.echo a} .else {.echo b; .echo c}}", "b\nc\n"),
        (".if (0) {.echo a}", ""),
        ("j (1) '.echo a; .echo b' ; '.echo c'", "a\nb\n"),
        ("j 0 .echo a ; .echo c", "c\n"),
        ("j (0) '.echo a'", ""),
    ],
)
def test_conditions(line: str, text: str) -> None:
    assert answer(kd(), line) == text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (".echo a  b", "a  b\n"),
        ('.echo "a;b"', "a;b\n"),
        (".echo", "\n"),
        ('.printf "%d %u %x %08X\\n", (-1), (-1), ff, abc', "-1 4294967295 ff 00000ABC\n"),
        ('.printf "[%5x][%-5x][%c][%%]", 1, 2, 41', "[    1][2    ][A][%]\n"),
        ('.printf "%p %y", 7c92e4f0, 7c92e4f0', "7c92e4f0 ntdll!KiFastSystemCall\n"),
        ('.printf "%I64x", 12345678`9abcdef0', "123456789abcdef0\n"),
        ('.printf "a\\nb\\n"', "a\nb\n"),
        ('.printf "%ma", 0', "???\n"),
        ("* anything ; r", ""),
        ("? 2e*8", "Evaluate expression: 368 = 00000170\n"),
        ("?? 1+1", "int 0n2\n"),
        ("n", "base is 16\n"),
        ("n 10; ? 10; n 16", "base is 10\nEvaluate expression: 10 = 0000000a\nbase is 16\n"),
    ],
)
def test_output(line: str, text: str) -> None:
    assert answer(kd(), line) == text


def test_printf_shows_strings() -> None:
    fake = machine()
    fake.put(0x20000000, b"text\0")
    fake.put(0x20000010, "wide\0".encode("utf-16-le"))
    fake.put(0x20000020, bytes.fromhex("0200 0400 00000020"))
    fake.put(0x20000030, bytes.fromhex("0400 0400 10000020"))
    line = '.printf "%ma %mu %msa %msu", 20000000, 20000010, 20000020, 20000030'
    assert answer(kd(fake), line) == "text wide te wi\n"


def test_formats() -> None:
    assert answer(kd(), ".formats 1c407e62") == (
        "Evaluate expression:\n"
        "  Hex:     1c407e62\n"
        "  Decimal: 473988706\n"
        "  Octal:   03420077142\n"
        "  Binary:  00011100 01000000 01111110 01100010\n"
        "  Chars:   .@~b\n"
        "  Time:    Mon Jan 07 23:31:46 1985\n"
        "  Float:   low 6.36908e-022 high 0\n"
        "  Double:  2.34182e-315\n"
    )
    text = answer(kd(), ".formats 01c5d09f`8dfe2000")
    assert "  Hex:     01c5d09f`8dfe2000\n" in text
    assert " 2005\n" in text


def test_aliases() -> None:
    interpreter = kd()
    answer(interpreter, "as both .echo a; r eax")
    assert answer(interpreter, "both") == "a\neax=00000000\n"
    assert answer(interpreter, ".echo bothx both-") == "bothx both-\n"
    answer(interpreter, "as n1 nt")
    assert answer(interpreter, "? ${n1}!KiFastCallEntry == 805426e0").endswith("00000001\n")
    assert answer(interpreter, "al").splitlines()[2:] == [
        " both             .echo a; r eax",
        " n1               nt",
    ]
    answer(interpreter, "ad both")
    mistake(interpreter, "both")
    assert answer(interpreter, "ad *; al") == "No aliases\n"


def test_an_alias_of_itself_is_not_followed() -> None:
    interpreter = kd()
    answer(interpreter, "as r r eax")
    assert answer(interpreter, "r") == "eax=00000000\n"


def test_help_lists_every_command() -> None:
    text = answer(kd(), ".help")
    names = [line.split()[0] for line in text.splitlines()]
    assert sorted(names) == sorted(commands.all_commands())
    assert answer(kd(), "?") == text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_help_explains_every_command() -> None:
    for name, found in commands.all_commands().items():
        text = answer(kd(), f".help {name}")
        assert text.startswith(found.help + "\n")
        assert all(len(line) <= 100 for line in text.splitlines())
        assert name in text


def test_a_name_can_be_registered_once_only() -> None:
    with pytest.raises(ValueError, match=r"'r' is registered by registers and test_a_name"):

        @command("r", help="Another", usage="r")
        def other(session: object, args: object) -> list[str]:
            return []

    with pytest.raises(ValueError, match="can't be a command's name"):
        command("a b", help="", usage="")(lambda session, args: [])


def test_what_an_empty_line_repeats() -> None:
    interpreter = kd()
    assert interpreter.repeatable("db 12ff80 L10") == "db"
    assert interpreter.repeatable("u 401000") == "u"
    assert interpreter.repeatable("t 5") == "t 5"
    assert interpreter.repeatable("db 401000; r") == "db 401000; r"
    assert interpreter.repeatable("nosuch") == "nosuch"
    assert interpreter.repeatable("") == ""


def test_a_dump_can_be_looked_at_but_not_run() -> None:
    fake = FakeTarget()
    fake.put(0x805426E0, b"\xb9\x23\0\0\0")
    interpreter = Interpreter(fake)
    assert interpreter.execute("u 805426e0 L1").ok
    for line in ("g", "t", "p", "bp 1", "bl", "tc", "pa 1", "gh"):
        assert mistake(interpreter, line).startswith("No runnable debuggees error")


def test_recursion_ends() -> None:
    interpreter = kd()
    nested = "r eax"
    for _ in range(30):
        nested = f".if (1) {{{nested}}}"
    assert mistake(interpreter, nested) == "Commands are nested too deep"
    assert interpreter.execute("r eax").ok


def test_errors_have_an_exit_code() -> None:
    assert KdError("x").exit_code != 0


WORDS = st.sampled_from(
    """
    401000 12ff80 805426e0 0 ffffffff ffffffff`ffffffff L5 L? L?5 L-5 1 2 10 * - -a -b -d -s -h
    @eax eax=1 @$t0=5 $ip nt!KiFastCallEntry app!main nt!* foo!bar _KTRAP_FRAME nt!_EPROCESS poi(
    poi(@esp) ) ( + "a" " 'x' { } {r} .else , = /1 w4 e1 r4 0n99 %d "%s%d%y" ;; 2e 30 112 NtWrite*
    =401000 ${x} `
    """.split()
)
WRITING = {".logopen", ".logappend", ".writemem"}  # to files of the host, whatever their names
NAMES = st.sampled_from(sorted(commands.all_commands().keys() - WRITING))
LINES = st.one_of(
    st.text(max_size=40),
    st.builds(
        lambda name, glue, words: name + glue + " ".join(words),
        NAMES,
        st.sampled_from(["", " ", "  ", ";"]),
        st.lists(st.one_of(WORDS, st.text(max_size=5)), max_size=5),
    ),
)


@given(st.lists(LINES, max_size=4))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@example(['bp 401010 "t;t;g;p"', "g", "g"])
@example(["as r r;r", "r", "ad r"])
@example(['.printf "%\\"d",1'])
@example(["r eip=ffffffff", "t", "p", "gu", "k", "u", "ub", "uf"])
def test_no_command_line_raises(lines: list[str]) -> None:
    fake = machine()
    fake.budget = 60
    interpreter = kd(fake)
    for line in lines:
        result = interpreter.execute(line)
        assert isinstance(result.text, str)
        interpreter.repeatable(line)
        assert not interpreter.session.is_in_hit
        assert not interpreter.session.wants_resume
