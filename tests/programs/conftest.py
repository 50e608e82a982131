"""Real programs on the command line, with the userland in the user's cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from packages import Fetch, Package, PackageError
from program_run import Runner

from ntgate.loader.userland import Userland


@pytest.fixture
def run(tmp_path: Path, userland: Userland) -> Runner:
    return Runner(tmp_path, userland)


@pytest.fixture(scope="session")
def fetch() -> Fetch:
    """The folder of a package; a failed download fails the test with what to do."""

    def find(package: Package) -> Path:
        try:
            return package.folder()
        except PackageError as error:
            pytest.fail(str(error), pytrace=False)

    return find
