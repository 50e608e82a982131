/* Creating, opening, sharing, deleting, renaming and linking files. */
#include "nt_file.h"

#define AT L"\\??\\C:\\files\\"
#define READ FILE_GENERIC_READ
#define WRITE FILE_GENERIC_WRITE

static void dispositions(void)
{
    HANDLE file;
    CHECK_EQUAL(try_open(AT L"a.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(try_open(AT L"a.txt", WRITE, FILE_OVERWRITE, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(try_open(AT L"no\\a.txt", READ, FILE_OPEN_IF, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_PATH_NOT_FOUND);
    file = create(AT L"a.txt", READ | WRITE, FILE_CREATE, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(io.Information, FILE_CREATED);
    CHECK_EQUAL(put(file, "hello"), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 5);
    CHECK(has(file, 1, "ello"));
    NtClose(file);
    CHECK_EQUAL(try_open(AT L"A.TXT", READ, FILE_CREATE, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_COLLISION);
    CHECK_EQUAL(try_open(AT L"A.Txt", READ, FILE_OPEN_IF, FILE_SHARE_ALL, SYNC), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, FILE_OPENED);
    file = create(AT L"a.txt", READ | WRITE, FILE_OVERWRITE_IF, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(io.Information, FILE_OVERWRITTEN);
    CHECK_EQUAL(size_of(file), 0);
    NtClose(file);
    CHECK_EQUAL(try_open(AT L"a.txt", READ | DELETE, FILE_SUPERSEDE, FILE_SHARE_ALL, SYNC),
        STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, FILE_SUPERSEDED);
    CHECK_EQUAL(try_open(AT L"a.txt", READ, FILE_OPEN, FILE_SHARE_ALL, FILE_DIRECTORY_FILE),
        STATUS_NOT_A_DIRECTORY);
    CHECK_EQUAL(try_open(AT L"a.txt\\", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_INVALID);
    CHECK_EQUAL(try_open(L"\\??\\C:\\files", READ, FILE_OPEN, FILE_SHARE_ALL,
        FILE_NON_DIRECTORY_FILE | SYNC), STATUS_FILE_IS_A_DIRECTORY);
    CHECK_EQUAL(try_open(AT L"b?.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_INVALID);
    CHECK_EQUAL(try_open(AT L"a.txt", READ, FILE_OVERWRITE_IF + 1, FILE_SHARE_ALL, SYNC),
        STATUS_INVALID_PARAMETER);
}

/* Dots and spaces at the end of a name are a part of it: only Win32 strips them. */
static void odd_ends(void)
{
    const ULONG options = FILE_DELETE_ON_CLOSE | SYNC;
    HANDLE file = create(AT L"end. ", READ | DELETE, FILE_CREATE, FILE_SHARE_ALL, options);
    CHECK(file);
    CHECK_EQUAL(try_open(AT L"END. ", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"end", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(try_open(AT L"end.", READ | DELETE, FILE_CREATE, FILE_SHARE_ALL, options),
        STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, FILE_CREATED);
    NtClose(file);
}

static void sharing(void)
{
    HANDLE reader = create(AT L"a.txt", READ, FILE_OPEN, FILE_SHARE_READ, SYNC);
    CHECK_EQUAL(try_open(AT L"a.txt", READ, FILE_OPEN, FILE_SHARE_READ, SYNC), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"a.txt", READ, FILE_OPEN, FILE_SHARE_WRITE, SYNC),
        STATUS_SHARING_VIOLATION);
    CHECK_EQUAL(try_open(AT L"a.txt", WRITE, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_SHARING_VIOLATION);
    CHECK_EQUAL(try_open(AT L"a.txt", DELETE, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_SHARING_VIOLATION);
    CHECK_EQUAL(try_open(AT L"a.txt", FILE_READ_ATTRIBUTES, FILE_OPEN, 0, SYNC), STATUS_SUCCESS);
    NtClose(reader);
    CHECK_EQUAL(try_open(AT L"a.txt", WRITE, FILE_OPEN, 0, SYNC), STATUS_SUCCESS);
}

static void attributes(void)
{
    FILE_BASIC_INFORMATION basic;
    HANDLE file = create_in(NULL, AT L"r.txt", READ | WRITE, FILE_CREATE, FILE_SHARE_ALL, SYNC,
        FILE_ATTRIBUTE_READONLY);
    CHECK_EQUAL(put(file, "once"), STATUS_SUCCESS); /* what creates it may write */
    NtClose(file);
    CHECK_EQUAL(try_open(AT L"r.txt", WRITE, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_ACCESS_DENIED);
    CHECK_EQUAL(try_open(AT L"r.txt", DELETE, FILE_OPEN, FILE_SHARE_ALL,
        FILE_DELETE_ON_CLOSE | SYNC), STATUS_CANNOT_DELETE);
    file = create(AT L"r.txt", FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES, FILE_OPEN,
        FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(NtQueryInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation),
        STATUS_SUCCESS);
    CHECK_EQUAL(basic.FileAttributes, FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_ARCHIVE);
    basic = (FILE_BASIC_INFORMATION){.LastWriteTime.QuadPart = 0x01c0000000000000,
                                     .FileAttributes = FILE_ATTRIBUTE_HIDDEN};
    CHECK_EQUAL(NtSetInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation),
        STATUS_SUCCESS);
    NtQueryInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation);
    CHECK_EQUAL(basic.FileAttributes, FILE_ATTRIBUTE_HIDDEN);
    CHECK_EQUAL(basic.LastWriteTime.HighPart, 0x01c00000);
    NtClose(file);
    CHECK_EQUAL(try_open(AT L"r.txt", WRITE, FILE_OVERWRITE, FILE_SHARE_ALL, SYNC),
        STATUS_ACCESS_DENIED); /* hidden files are not overwritten by the way */
}

static LONGLONG written(HANDLE file)
{
    FILE_BASIC_INFORMATION basic;
    CHECK_EQUAL(NtQueryInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation),
        STATUS_SUCCESS);
    return basic.LastWriteTime.QuadPart;
}

static void set_written(HANDLE file, LONGLONG time)
{
    FILE_BASIC_INFORMATION basic = {.LastWriteTime.QuadPart = time};
    CHECK_EQUAL(NtSetInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation),
        STATUS_SUCCESS);
}

/* A time that was set stays, whatever is written by the same handle. */
static void times(void)
{
    const LONGLONG set = 0x01c0000000000000;
    LARGE_INTEGER end = {.QuadPart = 2};
    HANDLE file = create(AT L"t.txt", READ | WRITE | DELETE, FILE_CREATE, FILE_SHARE_ALL,
        FILE_DELETE_ON_CLOSE | SYNC), other;
    set_written(file, set);
    CHECK_EQUAL(put(file, "kept"), STATUS_SUCCESS);
    CHECK(written(file) == set);
    CHECK_EQUAL(NtSetInformationFile(file, &io, &end, sizeof end, FileEndOfFileInformation),
        STATUS_SUCCESS);
    CHECK(written(file) == set);
    other = create(AT L"t.txt", WRITE | FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(put(other, "new"), STATUS_SUCCESS);
    CHECK(written(file) > set);
    set_written(file, set);
    set_written(other, -1); /* as it is, for this handle */
    CHECK_EQUAL(put(other, "newer"), STATUS_SUCCESS);
    CHECK(written(file) == set);
    NtClose(other);
    NtClose(file);
}

/* A name goes when nobody has the file open by it, whoever came by another one. */
static void names(void)
{
    FILE_STANDARD_INFORMATION standard;
    HANDLE file = create(AT L"n.txt", READ | WRITE | DELETE, FILE_CREATE, FILE_SHARE_ALL,
        FILE_DELETE_ON_CLOSE | SYNC), second;
    CHECK_EQUAL(name_it(file, AT L"second", FALSE, FileLinkInformation), STATUS_SUCCESS);
    second = create(AT L"second", READ | DELETE, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(mark_deleted(second, TRUE), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"second", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_DELETE_PENDING);
    CHECK_EQUAL(try_open(AT L"n.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC), STATUS_SUCCESS);
    NtClose(second);
    CHECK_EQUAL(try_open(AT L"second", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(NtQueryInformationFile(file, &io, &standard, sizeof standard,
        FileStandardInformation), STATUS_SUCCESS);
    CHECK_EQUAL(standard.NumberOfLinks, 1);
    NtClose(file);
}

static void deleting(void)
{
    HANDLE file = create(AT L"d.txt", READ | WRITE | DELETE, FILE_CREATE, FILE_SHARE_ALL, SYNC);
    HANDLE other = create(AT L"d.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(mark_deleted(file, TRUE), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"d.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_DELETE_PENDING);
    CHECK_EQUAL(mark_deleted(file, FALSE), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"d.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC), STATUS_SUCCESS);
    mark_deleted(file, TRUE);
    NtClose(file);
    CHECK_EQUAL(try_open(AT L"d.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_DELETE_PENDING);
    NtClose(other);
    CHECK_EQUAL(try_open(AT L"d.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_NOT_FOUND);
    file = create(AT L"e.txt", READ | WRITE | DELETE, FILE_CREATE, FILE_SHARE_ALL,
        FILE_DELETE_ON_CLOSE | SYNC);
    CHECK(file != NULL);
    NtClose(file);
    CHECK_EQUAL(try_open(AT L"e.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(try_open(AT L"full", READ, FILE_CREATE, FILE_SHARE_ALL,
        FILE_DIRECTORY_FILE | SYNC), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"full\\x", WRITE, FILE_CREATE, FILE_SHARE_ALL, SYNC), STATUS_SUCCESS);
    file = create(AT L"full", DELETE, FILE_OPEN, FILE_SHARE_ALL, FILE_DIRECTORY_FILE | SYNC);
    CHECK_EQUAL(mark_deleted(file, TRUE), STATUS_DIRECTORY_NOT_EMPTY);
    NtClose(file);
}

static void renaming(void)
{
    FILE_STANDARD_INFORMATION standard;
    HANDLE file = create(AT L"one", READ | WRITE | DELETE, FILE_CREATE, FILE_SHARE_ALL, SYNC), two;
    put(file, "one");
    NtClose(create(AT L"two", WRITE, FILE_CREATE, FILE_SHARE_ALL, SYNC));
    CHECK_EQUAL(name_it(file, AT L"two", FALSE, FileRenameInformation),
        STATUS_OBJECT_NAME_COLLISION);
    two = create(AT L"two", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(name_it(file, AT L"two", TRUE, FileRenameInformation), STATUS_ACCESS_DENIED);
    NtClose(two);
    CHECK_EQUAL(name_it(file, AT L"two", TRUE, FileRenameInformation), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"one", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(name_it(file, L"three", FALSE, FileRenameInformation), STATUS_SUCCESS);
    CHECK_EQUAL(name_it(file, L"\\??\\NUL", TRUE, FileRenameInformation), STATUS_NOT_SAME_DEVICE);
    CHECK_EQUAL(name_it(file, AT L"full\\link", FALSE, FileLinkInformation), STATUS_SUCCESS);
    NtQueryInformationFile(file, &io, &standard, sizeof standard, FileStandardInformation);
    CHECK_EQUAL(standard.NumberOfLinks, 2);
    mark_deleted(file, TRUE);
    NtClose(file);
    file = create(AT L"full\\link", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK(has(file, 0, "one"));
    NtClose(file);
    file = create(AT L"full", DELETE, FILE_OPEN, FILE_SHARE_ALL, FILE_DIRECTORY_FILE | SYNC);
    CHECK_EQUAL(name_it(file, AT L"full\\inside", FALSE, FileRenameInformation),
        STATUS_ACCESS_DENIED);
    CHECK_EQUAL(name_it(file, AT L"moved", FALSE, FileRenameInformation), STATUS_SUCCESS);
    NtClose(file);
    CHECK_EQUAL(try_open(AT L"moved\\link", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_SUCCESS);
}

static void sizes(void)
{
    LARGE_INTEGER place = {.QuadPart = 0x100000000};
    HANDLE file = create(AT L"size", READ | WRITE, FILE_CREATE, FILE_SHARE_ALL, SYNC), append;
    put(file, "0123456789");
    CHECK_EQUAL(set_size(file, 4), STATUS_SUCCESS);
    CHECK_EQUAL(set_size(file, 9), STATUS_SUCCESS);
    CHECK(has(file, 0, "0123"));
    CHECK(has(file, 8, "")); /* nothing is asked, nothing is wrong */
    CHECK_EQUAL(size_of(file), 9);
    append = create(AT L"size", FILE_APPEND_DATA, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(put(append, "end"), STATUS_SUCCESS);
    CHECK(has(file, 9, "end"));
    NtClose(append);
    CHECK_EQUAL(NtWriteFile(file, NULL, NULL, NULL, &io, "far", 3, &place, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(size_of(file) >> 32, 1);
    CHECK(has(file, 0x100000000, "far"));
    CHECK_EQUAL(NtReadFile(file, NULL, NULL, NULL, &io, &place, 8, &place, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 3); /* up to the end */
    place.QuadPart = 0x100000003;
    CHECK_EQUAL(NtReadFile(file, NULL, NULL, NULL, &io, &append, 4, &place, NULL),
        STATUS_END_OF_FILE);
    CHECK_EQUAL(NtWriteFile(file, NULL, NULL, NULL, &io, NULL, 3, NULL, NULL),
        STATUS_INVALID_USER_BUFFER);
    CHECK_EQUAL(set_size(file, -1), STATUS_INVALID_PARAMETER);
    NtClose(file);
}

void start(void)
{
    CHECK_EQUAL(try_open(L"\\??\\C:\\files", READ, FILE_OPEN_IF, FILE_SHARE_ALL,
        FILE_DIRECTORY_FILE | SYNC), STATUS_SUCCESS);
    dispositions();
    odd_ends();
    sharing();
    attributes();
    times();
    names();
    deleting();
    renaming();
    sizes();
    finish();
}
