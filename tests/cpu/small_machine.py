"""A bare machine for tests of the processor: PAE tables, a GDT, a TSS and an IDT of XP's shape.

Every gate leads to a stub that reports to the host through a port and returns by iretd, so
that a test sees each event with the frame that the processor has pushed, and may edit it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ntgate.cpu import mmu
from ntgate.cpu.delivery import WITH_ERROR_CODE
from ntgate.cpu.descriptors import (
    FLAT_CODE,
    FLAT_DATA,
    INTERRUPT_GATE,
    gate_descriptor,
    segment_descriptor,
)
from ntgate.cpu.processor import Processor
from ntgate.cpu.ram import PAGE_SIZE, PhysicalMemory
from ntgate.cpu.unicorn_abi import x86
from ntgate.image.assembler import assemble

PDPT, DIRECTORIES = 0x1000, 0x2000
GDT, IDT, TSS = 0x80010000, 0x80011000, 0x80012000
STUBS, KERNEL = 0x80020000, 0x80030000
STACK0, SYSENTER_STACK = 0x80050000, 0x80058000  # tops
USER, DATA, STACK3 = 0x00400000, 0x00500000, 0x00608000
STUB_SIZE = 0x20
EVENT_PORT = 0xE9
CR4 = 1 << 5 | 1 << 9  # PAE, OSFXSR
END = 0xFE  # vector of the `int` that ends a program

R0_CODE, R0_DATA, R3_CODE, R3_DATA, TSS_SELECTOR = 0x08, 0x10, 0x1B, 0x23, 0x28
TIMEOUT_US = 5_000_000  # a net under programs that never end

SUPERVISOR = mmu.PRESENT | mmu.WRITABLE
ANYONE = SUPERVISOR | mmu.USER


@dataclass(frozen=True)
class Event:
    """What the stub of `vector` found on its stack; esp and ss only from ring 3."""

    vector: int
    error: int | None
    eip: int
    cs: int
    eflags: int
    esp: int
    ss: int
    frame: int  # linear address of the saved eip


class SmallMachine:
    """`on_event` sees every event but END, which stops; it may stop the run or edit the frame."""

    def __init__(self, *, has_sep: bool = True) -> None:
        self.cpu = Processor(PhysicalMemory(0x200), has_sep=has_sep)
        self.ram = self.cpu.ram
        self.next_frame = 0x100
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = lambda _event: self.cpu.stop()
        self.symbols: dict[str, int] = {}
        for i in range(4):
            self.ram.qwords[(PDPT >> 3) + i] = DIRECTORIES + i * PAGE_SIZE | mmu.PRESENT
        for page in range(0, 0x60000, PAGE_SIZE):
            self.map(0x80000000 + page, frame=0x20 + (page >> 12), rights=SUPERVISOR)
        for first, size, rights in (
            (USER, 0x4000, ANYONE), (DATA, 0x4000, ANYONE), (STACK3 - 0x4000, 0x4000, ANYONE),
        ):  # fmt: skip
            for page in range(first, first + size, PAGE_SIZE):
                self.map(page, rights=rights)
        self._tables()
        self._stubs()
        self._registers(has_sep)
        self.cpu.host_port = EVENT_PORT
        self.cpu.host_call = self._event

    # Memory.

    def map(self, linear: int, frame: int | None = None, rights: int = ANYONE) -> int:
        """Map a page; returns its frame."""
        if frame is None:
            frame = self.next_frame
            self.next_frame += 1
        directory = (DIRECTORIES + (linear >> 30) * PAGE_SIZE >> 3) + (linear >> 21 & 0x1FF)
        if not self.ram.qwords[directory] & mmu.PRESENT:
            self.ram.qwords[directory] = self.next_frame << 12 | ANYONE
            self.next_frame += 1
        self.set_entry(linear, frame << 12 | rights)
        return frame

    def entry_index(self, linear: int) -> int:
        directory = (DIRECTORIES + (linear >> 30) * PAGE_SIZE >> 3) + (linear >> 21 & 0x1FF)
        table = self.ram.qwords[directory] & mmu.FRAME_MASK
        return int((table >> 3) + (linear >> 12 & 0x1FF))

    def set_entry(self, linear: int, value: int) -> None:
        self.ram.qwords[self.entry_index(linear)] = value

    def physical(self, linear: int) -> int:
        return mmu.translate(self.ram.qwords, PDPT, linear)

    def write(self, linear: int, data: bytes) -> None:
        while data:
            part = min(len(data), PAGE_SIZE - (linear & 0xFFF))
            start = self.physical(linear)
            self.ram.bytes[start : start + part] = data[:part]
            linear, data = linear + part, data[part:]

    def read(self, linear: int, size: int) -> bytes:
        out = b""
        while size:
            part = min(size, PAGE_SIZE - (linear & 0xFFF))
            start = self.physical(linear)
            out += bytes(self.ram.bytes[start : start + part])
            linear, size = linear + part, size - part
        return out

    def u32(self, linear: int) -> int:
        return int.from_bytes(self.read(linear, 4), "little")

    def set_u32(self, linear: int, value: int) -> None:
        self.write(linear, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    # Tables and stubs.

    def descriptor(self, selector: int, value: int) -> None:
        self.write(GDT + (selector & 0xFFF8), value.to_bytes(8, "little"))

    def gate(self, vector: int, value: int) -> None:
        self.write(IDT + 8 * vector, value.to_bytes(8, "little"))

    def stub(self, vector: int) -> int:
        return STUBS + vector * STUB_SIZE

    def _tables(self) -> None:
        self.descriptor(R0_CODE, segment_descriptor(0, 0xFFFFF, 0x9B))
        self.descriptor(R0_DATA, segment_descriptor(0, 0xFFFFF, 0x93))
        self.descriptor(R3_CODE, segment_descriptor(0, 0xFFFFF, 0xFB))
        self.descriptor(R3_DATA, segment_descriptor(0, 0xFFFFF, 0xF3))
        self.descriptor(TSS_SELECTOR, segment_descriptor(TSS, 0x20AB, 0x8B, flags=0))
        self.set_u32(TSS + 4, STACK0)
        self.set_u32(TSS + 8, R0_DATA)
        self.set_u32(TSS + 0x1C, PDPT)
        self.set_u32(TSS + 0x64, 0x20AC << 16)  # no I/O map
        gates = b""
        for vector in range(0x100):
            dpl = 3 if vector in (3, 4, 0x2E, END) else 0
            gate = gate_descriptor(R0_CODE, self.stub(vector), INTERRUPT_GATE, dpl)
            gates += gate.to_bytes(8, "little")
        self.write(IDT, gates)

    def _stubs(self) -> None:
        """[push 0] / push VECTOR / push eax / mov eax,esp / out PORT,eax / pop eax / return

        A jump stands behind the `out`: there a stop takes effect, as uncounted runs look for one
        between translation blocks.
        """
        stubs = b""
        for vector in range(0x100):
            code = b"" if vector in WITH_ERROR_CODE else b"\x6a\x00"
            code += b"\x68" + vector.to_bytes(4, "little")
            code += b"\x50\x8b\xc4\xe7" + bytes([EVENT_PORT]) + b"\xeb\x00"
            code += b"\x58\x83\xc4\x08\xcf"
            stubs += code.ljust(STUB_SIZE, b"\xcc")
        self.write(STUBS, stubs)

    def _registers(self, has_sep: bool) -> None:
        registers = self.cpu.registers
        registers.write_msr(0xC0000080, 0x800)
        registers.write("cr4", CR4)
        registers.write("cr3", PDPT)
        registers.write("cr0", 0x8001_0033)
        registers.write_structured(x86.UC_X86_REG_GDTR, 0, GDT, 0x3FF)
        registers.write_structured(x86.UC_X86_REG_IDTR, 0, IDT, 0x7FF)
        registers.write_structured(x86.UC_X86_REG_TR, TSS_SELECTOR, TSS, 0x20AB, 0x8B00)
        for name, selector in (
            ("cs", R0_CODE), ("ss", R0_DATA), ("ds", R3_DATA), ("es", R3_DATA), ("fs", R3_DATA),
        ):  # fmt: skip
            registers.write(name, selector)
        if has_sep:
            registers.write_msr(0x174, R0_CODE)
            registers.write_msr(0x175, SYSENTER_STACK)
        registers.write("esp", STACK0)
        registers.write("efl", 2)

    def _event(self, stack: int) -> bool:
        if self.cpu.cpl == 3:
            return False
        saved = [self.u32(stack + 4 * i) for i in range(8)]
        _eax, vector, error, eip, cs, eflags, esp, ss = saved
        found = error if vector in WITH_ERROR_CODE else None
        from_ring3 = cs & 3 == 3
        event = Event(
            vector, found, eip, cs & 0xFFFF, eflags,
            esp if from_ring3 else 0, ss & 0xFFFF if from_ring3 else 0, stack + 12,
        )  # fmt: skip
        if vector == END:
            self.cpu.stop()
            return True
        self.events.append(event)
        self.on_event(event)
        return True

    # Programs.

    def load(self, text: str) -> dict[str, int]:
        """Assemble a program of `;@org` chunks into memory; returns its public symbols."""
        assembled = assemble({"test": text}, {})
        for address, code in assembled.pieces.items():
            self.write(address, code)
        self.cpu.flush_code()
        self.symbols |= assembled.symbols
        return assembled.symbols

    def start(self, eip: int, *, ring: int = 3, eflags: int = 0x202, **registers: int) -> None:
        """Stand at `eip`, as an iretd of the kernel leaves it."""
        esp = registers.pop("esp", STACK3 if ring == 3 else STACK0 - 0x100)
        frame = (eip, R3_CODE if ring == 3 else R0_CODE, eflags, esp, R3_DATA)
        at = STACK0 - 0x40
        for i, value in enumerate(frame if ring == 3 else frame[:3]):
            self.set_u32(at + 4 * i, value)
        self.write(KERNEL + 0xFF0, b"\xcf")
        cpu = self.cpu
        cpu.flush_code()
        for name, value in registers.items():
            cpu.registers.write(name, value)
        context = cpu.context.save(cpu.engine)
        cpu.delivery.load(context, 1, R0_CODE, FLAT_CODE)
        cpu.delivery.load(context, 2, R0_DATA, FLAT_DATA)
        cpu.delivery.update_hflags(context, 0)
        cpu.restore()
        cpu.registers.write("efl", 2)
        cpu.registers.write("esp", at)
        cpu.registers.write("eip", KERNEL + 0xFF0)
        cpu.step()
        if ring == 0:
            cpu.registers.write("esp", esp)

    def run(self, instructions: int = 10_000) -> bool:
        return self.cpu.run(instructions, TIMEOUT_US)

    def run_program(self, text: str, *, ring: int = 3, **registers: int) -> list[Event]:
        """Run code that stands at USER (or KERNEL) until `int 0FEh`; returns its events."""
        start = USER if ring == 3 else KERNEL
        self.load(f";@org {start:x}h\nStart:\n{text}\n int {END}\n")
        self.events.clear()
        self.start(start, ring=ring, **registers)
        self.run()
        return self.events

    def register(self, name: str) -> int:
        return self.cpu.registers.read(name)

    def skip(self, event: Event, length: int) -> None:
        """Return behind an instruction that faulted."""
        self.set_u32(event.frame, event.eip + length)
