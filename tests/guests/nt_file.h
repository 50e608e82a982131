/* The file services and structures beyond nt_api.h, with what the file programs share. */
#ifndef NT_FILE_H
#define NT_FILE_H

#include "nt.h"

enum {
    STATUS_BUFFER_OVERFLOW = (int)0x80000005,
    STATUS_NO_MORE_EAS = (int)0x80000012,
    STATUS_INVALID_EA_NAME = (int)0x80000013,
    STATUS_EA_LIST_INCONSISTENT = (int)0x80000014,
    STATUS_INVALID_EA_FLAG = (int)0x80000015,
    STATUS_NO_MORE_ENTRIES = (int)0x8000001a,
    STATUS_BUFFER_TOO_SMALL = (int)0xc0000023,
    STATUS_EAS_NOT_SUPPORTED = (int)0xc000004f,
    STATUS_EA_TOO_LARGE = (int)0xc0000050,
    STATUS_NONEXISTENT_EA_ENTRY = (int)0xc0000051,
    STATUS_NO_EAS_ON_FILE = (int)0xc0000052,
    STATUS_PRIVILEGE_NOT_HELD = (int)0xc0000061,
    STATUS_INVALID_SID = (int)0xc0000078,
    STATUS_OPLOCK_NOT_GRANTED = (int)0xc00000e2,
    STATUS_QUOTA_LIST_INCONSISTENT = (int)0xc0000266,
    STATUS_NOT_A_REPARSE_POINT = (int)0xc0000275,
    STATUS_IO_REPARSE_TAG_INVALID = (int)0xc0000276,
    STATUS_IO_REPARSE_TAG_MISMATCH = (int)0xc0000277,
    STATUS_IO_REPARSE_DATA_INVALID = (int)0xc0000278,
    STATUS_IO_REPARSE_TAG_NOT_HANDLED = (int)0xc0000279,
    STATUS_REPARSE_POINT_NOT_RESOLVED = (int)0xc0000280,
    STATUS_REPARSE_ATTRIBUTE_CONFLICT = (int)0xc00002b2,
    STATUS_JOURNAL_NOT_ACTIVE = (int)0xc00002b8,
    STATUS_INVALID_INFO_CLASS = (int)0xc0000003,
    STATUS_NO_SUCH_FILE = (int)0xc000000f,
    STATUS_INVALID_DEVICE_REQUEST = (int)0xc0000010,
    STATUS_SHARING_VIOLATION = (int)0xc0000043,
    STATUS_FILE_LOCK_CONFLICT = (int)0xc0000054,
    STATUS_LOCK_NOT_GRANTED = (int)0xc0000055,
    STATUS_DELETE_PENDING = (int)0xc0000056,
    STATUS_RANGE_NOT_LOCKED = (int)0xc000007e,
    STATUS_INSTANCE_NOT_AVAILABLE = (int)0xc00000ab,
    STATUS_PIPE_NOT_AVAILABLE = (int)0xc00000ac,
    STATUS_PIPE_DISCONNECTED = (int)0xc00000b0,
    STATUS_PIPE_CLOSING = (int)0xc00000b1,
    STATUS_PIPE_CONNECTED = (int)0xc00000b2,
    STATUS_PIPE_LISTENING = (int)0xc00000b3,
    STATUS_FILE_IS_A_DIRECTORY = (int)0xc00000ba,
    STATUS_NOT_SAME_DEVICE = (int)0xc00000d4,
    STATUS_INVALID_USER_BUFFER = (int)0xc00000e8,
    STATUS_DIRECTORY_NOT_EMPTY = (int)0xc0000101,
    STATUS_NOT_A_DIRECTORY = (int)0xc0000103,
    STATUS_NOTIFY_ENUM_DIR = 0x10c,
    STATUS_CANCELLED = (int)0xc0000120,
    STATUS_CANNOT_DELETE = (int)0xc0000121,
    STATUS_MAPPED_FILE_SIZE_ZERO = (int)0xc000011e,
    STATUS_PIPE_BROKEN = (int)0xc000014b,
    STATUS_NOT_FOUND = (int)0xc0000225,
    STATUS_USER_MAPPED_FILE = (int)0xc0000243,
};

enum {
    FILE_SUPERSEDE = 0,
    FILE_SUPERSEDED = 0, FILE_OPENED = 1, FILE_CREATED = 2, FILE_OVERWRITTEN = 3,
    FILE_APPEND_DATA = 0x4,
    FILE_LIST_DIRECTORY = 0x1,
    FILE_READ_ATTRIBUTES = 0x80,
    FILE_WRITE_ATTRIBUTES = 0x100,
    FILE_SHARE_ALL = 7,
    FILE_ATTRIBUTE_READONLY = 0x01,
    FILE_ATTRIBUTE_HIDDEN = 0x02,
    FILE_ATTRIBUTE_DIRECTORY = 0x10,
    FILE_ATTRIBUTE_ARCHIVE = 0x20,
    FileDirectoryInformation = 1,
    FileFullDirectoryInformation = 2,
    FileBothDirectoryInformation = 3,
    FileBasicInformation = 4,
    FileStandardInformation = 5,
    FileInternalInformation = 6,
    FileEaInformation = 7,
    FileNameInformation = 9,
    FileRenameInformation = 10,
    FileLinkInformation = 11,
    FileNamesInformation = 12,
    FileDispositionInformation = 13,
    FilePositionInformation = 14,
    FileAllocationInformation = 19,
    FileEndOfFileInformation = 20,
    FileAlternateNameInformation = 21,
    FileStreamInformation = 22,
    FilePipeInformation = 23,
    FileCompletionInformation = 30,
    FileAttributeTagInformation = 35,
    FileIdBothDirectoryInformation = 37,
    FileValidDataLengthInformation = 39,
    FileFsControlInformation = 6,
    FILE_OPEN_REPARSE_POINT = 0x200000,
    FILE_OPEN_BY_FILE_ID = 0x2000,
    FILE_NO_EA_KNOWLEDGE = 0x200,
    FILE_ATTRIBUTE_SPARSE_FILE = 0x200,
    FILE_ATTRIBUTE_REPARSE_POINT = 0x400,
    FILE_ATTRIBUTE_COMPRESSED = 0x800,
    FILE_NEED_EA = 0x80,
    FILE_NOTIFY_CHANGE_FILE_NAME = 0x1,
    FILE_NOTIFY_CHANGE_DIR_NAME = 0x2,
    FSCTL_PIPE_DISCONNECT = 0x110004,
    FSCTL_PIPE_LISTEN = 0x110008,
    FSCTL_PIPE_PEEK = 0x11400c,
    FSCTL_PIPE_GET_CONNECTION_ATTRIBUTE = 0x110030,
    WRITE_OWNER = 0x80000,
    GROUP_SECURITY_INFORMATION = 2,
    FSCTL_SET_REPARSE_POINT = 0x900a4,
    FSCTL_GET_REPARSE_POINT = 0x900a8,
    FSCTL_DELETE_REPARSE_POINT = 0x900ac,
    TAG_JUNCTION = (int)0xa0000003,
    TAG_SYMLINK = (int)0xa000000c,
};

typedef struct {
    LARGE_INTEGER CreationTime, LastAccessTime, LastWriteTime, ChangeTime;
    ULONG FileAttributes;
} FILE_BASIC_INFORMATION;
typedef struct {
    LARGE_INTEGER AllocationSize, EndOfFile;
    ULONG NumberOfLinks;
    BOOLEAN DeletePending, Directory;
} FILE_STANDARD_INFORMATION;
typedef struct {
    BOOLEAN ReplaceIfExists;
    HANDLE RootDirectory;
    ULONG FileNameLength;
    WCHAR FileName[64];
} FILE_RENAME_INFORMATION;
OFFSET_IS(FILE_RENAME_INFORMATION, FileName, 0x0c);
typedef struct { ULONG FileNameLength; WCHAR FileName[128]; } FILE_NAME_INFORMATION;
typedef struct {
    ULONG NextEntryOffset, FileIndex;
    LARGE_INTEGER CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile,
        AllocationSize;
    ULONG FileAttributes, FileNameLength, EaSize;
    CHAR ShortNameLength;
    WCHAR ShortName[12], FileName[1];
} FILE_BOTH_DIR_INFORMATION;
OFFSET_IS(FILE_BOTH_DIR_INFORMATION, ShortName, 0x46);
OFFSET_IS(FILE_BOTH_DIR_INFORMATION, FileName, 0x5e);
typedef struct { ULONG NextEntryOffset, FileIndex, FileNameLength; WCHAR FileName[1]; }
    FILE_NAMES_INFORMATION;
typedef struct { ULONG NextEntryOffset, Action, FileNameLength; WCHAR FileName[1]; }
    FILE_NOTIFY_INFORMATION;
typedef struct { HANDLE Port; PVOID Key; } FILE_COMPLETION_INFORMATION;

NTSYSAPI NTSTATUS NTAPI NtDeleteFile(POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtQueryAttributesFile(POBJECT_ATTRIBUTES, FILE_BASIC_INFORMATION *);
NTSYSAPI NTSTATUS NTAPI NtCancelIoFile(HANDLE, PIO_STATUS_BLOCK);
NTSYSAPI NTSTATUS NTAPI NtLockFile(HANDLE, HANDLE Event, PIO_APC_ROUTINE, PVOID, PIO_STATUS_BLOCK,
    PLARGE_INTEGER Offset, PLARGE_INTEGER Length, ULONG Key, BOOLEAN FailImmediately,
    BOOLEAN ExclusiveLock);
NTSYSAPI NTSTATUS NTAPI NtUnlockFile(HANDLE, PIO_STATUS_BLOCK, PLARGE_INTEGER Offset,
    PLARGE_INTEGER Length, ULONG Key);
NTSYSAPI NTSTATUS NTAPI NtNotifyChangeDirectoryFile(HANDLE, HANDLE Event, PIO_APC_ROUTINE, PVOID,
    PIO_STATUS_BLOCK, PVOID Buffer, ULONG Length, ULONG Filter, BOOLEAN WatchTree);
NTSYSAPI NTSTATUS NTAPI NtFsControlFile(HANDLE, HANDLE Event, PIO_APC_ROUTINE, PVOID,
    PIO_STATUS_BLOCK, ULONG Code, PVOID Input, ULONG InputLength, PVOID Output,
    ULONG OutputLength);
NTSYSAPI NTSTATUS NTAPI NtCreateNamedPipeFile(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES,
    PIO_STATUS_BLOCK, ULONG ShareAccess, ULONG CreateDisposition, ULONG CreateOptions,
    ULONG NamedPipeType, ULONG ReadMode, ULONG CompletionMode, ULONG MaximumInstances,
    ULONG InboundQuota, ULONG OutboundQuota, PLARGE_INTEGER DefaultTimeout);
NTSYSAPI NTSTATUS NTAPI NtCreateIoCompletion(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES,
    ULONG Concurrency);
NTSYSAPI NTSTATUS NTAPI NtRemoveIoCompletion(HANDLE, PVOID *Key, PVOID *Context, PIO_STATUS_BLOCK,
    PLARGE_INTEGER Timeout);
NTSYSAPI NTSTATUS NTAPI NtQuerySecurityObject(HANDLE, ULONG Parts, PVOID, ULONG Length,
    PULONG Needed);
NTSYSAPI NTSTATUS NTAPI NtSetSecurityObject(HANDLE, ULONG Parts, PVOID);
NTSYSAPI NTSTATUS NTAPI NtQueryEaFile(HANDLE, PIO_STATUS_BLOCK, PVOID Buffer, ULONG Length,
    BOOLEAN ReturnSingleEntry, PVOID EaList, ULONG EaListLength, PULONG EaIndex, BOOLEAN Restart);
NTSYSAPI NTSTATUS NTAPI NtSetEaFile(HANDLE, PIO_STATUS_BLOCK, PVOID Buffer, ULONG Length);
NTSYSAPI NTSTATUS NTAPI NtQueryQuotaInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID Buffer,
    ULONG Length, BOOLEAN ReturnSingleEntry, PVOID SidList, ULONG SidListLength, PVOID StartSid,
    BOOLEAN Restart);
NTSYSAPI NTSTATUS NTAPI NtSetQuotaInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID Buffer,
    ULONG Length);
NTSYSAPI NTSTATUS NTAPI NtQueryVolumeInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG Length,
    ULONG Class);
NTSYSAPI NTSTATUS NTAPI NtSetVolumeInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG Length,
    ULONG Class);
NTSYSAPI NTSTATUS NTAPI NtFlushBuffersFile(HANDLE, PIO_STATUS_BLOCK);

#define SYNC FILE_SYNCHRONOUS_IO_NONALERT

/* The answer of the last call of a helper below; a failed open gives the handle NULL. */
static IO_STATUS_BLOCK io __attribute__((unused));
static NTSTATUS opened __attribute__((unused));

INLINE ULONG wide_length(PWSTR text)
{
    ULONG length = 0;
    while (text[length])
        length++;
    return length;
}

INLINE UNICODE_STRING wide(PWSTR text)
{
    USHORT bytes = (USHORT)(2 * wide_length(text));
    return (UNICODE_STRING){bytes, bytes, text};
}

INLINE HANDLE create_in(HANDLE root, PWSTR text, ACCESS_MASK access, ULONG disposition,
    ULONG share, ULONG options, ULONG attributes)
{
    UNICODE_STRING name = wide(text);
    OBJECT_ATTRIBUTES object = named(&name);
    HANDLE handle = NULL;
    object.RootDirectory = root;
    opened = NtCreateFile(&handle, access | SYNCHRONIZE, &object, &io, NULL, attributes, share,
        disposition, options, NULL, 0);
    return NT_SUCCESS(opened) ? handle : NULL;
}

INLINE HANDLE create(PWSTR text, ACCESS_MASK access, ULONG disposition, ULONG share, ULONG options)
{
    return create_in(NULL, text, access, disposition, share, options, FILE_ATTRIBUTE_NORMAL);
}

INLINE NTSTATUS try_open(PWSTR text, ACCESS_MASK access, ULONG disposition, ULONG share,
    ULONG options)
{
    HANDLE handle = create(text, access, disposition, share, options);
    if (handle)
        NtClose(handle);
    return opened;
}

INLINE NTSTATUS put(HANDLE file, const CHAR *text)
{
    return NtWriteFile(file, NULL, NULL, NULL, &io, text, strlen(text), NULL, NULL);
}

/* Reads at an offset and compares; the size of what was there in `io`. */
INLINE BOOLEAN has(HANDLE file, LONGLONG offset, const CHAR *text)
{
    CHAR buffer[256];
    LARGE_INTEGER place = {.QuadPart = offset};
    ULONG length = strlen(text);
    NTSTATUS status = NtReadFile(file, NULL, NULL, NULL, &io, buffer, length, &place, NULL);
    if (status != STATUS_SUCCESS || io.Information != length)
        return FALSE;
    for (ULONG i = 0; i < length; i++)
        if (buffer[i] != text[i])
            return FALSE;
    return TRUE;
}

INLINE LONGLONG size_of(HANDLE file)
{
    FILE_STANDARD_INFORMATION standard;
    NtQueryInformationFile(file, &io, &standard, sizeof standard, FileStandardInformation);
    return standard.EndOfFile.QuadPart;
}

INLINE NTSTATUS set_size(HANDLE file, LONGLONG size)
{
    return NtSetInformationFile(file, &io, &size, sizeof size, FileEndOfFileInformation);
}

INLINE NTSTATUS name_it(HANDLE file, PWSTR text, BOOLEAN replace, FILE_INFORMATION_CLASS kind)
{
    FILE_RENAME_INFORMATION rename = {replace, NULL, 2 * wide_length(text), {0}};
    for (ULONG i = 0; text[i]; i++)
        rename.FileName[i] = text[i];
    return NtSetInformationFile(file, &io, &rename, sizeof rename, kind);
}

INLINE NTSTATUS mark_deleted(HANDLE file, BOOLEAN wanted)
{
    return NtSetInformationFile(file, &io, &wanted, 1, FileDispositionInformation);
}

/* A junction's data or a symbolic link's, which has flags as well; the print name is empty. */
typedef struct {
    ULONG Tag;
    USHORT DataLength, Reserved, SubstituteOffset, SubstituteLength, PrintOffset, PrintLength;
    UCHAR Rest[256];
} REPARSE_BUFFER;

INLINE ULONG reparse_buffer(REPARSE_BUFFER *buffer, ULONG tag, PWSTR target, BOOLEAN relative)
{
    ULONG length = 2 * wide_length(target), flags = tag == (ULONG)TAG_SYMLINK ? 4 : 0;
    *buffer = (REPARSE_BUFFER){tag, (USHORT)(8 + flags + length + 4), 0, 0, (USHORT)length,
        (USHORT)(length + 2), 0, {relative}};
    for (ULONG i = 0; i < length; i++)
        buffer->Rest[flags + i] = ((const UCHAR *)target)[i];
    return 16 + flags + length + 4;
}

INLINE NTSTATUS set_link(HANDLE file, ULONG tag, PWSTR target, BOOLEAN relative)
{
    REPARSE_BUFFER buffer;
    ULONG length = reparse_buffer(&buffer, tag, target, relative);
    return NtFsControlFile(file, NULL, NULL, NULL, &io, FSCTL_SET_REPARSE_POINT, &buffer, length,
        NULL, 0);
}

INLINE BOOLEAN same_text(const WCHAR *text, ULONG bytes, PWSTR wanted)
{
    if (bytes != 2 * wide_length(wanted))
        return FALSE;
    for (ULONG i = 0; i < bytes / 2; i++)
        if (text[i] != wanted[i])
            return FALSE;
    return TRUE;
}

INLINE void print_wide(const WCHAR *text, ULONG bytes)
{
    for (ULONG i = 0; i < bytes / 2; i++) {
        CHAR one = text[i] < 0x7f ? (CHAR)text[i] : '?';
        print_bytes(&one, 1);
    }
}

#endif
