"""The routines of the nt image that the host implements, besides the services.

The assembly calls them by name; each is a stub in the image, like a service's.  `dispatch`
checks that every one has a Python function with these argument bytes.
"""

from __future__ import annotations

FIRST_ROUTINE = 0x8000  # ID of the first one in KiCallHost's eax; services have their number

ROUTINES: dict[str, int] = {
    # name                    argument bytes
    "KiSelectNextThread":     0,
    "PspUserThreadStartup":   0,
    "KeUpdateSystemTime":     4,
    "KiDeliverApc":          12,
    "KiDispatchException":   20,
    "KiSelectorFault":        8,
    "MmAccessFault":         16,
    "KiNpxError":             4,
    "KiXmmError":             4,
    "KiDebugRegistersLoaded": 0,
    "KeBugCheckFromTrap":    20,
    "PsConvertToGuiThread":   0,
    "NtGdiFlushUserBatch":    0,
}

HOST_PORT = 0xE9

# Replies of the host: see host_call.asm.
DONE, WAIT, FLUSH_PAGE, FLUSH_ALL, LEAVE, CALL_USER, CALLBACK_RETURN = range(7)
