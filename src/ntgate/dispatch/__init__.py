"""From an SSDT entry's routine to a Python function, and back.

Enters: the host call of one service's routine, with its arguments still on the caller's
stack.  Leaves: the service's function called with typed arguments, and its NTSTATUS, a wait,
or a guest routine to call.  One `@service` declaration gives the tables, decoding and docs.
"""
