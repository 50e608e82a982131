"""Programs of the file family, which print the checks that fail, on a machine of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gate.consistency import check_machine
from gate.guest_run import GuestRun

DIRECTORY = """\
*: . .. .dot a b.txt B2.TXT c.tar.gz
*.txt: b.txt B2.TXT
?: a
b?.t*: b.txt B2.TXT
<.gz: c.tar.gz
c<.gz: c.tar.gz
a": a
>>>>>: .dot a
LONGNA~1.TEX LONGNA~2.TEX LONGNA~3.TEX PLUS_A~1.A LONGNA~4.TEX LO8729~1.TEX
longna~*: long name five.text long name two.text longname.three.text
"""
STREAMS = """\
 ::$DATA=4 :one:$DATA=5
 ::$DATA=4 :two:$DATA=5
 ::$DATA=4
 ::$DATA=0 :moved:$DATA=4
 :notes:$DATA=11
"""


@pytest.mark.parametrize(
    "program",
    [
        "file_create", "file_async", "file_pipe", "file_mapped", "file_attributes",
        "file_reparse",
    ],
)  # fmt: skip
def test_checks_pass(guest: Callable[[str], Path], program: str) -> None:
    assert GuestRun(guest(program)).finish() == "passed\n"


def test_controls(guest: Callable[[str], Path]) -> None:
    """The streams of a file, as they come, are renamed and go."""
    assert GuestRun(guest("file_controls")).finish() == STREAMS + "passed\n"


def test_directories(guest: Callable[[str], Path]) -> None:
    """`.dot` fits five of DOS's ? by its 8.3 name, DOT~1."""
    assert GuestRun(guest("file_directory")).finish() == DIRECTORY + "passed\n"


def test_oplocks_are_broken_by_others(guest: Callable[[str], Path]) -> None:
    run = GuestRun(guest("file_oplocks"))
    assert run.finish() == "passed\n"
    check_machine(run.machine)
