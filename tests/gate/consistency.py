"""Whether a machine is as its own invariants say, read from guest memory.

Each function raises AssertionError with what does not agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ntgate.cpu.ram import PAGE_SIZE
from ntgate.executive.mm.vad_tree import HIGHEST_VPN, LOWEST_VPN
from ntgate.executive.ob.objects import HEADER_SIZE
from ntgate.executive.pool import SIZE_MASK, UNIT
from ntgate.executive.ps.thread import Process
from ntgate.layout.ke import KTHREAD
from ntgate.layout.mm import EPROCESS_VM
from ntgate.layout.ob import HANDLE_TABLE, OBJECT_HEADER, POOL_HEADER
from ntgate.layout.ps import EPROCESS, ETHREAD
from ntgate.machine import Machine

MOST_ENTRIES = 1_000_000  # no list is longer: what does not come back to its head is broken


def check_machine(machine: Machine) -> None:
    """Lists, handle tables, objects' counts, address spaces and pool."""
    kernel = machine.kernel
    head = machine.symbols["PsActiveProcessHead"]
    for table in walk_list(machine, machine.symbols["HandleTableListHead"]):
        check_handle_table(machine, table - HANDLE_TABLE.HandleTableList.offset)
    for entry in walk_list(machine, head):
        body = entry - EPROCESS.ActiveProcessLinks.offset
        process = machine.executive.processes.processes[body]
        check_threads(machine, process)
        if not process.exited:
            assert kernel.u32(body + EPROCESS.ObjectTable.offset)
        check_vads(process)
    check_handle_counts(machine)
    check_pool(machine)


def walk_list(machine: Machine, head: int) -> Iterator[int]:
    """Every entry of a LIST_ENTRY's list, whose links must agree both ways."""
    kernel, before, entry = machine.kernel, head, machine.kernel.u32(head)
    for _ in range(MOST_ENTRIES):
        assert kernel.u32(entry + 4) == before, f"{entry:08x} does not point back at {before:08x}"
        if entry == head:
            return
        yield entry
        before, entry = entry, kernel.u32(entry)
    raise AssertionError(f"the list at {head:08x} has no end")


def check_threads(machine: Machine, process: Process) -> None:
    """A process's threads are its own, on stacks of their own."""
    eprocess = process.eprocess
    alive = 0
    for entry in walk_list(machine, eprocess.address + EPROCESS.ThreadListHead.offset):
        ethread = ETHREAD(machine.kernel, entry - ETHREAD.ThreadListEntry.offset)
        tcb: KTHREAD = ethread.Tcb
        assert ethread.ThreadsProcess == eprocess.address
        assert tcb.StackLimit < tcb.KernelStack < tcb.InitialStack, f"{ethread.address:08x}"
        if not ethread.Terminated and not ethread.SystemThread:
            alive += 1
    assert eprocess.ActiveThreads == alive


def check_handle_table(machine: Machine, address: int) -> None:
    """As many handles as counted, each to an object; the free list is the rest."""
    kernel, tables = machine.kernel, machine.executive.objects.tables
    table = HANDLE_TABLE(kernel, address)
    used = dict(tables.used(address))
    assert table.HandleCount == len(used)
    for handle, entry in used.items():
        header = OBJECT_HEADER(kernel, kernel.u32(entry) & ~7)
        assert 0 < header.HandleCount <= header.PointerCount, f"{handle:x} of {address:08x}"
        machine.executive.objects.type_of(header.address + HEADER_SIZE)
    free = set()
    for first in (table.FirstFree, table.LastFree):
        handle = first
        while handle:
            assert handle not in free and handle not in used, f"{handle:x} of {address:08x}"
            free.add(handle)
            handle = kernel.u32(tables.entry(address, handle) + 4)
    pages = table.NextHandleNeedingPool // 0x800
    assert len(used) + len(free) == pages * 511


def check_handle_counts(machine: Machine) -> None:
    """Each object's HandleCount is the number of handles that there are to it."""
    kernel, tables = machine.kernel, machine.executive.objects.tables
    counted: Counter[int] = Counter()
    for address in tables.all():
        for _handle, entry in tables.used(address):
            counted[kernel.u32(entry) & ~7] += 1
    for header, handles in counted.items():
        assert OBJECT_HEADER(kernel, header).HandleCount == handles, f"{header:08x}"


def check_vads(process: Process) -> None:
    """VADs in order and apart, the tree's links both ways, the counts true."""
    vads = process.space.vads
    last, count, pages = LOWEST_VPN - 1, 0, 0
    for node in vads:
        view = vads.view(node)
        assert last < view.StartingVpn <= view.EndingVpn <= HIGHEST_VPN, f"VAD {node:08x}"
        for child in (view.LeftChild, view.RightChild):
            assert not child or vads.view(child).Parent == node, f"VAD {node:08x}"
        last = view.EndingVpn
        count += 1
        pages += view.EndingVpn - view.StartingVpn + 1
    vm: EPROCESS_VM = process.space.process
    assert vm.NumberOfVads == count
    assert vm.VirtualSize == pages << 12
    assert process.space.manager.committed <= process.space.manager.commit_limit


def check_pool(machine: Machine) -> None:
    """The blocks of each page of nonpaged pool follow one another to its end."""
    pool, kernel = machine.executive.pool, machine.kernel
    free = {header for headers in pool.free_blocks.values() for header in headers}
    found = set()
    for page in pool.small_pages:
        offset = previous = 0
        while offset < PAGE_SIZE:
            header = POOL_HEADER(kernel, page + offset)
            units = header.BlockSize & SIZE_MASK
            assert units and header.PreviousSize == previous, f"pool {page + offset:08x}"
            if not header.BlockSize & ~SIZE_MASK:
                found.add(page + offset)
            offset, previous = offset + units * UNIT, units
        assert offset == PAGE_SIZE
    assert found == free
