"""WSAEventSelect and WSAAsyncSelect: what has happened to a socket is told once.

It is told again after the call that sees to it: recv, accept, a send that would have waited.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.devices.network import codes
from ntgate.executive.win32k.windows import Message
from ntgate.layout import machine as m
from ntgate.layout import ntstatus as s
from ntgate.layout.ke import KUSER_SHARED_DATA
from ntgate.layout.sockets import WSAECONNABORTED

if TYPE_CHECKING:
    from ntgate.executive.io.manager import IoManager

# In the order in which messages are sent; with the FD_* that says it.
_FD = {
    codes.CONNECTED: 0x10,
    codes.CONNECT_FAILED: 0x10,
    codes.ACCEPTABLE: 0x08,
    codes.OOB: 0x04,
    codes.READ: 0x01,
    codes.WRITE: 0x02,
    codes.RESET: 0x20,
    codes.HUP: 0x20,
}
WSAE = {
    s.STATUS_SUCCESS: 0,
    s.STATUS_CONNECTION_RESET: 10054,
    s.STATUS_CONNECTION_REFUSED: 10061,
    s.STATUS_NETWORK_UNREACHABLE: 10051,
    s.STATUS_PORT_UNREACHABLE: 10054,
}
TICK_COUNT = m.SHARED_USER_DATA_KERNEL + KUSER_SHARED_DATA.TickCount.offset


class Events:
    """Of one socket: `pending` what was not fetched, `reported` what is not told again.

    `errors` has NTSTATUS values by the bit that they belong to.
    """

    def __init__(self, io: IoManager) -> None:
        self._io = io
        self.mask = 0
        self._event = 0  # the body of an event object
        self._window = self._message = 0
        self.handle = 0  # how the program that is sent messages calls the socket
        self._pending = self._reported = 0
        self.errors: dict[int, int] = {}

    def select_event(self, body: int, mask: int) -> None:
        """Set an event when one of `mask` happens; body 0: none."""
        self.forget()
        if body:
            self._io.objects.reference(body)
        self._event, self.mask = body, mask
        self._tell(self._pending)

    def select_message(self, window: int, message: int, handle: int, mask: int) -> None:
        """Post a message instead."""
        self.forget()
        if window:
            self._pending = self._reported = 0
        self._window, self._message, self.handle, self.mask = window, message, handle, mask

    def forget(self) -> None:
        """Tell nobody any more."""
        if self._event:
            self._io.objects.dereference(self._event)
        self._event = self._window = self.mask = 0

    def inherit(self, other: Events, handle: int) -> None:
        """An accepted socket tells whom its listener does."""
        if other._event:
            self.select_event(other._event, other.mask)
        elif other._window:
            self.select_message(other._window, other._message, handle, other.mask)

    def again(self, bits: int) -> None:
        """They may be told again."""
        self._pending &= ~bits
        self._reported &= ~bits

    def failed(self, bit: int, status: int) -> None:
        """With an event comes an error; 0 takes it back."""
        if status:
            self.errors[bit] = status
        else:
            self.errors.pop(bit, None)

    def update(self, bits: int) -> None:
        """These hold now."""
        new = bits & ~self._reported
        self._pending |= new
        self._reported |= new
        self._tell(new)

    def fetch(self) -> bytes:
        """WSAEnumNetworkEvents: bits, and a status for each."""
        flags = self._pending & self.mask
        self._pending &= ~self.mask
        statuses = (self.errors.get(1 << bit, 0) for bit in range(codes.EVENTS))
        return struct.pack(f"<{1 + codes.EVENTS}I", flags, *statuses)

    def _tell(self, bits: int) -> None:
        bits &= self.mask
        if self._event and bits:
            self._io.executive.waits.set_event(self._event)
        if self._window:
            for bit, fd in _FD.items():
                if bits & bit:
                    error = WSAECONNABORTED if bit == codes.RESET else self._error(bit)
                    self._post(fd | error << 16)
            self._pending = 0

    def _error(self, bit: int) -> int:
        return WSAE.get(self.errors.get(bit, 0), 0)

    def _post(self, parameter: int) -> None:
        windows = self._io.executive.windows
        window = windows.get(self._window)
        if window is not None:
            time = self._io.kernel.u32(TICK_COUNT)
            message = Message(self._window, self._message, self.handle, parameter, time)
            windows.queue(window.thread).post(message)
