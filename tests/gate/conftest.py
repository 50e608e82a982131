"""The gate's programs run on the built-in ntdll, whatever userland the user has installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / "build" / "cache"


@pytest.fixture(scope="module", autouse=True)
def cache_without_a_userland() -> Iterator[None]:
    """Kept between runs, for what else is in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(CACHE))
        yield
