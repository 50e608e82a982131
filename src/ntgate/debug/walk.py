"""One system call, instruction by instruction: what each step read and wrote, as it ran.

Nothing here knows how the kernel's code looks.  The steps are single steps of the machine, the
memory they touch follows from the decoded instruction and the registers, and the values are
read before and after each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from iced_x86 import (
    Instruction,
    InstructionInfoFactory,
    MemorySizeExt,
    Mnemonic,
    OpAccess,
    Register,
    UsedMemory,
)

from ntgate.debug import peek, segments
from ntgate.debug.disasm import MAX_INSTRUCTION, CodeLine, Disassembler, is_call
from ntgate.debug.symbols import Location
from ntgate.debug.target import LiveTarget, Stop, StopReason, Unreadable
from ntgate.debug.walk_crossings import TRAP, Crossing, Expected
from ntgate.debug.walk_places import Places
from ntgate.dispatch.service import SERVICES
from ntgate.errors import UsageError
from ntgate.layout.machine import TRAP_FRAME_LENGTH
from ntgate.layout.type_table import TypeTable
from ntgate.records import dataclass

LONGEST_WALK = 20_000  # instructions
_PREVIEW = 64  # bytes of a buffer
_STACK_DWORDS = 8
_REGISTERS = "eax ebx ecx edx esi edi esp ebp eip efl cs ss".split()
GENERAL = {
    Register.EAX: "eax", Register.ECX: "ecx", Register.EDX: "edx", Register.EBX: "ebx",
    Register.ESP: "esp", Register.EBP: "ebp", Register.ESI: "esi", Register.EDI: "edi",
}  # fmt: skip
SEGMENTS = {
    Register.CS: "cs", Register.DS: "ds", Register.ES: "es",
    Register.FS: "fs", Register.GS: "gs", Register.SS: "ss",
}  # fmt: skip
_READS = {OpAccess.READ, OpAccess.COND_READ, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE}
_WRITES = {OpAccess.WRITE, OpAccess.COND_WRITE, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE}


class CallNotFound(UsageError):
    """The program has made no system call where one was looked for."""


@dataclass(frozen=True)
class Touch:
    """Memory that a step read or wrote, with its value (little-endian) before and after."""

    address: int
    size: int
    before: int
    after: int
    is_read: bool
    is_written: bool


@dataclass(frozen=True)
class Step:
    """One instruction.  `printed` is what the program's output got meanwhile."""

    line: CodeLine
    location: Location | None
    before: Mapping[str, int]
    after: Mapping[str, int]
    touches: tuple[Touch, ...]
    crossing: Crossing | None
    printed: bytes

    @property
    def ring(self) -> int:
        return self.before["cs"] & 3

    @property
    def routine(self) -> str:
        """`nt!KiFastCallEntry`, or "" where no symbol is near."""
        symbol = self.location.symbol if self.location else None
        return str(symbol) if symbol else ""

    @property
    def label(self) -> str:
        """`nt!KiFastCallEntry+0xd`, or the address."""
        return str(self.location) if self.location else f"{self.line.address:08x}"

    @property
    def is_call(self) -> bool:
        return is_call(self.line.instruction)


@dataclass(frozen=True)
class Argument:
    """`name` is "" for a service that is not declared; `text` shows what a buffer holds."""

    name: str
    value: int
    text: str


@dataclass(frozen=True)
class ServiceCall:
    """The kernel's call of the routine that it found in the SSDT; `number` has the table bits."""

    number: int
    routine: int
    step: int
    arguments: tuple[Argument, ...]


@dataclass
class Walk:
    """A call from ring 3's `call` to the instruction behind it.

    `stack` is ring 3's at the gate; `frame` the KTRAP_FRAME's bytes when the dispatch begins,
    empty where it never does; `end` why the machine did not come back to the caller, else None.
    """

    steps: list[Step]
    places: Places
    symbol: Callable[[int], str | None]
    stack: tuple[tuple[int, int], ...] = ()
    frame: bytes = b""
    service: ServiceCall | None = None
    end: Stop | None = None


def walk_call(target: LiveTarget, printed: Callable[[], bytes]) -> Walk:
    """Step through the next system call of the program that stands in ring 3.

    It begins with the outermost `call` that the program has not returned from when it reaches
    its gate.  `printed` gives all that the program has written so far.  Raises CallNotFound,
    Unreadable.
    """
    return _Walker(target, printed).walk()


@dataclass
class _Walker:
    target: LiveTarget
    printed: Callable[[], bytes]
    result: Walk = field(init=False)

    def __post_init__(self) -> None:
        target = self.target
        self._disassembler = Disassembler(lambda _address: None)
        self._factory = InstructionInfoFactory()

        def symbol(address: int) -> str | None:
            location = target.symbols.nearest(address)
            return str(location) if location else None

        self.result = Walk([], Places(target, TypeTable()), symbol)
        self._entry: tuple[int, int] | None = None  # (number, routine) read from the SSDT

    def walk(self) -> Walk:
        walk = self.result
        gate = self._to_the_gate()
        begin = walk.steps[0] if walk.steps[0].is_call else gate
        back, esp = begin.line.next_address, begin.before["esp"]
        while len(walk.steps) < LONGEST_WALK and walk.end is None:
            step = self._step()
            is_back = step.after["eip"] == back and step.after["esp"] >= esp
            if is_back and step.after["cs"] & 3 == 3:
                return walk
        text = f"The call has not returned after {LONGEST_WALK} instructions."
        walk.end = walk.end or Stop(StopReason.STEP, text=text)
        return walk

    def _to_the_gate(self) -> Step:
        """Leaves the steps from the outermost open call on."""
        steps = self.result.steps
        open_calls: list[int] = []
        while len(steps) < LONGEST_WALK and self.result.end is None:
            step = self._step()
            if step.ring == 3:
                if step.is_call:
                    open_calls.append(len(steps) - 1)
                elif step.line.instruction.mnemonic == Mnemonic.RET and open_calls:
                    open_calls.pop()
                if step.crossing and step.crossing.way != TRAP:
                    del steps[: open_calls[0] if open_calls else len(steps) - 1]
                    return step
        raise CallNotFound("the program makes no system call here")

    # One step.

    def _step(self) -> Step:
        target = self.target
        before = self._registers()
        line = self._disassembler.decode(
            peek.readable(target, before["eip"], MAX_INSTRUCTION), before["eip"]
        )
        location = target.symbols.nearest(before["eip"])
        expected = Expected(target, line.instruction, before)
        own = self._memory(line.instruction, before)
        spans = own + expected.spans
        values = [self._value(address, size) for address, size, _, _ in spans]
        printed = len(self.printed())
        is_gate_in = before["cs"] & 3 == 3 and expected.way
        stack = self._stack(before["esp"]) if is_gate_in else ()

        stop = target.resume(1)
        after = self._registers()
        touches = tuple(
            Touch(address, size, value, self._value(address, size), is_read, is_written)
            for (address, size, is_read, is_written), value in zip(spans, values, strict=True)
        )
        crossing = expected.crossing(after)
        if crossing is None or crossing.way == TRAP:
            touches = touches[: len(own)]
        step = Step(line, location, before, after, touches, crossing, self.printed()[printed:])
        self.result.steps.append(step)
        if stop.reason is not StopReason.STEP:
            self.result.end = stop
        if stack and crossing:
            self.result.stack = stack
        if step.ring == 0:
            self._look(step)
        return step

    def _registers(self) -> dict[str, int]:
        return {name: self.target.register(name) for name in _REGISTERS}

    def _value(self, address: int, size: int) -> int:
        try:
            return peek.number(self.target, address, size)
        except Unreadable:
            return 0

    def _stack(self, esp: int) -> tuple[tuple[int, int], ...]:
        addresses = range(esp, esp + 4 * _STACK_DWORDS, 4)
        return tuple((address, self._value(address, 4)) for address in addresses)

    def _memory(
        self, instruction: Instruction, registers: Mapping[str, int]
    ) -> list[tuple[int, int, bool, bool]]:
        """(address, size, is read, is written) of what the instruction touches."""
        if instruction.is_invalid:
            return []
        is_done = instruction.has_rep_prefix and not registers["ecx"]
        found = []
        for used in () if is_done else self._factory.info(instruction).used_memory():
            size = MemorySizeExt.size(used.memory_size) or MemorySizeExt.size(
                instruction.memory_size
            )
            is_read, is_written = used.access in _READS, used.access in _WRITES
            if size in (1, 2, 4, 8) and (is_read or is_written):
                found.append((self._linear(used, registers), size, is_read, is_written))
        return found

    def _linear(self, used: UsedMemory, registers: Mapping[str, int]) -> int:
        address = segments.base_of(self.target, SEGMENTS[used.segment]) + used.displacement
        for register, scale in ((used.base, 1), (used.index, used.scale)):
            if register != Register.NONE:
                address += registers[GENERAL[register]] * scale
        return address & 0xFFFFFFFF

    # What must be read at its moment.

    def _look(self, step: Step) -> None:
        walk, places = self.result, self.result.places
        for touch in step.touches:
            if touch.address == places.trap_frame_at and touch.is_written and not walk.frame:
                places.frame = touch.after
            elif touch.address == places.service_table_at and not walk.frame and places.frame:
                walk.frame = self.target.read(places.frame, TRAP_FRAME_LENGTH)
            elif touch.is_read and (entry := places.entry_of(touch.address)):
                self._entry = entry[0].index << 12 | entry[1], touch.before
        is_service = self._entry and step.is_call and step.after["eip"] == self._entry[1]
        if is_service and self._entry and walk.service is None:
            arguments = self._arguments(step.after["esp"] + 4)
            walk.service = ServiceCall(*self._entry, len(walk.steps) - 1, arguments)

    def _arguments(self, address: int) -> tuple[Argument, ...]:
        """What lies between the return address and the trap frame."""
        assert self._entry
        count = ((self.result.places.frame or address) - address) // 4
        values = [peek.number(self.target, address + 4 * index) for index in range(count)]
        symbol = self.result.symbol(self._entry[1]) or ""
        declared = SERVICES.get(symbol.partition("!")[2])
        if declared is None or len(declared.parameters) != count:
            return tuple(Argument("", value, "") for value in values)
        by_name = {p.name: v for p, v in zip(declared.parameters, values, strict=True)}
        found = []
        for parameter in declared.parameters:
            value, text = by_name[parameter.name], ""
            if parameter.sized_by and parameter.direction == "in":
                size = min(by_name.get(parameter.sized_by.parameter, 0), _PREVIEW)
                text = quoted(peek.readable(self.target, value, size))
            found.append(Argument(parameter.name, value, text))
        return tuple(found)


def quoted(data: bytes) -> str:
    """Bytes of text between quotes, what does not print as an escape."""
    text = data.decode("latin-1")
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) + '"'
