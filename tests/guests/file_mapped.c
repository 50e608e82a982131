/* A file and its mapped views are one: each sees what the other writes. */
#include "nt_file.h"

#define NAME L"\\??\\C:\\mapped"
#define READ_WRITE (FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE)

static HANDLE section_of(HANDLE file, LONGLONG size)
{
    LARGE_INTEGER wanted = {.QuadPart = size};
    HANDLE section = NULL;
    opened = NtCreateSection(&section, SECTION_ALL_ACCESS, NULL, size ? &wanted : NULL,
        PAGE_READWRITE, SEC_COMMIT, file);
    return NT_SUCCESS(opened) ? section : NULL;
}

static CHAR *view_of(HANDLE section)
{
    PVOID base = NULL;
    SIZE_T size = 0;
    CHECK_EQUAL(NtMapViewOfSection(section, NtCurrentProcess(), &base, 0, 0, NULL, &size,
        ViewUnmap, 0, PAGE_READWRITE), STATUS_SUCCESS);
    return base;
}

void start(void)
{
    LARGE_INTEGER at = {.QuadPart = 0x1ffe};
    IO_STATUS_BLOCK block;
    HANDLE section, file = create(NAME, READ_WRITE, FILE_CREATE, FILE_SHARE_ALL, SYNC), again;
    CHAR *view;
    CHECK_EQUAL(section_of(file, 0), 0);
    CHECK_EQUAL(opened, STATUS_MAPPED_FILE_SIZE_ZERO);
    put(file, "hello");
    section = section_of(file, 0x3000); /* which makes the file as long */
    CHECK_EQUAL(size_of(file), 0x3000);
    view = view_of(section);
    CHECK_EQUAL(view[4], 'o');
    view[0] = 'J';
    CHECK(has(file, 0, "Jello"));
    CHECK_EQUAL(NtWriteFile(file, NULL, NULL, NULL, &block, "over", 4, &at, NULL),
        STATUS_SUCCESS);
    CHECK_EQUAL(view[0x1fff], 'v'); /* over a page's edge, of which one was never touched */
    CHECK_EQUAL(view[0x2001], 'r');
    view[0x2fff] = '!';
    again = create(NAME, FILE_GENERIC_READ, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK(has(again, 0x2fff, "!"));
    CHECK_EQUAL(set_size(file, 0x1000), STATUS_USER_MAPPED_FILE);
    CHECK_EQUAL(set_size(file, 0x5000), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(NAME, FILE_GENERIC_WRITE, FILE_OVERWRITE, FILE_SHARE_ALL, SYNC),
        STATUS_USER_MAPPED_FILE);
    CHECK_EQUAL(mark_deleted(file, TRUE), STATUS_CANNOT_DELETE);
    NtClose(section);
    NtClose(file);
    view[1] = 'E'; /* the view keeps the file */
    CHECK(has(again, 0, "JEllo"));
    CHECK_EQUAL(NtUnmapViewOfSection(NtCurrentProcess(), view), STATUS_SUCCESS);
    CHECK(has(again, 0, "JEllo"));
    NtClose(again);
    file = create(NAME, READ_WRITE, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK(has(file, 0x1ffe, "over"));
    CHECK_EQUAL(set_size(file, 2), STATUS_SUCCESS);
    CHECK_EQUAL(mark_deleted(file, TRUE), STATUS_SUCCESS);
    NtClose(file);
    CHECK_EQUAL(try_open(NAME, FILE_GENERIC_READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_OBJECT_NAME_NOT_FOUND);
    finish();
}
