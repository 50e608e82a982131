"""The control codes of \\Device\\Afd: XP's own as Wine 8.0 has them, and Wine's of its own.

Wine's are of FILE_DEVICE_NETWORK, buffered, for any access, numbered from 200.  Names, numbers and
layouts are those of its include/wine/afd.h.
"""

from __future__ import annotations

BIND, LISTEN, RECV, SEND, POLL = 0x012003, 0x01200B, 0x012017, 0x01201F, 0x012024
GETSOCKNAME, EVENT_SELECT, GET_EVENTS = 0x01202F, 0x012087, 0x01208B


def wine(function: int) -> int:
    """A code of Wine's."""
    return 0x12 << 16 | function << 2


CREATE, ACCEPT, ACCEPT_INTO, CONNECT, SHUTDOWN = (wine(200 + n) for n in range(5))
RECVMSG, SENDMSG, TRANSMIT, ADDRESS_LIST_CHANGE, FIONBIO = (wine(205 + n) for n in range(5))
COMPLETE_ASYNC, FIONREAD, SIOCATMARK, INTERFACE_LIST, KEEPALIVE = (
    wine(210 + n) for n in range(5)
)
MESSAGE_SELECT, GETPEERNAME, DEFER, GET_INFO = (wine(215 + n) for n in range(4))
GET_ACCEPTCONN, GET_ERROR, GET_CONNECT_TIME = wine(219), wine(222), wine(292)

# Bits of what can happen to a socket: AFD_POLL_*.
READ, OOB, WRITE, HUP, RESET, CLOSE, CONNECTED, ACCEPTABLE, CONNECT_FAILED = (
    1 << bit for bit in range(9)
)
EVENTS = 13  # for so many has IOCTL_AFD_GET_EVENTS room
