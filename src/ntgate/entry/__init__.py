"""The ring-0 side of the gate, in assembly (`*.asm`), and the trap frames that it builds.

Enters: a thread from `sysenter`, `int 2Eh`, a fault or an interrupt, or the scheduler's
choice of the next thread.  Leaves: a KTRAP_FRAME on its kernel stack and a call through the
SSDT; afterwards the way back to ring 3.
"""
