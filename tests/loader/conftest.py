"""The userland that tests look at: the pinned packages, prepared once in the user's cache."""

import pytest

from ntgate.loader.userland import Userland, install


@pytest.fixture(scope="session")
def userland() -> Userland:
    return install()
