"""The user's cache folder: results that can be made again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from ntgate.errors import UsageError


def cache_folder() -> Path:
    """XDG_CACHE_HOME/ntgate, or what the platform has in its place.

    Raises UsageError for a user who has no home folder.
    """
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(chosen):  # the standard has any other ignored
        return Path(chosen) / "ntgate"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "ntgate"
    try:
        home = Path.home()
    except RuntimeError:
        raise UsageError("you have no home folder: set HOME, or XDG_CACHE_HOME") from None
    below = {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(sys.platform, ".cache")
    return home / below / "ntgate"


def cached_bytes(kind: str, key: str, make: Callable[[], bytes]) -> bytes:
    """What `make` gives, kept in a file for each kind; an unwritable folder is no error.

    The file begins with its key, and a file with another key is replaced.
    """
    prefix = key.encode() + b"\n"
    try:
        path = cache_folder() / kind
    except UsageError:
        return make()
    try:
        stored = path.read_bytes()
        if stored.startswith(prefix):
            return stored[len(prefix) :]
    except OSError:
        pass
    made = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{kind}.{os.getpid()}")
        temporary.write_bytes(prefix + made)
        temporary.replace(path)
    except OSError:
        pass
    return made
