"""The event stream of a running machine, its decoders, filters and writers.

Enters: services' entries and exits, exceptions, module loads, process starts and ends.
Leaves: text as strace writes it, JSON lines, or a summary.
"""
