/* Extended attributes: lists that are wrong, single ones, indices, creation with some. */
#include "nt_file.h"

#define AT L"\\??\\C:\\eas\\"
#define EA_ACCESS (FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE)
#define NOWHERE ((PVOID)0x7fff0000)

typedef struct {
    ULONG Next;
    UCHAR Flags, NameLength;
    USHORT ValueLength;
    CHAR Text[1];
} EA;

static UCHAR list[0x1000];
static ULONG list_length;

/* Appends to the list; the one before then tells where this one is. */
static void add(const CHAR *name, const CHAR *value, ULONG value_length, UCHAR flags)
{
    static ULONG last;
    ULONG at = list_length + 3 & ~3u, name_length = strlen(name);
    EA *ea = (EA *)(list + at);
    if (list_length)
        ((EA *)(list + last))->Next = at - last;
    *ea = (EA){0, flags, (UCHAR)name_length, (USHORT)value_length, {0}};
    for (ULONG i = 0; i <= name_length; i++)
        ea->Text[i] = name[i];
    for (ULONG i = 0; i < value_length; i++)
        ea->Text[name_length + 1 + i] = value[i];
    last = at;
    list_length = at + 8 + name_length + 1 + value_length;
}

static NTSTATUS set_one(HANDLE file, const CHAR *name, const CHAR *value, UCHAR flags)
{
    list_length = 0;
    add(name, value, strlen(value), flags);
    return NtSetEaFile(file, &io, list, list_length);
}

static ULONG ea_size(HANDLE file)
{
    ULONG size = 0xdead;
    NtQueryInformationFile(file, &io, &size, sizeof size, FileEaInformation);
    return size;
}

static BOOLEAN is_ea(const EA *ea, const CHAR *name, const CHAR *value)
{
    ULONG name_length = strlen(name), length = strlen(value);
    if (ea->NameLength != name_length || ea->ValueLength != length)
        return FALSE;
    for (ULONG i = 0; i <= name_length; i++)
        if (ea->Text[i] != name[i])
            return FALSE;
    for (ULONG i = 0; i < length; i++)
        if (ea->Text[name_length + 1 + i] != value[i])
            return FALSE;
    return TRUE;
}

static NTSTATUS next(HANDLE file, UCHAR *out, ULONG length, BOOLEAN restart)
{
    return NtQueryEaFile(file, &io, out, length, TRUE, NULL, 0, NULL, restart);
}

static void setting(HANDLE file)
{
    UCHAR out[256];
    EA *ea = (EA *)out;
    CHECK_EQUAL(next(file, out, sizeof out, FALSE), STATUS_NO_EAS_ON_FILE);
    CHECK_EQUAL(ea_size(file), 0);
    CHECK_EQUAL(set_one(file, "First", "one", 0), STATUS_SUCCESS);
    CHECK_EQUAL(set_one(file, "SECOND", "two", 0), STATUS_SUCCESS);
    CHECK_EQUAL(ea_size(file), 4 + (4 + 6 + 3) + (4 + 7 + 3));
    CHECK_EQUAL(next(file, out, sizeof out, TRUE), STATUS_SUCCESS);
    CHECK(is_ea(ea, "FIRST", "one"));
    CHECK_EQUAL(io.Information, 8 + 6 + 3);
    CHECK_EQUAL(next(file, out, sizeof out, FALSE), STATUS_SUCCESS);
    CHECK(is_ea(ea, "SECOND", "two"));
    CHECK_EQUAL(next(file, out, sizeof out, FALSE), STATUS_NO_MORE_EAS);
    CHECK_EQUAL(next(file, out, 8, TRUE), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(NtQueryEaFile(file, &io, out, sizeof out, FALSE, NULL, 0, NULL, TRUE),
        STATUS_SUCCESS);
    CHECK_EQUAL(ea->Next, 20);
    CHECK(is_ea((EA *)(out + ea->Next), "SECOND", "two"));
    CHECK_EQUAL(NtQueryEaFile(file, &io, out, 20, FALSE, NULL, 0, NULL, TRUE),
        STATUS_BUFFER_OVERFLOW);
    CHECK_EQUAL(io.Information, 17);
    CHECK_EQUAL(set_one(file, "first", "1", 0), STATUS_SUCCESS);
    CHECK_EQUAL(next(file, out, sizeof out, TRUE), STATUS_SUCCESS);
    CHECK(is_ea(ea, "FIRST", "1"));
}

static void choosing(HANDLE file)
{
    static const UCHAR names[] = {12, 0, 0, 0, 4, 'n', 'o', 'n', 'e', 0, 0, 0,
        0, 0, 0, 0, 6, 's', 'e', 'c', 'o', 'n', 'd', 0};
    UCHAR out[256], broken[sizeof names];
    EA *ea = (EA *)out;
    ULONG index = 2;
    CHECK_EQUAL(NtQueryEaFile(file, &io, out, sizeof out, TRUE, NULL, 0, &index, FALSE),
        STATUS_SUCCESS);
    CHECK(is_ea(ea, "SECOND", "two"));
    index = 3;
    CHECK_EQUAL(NtQueryEaFile(file, &io, out, sizeof out, TRUE, NULL, 0, &index, FALSE),
        STATUS_NO_MORE_EAS);
    for (index = 0; index < 8; index += 4)
        CHECK_EQUAL(NtQueryEaFile(file, &io, out, sizeof out, TRUE, NULL, 0, &index, FALSE),
            STATUS_NONEXISTENT_EA_ENTRY);
    CHECK_EQUAL(NtQueryEaFile(file, &io, out, sizeof out, FALSE, (PVOID)names, sizeof names, NULL,
        FALSE), STATUS_SUCCESS);
    CHECK(is_ea(ea, "NONE", ""));
    CHECK(is_ea((EA *)(out + ea->Next), "SECOND", "two"));
    for (ULONG i = 0; i < sizeof names; i++)
        broken[i] = names[i];
    broken[0] = 8;
    CHECK_EQUAL(NtQueryEaFile(file, &io, out, sizeof out, FALSE, broken, sizeof broken, NULL,
        FALSE), STATUS_EA_LIST_INCONSISTENT);
    broken[0] = 12, broken[17] = '*';
    CHECK_EQUAL(NtQueryEaFile(file, &io, out, sizeof out, FALSE, broken, sizeof broken, NULL,
        FALSE), STATUS_INVALID_EA_NAME);
    CHECK_EQUAL(io.Information, 12);
}

static void wrong_lists(HANDLE file)
{
    static CHAR much[0xff00];
    CHECK_EQUAL(set_one(file, "a*", "x", 0), STATUS_INVALID_EA_NAME);
    CHECK_EQUAL(set_one(file, "", "x", 0), STATUS_INVALID_EA_NAME);
    CHECK_EQUAL(set_one(file, "a", "x", 1), STATUS_INVALID_EA_FLAG);
    list_length = 0, add("a", "x", 1, 0), add("b=", "y", 1, 0);
    CHECK_EQUAL(NtSetEaFile(file, &io, list, list_length), STATUS_INVALID_EA_NAME);
    CHECK_EQUAL(io.Information, 12);
    CHECK_EQUAL(NtSetEaFile(file, &io, list, list_length - 1), STATUS_EA_LIST_INCONSISTENT);
    CHECK_EQUAL(NtSetEaFile(file, &io, list, 0), STATUS_EA_LIST_INCONSISTENT);
    list[0] = 16;
    CHECK_EQUAL(NtSetEaFile(file, &io, list, list_length), STATUS_EA_LIST_INCONSISTENT);
    list[0] = 12, list[9] = 'x';
    CHECK_EQUAL(NtSetEaFile(file, &io, list, list_length), STATUS_EA_LIST_INCONSISTENT);
    *(EA *)much = (EA){0, 0, 1, sizeof much - 10, {'M'}};
    CHECK_EQUAL(NtSetEaFile(file, &io, much, sizeof much), STATUS_SUCCESS);
    much[8] = 'N';
    CHECK_EQUAL(NtSetEaFile(file, &io, much, sizeof much), STATUS_EA_TOO_LARGE);
    CHECK_EQUAL(set_one(file, "M", "", 0), STATUS_SUCCESS);
}

static void hostile(HANDLE file)
{
    UCHAR out[64];
    ULONG *wrong = NOWHERE;
    CHECK_EQUAL(NtSetEaFile(file, &io, NOWHERE, 64), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtSetEaFile(file, NULL, list, list_length), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(next(file, NOWHERE, 64, TRUE), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtQueryEaFile(file, &io, out, sizeof out, TRUE, NOWHERE, 8, NULL, TRUE),
        STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtQueryEaFile(file, &io, out, sizeof out, TRUE, NULL, 0, wrong, TRUE),
        STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtSetEaFile(NULL, &io, list, list_length), STATUS_INVALID_HANDLE);
}

static NTSTATUS create_with(PWSTR text, ULONG disposition, ULONG options, PVOID buffer,
    ULONG length, HANDLE *file)
{
    UNICODE_STRING name = wide(text);
    OBJECT_ATTRIBUTES object = named(&name);
    *file = NULL;
    return NtCreateFile(file, EA_ACCESS | SYNCHRONIZE, &object, &io, NULL, 0, FILE_SHARE_ALL,
        disposition, options | SYNC, buffer, length);
}

static void creating(void)
{
    UCHAR out[64];
    HANDLE file, other;
    list_length = 0, add("Needed", "!", 1, FILE_NEED_EA);
    CHECK_EQUAL(create_with(AT L"b", FILE_CREATE, FILE_NO_EA_KNOWLEDGE, list, list_length, &file),
        STATUS_ACCESS_DENIED);
    CHECK_EQUAL(create_with(AT L"b", FILE_CREATE, 0, list, list_length - 1, &file),
        STATUS_EA_LIST_INCONSISTENT);
    CHECK_EQUAL(create_with(AT L"b", FILE_CREATE, 0, NOWHERE, 32, &file),
        STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(create_with(AT L"b", FILE_OPEN, 0, NULL, 0, &file), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(create_with(AT L"b", FILE_CREATE, 0, list, list_length, &file), STATUS_SUCCESS);
    CHECK_EQUAL(next(file, out, sizeof out, TRUE), STATUS_SUCCESS);
    CHECK(is_ea((EA *)out, "NEEDED", "!"));
    CHECK_EQUAL(((EA *)out)->Flags, FILE_NEED_EA);
    CHECK_EQUAL(create_with(AT L"b", FILE_OPEN, FILE_NO_EA_KNOWLEDGE, NULL, 0, &other),
        STATUS_ACCESS_DENIED);
    CHECK_EQUAL(create_with(AT L"b", FILE_OVERWRITE, 0, NULL, 0, &other), STATUS_SUCCESS);
    CHECK_EQUAL(next(file, out, sizeof out, TRUE), STATUS_NO_EAS_ON_FILE);
    NtClose(other);
    NtClose(file);
    file = create(AT L"b", FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(next(file, out, sizeof out, TRUE), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(set_one(file, "a", "x", 0), STATUS_ACCESS_DENIED);
    NtClose(file);
}

void start(void)
{
    HANDLE file;
    NtClose(create(L"\\??\\C:\\eas", FILE_GENERIC_READ, FILE_CREATE, 0, FILE_DIRECTORY_FILE | SYNC));
    file = create(AT L"a", EA_ACCESS, FILE_CREATE, FILE_SHARE_ALL, SYNC);
    setting(file);
    choosing(file);
    wrong_lists(file);
    hostile(file);
    CHECK_EQUAL(set_one(file, "first", "", 0), STATUS_SUCCESS);
    CHECK_EQUAL(set_one(file, "second", "", 0), STATUS_SUCCESS);
    CHECK_EQUAL(ea_size(file), 0);
    NtClose(file);
    creating();
    finish();
}
