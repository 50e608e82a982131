"""Lengths of time in NT's unit, 100 ns."""

MICROSECOND = 10
MILLISECOND = 10_000
SECOND      = 10_000_000

UNIX_EPOCH = 116_444_736_000_000_000  # from 1601, where system times begin, to 1970
