"""FILE_INFORMATION_CLASS and FS_INFORMATION_CLASS, and which lengths and rights they need."""

from __future__ import annotations

from ntgate.executive.io import constants as c
from ntgate.layout.access import DELETE

FileDirectoryInformation       = 1
FileFullDirectoryInformation   = 2
FileBothDirectoryInformation   = 3
FileBasicInformation           = 4
FileStandardInformation        = 5
FileInternalInformation        = 6
FileEaInformation              = 7
FileAccessInformation          = 8
FileNameInformation            = 9
FileRenameInformation          = 10
FileLinkInformation            = 11
FileNamesInformation           = 12
FileDispositionInformation     = 13
FilePositionInformation        = 14
FileModeInformation            = 16
FileAlignmentInformation       = 17
FileAllInformation             = 18
FileAllocationInformation      = 19
FileEndOfFileInformation       = 20
FileAlternateNameInformation   = 21
FileStreamInformation          = 22
FilePipeInformation            = 23
FilePipeLocalInformation       = 24
FilePipeRemoteInformation      = 25
FileMailslotQueryInformation   = 26
FileMailslotSetInformation     = 27
FileCompressionInformation     = 28
FileObjectIdInformation        = 29
FileCompletionInformation      = 30
FileQuotaInformation           = 32
FileReparsePointInformation    = 33
FileNetworkOpenInformation     = 34
FileAttributeTagInformation    = 35
FileIdBothDirectoryInformation = 37
FileIdFullDirectoryInformation = 38
FileValidDataLengthInformation = 39
FileIoCompletionNotificationInformation = 41  # newer than XP, as the next ones
FileIoPriorityHintInformation  = 43
FileNormalizedNameInformation  = 48
FileDispositionInformationEx   = 64
FileRenameInformationEx        = 65

FileFsVolumeInformation     = 1
FileFsLabelInformation      = 2
FileFsSizeInformation       = 3
FileFsDeviceInformation     = 4
FileFsAttributeInformation  = 5
FileFsControlInformation    = 6
FileFsFullSizeInformation   = 7
FileFsObjectIdInformation   = 8

# The least Length of a query, and the right that it needs.
QUERY: dict[int, tuple[int, int]] = {
    FileBasicInformation:         (0x28, c.FILE_READ_ATTRIBUTES),
    FileStandardInformation:      (0x18, 0),
    FileInternalInformation:      (0x08, 0),
    FileEaInformation:            (0x04, 0),
    FileAccessInformation:        (0x04, 0),
    FileNameInformation:          (0x08, 0),
    FilePositionInformation:      (0x08, 0),
    FileModeInformation:          (0x04, 0),
    FileAlignmentInformation:     (0x04, 0),
    FileAllInformation:           (0x68, c.FILE_READ_ATTRIBUTES),
    # XP has no query of it; Wine 8.0's loader of manifests asks.
    FileEndOfFileInformation:     (0x08, 0),
    FileAlternateNameInformation: (0x08, 0),
    FileStreamInformation:        (0x20, 0),
    FilePipeInformation:          (0x08, c.FILE_READ_ATTRIBUTES),
    FilePipeLocalInformation:     (0x28, c.FILE_READ_ATTRIBUTES),
    FilePipeRemoteInformation:    (0x10, c.FILE_READ_ATTRIBUTES),
    FileMailslotQueryInformation: (0x18, 0),
    FileCompressionInformation:   (0x10, 0),
    FileNetworkOpenInformation:   (0x38, c.FILE_READ_ATTRIBUTES),
    FileAttributeTagInformation:  (0x08, c.FILE_READ_ATTRIBUTES),
    FileIoCompletionNotificationInformation: (0x04, 0),
    FileIoPriorityHintInformation: (0x04, 0),
    FileNormalizedNameInformation: (0x08, 0),
}  # fmt: skip

# What is cut off at the end of the buffer: a name, or records.
VARIABLE = frozenset({
    FileNameInformation, FileAllInformation, FileAlternateNameInformation,
    FileStreamInformation, FileNormalizedNameInformation,
})  # fmt: skip

SET: dict[int, tuple[int, int]] = {
    FileBasicInformation:         (0x28, c.FILE_WRITE_ATTRIBUTES),
    FileRenameInformation:        (0x10, DELETE),
    FileRenameInformationEx:      (0x10, DELETE),
    FileLinkInformation:          (0x10, 0),
    FileDispositionInformation:   (0x01, DELETE),
    FileDispositionInformationEx: (0x04, DELETE),
    FilePositionInformation:      (0x08, 0),
    FileModeInformation:          (0x04, 0),
    FileAllocationInformation:    (0x08, c.FILE_WRITE_DATA),
    FileEndOfFileInformation:     (0x08, c.FILE_WRITE_DATA),
    FilePipeInformation:          (0x08, c.FILE_WRITE_ATTRIBUTES),
    FilePipeRemoteInformation:    (0x10, c.FILE_WRITE_ATTRIBUTES),
    FileMailslotSetInformation:   (0x08, 0),
    FileCompletionInformation:    (0x08, 0),
    FileValidDataLengthInformation: (0x08, c.FILE_WRITE_DATA),
    FileIoCompletionNotificationInformation: (0x04, 0),
    FileIoPriorityHintInformation: (0x04, 0),
}  # fmt: skip

# The least Length of a change of the volume.
SET_VOLUME: dict[int, int] = {
    FileFsLabelInformation: 0x04,
    FileFsControlInformation: 0x30,
    FileFsObjectIdInformation: 0x40,
}

# The least Length of a volume query, and whether its end may be cut off.
QUERY_VOLUME: dict[int, tuple[int, bool]] = {
    FileFsVolumeInformation:    (0x18, True),
    FileFsLabelInformation:     (0x08, True),
    FileFsSizeInformation:      (0x18, False),
    FileFsDeviceInformation:    (0x08, False),
    FileFsAttributeInformation: (0x10, True),
    FileFsControlInformation:   (0x30, False),
    FileFsFullSizeInformation:  (0x20, False),
    FileFsObjectIdInformation:  (0x40, False),
}  # fmt: skip
