"""What pipes keep for their readers is bounded for all of them together."""

from __future__ import annotations

import pytest

from ntgate.errors import NtError
from ntgate.executive.io.held import HeldBytes
from ntgate.executive.io.mailslot import Mailslot, NewMailslot
from ntgate.executive.io.pipe_queue import PipeQueue
from ntgate.layout.ntstatus import STATUS_INSUFFICIENT_RESOURCES

QUOTA = 100


def test_a_write_beyond_the_bound_is_refused_until_something_is_read() -> None:
    held = HeldBytes(10)
    one, other = (PipeQueue(QUOTA, held, messages=False) for _ in range(2))
    slot = Mailslot("\\slot", NewMailslot(0, 0, 0), held)
    one.write(b"123456")
    slot.put(b"78")
    with pytest.raises(NtError) as refused:
        other.write(b"123")
    assert refused.value.status == STATUS_INSUFFICIENT_RESOURCES
    assert other.is_empty
    assert one.read(4, message=False) == (0, b"1234")
    other.write(b"123456")
    assert slot.take() == b"78"
    other.discard(0)
    one.write(b"12345678")
    assert one.available == 10
