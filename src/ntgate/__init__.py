"""A 32-bit Windows NT machine that shows the whole way of every system call."""
