"""A small ntdll of our own and four programs for it: the gate shown with no DLL installed.

The ntdll has the study's stub block and the routines that the kernel calls in ring 3, each at
XP's address; programs that import nothing but ntdll's services run on it too.
"""
