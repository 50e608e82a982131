/* The registry services and structures beyond nt_api.h, with what the registry programs share. */
#ifndef NT_REGISTRY_H
#define NT_REGISTRY_H

#include "nt.h"

enum {
    STATUS_BUFFER_OVERFLOW = (int)0x80000005,
    STATUS_NO_MORE_ENTRIES = (int)0x8000001a,
    STATUS_BUFFER_TOO_SMALL = (int)0xc0000023,
    STATUS_OBJECT_PATH_SYNTAX_BAD = (int)0xc000003b,
    STATUS_NAME_TOO_LONG = (int)0xc0000106,
    STATUS_NOTIFY_CLEANUP = 0x10b,
    STATUS_CANNOT_DELETE = (int)0xc0000121,
    STATUS_KEY_DELETED = (int)0xc000017c,
    STATUS_CHILD_MUST_BE_VOLATILE = (int)0xc0000181,
};

enum {
    KEY_QUERY_VALUE = 1, KEY_SET_VALUE = 2, KEY_ENUMERATE_SUB_KEYS = 8, KEY_NOTIFY = 0x10,
    KEY_READ = 0x20019, KEY_WRITE = 0x20006,
    OBJ_OPENLINK = 0x100,
    REG_OPTION_VOLATILE = 1, REG_OPTION_CREATE_LINK = 2,
    REG_CREATED_NEW_KEY = 1, REG_OPENED_EXISTING_KEY = 2,
    REG_NONE = 0, REG_SZ = 1, REG_BINARY = 3, REG_DWORD = 4, REG_LINK = 6, REG_MULTI_SZ = 7,
    REG_QWORD = 11,
    REG_NOTIFY_CHANGE_NAME = 1, REG_NOTIFY_CHANGE_LAST_SET = 4,
    KeyBasicInformation = 0, KeyNodeInformation = 1, KeyFullInformation = 2,
    KeyNameInformation = 3, KeyCachedInformation = 4, KeyFlagsInformation = 5,
    KeyValueBasicInformation = 0, KeyValueFullInformation = 1, KeyValuePartialInformation = 2,
};

typedef struct {
    LARGE_INTEGER LastWriteTime;
    ULONG TitleIndex, NameLength;
    WCHAR Name[1];
} KEY_BASIC_INFORMATION;
OFFSET_IS(KEY_BASIC_INFORMATION, Name, 16);

typedef struct {
    LARGE_INTEGER LastWriteTime;
    ULONG TitleIndex, ClassOffset, ClassLength, NameLength;
    WCHAR Name[1];
} KEY_NODE_INFORMATION;
OFFSET_IS(KEY_NODE_INFORMATION, Name, 24);

typedef struct {
    LARGE_INTEGER LastWriteTime;
    ULONG TitleIndex, ClassOffset, ClassLength, SubKeys, MaxNameLen, MaxClassLen, Values;
    ULONG MaxValueNameLen, MaxValueDataLen;
    WCHAR Class[1];
} KEY_FULL_INFORMATION;
OFFSET_IS(KEY_FULL_INFORMATION, Class, 44);

typedef struct {
    ULONG TitleIndex, Type, DataOffset, DataLength, NameLength;
    WCHAR Name[1];
} KEY_VALUE_FULL_INFORMATION;
OFFSET_IS(KEY_VALUE_FULL_INFORMATION, Name, 20);

typedef struct {
    ULONG TitleIndex, Type, DataLength;
    UCHAR Data[1];
} KEY_VALUE_PARTIAL_INFORMATION;
OFFSET_IS(KEY_VALUE_PARTIAL_INFORMATION, Data, 12);

typedef struct { PUNICODE_STRING ValueName; ULONG DataLength, DataOffset, Type; } KEY_VALUE_ENTRY;

NTSYSAPI NTSTATUS NTAPI NtQueryKey(HANDLE, KEY_INFORMATION_CLASS, PVOID, ULONG Length,
    PULONG ResultLength);
NTSYSAPI NTSTATUS NTAPI NtDeleteValueKey(HANDLE, PUNICODE_STRING ValueName);
NTSYSAPI NTSTATUS NTAPI NtRenameKey(HANDLE, PUNICODE_STRING NewName);
NTSYSAPI NTSTATUS NTAPI NtFlushKey(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtSetInformationKey(HANDLE, ULONG Class, PVOID, ULONG Length);
NTSYSAPI NTSTATUS NTAPI NtNotifyChangeKey(HANDLE, HANDLE Event, PIO_APC_ROUTINE,
    PVOID ApcContext, PIO_STATUS_BLOCK, ULONG CompletionFilter, BOOLEAN WatchTree, PVOID Buffer,
    ULONG BufferSize, BOOLEAN Asynchronous);
NTSYSAPI NTSTATUS NTAPI NtQueryMultipleValueKey(HANDLE, KEY_VALUE_ENTRY *, ULONG EntryCount,
    PVOID ValueBuffer, PULONG BufferLength, PULONG RequiredBufferLength);

#define TEST_KEY L"\\Registry\\Machine\\Software\\ntgate test"

static HANDLE test_key __attribute__((unused)); /* the key that all is done below */

/* Text with a NUL at its end, as it is; `text` stays the string's buffer. */
INLINE UNICODE_STRING string_of(const WCHAR *text)
{
    USHORT length = 0;
    while (text[length])
        length++;
    return (UNICODE_STRING){2 * length, 2 * length + 2, (PWSTR)text};
}

INLINE NTSTATUS create_at(HANDLE root, const WCHAR *path, ACCESS_MASK access, ULONG options,
    PULONG disposition, PHANDLE key)
{
    UNICODE_STRING name = string_of(path);
    OBJECT_ATTRIBUTES attributes = named(&name);
    attributes.RootDirectory = root;
    *key = (HANDLE)0xdeadbeef;
    return NtCreateKey(key, access, &attributes, 0, NULL, options, disposition);
}

INLINE NTSTATUS open_at(HANDLE root, const WCHAR *path, ACCESS_MASK access, ULONG flags,
    PHANDLE key)
{
    UNICODE_STRING name = string_of(path);
    OBJECT_ATTRIBUTES attributes = named(&name);
    attributes.RootDirectory = root;
    attributes.Attributes |= flags;
    *key = (HANDLE)0xdeadbeef;
    return NtOpenKey(key, access, &attributes);
}

INLINE HANDLE make_key(const WCHAR *path)
{
    HANDLE key;
    CHECK_EQUAL(create_at(test_key, path, KEY_ALL_ACCESS, 0, NULL, &key), STATUS_SUCCESS);
    return key;
}

/* What opening tells; a key that opens is closed again. */
INLINE NTSTATUS try_open(HANDLE root, const WCHAR *path)
{
    HANDLE key;
    NTSTATUS status = open_at(root, path, KEY_READ, 0, &key);
    if (NT_SUCCESS(status))
        NtClose(key);
    else
        CHECK_EQUAL(key, 0);
    return status;
}

INLINE NTSTATUS set_value(HANDLE key, const WCHAR *name, ULONG type, const void *data, ULONG size)
{
    UNICODE_STRING string = string_of(name);
    return NtSetValueKey(key, &string, 0, type, (PVOID)data, size);
}

INLINE void remove_key(HANDLE key)
{
    CHECK_EQUAL(NtDeleteKey(key), STATUS_SUCCESS);
    CHECK_EQUAL(NtClose(key), STATUS_SUCCESS);
}

#endif
