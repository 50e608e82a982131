"""What queries tell of a file and of its volume: the structures of ntifs.h, packed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io import information_class as i
from ntgate.executive.io.content import CLUSTER
from ntgate.executive.io.stream import Stream
from ntgate.executive.io.tree import Entry, Node
from ntgate.layout import ntstatus as s
from ntgate.layout.io import SECTOR_SIZE

if TYPE_CHECKING:
    from ntgate.executive.io.disk_file import DiskFile
    from ntgate.executive.io.volume import Volume

STREAM_RECORD = struct.Struct("<2I2Q")
DIRECTORY_RECORD = struct.Struct("<2I6Q2I")  # FILE_DIRECTORY_INFORMATION up to the name

FILE_CASE_PRESERVED_NAMES    = 0x0002
FILE_UNICODE_ON_DISK         = 0x0004
FILE_SUPPORTS_SPARSE_FILES   = 0x0040
FILE_PERSISTENT_ACLS         = 0x0008
FILE_FILE_COMPRESSION        = 0x0010
FILE_VOLUME_QUOTAS           = 0x0020
FILE_SUPPORTS_REPARSE_POINTS = 0x0080
FILE_SUPPORTS_OBJECT_IDS     = 0x1_0000
FILE_NAMED_STREAMS           = 0x4_0000
VOLUME_ATTRIBUTES = (
    FILE_CASE_PRESERVED_NAMES | FILE_UNICODE_ON_DISK | FILE_PERSISTENT_ACLS
    | FILE_FILE_COMPRESSION | FILE_VOLUME_QUOTAS | FILE_SUPPORTS_SPARSE_FILES
    | FILE_SUPPORTS_REPARSE_POINTS | FILE_SUPPORTS_OBJECT_IDS | FILE_NAMED_STREAMS
)  # fmt: skip
COMPRESSION_FORMAT_LZNT1 = 2


def text(value: str) -> bytes:
    """UTF-16, as structures have it."""
    return value.encode("utf-16-le", "surrogatepass")


def basic(node: Node) -> bytes:
    """FILE_BASIC_INFORMATION, 40 bytes."""
    m = node.metadata
    return struct.pack("<4QIxxxx", m.creation, m.access, m.write, m.change, node.attributes)


def network_open(node: Node, stream: Stream | None = None) -> bytes:
    """FILE_NETWORK_OPEN_INFORMATION, 56 bytes; without a stream, of the main one."""
    m = node.metadata
    allocated, size = sizes(node, stream)
    return struct.pack(
        "<4Q2QIxxxx", m.creation, m.access, m.write, m.change, allocated, size, node.attributes
    )


def sizes(node: Node, stream: Stream | None = None) -> tuple[int, int]:
    """Allocated and used bytes; a directory has none."""
    if stream is None:
        if node.is_directory:
            return 0, 0
        stream = node.streams[""]
    if node.is_directory and not stream.stream_name:
        return 0, 0
    return stream.allocated, stream.size


def _basic(file: DiskFile) -> bytes:
    return basic(file.node)


def _standard(file: DiskFile) -> bytes:
    allocated, size = sizes(file.node, file.stream)
    deleting = file.entry.delete_pending or file.stream.delete_pending
    links = max(0, len(file.node.entries) - deleting)
    return struct.pack("<2QI2Bxx", allocated, size, links, deleting, file.is_directory)


def _internal(file: DiskFile) -> bytes:
    return struct.pack("<Q", file.node.file_id)


def _ea(file: DiskFile) -> bytes:
    return struct.pack("<I", file.node.ea_size)


def _name(file: DiskFile) -> bytes:
    """As it was opened: with the 8.3 names of that."""
    name = text(file.opened_name + file.stream.suffix if file.opened_name else file.name)
    return struct.pack("<I", len(name)) + name


def _normalized_name(file: DiskFile) -> bytes:
    name = text(file.name)
    return struct.pack("<I", len(name)) + name


def _alternate_name(file: DiskFile) -> bytes:
    directory = file.entry.directory
    if directory is None:
        raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
    name = text(directory.short_name_of(file.entry) or file.entry.name)
    return struct.pack("<I", len(name)) + name


def _network_open(file: DiskFile) -> bytes:
    return network_open(file.node, file.stream)


def _attribute_tag(file: DiskFile) -> bytes:
    point = file.node.reparse
    return struct.pack("<2I", file.node.attributes, point.tag if point is not None else 0)


def _streams(file: DiskFile) -> bytes:
    records = []
    for stream in file.node.streams.values():
        if file.node.is_directory and not stream.stream_name:
            continue
        name = text(f":{stream.stream_name}:$DATA")
        record = STREAM_RECORD.pack(0, len(name), stream.size, stream.allocated) + name
        records.append(record)
    return chain(records)


def _end_of_file(file: DiskFile) -> bytes:
    return struct.pack("<Q", sizes(file.node, file.stream)[1])


def _compression(file: DiskFile) -> bytes:
    """FILE_COMPRESSION_INFORMATION: size, format, and the shifts of unit, chunk and cluster."""
    allocated = sizes(file.node, file.stream)[0]
    if not file.node.metadata.attributes & c.FILE_ATTRIBUTE_COMPRESSED:
        return struct.pack("<QH6x", allocated, 0)
    return struct.pack("<QH3B3x", allocated, COMPRESSION_FORMAT_LZNT1, 16, 12, 12)


def chain(records: list[bytes]) -> bytes:
    """Records that begin with NextEntryOffset, each on 8 bytes."""
    out = bytearray()
    for number, record in enumerate(records):
        padded = bytearray(record)
        if number + 1 < len(records):
            padded += bytes(-len(padded) % 8)
            struct.pack_into("<I", padded, 0, len(padded))
        out += padded
    return bytes(out)


_QUERIES: dict[int, Callable[[DiskFile], bytes]] = {
    i.FileBasicInformation: _basic,
    i.FileStandardInformation: _standard,
    i.FileInternalInformation: _internal,
    i.FileEaInformation: _ea,
    i.FileEndOfFileInformation: _end_of_file,
    i.FileNameInformation: _name,
    i.FileNormalizedNameInformation: _normalized_name,
    i.FileAlternateNameInformation: _alternate_name,
    i.FileStreamInformation: _streams,
    i.FileCompressionInformation: _compression,
    i.FileNetworkOpenInformation: _network_open,
    i.FileAttributeTagInformation: _attribute_tag,
}


def query(file: DiskFile, information_class: int) -> bytes:
    """Raises STATUS_INVALID_PARAMETER for a class that a disk's file has not."""
    found = _QUERIES.get(information_class)
    if found is None:
        raise NtError(s.STATUS_INVALID_PARAMETER)
    return found(file)


# Directory entries.


def directory_record(name: str, entry: Entry, information_class: int) -> bytes:
    """One entry of NtQueryDirectoryFile, NextEntryOffset 0."""
    encoded = text(name)
    if information_class == i.FileNamesInformation:
        return struct.pack("<3I", 0, 0, len(encoded)) + encoded
    node = entry.node
    m = node.metadata
    allocated, size = sizes(node)
    record = DIRECTORY_RECORD.pack(
        0, 0, m.creation, m.access, m.write, m.change, size, allocated, node.attributes,
        len(encoded),
    )  # fmt: skip
    if information_class == i.FileDirectoryInformation:
        return record + encoded
    # EaSize, or the tag of a reparse point
    record += struct.pack("<I", node.reparse.tag if node.reparse is not None else node.ea_size)
    if information_class == i.FileFullDirectoryInformation:
        return record + encoded
    if information_class == i.FileIdFullDirectoryInformation:
        return record + struct.pack("<xxxxQ", node.file_id) + encoded
    short = text(_short(name, entry))
    record += struct.pack("<Bx24s", len(short), short)
    if information_class == i.FileIdBothDirectoryInformation:
        record += struct.pack("<xxQ", node.file_id)
    return record + encoded


def _short(name: str, entry: Entry) -> str:
    directory = entry.directory
    if directory is None or name in (".", ".."):
        return ""
    return directory.short_name_of(entry)


# The volume.


def query_volume(volume: Volume, information_class: int) -> bytes:
    """FileFsXxxInformation; raises STATUS_INVALID_INFO_CLASS."""
    space = volume.tree.space
    if information_class == i.FileFsVolumeInformation:
        label = text(volume.label)
        created = volume.tree.root.metadata.creation
        return struct.pack("<Q2I2B", created, volume.serial, len(label), 1, 0) + label
    if information_class == i.FileFsLabelInformation:
        label = text(volume.label)
        return struct.pack("<I", len(label)) + label
    if information_class == i.FileFsSizeInformation:
        return struct.pack("<2Q2I", space.total, space.free, CLUSTER // SECTOR_SIZE, SECTOR_SIZE)
    if information_class == i.FileFsFullSizeInformation:
        return struct.pack(
            "<3Q2I", space.total, space.free, space.free, CLUSTER // SECTOR_SIZE, SECTOR_SIZE
        )
    if information_class == i.FileFsAttributeInformation:
        name = text("NTFS")
        return struct.pack("<3I", VOLUME_ATTRIBUTES, 255, len(name)) + name
    if information_class == i.FileFsControlInformation:
        return volume.quotas.control
    if information_class == i.FileFsObjectIdInformation:
        if not volume.object_id:
            raise NtError(s.STATUS_OBJECT_NAME_NOT_FOUND)
        return volume.object_id
    raise NtError(s.STATUS_INVALID_INFO_CLASS)
