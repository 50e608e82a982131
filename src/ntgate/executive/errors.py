"""The executive's way to say no: one exception, which carries an NTSTATUS."""

from __future__ import annotations

from ntgate.layout.ntstatus import name_of


class NtError(Exception):
    """A request that can't be done; `status` is the NTSTATUS that the service returns."""

    def __init__(self, status: int) -> None:
        super().__init__(name_of(status))
        self.status = status
