"""Lengths of time in NT's unit, 100 ns."""

MICROSECOND = 10
MILLISECOND = 10_000
SECOND      = 10_000_000
