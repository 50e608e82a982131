"""Local procedure call: ports, their queues, messages."""

from __future__ import annotations

from ntgate.layout.io import KEVENT
from ntgate.layout.ke import KSEMAPHORE, LIST_ENTRY
from ntgate.layout.ps import CLIENT_ID
from ntgate.memory.structs import Struct, embed, u8, u16, u32


class SECURITY_QUALITY_OF_SERVICE(Struct, size=0x0C):
    Length              = u32(0x00)
    ImpersonationLevel  = u32(0x04)
    ContextTrackingMode = u8(0x08)
    EffectiveOnly       = u8(0x09)


class SECURITY_CLIENT_CONTEXT(Struct, size=0x3C):
    SecurityQos               = embed(0x00, SECURITY_QUALITY_OF_SERVICE)
    ClientToken               = u32(0x0C)
    DirectlyAccessClientToken = u8(0x10)
    DirectAccessEffectiveOnly = u8(0x11)


class PORT_MESSAGE(Struct, size=0x18):
    ClientId       = embed(0x08, CLIENT_ID)
    MessageId      = u32(0x10)
    ClientViewSize = u32(0x14)
    CallbackId     = u32(0x14)


class LPCP_MESSAGE(Struct, size=0x30):
    Entry           = embed(0x00, LIST_ENTRY)
    SenderPort      = u32(0x08)
    RepliedToThread = u32(0x0C)
    PortContext     = u32(0x10)
    Request         = embed(0x18, PORT_MESSAGE)


class LPCP_NONPAGED_PORT_QUEUE(Struct, size=0x18):
    Semaphore   = embed(0x00, KSEMAPHORE)
    BackPointer = u32(0x14)


class LPCP_PORT_QUEUE(Struct, size=0x10):
    NonPagedPortQueue = u32(0x00)
    Semaphore         = u32(0x04)
    ReceiveHead       = embed(0x08, LIST_ENTRY)


class LPCP_PORT_OBJECT(Struct, size=0xA4):
    ConnectionPort          = u32(0x00)
    ConnectedPort           = u32(0x04)
    MsgQueue                = embed(0x08, LPCP_PORT_QUEUE)
    Creator                 = embed(0x18, CLIENT_ID)
    ClientSectionBase       = u32(0x20)
    ServerSectionBase       = u32(0x24)
    PortContext             = u32(0x28)
    ClientThread            = u32(0x2C)
    SecurityQos             = embed(0x30, SECURITY_QUALITY_OF_SERVICE)
    StaticSecurity          = embed(0x3C, SECURITY_CLIENT_CONTEXT)
    LpcReplyChainHead       = embed(0x78, LIST_ENTRY)
    LpcDataInfoChainHead    = embed(0x80, LIST_ENTRY)
    ServerProcess           = u32(0x88)
    MaxMessageLength        = u16(0x8C)
    MaxConnectionInfoLength = u16(0x8E)
    Flags                   = u32(0x90)
    WaitEvent               = embed(0x94, KEVENT)


class TERMINATION_PORT(Struct, size=0x08):
    Next = u32(0x00)
    Port = u32(0x04)
