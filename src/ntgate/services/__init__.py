"""The NT services, thin, one file per family.

Enters: typed arguments of one call, user pointers still unchecked.  Leaves: an NTSTATUS and
what the service wrote to the caller's memory; the work itself is the executive's.
"""
