"""A volume's files and folders: nodes with names in directories, filled from sources on demand.

An Entry is a name in a directory, a Node what it names; a file may have several names.  What a
source gave is looked at once and then lives here, except below a write-through mount.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from weakref import WeakValueDictionary

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.content import MemoryContent, Space
from ntgate.executive.io.extended_attributes import Eas
from ntgate.executive.io.names import short_name
from ntgate.executive.io.reparse import ReparsePoint
from ntgate.executive.io.source import FileSource, FolderSource, Metadata, Policy, Source
from ntgate.executive.io.stream import Stream
from ntgate.executive.ob.names import upcase
from ntgate.layout.ntstatus import STATUS_ACCESS_DENIED

OBJECT_ID_SIZE = 16
FIRST_FILE_ID = 0x0001_0000_0000_0005  # of the root on NTFS: sequence number and record 5


class Entry:
    """A name in a directory; `directory` is None for the root, and for what was removed.

    `opens` counts the file objects that came by it: of a file with several names, not all.
    """

    __slots__ = ("delete_pending", "directory", "name", "node", "opens")

    def __init__(self, name: str, directory: Directory | None, node: Node) -> None:
        self.name = name
        self.directory = directory
        self.node = node
        self.delete_pending = False
        self.opens = 0

    @property
    def path(self) -> str:
        r"""From the volume's root: `\folder\file`; the root itself is `\`."""
        if self.directory is None:
            return self.node.former or "\\"
        parts = []
        entry: Entry = self
        while entry.directory is not None:
            parts.append(entry.name)
            entry = entry.directory.entries[0]
        return "\\" + "\\".join(reversed(parts))


class Node:
    """A file or directory.  `opens` counts the file objects on it and its streams.

    is_mount: a directory that was put over what was there; it keeps its name.
    """

    is_directory = False
    is_mount = False
    source: Source | None

    def __init__(self, tree: Tree, metadata: Metadata | None) -> None:
        self.tree = tree
        self.file_id = tree.next_file_id()
        tree.nodes[self.file_id] = self
        self.entries: list[Entry] = []
        self.streams: dict[str, Stream] = {}
        self.opens = 0
        self.former = ""  # the path that it lost last, which stays its open files' name
        self.security = b""  # a self-relative security descriptor; empty for the default
        self.eas: Eas | None = None
        self.reparse: ReparsePoint | None = None
        self.object_id = b""  # FILE_OBJECTID_BUFFER, once it has one
        self._metadata = metadata

    @property
    def metadata(self) -> Metadata:
        if self._metadata is None:
            assert self.source is not None
            self._metadata = self.source.metadata()
        return self._metadata

    @property
    def policy(self) -> Policy:
        """What is only in memory may change like a copy."""
        return self.source.policy if self.source is not None else Policy.COPY_ON_WRITE

    @property
    def attributes(self) -> int:
        """As queries tell them: never 0."""
        found = self.metadata.attributes
        if self.reparse is not None:
            found |= c.FILE_ATTRIBUTE_REPARSE_POINT
        if self.is_directory:
            return found & ~c.FILE_ATTRIBUTE_NORMAL | c.FILE_ATTRIBUTE_DIRECTORY
        return found or c.FILE_ATTRIBUTE_NORMAL

    @property
    def is_reachable(self) -> bool:
        """Whether its name leads from the root to it."""
        entry = self.entries[0] if self.entries else None
        while entry is not None and entry.directory is not None:
            above = entry.directory
            if not above.holds(entry):
                return False
            entry = above.entries[0] if above.entries else None
        return entry is self.tree.root.entries[0]

    @property
    def ea_size(self) -> int:
        """What FILE_EA_INFORMATION tells."""
        return self.eas.size if self.eas is not None else 0

    def check_writable(self) -> None:
        """Raises STATUS_ACCESS_DENIED below a read-only mount."""
        if self.policy is Policy.READ_ONLY:
            raise NtError(STATUS_ACCESS_DENIED)

    def touch(self) -> None:
        """Contents have changed now."""
        now = self.tree.now()
        metadata = self.metadata
        metadata.write = metadata.change = now

    def save_metadata(self) -> None:
        """Attributes or times were set."""
        if self.source is not None and self.policy is Policy.WRITE_THROUGH:
            self.source.set_metadata(self.metadata)


class File(Node):
    """A file; its main stream has the name ""."""

    source: FileSource | None

    def __init__(
        self, tree: Tree, source: FileSource | None, metadata: Metadata | None = None
    ) -> None:
        super().__init__(tree, metadata)
        self.source = source
        content = MemoryContent(tree.space) if source is None else None
        self.streams[""] = Stream(self, "", content)


class Directory(Node):
    """Entries by name in capitals."""

    is_directory = True
    source: FolderSource | None

    def __init__(
        self, tree: Tree, source: FolderSource | None, metadata: Metadata | None = None
    ) -> None:
        super().__init__(tree, metadata)
        self.source = source
        self._children: dict[str, Entry] = {}
        self._stamp = -1
        self._short: dict[str, Entry] | None = None  # made when it is first asked for
        self._short_of: dict[Entry, str] = {}

    @property
    def children(self) -> dict[str, Entry]:
        """Every entry; what the source has is here from the first look on."""
        if self.source is not None:
            stamp = self.source.stamp()
            if stamp != self._stamp:
                self._load(self.source)
                self._stamp = stamp
        return self._children

    def loaded_entries(self) -> Iterator[Entry]:
        """Those that have been looked at."""
        yield from self._children.values()

    def find(self, name: str) -> Entry | None:
        """By long or short name, in any letter case."""
        key = upcase(name)
        entry = self.children.get(key)
        if entry is None and "~" in name:
            entry = self.short_names().get(key)
        return entry

    def sorted_entries(self) -> Iterator[Entry]:
        """In the order in which NTFS has them: by the names in capitals."""
        children = self.children
        for key in sorted(children):
            yield children[key]

    def short_names(self) -> dict[str, Entry]:
        if self._short is None:
            self._short = {}
            for entry in self.sorted_entries():
                self._add_short(entry)
        return self._short

    def short_name_of(self, entry: Entry) -> str:
        """The 8.3 name; "" where the long name is one."""
        self.short_names()
        short = self._short_of.get(entry, "")
        return "" if short == upcase(entry.name) else short

    def add(self, entry: Entry) -> None:
        self.children[upcase(entry.name)] = entry
        entry.directory = self
        entry.node.entries.append(entry)
        if self._short is not None:
            self._add_short(entry)

    def discard(self, entry: Entry) -> None:
        self._take(entry)
        entry.node.entries.remove(entry)

    def holds(self, entry: Entry) -> bool:
        """Whether the entry is still here, and not what had its name before."""
        return self._children.get(upcase(entry.name)) is entry

    def _take(self, entry: Entry) -> None:
        self._children.pop(upcase(entry.name), None)
        short = self._short_of.pop(entry, None)
        if self._short is not None and short is not None:
            self._short.pop(short, None)

    def _forget(self, entry: Entry) -> None:
        """The host has it no more.  A directory keeps its place: files below may be open."""
        if entry.node.is_directory:
            self._take(entry)
        else:
            entry.node.former = entry.path
            self.discard(entry)
            entry.directory = None

    def _add_short(self, entry: Entry) -> None:
        assert self._short is not None
        taken = _Both(self._short, self._children)
        short = short_name(entry.name, taken)
        self._short[short] = entry
        self._short_of[entry] = short

    def _load(self, source: FolderSource) -> None:
        found = dict(source.entries())
        for entry in list(self._children.values()):
            known = None if entry.node.is_mount else entry.node.source
            if entry.name not in found and known is not None and not entry.node.opens:
                self._forget(entry)
        for name, child in found.items():
            there = self._children.get(upcase(name))
            if there is not None and there.node.source not in (child, None):
                # Something else has that name on the host now.
                if there.node.opens or there.node.is_mount:
                    continue
                self._forget(there)
            if upcase(name) not in self._children:
                node = Directory(self.tree, child) if child.is_directory else File(self.tree, child)
                entry = Entry(name, self, node)
                self._children[upcase(name)] = entry
                node.entries.append(entry)
                if self._short is not None:
                    self._add_short(entry)


class _Both:
    """Names that a new short name may not have."""

    def __init__(self, one: dict[str, Entry], other: dict[str, Entry]) -> None:
        self._one, self._other = one, other

    def __contains__(self, name: object) -> bool:
        return name in self._one or name in self._other


class Tree:
    """Everything on a volume.  now() gives the time for what is made or changed."""

    def __init__(self, device_name: str, space: Space, now: Callable[[], int]) -> None:
        self.device_name = device_name
        self.space = space
        self.now = now
        self._last_id = FIRST_FILE_ID - 1
        self.nodes: WeakValueDictionary[int, Node] = WeakValueDictionary()  # by file id
        self.object_ids: dict[bytes, Node] = {}
        metadata = Metadata.at(now(), c.FILE_ATTRIBUTE_DIRECTORY | c.FILE_ATTRIBUTE_HIDDEN
                               | c.FILE_ATTRIBUTE_SYSTEM)  # fmt: skip
        self.root = Directory(self, None, metadata)
        self.root.entries.append(Entry("", None, self.root))

    def next_file_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def make_directories(self, *names: str) -> Directory:
        """The directory of that path, made where it is missing."""
        directory = self.root
        for name in names:
            entry = directory.find(name)
            if entry is None:
                entry = self.new_entry(directory, name, c.FILE_ATTRIBUTE_DIRECTORY)
            assert isinstance(entry.node, Directory)
            directory = entry.node
        return directory

    def mount(self, source: FolderSource, *names: str) -> Directory:
        """Fill a directory from a source; what was there is gone.  `names` is its path."""
        above = self.make_directories(*names[:-1])
        there = above.find(names[-1])
        if there is not None:
            above.discard(there)
            there.directory = None
        directory = Directory(self, source)
        directory.is_mount = True
        above.add(Entry(names[-1], above, directory))
        return directory

    def add_file(self, source: FileSource, *names: str) -> None:
        """Put a file from a source into a directory, which is made; `names` is its path, which
        is free."""
        above = self.make_directories(*names[:-1])
        above.add(Entry(names[-1], above, File(self, source)))

    def new_entry(self, directory: Directory, name: str, attributes: int) -> Entry:
        """A new file, or directory with FILE_ATTRIBUTE_DIRECTORY; the name is free.

        Raises STATUS_ACCESS_DENIED below a read-only mount, and what the host answers.
        """
        directory.check_writable()
        above = directory.source if directory.policy is Policy.WRITE_THROUGH else None
        attributes |= directory.metadata.attributes & c.FILE_ATTRIBUTE_COMPRESSED
        metadata = Metadata.at(self.now(), attributes)
        node: Node
        if attributes & c.FILE_ATTRIBUTE_DIRECTORY:
            node = Directory(self, above.create_folder(name) if above else None, metadata)
        else:
            node = File(self, above.create_file(name) if above else None, metadata)
        entry = Entry(name, directory, node)
        directory.add(entry)
        directory.touch()
        return entry

    def add_link(self, directory: Directory, name: str, node: Node) -> Entry:
        """One more name of a file; raises what the host answers.

        The caller has checked that no write-through mount's border is crossed.
        """
        directory.check_writable()
        if directory.policy is Policy.WRITE_THROUGH:
            assert isinstance(node, File) and node.source is not None
            assert directory.source is not None
            directory.source.link(node.source, name)
        entry = Entry(name, directory, node)
        directory.add(entry)
        directory.touch()
        return entry

    def remove(self, entry: Entry) -> None:
        """Take a name away; the node stays for those who have it open."""
        directory, node = entry.directory, entry.node
        assert directory is not None
        directory.check_writable()
        if directory.policy is Policy.WRITE_THROUGH and node.source is not None:
            assert directory.source is not None
            directory.source.remove(entry.name)
        node.former = entry.path
        directory.discard(entry)
        entry.directory = None
        self._keep_source(node)
        directory.touch()
        if not node.entries and not node.opens:
            self.release(node)

    @staticmethod
    def _keep_source(node: Node) -> None:
        """A file that loses one of its names may have been known to the host by that."""
        left = node.entries[0] if node.entries else None
        if left is None or not isinstance(node, File) or node.policy is not Policy.WRITE_THROUGH:
            return
        above = left.directory
        if above is not None and above.source is not None and node.source is not None:
            above.source.remember(left.name, node.source)

    def release(self, node: Node) -> None:
        """A node without a name that nobody has open."""
        self.object_ids.pop(node.object_id[:OBJECT_ID_SIZE], None)
        for stream in node.streams.values():
            stream.release()

    def move(self, entry: Entry, directory: Directory, name: str) -> None:
        """Another name, another directory, or both; the name there is free.

        Raises STATUS_ACCESS_DENIED; the caller has checked that no write-through mount's
        border is crossed.
        """
        above = entry.directory
        assert above is not None
        above.check_writable()
        directory.check_writable()
        if above.policy is Policy.WRITE_THROUGH:
            assert above.source is not None and directory.source is not None
            above.source.rename(entry.name, directory.source, name)
        above.discard(entry)
        entry.name = name
        directory.add(entry)
        above.touch()
        directory.touch()
