"""Dialog boxes that nobody sees are told and answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from program_run import Runner

TOLD = [
    "ntgate: dialog box 'Box': Name: - pressed 'OK'",
    "ntgate: dialog box 'Asked': Go on? - pressed 'No'",
    "ntgate: dialog box 'Told': Done. All of it. - pressed 'OK'",
]


def told(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if "dialog box" in line]


def test_boxes_are_told_and_get_their_default_button(
    run: Runner, guest: Callable[[str], Path]
) -> None:
    ran = run(guest("dialogs"), options=["--report", "report.json"])
    assert ran.lines() == ["passed"]
    assert told(ran.errors) == TOLD
    report = json.loads((run.folder / "report.json").read_text())
    assert report["dialogs"][1] == {"title": "Asked", "text": "Go on?", "answer": "No"}


def test_another_button_where_there_is_one(run: Runner, guest: Callable[[str], Path]) -> None:
    ran = run(guest("dialogs"), options=["--answer", "yes"])
    assert told(ran.errors)[1:2] == ["ntgate: dialog box 'Asked': Go on? - pressed 'Yes'"]
    assert ran.code == 1  # the program has expected No


def test_boxes_can_be_left_alone(run: Runner, guest: Callable[[str], Path]) -> None:
    ran = run(guest("dialogs"), options=["--answer", "none"])
    assert (ran.code, told(ran.errors)) == (125, [])


def test_a_script_s_box(run: Runner) -> None:
    (run.folder / "a.vbs").write_text('WScript.Echo MsgBox("Hello", 1, "Title")\n')
    ran = run("cscript.exe", "//nologo", "a.vbs")
    assert ran.lines() == ["1"]
    assert told(ran.errors) == ["ntgate: dialog box 'Title': Hello - pressed 'OK'"]


def test_painting_and_hooks(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("window_hooks")).lines() == ["passed"]
