"""The object types: OBJECT_TYPE objects in guest memory, with their procedures on the host.

Access masks and generic mappings are XP's, from the public headers and from what
NtQueryObject(ObjectTypesInformation) is known to answer.
"""

from __future__ import annotations

from collections.abc import Callable

from ntgate.executive.ob import attributes as a
from ntgate.layout.access import (
    ACCESS_SYSTEM_SECURITY,
    GENERIC_ALL,
    GENERIC_EXECUTE,
    GENERIC_READ,
    GENERIC_WRITE,
    MAXIMUM_ALLOWED,
)
from ntgate.layout.ob import OBJECT_TYPE
from ntgate.memory.kernel import KernelMemory
from ntgate.records import dataclass

PROTECTED_POOL = 0x8000_0000
FILE_OBJECT_EVENT = 0x5C  # _FILE_OBJECT.Event
LPCP_PORT_OBJECT_WAIT_EVENT = 0x94  # _LPCP_PORT_OBJECT.WaitEvent
DISPATCHER, DEFAULT_EVENT, NEVER = 0, -1, -2  # see TypeRow.waits_on


@dataclass(frozen=True, slots=True)
class TypeRow:
    """How a type is declared.

    access: GenericRead, GenericWrite, GenericExecute and GenericAll.
    waits_on: what a wait on the object waits for.  DISPATCHER, the body is a dispatcher object;
    DEFAULT_EVENT, an event that is always signalled stands for it; NEVER, no handle can have
    SYNCHRONIZE; else the offset in the body of its event.
    symbol: the variable of nt that points at the type.
    counts_handles: the header tells for each process how many handles it has.
    parses: objects of the type take the rest of a path by themselves.
    needs_security: even an object without a name has a descriptor.
    """

    name: str
    access: tuple[int, int, int, int]
    waits_on: int = DEFAULT_EVENT
    symbol: str = ""
    invalid_attributes: int = a.OBJ_OPENLINK
    case_insensitive: bool = False
    counts_handles: bool = False
    keeps_list: bool = False
    parses: bool = False
    needs_security: bool = False


FILE_ACCESS = (0x120089, 0x120116, 0x1200A0, 0x1F01FF)
NOT_BY_NAME = a.OBJ_PERMANENT | a.OBJ_EXCLUSIVE | a.OBJ_OPENIF

# In the order in which XP creates them: the n-th has index n.  All rights of a process and of a
# thread are those that programs built for newer versions ask for; XP has 1f0fffh and 1f03ffh.
ROWS = (
    TypeRow("Type", (0x20000, 0x20000, 0x20000, 0xF0001), symbol="ObpTypeObjectType",
            keeps_list=True),
    TypeRow("Directory", (0x20003, 0x2000C, 0x20003, 0xF000F), NEVER, "ObpDirectoryObjectType",
            case_insensitive=True),
    TypeRow("SymbolicLink", (0x20001, 0x20000, 0x20001, 0xF0001), NEVER,
            "ObpSymbolicLinkObjectType", case_insensitive=True),
    TypeRow("Token", (0x2001A, 0x201E0, 0x20005, 0xF01FF), symbol="SeTokenObjectType",
            needs_security=True),
    TypeRow("Process", (0x20410, 0x20BEB, 0x120000, 0x1FFFFF), DISPATCHER, "PsProcessType",
            NOT_BY_NAME, needs_security=True),
    TypeRow("Thread", (0x20048, 0x20037, 0x120000, 0x1FFFFF), DISPATCHER, "PsThreadType",
            NOT_BY_NAME, needs_security=True),
    TypeRow("Job", (0x20004, 0x2000B, 0x120000, 0x1F001F), DISPATCHER, "PsJobType",
            needs_security=True),
    TypeRow("DebugObject", (0x20001, 0x20002, 0x120000, 0x1F000F), DISPATCHER,
            "DbgkDebugObjectType", needs_security=True),
    TypeRow("Event", (0x20001, 0x20002, 0x120000, 0x1F0003), DISPATCHER, "ExEventObjectType"),
    TypeRow("EventPair", (0x120000, 0x120000, 0x120000, 0x1F0000), symbol="ExEventPairObjectType"),
    TypeRow("Mutant", (0x20001, 0x20000, 0x120000, 0x1F0001), DISPATCHER, "ExMutantObjectType"),
    TypeRow("Callback", (0x20000, 0x20001, 0x120000, 0x1F0001), symbol="ExCallbackObjectType"),
    TypeRow("Semaphore", (0x20001, 0x20002, 0x120000, 0x1F0003), DISPATCHER,
            "ExSemaphoreObjectType"),
    TypeRow("Timer", (0x20001, 0x20002, 0x120000, 0x1F0003), DISPATCHER, "ExTimerObjectType"),
    TypeRow("Profile", (0x20001, 0x20001, 0x20001, 0xF0001), symbol="ExProfileObjectType"),
    TypeRow("KeyedEvent", (0x20001, 0x20002, 0x20000, 0xF0003), symbol="ExpKeyedEventObjectType"),
    TypeRow("WindowStation", (0x20303, 0x2001C, 0x20060, 0xF037F), NEVER,
            "ExWindowStationObjectType", counts_handles=True, needs_security=True),
    TypeRow("Desktop", (0x20041, 0x200BE, 0x20100, 0xF01FF), NEVER, "ExDesktopObjectType",
            counts_handles=True, needs_security=True),
    TypeRow("Section", (0x20005, 0x20002, 0x20008, 0xF001F), symbol="MmSectionObjectType"),
    TypeRow("Key", (0x20019, 0x20006, 0x20039, 0xF003F), symbol="CmpKeyObjectType",
            case_insensitive=True, parses=True),
    TypeRow("Port", (0x20001, 0x10001, 0, 0x1F0001), symbol="LpcPortObjectType"),
    TypeRow("WaitablePort", (0x20001, 0x10001, 0, 0x1F0001), LPCP_PORT_OBJECT_WAIT_EVENT,
            "LpcWaitablePortObjectType"),
    TypeRow("Adapter", FILE_ACCESS, symbol="IoAdapterObjectType",
            case_insensitive=True),
    TypeRow("Controller", FILE_ACCESS, symbol="IoControllerObjectType",
            case_insensitive=True),
    TypeRow("Device", FILE_ACCESS, symbol="IoDeviceObjectType", case_insensitive=True,
            parses=True),
    TypeRow("Driver", FILE_ACCESS, symbol="IoDriverObjectType", case_insensitive=True),
    TypeRow("IoCompletion", (0x20001, 0x20002, 0x120000, 0x1F0003), DISPATCHER,
            "IoCompletionObjectType", case_insensitive=True),
    TypeRow("File", FILE_ACCESS, FILE_OBJECT_EVENT, "IoFileObjectType",
            case_insensitive=True, counts_handles=True, parses=True),
    TypeRow("WmiGuid", (0x1, 0x2, 0x10, 0x120FFF), symbol="WmipGuidObjectType"),
)  # fmt: skip


def type_key(name: str) -> int:
    """OBJECT_TYPE.Key: the pool tag of objects of the type, but for its high bit."""
    if name == "Type":
        return int.from_bytes(b"ObjT", "little")
    return int.from_bytes(name[:4].ljust(4).encode("ascii"), "little")


@dataclass(frozen=True, slots=True)
class HandleClosing:
    """What a close procedure is told.  The counts are those before the handle went."""

    body: int
    process: int
    granted_access: int
    process_handles: int  # 0 where the type doesn't count by process
    system_handles: int


class ObjectType:
    """A type at `address`, and what its owner has hung on it.

    delete(body): the last reference is gone; the body is still in memory.
    close(HandleClosing): a handle has gone.
    link(body, directory), unlink(body, directory): it has got a name there, has lost it.
    query_name(body): the full name of an object that isn't in a directory; "" for none, NtError
    for one that has lost it.
    waitable(body): the DISPATCHER_HEADER that a wait waits for, where it isn't the DefaultObject.
    get_security(body), set_security(body, descriptor): self-relative descriptors that aren't kept
    in the header.
    """

    __slots__ = (
        "address", "close", "delete", "get_security", "link", "name", "query_name", "row",
        "set_security", "unlink", "view", "waitable",
    )  # fmt: skip

    def __init__(self, memory: KernelMemory, address: int, row: TypeRow) -> None:
        self.address = address
        self.row = row
        self.name = row.name
        self.view = OBJECT_TYPE(memory, address)
        self.delete: Callable[[int], None] | None = None
        self.close: Callable[[HandleClosing], None] | None = None
        self.link: Callable[[int, int], None] | None = None
        self.unlink: Callable[[int, int], None] | None = None
        self.query_name: Callable[[int], str] | None = None
        self.waitable: Callable[[int], int] | None = None
        self.get_security: Callable[[int], bytes] | None = None
        self.set_security: Callable[[int, bytes], None] | None = None

    def __repr__(self) -> str:
        return f"<ObjectType {self.name} at {self.address:08x}>"

    @property
    def index(self) -> int:
        return self.view.Index

    def map_generic(self, access: int) -> int:
        """Replace the generic rights by those that they stand for with this type."""
        mapping = self.view.TypeInfo.GenericMapping
        if access & GENERIC_READ:
            access |= mapping.GenericRead
        if access & GENERIC_WRITE:
            access |= mapping.GenericWrite
        if access & GENERIC_EXECUTE:
            access |= mapping.GenericExecute
        if access & GENERIC_ALL:
            access |= mapping.GenericAll
        return access & 0x0FFF_FFFF

    def grant(self, desired: int) -> int:
        """What a handle gets that asks for `desired`: as of an object that denies nobody.

        Rights that the type doesn't have fall away.
        """
        access = self.map_generic(desired)
        info = self.view.TypeInfo
        if access & MAXIMUM_ALLOWED:
            access |= info.GenericMapping.GenericAll
        return access & (info.ValidAccessMask | ACCESS_SYSTEM_SECURITY)

    def count_objects(self, change: int) -> None:
        view = self.view
        count = view.TotalNumberOfObjects = view.TotalNumberOfObjects + change
        if count > view.HighWaterNumberOfObjects:
            view.HighWaterNumberOfObjects = count

    def count_handles(self, change: int) -> None:
        view = self.view
        count = view.TotalNumberOfHandles = view.TotalNumberOfHandles + change
        if count > view.HighWaterNumberOfHandles:
            view.HighWaterNumberOfHandles = count
