"""What all tests share."""

import os

from hypothesis import settings

pytest_plugins = ["guest_build"]

settings.register_profile("ntgate", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ntgate")
