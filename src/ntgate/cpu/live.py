"""The engine's registers where they stand, of which a saved context is a copy.

To copy them there and back costs half a microsecond an event.  In a callback of `sysenter`, of
an interrupt or of port I/O the engine holds no register elsewhere, and loads all of them anew
afterwards: what the copies can do can be done in place, with the same layout.

The engine's structure leads to its processor's, and that one to the registers.  Both pointers are
found by what they lead to, through reads that fail where a wrong one would end the process.
"""

from __future__ import annotations

import ctypes as C
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.calibration import ENGINE_QWORDS, Context, ContextLayout
from ntgate.cpu.unicorn_abi import x86
from ntgate.errors import CalibrationError

_PROCESSOR_SIZE = 0x400  # of the processor's structure, as far as its pointer may stand
_FARTHEST = 0x4_0000  # the registers are a part of that structure
_MARKER = 0x5A1D_EA5E

Read = Callable[[int, int], bytes]  # address and size; less, or nothing, where memory ends


def live_registers(engine: C.c_void_p, context: Context, layout: ContextLayout) -> memoryview:
    """The registers as dwords, with the indexes of a saved context.

    Raises CalibrationError where they are not found exactly once.
    """
    first = 4 * layout.general[0]  # eax is the first of all; before it is the context's own
    copy = context.save(engine).cast("B")[first : 4 * layout.old_exception].tobytes()
    with _probe() as read:
        found = _search(engine, copy, read)
    if len(found) != 1:
        raise CalibrationError(
            f"the engine's registers were found {len(found)} times; install unicorn 2.1.4"
        )
    start = found.pop() - first
    live = memoryview((C.c_ubyte * layout.size).from_address(start)).cast("B").cast("I")
    _check(engine, live, layout)
    return live


def _search(engine: C.c_void_p, copy: bytes, read: Read) -> set[int]:
    assert engine.value is not None
    found = set()
    for address in set((C.c_uint64 * ENGINE_QWORDS).from_address(engine.value)):
        if address and not address & 7:
            head = read(address, _PROCESSOR_SIZE)
            for place in memoryview(head[: len(head) & ~7]).cast("Q"):
                if address < place < address + _FARTHEST and read(place, len(copy)) == copy:
                    found.add(place)
    return found


def _check(engine: C.c_void_p, live: memoryview, layout: ContextLayout) -> None:
    cell, eax = C.c_uint32(), layout.general[0]
    before, live[eax] = live[eax], _MARKER
    abi.check(abi.uc_reg_read(engine, x86.UC_X86_REG_EAX, C.byref(cell)))
    live[eax] = before
    if cell.value != _MARKER:
        raise CalibrationError("the engine's registers are not where they were found")


@contextmanager
def _probe() -> Iterator[Read]:
    """Reads of this process's memory, at any address."""
    if sys.platform == "win32":
        kernel32 = C.WinDLL("kernel32")
        kernel32.GetCurrentProcess.restype = C.c_void_p
        process = C.c_void_p(kernel32.GetCurrentProcess())

        def read(address: int, size: int) -> bytes:
            buffer, count = C.create_string_buffer(size), C.c_size_t()
            kernel32.ReadProcessMemory(
                process, C.c_void_p(address), buffer, C.c_size_t(size), C.byref(count)
            )
            return buffer.raw[: count.value]

        yield read
    else:
        # write() copies from what can be read, and tells how much that was.
        write = C.CDLL(None).write
        write.argtypes = (C.c_int, C.c_void_p, C.c_size_t)
        write.restype = C.c_ssize_t
        source, sink = os.pipe()
        os.set_blocking(sink, False)

        def read(address: int, size: int) -> bytes:
            count = write(sink, address, size)
            return os.read(source, count) if count > 0 else b""

        try:
            yield read
        finally:
            os.close(source)
            os.close(sink)
