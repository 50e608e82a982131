"""What the host keeps of a connection that is being made, and the views that come with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import field
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.lpc.messages import Message
from ntgate.executive.mm.section import Section
from ntgate.executive.mm.view import map_view, unmap_view
from ntgate.layout.mm import PAGE_READWRITE
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process


@dataclass(slots=True)
class SharedView:
    """A part of a section that one side offers, and where it is on both sides."""

    body: int  # of the section object
    section: Section
    offset: int
    size: int
    base: int = 0  # on the side that offers it
    remote_base: int = 0
    mapped: list[tuple[Process, int]] = field(default_factory=list)

    def map_into(self, process: Process) -> int:
        """Map it; its address there.  Raises NtError."""
        mapped = map_view(
            process.space, self.section, PAGE_READWRITE, offset=self.offset, size=self.size
        )
        self.size = mapped.size
        self.mapped.append((process, mapped.base))
        return mapped.base

    def unmap(self) -> None:
        """The connection has failed.  Its program may have unmapped the view itself."""
        mapped, self.mapped = self.mapped, []
        for process, base in mapped:
            with suppress(NtError):
                unmap_view(process.space, base)


@dataclass(slots=True)
class Connection:
    """The companion of a client's communication port."""

    client_view: SharedView | None = None
    server_view: SharedView | None = None
    reply: Message | None = None  # the server's answer, until the connection is complete

    def unmap(self) -> None:
        """Take back the views of a connection that has failed."""
        for view in (self.client_view, self.server_view):
            if view is not None:
                view.unmap()
