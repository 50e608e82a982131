"""One small machine for each test of the processor."""

from collections.abc import Iterator

import pytest
from small_machine import SmallMachine


@pytest.fixture
def machine() -> Iterator[SmallMachine]:
    made = SmallMachine()
    yield made
    made.cpu.close()
