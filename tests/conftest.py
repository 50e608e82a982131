"""What all tests share."""

import os

import pytest
from hypothesis import settings

from ntgate.loader.userland import Userland, install

pytest_plugins = ["guest_build"]

settings.register_profile("ntgate", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ntgate")


@pytest.fixture(scope="session")
def userland() -> Userland:
    """The pinned packages' files, prepared once in the user's cache."""
    return install()
