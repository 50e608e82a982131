"""The Win32 userland: getting its DLLs, preparing them once, finding them in the cache.

Enters: Debian's packages with Wine's PE files, or a folder of the user's.  Leaves: stripped DLLs,
an ntdll at the study's addresses, and a manifest with the entry points and the service numbers that
the kernel needs.  `install` does it; `Userland.find` opens what it left, reading only the manifest.
"""

from pathlib import Path

from ntgate.loader.userland.cache import FileRecord, Manifest, Status, Userland, userland_root
from ntgate.loader.userland.errors import UserlandError
from ntgate.loader.userland.progress import Progress
from ntgate.loader.userland.tables import ServiceRow

__all__ = [
    "FileRecord",
    "Manifest",
    "Progress",
    "ServiceRow",
    "Status",
    "Userland",
    "UserlandError",
    "install",
    "userland_root",
]


def install(
    folder: Path | None = None,
    *,
    any_version: bool = False,
    mirror: str | None = None,
    progress: Progress | None = None,
    root: Path | None = None,
) -> Userland:
    """Prepare a userland and make it the one in use; see prepare.py, which a run has no need of."""
    from ntgate.loader.userland.prepare import install

    return install(
        folder, any_version=any_version, mirror=mirror, progress=progress, root=root
    )
