"""The `ntgate` command.

Enters: a command line.  Leaves: what the command prints, and an exit code: the program's
own, or 1 or 2 with one line on stderr.
"""
