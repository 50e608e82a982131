"""The registry: keys and values, and news of their changes."""

from __future__ import annotations

from typing import Annotated, Any

from ntgate.dispatch.outcome import Outcome, Wait
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    BOOLEAN,
    HANDLE,
    IO_STATUS_BLOCK,
    OBJECT_ATTRIBUTES,
    PVOID,
    ULONG,
    UNICODE_STRING,
    In,
    InOpt,
    Out,
    OutOpt,
    Scalar,
    SizedBy,
)
from ntgate.errors import NtError
from ntgate.executive.cm import Key, NewKey
from ntgate.executive.cm.node import from_utf16
from ntgate.executive.cm.notify import NotifyBlock, Post
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ob import ObjectAttributes as Attributes
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    DELETE,
    EVENT_MODIFY_STATE,
    KEY_NOTIFY,
    KEY_QUERY_VALUE,
    KEY_SET_VALUE,
    KEY_WRITE,
)
from ntgate.layout.ke import DISPATCHER_HEADER
from ntgate.services.capture import object_attributes

LARGEST_DATA = 0x1000000  # what is copied at once
KeyWriteTimeInformation, KeyWow64FlagsInformation = 0, 1

REG_OPTION_VOLATILE, REG_OPTION_CREATE_LINK = 1, 2
REG_LEGAL_OPTION = 0x0F  # with _BACKUP_RESTORE and _OPEN_LINK
REG_LEGAL_CHANGE_FILTER = 0x0F
KEY_WOW64_RES = 0x300

KEY_SET_INFORMATION_CLASS = Annotated[int, Scalar("KEY_SET_INFORMATION_CLASS")]
CHANGE_FILTER = Annotated[int, Scalar("ULONG", kind="hex")]
ValueData = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("DataSize")]
KeyData = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("KeySetInformationLength")]


def key_of(caller: Thread, handle: int, access: int) -> Key:
    """The key of a handle that has those rights."""
    return caller.executive.registry.key(caller.object(handle, "Key", access))


def key_attributes(caller: Thread, pointer: In[OBJECT_ATTRIBUTES]) -> Attributes:
    """OBJECT_ATTRIBUTES that must be there, with a name: the registry looks at both itself."""
    In[UNICODE_STRING](caller.memory, pointer.read().ObjectName, UNICODE_STRING).read()
    return object_attributes(caller, pointer)


def plain_string(pointer: In[UNICODE_STRING]) -> str:
    """The text of a UNICODE_STRING that is no object's name."""
    string = pointer.read()
    if string.Length & 1:
        raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
    return from_utf16(pointer.memory.read(string.Buffer, string.Length))


def value_name(pointer: In[UNICODE_STRING]) -> str:
    """The name of a value; NULs at its end don't count."""
    return plain_string(pointer).rstrip("\0")


# Keys.


def _open(
    caller: Thread, handle: Out[HANDLE], access: int, pointer: In[OBJECT_ATTRIBUTES]
) -> int:
    handle.write(0)
    attributes = key_attributes(caller, pointer)
    if access and not access & ~KEY_WOW64_RES:
        access = KEY_QUERY_VALUE  # Wine 8.0 asks for no right more to look at IniFileMapping
    handle.write(caller.executive.registry.open(caller.process.handles, attributes, access))
    return ntstatus.STATUS_SUCCESS


def _create(
    caller: Thread,
    handle: Out[HANDLE],
    access: int,
    pointer: In[OBJECT_ATTRIBUTES],
    class_name: InOpt[UNICODE_STRING],
    options: int,
    disposition: OutOpt[ULONG],
) -> int:
    handle.write(0)
    disposition.probe()
    if options & ~REG_LEGAL_OPTION:
        return ntstatus.STATUS_INVALID_PARAMETER
    attributes = key_attributes(caller, pointer)
    new = NewKey(
        volatile=bool(options & REG_OPTION_VOLATILE),
        link=bool(options & REG_OPTION_CREATE_LINK),
        class_name=plain_string(class_name) if class_name else "",
    )
    opened, what = caller.executive.registry.create(
        caller.process.handles, attributes, access, new
    )
    handle.write(opened)
    disposition.write(what)
    return ntstatus.STATUS_SUCCESS


@service()
def NtCreateKey(
    caller: Thread,
    KeyHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    TitleIndex: ULONG,
    Class: InOpt[UNICODE_STRING],
    CreateOptions: ULONG,
    Disposition: OutOpt[ULONG],
) -> Outcome:
    """Open a key, or make it in a key that is there."""
    return _create(
        caller, KeyHandle, DesiredAccess, ObjectAttributes, Class, CreateOptions, Disposition
    )


@service(partial="the transaction is ignored")
def NtCreateKeyTransacted(
    caller: Thread,
    KeyHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    TitleIndex: ULONG,
    Class: InOpt[UNICODE_STRING],
    CreateOptions: ULONG,
    TransactionHandle: HANDLE,
    Disposition: OutOpt[ULONG],
) -> Outcome:
    """NtCreateKey."""
    return _create(
        caller, KeyHandle, DesiredAccess, ObjectAttributes, Class, CreateOptions, Disposition
    )


@service()
def NtOpenKey(
    caller: Thread,
    KeyHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Open a key by its path, from the root or from another key."""
    return _open(caller, KeyHandle, DesiredAccess, ObjectAttributes)


@service()
def NtOpenKeyEx(
    caller: Thread,
    KeyHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    OpenOptions: ULONG,
) -> Outcome:
    """NtOpenKey; of the options, none changes what is opened.

    Wine's shell32 asks for no right to see whether a key is there, and NtOpenKey would refuse it.
    """
    if OpenOptions & ~REG_LEGAL_OPTION:
        return ntstatus.STATUS_INVALID_PARAMETER
    return _open(caller, KeyHandle, DesiredAccess or KEY_QUERY_VALUE, ObjectAttributes)


@service(partial="the transaction is ignored")
def NtOpenKeyTransacted(
    caller: Thread,
    KeyHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    TransactionHandle: HANDLE,
) -> Outcome:
    """NtOpenKey."""
    return _open(caller, KeyHandle, DesiredAccess, ObjectAttributes)


@service(partial="the transaction is ignored")
def NtOpenKeyTransactedEx(
    caller: Thread,
    KeyHandle: Out[HANDLE],
    DesiredAccess: ACCESS_MASK,
    ObjectAttributes: In[OBJECT_ATTRIBUTES],
    OpenOptions: ULONG,
    TransactionHandle: HANDLE,
) -> Outcome:
    """NtOpenKeyEx."""
    if OpenOptions & ~REG_LEGAL_OPTION:
        return ntstatus.STATUS_INVALID_PARAMETER
    return _open(caller, KeyHandle, DesiredAccess, ObjectAttributes)


@service()
def NtDeleteKey(caller: Thread, KeyHandle: HANDLE) -> Outcome:
    """Delete a key that has no subkeys; its handles stay, and answer STATUS_KEY_DELETED."""
    key = key_of(caller, KeyHandle, DELETE)
    caller.executive.registry.tree.delete(key.node)
    return ntstatus.STATUS_SUCCESS


@service()
def NtRenameKey(caller: Thread, KeyHandle: HANDLE, NewName: In[UNICODE_STRING]) -> Outcome:
    """Give a key another name beside its brothers."""
    name = plain_string(NewName)
    if not name:
        return ntstatus.STATUS_INVALID_PARAMETER
    caller.executive.registry.rename(key_of(caller, KeyHandle, KEY_WRITE).node, name)
    return ntstatus.STATUS_SUCCESS


@service()
def NtFlushKey(caller: Thread, KeyHandle: HANDLE) -> Outcome:
    """Nothing waits to be written: hives are saved when a program asks."""
    if key_of(caller, KeyHandle, 0).node.deleted:
        return ntstatus.STATUS_KEY_DELETED
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetInformationKey(
    caller: Thread,
    KeyHandle: HANDLE,
    KeySetInformationClass: KEY_SET_INFORMATION_CLASS,
    KeySetInformation: KeyData,
    KeySetInformationLength: ULONG,
) -> Outcome:
    """The last write time (0), the user's flags (1)."""
    sizes = {KeyWriteTimeInformation: 8, KeyWow64FlagsInformation: 4}
    size = sizes.get(KeySetInformationClass)
    if size is None:
        return ntstatus.STATUS_INVALID_PARAMETER
    if KeySetInformationLength != size:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    given = int.from_bytes(caller.memory.read(KeySetInformation, size), "little")
    node = key_of(caller, KeyHandle, KEY_SET_VALUE).node
    tree = caller.executive.registry.tree
    if KeySetInformationClass == KeyWriteTimeInformation:
        tree.set_last_write_time(node, given)
    else:
        tree.set_user_flags(node, given)
    return ntstatus.STATUS_SUCCESS


# Values.


@service()
def NtSetValueKey(
    caller: Thread,
    KeyHandle: HANDLE,
    ValueName: In[UNICODE_STRING],
    TitleIndex: ULONG,
    Type: ULONG,
    SystemData: ValueData,
    DataSize: ULONG,
) -> Outcome:
    """Set a value, of any type and up to 16 MB."""
    node = key_of(caller, KeyHandle, KEY_SET_VALUE).node
    if DataSize > LARGEST_DATA:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    name = value_name(ValueName)
    data = caller.memory.read(SystemData, DataSize)
    caller.executive.registry.tree.set_value(node, name, Type, data)
    return ntstatus.STATUS_SUCCESS


@service()
def NtDeleteValueKey(
    caller: Thread, KeyHandle: HANDLE, ValueName: In[UNICODE_STRING]
) -> Outcome:
    """Delete a value."""
    node = key_of(caller, KeyHandle, KEY_SET_VALUE).node
    caller.executive.registry.tree.delete_value(node, value_name(ValueName))
    return ntstatus.STATUS_SUCCESS


# News.


@service(partial="IoStatusBlock of an asynchronous call is written only with ApcRoutine")
def NtNotifyChangeKey(
    caller: Thread,
    KeyHandle: HANDLE,
    Event: HANDLE,
    ApcRoutine: PVOID,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    CompletionFilter: CHANGE_FILTER,
    WatchTree: BOOLEAN,
    Buffer: PVOID,
    BufferSize: ULONG,
    Asynchronous: BOOLEAN,
) -> Outcome:
    """Wait for a change of a key, or ask to be told of one."""
    IoStatusBlock.probe()
    key = key_of(caller, KeyHandle, KEY_NOTIFY)
    if CompletionFilter & ~REG_LEGAL_CHANGE_FILTER:
        return ntstatus.STATUS_INVALID_PARAMETER
    watched = caller.executive.registry.watch(
        key, key.node, CompletionFilter, watch_tree=bool(WatchTree)
    )
    return _notify(
        caller, (watched,), Event, ApcRoutine, ApcContext, IoStatusBlock.address, Asynchronous
    )


@service(
    partial="IoStatusBlock of an asynchronous call is written only with ApcRoutine"
)
def NtNotifyChangeMultipleKeys(
    caller: Thread,
    MasterKeyHandle: HANDLE,
    Count: ULONG,
    SubordinateObjects: InOpt[OBJECT_ATTRIBUTES],
    Event: HANDLE,
    ApcRoutine: PVOID,
    ApcContext: PVOID,
    IoStatusBlock: Out[IO_STATUS_BLOCK],
    CompletionFilter: CHANGE_FILTER,
    WatchTree: BOOLEAN,
    Buffer: PVOID,
    BufferSize: ULONG,
    Asynchronous: BOOLEAN,
) -> Outcome:
    """Wait for a change of one of two keys, or ask to be told of one."""
    IoStatusBlock.probe()
    key = key_of(caller, MasterKeyHandle, KEY_NOTIFY)
    if Count > 1 or CompletionFilter & ~REG_LEGAL_CHANGE_FILTER:
        return ntstatus.STATUS_INVALID_PARAMETER
    nodes = [key.node]
    if Count:
        also = key_attributes(caller, SubordinateObjects)
        nodes.append(caller.executive.registry.find(also))
    watched = tuple(
        caller.executive.registry.watch(
            key, node, CompletionFilter, watch_tree=bool(WatchTree)
        )
        for node in nodes
    )
    return _notify(
        caller, watched, Event, ApcRoutine, ApcContext, IoStatusBlock.address, Asynchronous
    )


def _notify(
    caller: Thread,
    watched: tuple[NotifyBlock, ...],
    event_handle: int,
    apc_routine: int,
    apc_context: int,
    io_status_block: int,
    asynchronous: int,
) -> Outcome:
    executive = caller.executive
    notifications = executive.registry.notifications
    post = Post(caller, watched, io_status_block=io_status_block)
    if not asynchronous:
        post.wake = notifications.make_wake(caller)
        if notifications.begin(post) != ntstatus.STATUS_PENDING:
            return _notified(caller, ntstatus.STATUS_SUCCESS, post)
        executive.waits.begin(caller, [post.wake], WAIT_ANY, None)
        return Wait(_notified, post)
    if event_handle:
        post.event = caller.object(event_handle, "Event", EVENT_MODIFY_STATE)
        executive.objects.reference(post.event)
        DISPATCHER_HEADER(executive.kernel, post.event).SignalState = 0
    # Without a routine the block stays as it is: Wine's advapi32 gives one on its stack, which
    # is gone by the time of the change.
    post.apc_routine, post.apc_context = apc_routine, apc_context
    return _success_for_news(notifications.begin(post))


def _notified(caller: Thread, wait_status: int, state: Any) -> Outcome:
    post: Post = state
    status = caller.executive.registry.notifications.finish_wait(post)
    if status == ntstatus.STATUS_PENDING:
        return wait_status
    caller.memory.write(post.io_status_block, IO_STATUS_BLOCK(status, 0).pack())
    return _success_for_news(status)


def _success_for_news(status: int) -> int:
    """STATUS_NOTIFY_ENUM_DIR is for the IoStatusBlock."""
    if status == ntstatus.STATUS_NOTIFY_ENUM_DIR:
        return ntstatus.STATUS_SUCCESS
    return status
