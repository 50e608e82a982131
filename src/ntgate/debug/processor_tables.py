"""`dg`, `!idt`, `!pcr`, `!pte`: the tables that the processor and NT keep for each other."""

from __future__ import annotations

from collections.abc import Iterable

from ntgate.cpu.descriptors import TASK_GATE
from ntgate.cpu.mmu import LARGE, NO_EXECUTE
from ntgate.debug import peek, segments
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.session import Session
from ntgate.debug.target import Unreadable
from ntgate.layout.mm import PTE_BASE, PTE_PROTOTYPE, PTE_TRANSITION

_PCR_SELECTOR = 0x30
_UNUSED_ROUTINE = "KiUnexpectedInterrupt"


@command(
    "dg", help="Show segment descriptors of the GDT or LDT", usage="dg SELECTOR [LAST_SELECTOR]"
)
def descriptors(session: Session, args: Arguments) -> Iterable[str]:
    first = args.take_value() & 0xFFFF
    last = args.take_value() & 0xFFFF if args else first
    args.finish()
    yield from segments.HEADER
    for selector in range(first, max(first, last & 0xFFF8 | first & 7) + 1, 8):
        found = segments.descriptor(session.target, selector)
        if found is None:
            raise KdError(
                f"Unable to get descriptor of selector {selector:04x}: not in its table"
            )
        yield found.row()


@command(
    "!idt",
    help="Show the interrupt descriptor table",
    usage="!idt           the vectors in use\n!idt VECTOR    one\n!idt -a        all",
)
def interrupts(session: Session, args: Arguments) -> Iterable[str]:
    shows_all = args.take_option("-a") is not None
    vector = args.take_value() if args else None
    args.finish()
    limit = session.target.register("idtl")
    if vector is not None and 8 * vector + 7 > limit:
        raise KdError(f"Vector {vector:x} is beyond the IDT's limit of {limit:x}")
    yield ""
    yield "Dumping IDT:"
    yield ""
    vectors = range((limit + 1) // 8) if vector is None else (vector,)
    for number in vectors:
        gate = peek.number(session.target, session.target.register("idtr") + 8 * number, 8)
        if vector is not None or shows_all or _is_used(session, gate):
            yield f"{number:02x}:\t{_gate_text(session, gate)}"
    yield ""


def _gate_routine(gate: int) -> int:
    return gate & 0xFFFF | gate >> 32 & 0xFFFF0000


def _gate_text(session: Session, gate: int) -> str:
    if gate >> 40 & 0x1F == TASK_GATE:
        return f"Task Selector = 0x{gate >> 16 & 0xFFFF:04X}"
    routine = _gate_routine(gate)
    return f"{routine:08x} {session.name(routine) or ''}".rstrip()


def _is_used(session: Session, gate: int) -> bool:
    is_present = gate >> 47 & 1
    return bool(is_present) and _UNUSED_ROUTINE not in (session.name(_gate_routine(gate)) or "")


_PCR_FIELDS = (
    ("NtTib.ExceptionList", "NtTib.ExceptionList"),
    ("NtTib.StackBase", "NtTib.StackBase"),
    ("NtTib.StackLimit", "NtTib.StackLimit"),
    ("NtTib.SubSystemTib", "NtTib.SubSystemTib"),
    ("NtTib.Version", "NtTib.Version"),
    ("NtTib.UserPointer", "NtTib.ArbitraryUserPointer"),
    ("NtTib.SelfTib", "NtTib.Self"),
    ("", ""),
    ("SelfPcr", "SelfPcr"),
    ("Prcb", "Prcb"),
    ("Irql", "Irql"),
    ("IRR", "IRR"),
    ("IDR", "IDR"),
    ("InterruptMode", "InterruptMode"),
    ("IDT", "IDT"),
    ("GDT", "GDT"),
    ("TSS", "TSS"),
    ("", ""),
    ("CurrentThread", "PrcbData.CurrentThread"),
    ("NextThread", "PrcbData.NextThread"),
    ("IdleThread", "PrcbData.IdleThread"),
)


@command("!pcr", help="Show the processor control region", usage="!pcr")
def processor_control_region(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    found = segments.descriptor(session.target, _PCR_SELECTOR)
    if found is None:
        raise KdError(f"Unable to get the PCR: selector {_PCR_SELECTOR:x} is not in the GDT")

    def member(path: str, size: int = 4) -> int:
        offset = session.types.offset("_KPCR", path)
        return peek.number(session.target, found.base + offset, size)

    processor = member("Number", 1)
    yield f"KPCR for Processor {processor} at {found.base:08x}:"
    yield f"    Major {member('MajorVersion', 2)} Minor {member('MinorVersion', 2)}"
    for label, path in _PCR_FIELDS:
        if not label:
            yield ""
            continue
        size = 1 if path == "Irql" else 4
        yield f"\t{label:>19}: {member(path, size):08x}"


# PAE's self map: the PTEs and the PDEs of the current address space, 8 bytes each.
_PDE_BASE = 0xC0600000
_VALID = 1 << 0
_PFN_MASK = 0xFFFFFF_FFFFF000
_COLUMN = 27

# (bit, set, clear) in WinDbg's order; E and V follow.
_PTE_LETTERS = (
    (9, "C", "-"),
    (8, "G", "-"),
    (7, "L", "-"),
    (6, "D", "-"),
    (5, "A", "-"),
    (4, "N", "-"),
    (3, "T", "-"),
    (2, "U", "K"),
    (1, "W", "R"),
)


def pte_letters(entry: int) -> str:
    """`-G-DA--KWEV`: what a valid PAE entry allows and has seen."""
    letters = "".join(on if entry >> bit & 1 else off for bit, on, off in _PTE_LETTERS)
    return letters + ("-" if entry & NO_EXECUTE else "E") + ("V" if entry & _VALID else "-")


def _pfn(entry: int) -> int:
    return (entry & ~NO_EXECUTE & _PFN_MASK) >> 12


@command(
    "!pte",
    help="Show the page directory and page table entries (PAE) of an address",
    usage="!pte ADDRESS\n"
    "C copy on write, G global, L large, D dirty, A accessed, N not cached, T write-through,\n"
    "U user or K kernel, W writable or R read-only, E executable, V valid",
)
def page_table_entry(session: Session, args: Arguments) -> Iterable[str]:
    address = args.take_address()
    args.finish()
    pde_address = _PDE_BASE + (address >> 21) * 8
    pte_address = PTE_BASE + (address >> 12) * 8
    pde = _entry(session, pde_address)
    is_large = pde is not None and pde & _VALID and pde & LARGE
    has_table = pde is not None and pde & _VALID and not is_large
    pte = _entry(session, pte_address) if has_table else None
    yield f"{'':20}VA {address:08x}"
    yield _row(f"PDE at {pde_address:08X}", f"PTE at {pte_address:08X}")
    yield _row(_contains(pde), "contains 0000000000000000" if is_large else _contains(pte))
    if is_large and pde is not None:
        page = _pfn(pde) + (address >> 12 & 0x1FF)
        yield _row(_described(pde), f"LARGE PAGE pfn {page:x}")
    elif has_table:
        yield _row(_described(pde), _described(pte))
    else:
        yield _described(pde)


def _row(left: str, right: str) -> str:
    return f"{left:<{_COLUMN}}{right}"


def _entry(session: Session, address: int) -> int | None:
    try:
        return peek.number(session.target, address, 8)
    except Unreadable:
        return None


def _contains(entry: int | None) -> str:
    return "contains " + ("unavailable" if entry is None else f"{entry:016X}")


def _described(entry: int | None) -> str:
    if entry is None:
        return "not valid"
    if entry & _VALID:
        return f"pfn {_pfn(entry):<9x} {pte_letters(entry)}"
    return f"not valid{_software_form(entry)}"


def _software_form(entry: int) -> str:
    protection = entry >> 5 & 0x1F
    if entry & PTE_PROTOTYPE:
        return f", Proto: {entry >> 32:08X}"
    if entry & PTE_TRANSITION:
        return f", Transition: pfn {_pfn(entry):x}, Protect: {protection:x}"
    return f", DemandZero, Protect: {protection:x}" if entry else ""
