"""Where the lines of a trace go: a text file, or what stands for one."""

from __future__ import annotations

from typing import Protocol


class Output(Protocol):
    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...
