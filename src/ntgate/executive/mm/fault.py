"""Page faults of user addresses: what MmAccessFault does."""

from __future__ import annotations

from ntgate.cpu.mmu import DIRTY, FAULT_FETCH, FAULT_WRITE, NO_EXECUTE, WRITABLE
from ntgate.errors import NtError
from ntgate.executive.mm import pte
from ntgate.executive.mm.copies import is_shared_copy, own
from ntgate.executive.mm.execute import first_fetch, make_entry, may_execute
from ntgate.executive.mm.pages import is_tracked, page_code
from ntgate.executive.mm.protection import COPY_CODES, WRITABLE_CODES, after_copy
from ntgate.executive.mm.prototype import page_in
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.stack import grow_stack
from ntgate.executive.mm.vad import Vad
from ntgate.layout.mm import MM_GUARD_PAGE, MM_NOACCESS, MMVAD_SHORT, PTE_PROTOTYPE, PTE_TRANSITION
from ntgate.layout.ntstatus import STATUS_ACCESS_VIOLATION, STATUS_SUCCESS
from ntgate.memory.user import MM_USER_PROBE_ADDRESS, UserMemory

CLUSTER = 16  # pages


def access_fault(space: ProcessSpace, address: int, error: int, *, teb: int = 0) -> int:
    """Answer a fault at `address` with the processor's error code `error`.

    STATUS_SUCCESS: the access may be tried again.  Else the status to raise:
    STATUS_ACCESS_VIOLATION, STATUS_GUARD_PAGE_VIOLATION, STATUS_STACK_OVERFLOW,
    STATUS_IN_PAGE_ERROR, or the lack of memory or commitment that stopped it.  `teb` is the
    TEB of the thread that faulted, when it runs in this process: its stack grows.  An address
    of system space is none of ours: STATUS_ACCESS_VIOLATION.
    """
    if address >= MM_USER_PROBE_ADDRESS:
        return STATUS_ACCESS_VIOLATION
    try:
        index = space.tables.index(address)
        entry = 0 if index is None else int(space.tables.ram.qwords[index])
        if not entry & ~pte.PROTECTION_MASK and index is not None:
            if space.bring_in_zeros(address >> 12, index, entry, error):
                return STATUS_SUCCESS
        elif entry & pte.VALID:
            assert index is not None
            return _fault_on_valid(space, address, index, entry, error)
        return _fault_on_invalid(space, address, index, entry, error, teb)
    except NtError as lack:
        return lack.status


def private_frame(space: ProcessSpace, vpn: int) -> int:
    """The frame of a committed page, which is made the process's own if it is a section's.

    For whoever patches memory without regard to its protection, which stays.  Raises NtError.
    """
    vad = space.vad_at(vpn)
    index = space.index(vpn)
    entry = int(space.tables.ram.qwords[index])
    code = None if vad is None else page_code(space, vad, vpn, entry)
    if vad is None or code is None:
        raise NtError(STATUS_ACCESS_VIOLATION)
    if entry & pte.VALID:
        if space.manager.pfn.is_prototype(pte.frame_of(entry)):
            _copy(space, vad, vpn, index, pte.frame_of(entry))
        elif is_shared_copy(space, entry):
            own(space, vpn, index)
    elif entry & (PTE_TRANSITION | PTE_PROTOTYPE) == PTE_TRANSITION:
        pass
    elif vad.is_private:
        _bring_in_private(space, vad, vpn, index, entry, code, True)
    else:
        segment = space.manager.segments[vad.control_area]
        source, status = page_in(segment, vad.prototype(vpn), for_copy=True)
        if status:
            raise NtError(status)
        _make_copy(space, vad, vpn, index, source, after_copy(code))
    return pte.frame_of(int(space.tables.ram.qwords[index]))


def user_memory(space: ProcessSpace) -> UserMemory:
    """The process's memory as a service sees it; no thread's stack grows by this."""

    def resolve(address: int, error: int) -> int:
        return access_fault(space, address, error)

    return UserMemory(space.manager.cpu, space.tables.pdpt, resolve)


def _fault_on_valid(
    space: ProcessSpace, address: int, index: int, entry: int, error: int
) -> int:
    vpn = address >> 12
    if error & FAULT_WRITE and not entry & WRITABLE:
        if entry & pte.COPY_ON_WRITE:
            vad = space.vad_at(vpn)
            if vad is None:  # a debugger has unlinked it
                return STATUS_ACCESS_VIOLATION
            if space.manager.pfn.is_prototype(pte.frame_of(entry)):
                _copy(space, vad, vpn, index, pte.frame_of(entry))
            else:
                own(space, vpn, index)
            return STATUS_SUCCESS
        if not entry & pte.WRITE:
            return STATUS_ACCESS_VIOLATION
        space.tables.ram.qwords[index] = entry | WRITABLE | DIRTY
        space.manager.pfn.set_modified(pte.frame_of(entry), True)
        return STATUS_SUCCESS
    if error & FAULT_FETCH and entry & NO_EXECUTE and not first_fetch(space, address):
        return STATUS_ACCESS_VIOLATION
    return STATUS_SUCCESS  # the TLB was behind


def _fault_on_invalid(
    space: ProcessSpace, address: int, index: int | None, entry: int, error: int, teb: int
) -> int:
    vpn = address >> 12
    vad = space.vad_at(vpn)
    code = None if vad is None else page_code(space, vad, vpn, entry)
    if vad is None or code is None:
        return STATUS_ACCESS_VIOLATION
    if code & MM_NOACCESS == MM_GUARD_PAGE:
        code &= ~MM_GUARD_PAGE
        _set_invalid_code(space, vad, vpn, entry, code)
        status = grow_stack(space, user_memory(space), address, teb)
        if status:
            return status
        entry = space.tables.entry(address)
    if not pte.accessible(code):
        return STATUS_ACCESS_VIOLATION
    write = bool(error & FAULT_WRITE)
    if write and code & 7 not in WRITABLE_CODES and code & 7 not in COPY_CODES:
        return STATUS_ACCESS_VIOLATION
    if error & FAULT_FETCH and not may_execute(space, code):
        return STATUS_ACCESS_VIOLATION
    if index is None:
        index = space.index(vpn)
    if vad.is_private or entry & (PTE_TRANSITION | PTE_PROTOTYPE) == PTE_TRANSITION:
        _bring_in_private(space, vad, vpn, index, entry, code, write)
    else:
        status = _bring_in_shared(space, vad, vpn, index, entry, code, write)
        if status:
            return status
    if error & FAULT_FETCH:
        first_fetch(space, address)
    return STATUS_SUCCESS


def _set_invalid_code(space: ProcessSpace, vad: Vad, vpn: int, entry: int, code: int) -> None:
    """Give a page that isn't valid another protection; its contents stay."""
    if not entry:
        entry = pte.demand_zero(0) if vad.is_private else pte.LOOKUP
    elif entry & (PTE_TRANSITION | PTE_PROTOTYPE) == PTE_TRANSITION:
        space.manager.pfn.set_protection(pte.frame_of(entry), code)
    space.tables.ram.qwords[space.index(vpn)] = pte.with_protection(entry, code)


def _bring_in_private(
    space: ProcessSpace, vad: Vad, vpn: int, index: int, entry: int, code: int, write: bool
) -> None:
    manager = space.manager
    tracked = vad.is_private and vad.is_watched
    if entry & PTE_TRANSITION:
        frame = pte.frame_of(entry)
        if tracked and write:
            manager.pfn.set_modified(frame, True)
        written = not tracked or manager.pfn.is_modified(frame)
        space.tables.ram.qwords[index] = make_entry(space, frame, code, written=written)
        space.count_valid()
        return
    frame = manager.frame()
    space.map_private(vpn, index, frame, code, written=not tracked or write)
    if tracked and write:
        manager.pfn.set_modified(frame, True)


def _bring_in_shared(
    space: ProcessSpace, vad: Vad, vpn: int, index: int, entry: int, code: int, write: bool
) -> int:
    manager = space.manager
    copies = write and code & 7 in COPY_CODES
    segment = manager.segments[vad.control_area]
    frame, status = page_in(segment, vad.prototype(vpn), for_copy=copies)
    if status:
        return status
    if copies:
        _make_copy(space, vad, vpn, index, frame, after_copy(code))
        return STATUS_SUCCESS
    tracked = is_tracked(space, vad)
    if tracked and write:
        manager.pfn.set_modified(frame, True)
    written = not tracked or manager.pfn.is_modified(frame)
    manager.pfn.share(frame)
    if entry:
        space.shared_protection[vpn] = code
    space.tables.ram.qwords[index] = make_entry(space, frame, code, written=written)
    space.count_valid()
    if vad.is_image and not entry and code & 7 not in COPY_CODES:
        _map_cluster(space, vad, vpn, index, code)
    return STATUS_SUCCESS


def _map_cluster(space: ProcessSpace, vad: Vad, vpn: int, index: int, code: int) -> None:
    """Map what else of a page's cluster is in memory and protected like it.

    Without faults of their own: a process that begins touches hundreds of pages of DLLs that
    others have brought in.
    """
    manager, qwords = space.manager, space.tables.ram.qwords
    prototype = manager.kernel.physical(vad.prototype(vpn)) >> 3
    # Both tables go on within a page; a cluster of a page table is one.
    first = max(vpn & -CLUSTER, vad.first, vpn - (prototype & pte.TABLE_INDEX)) - vpn
    last = min(vpn | CLUSTER - 1, vad.last, vpn + (~prototype & pte.TABLE_INDEX)) - vpn
    prototypes = qwords[prototype + first : prototype + last + 1].tolist()
    entries = qwords[index + first : index + last + 1].tolist()
    for place, (shared, entry) in enumerate(zip(prototypes, entries, strict=True), index + first):
        if shared & pte.VALID and not entry:
            frame = pte.frame_of(shared)
            if manager.pfn.protection(frame) == code:
                manager.pfn.share(frame)
                qwords[place] = make_entry(space, frame, code, written=True)
                space.count_mapped()


def _copy(space: ProcessSpace, vad: Vad, vpn: int, index: int, shared: int) -> None:
    """Replace a valid page of a section by a private copy."""
    code = page_code(space, vad, vpn, int(space.tables.ram.qwords[index]))
    if code is None:
        raise NtError(STATUS_ACCESS_VIOLATION)
    _make_copy(space, vad, vpn, index, shared, after_copy(code))
    space.count_invalid()
    space.shared_protection.pop(vpn, None)
    space.manager.pfn.release(shared)
    space.manager.stale(vpn)


def _make_copy(
    space: ProcessSpace, vad: Vad, vpn: int, index: int, source: int, code: int
) -> None:
    """Map a private page with the bytes of frame `source` (0: zeros), charged to the view."""
    manager = space.manager
    frame = manager.frame()
    try:
        manager.charge(1, space)
    except NtError:
        manager.frames.free(frame)
        raise
    view = MMVAD_SHORT(manager.kernel, vad.node)
    view.LongFlags += 1  # CommitCharge
    if source:
        ram = space.tables.ram.bytes
        ram[frame << 12 : (frame + 1) << 12] = ram[source << 12 : (source + 1) << 12]
    space.map_private(vpn, index, frame, code, written=True)
