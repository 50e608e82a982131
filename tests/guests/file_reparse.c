/* Reparse points: junctions and symbolic links, what they lead to, and buffers that are wrong. */
#include "nt_file.h"

#define AT L"\\??\\C:\\points\\"
#define READ FILE_GENERIC_READ
#define WRITE FILE_GENERIC_WRITE
#define POINT (SYNC | FILE_OPEN_REPARSE_POINT)

static HANDLE folder(PWSTR name)
{
    return create(name, READ | WRITE | DELETE, FILE_OPEN_IF, FILE_SHARE_ALL,
        FILE_DIRECTORY_FILE | POINT);
}

static NTSTATUS control(HANDLE file, ULONG code, PVOID in, ULONG in_length, PVOID out,
    ULONG out_length)
{
    return NtFsControlFile(file, NULL, NULL, NULL, &io, code, in, in_length, out, out_length);
}

static NTSTATUS delete_point(HANDLE file, ULONG tag)
{
    ULONG header[2] = {tag, 0};
    return control(file, FSCTL_DELETE_REPARSE_POINT, header, sizeof header, NULL, 0);
}

static void put_in(PWSTR name, const CHAR *text)
{
    HANDLE file = create(name, WRITE, FILE_OVERWRITE_IF, FILE_SHARE_ALL, SYNC);
    CHECK(file != NULL);
    put(file, text);
    NtClose(file);
}

static BOOLEAN found_in(PWSTR name, const CHAR *text)
{
    HANDLE file = create(name, READ, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    BOOLEAN right = file && has(file, 0, text);
    if (file)
        NtClose(file);
    return right;
}

static void junctions(void)
{
    FILE_BASIC_INFORMATION basic;
    FILE_NAME_INFORMATION name;
    ULONG tag[2];
    HANDLE file, point = folder(AT L"to");
    CHECK_EQUAL(control(point, FSCTL_GET_REPARSE_POINT, NULL, 0, tag, sizeof tag),
        STATUS_NOT_A_REPARSE_POINT);
    CHECK_EQUAL(delete_point(point, TAG_JUNCTION), STATUS_NOT_A_REPARSE_POINT);
    CHECK_EQUAL(set_link(point, TAG_JUNCTION, L"\\??\\C:\\points\\real", FALSE), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryInformationFile(point, &io, tag, sizeof tag, FileAttributeTagInformation),
        STATUS_SUCCESS);
    CHECK_EQUAL(tag[0], FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT);
    CHECK_EQUAL(tag[1], TAG_JUNCTION);
    CHECK(found_in(AT L"to\\a.txt", "a"));
    CHECK(found_in(AT L"TO\\sub\\b.txt:more", "more"));
    put_in(AT L"to\\c.txt", "c");
    CHECK(found_in(AT L"real\\c.txt", "c"));
    CHECK_EQUAL(try_open(AT L"to\\none", READ, FILE_OPEN, 0, SYNC), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(try_open(AT L"to", READ, FILE_CREATE, 0, SYNC), STATUS_OBJECT_NAME_COLLISION);
    file = create(AT L"to\\c.txt", READ | WRITE | DELETE, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    NtQueryInformationFile(file, &io, &name, sizeof name, FileNameInformation);
    CHECK(same_text(name.FileName, name.FileNameLength, L"\\points\\real\\c.txt"));
    CHECK_EQUAL(name_it(file, AT L"to\\sub\\d.txt", FALSE, FileRenameInformation), STATUS_SUCCESS);
    CHECK(found_in(AT L"real\\sub\\d.txt", "c"));
    NtClose(file);
    UNICODE_STRING text = wide(AT L"to");
    OBJECT_ATTRIBUTES object = named(&text);
    CHECK_EQUAL(NtQueryAttributesFile(&object, &basic), STATUS_SUCCESS);
    CHECK_EQUAL(basic.FileAttributes, FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT);
    /* Behind a handle to the folder that it leads to, and to itself. */
    file = create(AT L"to", READ, FILE_OPEN, FILE_SHARE_ALL, FILE_DIRECTORY_FILE | SYNC);
    CHECK(create_in(file, L"a.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC, 0) != NULL);
    NtClose(file);
    CHECK(create_in(point, L"a.txt", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC, 0) != NULL);
    CHECK_EQUAL(delete_point(point, TAG_SYMLINK), STATUS_IO_REPARSE_TAG_MISMATCH);
    CHECK_EQUAL(set_link(point, TAG_SYMLINK, L"real", TRUE), STATUS_IO_REPARSE_TAG_MISMATCH);
    CHECK_EQUAL(set_link(point, TAG_JUNCTION, L"\\??\\C:\\points\\real\\sub\\", FALSE),
        STATUS_SUCCESS);
    CHECK(found_in(AT L"to\\d.txt", "c"));
    CHECK_EQUAL(delete_point(point, TAG_JUNCTION), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"to\\d.txt", READ, FILE_OPEN, 0, SYNC), STATUS_OBJECT_NAME_NOT_FOUND);
    NtClose(point);
    point = folder(AT L"gone");
    set_link(point, TAG_JUNCTION, L"\\??\\C:\\points\\real", FALSE);
    CHECK_EQUAL(mark_deleted(point, TRUE), STATUS_SUCCESS);
    NtClose(point);
    CHECK(found_in(AT L"real\\a.txt", "a"));
    CHECK_EQUAL(try_open(AT L"gone", READ, FILE_OPEN, 0, POINT), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void symbolic_links(void)
{
    HANDLE file = create(AT L"link", READ | WRITE, FILE_CREATE, FILE_SHARE_ALL, POINT);
    CHECK_EQUAL(set_link(file, TAG_JUNCTION, L"\\??\\C:\\points", FALSE), STATUS_NOT_A_DIRECTORY);
    CHECK_EQUAL(set_link(file, TAG_SYMLINK, L"real\\sub\\..\\.\\a.txt", TRUE), STATUS_SUCCESS);
    CHECK(found_in(AT L"link", "a"));
    CHECK_EQUAL(set_link(file, TAG_SYMLINK, L"\\??\\C:\\points\\real\\sub\\b.txt", FALSE),
        STATUS_SUCCESS);
    CHECK(found_in(AT L"link", "b"));
    CHECK(found_in(AT L"link:more", "more"));
    CHECK_EQUAL(set_link(file, TAG_SYMLINK, L"..\\..\\..\\x", TRUE), STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(try_open(AT L"link", READ, FILE_OPEN, 0, SYNC)));
    CHECK_EQUAL(set_link(file, TAG_SYMLINK, L"link", TRUE), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"link", READ, FILE_OPEN, 0, SYNC), STATUS_REPARSE_POINT_NOT_RESOLVED);
    NtClose(file);
}

static void circles(void)
{
    HANDLE one = folder(AT L"one"), other = folder(AT L"other");
    CHECK_EQUAL(set_link(one, TAG_JUNCTION, AT L"other", FALSE), STATUS_SUCCESS);
    CHECK_EQUAL(set_link(other, TAG_JUNCTION, AT L"one", FALSE), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"one\\x", READ, FILE_OPEN, 0, SYNC),
        STATUS_REPARSE_POINT_NOT_RESOLVED);
    CHECK_EQUAL(try_open(AT L"one\\x", READ, FILE_OPEN_IF, 0, SYNC),
        STATUS_REPARSE_POINT_NOT_RESOLVED);
    CHECK_EQUAL(try_open(AT L"one", READ, FILE_OPEN, FILE_SHARE_ALL, FILE_DIRECTORY_FILE | POINT),
        STATUS_SUCCESS);
    HANDLE file = create(AT L"real\\a.txt", READ | DELETE, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(name_it(file, AT L"one\\x", FALSE, FileRenameInformation),
        STATUS_REPARSE_POINT_NOT_RESOLVED);
    CHECK_EQUAL(name_it(file, AT L"one\\x", FALSE, FileLinkInformation),
        STATUS_REPARSE_POINT_NOT_RESOLVED);
    NtClose(file), NtClose(one), NtClose(other);
}

static void wrong_buffers(void)
{
    REPARSE_BUFFER buffer;
    UCHAR out[64];
    HANDLE file, point = folder(AT L"wrong");
    ULONG size = reparse_buffer(&buffer, TAG_JUNCTION, AT L"real", FALSE);
    ULONG set = FSCTL_SET_REPARSE_POINT;
    CHECK_EQUAL(control(point, set, &buffer, size - 1, NULL, 0), STATUS_IO_REPARSE_DATA_INVALID);
    CHECK_EQUAL(control(point, set, &buffer, 7, NULL, 0), STATUS_IO_REPARSE_DATA_INVALID);
    CHECK_EQUAL(control(point, set, NULL, 0, NULL, 0), STATUS_IO_REPARSE_DATA_INVALID);
    CHECK_EQUAL(control(point, set, (PVOID)0x7fff0000, 64, NULL, 0), STATUS_ACCESS_VIOLATION);
    buffer.SubstituteLength = 0x200;
    CHECK_EQUAL(control(point, set, &buffer, size, NULL, 0), STATUS_IO_REPARSE_DATA_INVALID);
    buffer.SubstituteLength = 7;
    CHECK_EQUAL(control(point, set, &buffer, size, NULL, 0), STATUS_IO_REPARSE_DATA_INVALID);
    CHECK_EQUAL(set_link(point, TAG_JUNCTION, L"", FALSE), STATUS_IO_REPARSE_DATA_INVALID);
    CHECK_EQUAL(set_link(point, TAG_JUNCTION, L"C:\\points", FALSE),
        STATUS_IO_REPARSE_DATA_INVALID);
    buffer.Tag = 1;
    CHECK_EQUAL(control(point, set, &buffer, size, NULL, 0), STATUS_IO_REPARSE_TAG_INVALID);
    buffer.Tag = 0x42;
    CHECK_EQUAL(control(point, set, &buffer, 24 + buffer.DataLength, NULL, 0), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"wrong", READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    buffer.SubstituteOffset ^= 1; /* in its GUID */
    CHECK_EQUAL(control(point, set, &buffer, 24 + buffer.DataLength, NULL, 0),
        STATUS_REPARSE_ATTRIBUTE_CONFLICT);
    CHECK_EQUAL(control(point, FSCTL_GET_REPARSE_POINT, NULL, 0, out, 23),
        STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(control(point, FSCTL_GET_REPARSE_POINT, NULL, 0, out, 30), STATUS_BUFFER_OVERFLOW);
    CHECK_EQUAL(io.Information, 30);
    NtClose(point);
    file = create(AT L"real", READ | WRITE, FILE_OPEN, FILE_SHARE_ALL, FILE_DIRECTORY_FILE | SYNC);
    CHECK_EQUAL(set_link(file, TAG_JUNCTION, AT L"wrong", FALSE), STATUS_DIRECTORY_NOT_EMPTY);
    NtClose(file);
    file = create(AT L"real\\sub", READ, FILE_OPEN, FILE_SHARE_ALL, FILE_DIRECTORY_FILE | SYNC);
    CHECK_EQUAL(set_link(file, TAG_JUNCTION, AT L"wrong", FALSE), STATUS_ACCESS_DENIED);
    NtClose(file);
}

void start(void)
{
    NtClose(folder(L"\\??\\C:\\points"));
    NtClose(folder(AT L"real"));
    NtClose(folder(AT L"real\\sub"));
    put_in(AT L"real\\a.txt", "a");
    put_in(AT L"real\\sub\\b.txt", "b");
    put_in(AT L"real\\sub\\b.txt:more", "more");
    junctions();
    symbolic_links();
    circles();
    wrong_buffers();
    finish();
}
