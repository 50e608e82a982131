"""What is behind a file object: console, pipes, null, host folders, sockets.

Enters: the executive's I/O requests.  Leaves: bytes and directory entries, or an NTSTATUS;
of the host, only what the user has given.
"""
