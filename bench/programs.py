"""The guest code that the benchmarks run: the same text on both machines.

A program works in rounds without end and calls the service MARK after each, which stops the
machine; so rounds of several machines can take turns in one run of a benchmark.
"""

from __future__ import annotations

PROGRAM_BASE = 0x400000
CODE, DATA = 0x401000, 0x402000

# Two services of nine arguments, as NtWriteFile has, that no program of a benchmark needs.
MARK, NULL = "NtReadFileScatter", "NtWriteFileGather"
ARGUMENTS = 9


def calls(count: int) -> str:
    """Rounds of `count` calls of the null service through its ntdll stub."""
    return _rounds(count, f"{_push_arguments()}\n call {NULL}")


def stores(count: int) -> str:
    """Rounds of `count` iterations of 8 stores: 10 instructions each."""
    body = "\n".join(f" mov [edi+{4 * i}], esi" for i in range(8))
    return _rounds(count, body)


def branches(count: int) -> str:
    """Rounds of `count` iterations of two nested calls: 7 instructions each."""
    functions = """
outer:
 call inner
 ret
inner:
 inc ebx
 ret
"""
    return _rounds(count, " call outer") + functions


def _rounds(count: int, body: str) -> str:
    return f"""
;@org {CODE:x}h
Start:
 mov edi, {DATA}
next_round:
 mov esi, {count}
again:
{body}
 dec esi
 jnz again
{_push_arguments()}
 call {MARK}
 jmp next_round
"""


def _push_arguments() -> str:
    return "\n".join(f" push {value}" for value in range(ARGUMENTS, 0, -1))
