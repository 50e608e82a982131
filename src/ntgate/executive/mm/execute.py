"""The first execution of a page.

Every page is mapped with NX until it runs, which keeps the engine's stores fast.  That a page
has run is a property of its frame: NX is then clear in every PTE that maps the frame, so that
a store through any of them is noticed as a change of code.
"""

from __future__ import annotations

from ntgate.cpu.mmu import NO_EXECUTE
from ntgate.executive.mm import pte
from ntgate.executive.mm.pages import page_code
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import Vad
from ntgate.layout.ke import EXECUTE_DISABLE
from ntgate.layout.machine import NONPAGED_POOL, NONPAGED_POOL_END
from ntgate.layout.mm import (
    MM_EXECUTE,
    MM_EXECUTE_READ,
    MM_EXECUTE_READWRITE,
    MM_EXECUTE_WRITECOPY,
)
from ntgate.memory.user import MM_USER_PROBE_ADDRESS

_EXECUTABLE = frozenset(
    {MM_EXECUTE, MM_EXECUTE_READ, MM_EXECUTE_READWRITE, MM_EXECUTE_WRITECOPY}
)
_WRITABLE = frozenset({MM_EXECUTE_READWRITE, MM_EXECUTE_WRITECOPY})
NEIGHBOURS = 64  # pages on both sides that belong to the same piece of code


def may_execute(space: ProcessSpace, code: int) -> bool:
    """Under OptIn, what can be read can run, unless the process has opted in to NX."""
    return code & 7 in _EXECUTABLE or not (
        space.process.Pcb.ExecuteOptions & EXECUTE_DISABLE
    )


def make_entry(space: ProcessSpace, frame: int, code: int, *, written: bool) -> int:
    """A valid PTE of the process; NX is clear where the frame has run and may run here."""
    ran = frame in space.manager.cpu.ran and may_execute(space, code)
    return pte.valid_entry(frame, code, ran=ran, written=written)


def first_fetch(space: ProcessSpace, linear: int) -> bool:
    """A fetch met NX: True when the page may run, and now can.

    Serves the processor's hook of that name, before any #PF is delivered, as well as
    access_fault.  SharedUserData never runs; of system space, nonpaged pool does, as on XP.
    """
    if linear >= MM_USER_PROBE_ADDRESS:
        return _first_fetch_of_pool(space, linear)
    index = space.tables.index(linear)
    if index is None:
        return False
    qwords = space.tables.ram.qwords
    entry = int(qwords[index])
    if entry & (pte.VALID | NO_EXECUTE) != pte.VALID | NO_EXECUTE:
        return False
    vpn = linear >> 12
    vad = space.vad_at(vpn)
    code = None if vad is None else page_code(space, vad, vpn, entry)
    if vad is None or code is None or not may_execute(space, code):
        return False
    is_news = not vad.is_image or (code & 7 in _WRITABLE and _is_own(space, vad, entry))
    if is_news and not _runs_near(space, vad, vpn):
        space.manager.code_runs(vad, linear, code)
    frame = pte.frame_of(entry)
    space.manager.cpu.ran.add(frame)
    qwords[index] = entry & ~NO_EXECUTE
    if space.manager.pfn.is_prototype(frame):
        _clear_in_views(space, vad, vpn, frame)
    return True


def _runs_near(space: ProcessSpace, vad: Vad, vpn: int) -> bool:
    """Whether a page of the region, not far from this one, has run and is none of a file."""
    near = range(max(vad.first, vpn - NEIGHBOURS), min(vad.last, vpn + NEIGHBOURS) + 1)
    entries = (space.tables.entry(page << 12) for page in near)
    return any(
        entry & (pte.VALID | NO_EXECUTE) == pte.VALID and _is_own(space, vad, entry)
        for entry in entries
    )


def _is_own(space: ProcessSpace, vad: Vad, entry: int) -> bool:
    """Whether a valid page is not the image's: of an image, one that was written."""
    return not vad.is_image or not space.manager.pfn.is_prototype(pte.frame_of(entry))


def _clear_in_views(space: ProcessSpace, vad: Vad, vpn: int, frame: int) -> None:
    prototype = vad.prototype(vpn)
    qwords = space.tables.ram.qwords
    has_alias = False
    for other, node in space.manager.segments[vad.control_area].views:
        view = other.vad(node)
        if not view.first_prototype <= prototype <= view.last_prototype:
            continue
        alias = view.first + (prototype - view.first_prototype) // 8
        index = other.tables.index(alias << 12) if alias <= view.last else None
        if index is None:
            continue
        entry = int(qwords[index])
        if not entry & pte.VALID or pte.frame_of(entry) != frame or not entry & NO_EXECUTE:
            continue
        code = page_code(other, view, alias, entry)
        if code is not None and may_execute(other, code):
            qwords[index] = entry & ~NO_EXECUTE
            has_alias |= other is space
    if has_alias:
        # The TLB may hold the alias with NX, and a store through it would go unnoticed.
        space.manager.cpu.flush_tlb()


def _first_fetch_of_pool(space: ProcessSpace, linear: int) -> bool:
    manager = space.manager
    if not NONPAGED_POOL <= linear < NONPAGED_POOL_END or manager.cpu.cpl == 3:
        return False
    index = manager.system_space.index(linear)
    qwords = manager.kernel.ram.qwords
    if index is None or not qwords[index] & NO_EXECUTE:
        return False
    manager.cpu.ran.add(pte.frame_of(int(qwords[index])))
    qwords[index] &= ~NO_EXECUTE
    return True
