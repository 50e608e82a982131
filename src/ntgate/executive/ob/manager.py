"""The object manager of one machine, with the namespace as it is when XP has booted."""

from __future__ import annotations

from string import ascii_uppercase

from ntgate.executive.ob import attributes as a
from ntgate.executive.ob.attributes import ObjectAttributes
from ntgate.executive.ob.client_ids import ClientIds
from ntgate.executive.pool import Pool
from ntgate.memory.kernel import KernelMemory

DIRECTORIES = (
    r"\ArcName",
    r"\BaseNamedObjects",
    r"\BaseNamedObjects\Restricted",
    r"\Callback",
    r"\Device",
    r"\Driver",
    r"\FileSystem",
    r"\GLOBAL??",
    r"\KernelObjects",
    r"\KnownDlls",
    r"\NLS",
    r"\ObjectTypes",
    r"\RPC Control",
    r"\Security",
    r"\Sessions",
    r"\Sessions\0",
    r"\Sessions\0\DosDevices",
    r"\Sessions\BNOLINKS",
    r"\Windows",
    r"\Windows\WindowStations",
)

LINKS = {
    r"\DosDevices": r"\??",
    r"\GLOBAL??\Global": r"\GLOBAL??",
    r"\GLOBAL??\GLOBALROOT": "",
    r"\BaseNamedObjects\Global": r"\BaseNamedObjects",
    r"\BaseNamedObjects\Local": r"\BaseNamedObjects",
    r"\BaseNamedObjects\Session": r"\Sessions\BNOLINKS",
    r"\Sessions\BNOLINKS\0": r"\BaseNamedObjects",
    # What later systems, and Wine's kernelbase, call the session's own.
    r"\Sessions\0\BaseNamedObjects": r"\BaseNamedObjects",
    r"\Sessions\0\Windows": r"\Windows",
}


class ObjectManager(ClientIds):
    """Everything that objects are used by: see the classes that this one is built on.

    From the ground: Objects (types, bodies, references, companions), Directories,
    SymbolicLinks, Handles, Namespace (paths), ClientIds.  `device_map` is the DEVICE_MAP that
    processes have.
    """

    def __init__(self, memory: KernelMemory, pool: Pool, symbols: dict[str, int]) -> None:
        super().__init__(memory, pool, symbols)
        for path in DIRECTORIES:
            attributes = ObjectAttributes(path, 0, a.OBJ_PERMANENT)
            self.keep(self.create_directory(attributes, kernel=True), attributes)
        self.dos_devices, _ = self.lookup(r"\GLOBAL??")
        self.device_map = self.create_device_map(self.dos_devices)
        for path, target in LINKS.items():
            attributes = ObjectAttributes(path, 0, a.OBJ_PERMANENT)
            self.keep(self.create_symbolic_link(target, attributes, kernel=True), attributes)
        types_directory, _ = self.lookup(r"\ObjectTypes")
        for kind in self.types.values():
            self.insert_entry(types_directory, kind.name, kind.address)

    def dos_name(self, name: str) -> str:
        r"""An object's name by the drive that leads to it, C:\... say; "" when none does."""
        for letter in ascii_uppercase[2:] + ascii_uppercase[:2]:
            body = self.find_entry(self.dos_devices, f"{letter}:", case_insensitive=True)
            if body and self.type_of(body).name == "SymbolicLink":
                target = self.link_target(body)
                if name == target or name.startswith(target + "\\"):
                    return f"{letter}:{name[len(target) :]}"
        return ""

    def keep(self, body: int, attributes: ObjectAttributes) -> None:
        """Insert a permanent object, which its directory keeps from now on."""
        self.insert(0, body, 0, attributes)
        self.dereference(body)
