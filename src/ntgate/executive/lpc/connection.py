"""What the host keeps of a connection that is being made, and the views that come with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ntgate.executive.lpc.messages import Message
from ntgate.executive.mm.section import Section
from ntgate.executive.mm.view import map_view

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process

PAGE_READWRITE = 0x04


@dataclass(slots=True)
class SharedView:
    """A part of a section that one side offers, and where it is on both sides."""

    body: int  # of the section object
    section: Section
    offset: int
    size: int
    base: int = 0  # on the side that offers it
    remote_base: int = 0

    def map_into(self, process: Process) -> int:
        """Map it; its address there.  Raises NtError."""
        mapped = map_view(
            process.space, self.section, PAGE_READWRITE, offset=self.offset, size=self.size
        )
        self.size = mapped.size
        return mapped.base


@dataclass(slots=True)
class Connection:
    """The companion of a client's communication port."""

    client_view: SharedView | None = None
    server_view: SharedView | None = None
    reply: Message | None = None  # the server's answer, until the connection is complete
