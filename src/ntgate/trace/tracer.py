"""The observer of a machine's calls: from dispatcher and processor to the writers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ntgate.dispatch.service import SERVICES
from ntgate.dispatch.tables import ServiceNumber
from ntgate.layout import machine as m
from ntgate.layout.ke import KTHREAD, KTRAP_FRAME, KUSER_SHARED_DATA
from ntgate.layout.ntstatus import (
    STATUS_BUFFER_TOO_SMALL,
    STATUS_INFO_LENGTH_MISMATCH,
    STATUS_PENDING,
)
from ntgate.trace.argument_decoders import View
from ntgate.trace.filters import Filter
from ntgate.trace.injections import Injection
from ntgate.trace.peek import Peek, Unreadable
from ntgate.trace.places import IN_KERNEL, Places, Site
from ntgate.trace.plans import Plan, Planner
from ntgate.trace.record import CallRecord
from ntgate.trace.scalars import hexadecimal, status

MOST_STACK = 32
FRAME_END = struct.Struct("<6I")  # of KTRAP_FRAME: Ebp, ErrCode, Eip, SegCs, EFlags, HardwareEsp
INT_2E_LENGTH = 2
LONGEST_CALL, CALL_REL32, GROUP_5, CALL_IN_GROUP_5 = 7, 0xE8, 0xFF, 2
SYSTEM_CALL_RETURN = m.SHARED_USER_DATA_KERNEL + KUSER_SHARED_DATA.SystemCallReturn.offset
TOO_SHORT = (STATUS_BUFFER_TOO_SMALL, STATUS_INFO_LENGTH_MISMATCH)

HandleNames = Callable[[Any, int], str]  # of a caller and a handle; "" for none


class Writer(Protocol):
    """Where calls and events go."""

    def call(self, record: CallRecord) -> None:
        """A call has ended, or never will."""

    def unfinished(self, record: CallRecord) -> None:
        """A call waits while others are written; `call` will be told of it later."""

    def event(self, pid: int, tid: int, clock: int, name: str, fields: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


def follows_call(code: bytes) -> bool:
    """Whether the LONGEST_CALL bytes end with `call rel32` or `call r/m32` (SDM volume 2)."""
    return code[-5] == CALL_REL32 or any(
        code[-length] == GROUP_5 and code[1 - length] >> 3 & 7 == CALL_IN_GROUP_5
        for length in (2, 3, 4, 6, 7)
    )


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
        self.calls: list[CallRecord] = []
        self.kernel = kernel = caller.executive.kernel
        self.ram = kernel.ram
        self._frame_cell = kernel.physical(self.ethread + KTHREAD.TrapFrame.offset) >> 2
        self._return_cell = kernel.physical(SYSTEM_CALL_RETURN) >> 2

    def find_site(self, at: int) -> tuple[Site, int, int]:
        """Of the call that it makes, by the trap frame; ebp and the address that the stub
        returns to, both 0 for a call from ring 0.  at: where its last sysenter was.
        """
        ebp, _code, eip, cs, _eflags, esp = self._frame()
        if not cs & 1:
            return IN_KERNEL, 0, 0
        if at and eip == self.ram.dwords[self._return_cell]:
            gate = "sysenter"
        else:
            gate, at = "int2e", eip - INT_2E_LENGTH
        returns_to = eip
        try:
            # A stub has its own return address below the one of its caller.
            if at in self.places.stub_gates:
                returns_to = self.peek.u32(esp + 4)
            elif gate == "sysenter":
                returns_to = self.peek.u32(esp)
        except Unreadable:
            returns_to = 0
        return self.places.site(gate, at, returns_to), ebp, returns_to

    def stack(self, ebp: int, first: int) -> list[str]:
        """Return addresses along the chain of ebp, as long as they are behind a call."""
        found = [first]
        below = 0
        while ebp > below and len(found) < MOST_STACK:
            below = ebp
            try:
                ebp, address = self.peek.u32(ebp), self.peek.u32(ebp + 4)
                before = (address - LONGEST_CALL) & 0xFFFFFFFF
                if not follows_call(self.peek.read(before, LONGEST_CALL)):
                    break
            except Unreadable:
                break
            found.append(address)
        return [f"{self.places.returns_to(address)} [{address:#x}]" for address in found]

    def _frame(self) -> tuple[int, ...]:
        """The members of the call's trap frame that FRAME_END has."""
        address = self.ram.dwords[self._frame_cell] + KTRAP_FRAME.Ebp.offset
        caller = self.caller
        if caller.stack_limit <= address <= caller.stack_base - FRAME_END.size:
            return FRAME_END.unpack_from(self.ram.bytes, address - caller.stack_delta)
        return FRAME_END.unpack(self.kernel.read(address, FRAME_END.size))


@dataclass
class _Service:
    """A service as this trace treats it.

    skipped: whether its calls are neither shown nor answered, wherever they come from.
    """

    plan: Plan
    injections: list[Injection]
    missing: bool
    skipped: bool


class Tracer:
    """Implements dispatch.dispatcher.Observer.

    clock: the virtual time in 100 ns units.  with_arguments: decode them.  with_stack: walk the
    ebp chain of each call.
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
        with_arguments: bool = True,
        with_stack: bool = False,
    ) -> None:
        self.writers = list(writers)
        self.clock = clock
        self.planner = planner
        self.shown = shown
        self.injections = list(injections)
        self.handle_names = handle_names
        self.with_arguments = with_arguments
        self.with_stack = with_stack
        self.places = Places()
        self._seq = 0
        self._gates: dict[int, int] = {}  # where each thread's last sysenter was
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
        self._gates[thread] = eip

    def enter(self, caller: Any, number: ServiceNumber, raw: list[int]) -> int | None:
        if self._running is not None or self._queue:
            self._settle()
        service = self._services.get(number.number) or self._service(number)
        thread = self._threads.get(caller)
        if thread is None:
            thread = self._threads[caller] = _Thread(caller, self.places, self.handle_names)
        self._seq += 1
        record = CallRecord(
            self._seq, thread.pid, thread.tid, number.name, number.number, service.plan, raw,
            self.clock(),
        )  # fmt: skip
        thread.calls.append(record)
        self._running = (caller, record)
        if service.skipped:
            record.shown = False
            return None
        answer = None
        for injection in service.injections:
            if injection.applies():
                answer = injection.status
        if answer is not None:
            record.injected = True
            fields = {"name": record.service, "seq": record.seq, "status": status(answer)}
            self.event(thread.pid, thread.tid, "fault injected", fields)
        record.missing = service.missing and answer is None
        thread.peek.forget()
        at = self._gates.pop(thread.ethread, 0)
        record.site, ebp, returns_to = thread.find_site(at)
        record.shown = self.shown.shows(record.service, direct=record.site.direct)
        if record.shown:
            if self.with_arguments:
                self._decode_inputs(thread, record)
            if self.with_stack and returns_to:
                record.stack = thread.stack(ebp, returns_to)
        return answer

    def leave(self, caller: Any, _number: ServiceNumber, answer: int | None) -> None:
        thread = self._threads.get(caller)
        if thread is None or not thread.calls:
            return
        record = thread.calls.pop()
        self._running = None
        self._no_longer_waits(record)
        if record.shown:
            record.status = answer
            if self.with_arguments and answer is not None and not record.injected:
                self._decode_outputs(thread, record, answer)
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
        if not self.shown.shows_status(record.status):
            return
        record.ended = self.clock()
        if self._waiting:
            self._announce()
        for writer in self.writers:
            writer.call(record)

    def _announce(self) -> None:
        """Before a line of another call: those that wait are unfinished."""
        for seq, record in self._waiting.items():
            if seq not in self._announced:
                self._announced.add(seq)
                if record.shown and self.shown.status == "all":
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
        )
        self._services[number.number] = service
        return service

    # Arguments.

    @staticmethod
    def _decode_inputs(thread: _Thread, record: CallRecord) -> None:
        view, args = thread.view, record.args
        view.raw = record.raw
        for (name, show, decode), word in zip(record.plan.inputs, record.raw, strict=False):
            if show is not None:
                args[name] = show(word)
            elif decode is None:
                args[name] = word
            else:
                try:
                    args[name] = decode(view, word)
                except Unreadable:
                    args[name] = hexadecimal(word)
                    record.unread = [*record.unread, len(args) - 1]

    @staticmethod
    def _decode_outputs(thread: _Thread, record: CallRecord, answer: int) -> None:
        """What the service left behind its output pointers.

        Little when it failed; nothing yet when the request is pending.
        """
        plan, raw, view = record.plan, record.raw, thread.view
        decoders = plan.outputs
        if answer == STATUS_PENDING:
            decoders = []
        elif answer >> 30 == 3:
            decoders = plan.lengths if answer in TOO_SHORT else []
        thread.peek.forget()
        view.raw = raw
        for index, name, decode in decoders:
            if raw[index]:
                try:
                    record.out[name] = decode(view, raw[index])
                except Unreadable:
                    continue
        for index in record.unread:
            # The page may have come in only when the service read it.
            name, _show, again = plan.inputs[index]
            if again is not None:
                try:
                    record.args[name] = again(view, raw[index])
                except Unreadable:
                    continue
