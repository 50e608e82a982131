"""The dispatcher answers the IDs of the nt image's stubs, and no other value."""

from __future__ import annotations

import pytest

from ntgate import Machine


@pytest.mark.parametrize("value", [0xFFFFFFFF, 0x12345678, 0x11C, 0x8FFF])
def test_a_value_that_no_stub_has_is_refused(value: int) -> None:
    assert Machine().cpu.host_call(value) is False
