"""Directory objects: OBJECT_DIRECTORY, 37 buckets of chained entries in guest memory.

An entry holds a reference on its object, and the object one on its directory.  The entry that
was found last heads its bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ntgate.errors import NtError
from ntgate.executive.ob.attributes import UNNAMED, ObjectAttributes
from ntgate.executive.ob.names import bucket_of, upcase
from ntgate.executive.ob.objects import OB_FLAG_PERMANENT_OBJECT, Objects
from ntgate.executive.pool import Pool
from ntgate.layout import ntstatus
from ntgate.layout.ob import NUMBER_HASH_BUCKETS, OBJECT_DIRECTORY, OBJECT_DIRECTORY_ENTRY
from ntgate.memory.kernel import KernelMemory


class Directories(Objects):
    """Objects, and the directories that hold them by name."""

    def __init__(self, memory: KernelMemory, pool: Pool, symbols: dict[str, int]) -> None:
        super().__init__(memory, pool, symbols)
        self._unfilled: dict[int, Callable[[], None]] = {}
        self.types["Directory"].delete = self._forget_filler

    def create_directory(
        self, attributes: ObjectAttributes = UNNAMED, *, kernel: bool = False
    ) -> int:
        """A directory object that isn't inserted yet."""
        kind = self.types["Directory"]
        return self.create(kind, OBJECT_DIRECTORY.SIZE, attributes, kernel=kernel)

    def fill_at_first_look(self, directory: int, fill: Callable[[], None]) -> None:
        """`fill` enters what the directory begins with, when a name is first looked for in it or
        its names are first asked for."""
        self._unfilled[directory] = fill

    def find_entry(self, directory: int, name: str, *, case_insensitive: bool = False) -> int:
        """The body of the object of that name, without a reference; 0 for none."""
        if directory in self._unfilled:
            self._fill(directory)
        found = self._search(directory, name, case_insensitive=case_insensitive)
        if not found:
            return 0
        link, entry = found
        bucket = directory + 4 * bucket_of(name)
        if link != bucket:
            self.memory.set_u32(link, self.memory.u32(entry))
            self.memory.set_u32(entry, self.memory.u32(bucket))
            self.memory.set_u32(bucket, entry)
        return OBJECT_DIRECTORY_ENTRY(self.memory, entry).Object

    def insert_entry(self, directory: int, name: str, body: int) -> None:
        """Enter an object that was created with a name; its name is `name` from now on.

        The caller has looked that the name is free.  Raises STATUS_INSUFFICIENT_RESOURCES,
        and STATUS_INVALID_PARAMETER where the object has no room for a name.
        """
        info = self.name_info(body)
        if info is None:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        self.blocks.set_string(info.Name, name, b"ObNm")
        entry = OBJECT_DIRECTORY_ENTRY(
            self.memory, self.blocks.allocate(OBJECT_DIRECTORY_ENTRY.SIZE, b"ObDi")
        )
        bucket = directory + 4 * bucket_of(name)
        entry.ChainLink = self.memory.u32(bucket)
        entry.Object = body
        self.memory.set_u32(bucket, entry.address)
        info.Directory = directory
        self.reference(body)
        self.reference(directory)
        link = self.type_of(body).link
        if link:
            link(body, directory)

    def remove_entry(self, body: int) -> None:
        """Take an object out of its directory: it has no name any more."""
        info = self.name_info(body)
        if info is None or not info.Directory:
            return
        directory = info.Directory
        found = self._search(directory, self.blocks.text(info.Name), body=body)
        unlink = self.type_of(body).unlink
        if unlink:
            unlink(body, directory)
        info.Directory = 0
        self.blocks.free_string(info.Name)
        if found:
            link, entry = found
            self.memory.set_u32(link, self.memory.u32(entry))
            self.blocks.free(entry)
            self.dereference(body)
        self.dereference(directory)

    def entries(self, directory: int) -> Iterator[tuple[str, int]]:
        """Name and body of everything in a directory, bucket by bucket."""
        if directory in self._unfilled:
            self._fill(directory)
        for bucket in range(directory, directory + 4 * NUMBER_HASH_BUCKETS, 4):
            entry = self.memory.u32(bucket)
            while entry:
                view = OBJECT_DIRECTORY_ENTRY(self.memory, entry)
                yield self.name_in_directory(view.Object), view.Object
                entry = view.ChainLink

    def name_in_directory(self, body: int) -> str:
        """The last component of an object's name; "" for none."""
        info = self.name_info(body)
        return self.blocks.text(info.Name) if info else ""

    def make_temporary(self, body: int) -> None:
        """An object without a handle loses its name now, another with its last handle."""
        self.header(body).Flags &= ~OB_FLAG_PERMANENT_OBJECT
        self.check_name(body)

    def make_permanent(self, body: int) -> None:
        self.header(body).Flags |= OB_FLAG_PERMANENT_OBJECT

    def check_name(self, body: int) -> None:
        """Take the name from an object that isn't permanent and has no handle."""
        header = self.header(body)
        if not header.HandleCount and not header.Flags & OB_FLAG_PERMANENT_OBJECT:
            self.remove_entry(body)

    def _fill(self, directory: int) -> None:
        fill = self._unfilled.pop(directory)  # first: it looks into the directory itself
        fill()

    def _forget_filler(self, directory: int) -> None:
        self._unfilled.pop(directory, None)

    def _search(
        self, directory: int, name: str, *, case_insensitive: bool = False, body: int = 0
    ) -> tuple[int, int] | None:
        """The address of the link to an entry, and the entry's; `body` asks for that object."""
        wanted = upcase(name) if case_insensitive else name
        link = directory + 4 * bucket_of(name)
        while entry := self.memory.u32(link):
            found = self.memory.u32(entry + 4)
            if body:
                if found == body:
                    return link, entry
            else:
                there = self.name_in_directory(found)
                if (upcase(there) if case_insensitive else there) == wanted:
                    return link, entry
            link = entry
        return None
