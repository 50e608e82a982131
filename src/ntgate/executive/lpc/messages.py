"""LPC messages in pool: LPCP_MESSAGE, whose Request is the PORT_MESSAGE with its data behind."""

from __future__ import annotations

import struct

from ntgate.executive.ob.blocks import Blocks
from ntgate.layout.lpc import LPCP_MESSAGE, PORT_MESSAGE
from ntgate.records import dataclass

LPC_REQUEST            = 1
LPC_REPLY              = 2
LPC_DATAGRAM           = 3
LPC_LOST_REPLY         = 4
LPC_PORT_CLOSED        = 5
LPC_CLIENT_DIED        = 6
LPC_EXCEPTION          = 7
LPC_DEBUG_EVENT        = 8
LPC_ERROR_EVENT        = 9
LPC_CONNECTION_REQUEST = 10

HEADER = struct.Struct("<4H4I")  # PORT_MESSAGE
TAG = b"LpcM"


@dataclass(frozen=True, slots=True)
class Message:
    """A PORT_MESSAGE on the host.  `last` is ClientViewSize or CallbackId."""

    type: int
    data: bytes
    client: tuple[int, int] = (0, 0)  # process and thread
    id: int = 0
    data_info: int = 0  # offset of the data information in the message, 0 for none
    last: int = 0

    def pack(self) -> bytes:
        total = HEADER.size + len(self.data)
        header = HEADER.pack(
            len(self.data), total, self.type, self.data_info, *self.client, self.id, self.last
        )
        return header + self.data


def unpack(data: bytes) -> Message:
    """A message whose header says how much of what is behind it is its data."""
    length, _total, kind, data_info, process, thread, number, last = HEADER.unpack_from(data)
    body = data[HEADER.size : HEADER.size + length]
    return Message(kind, body, (process, thread), number, data_info, last)


def store(blocks: Blocks, message: Message, sender: int = 0, context: int = 0) -> int:
    """A pool block with the message; the address of its LPCP_MESSAGE."""
    data = message.pack()
    at = blocks.allocate(LPCP_MESSAGE.SIZE - PORT_MESSAGE.SIZE + len(data), TAG)
    view = LPCP_MESSAGE(blocks.memory, at)
    view.SenderPort, view.PortContext = sender, context
    blocks.memory.write(view.Request.address, data)
    return at


def load(blocks: Blocks, at: int) -> Message:
    request = LPCP_MESSAGE(blocks.memory, at).Request.address
    length = blocks.memory.u16(request)
    return unpack(blocks.memory.read(request, HEADER.size + length))
