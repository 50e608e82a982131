"""What the silicon does: the engine, its context, and the delivery of events.

Enters: instructions in guest memory, and register, MSR and descriptor-table values.  Leaves:
the same state after them; `sysenter`, interrupts and exceptions are delivered by the
architecture's rules, and an `out` of the kernel becomes a call into the host.
"""
