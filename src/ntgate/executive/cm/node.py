"""A key and its values, as they are kept on the host."""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.executive.ob.names import upcase
from ntgate.layout.cm import REG_LINK
from ntgate.records import dataclass

LINK_VALUE = "SymbolicLinkValue"


def utf16(text: str) -> bytes:
    """UTF-16LE with every unit kept, half surrogate pairs too."""
    return text.encode("utf-16-le", "surrogatepass")


def from_utf16(data: bytes) -> str:
    """The inverse of `utf16`; an odd last byte falls away."""
    return data[: len(data) & ~1].decode("utf-16-le", "surrogatepass")


def utf16_size(text: str) -> int:
    """Bytes of a text in UTF-16."""
    return 2 * len(text) if text.isascii() else len(utf16(text))


@dataclass(slots=True)
class Value:
    """`data` is what the guest has set, byte for byte; the default value's name is empty."""

    name: str
    type: int
    data: bytes


@dataclass(eq=False, slots=True)
class Hive:
    """A tree that is saved and loaded as one file; `root` is its top key where it is mounted.

    `file` is the NT path of its file, "" for a hive that has none.
    """

    file: str
    root: KeyNode | None = None


class KeyNode:
    """One key.

    `hive` is None for the keys that only hold hives: \\REGISTRY, MACHINE and USER.  `parent` stays
    set when the key is deleted, as its handles still have a way up.  `kcb` is the address of its
    CM_KEY_CONTROL_BLOCK while it, or a key below it, has a handle; `opens` counts its key objects.
    """

    __slots__ = (
        "_ordered", "_subkeys", "_values", "class_name", "deleted", "hive", "kcb",
        "last_write_time", "link", "name", "opens", "parent", "security", "user_flags",
        "volatile",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        parent: KeyNode | None,
        hive: Hive | None,
        *,
        time: int = 0,
        volatile: bool = False,
        link: bool = False,
        class_name: str = "",
    ) -> None:
        self.name = name
        self.parent = parent
        self.hive = hive
        self.class_name = class_name
        self.last_write_time = time
        self.volatile = volatile
        self.link = link
        self.security = b""
        self.user_flags = 0
        self.deleted = False
        self.kcb = 0
        self.opens = 0
        self._subkeys: dict[str, KeyNode] = {}
        self._values: dict[str, Value] = {}
        self._ordered: list[KeyNode] | None = []

    def __repr__(self) -> str:
        return f"<KeyNode {self.path}>"

    @property
    def path(self) -> str:
        """The full NT path: \\REGISTRY\\MACHINE\\..."""
        parts = []
        node: KeyNode | None = self
        while node is not None:
            parts.append(node.name)
            node = node.parent
        return "\\" + "\\".join(reversed(parts))

    @property
    def level(self) -> int:
        """How many keys lead here, itself included."""
        count = 0
        node: KeyNode | None = self
        while node is not None:
            count += 1
            node = node.parent
        return count

    @property
    def is_hive_root(self) -> bool:
        return self.hive is None or self.hive.root is self

    # Subkeys

    @property
    def subkeys(self) -> list[KeyNode]:
        """In the order of enumeration: by name in capitals, those that are volatile last."""
        if self._ordered is None:
            self._ordered = sorted(self._subkeys.values(), key=_enumeration_order)
        return self._ordered

    @property
    def subkey_count(self) -> int:
        return len(self._subkeys)

    def subkey(self, name: str) -> KeyNode | None:
        return self._subkeys.get(upcase(name))

    def add_subkey(self, node: KeyNode) -> None:
        self._subkeys[upcase(node.name)] = node
        self._ordered = None

    def remove_subkey(self, node: KeyNode) -> None:
        del self._subkeys[upcase(node.name)]
        self._ordered = None

    def tree(self) -> Iterator[KeyNode]:
        """This key and every key below it; a key comes before its subkeys."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.subkeys)

    @property
    def max_name_length(self) -> int:
        """Bytes of the longest name of a subkey."""
        return max((utf16_size(node.name) for node in self._subkeys.values()), default=0)

    @property
    def max_class_length(self) -> int:
        return max((utf16_size(node.class_name) for node in self._subkeys.values()), default=0)

    # Values

    @property
    def values(self) -> list[Value]:
        """In the order in which they were first set."""
        return list(self._values.values())

    @property
    def value_count(self) -> int:
        return len(self._values)

    def value(self, name: str) -> Value | None:
        return self._values.get(upcase(name))

    def set_value(self, name: str, kind: int, data: bytes) -> None:
        """A value that is there keeps the spelling of its name."""
        found = self._values.get(upcase(name))
        if found is None:
            self._values[upcase(name)] = Value(name, kind, data)
        else:
            found.type, found.data = kind, data

    def remove_value(self, name: str) -> None:
        del self._values[upcase(name)]

    @property
    def max_value_name_length(self) -> int:
        return max((utf16_size(value.name) for value in self._values.values()), default=0)

    @property
    def max_value_data_length(self) -> int:
        return max((len(value.data) for value in self._values.values()), default=0)

    @property
    def link_target(self) -> str:
        """Where a symbolic link leads; "" while it has not been told."""
        value = self.value(LINK_VALUE)
        return from_utf16(value.data) if value is not None and value.type == REG_LINK else ""


def _enumeration_order(node: KeyNode) -> tuple[bool, bytes]:
    return node.volatile, upcase(node.name).encode("utf-16-be", "surrogatepass")
