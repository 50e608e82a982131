"""Guest memory: physical RAM shared with the host, PAE paging, user pointers, typed views.

Enters: physical and virtual addresses, and user pointers that nobody has checked.  Leaves:
bytes, numbers and structure views; a bad user pointer leaves as STATUS_ACCESS_VIOLATION.
"""
