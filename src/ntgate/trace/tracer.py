"""The observer of a machine's calls: from dispatcher and processor to the writers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from ntgate.cpu.mmu import PageFault
from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import SERVICES
from ntgate.dispatch.tables import WIN32K_BIT, ServiceNumber
from ntgate.layout import machine as m
from ntgate.layout.ke import KTHREAD, KTRAP_FRAME, KUSER_SHARED_DATA
from ntgate.layout.ntstatus import (
    STATUS_BUFFER_TOO_SMALL,
    STATUS_INFO_LENGTH_MISMATCH,
    STATUS_PENDING,
)
from ntgate.layout.ps import TEB
from ntgate.layout.times import MICROSECOND
from ntgate.records import dataclass
from ntgate.trace.argument_decoders import Decode, View
from ntgate.trace.filters import Filter
from ntgate.trace.injections import Injection
from ntgate.trace.paths import names_any
from ntgate.trace.peek import Peek, Unreadable
from ntgate.trace.places import IN_KERNEL, Places, Site
from ntgate.trace.plans import Plan, Planner
from ntgate.trace.record import CallRecord
from ntgate.trace.returned import NTSTATUS
from ntgate.trace.scalars import hexadecimal, status
from ntgate.trace.unwind import unwind

FRAME_END = struct.Struct("<6I")  # of KTRAP_FRAME: Ebp, ErrCode, Eip, SegCs, EFlags, HardwareEsp
INT_2E_LENGTH = 2
SYSTEM_CALL_RETURN = m.SHARED_USER_DATA_KERNEL + KUSER_SHARED_DATA.SystemCallReturn.offset
TOO_SHORT = (STATUS_BUFFER_TOO_SMALL, STATUS_INFO_LENGTH_MISMATCH)
NO_GATE = (0, 0)
NO_FRAME = (0,) * 6
MOST_DUMPED = 0x10_0000  # bytes of a buffer


class HandleNames(Protocol):
    def __call__(self, caller: Any, handle: int) -> str:
        """The name of a handle's object; "" for none."""

    def process_of(self, caller: Any, handle: int) -> int:
        """The number of the handle's process, or its thread's; 0 for none."""


class Writer(Protocol):
    """Where calls and events go."""

    def call(self, record: CallRecord) -> None:
        """A call has ended, or never will."""

    def unfinished(self, record: CallRecord) -> None:
        """A call waits while others are written; `call` will be told of it later."""

    def event(self, pid: int, tid: int, clock: int, name: str, fields: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


def _cannot_invoke(_caller: Any, number: ServiceNumber, _raw: Sequence[int]) -> Outcome:
    raise AssertionError(f"nothing was given that calls {number.name}")


class _Thread:
    """What is kept of a caller: its view of memory and the calls that it is in."""

    def __init__(self, caller: Any, places: Places, handle_names: HandleNames | None) -> None:
        self.caller = caller
        self.pid: int = caller.pid
        self.tid: int = caller.tid
        self.ethread: int = caller.ethread.address
        self.places = places.process(self.pid)
        self.peek = Peek(caller.memory)
        self.view = View(self.peek)
        if handle_names is not None:
            named = handle_names
            self.view.handle_name = lambda handle: named(caller, handle)
            self.view.place = lambda address, handle: places.symbol_in(
                named.process_of(caller, handle), address
            )
        self.calls: list[CallRecord] = []
        self.kernel = kernel = caller.executive.kernel
        self.ram = kernel.ram
        self._dwords = self.ram.dwords
        self._frame_cell = kernel.physical(self.ethread + KTHREAD.TrapFrame.offset) >> 2
        self._return_cell = kernel.physical(SYSTEM_CALL_RETURN) >> 2

    def find_site(self, at: int, number: int) -> Site:
        """Of the call that it makes, by the trap frame.  at: where its last sysenter was."""
        _ebp, _code, eip, cs, _eflags, esp = self.frame()
        if not cs & 1:
            return IN_KERNEL
        if at and eip == self._dwords[self._return_cell]:
            gate = "sysenter"
        else:
            gate, at = "int2e", eip - INT_2E_LENGTH
        returns_to, caller = eip, 0
        places = self.places
        try:
            # A stub has its own return address below the one of its caller.
            if at in places.stub_gates:
                returns_to, caller = self.peek.two(esp)
            elif gate == "sysenter":
                returns_to = self.peek.u32(esp)
        except Unreadable:
            returns_to = 0
        try:
            return places.sites[gate, at, returns_to, caller, number]
        except KeyError:
            return places.find_site(gate, at, returns_to, caller, number, self.peek)

    def stack(self, site: Site) -> list[str]:
        """Who called the service, as far as the stack tells."""
        if not site.gate:
            return []
        ebp, _code, _eip, _cs, _eflags, esp = self.frame()
        return unwind(self.peek, self.places, site.returns_to, esp, ebp)

    def frame(self) -> tuple[int, ...]:
        """The members of the call's trap frame that FRAME_END has."""
        address = self._dwords[self._frame_cell] + KTRAP_FRAME.Ebp.offset
        caller = self.caller
        if caller.stack_limit <= address <= caller.stack_base - FRAME_END.size:
            return FRAME_END.unpack_from(self.ram.bytes, address - caller.stack_delta)
        try:
            return FRAME_END.unpack(self.kernel.read(address, FRAME_END.size))
        except PageFault:
            return NO_FRAME  # int 2Bh is no system call: TrapFrame is what the last one left


@dataclass
class _Service:
    """A service as this trace treats it.

    skipped: whether its calls are neither shown nor answered, wherever they come from.
    dumped: whether their buffers are shown whole.
    """

    plan: Plan
    injections: list[Injection]
    missing: bool
    skipped: bool
    dumped: bool


class Tracer:
    """Implements dispatch.dispatcher.Observer.

    clock: the virtual time in 100 ns units.  invoke: calls a service, for one that an injection
    has come later.  with_arguments: decode them.  with_ends: ask the clock at the end of calls,
    too.  with_stack: find the callers of each call.  dumped: the services whose buffers are
    shown whole.
    """

    def __init__(
        self,
        writers: Iterable[Writer],
        clock: Callable[[], int],
        planner: Planner,
        *,
        shown: Filter,
        injections: Iterable[Injection] = (),
        handle_names: HandleNames | None = None,
        invoke: Callable[[Any, ServiceNumber, Sequence[int]], Outcome] | None = None,
        with_arguments: bool = True,
        with_ends: bool = True,
        with_stack: bool = False,
        dumped: frozenset[str] = frozenset(),
    ) -> None:
        self.writers = list(writers)
        self.clock = clock
        self.planner = planner
        self.shown = shown
        self.injections = list(injections)
        self.handle_names = handle_names
        self.invoke = invoke or _cannot_invoke
        self.with_arguments = with_arguments
        self.with_ends = with_ends
        self.with_stack = with_stack
        self.dumped = dumped
        self._is_filtered = shown.names is not None or bool(shown.gates)
        self.places = Places()
        self._seq = 0
        self._gates: dict[int, tuple[int, int]] = {}  # each thread's last sysenter: where, when
        self._threads: dict[Any, _Thread] = {}
        self._services: dict[int, _Service] = {}
        # The call that runs now, those that wait, and events that follow the one that runs.
        self._running: tuple[Any, CallRecord] | None = None
        self._waiting: dict[int, CallRecord] = {}
        self._queue: list[tuple[int, int, int, str, dict[str, Any]]] = []
        self._announced: set[int] = set()

    # What the machine tells.

    def sysenter(self, thread: int, eip: int) -> None:
        """The thread, an ETHREAD's address, is at a sysenter at `eip`."""
        self._gates[thread] = eip, self.clock()

    def enter(self, caller: Any, number: ServiceNumber, raw: Sequence[int]) -> Outcome | None:
        if self._running is not None or self._queue:
            self._settle()
        service = self._services.get(number.number) or self._service(number)
        thread = self._threads.get(caller)
        if thread is None:
            thread = self._threads[caller] = _Thread(caller, self.places, self.handle_names)
        at, clock = self._gates.pop(thread.ethread, NO_GATE)
        self._seq += 1
        record = CallRecord(
            self._seq, thread.pid, thread.tid, number.name, number.number, service.plan, raw,
            clock or self.clock(),
        )  # fmt: skip
        thread.calls.append(record)
        self._running = (caller, record)
        if service.skipped:
            record.shown = False
            return None
        answer = None
        if service.injections:
            answer = self._injected(caller, number, record, service)
        record.missing = service.missing and not record.injected
        record.site = site = thread.find_site(at, number.number)
        if self._is_filtered:
            record.shown = self.shown.shows(record.service, site)
        if record.shown:
            if self.with_arguments and service.plan.decoded:
                self._decode_inputs(thread, record)
            if service.dumped:
                self._dump(thread, record, "in")
            if self.with_stack:
                record.stack = thread.stack(site)
        return answer

    def leave(self, caller: Any, _number: ServiceNumber, answer: int | None) -> None:
        thread = self._threads.get(caller)
        if thread is None or not thread.calls:
            return
        record = thread.calls.pop()
        self._running = None
        if self._waiting:
            self._no_longer_waits(record)
        if record.shown:
            record.status = answer
            if answer is not None and not record.injected:
                if self.with_arguments:
                    self._decode_outputs(thread, record, answer)
                if record.service in self.dumped and not record.plan.returns.failed(answer):
                    self._dump(thread, record, "out")
                if answer == 0 and record.number & WIN32K_BIT:
                    self._look_at_error(thread, record)
            self._write(record)
        if self._queue:
            self._settle()

    def event(self, pid: int, tid: int, name: str, fields: dict[str, Any]) -> None:
        """What is no call; it is written behind the call that it happens in."""
        self._queue.append((pid, tid, self.clock(), name, fields))
        if self._running is None or self._running[0].pending is not None:
            self._settle()

    def close(self) -> None:
        """Write the calls that never returned, and end the output."""
        self._settle()
        left = [record for thread in self._threads.values() for record in thread.calls]
        for record in sorted(left, key=lambda record: record.seq):
            self._never_returned(record)
        for writer in self.writers:
            writer.close()

    # The order of the lines.

    def _settle(self) -> None:
        """The call that ran last, if it has not returned, waits; write what came after it."""
        if self._running is not None:
            record = self._running[1]
            self._waiting[record.seq] = record
            self._running = None
        queue, self._queue = self._queue, []
        for pid, tid, clock, name, fields in queue:
            if name == "thread exit":
                self._thread_ended(tid)
            elif name == "process exit":
                self.places.forget(pid)
            if self.shown.shows_event(name):
                self._announce()
                for writer in self.writers:
                    writer.event(pid, tid, clock, name, fields)

    def _thread_ended(self, tid: int) -> None:
        for caller, thread in list(self._threads.items()):
            if thread.tid == tid:
                for record in thread.calls:
                    self._never_returned(record)
                del self._threads[caller]
                self._gates.pop(thread.ethread, None)

    def _never_returned(self, record: CallRecord) -> None:
        self._no_longer_waits(record)
        if record.shown:
            self._write(record)

    def _no_longer_waits(self, record: CallRecord) -> None:
        if self._waiting.pop(record.seq, None) is not None:
            self._announced.discard(record.seq)

    def _write(self, record: CallRecord) -> None:
        if self.shown.is_by_end and not self._is_chosen(record):
            return
        if self.with_ends:
            record.ended = self.clock()
        if self._waiting:
            self._announce()
        for writer in self.writers:
            writer.call(record)

    @staticmethod
    def _look_at_error(thread: _Thread, record: CallRecord) -> None:
        if record.plan.returns.failed(0):
            try:
                record.last_error = thread.peek.u32(thread.caller.teb + TEB.LastErrorValue.offset)
            except Unreadable:
                return

    def _is_chosen(self, record: CallRecord) -> bool:
        if self.shown.paths and not names_any(record, self.shown.paths):
            return False
        failed = record.status is not None and record.plan.returns.failed(record.status)
        return self.shown.shows_end(record.status, failed=failed)

    def _announce(self) -> None:
        """Before a line of another call: those that wait are unfinished."""
        for seq, record in self._waiting.items():
            if seq not in self._announced:
                self._announced.add(seq)
                if record.shown and not self.shown.is_by_end:
                    for writer in self.writers:
                        writer.unfinished(record)

    # What a call is.

    def _service(self, number: ServiceNumber) -> _Service:
        declared = SERVICES.get(number.name)
        injections = [each for each in self.injections if number.name in each.names]
        service = _Service(
            self.planner.plan(number),
            injections,
            declared is None or declared.number.number != number.number,
            not injections and not self.shown.may_show(number.name),
            number.name in self.dumped,
        )
        self._services[number.number] = service
        return service

    def _injected(
        self, caller: Any, number: ServiceNumber, record: CallRecord, service: _Service
    ) -> Outcome | None:
        """What an injection answers; a wait where it has the call come later."""
        answer, delay = None, 0
        for injection in service.injections:
            if injection.applies():
                answer, delay = injection.status, injection.delay
        if answer is not None:
            record.injected = True
            fields = {"name": record.service, "seq": record.seq, "status": status(answer)}
            self.event(record.pid, record.tid, "fault injected", fields)
        if not delay:
            return answer
        record.delayed = delay
        caller.executive.processes.wait(caller, -delay * MICROSECOND)
        return Wait(self._delayed, (number, record.raw, answer))

    def _delayed(
        self, caller: Any, _status: int, state: tuple[ServiceNumber, Sequence[int], int | None]
    ) -> Outcome:
        number, raw, answer = state
        return self.invoke(caller, number, raw) if answer is None else answer

    # Arguments.

    @staticmethod
    def _decode_inputs(thread: _Thread, record: CallRecord) -> None:
        view, raw, values = thread.view, record.raw, record.values
        view.raw = raw
        for index, decode in record.plan.decoded:
            try:
                values[index] = decode(view, raw[index])
            except Unreadable:
                values[index] = hexadecimal(raw[index])
                record.unread = [*record.unread, index]

    @staticmethod
    def _dump(thread: _Thread, record: CallRecord, direction: str) -> None:
        """The buffers that the service is given, or has filled."""
        view = thread.view
        view.raw = record.raw
        for index, size, way in record.plan.buffers:
            if direction not in way or not record.raw[index]:
                continue
            try:
                data = view.peek.available(record.raw[index], min(size(view), MOST_DUMPED))
            except Unreadable:
                continue
            if data:
                record.dumps = [*record.dumps, (record.plan.inputs[index].name, data)]

    @staticmethod
    def _decode_outputs(thread: _Thread, record: CallRecord, answer: int) -> None:
        """What the service left behind its output pointers.

        Little when it failed; nothing yet when the request is pending.
        """
        plan, raw, view = record.plan, record.raw, thread.view
        decoders: Sequence[tuple[int, Decode]] = plan.outputs
        if answer or plan.returns is not NTSTATUS:
            if plan.returns.failed(answer):
                decoders = plan.lengths if answer in TOO_SHORT else ()
            elif answer == STATUS_PENDING and plan.returns is NTSTATUS:
                decoders = ()
        view.raw = raw
        for index, decode in decoders:
            if raw[index] or index in plan.elsewhere:
                try:
                    shown = decode(view, raw[index])
                except Unreadable:
                    continue
                if raw[index] or shown is not None:
                    record.out[index] = shown
        for index in record.unread:
            # The page may have come in only when the service read it.
            again = plan.inputs[index].decode
            if again is not None:
                try:
                    record.values[index] = again(view, raw[index])
                except Unreadable:
                    continue
