"""Looking at the machine: symbols, types, expressions, breakpoints and the kd commands.

Enters: a `Target` (a live machine or a dump).  Leaves: text in WinDbg's formats, and changes
that the user asked for.
"""
