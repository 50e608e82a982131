"""Text for a debugger, and which of it is wanted."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import BOOLEAN, ULONG, Scalar, SizedBy
from ntgate.executive.events import DebugPrint
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus

DPFLTR_ERROR_LEVEL = 0
LEVELS = 32
LAST_COMPONENT = 0x65  # DPFLTR_ENDOFTABLE_ID of XP SP3
ALL_COMPONENTS = 0xFFFFFFFF
LONGEST_TEXT = 0x10000

Text = Annotated[int, Scalar("PCSTR", kind="pointer"), SizedBy("Length")]


def _level_bit(level: int) -> int:
    """A level of 0 to 31, or a mask."""
    return 1 << level if level < LEVELS else level


@service()
def NtQueryDebugFilterState(caller: Thread, ComponentId: ULONG, Level: ULONG) -> Outcome:
    """TRUE as the status when text of this component and level is printed."""
    mask = caller.executive.debug_filters.get(ComponentId, 1 << DPFLTR_ERROR_LEVEL)
    return int(bool(mask & _level_bit(Level)))


@service()
def NtSetDebugFilterState(
    caller: Thread, ComponentId: ULONG, Level: ULONG, State: BOOLEAN
) -> Outcome:
    """Print text of this component and level, or no longer."""
    if ComponentId >= LAST_COMPONENT and ComponentId != ALL_COMPONENTS:
        return ntstatus.STATUS_INVALID_PARAMETER_1
    filters = caller.executive.debug_filters
    mask = filters.get(ComponentId, 1 << DPFLTR_ERROR_LEVEL)
    bit = _level_bit(Level)
    filters[ComponentId] = mask | bit if State else mask & ~bit
    return ntstatus.STATUS_SUCCESS


@service()
def __wine_dbg_write(caller: Thread, Buffer: Text, Length: ULONG) -> Outcome:
    """A line of Wine's debug channels; the number of its bytes is the result."""
    length = min(Length, LONGEST_TEXT)
    text = caller.memory.read(Buffer, length).decode("utf-8", "replace")
    caller.executive.events.emit(DebugPrint(caller.pid, caller.tid, text))
    return length
