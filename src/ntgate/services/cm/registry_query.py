"""The registry: what there is in a key.

A buffer that can't take the fixed part of an answer gets STATUS_BUFFER_TOO_SMALL and nothing;
one that takes the fixed part, STATUS_BUFFER_OVERFLOW and as much as it takes.  ResultLength is
the whole length in both.
"""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    HANDLE,
    OBJECT_ATTRIBUTES,
    PVOID,
    ULONG,
    UNICODE_STRING,
    In,
    Out,
    OutOpt,
    Scalar,
)
from ntgate.executive.cm import KeyNode, Value
from ntgate.executive.cm.hives import open_subkeys
from ntgate.executive.cm.node import utf16
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import KEY_ENUMERATE_SUB_KEYS, KEY_QUERY_VALUE
from ntgate.services.cm.registry import key_attributes, key_of, value_name

KEY_INFORMATION_CLASS = Annotated[int, Scalar("KEY_INFORMATION_CLASS")]
KEY_VALUE_INFORMATION_CLASS = Annotated[int, Scalar("KEY_VALUE_INFORMATION_CLASS")]

KeyBasicInformation, KeyNodeInformation, KeyFullInformation = 0, 1, 2
KeyNameInformation, KeyCachedInformation, KeyFlagsInformation = 3, 4, 5
ENUMERATED_CLASSES = (KeyBasicInformation, KeyNodeInformation, KeyFullInformation)

KeyValueBasicInformation, KeyValueFullInformation, KeyValuePartialInformation = 0, 1, 2
KeyValueFullInformationAlign64, KeyValuePartialInformationAlign64 = 3, 4
VALUE_CLASSES = range(5)

NO_OFFSET = 0xFFFFFFFF
VALUE_ENTRY = struct.Struct("<4I")  # KEY_VALUE_ENTRY: ValueName, DataLength, DataOffset, Type
MOST_ENTRIES = 0x10000


def _class_part(node: KeyNode, offset: int) -> tuple[int, bytes]:
    """ClassOffset and the class itself."""
    return (offset, utf16(node.class_name)) if node.class_name else (NO_OFFSET, b"")


def _pad(data: bytes, alignment: int) -> bytes:
    return data + bytes(-len(data) % alignment)


def key_information(node: KeyNode, kind: int) -> tuple[bytes, int]:
    """A KEY_*_INFORMATION and the length of its fixed part."""
    time, name = node.last_write_time, utf16(node.name)
    if kind == KeyBasicInformation:
        return struct.pack("<QII", time, 0, len(name)) + name, 16
    if kind == KeyNodeInformation:
        offset, class_name = _class_part(node, 24 + len(_pad(name, 4)))
        head = struct.pack("<Q4I", time, 0, offset, len(class_name), len(name))
        return head + (_pad(name, 4) + class_name if class_name else name), 24
    if kind == KeyFullInformation:
        offset, class_name = _class_part(node, 44)
        head = struct.pack(
            "<Q9I", time, 0, offset, len(class_name), node.subkey_count, node.max_name_length,
            node.max_class_length, node.value_count, node.max_value_name_length,
            node.max_value_data_length,
        )  # fmt: skip
        return head + class_name, 44
    if kind == KeyNameInformation:
        path = utf16(node.path)
        return struct.pack("<I", len(path)) + path, 4
    if kind == KeyCachedInformation:
        data = struct.pack(
            "<Q7I4x", time, 0, node.subkey_count, node.max_name_length, node.value_count,
            node.max_value_name_length, node.max_value_data_length, len(name),
        )  # fmt: skip
        return data, len(data)
    return struct.pack("<I", node.user_flags), 4


def value_information(value: Value, kind: int) -> tuple[bytes, int]:
    """A KEY_VALUE_*_INFORMATION and the length of its fixed part."""
    size = len(value.data)
    if kind == KeyValuePartialInformation:
        return struct.pack("<3I", 0, value.type, size) + value.data, 12
    if kind == KeyValuePartialInformationAlign64:
        return struct.pack("<2I", value.type, size) + value.data, 8
    name = utf16(value.name)
    if kind == KeyValueBasicInformation:
        return struct.pack("<3I", 0, value.type, len(name)) + name, 12
    alignment = 8 if kind == KeyValueFullInformationAlign64 else 4
    padding = -(20 + len(name)) % alignment if size else 0
    offset = 20 + len(name) + padding
    head = struct.pack("<5I", 0, value.type, offset, size, len(name))
    return head + name + bytes(padding) + value.data, 20


def _answer(
    caller: Thread, answer: tuple[bytes, int], address: int, length: int, result: Out[ULONG]
) -> int:
    data, fixed = answer
    result.write(len(data))
    if length < fixed:
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    caller.memory.write(address, data[:length])
    if length < len(data):
        return ntstatus.STATUS_BUFFER_OVERFLOW
    return ntstatus.STATUS_SUCCESS


def _probe(caller: Thread, address: int, length: int, result: Out[ULONG]) -> None:
    caller.memory.probe_for_write(address, length)
    result.probe()


@service()
def NtQueryKey(
    caller: Thread,
    KeyHandle: HANDLE,
    KeyInformationClass: KEY_INFORMATION_CLASS,
    KeyInformation: PVOID,
    Length: ULONG,
    ResultLength: Out[ULONG],
) -> Outcome:
    """Basic, node, full, name, cached and flags information of a key."""
    if KeyInformationClass > KeyFlagsInformation:
        return ntstatus.STATUS_INVALID_PARAMETER
    access = 0 if KeyInformationClass == KeyNameInformation else KEY_QUERY_VALUE
    node = key_of(caller, KeyHandle, access).node
    _probe(caller, KeyInformation, Length, ResultLength)
    if node.deleted:
        return ntstatus.STATUS_KEY_DELETED
    answer = key_information(node, KeyInformationClass)
    return _answer(caller, answer, KeyInformation, Length, ResultLength)


@service()
def NtEnumerateKey(
    caller: Thread,
    KeyHandle: HANDLE,
    Index: ULONG,
    KeyInformationClass: KEY_INFORMATION_CLASS,
    KeyInformation: PVOID,
    Length: ULONG,
    ResultLength: Out[ULONG],
) -> Outcome:
    """Basic, node or full information of the Index-th subkey, by name."""
    if KeyInformationClass not in ENUMERATED_CLASSES:
        return ntstatus.STATUS_INVALID_PARAMETER
    node = key_of(caller, KeyHandle, KEY_ENUMERATE_SUB_KEYS).node
    _probe(caller, KeyInformation, Length, ResultLength)
    if node.deleted:
        return ntstatus.STATUS_KEY_DELETED
    if Index >= node.subkey_count:
        return ntstatus.STATUS_NO_MORE_ENTRIES
    answer = key_information(node.subkeys[Index], KeyInformationClass)
    return _answer(caller, answer, KeyInformation, Length, ResultLength)


@service()
def NtQueryValueKey(
    caller: Thread,
    KeyHandle: HANDLE,
    ValueName: In[UNICODE_STRING],
    KeyValueInformationClass: KEY_VALUE_INFORMATION_CLASS,
    KeyValueInformation: PVOID,
    Length: ULONG,
    ResultLength: Out[ULONG],
) -> Outcome:
    """A value by its name: basic, full or partial information."""
    if KeyValueInformationClass not in VALUE_CLASSES:
        return ntstatus.STATUS_INVALID_PARAMETER
    node = key_of(caller, KeyHandle, KEY_QUERY_VALUE).node
    _probe(caller, KeyValueInformation, Length, ResultLength)
    value = caller.executive.registry.tree.value(node, value_name(ValueName))
    answer = value_information(value, KeyValueInformationClass)
    return _answer(caller, answer, KeyValueInformation, Length, ResultLength)


@service()
def NtEnumerateValueKey(
    caller: Thread,
    KeyHandle: HANDLE,
    Index: ULONG,
    KeyValueInformationClass: KEY_VALUE_INFORMATION_CLASS,
    KeyValueInformation: PVOID,
    Length: ULONG,
    ResultLength: Out[ULONG],
) -> Outcome:
    """The Index-th value in the order in which they were first set."""
    if KeyValueInformationClass not in VALUE_CLASSES:
        return ntstatus.STATUS_INVALID_PARAMETER
    node = key_of(caller, KeyHandle, KEY_QUERY_VALUE).node
    _probe(caller, KeyValueInformation, Length, ResultLength)
    if node.deleted:
        return ntstatus.STATUS_KEY_DELETED
    if Index >= node.value_count:
        return ntstatus.STATUS_NO_MORE_ENTRIES
    answer = value_information(node.values[Index], KeyValueInformationClass)
    return _answer(caller, answer, KeyValueInformation, Length, ResultLength)


@service()
def NtQueryMultipleValueKey(
    caller: Thread,
    KeyHandle: HANDLE,
    ValueEntries: PVOID,
    EntryCount: ULONG,
    ValueBuffer: PVOID,
    BufferLength: PVOID,
    RequiredBufferLength: OutOpt[ULONG],
) -> Outcome:
    """The data of several values in one buffer, each on 4 bytes.

    BufferLength is the buffer's length before the call and what is used of it afterwards.
    """
    node = key_of(caller, KeyHandle, KEY_QUERY_VALUE).node
    if EntryCount > MOST_ENTRIES:
        return ntstatus.STATUS_INSUFFICIENT_RESOURCES
    memory = caller.memory
    length = memory.u32(BufferLength)
    RequiredBufferLength.probe()
    memory.probe_for_write(ValueEntries, EntryCount * VALUE_ENTRY.size)
    memory.probe_for_write(ValueBuffer, length)
    tree = caller.executive.registry.tree
    status, used, required = ntstatus.STATUS_SUCCESS, 0, 0
    for index in range(EntryCount):
        place = ValueEntries + index * VALUE_ENTRY.size
        pointer = In[UNICODE_STRING](memory, memory.u32(place), UNICODE_STRING)
        value = tree.value(node, value_name(pointer))
        required = -(-required // 4) * 4
        if required + len(value.data) <= length and status == ntstatus.STATUS_SUCCESS:
            memory.write(ValueBuffer + required, value.data)
            used = required + len(value.data)
        else:
            status = ntstatus.STATUS_BUFFER_OVERFLOW
        entry = VALUE_ENTRY.pack(pointer.address, len(value.data), required, value.type)
        memory.write(place, entry)
        required += len(value.data)
    memory.set_u32(BufferLength, used)
    RequiredBufferLength.write(required)
    return status


@service()
def NtQueryOpenSubKeys(
    caller: Thread, TargetKey: In[OBJECT_ATTRIBUTES], HandleCount: Out[ULONG]
) -> Outcome:
    """How many keys below a hive's top key have handles."""
    HandleCount.probe()
    node = caller.executive.registry.find(key_attributes(caller, TargetKey))
    if not node.is_hive_root:
        return ntstatus.STATUS_INVALID_PARAMETER
    HandleCount.write(open_subkeys(node))
    return ntstatus.STATUS_SUCCESS
