"""Windows XP SP3's structures, by the offsets that `dt` shows, and the numbers of its interfaces.

Enters: an address in guest memory.  Leaves: typed members of ke, ps, ob, io, mm, cm, se and lpc
structures there, and one name for each number that more than one part needs.  No behaviour.
"""
