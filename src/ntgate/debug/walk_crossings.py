"""A change of rings: what the processor itself reads and pushes, by the rules of each way.

Intel SDM volume 2 (SYSENTER, SYSEXIT, INT n, IRET) and volume 3, 6.12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from iced_x86 import Instruction, Mnemonic

from ntgate.debug import peek, segments
from ntgate.debug.target import Target, Unreadable
from ntgate.records import dataclass

TRAP = "trap"
_GATE_NAMES = {0xE: "interrupt gate", 0xF: "trap gate"}


@dataclass(frozen=True)
class Reading:
    """What the processor itself looks up to change rings.

    `address` is None for an MSR and a register; `meaning` says what it becomes.
    """

    source: str
    address: int | None
    value: int
    digits: int
    meaning: str


@dataclass(frozen=True)
class Crossing:
    """A step that changed rings; `way` is `sysenter`, `int 2Eh`, `sysexit`, `iretd` or `trap`."""

    way: str
    readings: tuple[Reading, ...]


class Expected:
    """What the processor will look up if the instruction changes rings, read beforehand."""

    def __init__(
        self, target: Target, instruction: Instruction, registers: Mapping[str, int]
    ) -> None:
        self.way = ""
        self.spans: list[tuple[int, int, bool, bool]] = []
        self._target = target
        self._registers = registers
        self._readings: list[Reading] = []
        self._goal = 0
        match instruction.mnemonic:
            case Mnemonic.SYSENTER:
                self._sysenter()
            case Mnemonic.INT:
                self._interrupt(instruction.immediate8)
            case Mnemonic.SYSEXIT:
                self._sysexit()
            case Mnemonic.IRETD:
                self._iretd()

    def crossing(self, after: Mapping[str, int]) -> Crossing | None:
        if after["cs"] & 3 == self._registers["cs"] & 3:
            return None
        if self.way and after["eip"] == self._goal:
            return Crossing(self.way, tuple(self._readings))
        return Crossing(TRAP, ())

    def _read(self, source: str, address: int, size: int, meaning: str) -> int:
        try:
            value = peek.number(self._target, address, size)
        except Unreadable:
            value = 0
        self._readings.append(Reading(source, address, value, 2 * size, meaning))
        return value

    def _mean(self, meaning: str) -> None:
        """Say of the last reading what it becomes."""
        self._readings[-1] = replace(self._readings[-1], meaning=meaning)

    def _msr(self, index: int, meaning: str = "") -> int:
        value = self._target.read_msr(index) & 0xFFFFFFFF
        self._readings.append(Reading(f"MSR {index:x}", None, value, 8, meaning))
        return value

    def _register(self, name: str, meaning: str) -> int:
        value = self._registers[name]
        self._readings.append(Reading(name, None, value, 8, meaning))
        return value

    def _sysenter(self) -> None:
        self.way = "sysenter"
        selector = self._msr(0x174)
        self._mean(f"CS {selector & 0xFFFC:02x}, SS {selector + 8 & 0xFFFC:02x}")
        self._msr(0x175, "ESP")
        self._goal = self._msr(0x176, "EIP")

    def _interrupt(self, vector: int) -> None:
        self.way = f"int {vector:X}h"
        target = self._target
        at = target.register("idtr") + 8 * vector
        gate = self._read(f"IDT[{vector:x}]", at, 8, "")
        self._goal = gate & 0xFFFF | gate >> 32 & 0xFFFF0000
        kind = _GATE_NAMES.get(gate >> 40 & 0x1F, "not a gate to code")
        target_text = f"{gate >> 16 & 0xFFFF:02x}:{self._goal:08x}"
        self._mean(f"{kind}, DPL {gate >> 45 & 3}, {target_text}")
        tss = segments.descriptor(target, target.register("tr"))
        if tss is None:
            return
        esp = self._read("KTSS.Esp0", tss.base + 4, 4, "ESP")
        self._read("KTSS.Ss0", tss.base + 8, 2, "SS")
        self.spans = [(esp - offset & 0xFFFFFFFF, 4, False, True) for offset in range(4, 24, 4)]

    def _sysexit(self) -> None:
        self.way = "sysexit"
        selector = self._msr(0x174)
        self._mean(f"CS {selector + 0x10 | 3:02x}, SS {selector + 0x18 | 3:02x}")
        self._goal = self._register("edx", "EIP")
        self._register("ecx", "ESP")

    def _iretd(self) -> None:
        """iced counts three dwords; with a ring change there are two more."""
        self.way = "iretd"
        esp = self._registers["esp"]
        names = ("EIP", "CS", "EFLAGS", "ESP", "SS")
        values = [self._read("pops", esp + 4 * i, 4, name) for i, name in enumerate(names)]
        self._goal = values[0]
