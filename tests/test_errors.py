"""The error tree: one line for the user, the state apart."""

import pytest

from ntgate.errors import (
    CalibrationError,
    GuestBugCheck,
    InternalFault,
    MachineError,
    NtgateError,
    TripleFault,
    UsageError,
)


def test_a_bugcheck_reads_as_the_blue_screen_does() -> None:
    error = GuestBugCheck(0x0A, (0x16, 2, 0, 0x804DC000), state="eax=00000000")
    assert str(error) == "*** STOP: 0x0000000A (0x00000016,0x00000002,0x00000000,0x804DC000)"
    assert error.state == "eax=00000000"


@pytest.mark.parametrize("kind", [TripleFault, CalibrationError, InternalFault])
def test_the_state_is_not_part_of_the_line(kind: type[MachineError]) -> None:
    error = kind("stopped at nt!KiTrap08", state="eax=00000000\neip=8053e521")
    assert str(error) == "stopped at nt!KiTrap08"
    assert error.state.splitlines() == ["eax=00000000", "eip=8053e521"]


def test_only_bad_input_exits_with_2() -> None:
    assert UsageError("no such file: x.exe").exit_code == 2
    assert NtgateError("").exit_code == MachineError("").exit_code == 1
