"""A booted machine with a memory manager, and ring-3 code in a process without a thread.

The #PF gate is this file's own: it asks `access_fault` and keeps to the manager's contract on
the TLB, with `invlpg` for each page and nothing more.
"""

from __future__ import annotations

from keystone import KS_ARCH_X86, KS_MODE_32, Ks

from ntgate.boot.boot import BootedSystem, boot
from ntgate.executive.mm.allocate import allocate
from ntgate.executive.mm.execute import first_fetch
from ntgate.executive.mm.fault import access_fault, user_memory
from ntgate.executive.mm.manager import MemoryManager
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.pool import Pool
from ntgate.layout import machine as m
from ntgate.layout.mm import MEM_COMMIT, MEM_RESERVE
from ntgate.layout.ps import EPROCESS
from ntgate.memory.user import UserMemory

PORT = 0xE9
NOWHERE = 0x0000_D000  # user code ends by touching it
PAGES = 0x8000         # 128 MB: 64 MB behind the direct map

HANDLER = """
        push    eax
        push    ecx
        mov     eax, [esp+8]
        out     0xe9, eax
next:   mov     ecx, [{stale}]
        jecxz   done
        invlpg  [ecx]
        mov     eax, -1
        out     0xe9, eax
        jmp     next
done:   pop     ecx
        pop     eax
        add     esp, 4
        iretd
"""
ENTER = "push 0x23; push 0; push 2; push 0x1b; push eax; iretd"
NEXT_STALE = 0xFFFFFFFF
MOST_INSTRUCTIONS = 1_000_000  # a net under code that never ends


def assemble(text: str, address: int = 0) -> bytes:
    encoded, _count = Ks(KS_ARCH_X86, KS_MODE_32).asm(text, address)
    return bytes(encoded)


class MmMachine:
    """`manager`, and processes by `process()`."""

    def __init__(self, commit_limit: int = 0x40000) -> None:
        self.booted: BootedSystem = boot(pages=PAGES)
        memory = self.booted.memory
        self.cpu = self.booted.cpu
        self.kernel = memory.kernel
        self.pool = Pool(memory.kernel, m.NONPAGED_POOL, m.NONPAGED_POOL_END)
        self.manager = MemoryManager(
            self.cpu, memory.kernel, memory.frames, self.pool, memory.space,
            commit_limit=commit_limit,
        )  # fmt: skip

    def process(self) -> ProcessSpace:
        return self.manager.create_space(
            EPROCESS(self.kernel, self.pool.allocate(EPROCESS.SIZE, b"Proc"))
        )

    def commit(self, space: ProcessSpace, size: int = 0x1000, protect: int = 0x04) -> int:
        return allocate(space, 0, size, MEM_RESERVE | MEM_COMMIT, protect)[0]


class Guest:
    """Runs ring-3 code in `space`, one piece after the other."""

    def __init__(self, machine: MmMachine, space: ProcessSpace) -> None:
        self.machine, self.space, self.cpu = machine, space, machine.cpu
        self.memory: UserMemory = user_memory(space)
        self.teb = 0
        self.status = 0
        self.fault = 0  # the address that no access was allowed to
        self.faults: list[tuple[int, int]] = []
        self._pending: list[int] = []
        kernel, pool = machine.kernel, machine.pool
        self._stale = pool.allocate(4, b"Test")
        self._stack = pool.allocate(0x800, b"Test") + 0x800
        code = assemble(HANDLER.format(stale=self._stale))
        self._handler = pool.allocate(len(code), b"Test")
        self.cpu.write_physical(kernel.physical(self._handler), code)
        self._entry = pool.allocate(0x40, b"Test")
        self.cpu.write_physical(kernel.physical(self._entry), assemble(ENTER))
        for place in (self._handler, self._entry):
            machine.booted.memory.allow_execution(place, 0x40, self.cpu.ran)
        kernel.set_u32(m.TSS + 4, self._stack)
        kernel.set_u16(m.IDT + 8 * 14, self._handler & 0xFFFF)
        kernel.set_u16(m.IDT + 8 * 14 + 6, self._handler >> 16)
        self.cpu.host_port = PORT
        self.cpu.host_call = self._host_call
        self.cpu.first_fetch = lambda linear: first_fetch(space, linear)
        self.cpu.registers.write("cr3", space.tables.pdpt)

    def _host_call(self, value: int) -> bool:
        if value != NEXT_STALE:
            address = self.cpu.registers.read("cr2")
            self.faults.append((address, value))
            self.status = access_fault(self.space, address, value, teb=self.teb)
            if self.status:
                self.fault = address
                self.cpu.stop()
        everything, pages = self.machine.manager.take_stale()
        if everything:
            self.cpu.flush_tlb()
        self._pending += pages
        self.machine.kernel.set_u32(self._stale, self._pending.pop(0) if self._pending else 0)
        return True

    def flush_stale(self) -> None:
        """What the reply to a service does."""
        everything, pages = self.machine.manager.take_stale()
        if everything or pages:
            self.cpu.flush_tlb()

    def load(self, text: str, address: int) -> None:
        self.memory.write(address, assemble(text, address))

    def run(self, start: int, **registers: int) -> dict[str, int]:
        """Run from `start` until an access that isn't allowed; the registers then."""
        own = {"eax": start, "esp": self._stack, "eip": self._entry}
        self.faults.clear()
        self.status = self.fault = 0
        for name, value in (registers | own).items():
            self.cpu.registers.write(name, value)
        self.cpu.run(MOST_INSTRUCTIONS)
        return {
            name: self.cpu.registers.read(name)
            for name in ("ebx", "edx", "esi", "edi", "ebp")
        }
