"""The registry of one machine: its tree of keys, and the key objects that handles lead to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.cm.control_blocks import ControlBlocks
from ntgate.executive.cm.hive_files import HiveFiles
from ntgate.executive.cm.node import KeyNode
from ntgate.executive.cm.notify import Notifications, NotifyBlock
from ntgate.executive.cm.tree import KeyTree
from ntgate.executive.events import Event, Events, ThreadExit
from ntgate.executive.ke.clock import Clock
from ntgate.executive.ob import HandleClosing, ObjectAttributes, ObjectManager
from ntgate.executive.ob import attributes as a
from ntgate.layout import lists, ntstatus
from ntgate.layout.access import KEY_CREATE_SUB_KEY
from ntgate.layout.cm import CM_KEY_BODY, KEY_BODY_TYPE
from ntgate.layout.ob import HANDLE_TABLE
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.cm.reg_import import RegFiles

# The machine's accounts have the domain that Wine's advapi32 gives to those of a computer.
USER_SID = "S-1-5-21-0-0-0-500"

REG_CREATED_NEW_KEY, REG_OPENED_EXISTING_KEY = 1, 2


@dataclass(eq=False)
class Key:
    """The companion of a key object; `watches` is what its first NtNotifyChangeKey asked for."""

    node: KeyNode
    watches: list[NotifyBlock] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NewKey:
    """What NtCreateKey makes where there is no such key yet."""

    volatile: bool = False
    link: bool = False
    class_name: str = ""


class Registry:
    """Made with the object \\REGISTRY; its content comes on first use (`is_filled`), from
    `stored_hives` where they are known by then, else from default.reg.

    user_sid: whose keys HKEY_CURRENT_USER are.  `files` is where hives are saved and loaded.
    check_access(descriptor, access) gives the rights of a handle to a key, or raises NtError;
    new_security(explicit, parent) the descriptor of a key that is made with one of its own.
    """

    def __init__(
        self,
        objects: ObjectManager,
        clock: Clock,
        events: Events,
        files: HiveFiles,
        user_sid: str = USER_SID,
    ) -> None:
        self.objects = objects
        self.user_sid = user_sid
        self.files = files
        self.notifications = Notifications()
        self.kind = objects.types["Key"]
        self._control_blocks = ControlBlocks(objects.blocks)
        self._tree = KeyTree(lambda: clock.system_time)
        self._tree.changed = self._changed
        self.is_filled = False
        self.stored_hives: Mapping[str, Path] = {}
        self.kind.delete = self._delete
        self.kind.close = self._close
        self.kind.query_name = self._query_name
        self.kind.get_security, self.kind.set_security = self._get_security, self._set_security
        self.check_access: Callable[[bytes, int], int] = self._grant_all
        self.new_security: Callable[[bytes, bytes], bytes] = lambda explicit, _parent: explicit
        attributes = ObjectAttributes("\\REGISTRY", 0, a.OBJ_PERMANENT)
        body = self._make_object(self._tree.root, attributes, process=0)
        objects.insert(0, body, 0, attributes)
        objects.dereference(body)
        events.listen(self._listen)

    @property
    def tree(self) -> KeyTree:
        """All keys, with the default content at least."""
        if not self.is_filled:
            from ntgate.executive.cm import defaults

            self.is_filled = True
            defaults.fill(self._tree, self.user_sid, self.stored_hives)
        return self._tree

    # Key objects

    def key(self, body: int) -> Key:
        """The companion of a key object; STATUS_OBJECT_TYPE_MISMATCH for what is none."""
        return self.objects.companion(body, Key)

    def follow(
        self, attributes: ObjectAttributes, *, open_link: bool = False
    ) -> tuple[KeyNode, str]:
        """The key of a name; or, for one that is missing, its parent and its name."""
        flags = attributes.attributes
        if flags & (a.OBJ_PERMANENT | a.OBJ_EXCLUSIVE):
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        body, rest = self.objects.lookup(attributes.name, flags, attributes.root, self.kind)
        open_link = open_link or bool(flags & a.OBJ_OPENLINK)
        return self.tree.follow(self.key(body).node, rest, open_link=open_link)

    def find(self, attributes: ObjectAttributes) -> KeyNode:
        """The key of a name; raises what opening it raises."""
        node, missing = self.follow(attributes)
        if missing:
            raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
        return node

    def open(self, table: int, attributes: ObjectAttributes, access: int) -> int:
        """A handle to a key.

        Raises what ObjectManager.lookup and KeyTree.follow raise; STATUS_ACCESS_DENIED for no
        access at all.
        """
        node = self.find(attributes)
        granted = self.check_access(node.security, access)
        return self._make_handle(table, node, attributes, granted)

    def create(
        self, table: int, attributes: ObjectAttributes, access: int, new: NewKey
    ) -> tuple[int, int]:
        """A handle to a key that is made if need be, and REG_CREATED_NEW_KEY or _OPENED_.

        Who makes a key gets the rights that it asks for, be it none.
        Raises what `open` and KeyTree.create raise; STATUS_OBJECT_NAME_COLLISION for a link
        where there is a key.
        """
        node, missing = self.follow(attributes, open_link=new.link)
        if not missing:
            if new.link:
                raise NtError(ntstatus.STATUS_OBJECT_NAME_COLLISION)
            granted = self.check_access(node.security, access)
            return self._make_handle(table, node, attributes, granted), REG_OPENED_EXISTING_KEY
        self.check_access(node.security, KEY_CREATE_SUB_KEY)
        made = self.tree.create(
            node, missing, volatile=new.volatile, link=new.link, class_name=new.class_name
        )
        if attributes.security:
            made.security = self.new_security(attributes.security, node.security)
        return self._make_handle(table, made, attributes, access), REG_CREATED_NEW_KEY

    def rename(self, node: KeyNode, name: str) -> None:
        """Raises what KeyTree.rename raises."""
        self.tree.rename(node, name)
        self._control_blocks.rename(node)

    def watch(
        self, key: Key, node: KeyNode, change_filter: int, *, watch_tree: bool
    ) -> NotifyBlock:
        """What a key object watches of a key, its own or another: fixed by the first call.

        Raises STATUS_KEY_DELETED.
        """
        if node.deleted:
            raise NtError(ntstatus.STATUS_KEY_DELETED)
        for block in key.watches:
            if block.node is node:
                return block
        block = self.notifications.watch(node, change_filter, watch_tree=watch_tree)
        key.watches.append(block)
        return block

    # .reg files

    def import_reg(self, text: str) -> None:
        """Carry out the text of a .reg file; raises UsageError that names the line."""
        self._reg_files().read(text)

    def export_reg(self, path: str) -> str:
        """A key and what is below it as a .reg file; path: HKEY_..., HKLM\\... or \\Registry\\...

        Raises UsageError where there is no such key.
        """
        return self._reg_files().write(path)

    def _reg_files(self) -> RegFiles:
        from ntgate.executive.cm.reg_import import RegFiles

        return RegFiles(self.tree, self.user_sid)

    # Within

    def _grant_all(self, _descriptor: bytes, access: int) -> int:
        granted = self.kind.grant(access)
        if not granted:
            raise NtError(ntstatus.STATUS_ACCESS_DENIED)
        return granted

    def _get_security(self, body: int) -> bytes:
        return self.key(body).node.security

    def _set_security(self, body: int, descriptor: bytes) -> None:
        self.tree.set_security(self.key(body).node, descriptor)

    def _make_handle(
        self, table: int, node: KeyNode, attributes: ObjectAttributes, access: int
    ) -> int:
        flags = ObjectAttributes("", 0, attributes.attributes & a.OBJ_INHERIT)
        process = HANDLE_TABLE(self.objects.memory, table).UniqueProcessId
        body = self._make_object(node, flags, process)
        return self.objects.insert(table, body, access, flags).handle

    def _make_object(self, node: KeyNode, attributes: ObjectAttributes, process: int) -> int:
        """A key object that isn't inserted yet."""
        control_block = self._control_blocks.open(node)
        try:
            body = self.objects.create(self.kind, CM_KEY_BODY.SIZE, attributes)
        except NtError:
            self._control_blocks.close(node)
            raise
        view = CM_KEY_BODY(self.objects.memory, body)
        view.Type, view.KeyControlBlock, view.ProcessID = KEY_BODY_TYPE, control_block, process
        head = self._control_blocks.bodies(node)
        lists.insert_tail(self.objects.memory, head, view.KeyBodyList.address)
        node.opens += 1
        self.objects.set_companion(body, Key(node))
        return body

    def _delete(self, body: int) -> None:
        key = self.key(body)
        lists.remove(self.objects.memory, body + CM_KEY_BODY.KeyBodyList.offset)
        key.node.opens -= 1
        self._control_blocks.close(key.node)

    def _close(self, closing: HandleClosing) -> None:
        key = self.key(closing.body)
        if closing.system_handles == 1:
            for block in key.watches:
                self.notifications.end(block)
            key.watches.clear()

    def _query_name(self, body: int) -> str:
        node = self.key(body).node
        if node.deleted:
            raise NtError(ntstatus.STATUS_KEY_DELETED)
        return node.path

    def _changed(self, node: KeyNode, change: int) -> None:
        self._control_blocks.update(node)
        if change:
            self.notifications.changed(node, change)
        else:
            self.notifications.deleted(node)

    def _listen(self, event: Event) -> None:
        if isinstance(event, ThreadExit):
            self.notifications.thread_ended(event.tid)
