"""Gives DLLs of Wine's a private service where they need Wine's answer and NT's is another.

kernelbase's GetFinalPathNameByHandle takes a file's name from NtQueryObject and refuses any but
those below \\??\\, which Wine gives; NT's names begin with the device. A program that asks itself
gets NT's answer.
"""

from __future__ import annotations

import struct

from ntgate.image import pe_writer
from ntgate.layout.pe import IMAGE_DIRECTORY_ENTRY_IMPORT
from ntgate.loader.userland.strip import Stripped, open_pe

RENAMED = {"kernelbase.dll": ("NtQueryObject", "wine_obj_name")}


def rename_import(dll: Stripped, old: str, new: str) -> Stripped:
    """Let a DLL import `new` from ntdll where it imports `old`; a name no longer than that."""
    pe = open_pe(dll.data, "a DLL")
    pe.parse_data_directories([IMAGE_DIRECTORY_ENTRY_IMPORT])
    out = bytearray(dll.data)
    for library in getattr(pe, "DIRECTORY_ENTRY_IMPORT", []):
        for symbol in library.imports:
            if library.dll.lower() == b"ntdll.dll" and symbol.name == old.encode():
                at = symbol.name_offset
                out[at : at + len(old)] = new.encode().ljust(len(old), b"\0")
    checksum = pe.OPTIONAL_HEADER.get_field_absolute_offset("CheckSum")
    struct.pack_into("<I", out, checksum, pe_writer.image_checksum(out, checksum))
    return Stripped(bytes(out), dll.symbols)
