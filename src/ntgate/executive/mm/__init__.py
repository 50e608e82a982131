"""NT's memory manager: address spaces, VADs, page faults, sections.

Enters: a ProcessSpace and a request in plain numbers, from a service, a fault or the loader.
Leaves: page tables, VADs, section structures and frames in the guest, in XP's layout, plain
numbers for the answer, and NtError with an NTSTATUS for what can't be done.
"""
