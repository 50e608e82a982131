"""Fast I/O: synchronous reads and writes of a disk's files, as most of them are.

What NT calls by that name: a request that names no event, routine, place or key, on a file
that nobody has locked, mapped or watches, never becomes an IRP.  Anything else, and anything
that goes wrong, is left to the way of every request: the answer here is then None.
"""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.executive.io.counters import READ, WRITE, count_request
from ntgate.executive.io.disk_file import DiskFile
from ntgate.executive.ps.thread import Thread
from ntgate.layout.io import FILE_OBJECT
from ntgate.layout.ntstatus import STATUS_SUCCESS
from ntgate.memory.kernel import DIRECT_BASE
from ntgate.memory.user import AccessViolation

POSITION = FILE_OBJECT.CurrentByteOffset.offset >> 2
LARGEST = 0x10000  # bytes; the copies of a larger request cost more than its way


def _file(caller: Thread, handle: int, access: int) -> DiskFile | None:
    """The file, where nothing stands in the way of a fast request."""
    executive = caller.executive
    io = executive.io
    try:
        body = executive.objects.body_of_handle(
            caller.process.handles, handle, io.file_type, access
        )
    except NtError:
        return None
    file = io.fast_files.get(body)
    if file is None:
        return None
    stream, volume = file.stream, file.volume
    if stream.locks.locks or volume.notifier.watches:
        return None
    return None if (stream, False) in volume.mm.file_segments else file


def fast_write(
    caller: Thread, handle: int, access: int, block: int, buffer: int, length: int
) -> int | None:
    """Write at the file object's position.  Raises STATUS_DISK_FULL."""
    file = _file(caller, handle, access)
    if file is None or file.pinned or not 0 < length <= LARGEST:
        return None
    try:
        data = caller.memory.read(buffer, length)
        place = caller.memory.writable_dwords(block, 2)
    except AccessViolation:
        return None
    if not place:
        return None
    dwords = caller.memory.ram.dwords
    cell = (file.object.address - DIRECT_BASE >> 2) + POSITION
    offset = dwords[cell] | dwords[cell + 1] << 32
    file.stream.write(offset, data)
    count_request(caller.process, WRITE, length)
    return _done(dwords, cell, offset + length, place, length)


def fast_read(
    caller: Thread, handle: int, access: int, block: int, buffer: int, length: int
) -> int | None:
    """Read at the file object's position; its end is the slow way's."""
    file = _file(caller, handle, access)
    if file is None or not 0 < length <= LARGEST:
        return None
    dwords = caller.memory.ram.dwords
    cell = (file.object.address - DIRECT_BASE >> 2) + POSITION
    offset = dwords[cell] | dwords[cell + 1] << 32
    try:
        place = caller.memory.writable_dwords(block, 2)
        caller.memory.probe_for_write(buffer, length)
        data = file.stream.read(offset, length)
        if not data or not place:
            return None
        caller.memory.write(buffer, data)
        count_request(caller.process, READ, len(data))
    except AccessViolation:
        return None
    return _done(dwords, cell, offset + len(data), place, len(data))


def _done(dwords: memoryview, cell: int, position: int, place: int, count: int) -> int:
    dwords[cell] = position & 0xFFFFFFFF
    dwords[cell + 1] = position >> 32
    dwords[place] = STATUS_SUCCESS
    dwords[place + 1] = count
    return STATUS_SUCCESS
