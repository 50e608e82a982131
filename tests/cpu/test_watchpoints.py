"""Data breakpoints: the guest's in DR0-DR3 (a #DB), and the debugger's (the run stops)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_machine import ANYONE, DATA, KERNEL, PDPT, STACK3, USER, Event, SmallMachine

from ntgate.cpu.delivery import RF, TF
from ntgate.cpu.watchpoints import READ_WRITE, WRITE, Watch, watches_of

AT = DATA + 0x10
LENGTHS = {1: 0, 2: 1, 4: 3}


def dr7(access: int = WRITE, size: int = 4, slot: int = 0) -> int:
    return 1 << 2 * slot | access << 16 + 4 * slot | LENGTHS[size] << 18 + 4 * slot


@pytest.fixture(autouse=True)
def handler(machine: SmallMachine) -> None:
    machine.on_event = lambda _event: None


def traps(machine: SmallMachine, text: str, *, ring: int = 3, **registers: int) -> list[int]:
    """Offsets behind the instructions that have trapped."""
    registers = {"dr0": AT, "dr7": dr7(), "dr6": 0} | registers
    events = machine.run_program(text, ring=ring, **registers)
    assert {event.vector for event in events} <= {1}
    start = USER if ring == 3 else KERNEL
    return [event.eip - start for event in events]


@pytest.mark.parametrize("ring", [0, 3])
@pytest.mark.parametrize("counted", [True, False])
def test_a_write_traps_behind_the_instruction(
    machine: SmallMachine, ring: int, counted: bool
) -> None:
    start = USER if ring == 3 else KERNEL
    machine.load(f";@org {start:x}h\nStart:\n stc\n mov [{AT}], eax\n mov ecx, 5\n int 0FEh\n")
    machine.start(start, ring=ring, eax=0x1234, dr0=AT, dr7=dr7())
    machine.cpu.run(1000 if counted else 0, 1_000_000)
    (event,) = machine.events
    assert (event.vector, event.eip, event.eflags & (RF | 1)) == (1, start + 1 + 5, 1)
    assert (machine.u32(AT), machine.register("ecx")) == (0x1234, 5)
    assert machine.register("dr6") == 0xFFFF0FF1


@pytest.mark.parametrize(
    ("instruction", "value"),
    [
        (f"mov [{AT}], ebx", 7), (f"inc dword ptr [{AT}]", 11), (f"add [{AT}], ebx", 17),
        (f"xchg [{AT}], ebx", 7), (f"lock xadd [{AT}], ebx", 17), (f"not dword ptr [{AT}]", ~10),
        (f"bts dword ptr [{AT}], 8", 0x10A), (f"mov byte ptr [{AT + 3}], 1", 0x0100000A),
        (f"mov word ptr [{AT - 1}], 1", 0), (f"mov dword ptr [{AT - 3}], -1", 0xFF),
        (f"mov dword ptr [{AT + 3}], -1", 0xFF00000A), (f"mov edi, {AT}\n stosd", 5),
        (f"mov esp, {AT + 4}\n push ebx", 7), (f"mov esp, {AT + 4}\n pushfd", 0x202),
        (f"mov esp, {AT + 4}\n call next\n next:", USER + 10),
        (f"mov esp, {AT + 32}\n pushad", None),
        (f"mov esp, {STACK3 - 8}\n pop dword ptr [{AT}]", 0), (f"movups [{AT}], xmm0", 0),
        (f"movq [{AT - 4}], xmm0", 0), (f"fld1\n fst dword ptr [{AT}]", 0x3F800000),
        (f"fld1\n fstp tbyte ptr [{AT - 8}]", 0x3FFF), (f"cmpxchg [{AT}], ebx", 10),
        (f"mov ecx, 0\n cmpxchg8b [{AT - 4}]", 10), (f"fxsave [{AT - 0x10}]", None),
        (f"fninit\n fnstcw [{AT}]", 0x37F), (f"sgdt [{AT - 2}]", None),
        (f"sete byte ptr [{AT}]", 0),
        (f"mov ecx, {AT - 0x30}\n mov [ecx+ebx*4+14h], ebx", 7),
        (f"mov bp, {AT & 0xFFFF}\n mov ebp, {AT}\n mov [ebp], bl", 7),
    ],
)  # fmt: skip
def test_every_kind_of_write_is_done_once(
    machine: SmallMachine, instruction: str, value: int | None
) -> None:
    machine.set_u32(AT, 10)
    behind = traps(machine, f"{instruction}\n hit:\n nop", eax=5, ebx=7, ecx=0, edx=6)
    assert len(behind) == 1
    assert machine.cpu.ram.bytes[machine.physical(USER + behind[0])] == 0x90
    if value is not None:
        assert machine.u32(AT) == value & 0xFFFFFFFF
    assert machine.register("dr6") & 0xF == 1


@pytest.mark.parametrize(
    "instruction",
    [f"mov eax, [{AT}]", f"cmp [{AT}], ebx", f"mov [{AT + 4}], ebx", f"mov word ptr [{AT - 2}], 1",
     f"mov dword ptr [{AT - 4}], 1", f"lea eax, [{AT}]", f"mov ecx, 0\n mov edi, {AT}\n rep stosd",
     f"prefetchnta [{AT}]", f"mov esi, {AT}\n lodsd", f"push dword ptr [{AT}]"],
)  # fmt: skip
def test_what_is_no_write_there_does_not_trap(machine: SmallMachine, instruction: str) -> None:
    assert traps(machine, instruction, ebx=7) == []


@pytest.mark.parametrize(
    "instruction",
    [f"mov eax, [{AT}]", f"cmp byte ptr [{AT + 3}], 5", f"mov [{AT}], ebx",
     f"mov eax, [{AT - 3}]", f"push dword ptr [{AT}]", f"mov esp, {AT}\n pop eax",
     f"mov esi, {AT}\n lodsb", f"fild dword ptr [{AT}]", f"call dword ptr [{AT}]"],
)  # fmt: skip
def test_reads_trap_where_reads_are_watched(machine: SmallMachine, instruction: str) -> None:
    machine.set_u32(AT, USER + 0x20)
    text = f"{instruction}\n int 0FEh\n .balign 32\n int 0FEh"
    assert len(traps(machine, text, dr7=dr7(READ_WRITE))) == 1


def test_a_string_instruction_traps_behind_the_iteration(machine: SmallMachine) -> None:
    machine.write(DATA + 0x100, bytes(range(32)))
    text = f"mov esi, {DATA + 0x100}\n mov edi, {DATA}\n mov ecx, 8\n .byte 0F3h, 0A5h"
    seen = []
    machine.on_event = lambda event: seen.append(machine.register("ecx"))
    assert traps(machine, text) == [15]
    assert seen == [3]
    assert machine.read(DATA, 32) == bytes(range(32))


def test_both_ends_of_a_move_are_watched(machine: SmallMachine) -> None:
    registers = {"dr1": DATA + 0x100, "dr2": AT, "dr7": dr7() | dr7(READ_WRITE, 4, 1) | 1 << 4}
    text = f"mov esi, {DATA + 0x100}\n mov edi, {AT}\n .byte 0A5h"
    assert traps(machine, text, **registers) == [11]
    assert machine.register("dr6") & 0xF == 3  # slot 2 watches execution


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("slot", range(4))
def test_sizes_and_slots(machine: SmallMachine, size: int, slot: int) -> None:
    text = "".join(f"mov byte ptr [{AT + i}], 1\n" for i in (-1, size, size - 1))
    registers = {"dr0": 0, f"dr{slot}": AT + (size > 1), "dr7": dr7(WRITE, size, slot)}
    assert traps(machine, text, **registers) == [21]
    assert machine.register("dr6") & 0xF == 1 << slot


def test_with_a_single_step_there_is_one_trap(machine: SmallMachine) -> None:
    machine.on_event = lambda event: machine.set_u32(event.frame + 8, 0x202)
    machine.load(f";@org {USER:x}h\nStart:\n mov [{AT}], eax\n nop\n int 0FEh\n")
    machine.start(USER, eflags=0x202 | TF, dr0=AT, dr7=dr7())
    machine.run()
    assert [event.eip for event in machine.events] == [USER + 5]
    assert machine.register("dr6") & 0x400F == 0x4001


def test_only_while_it_is_enabled(machine: SmallMachine) -> None:
    store = f"mov [{AT}], eax"
    assert traps(machine, store) == [5]
    assert traps(machine, store, dr7=dr7() & ~1) == []
    assert traps(machine, store) == [5]
    text = f"{store}\n xor ecx, ecx\n mov dr7, ecx\n {store}"
    assert traps(machine, text, ring=0) == [5]
    assert machine.cpu.watchpoints.armed
    machine.start(USER)
    for _ in range(100):
        machine.cpu.run(1)
    assert not machine.cpu.watchpoints.armed


def test_the_guest_arms_it_in_the_middle_of_a_run(machine: SmallMachine) -> None:
    """By code that was searched for loads of DR0-DR7 when it first ran."""
    text = f"mov eax, {AT}\n mov dr0, eax\n mov eax, {dr7()}\n mov dr7, eax\n mov [{AT}], eax"
    machine.load(f";@org {KERNEL:x}h\nStart:\n{text}\n int 0FEh\n")
    machine.cpu.control_loads.scan(KERNEL)
    for _ in range(2):
        machine.events.clear()
        machine.start(KERNEL, ring=0, dr7=0)
        machine.run()
        assert [event.eip - KERNEL for event in machine.events] == [5 + 3 + 5 + 3 + 5]


def test_a_host_call_may_arm_it(machine: SmallMachine) -> None:
    """KiDebugRegistersLoaded: the kernel says that it has loaded DR0-DR7."""
    def renew(event: Event) -> None:
        if event.vector == 0x2E:
            machine.cpu.watchpoints.renew()

    machine.on_event = renew
    load = f"mov eax, {AT}\n mov dr0, eax\n mov eax, {dr7()}\n mov dr7, eax"
    events = machine.run_program(f"{load}\n int 2Eh\n mov [{AT}], eax", ring=0)
    assert [event.vector for event in events] == [0x2E, 1]


def test_a_page_that_comes_later(machine: SmallMachine) -> None:
    late = 0x700000
    machine.map(late)
    entry = machine.ram.qwords[machine.entry_index(late)]
    machine.set_entry(late, 0)
    machine.cpu.watchpoints.debugger.append(Watch(DATA, 1, WRITE))  # something is watched already

    def bring_in(event: Event) -> None:
        if event.vector == 14:
            machine.set_entry(late, entry)

    machine.on_event = bring_in
    text = f"mov dword ptr [{late + 8}], 5\n nop"
    events = machine.run_program(text, dr0=late + 8, dr7=dr7())
    assert [event.vector for event in events] == [14, 1]


def test_a_page_that_moves(machine: SmallMachine) -> None:
    """Copy on write by a service: the next store goes to another frame."""
    other = machine.map(0x704000)

    def move(event: Event) -> None:
        if event.vector == 0x2E:
            machine.set_entry(DATA, other << 12 | ANYONE)
            machine.cpu.flush_tlb()

    machine.on_event = move
    text = f"mov [{AT}], eax\n int 2Eh\n mov [{AT}], eax"
    events = machine.run_program(text, dr0=AT, dr7=dr7())
    assert [event.vector for event in events] == [1, 0x2E, 1]


def test_another_address_space(machine: SmallMachine) -> None:
    """The address is watched in whichever space is current."""
    other = 0xC0000
    for i in range(4):
        machine.ram.qwords[(other >> 3) + i] = machine.ram.qwords[(PDPT >> 3) + i]
    table = (machine.ram.qwords[machine.ram.qwords[PDPT >> 3] >> 12 << 9 | DATA >> 21]) >> 12 << 12
    directory, copy = 0xC1000, 0xC2000
    source = machine.ram.qwords[PDPT >> 3] >> 12 << 12
    machine.ram.bytes[directory : directory + 0x1000] = machine.ram.bytes[source : source + 0x1000]
    machine.ram.bytes[copy : copy + 0x1000] = machine.ram.bytes[table : table + 0x1000]
    machine.ram.qwords[other >> 3] = directory | 1
    machine.ram.qwords[(directory >> 3) + (DATA >> 21)] = copy | ANYONE
    machine.ram.qwords[(copy >> 3) + (DATA >> 12 & 0x1FF)] = 0x180 << 12 | ANYONE
    machine.load(f"""
;@org {KERNEL:x}h
Start:
    mov eax, {other}
    mov cr3, eax
    mov dword ptr [{AT}], 77h
    int 0FEh
""")
    machine.cpu.control_loads.scan(KERNEL)
    machine.start(KERNEL, ring=0, dr0=AT, dr7=dr7())
    machine.run()
    assert [event.eip - KERNEL for event in machine.events] == [5 + 3 + 10]
    assert machine.ram.dwords[0x180 << 10 | (AT & 0xFFF) >> 2] == 0x77


def test_another_mapping_of_the_frame_does_not_trap(machine: SmallMachine) -> None:
    alias = 0x704000
    machine.map(alias, frame=machine.physical(DATA) >> 12)
    text = f"mov [{alias + 0x10}], ebx\n inc dword ptr [{alias + 0x10}]\n mov [{AT}], ebx"
    assert traps(machine, text) == [6 + 6 + 6]
    assert machine.u32(AT) == machine.register("ebx")


def test_an_access_across_two_pages(machine: SmallMachine) -> None:
    at = DATA + 0x1000
    assert traps(machine, f"mov [{at - 2}], ebx", dr0=at) == [6]
    assert traps(machine, f"mov [{at - 4}], ebx", dr0=at) == []
    assert traps(machine, f"mov [{at - 2}], ebx", dr0=at - 4) == [6]


def test_an_instruction_that_faults_has_not_touched(machine: SmallMachine) -> None:
    absent = 0x700000
    machine.map(absent)
    entry = machine.ram.qwords[machine.entry_index(absent)]
    machine.set_entry(absent, 0)

    def bring_in(event: Event) -> None:
        if event.vector == 14:
            machine.set_entry(absent, entry)

    machine.on_event = bring_in
    text = f"mov esi, {AT}\n mov edi, {absent}\n .byte 0A5h"
    events = machine.run_program(text, dr0=AT, dr7=dr7(READ_WRITE))
    assert [(event.vector, event.eip - USER) for event in events] == [(14, 10), (1, 11)]


def test_the_debuggers_watch_stops_the_run(machine: SmallMachine) -> None:
    watches = [Watch(AT, 4, WRITE), Watch(AT + 0x10, 1, READ_WRITE)]
    machine.cpu.watchpoints.debugger += watches
    text = f"mov [{AT}], ebx\n mov al, [{AT + 0x10}]\n mov eax, [{AT}]\n mov cl, 9"
    machine.load(f";@org {USER:x}h\nStart:\n{text}\n int 0FEh\n")
    machine.start(USER, ebx=3, ecx=0, dr7=0)
    stops = []
    while not machine.run() and machine.cpu.watchpoints.hits:
        stops.append((machine.register("eip") - USER, machine.cpu.watchpoints.hits.copy()))
    assert stops == [(6, watches[:1]), (11, watches[1:])]
    assert (machine.events, machine.register("ecx"), machine.u32(AT)) == ([], 9, 3)
    machine.cpu.watchpoints.debugger.clear()
    machine.start(USER)
    machine.run()
    assert machine.cpu.watchpoints.hits == []


def test_a_watch_across_two_pages(machine: SmallMachine) -> None:
    watch = Watch(DATA + 0xFFE, 4, WRITE)
    machine.cpu.watchpoints.debugger.append(watch)
    for address, hits in ((0xFFD, []), (0xFFE, [watch]), (0x1001, [watch]), (0x1002, [])):
        machine.run_program(f"mov byte ptr [{DATA + address}], 1", dr7=0)
        assert machine.cpu.watchpoints.hits == hits


def test_a_step_onto_a_breakpoint_over_a_watched_store(machine: SmallMachine) -> None:
    machine.cpu.watchpoints.debugger.append(Watch(AT, 4, WRITE))
    machine.load(f";@org {USER:x}h\nStart:\n mov [{AT}], ebx\n nop\n int 0FEh\n")
    machine.cpu.breakpoints.add(USER)
    machine.start(USER, dr7=0)
    machine.cpu.step()
    assert machine.register("eip") == USER + 6
    assert len(machine.cpu.watchpoints.hits) == 1


def test_flags_and_counts_stay_right(machine: SmallMachine) -> None:
    """Each store is broken off and done again; nothing else may show of that."""
    text = f"""
again:
    add edx, edx
    mov [{AT}], edx
    pushfd
    adc ebp, 0
    add [{AT}], edx
    push dword ptr [{AT}]
    lea edx, [edx+ecx*4+12345h]
    loop again
"""
    outcomes = []
    for watched in (False, True):
        machine.cpu.watchpoints.debugger[:] = [Watch(AT, 4, READ_WRITE)] if watched else []
        machine.load(f";@org {USER:x}h\nStart:\n{text}\n int 0FEh\n")
        machine.start(USER, ecx=40, edx=0x9E3779B9, ebp=0, dr7=0)
        executed = 0
        while not machine.run() and machine.cpu.watchpoints.hits:
            executed += machine.cpu.executed
        executed += machine.cpu.executed
        outcomes.append((executed, machine.read(STACK3 - 0x200, 0x200), machine.register("ebp")))
    assert outcomes[0] == outcomes[1]


@given(
    value=st.integers(0, 0xFFFFFFFF),
    addresses=st.tuples(*[st.integers(0, 0xFFFFFFFF)] * 4),
)
def test_dr7_is_taken_apart(value: int, addresses: tuple[int, ...]) -> None:
    found = {watch.slot: watch for watch in watches_of(value, addresses)}
    for slot in range(4):
        enabled = value >> 2 * slot & 3 != 0
        kind = value >> 16 + 4 * slot & 3
        assert (slot in found) == (enabled and kind in (1, 3))
        if slot in found:
            watch = found[slot]
            assert watch.size == {0: 1, 1: 2, 2: 8, 3: 4}[value >> 18 + 4 * slot & 3]
            assert watch.address % watch.size == 0 <= addresses[slot] - watch.address < watch.size
