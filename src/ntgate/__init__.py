"""A 32-bit Windows NT machine that shows the whole way of every system call.

    import ntgate

    machine = ntgate.Machine()
    machine.start("@sysenter")
    machine.run()

`Machine` boots, starts programs, runs and steps; its `events` tell of processes, modules,
exceptions and calls; `LiveMachine` is the debugger's view of it: memory, registers, symbols,
breakpoints.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ntgate.debug.live import LiveMachine
    from ntgate.executive.events import (
        DebugPrint,
        Event,
        FileChange,
        GuestException,
        ModuleLoad,
        ModuleUnload,
        PathDenied,
        ProcessExit,
        ProcessStart,
        ThreadExit,
        ThreadStart,
        Unimplemented,
    )
    from ntgate.machine import Cause, Machine, MachineOptions

_HOME = {
    "Cause": "machine",
    "DebugPrint": "executive.events",
    "Event": "executive.events",
    "FileChange": "executive.events",
    "GuestException": "executive.events",
    "LiveMachine": "debug.live",
    "Machine": "machine",
    "MachineOptions": "machine",
    "ModuleLoad": "executive.events",
    "ModuleUnload": "executive.events",
    "PathDenied": "executive.events",
    "ProcessExit": "executive.events",
    "ProcessStart": "executive.events",
    "ThreadExit": "executive.events",
    "ThreadStart": "executive.events",
    "Unimplemented": "executive.events",
}

__all__ = [
    "Cause",
    "DebugPrint",
    "Event",
    "FileChange",
    "GuestException",
    "LiveMachine",
    "Machine",
    "MachineOptions",
    "ModuleLoad",
    "ModuleUnload",
    "PathDenied",
    "ProcessExit",
    "ProcessStart",
    "ThreadExit",
    "ThreadStart",
    "Unimplemented",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for: a command that needs no machine starts without one."""
    if name not in _HOME:
        raise AttributeError(f"module 'ntgate' has no attribute {name!r}")
    return getattr(import_module(f"ntgate.{_HOME[name]}"), name)
