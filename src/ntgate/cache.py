"""The user's cache folder: results that can be made again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """XDG_CACHE_HOME/ntgate, or what the platform has in its place."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "ntgate"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/ntgate"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ntgate"


def cached_bytes(kind: str, key: str, make: Callable[[], bytes]) -> bytes:
    """What `make` gives, kept in a file for each kind; an unwritable folder is no error.

    The file begins with its key, and a file with another key is replaced.
    """
    path = cache_folder() / kind
    prefix = key.encode() + b"\n"
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
