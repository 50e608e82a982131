"""Who called: return addresses on a user stack, without unwinding data.

An i386 image has none.  The chain of ebp skips what was compiled without it, and is broken by it;
so each step looks at every dword up to the frame that ebp points at, and takes the first that

1. is a return address: behind a call instruction, in an image or a page that has run, and
2. is that of a call to the function that the step comes from, as far as the instruction tells:
   `call rel32` and `call [address]` do, through jumps as an import's stub has them.

Where there is none, the frame of ebp is taken when a call is before its return address; else the
first return address whose call does not tell where it goes, as a guess.
"""

from __future__ import annotations

from ntgate.trace.peek import Peek, Unreadable
from ntgate.trace.places import LONGEST_CALL, ProcessPlaces, follows_call

MOST_STACK = 32
FARTHEST_SLOT = 0x400  # bytes of the stack that are looked at for one step
LONGEST_FUNCTION = 0x4000
MOST_JUMPS = 4
CALL, CALL_INDIRECT, JUMP, SHORT_JUMP, JUMP_INDIRECT = 0xE8, b"\xff\x15", 0xE9, 0xEB, b"\xff\x25"
GUESSED = " ?"


def unwind(peek: Peek, places: ProcessPlaces, first: int, esp: int, ebp: int) -> list[str]:
    """The callers as `module!export+offset [address]`, the innermost first; a guess ends in ` ?`.

    first: where the call returns to, of which esp is below.
    """
    walker = _Walker(peek, places)
    found = [(first, False)] if first else []
    inside = first
    while len(found) < MOST_STACK:
        step = walker.step(inside, esp, ebp)
        if step is None:
            break
        slot, address, guessed = step
        if slot == ebp + 4:
            ebp = walker.read(ebp)
        esp, inside = slot + 4, address
        found.append((address, guessed))
    return [
        f"{places.returns_to(address)} [{address:#x}]{GUESSED if guessed else ''}"
        for address, guessed in found
    ]


class _Walker:
    def __init__(self, peek: Peek, places: ProcessPlaces) -> None:
        self._peek = peek
        self._places = places

    def read(self, address: int) -> int:
        """0 for what is not there."""
        try:
            return self._peek.u32(address)
        except Unreadable:
            return 0

    def step(self, inside: int, esp: int, ebp: int) -> tuple[int, int, bool] | None:
        """The slot and the return address of the call to the function that `inside` is in."""
        frame = ebp + 4
        guess = None
        end = min(esp + FARTHEST_SLOT, frame) if frame > esp else esp + FARTHEST_SLOT
        for slot in range(esp, end, 4):
            address = self.read(slot)
            code = self._before(address, slot)
            if code is None or address == inside:
                continue
            target = self._target(address, code)
            if target is None:
                module = self._places.module_at(address)
                if guess is None and not (module is not None and module.begins_at(address)):
                    guess = slot, address, True
            elif self._may_be_in(inside, target):
                return slot, address, False
        if frame > esp and self._before(self.read(frame), frame) is not None:
            return frame, self.read(frame), False
        return guess

    def _before(self, address: int, slot: int) -> bytes | None:
        """The bytes before a return address; None for anything else."""
        if address < LONGEST_CALL or slot & 3:
            return None
        if self._places.module_at(address) is None and not self._peek.has_run(address):
            return None
        try:
            code = self._peek.read(address - LONGEST_CALL, LONGEST_CALL)
        except Unreadable:
            return None
        return code if follows_call(code) else None

    def _target(self, address: int, code: bytes) -> int | None:
        """Where the call before `address` goes, behind jumps; None where it does not tell."""
        try:
            if code[-5] == CALL:
                target = address + int.from_bytes(code[-4:], "little", signed=True)
            elif code[-6:-4] == CALL_INDIRECT:
                target = self._peek.u32(int.from_bytes(code[-4:], "little"))
            else:
                return None
            return self._behind_jumps(target & 0xFFFFFFFF)
        except Unreadable:
            return None

    def _behind_jumps(self, target: int) -> int:
        """Raises Unreadable."""
        for _ in range(MOST_JUMPS):
            code = self._peek.read(target, 6)
            if code[0] == JUMP:
                target += 5 + int.from_bytes(code[1:5], "little", signed=True)
            elif code[0] == SHORT_JUMP:
                target += 2 + int.from_bytes(code[1:2], "little", signed=True)
            elif code[:2] == JUMP_INDIRECT:
                target = self._peek.u32(int.from_bytes(code[2:], "little"))
            else:
                break
            target &= 0xFFFFFFFF
        return target

    def _may_be_in(self, inside: int, target: int) -> bool:
        """Whether the function at `target` may be the one that `inside` is in."""
        if not 0 < inside - target <= LONGEST_FUNCTION:
            return False
        module = self._places.module_at(target)
        return module is None or not module.begins_between(target, inside)
