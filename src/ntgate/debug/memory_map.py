"""`!vad`, `!address`, `!vprot`: what a process has mapped where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.object_commands import GuestObject
from ntgate.debug.processes import implicit_process, record, threads
from ntgate.debug.records import Record
from ntgate.debug.session import Session
from ntgate.layout.machine import MM_HIGHEST_USER_ADDRESS
from ntgate.layout.mm import (
    MEM_COMMIT,
    MEM_FREE,
    MEM_IMAGE,
    MEM_MAPPED,
    MEM_PRIVATE,
    MEM_RESERVE,
    MM_MAX_COMMIT,
    PAGE_EXECUTE,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY,
    PAGE_GUARD,
    PAGE_NOACCESS,
    PAGE_NOCACHE,
    PAGE_READONLY,
    PAGE_READWRITE,
    PAGE_WRITECOPY,
)
from ntgate.records import dataclass

PAGE_SHIFT = 12
_MOST_NODES = 0x10000

_ACCESSES = ("NO_ACCESS", "READONLY", "EXECUTE", "EXECUTE_READ", "READWRITE", "WRITECOPY",
             "EXECUTE_READWRITE", "EXECUTE_WRITECOPY")  # fmt: skip
_STATES = {MEM_COMMIT: "MEM_COMMIT", MEM_RESERVE: "MEM_RESERVE", MEM_FREE: "MEM_FREE"}
_TYPES = {MEM_PRIVATE: "MEM_PRIVATE", MEM_MAPPED: "MEM_MAPPED", MEM_IMAGE: "MEM_IMAGE"}
_PROTECTIONS = (
    (PAGE_NOACCESS, "PAGE_NOACCESS"), (PAGE_READONLY, "PAGE_READONLY"),
    (PAGE_READWRITE, "PAGE_READWRITE"), (PAGE_WRITECOPY, "PAGE_WRITECOPY"),
    (PAGE_EXECUTE, "PAGE_EXECUTE"), (PAGE_EXECUTE_READ, "PAGE_EXECUTE_READ"),
    (PAGE_EXECUTE_READWRITE, "PAGE_EXECUTE_READWRITE"),
    (PAGE_EXECUTE_WRITECOPY, "PAGE_EXECUTE_WRITECOPY"), (PAGE_GUARD, "PAGE_GUARD"),
    (PAGE_NOCACHE, "PAGE_NOCACHE"),
)  # fmt: skip


class Region(Protocol):
    """MEMORY_BASIC_INFORMATION."""

    BaseAddress: int
    AllocationBase: int
    AllocationProtect: int
    RegionSize: int
    State: int
    Protect: int
    Type: int


@runtime_checkable
class AnswersQueries(Protocol):
    """A machine whose kernel can be asked what NtQueryVirtualMemory tells."""

    def query_memory(self, address: int) -> Region:
        """The region of an address below 80000000, in the address space that is looked at.

        Raises KdError where there is none.
        """
        ...


@dataclass(frozen=True)
class Node:
    """A VAD and how deep it lies in the tree."""

    vad: Record
    level: int


def vads(session: Session, root: int) -> Iterator[Node]:
    """The nodes of a VAD tree in the order of their addresses; raises KdError for a circle."""
    waiting: list[Node] = []
    seen: set[int] = set()
    address, level = root, 0
    while address or waiting:
        while address:
            if address in seen or len(seen) > _MOST_NODES:
                raise KdError(f"The VAD tree at {root:08x} has {address:08x} twice")
            seen.add(address)
            node = Node(record(session, "_MMVAD", address), level)
            waiting.append(node)
            address, level = node.vad["LeftChild"], level + 1
        node = waiting.pop()
        yield node
        address, level = node.vad["RightChild"], node.level + 1


@command(
    "!vad",
    help="Show the virtual address descriptors of a process",
    usage="!vad              those of the process that is looked at\n"
    "!vad ROOT         a tree\n"
    "!vad ADDRESS 1    one of them, in full",
)
def show_vads(session: Session, args: Arguments) -> Iterable[str]:
    root = args.take_address() if args else implicit_process(session)["VadRoot"]
    flags = args.take_value() if args else 0
    args.finish()
    if flags & 1:
        yield from _vad_in_full(session, record(session, "_MMVAD", root))
        return
    yield "VAD     level      start      end    commit"
    levels = []
    for node in vads(session, root):
        levels.append(node.level)
        yield _vad_row(session, node)
    if levels:
        average = sum(levels) // len(levels)
        yield ""
        yield (
            f"Total VADs:{len(levels):6}  average level:{average:5}  "
            f"maximum depth: {max(levels)}"
        )


def _vad_row(session: Session, node: Node) -> str:
    vad = node.vad
    kind = "Private" if vad["u.VadFlags.PrivateMemory"] else "Mapped"
    image = "Exe" if vad["u.VadFlags.ImageMap"] else ""
    row = (
        f"{vad.address:08x} ({node.level:2}) {vad['StartingVpn']:10x} {vad['EndingVpn']:8x} "
        f"{_commit(vad):9} {kind:<7} {image:<4} {_access(vad['u.VadFlags.Protection'])}"
    )
    name = mapped_file(session, vad)
    return f"{row}  {name}" if name else row


def _commit(vad: Record) -> int:
    charge = vad["u.VadFlags.CommitCharge"]
    return -1 if charge == MM_MAX_COMMIT else charge


def _access(code: int) -> str:
    """The name of a VAD's protection code (executive/mm/protection.py)."""
    if code & 0x18 == 0x18 or not code & 7:
        return "NO_ACCESS"
    marks = (" GUARD" if code & 0x10 else "") + (" NOCACHE" if code & 8 else "")
    return _ACCESSES[code & 7] + marks


def mapped_file(session: Session, vad: Record) -> str:
    """The file that a VAD maps; "" for none."""
    if vad["u.VadFlags.PrivateMemory"]:
        return ""
    area = vad.follow("_CONTROL_AREA", "ControlArea")
    file = area["FilePointer"] if area is not None else 0
    return GuestObject(session, file).shown_name.rpartition(" {")[0] if file else ""


def _vad_in_full(session: Session, vad: Record) -> Iterator[str]:
    yield f"VAD @ {vad.address:08x}"
    is_private = vad["u.VadFlags.PrivateMemory"]
    area = 0 if is_private else vad["ControlArea"]
    yield (
        f"  Start VPN:  {vad['StartingVpn']:8x}  End VPN:  {vad['EndingVpn']:8x}  "
        f"Control Area:  {area:08x}"
    )
    first, last = (0, 0) if is_private else (vad["FirstPrototypePte"], vad["LastContiguousPte"])
    yield f"  First ProtoPte: {first:08x}  Last PTE {last:08x}  Commit Charge {_commit(vad):8}"
    names = ("PhysicalMapping", "ImageMap", "UserPhysicalPages", "NoChange", "WriteWatch",
             "LargePages", "MemCommit", "PrivateMemory")  # fmt: skip
    flags = [name for name in names if vad[f"u.VadFlags.{name}"]]
    yield f"   {' '.join([*flags, _access(vad['u.VadFlags.Protection'])])}"
    name = mapped_file(session, vad)
    if name:
        yield f"   File: {name}"


def _query(session: Session, address: int) -> Region:
    machine = session.machine
    if address > MM_HIGHEST_USER_ADDRESS:
        raise KdError(f"{address:08x} is not in user space: !pte tells of system space")
    if not isinstance(machine, AnswersQueries):
        raise KdError("This machine's kernel can't be asked; !vad reads what it keeps")
    return machine.query_memory(address)


def _protection(value: int) -> str:
    return "|".join(name for bit, name in _PROTECTIONS if value & bit) or "0"


@command("!vprot", help="Show the protection of an address, as VirtualQuery tells it",
         usage="!vprot [ADDRESS]")  # fmt: skip
def show_protection(session: Session, args: Arguments) -> Iterable[str]:
    address = args.take_address() if args else session.target.register("eip")
    args.finish()
    found = _query(session, address)
    rows: list[tuple[str, int, str]] = [
        ("BaseAddress", found.BaseAddress, ""),
        ("AllocationBase", found.AllocationBase, ""),
        ("AllocationProtect", found.AllocationProtect, _protection(found.AllocationProtect)),
        ("RegionSize", found.RegionSize, ""),
        ("State", found.State, _STATES[found.State]),
        ("Protect", found.Protect, _protection(found.Protect)),
        ("Type", found.Type, _TYPES.get(found.Type, "")),
    ]
    if found.State == MEM_FREE:  # a free region has no allocation
        rows = [row for row in rows if row[0] in ("BaseAddress", "RegionSize", "State", "Protect")]
    for label, value, name in rows:
        yield f"{label + ':':<19}{value:08x}{f'  {name}' if name else ''}"


@command(
    "!address",
    help="Show the regions of user space, or the one of an address, and what they are used for",
    usage="!address [ADDRESS]",
)
def show_address(session: Session, args: Arguments) -> Iterable[str]:
    if args:
        address = args.take_address()
        args.finish()
        yield from _one_region(session, address)
        return
    uses = Uses(session)
    yield ("  BaseAddr EndAddr+1 RgnSize     Type       State                 Protect"
           "             Usage")  # fmt: skip
    yield "-" * 91
    address = allocation = 0
    while address <= MM_HIGHEST_USER_ADDRESS:
        found = _query(session, address)
        mark = "*" if found.AllocationBase != allocation or found.State == MEM_FREE else "|-"
        allocation = found.AllocationBase
        end = found.BaseAddress + found.RegionSize
        yield (
            f"{mark:<2}{found.BaseAddress:8x} {end:8x} {found.RegionSize:8x} "
            f"{_TYPES.get(found.Type, ''):<11} {_STATES[found.State]:<11} "
            f"{_protection(found.Protect) if found.Protect else '':<34} {uses.of(found)}"
        ).rstrip()
        address = end


def _one_region(session: Session, address: int) -> Iterator[str]:
    found = _query(session, address)
    yield f"Usage:                  {Uses(session).of(found)}"
    yield f"Base Address:           {found.BaseAddress:08x}"
    yield f"End Address:            {found.BaseAddress + found.RegionSize:08x}"
    yield f"Region Size:            {found.RegionSize:08x}"
    yield f"State:                  {found.State:08x} {_STATES[found.State]}"
    yield f"Protect:                {found.Protect:08x} {_protection(found.Protect)}"
    if found.Type:
        yield f"Type:                   {found.Type:08x} {_TYPES[found.Type]}"
        yield f"Allocation Base:        {found.AllocationBase:08x}"
        protect = found.AllocationProtect
        yield f"Allocation Protect:     {protect:08x} {_protection(protect)}"


class Uses:
    """What regions of a process are used for, as its records tell."""

    def __init__(self, session: Session) -> None:
        process = implicit_process(session)
        self._peb = process["Peb"]
        self._session = session
        self._files = {
            node.vad["StartingVpn"] << PAGE_SHIFT: mapped_file(session, node.vad)
            for node in vads(session, process["VadRoot"])
        }
        self._stacks: dict[int, str] = {}
        self._tebs: dict[int, str] = {}
        for number, thread in enumerate(threads(process)):
            teb = thread.follow("_TEB", "Tcb.Teb")
            if teb is not None:
                pid, tid = (thread[f"Cid.Unique{part}"] for part in ("Process", "Thread"))
                self._tebs[teb.address] = f"TEB [~{number}; {pid:x}.{tid:x}]"
                self._stacks[teb["DeallocationStack"]] = f"Stack [~{number}; {pid:x}.{tid:x}]"
        self._heap = record(session, "_PEB", self._peb)["ProcessHeap"] if self._peb else 0

    def of(self, region: Region) -> str:
        base = region.AllocationBase
        if region.State == MEM_FREE:
            return "Free"
        if region.BaseAddress <= self._peb < region.BaseAddress + region.RegionSize:
            return "PEB"
        for teb, name in self._tebs.items():
            if region.BaseAddress <= teb < region.BaseAddress + region.RegionSize:
                return name
        if base in self._stacks:
            return self._stacks[base]
        if base == self._heap:
            return "Heap"
        file = self._files.get(base, "")
        if region.Type == MEM_IMAGE:
            module = self._session.machine.symbols.module_at(region.BaseAddress)
            name = module.name if module is not None else ""
            return f'Image [{name}; "{file}"]' if file else f"Image [{name}]"
        return f'MappedFile "{file}"' if file else "<unclassified>"
