"""Debug objects and the messages in their queues.

DEBUG_OBJECT and DEBUG_EVENT are XP's, whose public type table lacks them; DBGKM_APIMSG and
DBGUI_WAIT_STATE_CHANGE are what ntdll's DbgUi functions take apart.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from ntgate.layout import ntstatus
from ntgate.layout.io import KEVENT
from ntgate.layout.ke import LIST_ENTRY
from ntgate.layout.ps import CLIENT_ID, EXCEPTION_RECORD
from ntgate.memory.structs import Struct, embed, raw, u32

DEBUGGER_INACTIVE, KILL_ON_CLOSE = 0x1, 0x2  # DEBUG_OBJECT.Flags
# DEBUG_EVENT.Flags: delivered to the debugger; nobody waits for the answer; behind another
# event of its process; its thread is suspended until it is answered.
READ, NOWAIT, INACTIVE, SUSPEND = 0x01, 0x02, 0x04, 0x20
UNION = 0x54  # bytes of DBGKM_APIMSG.u
STATE_CHANGE_SIZE = 0x60  # DBGUI_WAIT_STATE_CHANGE


class DEBUG_OBJECT(Struct, size=0x3C):
    EventsPresent = embed(0x00, KEVENT)
    MutexCount    = u32(0x10)
    MutexEvent    = embed(0x1C, KEVENT)
    EventList     = embed(0x30, LIST_ENTRY)
    Flags         = u32(0x38)


class DEBUG_EVENT(Struct, size=0x34 + 0x20 + UNION):
    EventList      = embed(0x00, LIST_ENTRY)
    ContinueEvent  = embed(0x08, KEVENT)
    ClientId       = embed(0x18, CLIENT_ID)
    Process        = u32(0x20)
    Thread         = u32(0x24)
    Status         = u32(0x28)
    Flags          = u32(0x2C)
    BackoutThread  = u32(0x30)
    ApiNumber      = u32(0x34 + 0x18)
    ReturnedStatus = u32(0x34 + 0x1C)
    Message        = raw(0x34 + 0x20, UNION)


class Api(IntEnum):
    """DBGKM_APINUMBER."""

    EXCEPTION = 0
    CREATE_THREAD = 1
    CREATE_PROCESS = 2
    EXIT_THREAD = 3
    EXIT_PROCESS = 4
    LOAD_DLL = 5
    UNLOAD_DLL = 6


# The message's FileHandle, which is System's until the debugger has its own.
FILE_HANDLE = {Api.CREATE_PROCESS: 4, Api.LOAD_DLL: 0}
# DBG_STATE.
STATES = {
    Api.CREATE_THREAD: 2, Api.CREATE_PROCESS: 3, Api.EXIT_THREAD: 4, Api.EXIT_PROCESS: 5,
    Api.EXCEPTION: 6, Api.LOAD_DLL: 9, Api.UNLOAD_DLL: 10,
}  # fmt: skip
EXCEPTION_STATES = {ntstatus.STATUS_BREAKPOINT: 7, ntstatus.STATUS_SINGLE_STEP: 8}


def exception(record: bytes, *, first_chance: bool) -> bytes:
    return record.ljust(EXCEPTION_RECORD.SIZE, b"\0") + struct.pack("<I", first_chance)


def create_thread(start: int) -> bytes:
    return struct.pack("<2I", 0, start)


def create_process(file: int, base: int, symbols: tuple[int, int], start: int) -> bytes:
    return struct.pack("<7I", 0, file, base, *symbols, 0, start)


def load_dll(file: int, base: int, symbols: tuple[int, int], name_pointer: int) -> bytes:
    return struct.pack("<5I", file, base, *symbols, name_pointer)


def file_handle(event: DEBUG_EVENT) -> int:
    """System's handle of the file that a message is about, 0 for none."""
    place = FILE_HANDLE.get(Api(event.ApiNumber))
    return 0 if place is None else int.from_bytes(event.Message[place : place + 4], "little")


def state_change(event: DEBUG_EVENT, process: int, thread: int, file: int) -> bytes:
    """DBGUI_WAIT_STATE_CHANGE with handles of the debugger's."""
    api, message = Api(event.ApiNumber), event.Message
    state = STATES[api]
    if api in FILE_HANDLE:
        place = FILE_HANDLE[api]
        message = message[:place] + struct.pack("<I", file) + message[place + 4 :]
    if api == Api.EXCEPTION:
        state = EXCEPTION_STATES.get(int.from_bytes(message[:4], "little"), state)
    elif api == Api.CREATE_THREAD:
        message = struct.pack("<I", thread) + message
    elif api == Api.CREATE_PROCESS:
        message = struct.pack("<2I", process, thread) + message
    head = struct.pack("<3I", state, event.ClientId.UniqueProcess, event.ClientId.UniqueThread)
    return (head + message)[:STATE_CHANGE_SIZE].ljust(STATE_CHANGE_SIZE, b"\0")
