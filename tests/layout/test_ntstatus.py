"""The table of NTSTATUS values."""

from __future__ import annotations

from collections import Counter

import pytest

from ntgate.layout import ntstatus
from ntgate.layout.status_names import name_of

VALUES = {
    name: value
    for name, value in vars(ntstatus).items()
    if name.startswith(("STATUS_", "DBG_"))
}
SAME_VALUE = {
    "STATUS_SUCCESS", "STATUS_WAIT_0", "STATUS_ABANDONED", "STATUS_ABANDONED_WAIT_0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (0x00000000, "STATUS_SUCCESS"),
        (0x00000080, "STATUS_ABANDONED_WAIT_0"),
        (0x00000102, "STATUS_TIMEOUT"),
        (0x00000103, "STATUS_PENDING"),
        (0x40000003, "STATUS_IMAGE_NOT_AT_BASE"),
        (0x80000001, "STATUS_GUARD_PAGE_VIOLATION"),
        (0x80000005, "STATUS_BUFFER_OVERFLOW"),
        (0xC0000005, "STATUS_ACCESS_VIOLATION"),
        (0xC000001C, "STATUS_INVALID_SYSTEM_SERVICE"),
        (0xC0000045, "STATUS_INVALID_PAGE_PROTECTION"),
        (0xC000007B, "STATUS_INVALID_IMAGE_FORMAT"),
        (0xC00000FD, "STATUS_STACK_OVERFLOW"),
        (0xC000012D, "STATUS_COMMITMENT_LIMIT"),
        (-0x3FFFFFFB, "STATUS_ACCESS_VIOLATION"),
        (0xDEADBEEF, "deadbeef"),
    ],
)
def test_values_have_their_names(status: int, name: str) -> None:
    assert name_of(status) == name


def test_a_value_has_one_name() -> None:
    shared = {value for value, count in Counter(VALUES.values()).items() if count > 1}
    assert {name for name, value in VALUES.items() if value in shared} == SAME_VALUE


def test_the_severity_says_whether_it_is_an_error() -> None:
    errors = {name for name, value in VALUES.items() if ntstatus.is_error(value)}
    assert {"STATUS_UNSUCCESSFUL", "STATUS_BUFFER_OVERFLOW"} <= errors
    assert not errors & {"STATUS_SUCCESS", "STATUS_PENDING", "STATUS_IMAGE_NOT_AT_BASE"}
