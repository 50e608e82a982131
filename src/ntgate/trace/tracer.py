"""The observer of a machine's calls: from dispatcher and processor to the writers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ntgate.dispatch.service import SERVICES
from ntgate.dispatch.tables import ServiceNumber
from ntgate.layout.ke import KTRAP_FRAME
from ntgate.memory.user import AccessViolation
from ntgate.trace.decode import Decoder, Word
from ntgate.trace.filters import Filter, Injection
from ntgate.trace.record import CallRecord

# Where a stub's gate instruction is, from ntdll's base: KiFastSystemCall, KiIntSystemCall.
STUB_GATES = (0xE4F2, 0xE504)
INT_2E, MOST_STACK = b"\xcd\x2e", 32


class Writer(Protocol):
    """Where finished calls and events go."""

    def call(self, record: CallRecord) -> None: ...

    def event(self, pid: int, tid: int, name: str, fields: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


class Modules:
    """The images of each process, for `module+offset`."""

    def __init__(self) -> None:
        self._loaded: dict[int, list[tuple[int, int, str]]] = {}

    def load(self, pid: int, base: int, size: int, name: str) -> None:
        self._loaded.setdefault(pid, []).append((base, base + size, name.rpartition(".")[0]))

    def unload(self, pid: int, base: int) -> None:
        self._loaded[pid] = [row for row in self._loaded.get(pid, []) if row[0] != base]

    def place(self, pid: int, address: int) -> str:
        """`ntdll+0xdf6c`; the bare address outside of every image."""
        for base, end, name in self._loaded.get(pid, ()):
            if base <= address < end:
                return f"{name}+{address - base:#x}"
        return f"{address:#x}"


class Tracer:
    """Implements dispatch.dispatcher.Observer.

    clock: the virtual time in 100 ns units.  with_stack: walk the ebp chain of each call.
    """

    def __init__(
        self,
        writer: Writer,
        clock: Callable[[], int],
        *,
        shown: Filter | None = None,
        injections: Iterable[Injection] = (),
        decoder: Decoder | None = None,
        with_stack: bool = False,
    ) -> None:
        self.writer = writer
        self.clock = clock
        self.shown = shown
        self.injections = list(injections)
        self.decoder = decoder or Decoder()
        self.with_stack = with_stack
        self.modules = Modules()
        self._seq = 0
        self._gates: dict[int, int] = {}  # where each thread's last sysenter was
        self._open: dict[int, list[tuple[CallRecord, list[int]]]] = {}

    def sysenter(self, thread: int, eip: int) -> None:
        """The thread, an ETHREAD's address, is at a sysenter at `eip`."""
        self._gates[thread] = eip

    def enter(self, caller: Any, number: ServiceNumber, raw: list[int]) -> int | None:
        answer = None
        for injection in self.injections:
            if injection.name == number.name and injection.applies():
                answer = injection.status
        service = SERVICES.get(number.name)
        if service is not None and service.number is number:
            arguments = self.decoder.inputs(service, raw, caller.memory)
        else:
            arguments = {f"a{i}": Word(f"{word:#x}") for i, word in enumerate(raw)}
        frame = KTRAP_FRAME(caller.executive.kernel, caller.frame)
        self._seq += 1
        record = CallRecord(
            self._seq, caller.pid, caller.tid, number.name, number.number, "", "", False, "",
            arguments, self.clock(), injected=answer is not None,
        )  # fmt: skip
        if frame.SegCs & 1:
            self._place(caller, frame, record)
        self._open.setdefault(caller.ethread.address, []).append((record, raw))
        return answer

    def leave(self, caller: Any, number: ServiceNumber, status: int | None) -> None:
        calls = self._open.get(caller.ethread.address)
        if not calls:
            return
        record, raw = calls.pop()
        record.status = status
        service = SERVICES.get(number.name)
        if service is not None and status is not None and not record.injected:
            self.decoder.complete(service, record.args, raw, caller.memory)
            record.out = self.decoder.outputs(service, raw, caller.memory, status)
        if self.shown is None or self.shown.shows(number.name):
            self.writer.call(record)

    def close(self) -> None:
        """Write the calls that never returned, and end the output."""
        left = [record for calls in self._open.values() for record, _raw in calls]
        for record in sorted(left, key=lambda record: record.seq):
            if self.shown is None or self.shown.shows(record.service):
                self.writer.call(record)
        self.writer.close()

    def _place(self, caller: Any, frame: KTRAP_FRAME, record: CallRecord) -> None:
        pid, memory = caller.pid, caller.memory
        # An interrupt's frame has the address behind the instruction, a sysenter's has not.
        eip = frame.Eip - 2
        try:
            by_interrupt = memory.read(eip, 2) == INT_2E
        except AccessViolation:
            by_interrupt = False
        record.gate = "int2e" if by_interrupt else "sysenter"
        if not by_interrupt:
            eip = self._gates.get(caller.ethread.address, eip)
        record.gate_at = self.modules.place(pid, eip)
        record.direct = record.gate_at not in [f"ntdll+{offset:#x}" for offset in STUB_GATES]
        # A stub has its own return address below the one of its caller.
        slot = frame.HardwareEsp + (0 if record.direct else 4)
        try:
            record.caller = self.modules.place(pid, memory.u32(slot))
        except AccessViolation:
            record.caller = ""
        if self.with_stack:
            record.stack = self._stack(caller, frame.Ebp)

    def _stack(self, caller: Any, ebp: int) -> list[str]:
        places: list[str] = []
        memory, below = caller.memory, 0
        while ebp > below and len(places) < MOST_STACK:
            below = ebp
            try:
                ebp, address = memory.u32(ebp), memory.u32(ebp + 4)
            except AccessViolation:
                break
            places.append(self.modules.place(caller.pid, address))
        return places
