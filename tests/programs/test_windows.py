"""Windows, messages and GDI objects of a program that checks itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from program_run import Runner


def test_hidden_windows_messages_and_stock_objects(
    run: Runner, guest: Callable[[str], Path]
) -> None:
    assert run(guest("windows")).lines() == ["passed"]


def test_the_desktop_is_a_window(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("desktop_window")).lines() == ["passed"]


def test_waits_for_objects_and_messages(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("message_waits")).lines() == ["passed"]


def test_device_contexts_of_windows(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("device_contexts")).lines() == ["passed"]


def test_a_program_with_windows_becomes_idle(
    run: Runner, guest: Callable[[str], Path]
) -> None:
    assert run(guest("input_idle")).lines() == ["passed"]


def test_a_thread_becomes_one_with_windows(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("gui_thread")).lines() == ["passed"]


def test_a_console_has_a_window(run: Runner, guest: Callable[[str], Path]) -> None:
    assert run(guest("console_window")).lines() == ["passed"]
