"""Callers on stacks that tests lay out, with and without frames of ebp."""

from __future__ import annotations

import struct

from ntgate.trace.modules import Module
from ntgate.trace.peek import Peek, Unreadable
from ntgate.trace.places import ProcessPlaces
from ntgate.trace.unwind import unwind

BASE, STACK = 0x400000, 0x12F000
PRIVATE = 0x3D0000
OUTER, MIDDLE, INNER = BASE + 0x1000, BASE + 0x1100, BASE + 0x1200
IMPORT = BASE + 0x3000


class Memory(Peek):
    """An image of 4000h bytes at BASE, a page of stack, and one of PRIVATE memory."""

    def __init__(self) -> None:
        self.image = bytearray(0x4000)
        self.private = bytearray(0x1000)
        self.private_runs = False
        self.stack = bytearray(0x1000)

    def read(self, address: int, size: int) -> bytes:
        of_private = PRIVATE, self.private
        for base, data in ((BASE, self.image), (STACK, self.stack), of_private):
            if base <= address <= base + len(data) - size:
                return bytes(data[address - base : address - base + size])
        raise Unreadable

    def u32(self, address: int) -> int:
        return int.from_bytes(self.read(address, 4), "little")

    def has_run(self, address: int) -> bool:
        return self.private_runs and PRIVATE <= address < PRIVATE + len(self.private)

    def put(self, address: int, *dwords: int) -> None:
        packed = struct.pack(f"<{len(dwords)}I", *dwords)
        self.stack[address - STACK : address - STACK + len(packed)] = packed

    def call(self, at: int, target: int) -> int:
        """`call rel32`; returns where it returns to."""
        code = b"\xe8" + struct.pack("<i", target - at - 5)
        self.image[at - BASE : at - BASE + 5] = code
        return at + 5

    def code(self, at: int, text: str) -> int:
        """Other code; returns its end."""
        data = bytes.fromhex(text)
        self.image[at - BASE : at - BASE + len(data)] = data
        return at + len(data)


def places() -> ProcessPlaces:
    made = ProcessPlaces()
    made.load(BASE, 0x4000, "m.exe", b"")
    module = made.module_at(BASE)
    assert isinstance(module, Module)
    module.exports = [(0x1000, "Outer"), (0x1100, "Middle"), (0x1200, "Inner"), (0x1300, "End")]
    return made


def walk(memory: Memory, first: int, ebp: int) -> list[str]:
    return [line.partition(" ")[0] + ("?" if line.endswith("?") else "")
            for line in unwind(memory, places(), first, STACK, ebp)]  # fmt: skip


def test_functions_without_frames() -> None:
    """A stale return address, of a call to another function, is passed over."""
    memory = Memory()
    first = memory.code(INNER + 0x10, "ffd0")
    by_middle, by_outer = memory.call(MIDDLE + 0x20, INNER), memory.call(OUTER + 0x30, MIDDLE)
    memory.put(STACK, 7, by_outer, 0x1234, by_middle, 9, by_outer, 0)
    assert walk(memory, first, 0x55) == ["m!Inner+0x12", "m!Middle+0x25", "m!Outer+0x35"]


def test_a_call_through_an_import_and_its_jump() -> None:
    memory = Memory()
    first = memory.code(INNER + 0x10, "ffd0")
    thunk = OUTER + 0x80
    memory.image[IMPORT - BASE : IMPORT - BASE + 4] = struct.pack("<I", INNER)
    memory.code(thunk, "ff25" + struct.pack("<I", IMPORT).hex())
    returns_to = memory.call(MIDDLE + 0x20, thunk)
    memory.put(STACK, 1, 2, returns_to)
    assert walk(memory, first, 0) == ["m!Inner+0x12", "m!Middle+0x25"]


def test_frames_of_ebp_where_calls_do_not_tell_their_target() -> None:
    memory = Memory()
    first = memory.code(INNER + 0x10, "ffd0")
    by_register = memory.code(MIDDLE + 0x20, "ffd3")
    stale = memory.code(OUTER + 0x20, "ffd1")
    memory.put(STACK, stale, 5, STACK + 0x40, by_register)
    memory.put(STACK + 0x40, 0, 0)
    assert walk(memory, first, STACK + 8) == ["m!Inner+0x12", "m!Middle+0x22"]


def test_a_guess_is_marked() -> None:
    memory = Memory()
    first = memory.code(INNER + 0x10, "ffd0")
    by_register = memory.code(MIDDLE + 0x20, "ffd3")
    memory.put(STACK, 5, 6, by_register)
    assert walk(memory, first, 0) == ["m!Inner+0x12", "m!Middle+0x22?"]


def test_a_stack_of_numbers_has_no_callers() -> None:
    memory = Memory()
    first = memory.code(INNER + 0x10, "ffd0")
    memory.put(STACK, *[BASE + 0x2000 + 4 * i for i in range(256)])
    assert walk(memory, first, STACK - 4) == ["m!Inner+0x12"]
    assert walk(memory, 0, 0xFFFFFFFC) == []


def test_code_in_private_memory_is_a_caller_once_it_has_run() -> None:
    memory = Memory()
    shellcode = PRIVATE + 0x25
    memory.private[0x20:0x25] = b"\xe8" + struct.pack("<i", BASE + 0x1100 - shellcode)
    first = memory.code(BASE + 0x1110, "ff d0")
    memory.put(STACK + 8, shellcode)
    assert walk(memory, first, 0) == ["m!Middle+0x12"]
    memory.private_runs = True
    assert walk(memory, first, 0) == ["m!Middle+0x12", f"{shellcode:#x}"]
