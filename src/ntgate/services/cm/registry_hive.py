"""The registry: hives loaded, saved and replaced as whole files."""

from __future__ import annotations

import struct

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import (
    ACCESS_MASK,
    HANDLE,
    IO_STATUS_BLOCK,
    OBJECT_ATTRIBUTES,
    ULONG,
    USHORT,
    In,
    OutOpt,
)
from ntgate.executive.cm import hives
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_BACKUP, SE_RESTORE
from ntgate.layout import ntstatus
from ntgate.layout.access import EVENT_MODIFY_STATE, KEY_WRITE
from ntgate.services.cm.registry import key_attributes, key_of
from ntgate.services.ps.ps_information import demand

REG_STANDARD_FORMAT, REG_LATEST_FORMAT, REG_NO_COMPRESSION = 1, 2, 4
REG_FORCE_RESTORE, REG_APP_HIVE = 8, 0x10
REG_INIT_BOOT_ACCEPTED_BASE, REG_INIT_MAX_VALID_CONDITION = 0x10, 0x10 + 999
MOST_KEYS = 0x4000


def _load(
    caller: Thread, target: In[OBJECT_ATTRIBUTES], source: In[OBJECT_ATTRIBUTES]
) -> int:
    registry = caller.executive.registry
    demand(caller, SE_RESTORE)
    attributes = key_attributes(caller, target)
    parent, name = registry.follow(attributes)
    if not name:
        return ntstatus.STATUS_OBJECT_NAME_COLLISION
    file, data = registry.files.read(caller, key_attributes(caller, source))
    hives.load(registry.tree, parent, name, file, data)
    return ntstatus.STATUS_SUCCESS


@service()
def NtLoadKey(
    caller: Thread, TargetKey: In[OBJECT_ATTRIBUTES], SourceFile: In[OBJECT_ATTRIBUTES]
) -> Outcome:
    """Hang the hive in a file below \\Registry\\Machine or \\Registry\\User."""
    return _load(caller, TargetKey, SourceFile)


@service()
def NtLoadKey2(
    caller: Thread,
    TargetKey: In[OBJECT_ATTRIBUTES],
    SourceFile: In[OBJECT_ATTRIBUTES],
    Flags: ULONG,
) -> Outcome:
    """NtLoadKey; REG_NO_LAZY_FLUSH means nothing here."""
    return _load(caller, TargetKey, SourceFile)


@service(partial="no application hives")
def NtLoadKeyEx(
    caller: Thread,
    TargetKey: In[OBJECT_ATTRIBUTES],
    SourceFile: In[OBJECT_ATTRIBUTES],
    Flags: ULONG,
    TrustClassKey: HANDLE,
    Event: HANDLE,
    DesiredAccess: ACCESS_MASK,
    RootHandle: OutOpt[HANDLE],
    IoStatus: OutOpt[IO_STATUS_BLOCK],
) -> Outcome:
    """NtLoadKey."""
    RootHandle.write(0)
    if Flags & REG_APP_HIVE:
        return ntstatus.STATUS_NOT_SUPPORTED
    if RootHandle:
        return ntstatus.STATUS_INVALID_PARAMETER_7
    return _load(caller, TargetKey, SourceFile)


def _unload(caller: Thread, target: In[OBJECT_ATTRIBUTES]) -> int:
    registry = caller.executive.registry
    demand(caller, SE_RESTORE)
    hives.unload(registry.tree, registry.find(key_attributes(caller, target)))
    return ntstatus.STATUS_SUCCESS


@service()
def NtUnloadKey(caller: Thread, DestinationKeyName: In[OBJECT_ATTRIBUTES]) -> Outcome:
    """Take a hive out that no handle leads into."""
    return _unload(caller, DestinationKeyName)


@service(partial="a hive that is in use is not unloaded later")
def NtUnloadKeyEx(
    caller: Thread, TargetKey: In[OBJECT_ATTRIBUTES], Event: HANDLE
) -> Outcome:
    """NtUnloadKey; the event is signalled when the hive is out."""
    event = caller.object(Event, "Event", EVENT_MODIFY_STATE) if Event else 0
    status = _unload(caller, TargetKey)
    if event:
        caller.executive.waits.set_event(event)
    return status


def _save(caller: Thread, key_handle: int, file_handle: int) -> int:
    registry = caller.executive.registry
    demand(caller, SE_BACKUP)
    node = key_of(caller, key_handle, 0).node
    registry.files.write_handle(caller, file_handle, hives.save(registry.tree, node))
    return ntstatus.STATUS_SUCCESS


@service()
def NtSaveKey(caller: Thread, KeyHandle: HANDLE, FileHandle: HANDLE) -> Outcome:
    """Write a key with everything below it to a file, as a hive."""
    return _save(caller, KeyHandle, FileHandle)


@service(partial="always the standard format")
def NtSaveKeyEx(
    caller: Thread, KeyHandle: HANDLE, FileHandle: HANDLE, Format: ULONG
) -> Outcome:
    """NtSaveKey."""
    if Format not in (REG_STANDARD_FORMAT, REG_LATEST_FORMAT, REG_NO_COMPRESSION):
        return ntstatus.STATUS_INVALID_PARAMETER
    return _save(caller, KeyHandle, FileHandle)


@service()
def NtSaveMergedKeys(
    caller: Thread,
    HighPrecedenceKeyHandle: HANDLE,
    LowPrecedenceKeyHandle: HANDLE,
    FileHandle: HANDLE,
) -> Outcome:
    """Write the union of two trees; the first one's values hide the second's."""
    registry = caller.executive.registry
    demand(caller, SE_BACKUP)
    high = key_of(caller, HighPrecedenceKeyHandle, 0).node
    low = key_of(caller, LowPrecedenceKeyHandle, 0).node
    data = hives.save_merged(registry.tree, high, low)
    registry.files.write_handle(caller, FileHandle, data)
    return ntstatus.STATUS_SUCCESS


@service(partial="of Flags only REG_FORCE_RESTORE")
def NtRestoreKey(
    caller: Thread, KeyHandle: HANDLE, FileHandle: HANDLE, Flags: ULONG
) -> Outcome:
    """Give a key what a hive file holds, in place of what is below it."""
    registry = caller.executive.registry
    demand(caller, SE_RESTORE)
    node = key_of(caller, KeyHandle, 0).node
    data = registry.files.read_handle(caller, FileHandle)
    hives.restore(registry.tree, node, data, force=bool(Flags & REG_FORCE_RESTORE))
    return ntstatus.STATUS_SUCCESS


@service(partial="the new file is looked at, but not used at the next boot")
def NtReplaceKey(
    caller: Thread,
    NewFile: In[OBJECT_ATTRIBUTES],
    TargetHandle: HANDLE,
    OldFile: In[OBJECT_ATTRIBUTES],
) -> Outcome:
    """Save a hive under another name, to be another file's from the next boot on."""
    registry = caller.executive.registry
    demand(caller, SE_RESTORE)
    new = key_attributes(caller, NewFile)
    old = key_attributes(caller, OldFile)
    node = key_of(caller, TargetHandle, 0).node
    registry.files.read(caller, new)
    registry.files.write(caller, old, hives.save(registry.tree, node))
    return ntstatus.STATUS_SUCCESS


# The registry as a whole.


@service()
def NtInitializeRegistry(caller: Thread, BootCondition: USHORT) -> Outcome:
    """The session manager has done so at boot; a boot that is accepted changes nothing here."""
    if BootCondition > REG_INIT_MAX_VALID_CONDITION:
        return ntstatus.STATUS_INVALID_PARAMETER
    if BootCondition < REG_INIT_BOOT_ACCEPTED_BASE:
        return ntstatus.STATUS_ACCESS_DENIED
    return ntstatus.STATUS_SUCCESS


@service()
def NtLockRegistryKey(caller: Thread, KeyHandle: HANDLE) -> Outcome:
    """For callers in kernel mode only."""
    key_of(caller, KeyHandle, KEY_WRITE)
    return ntstatus.STATUS_PRIVILEGE_NOT_HELD


@service()
def NtCompactKeys(caller: Thread, Count: ULONG, KeyArray: HANDLE) -> Outcome:
    """Keys are stored without gaps: nothing to do."""
    if Count > MOST_KEYS:
        return ntstatus.STATUS_INVALID_PARAMETER
    for handle in struct.unpack(f"<{Count}I", caller.memory.read(KeyArray, 4 * Count)):
        key_of(caller, handle, KEY_WRITE)
    return ntstatus.STATUS_SUCCESS


@service()
def NtCompressKey(caller: Thread, Key: HANDLE) -> Outcome:
    """Keys are stored without gaps: nothing to do."""
    node = key_of(caller, Key, KEY_WRITE).node
    if not node.is_hive_root:
        return ntstatus.STATUS_INVALID_PARAMETER
    return ntstatus.STATUS_SUCCESS
