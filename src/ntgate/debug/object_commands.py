"""`!object` and `!handle`: objects by their headers, directories and handle tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.process_commands import head_of
from ntgate.debug.processes import find_process, image_name, implicit_process, record, symbol
from ntgate.debug.records import Record, unicode_text
from ntgate.debug.session import Session
from ntgate.debug.target import Unreadable
from ntgate.layout.ob import HANDLE_PROTECT_CLOSE, HANDLE_TABLE_ENTRY_SIZE, NUMBER_HASH_BUCKETS

_HEADER = 0x18  # OBJECT_HEADER, up to its Body
_LONGEST_CHAIN = 0x1000
_LONGEST_KEY_PATH = 0x100
_PAGE_ENTRIES = 0x200
_PAGE_POINTERS = 0x400
_TOP_POINTERS = 32
_LEVELS = 3  # bits of HANDLE_TABLE.TableCode
_ATTRIBUTES = 7  # low bits of HANDLE_TABLE_ENTRY.Object
_INHERIT = 2  # of them; bit 0: the entry is not locked


class GuestObject:
    """An object of the kernel's by its body; readers raise Unreadable."""

    def __init__(self, session: Session, body: int) -> None:
        self._session = session
        self.body = body
        self.header = record(session, "_OBJECT_HEADER", body - _HEADER)

    @property
    def type(self) -> Record:
        return record(self._session, "_OBJECT_TYPE", self.header["Type"])

    @property
    def type_name(self) -> str:
        return self.type.text("Name")

    @property
    def name_info(self) -> Record | None:
        """OBJECT_HEADER_NAME_INFO in front of the header."""
        offset = self.header["NameInfoOffset"]
        if not offset:
            return None
        return record(self._session, "_OBJECT_HEADER_NAME_INFO", self.header.address - offset)

    @property
    def name(self) -> str:
        """As its directory knows it; "" for none."""
        info = self.name_info
        return info.text("Name") if info is not None else ""

    @property
    def shown_name(self) -> str:
        """Its own name; or what its kind keeps in place of one."""
        match self.type_name:
            case "File":
                return self._file_name()
            case "Key":
                return self._key_path()
            case "Process":
                return image_name(record(self._session, "_EPROCESS", self.body))
            case "Thread":
                thread = record(self._session, "_ETHREAD", self.body)
                return f"{thread['Cid.UniqueProcess']:x}.{thread['Cid.UniqueThread']:x}"
            case "SymbolicLink":
                link = record(self._session, "_OBJECT_SYMBOLIC_LINK", self.body)
                return f"{self.name} -> {link.text('LinkTarget')}"
        return self.name

    def _file_name(self) -> str:
        file = record(self._session, "_FILE_OBJECT", self.body)
        device = file["DeviceObject"]
        name = GuestObject(self._session, device).name if device else ""
        return f"{file.text('FileName')}{f' {{{name}}}' if name else ''}".strip()

    def _key_path(self) -> str:
        block = record(self._session, "_CM_KEY_BODY", self.body).follow(
            "_CM_KEY_CONTROL_BLOCK", "KeyControlBlock"
        )
        parts: list[str] = []
        while block is not None and len(parts) < _LONGEST_KEY_PATH:
            name = block.follow("_CM_NAME_CONTROL_BLOCK", "NameBlock")
            if name is None:
                break
            raw = peek.readable(name.target, name.at("Name"), name["NameLength"])
            parts.append(raw.decode("latin-1" if name["Compressed"] else "utf-16-le", "replace"))
            block = block.follow("_CM_KEY_CONTROL_BLOCK", "ParentKcb")
        return "\\".join(["", *reversed(parts)])

    def check(self) -> None:
        """Raises KdError where no object lies: its type is not one of the kernel's."""
        try:
            known = self.type["Name.Length"] and self.header["PointerCount"] < 1 << 31
            is_type = GuestObject._kind_of_type(self._session, self.type.address)
        except Unreadable:
            known = is_type = False
        if not (known and is_type):
            raise KdError(f"{self.body:08x}: not a valid object (no object header with a type)")

    @staticmethod
    def _kind_of_type(session: Session, address: int) -> bool:
        """Whether an OBJECT_TYPE's own type is that of types, which is its own."""
        type_type = record(session, "_OBJECT_HEADER", address - _HEADER)["Type"]
        return type_type == record(session, "_OBJECT_HEADER", type_type - _HEADER)["Type"]

    def rows(self) -> Iterator[str]:
        """What `!object` and `!handle` show of every object."""
        yield f"Object: {self.body:08x}  Type: ({self.type.address:08x}) {self.type_name}"
        yield f"    ObjectHeader: {self.header.address:08x} (old version)"
        count, pointers = self.header["HandleCount"], self.header["PointerCount"]
        yield f"    HandleCount: {count}  PointerCount: {pointers}"
        info = self.name_info
        if info is not None and (info["Directory"] or self.name):
            yield f"    Directory Object: {info['Directory']:08x}  Name: {self.shown_name}"
        elif self.type_name in ("File", "Key", "Process", "Thread"):
            yield f"    Directory Object: 00000000  Name: {self.shown_name}"


@command(
    "!object",
    help="Show an object, or what a directory holds",
    usage="!object ADDRESS | \\PATH | 0 TYPE\n\\: the root; 0 TYPE: every object of a type that "
    "is in a directory",
)
def show_object(session: Session, args: Arguments) -> Iterable[str]:
    if not args:
        args.rest = "\\"
    if args.rest.startswith("\\"):
        found = GuestObject(session, _by_path(session, args.take_rest()))
    else:
        address = args.take_address()
        if not address and args:
            yield from _of_type(session, args.take_rest())
            return
        args.finish()
        found = GuestObject(session, address)
    found.check()
    yield from found.rows()
    if found.type_name == "Directory":
        yield ""
        yield from _directory_rows(session, found.body)
    elif found.type_name == "SymbolicLink":
        link = record(session, "_OBJECT_SYMBOLIC_LINK", found.body)
        yield f"    Target String is '{link.text('LinkTarget')}'"


def _root(session: Session) -> int:
    return peek.number(session.target, symbol(session, "nt!ObpRootDirectoryObject"))


def _entries(session: Session, directory: int) -> Iterator[tuple[int, GuestObject]]:
    """Bucket and object of each entry of a directory."""
    for bucket in range(NUMBER_HASH_BUCKETS):
        entry = peek.number(session.target, directory + 4 * bucket)
        for _ in range(_LONGEST_CHAIN):
            if not entry:
                break
            row = record(session, "_OBJECT_DIRECTORY_ENTRY", entry)
            yield bucket, GuestObject(session, row["Object"])
            entry = row["ChainLink"]


def _by_path(session: Session, path: str) -> int:
    """The object of `\\Device\\Null`, in any case; raises KdError."""
    body = _root(session)
    if path.startswith("\\??\\") or path.strip() == "\\??":
        path = "\\GLOBAL" + path[1:]
    for name in filter(None, path.strip().split("\\")):
        if GuestObject(session, body).type_name != "Directory":
            raise KdError(f"Object {path} not found: {name} would be below what is no directory")
        following = next(
            (found for _bucket, found in _entries(session, body)
             if found.name.casefold() == name.casefold()), None
        )  # fmt: skip
        if following is None:
            raise KdError(f"Object {path} not found")
        body = following.body
    return body


def _directory_rows(session: Session, directory: int) -> Iterator[str]:
    yield "    Hash Address  Type          Name"
    yield "    ---- -------  ----          ----"
    for bucket, found in sorted(_entries(session, directory), key=lambda row: row[0]):
        yield f"     {bucket:02}  {found.body:08x} {found.type_name:<13} {found.name}"


def _of_type(session: Session, name: str) -> Iterator[str]:
    waiting, seen = [_root(session)], set[int]()
    while waiting:
        directory = waiting.pop()
        if directory in seen:
            continue
        seen.add(directory)
        for _bucket, found in _entries(session, directory):
            if found.type_name == "Directory":
                waiting.append(found.body)
            if found.type_name.casefold() == name.casefold():
                yield f"{found.body:08x} {found.type_name:<13} {found.name}"


@command(
    "!handle",
    help="Show the handles of a process",
    usage="!handle [HANDLE | 0] [FLAGS] [EPROCESS | ID] [TYPE]\n"
    "0: all of them; FLAGS: 1 the entries alone, 2 and 3 the objects too; TYPE: such as File",
)
def show_handles(session: Session, args: Arguments) -> Iterable[str]:
    wanted = args.take_value() if args else 0
    flags = args.take_value() if args else 3
    number = args.take_address() if args else 0
    kind = args.take_word().casefold()
    args.finish()
    process = find_process(session, number) if number else implicit_process(session)
    table = process.follow("_HANDLE_TABLE", "ObjectTable")
    yield from head_of(process)
    yield ""
    if table is None:
        raise KdError(f"Process {process.address:08x} has no handle table")
    code = table["TableCode"]
    yield f"Handle table at {code & ~_LEVELS:08x} with {table['HandleCount']} entries in use"
    shown = 0
    for handle, entry in handle_entries(session, table):
        if wanted and handle != wanted & ~3:
            continue
        value, access = (peek.number(session.target, entry + offset) for offset in (0, 4))
        if not value & ~_ATTRIBUTES:
            continue
        found = GuestObject(session, (value & ~_ATTRIBUTES) + _HEADER)
        if kind and found.type_name.casefold() != kind:
            continue
        shown += 1
        yield (
            f"{handle:04x}: Object: {found.body:08x}  "
            f"GrantedAccess: {access & ~HANDLE_PROTECT_CLOSE:08x} "
            f"{_marks(value, access)}Entry: {entry:08x}"
        )
        if flags & 2:
            yield from found.rows()
            yield ""
    if wanted and not shown:
        raise KdError(f"{wanted & ~3:04x}: free handle, or none")


def _marks(value: int, access: int) -> str:
    inherit = "(Inherit) " if value & _INHERIT else ""
    return inherit + ("(Protected) " if access & HANDLE_PROTECT_CLOSE else "")


def handle_entries(session: Session, table: Record) -> Iterator[tuple[int, int]]:
    """Handle and address of every entry, used or free, but for the first of each page."""
    code, end = table["TableCode"], table["NextHandleNeedingPool"] >> 2
    pages = _pages(session, code & ~_LEVELS, code & _LEVELS)
    for number, page in enumerate(pages):
        if number * _PAGE_ENTRIES >= end:
            return
        for index in range(1, _PAGE_ENTRIES):
            yield (number * _PAGE_ENTRIES + index) * 4, page + index * HANDLE_TABLE_ENTRY_SIZE


def _pages(session: Session, table: int, level: int) -> Iterator[int]:
    if not level:
        yield table
        return
    count = _TOP_POINTERS if level > 1 else _PAGE_POINTERS
    for index in range(count):
        below = peek.number(session.target, table + 4 * index)
        if not below:
            return
        yield from _pages(session, below, level - 1)


@command("!obtypes", help="List the object types", usage="!obtypes")
def list_types(session: Session, args: Arguments) -> Iterable[str]:
    args.finish()
    yield "Address   Objects Handles  Name"
    for _bucket, found in _entries(session, _by_path(session, "\\ObjectTypes")):
        kind = record(session, "_OBJECT_TYPE", found.body)
        counts = f"{kind['TotalNumberOfObjects']:7} {kind['TotalNumberOfHandles']:7}"
        yield f"{found.body:08x} {counts}  {unicode_text(session.target, kind.at('Name'))}"
