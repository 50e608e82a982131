"""A processor that executes nothing: registers, RAM, and events by the architecture's rules."""

from __future__ import annotations

from collections.abc import Callable

from ntgate.cpu.calibration import ContextLayout
from ntgate.cpu.delivery import IF, Delivery
from ntgate.cpu.ram import PhysicalMemory
from ntgate.cpu.watchpoints import Watch

# A layout of our own making, in the order that calibration checks for.
LAYOUT = ContextLayout(
    size=4 * 128,
    counter=0,
    general=tuple(range(0, 16, 2)),
    eip=16,
    eflags=18,
    cc_src=22,
    cc_op=26,
    df=27,
    hflags=28,
    segments=tuple(range(30, 66, 6)),
    tr=66,
    gdt=74,
    idt=80,
    cr2=90,
    cr3=92,
    sysenter_cs=94,
    sysenter_esp=96,
    sysenter_eip=98,
    dr0=100,
    dr6=112,
    dr7=114,
    error_code=116,
    exception_is_int=117,
    next_eip=118,
    old_exception=124,
)
_PLACES = {
    **{name: LAYOUT.general[i] for i, name in enumerate("eax ecx edx ebx esp ebp esi edi".split())},
    **{name: LAYOUT.segments[i] for i, name in enumerate("es cs ss ds fs gs".split())},
    **{f"dr{i}": LAYOUT.dr0 + 2 * i for i in (0, 1, 2, 3, 6, 7)},
    "eip": LAYOUT.eip, "cr2": LAYOUT.cr2, "cr3": LAYOUT.cr3,
    "gdtr": LAYOUT.gdt, "gdtl": LAYOUT.gdt + 2, "idtr": LAYOUT.idt, "idtl": LAYOUT.idt + 2,
    "tr": LAYOUT.tr,
}  # fmt: skip
_MSRS = {0x174: LAYOUT.sysenter_cs, 0x175: LAYOUT.sysenter_esp, 0x176: LAYOUT.sysenter_eip}


class FakeRegisters:
    def __init__(self, context: memoryview, delivery: Delivery) -> None:
        self.context = context
        self.delivery = delivery
        self._others = {"cr0": 0, "cr4": 0, "ldtr": 0}
        self._msrs: dict[int, int] = {}

    @property
    def eip(self) -> int:
        return self.read("eip")

    @property
    def eflags(self) -> int:
        return self.delivery.eflags(self.context)

    @property
    def cs(self) -> int:
        return self.read("cs")

    def read(self, name: str) -> int:
        if name in self._others:
            return self._others[name]
        if name == "efl":
            return self.eflags
        return int(self.context[_PLACES[name]])

    def write(self, name: str, value: int) -> None:
        if name in self._others:
            self._others[name] = value
        elif name == "efl":
            self.delivery.set_eflags(self.context, value)
        else:
            self.context[_PLACES[name]] = value & 0xFFFFFFFF

    def read_msr(self, index: int) -> int:
        return int(self.context[_MSRS[index]]) if index in _MSRS else self._msrs.get(index, 0)

    def write_msr(self, index: int, value: int) -> None:
        if index in _MSRS:
            self.context[_MSRS[index]] = value & 0xFFFFFFFF
        else:
            self._msrs[index] = value


class FakeBreakpoints(set[int]):
    """Addresses, and the hits that a test puts there."""

    def __init__(self) -> None:
        super().__init__()
        self.hits: list[int] = []


class FakeWatchpoints:
    def __init__(self) -> None:
        self.debugger: list[Watch] = []
        self.hits: list[Watch] = []

    def renew(self) -> None:
        pass


class FakeProcessor:
    """Implements protocol.Cpu.

    `run` asks `program` for what happens, and counts nothing.  `deliver` is an event in the
    middle of it; `flushes` counts what a real engine would have to translate anew.
    """

    def __init__(self, ram: PhysicalMemory, *, has_sep: bool = True) -> None:
        self.ram = ram
        self.has_sep = has_sep
        self.ran: set[int] = set()
        self.executed = 0
        self.halted = False
        self.context = memoryview(bytearray(LAYOUT.size)).cast("I")
        self.delivery = Delivery(LAYOUT, ram)
        self.registers = FakeRegisters(self.context, self.delivery)
        self.breakpoints = FakeBreakpoints()
        self.watchpoints = FakeWatchpoints()
        self.program: Callable[[], bool] = lambda: True
        self.flushes = 0
        self.host_port = -1
        self.host_call: Callable[[int], bool] = lambda _value: False
        self.first_fetch: Callable[[int], bool] = lambda _linear: False
        self.on_sysenter: Callable[[int], None] | None = None
        self.intercept: Callable[[int], bool] = lambda _vector: False
        self.timestamp: Callable[[], int] = lambda: 0
        self.port_read: Callable[[int, int], int] = lambda _port, size: (1 << 8 * size) - 1
        self.port_write: Callable[[int, int, int], None] = lambda _port, _size, _value: None
        self._is_stopped = False

    @property
    def cpl(self) -> int:
        return self.registers.cs & 3

    @property
    def begun(self) -> int:
        return 0

    def deliver(
        self, vector: int, error: int = 0, *, software: int = 0, external: bool = False
    ) -> None:
        """See Delivery.deliver."""
        self.delivery.deliver(
            self.context, vector, error,
            eflags=self.registers.eflags, software=software, external=external,
        )  # fmt: skip

    def run(self, instructions: int = 0, timeout_us: int = 0, *, exact: bool = True) -> bool:
        self._is_stopped = False
        return self.program() and not self._is_stopped

    def step(self) -> None:
        self.run(1)

    def stop(self) -> None:
        self._is_stopped = True

    def interrupt(self, vector: int) -> bool:
        if not self.registers.eflags & IF:
            return False
        self.deliver(vector, external=True)
        return True

    def raise_exception(self, vector: int, error: int = 0) -> None:
        self.deliver(vector, error)

    def write_physical(self, address: int, data: bytes) -> None:
        self.ram.bytes[address : address + len(data)] = data
        last = address + len(data) - 1 >> 12
        if any(frame in self.ran for frame in range(address >> 12, last + 1)):
            self.flush_code()

    def flush_code(self) -> None:
        self.flushes += 1

    def flush_tlb(self) -> None:
        pass

    def close(self) -> None:
        pass
