"""From a stub of the nt image to a Python function, and back with the reply.

A stub has its ID in eax and its frame in ebp (entry/host_call.asm).  The path of a service that
answers with a status makes no call of the engine at all: it reads RAM and writes eax.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, Protocol

from ntgate.cpu.calibration import GENERAL
from ntgate.cpu.delivery import IF
from ntgate.cpu.mmu import translate
from ntgate.cpu.processor import Processor
from ntgate.dispatch.outcome import CallbackReturn, Leave, Outcome, UserCall, Wait
from ntgate.dispatch.service import KERNEL_ROUTINES, SERVICES, Service, routine_id
from ntgate.dispatch.tables import RETURNS_STATUS, WIN32K_BIT, ServiceNumber, service_table
from ntgate.entry.routines import (
    CALL_USER,
    CALLBACK_RETURN,
    FLUSH_ALL,
    FLUSH_PAGE,
    LEAVE,
    ROUTINES,
    WAIT,
)
from ntgate.errors import NtError
from ntgate.layout import machine as m
from ntgate.layout import ntstatus
from ntgate.layout.ke import KPCR, KPRCB
from ntgate.layout.ps import TEB
from ntgate.layout.win32_errors import ERROR_CALL_NOT_IMPLEMENTED
from ntgate.memory.companions import Companions
from ntgate.memory.user import MM_USER_PROBE_ADDRESS, AccessViolation, UserMemory
from ntgate.records import dataclass

EAX, ECX, EDX, EBX, EBP = (
    GENERAL.index(name) for name in ("eax", "ecx", "edx", "ebx", "ebp")
)
STACK_OF_A_CALLBACK = 0xC00  # what must be left of a kernel stack for ring 3 and its next service
Invoke = Callable[..., Outcome]  # of the caller and the dwords of the arguments


class Translations(Protocol):
    """What the memory manager tells of the TLB."""

    stale_pages: list[int]
    flush_all: bool

    def take_stale(self) -> tuple[bool, list[int]]: ...


class Caller(Protocol):
    """What a service sees of the thread that called it."""

    @property
    def memory(self) -> UserMemory: ...

    # The kernel stack: linear addresses from the limit to the base are physical ones + stack_delta.
    stack_base: int
    stack_limit: int
    stack_delta: int
    stack_end: int  # the lowest byte, below the limit when it has grown

    def grow_stack(self) -> None:
        """Make it larger; raises NtError."""

    pending: Wait | None
    pending_id: int
    wait_status: int


class Observer(Protocol):
    """Sees every call, when one is set; it may answer in the service's place."""

    def enter(self, caller: Any, number: ServiceNumber, raw: Sequence[int]) -> Outcome | None:
        """The answer that it gives; a Wait for a call that comes later (see `invoke`)."""

    def leave(self, caller: Any, number: ServiceNumber, status: int | None) -> None: ...


@dataclass(frozen=True)
class Routine:
    """What answers one ID; `number` is a service's, None for a kernel routine."""

    answer: Invoke | Service
    argument_bytes: int
    number: ServiceNumber | None

    @property
    def invoke(self) -> Invoke:
        return self.answer.invoke if isinstance(self.answer, Service) else self.answer


class _Called(dict[int, tuple[Invoke, int, Callable[..., Any], ServiceNumber | None]]):
    """invoke, argument bytes, their reader and number of each ID that was called, by ID."""

    def __init__(self, routines: dict[int, Routine]) -> None:
        super().__init__()
        self._routines = routines

    def __missing__(
        self, value: int
    ) -> tuple[Invoke, int, Callable[..., Any], ServiceNumber | None]:
        row = self._routines[value]
        read = Struct(f"<{row.argument_bytes >> 2}I").unpack_from
        self[value] = found = (row.invoke, row.argument_bytes, read, row.number)
        return found


class Dispatcher:
    """Answers the host calls of one machine.

    callers: the companion of each thread, by the address of its KTHREAD.
    current_thread_cell: the index in RAM's dwords of KPRCB.CurrentThread.
    unimplemented: called with the ServiceNumber of every call that has no function.
    """

    def __init__(
        self, cpu: Processor, callers: Companions[Any], mm: Translations
    ) -> None:
        self.cpu = cpu
        self.callers = callers
        self.observer: Observer | None = None
        self.unimplemented: Callable[[Any, ServiceNumber], None] = lambda _caller, _number: None
        self.mm = mm
        self._routines: dict[int, Routine] = {}
        self._register()
        self.current_thread_cell = self._physical_cell(
            m.KPCR_ADDRESS + KPCR.PrcbData.offset + KPRCB.CurrentThread.offset
        )
        cpu.host_call = self._make_host_call()

    def _physical_cell(self, linear: int) -> int:
        return translate(self.cpu.ram.qwords, m.SYSTEM_PDPT, linear) >> 2

    def _register(self) -> None:
        for table in range(4):
            for number in service_table(table):
                declared = SERVICES.get(number.name)
                answer: Invoke | Service = self._not_implemented(number)
                if declared is not None and declared.number.number == number.number:
                    answer = declared
                self._routines[number.number] = Routine(answer, number.argument_bytes, number)
        for name, argument_bytes in ROUTINES.items():
            self._routines[routine_id(name)] = Routine(
                KERNEL_ROUTINES[name], argument_bytes, None
            )

    def invoke(self, caller: Any, number: ServiceNumber, raw: Sequence[int]) -> Outcome:
        """A service's own answer; an error is the status that it would return."""
        return self._guarded(self._routines[number.number].invoke, caller, *raw)

    def _not_implemented(self, number: ServiceNumber) -> Invoke:
        def answer(caller: Any, *_raw: int) -> int:
            self.unimplemented(caller, number)
            if number.number & WIN32K_BIT and not number.name.startswith(RETURNS_STATUS):
                caller.memory.set_u32(
                    caller.teb + TEB.LastErrorValue.offset, ERROR_CALL_NOT_IMPLEMENTED
                )
                return 0
            return ntstatus.STATUS_NOT_IMPLEMENTED

        return answer

    def _arguments(self, caller: Caller, size: int) -> tuple[int, ...]:
        """The dwords above the stub's frame, wherever the stack is."""
        first = self.cpu.live[self.cpu.layout.general[EBP]] + 8
        if caller.stack_limit <= first <= caller.stack_base - size:
            start = first - caller.stack_delta >> 2
            return tuple(self.cpu.ram.dwords[start : start + (size >> 2)].tolist())
        ram, cr3 = self.cpu.ram, self.cpu.registers.read("cr3")
        return tuple(
            int(ram.dwords[translate(ram.qwords, cr3, first + i) >> 2]) for i in range(0, size, 4)
        )

    def _make_host_call(self) -> Callable[[int], bool]:
        dwords, memory, callers = self.cpu.ram.dwords, self.cpu.ram.bytes, self.callers
        live, eax, ebp = self.cpu.live, *(self.cpu.layout.general[r] for r in (EAX, EBP))
        current_cell, mm = self.current_thread_cell, self.mm
        routines = _Called(self._routines)

        def host_call(value: int) -> bool:
            try:
                invoke, size, unpack, number = routines[value]
                caller = callers[dwords[current_cell]]
            except KeyError:
                return False
            outcome: Outcome
            observer = self.observer
            if caller.pending is not None:
                outcome = self._answer(caller, value)
            else:
                first = live[ebp] + 8
                if caller.stack_limit <= first <= caller.stack_base - size:
                    raw = unpack(memory, first - caller.stack_delta)
                else:
                    raw = self._arguments(caller, size)
                alone, answer = (caller,), None
                if observer is not None and number is not None:
                    answer = observer.enter(caller, number, raw)
                try:
                    # Cheaper than invoke(caller, *raw).
                    outcome = invoke(*alone + raw) if answer is None else answer
                except (NtError, AccessViolation) as error:
                    outcome = error.status
                if observer is not None and number is not None:
                    if outcome.__class__ is int:
                        observer.leave(caller, number, outcome & 0xFFFFFFFF)
                    else:
                        self._report(observer, caller, number, outcome)
            if outcome.__class__ is int:
                live[eax] = outcome & 0xFFFFFFFF
                if mm.stale_pages or mm.flush_all:
                    self._reply_flush()
            else:
                self._reply(caller, value, outcome)
            return True

        return host_call

    def _answer(self, caller: Any, value: int) -> Outcome:
        """What host_call does for a caller with a service that waits, or in one's callback."""
        routine, observer = self._routines[value], self.observer
        if value == caller.pending_id:
            pending, caller.pending = caller.pending, None
            outcome = self._guarded(pending.resume, caller, caller.wait_status, pending.state)
            if observer is not None and routine.number is not None:
                self._report(observer, caller, routine.number, outcome)
            return outcome
        raw = self._arguments(caller, routine.argument_bytes)
        if observer is None or routine.number is None:
            return self._guarded(routine.invoke, caller, *raw)
        answer = observer.enter(caller, routine.number, raw)
        outcome = answer if answer is not None else self._guarded(routine.invoke, caller, *raw)
        self._report(observer, caller, routine.number, outcome)
        return outcome

    @staticmethod
    def _guarded(function: Callable[..., Outcome], *arguments: Any) -> Outcome:
        try:
            return function(*arguments)
        except (NtError, AccessViolation) as error:
            return error.status

    @staticmethod
    def _report(
        observer: Observer, caller: Any, number: ServiceNumber, outcome: Outcome
    ) -> None:
        if not isinstance(outcome, Wait | UserCall):
            status = None if isinstance(outcome, Leave | CallbackReturn) else outcome & 0xFFFFFFFF
            observer.leave(caller, number, status)

    def _reply(self, caller: Any, value: int, outcome: Outcome) -> None:
        if isinstance(outcome, Wait):
            caller.pending, caller.pending_id = outcome, value
            self._ask(WAIT)
        elif isinstance(outcome, Leave):
            self._ask(LEAVE, outcome.frame)
        elif isinstance(outcome, UserCall):
            self._call_user(caller, value, outcome)
        elif isinstance(outcome, CallbackReturn):
            self._ask(CALLBACK_RETURN)
        else:
            self.cpu.live[self.cpu.layout.general[EAX]] = int(outcome) & 0xFFFFFFFF

    def _call_user(self, caller: Any, value: int, call: UserCall) -> None:
        """KeUserModeCallback: the arguments, and their address and size, on the user stack.

        A service hears of a stack without room as of a call that has failed.
        """
        live, general = self.cpu.live, self.cpu.layout.general
        try:
            if live[general[EBP]] - caller.stack_end < STACK_OF_A_CALLBACK:
                caller.grow_stack()
            arguments = caller.user_stack - call.size & ~15
            esp = arguments - 16
            head = struct.pack("<4I", 0, call.number, arguments, call.size)
            caller.memory.write(esp, head + call.build(arguments))
        except (NtError, AccessViolation) as error:
            outcome = self._guarded(call.resume, caller, error.status, b"", call.state)
            number = self._routines[value].number
            if self.observer is not None and number is not None:
                self._report(self.observer, caller, number, outcome)
            self._reply(caller, value, outcome)
            return
        caller.callbacks.append((call, value))
        self._ask(CALL_USER, esp)
        live[general[EBX]] = caller.process.callback_entry

    def _reply_flush(self) -> None:
        everything, pages = self.mm.take_stale()
        if everything or any(page >= MM_USER_PROBE_ADDRESS for page in pages):
            self.cpu.gate_entry.forget()
        if len(pages) == 1 and not everything:
            self._ask(FLUSH_PAGE, pages[0])
        else:
            self._ask(FLUSH_ALL)

    def _ask(self, reply: int, argument: int = 0) -> None:
        """Have KiCallHost do something, which nothing may come before: interrupts are off."""
        live, layout = self.cpu.live, self.cpu.layout
        live[layout.general[ECX]] = reply | live[layout.eflags] & IF
        live[layout.general[EDX]] = argument
        live[layout.eflags] &= ~IF
