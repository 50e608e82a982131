"""The port to the host is the kernel's alone."""

from __future__ import annotations

import pytest

from ntgate import Machine


@pytest.mark.parametrize("value", [0xFFFFFFFF, 0, 0x112, 0x8000, 0x12345678])
def test_a_value_that_no_stub_has_opened_is_refused(value: int) -> None:
    assert Machine().cpu.host_call(value) is False
