"""Ring-3 code that touches pages: demand zero, copy on write, guards, stacks, NX, the TLB."""

from __future__ import annotations

import pytest
from mm_machine import NOWHERE, Guest, MmMachine, assemble

from ntgate.cpu.mmu import FAULT_FETCH, FAULT_USER, FAULT_WRITE, NO_EXECUTE
from ntgate.executive.mm import pte
from ntgate.executive.mm.allocate import allocate
from ntgate.executive.mm.fault import access_fault, user_memory
from ntgate.executive.mm.free import free
from ntgate.executive.mm.protect import protect
from ntgate.executive.mm.query import query
from ntgate.executive.mm.section import create_section
from ntgate.executive.mm.stack import LEAST_LEFT
from ntgate.executive.mm.view import map_view
from ntgate.executive.mm.write_watch import get_write_watch, reset_write_watch
from ntgate.layout.mm import (
    MEM_COMMIT,
    MEM_DECOMMIT,
    MEM_RELEASE,
    MEM_RESERVE,
    MEM_WRITE_WATCH,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
    PAGE_GUARD,
    PAGE_NOACCESS,
    PAGE_READONLY,
    PAGE_READWRITE,
    PAGE_WRITECOPY,
    SEC_COMMIT,
)
from ntgate.layout.ntstatus import (
    STATUS_ACCESS_VIOLATION,
    STATUS_GUARD_PAGE_VIOLATION,
    STATUS_STACK_OVERFLOW,
    STATUS_SUCCESS,
)

END = f"mov eax, [{NOWHERE}]"
EXECUTE_DISABLE = 1


@pytest.fixture
def machine() -> MmMachine:
    return MmMachine()


@pytest.fixture
def guest(machine: MmMachine) -> Guest:
    return Guest(machine, machine.process())


@pytest.fixture
def code(machine: MmMachine, guest: Guest) -> int:
    return machine.commit(guest.space)


def test_demand_zero_faults_once_for_each_page(
    machine: MmMachine, guest: Guest, code: int
) -> None:
    data = machine.commit(guest.space, 0x3000)
    guest.load(f"mov ebx, [edi]; mov [edi+0x1000], edi; mov edx, [edi+0x1000]; {END}", code)
    registers = guest.run(code, edi=data)
    assert (registers["ebx"], registers["edx"], guest.fault) == (0, data, NOWHERE)
    assert guest.faults == [
        (data, FAULT_USER), (data + 0x1000, FAULT_USER | FAULT_WRITE), (NOWHERE, FAULT_USER),
    ]  # fmt: skip
    assert guest.space.tables.entry(data + 0x2000) == 0


def test_a_valid_entry_is_as_pte_shows_it(machine: MmMachine, guest: Guest) -> None:
    data = machine.commit(guest.space)
    guest.memory.write(data, b"x")
    entry = guest.space.tables.entry(data)
    frame = pte.frame_of(entry)
    # Valid, writable, user, accessed, dirty, the software write bit, NX.
    assert entry == frame << 12 | 0x867 | 1 << 63


def test_what_is_not_committed_faults(machine: MmMachine, guest: Guest, code: int) -> None:
    base, _ = allocate(guest.space, 0, 0x10000, MEM_RESERVE, PAGE_READWRITE)
    allocate(guest.space, base + 0x1000, 0x1000, MEM_COMMIT, PAGE_READWRITE)
    guest.load(f"mov [edi+0x1000], edi; mov [edi+0x2000], edi; {END}", code)
    guest.run(code, edi=base)
    assert (guest.fault, guest.status) == (base + 0x2000, STATUS_ACCESS_VIOLATION)


def test_less_rights_reach_the_tlb(machine: MmMachine, guest: Guest, code: int) -> None:
    data = machine.commit(guest.space, 0x2000)
    guest.load(f"mov [edi], edi; mov [edi+0x1000], edi; {END}", code)
    guest.run(code, edi=data)
    assert guest.fault == NOWHERE
    protect(guest.space, data, 0x1000, PAGE_READONLY)
    assert machine.manager.stale_pages == [data]
    guest.flush_stale()
    guest.run(code, edi=data)
    assert (guest.fault, guest.status) == (data, STATUS_ACCESS_VIOLATION)
    protect(guest.space, data, 0x1000, PAGE_READWRITE)
    assert machine.manager.take_stale() == (False, [])  # more rights need nothing
    free(guest.space, data + 0x1000, 0x1000, MEM_DECOMMIT)
    guest.flush_stale()
    guest.run(code, edi=data)
    assert guest.fault == data + 0x1000


@pytest.mark.parametrize("protection", [PAGE_NOACCESS, PAGE_READONLY | PAGE_GUARD])
def test_a_page_out_of_reach_keeps_its_contents(
    machine: MmMachine, guest: Guest, protection: int
) -> None:
    data = machine.commit(guest.space)
    guest.memory.write(data, b"kept")
    protect(guest.space, data, 0x1000, protection)
    assert not guest.space.tables.entry(data) & pte.VALID
    assert access_fault(guest.space, data, FAULT_USER) != STATUS_SUCCESS
    protect(guest.space, data, 0x1000, PAGE_READWRITE)
    assert guest.memory.read(data, 4) == b"kept"


def test_a_guard_page_is_told_once(machine: MmMachine, guest: Guest, code: int) -> None:
    data = machine.commit(guest.space, 0x1000, PAGE_READWRITE | PAGE_GUARD)
    assert query(guest.space, data).Protect == PAGE_READWRITE | PAGE_GUARD
    guest.load(f"mov [edi], edi; {END}", code)
    guest.run(code, edi=data)
    assert (guest.fault, guest.status) == (data, STATUS_GUARD_PAGE_VIOLATION)
    assert query(guest.space, data).Protect == PAGE_READWRITE
    guest.run(code, edi=data)
    assert guest.fault == NOWHERE


class Stack:
    """64 KB of stack with 8 KB committed and a guard below, and a TEB that says so."""

    SIZE = 0x10000

    def __init__(self, machine: MmMachine, guest: Guest) -> None:
        space = guest.space
        self.bottom, _ = allocate(space, 0, self.SIZE, MEM_RESERVE, PAGE_READWRITE)
        self.top = self.bottom + self.SIZE
        allocate(space, self.top - 0x2000, 0x2000, MEM_COMMIT, PAGE_READWRITE)
        allocate(space, self.top - 0x3000, 0x1000, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD)
        guest.teb = self.teb = machine.commit(space)
        self.memory = guest.memory
        self.memory.set_u32(self.teb + 4, self.top)
        self.memory.set_u32(self.teb + 8, self.top - 0x2000)
        self.memory.set_u32(self.teb + 0xE0C, self.bottom)

    @property
    def limit(self) -> int:
        return self.memory.u32(self.teb + 8)


def test_a_stack_grows_page_by_page(machine: MmMachine, guest: Guest, code: int) -> None:
    stack = Stack(machine, guest)
    guest.load(f"mov ecx, 0x1800; mov esp, ebx; again: push ecx; loop again; {END}", code)
    guest.run(code, ebx=stack.top)
    assert guest.fault == NOWHERE
    assert stack.limit == stack.top - 0x6000
    guard = query(guest.space, stack.limit - 0x1000)
    assert (guard.RegionSize, guard.Protect) == (0x1000, PAGE_READWRITE | PAGE_GUARD)
    assert query(guest.space, stack.bottom).RegionSize == 0x10000 - 0x7000


def test_a_stack_ends_in_an_overflow(machine: MmMachine, guest: Guest, code: int) -> None:
    stack = Stack(machine, guest)
    guest.load("mov esp, ebx; again: push ecx; jmp again", code)
    guest.run(code, ebx=stack.top)
    assert guest.status == STATUS_STACK_OVERFLOW
    assert guest.fault & ~0xFFF == stack.bottom + LEAST_LEFT
    assert stack.limit == stack.bottom + 0x1000
    assert query(guest.space, stack.bottom).RegionSize == 0x1000  # never committed
    assert access_fault(guest.space, guest.fault, FAULT_WRITE, teb=stack.teb) == STATUS_SUCCESS


def test_what_the_handler_was_promised_is_there(machine: MmMachine, guest: Guest) -> None:
    stack = Stack(machine, guest)
    guest.memory.set_u32(stack.teb + 0xF78, 0x6000)  # SetThreadStackGuarantee
    page = stack.top - 0x3000
    while not (status := access_fault(guest.space, page, FAULT_WRITE, teb=stack.teb)):
        page -= 0x1000
    assert (status, page) == (STATUS_STACK_OVERFLOW, stack.bottom + 0x6000)
    assert stack.limit == stack.bottom + 0x1000
    assert query(guest.space, stack.limit).RegionSize == stack.SIZE - 0x1000


def test_another_threads_guard_is_a_guard(machine: MmMachine, guest: Guest) -> None:
    stack = Stack(machine, guest)
    other = machine.commit(guest.space, 0x1000, PAGE_READWRITE | PAGE_GUARD)
    status = access_fault(guest.space, other, FAULT_WRITE, teb=stack.teb)
    assert status == STATUS_GUARD_PAGE_VIOLATION
    assert access_fault(guest.space, stack.top - 0x3000, 0) == STATUS_GUARD_PAGE_VIOLATION


def test_a_page_runs_and_then_stores_to_it_are_seen(
    machine: MmMachine, guest: Guest, code: int
) -> None:
    data = machine.commit(guest.space, 0x1000, PAGE_READWRITE)
    guest.memory.write(data, assemble("mov ebx, 1; ret"))
    guest.load(f"mov esp, esi; call edi; mov [edi+1], esi; call edi; {END}", code)
    stack = machine.commit(guest.space) + 0x800
    frame = pte.frame_of(guest.space.tables.entry(data))
    assert frame not in machine.cpu.ran
    assert guest.run(code, edi=data, esi=stack)["ebx"] == stack
    assert frame in machine.cpu.ran
    assert not guest.space.tables.entry(data) & NO_EXECUTE


def test_a_process_that_opted_in_runs_only_what_may_run(
    machine: MmMachine, guest: Guest, code: int
) -> None:
    protect(guest.space, code, 0x1000, PAGE_EXECUTE_READWRITE)
    guest.space.process.Pcb.ExecuteOptions = EXECUTE_DISABLE
    data = machine.commit(guest.space)
    guest.memory.write(data, assemble("mov ebx, 1; ret"))
    stack = machine.commit(guest.space) + 0x800
    guest.load(f"mov esp, esi; call edi; {END}", code)
    guest.run(code, edi=data, esi=stack)
    assert (guest.fault, guest.status) == (data, STATUS_ACCESS_VIOLATION)
    assert guest.faults[-1][1] & FAULT_FETCH
    protect(guest.space, data, 0x1000, PAGE_EXECUTE_READ)
    assert guest.run(code, edi=data, esi=stack)["ebx"] == 1
    writer = code + 0x100
    guest.load("mov esp, esi; mov [edi+1], edx; call edi", writer)
    for value in range(2, 10):
        protect(guest.space, data, 0x1000, PAGE_READWRITE)
        guest.flush_stale()
        guest.run(writer, edi=data, esi=stack, edx=value)
        assert (guest.fault, guest.status) == (data, STATUS_ACCESS_VIOLATION)
        protect(guest.space, data, 0x1000, PAGE_EXECUTE_READ)
        assert guest.run(code, edi=data, esi=stack)["ebx"] == value


def test_shared_user_data_is_read_only_and_never_runs(guest: Guest, code: int) -> None:
    guest.load(f"mov ebx, [0x7ffe0300]; {END}", code)
    assert guest.run(code)["ebx"] == 0x7C92E4F0
    for text, address in (
        ("mov [0x7ffe0000], eax", 0x7FFE0000),
        ("mov edi, 0x7ffe0300; jmp edi", 0x7FFE0300),
        ("mov eax, [0x7ffe1000]", 0x7FFE1000),
    ):
        guest.load(f"{text}; {END}", code)
        guest.run(code)
        assert (guest.fault, guest.status) == (address, STATUS_ACCESS_VIOLATION)


def test_a_frame_that_runs_in_one_view_is_watched_in_all(machine: MmMachine) -> None:
    one, other = machine.process(), machine.process()
    section = create_section(
        machine.manager, PAGE_EXECUTE_READWRITE, SEC_COMMIT, size=0x1000
    )
    run_at = map_view(one, section, PAGE_EXECUTE_READWRITE).base
    write_at = map_view(one, section, PAGE_READWRITE).base
    far = map_view(other, section, PAGE_READWRITE).base
    user_memory(other).write(far, assemble("mov ebx, 1; ret"))
    guest = Guest(machine, one)
    code, stack = machine.commit(one), machine.commit(one) + 0x800
    # The alias is in the TLB as data before its frame runs.
    guest.load(
        "mov esp, esi; mov ecx, [edx]; mov [edx], ecx; xor ebp, ebp; mov ecx, 100;"
        "again: mov [edx+1], ecx; call edi; add ebp, ebx; loop again;"
        f"{END}", code,
    )  # fmt: skip
    total = guest.run(code, edi=run_at, edx=write_at, esi=stack)["ebp"]
    assert total == sum(range(101))
    for space, address in ((one, run_at), (one, write_at), (other, far)):
        assert not space.tables.entry(address) & NO_EXECUTE


def test_copy_on_write_of_code_that_runs(machine: MmMachine) -> None:
    space = machine.process()
    section = create_section(
        machine.manager, PAGE_EXECUTE_READWRITE, SEC_COMMIT, size=0x1000
    )
    original = map_view(space, section, PAGE_READWRITE).base
    copy = map_view(space, section, PAGE_WRITECOPY).base
    guest = Guest(machine, space)
    guest.memory.write(original, assemble("mov ebx, 1; ret"))
    code, stack = machine.commit(space), machine.commit(space) + 0x800
    guest.load(f"mov esp, esi; call edi; mov dword ptr [edi+1], 7; call edi; {END}", code)
    assert guest.run(code, edi=copy, esi=stack)["ebx"] == 7
    assert guest.memory.u32(original + 1) == 1
    assert query(space, copy).Protect == PAGE_READWRITE
    assert query(space, copy).AllocationProtect == PAGE_WRITECOPY


def test_a_copy_made_by_a_service_reaches_the_tlb(machine: MmMachine) -> None:
    space = machine.process()
    section = create_section(machine.manager, PAGE_READWRITE, SEC_COMMIT, size=0x1000)
    copied = map_view(space, section, PAGE_WRITECOPY).base
    guest = Guest(machine, space)
    code = machine.commit(space)
    guest.load(f"mov ebx, [edi]; {END}", code)
    assert guest.run(code, edi=copied)["ebx"] == 0
    guest.memory.set_u32(copied, 0x1234)
    assert machine.manager.stale_pages == [copied]
    guest.flush_stale()
    assert guest.run(code, edi=copied)["ebx"] == 0x1234


def test_write_watch_sees_the_guests_and_the_kernels_writes(
    machine: MmMachine, guest: Guest, code: int
) -> None:
    space = guest.space
    base, size = allocate(
        space, 0, 0x8000, MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH, PAGE_READWRITE
    )
    guest.load(f"mov eax, [edi+0x1000]; mov [edi+0x2000], eax; mov [edi+0x1000], eax; {END}", code)
    guest.run(code, edi=base)
    guest.memory.write(base + 0x5FFF, b"ab")
    written = [base + page for page in (0x1000, 0x2000, 0x5000, 0x6000)]
    assert get_write_watch(space, base, size, 64) == written
    protect(space, base, size, PAGE_READONLY)
    protect(space, base + 0x5000, 0x1000, PAGE_NOACCESS)
    assert get_write_watch(space, base, size, 2, reset=True) == written[:2]
    assert get_write_watch(space, base, size, 64) == written[2:]
    protect(space, base, size, PAGE_READWRITE)
    guest.flush_stale()
    guest.run(code, edi=base)
    assert get_write_watch(space, base, size, 64) == written
    reset_write_watch(space, base, size)
    guest.flush_stale()
    assert get_write_watch(space, base, size, 64) == []
    guest.memory.read(base + 0x6000, 1)
    guest.run(code, edi=base)
    assert get_write_watch(space, base, size, 64) == written[:2]


def test_a_released_frame_that_ran_runs_anew(machine: MmMachine, guest: Guest) -> None:
    """A frame waits for a flush of the translations before it holds something else."""
    code, stack = machine.commit(guest.space), machine.commit(guest.space) + 0x800
    guest.load(f"mov esp, esi; call edi; {END}", code)
    for value in range(5):
        data = machine.commit(guest.space)
        guest.memory.write(data, assemble(f"mov ebx, {value}; ret"))
        assert guest.run(code, edi=data, esi=stack)["ebx"] == value
        free(guest.space, data, 0, MEM_RELEASE)
        guest.flush_stale()


def test_pool_runs_in_ring_0_alone(machine: MmMachine, guest: Guest, code: int) -> None:
    while True:  # on a page of its own
        block = machine.pool.allocate(0x40, b"Test")
        if block & 0xFFF < 0x40:
            break
    frame = machine.kernel.physical(block) >> 12
    routine = assemble(f"mov ebx, 5; mov eax, [{NOWHERE}]", block)
    machine.cpu.write_physical(frame << 12 | block & 0xFFF, routine)
    guest.load("jmp edi", code)
    guest.run(code, edi=block)
    assert (guest.fault, guest.status) == (block, STATUS_ACCESS_VIOLATION)
    assert frame not in machine.cpu.ran
    machine.cpu.registers.write("eip", block)  # the handler has left the processor in ring 0
    machine.cpu.run(2)
    assert machine.cpu.registers.read("ebx") == 5
    assert frame in machine.cpu.ran
