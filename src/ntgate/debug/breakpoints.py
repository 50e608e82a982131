"""The user's breakpoints, and what the machine watches for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from ntgate.debug.errors import KdError
from ntgate.debug.expressions import Evaluator, ExpressionError
from ntgate.debug.target import Access, LiveTarget
from ntgate.records import dataclass

_MOST = 0x1000


@dataclass(eq=False)
class Breakpoint:
    """One breakpoint.

    `address` is None until a `bu` expression can be resolved.  `remaining` counts down from
    `passes`; it stops at 1.  `handle` is the machine's, None while disabled.
    """

    number: int
    expression: str
    address: int | None
    access: Access = Access.EXECUTE
    size: int = 1
    passes: int = 1
    commands: str = ""
    is_one_shot: bool = False
    is_deferred: bool = False
    is_enabled: bool = True
    remaining: int = field(default=1)
    handle: int | None = None


class Breakpoints:
    """The list of them, kept in step with what the machine watches."""

    def __init__(self, machine: LiveTarget, evaluator: Evaluator) -> None:
        self._machine = machine
        self._evaluator = evaluator
        self._by_number: dict[int, Breakpoint] = {}

    def __iter__(self) -> Iterator[Breakpoint]:
        return iter([self._by_number[number] for number in sorted(self._by_number)])

    def __len__(self) -> int:
        return len(self._by_number)

    def __getitem__(self, number: int) -> Breakpoint:
        return self._by_number[number]

    def __contains__(self, number: object) -> bool:
        return number in self._by_number

    def number_for(self, address: int | None, access: Access) -> int:
        """That of the breakpoint which is there already, else the first free one."""
        for breakpoint in self:
            if breakpoint.address == address is not None and breakpoint.access is access:
                return breakpoint.number
        return next(number for number in range(_MOST + 1) if number not in self._by_number)

    def add(self, breakpoint: Breakpoint) -> None:
        """Raises KdError where its number is out of range; replaces one of the same number."""
        if not 0 <= breakpoint.number < _MOST:
            raise KdError(f"Breakpoint numbers go from 0 to {_MOST - 1}")
        if breakpoint.number in self._by_number:
            self.remove(self._by_number[breakpoint.number])
        breakpoint.remaining = breakpoint.passes
        self._by_number[breakpoint.number] = breakpoint
        name = f"$bp{breakpoint.number}"
        self._evaluator.pseudo_registers[name] = lambda: breakpoint.address or 0
        self.enable(breakpoint)

    def remove(self, breakpoint: Breakpoint) -> None:
        self._withdraw(breakpoint)
        del self._by_number[breakpoint.number]
        self._evaluator.pseudo_registers.pop(f"$bp{breakpoint.number}", None)

    def enable(self, breakpoint: Breakpoint) -> None:
        breakpoint.is_enabled = True
        if breakpoint.handle is None and breakpoint.address is not None:
            breakpoint.handle = self._machine.add_breakpoint(
                breakpoint.address, breakpoint.access, breakpoint.size
            )

    def disable(self, breakpoint: Breakpoint) -> None:
        breakpoint.is_enabled = False
        self._withdraw(breakpoint)

    def _withdraw(self, breakpoint: Breakpoint) -> None:
        if breakpoint.handle is not None:
            self._machine.remove_breakpoint(breakpoint.handle)
            breakpoint.handle = None

    @property
    def are_waiting(self) -> bool:
        """Whether one waits for a module."""
        return any(breakpoint.address is None for breakpoint in self)

    def resolve(self) -> None:
        """Try the expressions of the `bu` breakpoints again: a module may have been loaded."""
        for breakpoint in self:
            if not breakpoint.is_deferred:
                continue
            try:
                address = self._evaluator.address(breakpoint.expression)
            except ExpressionError:
                continue
            if address != breakpoint.address:
                self._withdraw(breakpoint)
                breakpoint.address = address
            if breakpoint.is_enabled:
                self.enable(breakpoint)

    def handles_at(self, address: int) -> tuple[int, ...]:
        """The machine's handles of the enabled ones that wait for code at an address."""
        return tuple(
            breakpoint.handle
            for breakpoint in self
            if breakpoint.handle is not None
            and breakpoint.access is Access.EXECUTE
            and breakpoint.address == address
        )

    def hit(self, handles: tuple[int, ...]) -> list[Breakpoint]:
        """Those of the machine's handles that have used up their passes; counts the others."""
        stopped = []
        for breakpoint in self:
            if breakpoint.handle is None or breakpoint.handle not in handles:
                continue
            if breakpoint.remaining > 1:
                breakpoint.remaining -= 1
            else:
                stopped.append(breakpoint)
        return stopped
