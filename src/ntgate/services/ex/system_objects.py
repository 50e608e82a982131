"""What NtQuerySystemInformation tells of kernel images and of all handles: 11, 16, 64, 77."""

from __future__ import annotations

import struct

from ntgate.executive.executive import Executive
from ntgate.executive.ob.attributes import OBJ_INHERIT, OBJ_PROTECT_CLOSE
from ntgate.executive.ps.modules import LoadedModule

MODULE_NAME = 256
RECORD_PROTECT_FROM_CLOSE, RECORD_INHERIT = 0x01, 0x02


def module_information(executive: Executive) -> bytes:
    """RTL_PROCESS_MODULES: a count, then 11ch bytes for each image of PsLoadedModuleList."""
    modules = list(executive.processes.modules.all())
    records = [_module(index, module) for index, module in enumerate(modules)]
    return struct.pack("<I", len(records)) + b"".join(records)


def module_information_ex(executive: Executive) -> bytes:
    """RTL_PROCESS_MODULE_INFORMATION_EX: each with its distance to the next, then a zero."""
    out = b""
    for index, module in enumerate(executive.processes.modules.all()):
        record = _module(index, module) + struct.pack("<3I", 0, 0, module.base)
        out += struct.pack("<Hxx", len(record) + 4) + record
    return out + bytes(2)


def _module(index: int, module: LoadedModule) -> bytes:
    path = module.path.encode("latin-1", "replace")[: MODULE_NAME - 1]
    name_offset = path.rfind(b"\\") + 1
    return struct.pack(
        f"<5I4H{MODULE_NAME}s", 0, 0, module.base, module.size, module.flags, index, index,
        module.load_count, name_offset, path,
    )  # fmt: skip


def handle_information(executive: Executive) -> bytes:
    """SYSTEM_HANDLE_INFORMATION: a count, then 10h bytes for each handle of each process."""
    objects = executive.objects
    records = [
        struct.pack(
            "<HHBBHII", pid & 0xFFFF, 0, objects.type_of(handle.body).index & 0xFF,
            _flags(handle.attributes), handle.value & 0xFFFF, handle.body, handle.granted_access,
        )
        for pid, handle in objects.all_handles()
    ]  # fmt: skip
    return struct.pack("<I", len(records)) + b"".join(records)


def handle_information_ex(executive: Executive) -> bytes:
    """SYSTEM_HANDLE_INFORMATION_EX: a count, a reserved word, then 1ch bytes for each handle."""
    objects = executive.objects
    records = [
        struct.pack(
            "<4IHHII", handle.body, pid, handle.value, handle.granted_access, 0,
            objects.type_of(handle.body).index, _flags(handle.attributes), 0,
        )
        for pid, handle in objects.all_handles()
    ]  # fmt: skip
    return struct.pack("<2I", len(records), 0) + b"".join(records)


def _flags(attributes: int) -> int:
    return (RECORD_PROTECT_FROM_CLOSE if attributes & OBJ_PROTECT_CLOSE else 0) | (
        RECORD_INHERIT if attributes & OBJ_INHERIT else 0
    )
