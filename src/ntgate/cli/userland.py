"""`ntgate userland install` and `status`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ntgate.errors import UsageError
from ntgate.loader.userland import Status, Userland, install


class Bars:
    """A progress bar for each step of the preparation."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def step(self, title: str, total: int | None) -> None:
        self._finish()
        self._progress.start()
        self._task = self._progress.add_task(title, total=total)

    def advance(self, done: int) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=done)

    def stop(self) -> None:
        """Nothing is shown, not even an empty line, where no step has begun."""
        if self._task is not None:
            self._progress.stop()

    def _finish(self) -> None:
        if self._task is not None:
            task = self._progress.tasks[self._task]
            total = task.total if task.total is not None else 1
            self._progress.update(self._task, total=total, completed=total)


def install_userland(folder: Path | None, *, any_version: bool, mirror: str | None) -> None:
    """Get and prepare the DLLs, showing how far it is."""
    if folder is not None and mirror is not None:
        raise UsageError("--mirror is where Debian's packages come from, --from takes none")
    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    bars = Bars(Progress(*columns, console=Console(stderr=True)))
    try:
        userland = install(folder, any_version=any_version, mirror=mirror, progress=bars)
    finally:
        bars.stop()
    _print(userland.status())


def show_status() -> int:
    """Print what is installed; 0 when it is whole."""
    userland = Userland.find()
    if userland is None:
        print("No userland is installed: run `ntgate userland install`.")
        return 1
    status = userland.status()
    _print(status)
    return 1 if status.damaged else 0


def _print(status: Status) -> None:
    rows = [
        ("version", status.version),
        ("from", status.origin),
        *((f"package {name}", digest) for name, digest in sorted(status.packages.items())),
        ("place", str(status.place)),
        ("files", f"{status.files}, {status.size / 1e6:.0f} MB"),
        ("hashes", "all right" if not status.damaged else f"{len(status.damaged)} damaged"),
    ]
    for name, value in rows:
        print(f"{name:<22} {value}")
    for path in status.damaged:
        print(f"{'':<22} {path}")
    if status.damaged:
        print("Run `ntgate userland install` to put it right.")
