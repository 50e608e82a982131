"""Files that hold hives, for the registry: read and written whole."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ntgate.executive.io import constants as c
from ntgate.executive.io import information_class as i
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.executive.ob import ObjectAttributes
from ntgate.layout.access import SYNCHRONIZE

if TYPE_CHECKING:
    from ntgate.executive.io.manager import IoManager
    from ntgate.executive.ps.thread import Thread


class VolumeHiveFiles:
    """The registry's HiveFiles, on the volumes of an I/O manager.  Methods raise NtError."""

    def __init__(self, io: IoManager) -> None:
        self._io = io

    def read(self, caller: Thread, attributes: ObjectAttributes) -> tuple[str, bytes]:
        access = c.FILE_READ_DATA | SYNCHRONIZE
        create = Create("", access, share=c.FILE_SHARE_READ, options=c.FILE_NON_DIRECTORY_FILE)
        file = self._io.open_object(attributes, create)
        try:
            return file.name, _content(file)
        finally:
            self._io.close_object(file)

    def write(self, caller: Thread, attributes: ObjectAttributes, data: bytes) -> None:
        access = c.FILE_WRITE_DATA | SYNCHRONIZE
        create = Create(
            "", access, disposition=c.FILE_OVERWRITE_IF, options=c.FILE_NON_DIRECTORY_FILE
        )
        file = self._io.open_object(attributes, create)
        try:
            _replace(file, data)
        finally:
            self._io.close_object(file)

    def read_handle(self, caller: Thread, handle: int) -> bytes:
        return _content(self._io.file(caller.object(handle, "File", c.FILE_READ_DATA)))

    def write_handle(self, caller: Thread, handle: int, data: bytes) -> None:
        _replace(self._io.file(caller.object(handle, "File", c.FILE_WRITE_DATA)), data)


def _content(file: OpenFile) -> bytes:
    section_file = file.section_file()
    return section_file.read(0, section_file.size)


def _replace(file: OpenFile, data: bytes) -> None:
    file.set(i.FileEndOfFileInformation, struct.pack("<q", 0), None)
    section_file = file.section_file()
    section_file.extend(len(data))
    section_file.write(0, data)
