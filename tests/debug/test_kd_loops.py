"""`.foreach`, `.for`, `.while`, `dl`, `!list`, `.logopen`, `.writemem` and scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from debug.kd_fakes import KPCR, FakeMachine, answer, kd, machine, mistake

LISTED = 0x00500000
NODES = (LISTED, LISTED + 0x40, LISTED + 0x80)


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ('.foreach /s (word "one two") { .echo word; .echo <${word}> }',
         "one\n<one>\ntwo\n<two>\n"),
        ('.foreach /pS 1 /ps 1 /s (word "a b c d e") {.echo word}', "b\nd\n"),
        (".foreach (word {.echo 1 2}) {? word + 1}",
         "Evaluate expression: 2 = 00000002\nEvaluate expression: 3 = 00000003\n"),
        ('.foreach /s (word "a b c") {.if ($scmp("${word}", "b") == 0) {.break}; .echo word}',
         "a\n"),
        (".for (r $t0 = 0; @$t0 < 3; r $t0 = @$t0 + 1) {.if (@$t0 == 1) {.continue}; ? @$t0}",
         "Evaluate expression: 0 = 00000000\nEvaluate expression: 2 = 00000002\n"),
        ("r $t0 = 2; .while (@$t0) {r $t0 = @$t0 - 1; .echo x}", "x\nx\n"),
        (".block {.echo a; .echo b}", "a\nb\n"),
        ('? $spat("nt!KiTrap0E", "nt!kitrap*")', "Evaluate expression: 1 = 00000001\n"),
        (f"? $vvalid({KPCR:x}, 4) + $vvalid(10, 4)", "Evaluate expression: 1 = 00000001\n"),
    ],
)  # fmt: skip
def test_loops(line: str, printed: str) -> None:
    assert answer(kd(), line) == printed


@pytest.mark.parametrize(
    "line",
    [
        ".break", ".continue", ".for (1;2) {.echo x}", ".foreach (word) {.echo x}",
        ".while (1", ".foreach /q (word {.echo x}) {.echo x}", "$<missing-file",
        '.foreach /f (word "missing-file") {.echo x}', ".logclose", ".logopen", ".logopen .",
        ".writemem x 10 L4", ".readmem missing-file 10", "$$><missing-file",
    ],
)  # fmt: skip
def test_mistakes(line: str) -> None:
    (_line,) = mistake(kd(), line).splitlines()


def test_a_failure_ends_the_loop() -> None:
    debugger = kd()
    text = mistake(debugger, ".for (r $t0 = 0; @$t0 < 3; r $t0 = @$t0 + 1) {.echo x; ? zork}")
    assert text == "Couldn't resolve error at 'zork'"
    assert answer(debugger, "? @$t0") == "Evaluate expression: 0 = 00000000\n"


def test_an_alias_of_the_loop_s_name_comes_back() -> None:
    debugger = kd()
    answer(debugger, "as word before")
    answer(debugger, '.foreach /s (word "x") {.echo word}')
    assert answer(debugger, ".echo word") == "before\n"


def linked() -> FakeMachine:
    target = machine()
    for at, (flink, blink) in zip(
        NODES, ((NODES[1], NODES[2]), (NODES[2], NODES[0]), (NODES[0], NODES[1])), strict=True
    ):
        target.put(at, flink.to_bytes(4, "little") + blink.to_bytes(4, "little") + bytes(8))
    return target


def test_dl_goes_round_once() -> None:
    assert answer(kd(linked()), f"dl {LISTED:x} 20 2") == (
        "00500000  00500040 00500080\n00500040  00500080 00500000\n00500080  00500000 00500040\n"
    )
    rows = answer(kd(linked()), f"dlb {LISTED:x} 2 2").splitlines()
    assert [row.split()[0] for row in rows] == ["00500000", "00500080"]


def test_list_runs_commands_for_each_element() -> None:
    debugger = kd(linked())
    text = answer(debugger, f'!list -t _LIST_ENTRY.Flink -x "? @$extret" {LISTED:x}')
    assert [f"= {node:08x}" in text for node in NODES] == [True] * 3
    text = answer(debugger, f'!list -m 1 -e -x "? @$extret" {LISTED:x}')
    assert text == "? 00500000\nEvaluate expression: 5242880 = 00500000\n\n"


def test_a_log_has_what_is_typed_and_shown(tmp_path: Path) -> None:
    log = tmp_path / "a log.txt"
    debugger = kd()
    answer(debugger, f'.logopen "{log}"')
    answer(debugger, "? 5")
    assert answer(debugger, ".logfile") == f"Log '{log}' open\n"
    answer(debugger, ".logclose")
    answer(debugger, "? 6")
    assert log.read_text() == (
        f"Opened log file '{log}'\n"
        "kd> ? 5\nEvaluate expression: 5 = 00000005\n"
        f"kd> .logfile\nLog '{log}' open\nkd> .logclose\n"
    )


def test_memory_to_a_file_and_back(tmp_path: Path) -> None:
    file = tmp_path / "memory"
    target = machine()
    target.put(LISTED, bytes(range(32)))
    debugger = kd(target)
    assert answer(debugger, f"ew {LISTED:x} 1234; .writemem {file} {LISTED:x} L4") == (
        "Writing 4 bytes\n"
    )
    assert file.read_bytes() == b"\x34\x12\x02\x03"
    assert answer(debugger, f".readmem {file} {LISTED + 0x10:x}") == "Reading 4 bytes\n"
    assert target.read(LISTED + 0x10, 5) == b"\x34\x12\x02\x03\x14"
    assert "has 4 bytes only" in mistake(debugger, f".readmem {file} {LISTED:x} L8")


def test_scripts(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(".echo one\n\n? 2\n")
    both = "one\nEvaluate expression: 2 = 00000002\n"
    for name in ("$<", "$$<", "$><", "$$><"):
        assert answer(kd(), f"{name}{script}") == both
    script.write_text(".echo one\nzork\n.echo three\n")
    assert mistake(kd(), f"$<{script}") == "^ Syntax error in 'zork'"
