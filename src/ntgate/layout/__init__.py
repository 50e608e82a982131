"""Windows XP SP3's structures and constants, by the offsets that `dt` shows.  No behaviour.

Enters: an address in guest memory.  Leaves: typed members of ke, ps, ob, io, mm, cm, se, ex
and rtl structures there.
"""
