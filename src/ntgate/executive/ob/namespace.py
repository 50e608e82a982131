"""The namespace: from a path to an object, and from an object to its path."""

from __future__ import annotations

from collections.abc import Callable

from ntgate.errors import NtError
from ntgate.executive.ob import attributes as a
from ntgate.executive.ob.attributes import ObjectAttributes
from ntgate.executive.ob.handles import Handles
from ntgate.executive.ob.names import split
from ntgate.executive.ob.types import ObjectType
from ntgate.executive.pool import Pool
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    ACCESS_SYSTEM_SECURITY,
    DIRECTORY_CREATE_OBJECT,
    DIRECTORY_CREATE_SUBDIRECTORY,
)
from ntgate.memory.kernel import KernelMemory
from ntgate.records import dataclass

DOS_DEVICES = "\\??"
MOST_LINKS = 32  # on one way: more is a circle
LONGEST_NAME = 0x7FFF  # UTF-16 units
DETACHED = "..."  # stands for the way to a directory that has lost its name


@dataclass(frozen=True, slots=True)
class Inserted:
    """What insert did: `status` is STATUS_SUCCESS, or STATUS_OBJECT_NAME_EXISTS where `body`
    is the object that was there."""

    handle: int
    body: int
    status: int


@dataclass(frozen=True, slots=True)
class _Found:
    """Where a path leads: to a body, with what is left for it to parse, or to a free name."""

    body: int
    remaining: str
    directory: int = 0
    name: str = ""


class Namespace(Handles):
    """Objects with handles and paths.  `root` is the directory of everything.

    assign_security(body, descriptor, kernel) gives a new object its security descriptor; the
    kernel's own objects are made without a handle.
    """

    def __init__(self, memory: KernelMemory, pool: Pool, symbols: dict[str, int]) -> None:
        super().__init__(memory, pool, symbols)
        self.root = self._make_root()
        self.dos_devices = self.root  # the directory that \\?? stands for
        self.assign_security: Callable[[int, bytes, bool], None] = lambda *_: None

    def lookup(
        self, path: str, attributes: int = 0, root: int = 0, kind: ObjectType | None = None
    ) -> tuple[int, str]:
        """The body that a path leads to, without a reference, and what is left of the path.

        attributes: OBJ_CASE_INSENSITIVE counts.  root: the body that the path starts at; 0 for
        the root.  kind: the type that is wanted: only a wanted link isn't followed.

        An object whose type takes paths (Device, File, Key) ends the way; what is left starts
        with its backslash, but is as given behind a root of such a type.  Elsewhere nothing is
        left.  Raises STATUS_OBJECT_NAME_NOT_FOUND, _NAME_INVALID, _PATH_NOT_FOUND,
        _PATH_SYNTAX_BAD, _TYPE_MISMATCH; STATUS_INVALID_HANDLE for a root that has no names in
        it.
        """
        found = self._walk(path, attributes, root, kind)
        if not found.body:
            raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
        return found.body, found.remaining

    def open_by_name(
        self, table: int, kind: ObjectType, desired_access: int, attributes: ObjectAttributes
    ) -> int:
        """A handle to an object of that type; raises what lookup and create_handle raise."""
        body, remaining = self.lookup(
            attributes.name, attributes.attributes, attributes.root, kind
        )
        if remaining:
            raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
        return self.open_by_pointer(table, body, desired_access, attributes.attributes, kind)

    def insert(
        self, table: int, body: int, desired_access: int, attributes: ObjectAttributes
    ) -> Inserted:
        """Give a new object its name and a handle.

        The creator's reference goes to the handle; with table 0 there is no handle, and the
        creator keeps it.  Where the name is taken the new object goes: with OBJ_OPENIF the
        handle is to the object that was there, otherwise STATUS_OBJECT_NAME_COLLISION.  The new
        object also goes with any other error: those of lookup and create_handle.
        """
        result = Inserted(0, body, ntstatus.STATUS_SUCCESS)
        try:
            if attributes.name:
                result = self._insert_name(body, attributes, kernel=not table)
            is_new = result.body == body
            if is_new:
                self.assign_security(body, attributes.security, not table)
            if table:
                flags = attributes.attributes
                if is_new:  # its maker may do with it what he has asked for
                    access = self.type_of(body).grant(desired_access)
                    if access & ACCESS_SYSTEM_SECURITY:
                        access = self.check_access(body, desired_access)
                    handle = self.create_handle(table, body, access, flags)
                else:
                    handle = self.open_by_pointer(table, result.body, desired_access, flags)
                result = Inserted(handle, result.body, result.status)
        except NtError:
            self.check_name(body)
            self.dereference(body)
            raise
        if table or result.body != body:
            self.dereference(body)
        return result

    def name_of(self, body: int) -> str:
        """The full path of an object; "" for one without a name.

        Raises what the type's query_name raises.
        """
        query = self.type_of(body).query_name
        if query:
            return query(body)
        parts: list[str] = []
        while body != self.root:
            info = self.name_info(body)
            if info is None or not info.Directory:
                return "\\".join([DETACHED, *reversed(parts)]) if parts else ""
            parts.append(self.blocks.text(info.Name))
            body = info.Directory
        return "\\" + "\\".join(reversed(parts))

    def _make_root(self) -> int:
        flags = a.OBJ_PERMANENT | a.OBJ_CASE_INSENSITIVE
        root = self.create_directory(ObjectAttributes("\\", 0, flags), kernel=True)
        info = self.name_info(root)
        assert info is not None
        self.blocks.set_string(info.Name, "\\", b"ObNm")
        self.publish("ObpRootDirectoryObject", root)
        return root

    def _insert_name(
        self, body: int, attributes: ObjectAttributes, *, kernel: bool
    ) -> Inserted:
        kind = self.type_of(body)
        found = self._walk(
            attributes.name, attributes.attributes, attributes.root, kind, creating=True
        )
        if not found.body:
            if not kernel:
                is_directory = kind.name == "Directory"
                right = (
                    DIRECTORY_CREATE_SUBDIRECTORY if is_directory else DIRECTORY_CREATE_OBJECT
                )
                self.check_access(found.directory, right)
            self.insert_entry(found.directory, found.name, body)
            return Inserted(0, body, ntstatus.STATUS_SUCCESS)
        if not attributes.attributes & a.OBJ_OPENIF:
            raise NtError(ntstatus.STATUS_OBJECT_NAME_COLLISION)
        if self.type_of(found.body) is not kind:
            raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
        return Inserted(0, found.body, ntstatus.STATUS_OBJECT_NAME_EXISTS)

    def _walk(
        self, path: str, flags: int, root: int, kind: ObjectType | None, *, creating: bool = False
    ) -> _Found:
        """Follow a path, and the links on it; creating stops at no object in the way."""
        insensitive = bool(flags & a.OBJ_CASE_INSENSITIVE) or (
            kind is None or bool(kind.view.TypeInfo.CaseInsensitive)
        )
        for _ in range(MOST_LINKS):
            step = self._start(path, root, kind)
            if isinstance(step, _Found):
                return step
            outcome = self._descend(*step, kind, insensitive=insensitive, creating=creating)
            if isinstance(outcome, _Found):
                return outcome
            path, root = outcome, 0
            if not path.startswith("\\"):
                raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
            if len(path) > LONGEST_NAME:
                raise NtError(ntstatus.STATUS_NAME_TOO_LONG)
        raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)

    def _start(self, path: str, root: int, kind: ObjectType | None) -> tuple[int, str] | _Found:
        """The directory that a path starts in, and the path from there; or the end at once."""
        if root:
            return self._start_at(path, root, kind)
        if not path.startswith("\\"):
            raise NtError(ntstatus.STATUS_OBJECT_PATH_SYNTAX_BAD)
        if path in ("\\", DOS_DEVICES):
            body = self.root if path == "\\" else self.dos_devices
            return self._whole(body, kind)
        if path.startswith(DOS_DEVICES + "\\"):
            return self.dos_devices, path[len(DOS_DEVICES) + 1 :]
        return self.root, path[1:]

    def _start_at(self, path: str, root: int, kind: ObjectType | None) -> tuple[int, str] | _Found:
        of_root = self.type_of(root)
        if path.startswith("\\") and of_root.name != "File":
            raise NtError(ntstatus.STATUS_OBJECT_PATH_SYNTAX_BAD)
        if of_root.row.parses:
            return _Found(root, path)
        if of_root.name == "SymbolicLink":
            if path:
                raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
            return self._whole(root, kind)
        if of_root.name != "Directory":
            raise NtError(ntstatus.STATUS_INVALID_HANDLE)
        return (root, path) if path else self._whole(root, kind)

    def _whole(self, body: int, kind: ObjectType | None) -> _Found:
        """The way ends at `body`, which must be of the type."""
        if kind is not None and self.type_of(body) is not kind:
            raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
        return _Found(body, "")

    def _descend(
        self,
        directory: int,
        path: str,
        kind: ObjectType | None,
        *,
        insensitive: bool,
        creating: bool,
    ) -> _Found | str:
        """Go down from a directory: to the end, or to a link: the path to start again with."""
        while True:
            name, rest = split(path)
            if not name:
                raise NtError(ntstatus.STATUS_OBJECT_NAME_INVALID)
            body = self.find_entry(directory, name, case_insensitive=insensitive)
            if not body:
                if rest:
                    raise NtError(ntstatus.STATUS_OBJECT_PATH_NOT_FOUND)
                return _Found(0, "", directory, name)
            there = self.type_of(body)
            if there.name == "SymbolicLink":
                if rest or there is not kind:
                    target = self.link_target(body)
                    return (target.removesuffix("\\") if rest else target) + rest
                return _Found(body, "")
            if there.row.parses and not (rest and creating):
                return _Found(body, rest)
            if not rest:
                return _Found(body, "") if creating else self._whole(body, kind)
            if there.row.parses and rest != "\\":
                raise NtError(ntstatus.STATUS_OBJECT_PATH_NOT_FOUND)
            if there.name != "Directory":
                raise NtError(ntstatus.STATUS_OBJECT_TYPE_MISMATCH)
            directory, path = body, rest[1:]
