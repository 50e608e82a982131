"""Consoles: screens of cells, queues of keys, the lines that are typed, and who is attached."""
