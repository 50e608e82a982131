"""As whom a pipe's server may act: what its client allows, by its token.

With static tracking that is the token that the client had when it opened the pipe, otherwise
the one with which it wrote what the server has read last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.ob.attributes import Quality
from ntgate.executive.se.token import SecurityImpersonation
from ntgate.layout.ntstatus import STATUS_CANNOT_IMPERSONATE

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Thread
    from ntgate.executive.se import Security

# What the I/O manager takes for a client that says nothing.
DEFAULT = Quality(SecurityImpersonation, dynamic=True, effective_only=True)


class PipeClient:
    """The tokens of one connected client, each with a reference.

    `written` holds one for each state that the client's token was in while it wrote: those that
    the server may still come to, and the one that it reads by.
    """

    def __init__(self, security: Security, quality: Quality, thread: Thread) -> None:
        self._security = security
        self._quality = quality
        self._last: tuple[int, int] = (0, 0)  # body and ModifiedId of the newest one's source
        self._written: list[int] = []
        self.acting = 0  # the token that the server acts with
        if not quality.dynamic:
            self.acting = self._capture(thread)

    def writes(self, thread: Thread) -> int:
        """The token that goes with what the client writes now; 0 with static tracking."""
        if not self._quality.dynamic:
            return 0
        source = self._security.effective(thread.ethread)
        state = (source.body, source.view.ModifiedId)
        if state != self._last or not self._written:
            self._written.append(self._capture(thread))
            self._last = state
        return self._written[-1]

    def was_read(self, token: int) -> None:
        """The server has read what was written with a token; it won't see older ones again."""
        if not token or token == self.acting:
            return
        while self._written[0] != token:
            self._security.objects.dereference(self._written.pop(0))
        self.acting = token

    def impersonate(self, thread: Thread) -> None:
        """Let the server's thread act as the client; raises STATUS_CANNOT_IMPERSONATE."""
        if not self.acting:
            raise NtError(STATUS_CANNOT_IMPERSONATE)
        level = self._security.token(self.acting).view.ImpersonationLevel
        self._security.impersonate(
            thread.ethread, self.acting, level, effective_only=self._quality.effective_only
        )

    def release(self) -> None:
        held = set(self._written) | ({self.acting} if self.acting else set())
        self._written, self.acting = [], 0
        for body in sorted(held):
            self._security.objects.dereference(body)

    def _capture(self, thread: Thread) -> int:
        return self._security.client_token(
            thread.ethread, self._quality.level, effective_only=self._quality.effective_only
        )
