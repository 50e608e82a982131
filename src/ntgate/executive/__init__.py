"""What NT's executive does, with its objects in the guest's pool in XP's layout.

Enters: requests in the executive's own terms, from services, devices, the loader or the
clock; never a system call.  Leaves: objects, handles, address spaces, I/O, threads ready to
run and registry keys, and an NTSTATUS for what can't be done.
"""
