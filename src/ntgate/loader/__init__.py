"""PE images, the userland's DLLs and the start of a process.

Enters: a program, and the DLLs that were found or installed.  Leaves: ntdll re-linked to the
reference machine's addresses, and a process whose first thread is ready to run.
"""
