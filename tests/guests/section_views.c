/* Sections of the paging file and of files: views, offsets, copies, commitment, names. */
#include "nt_memory.h"

static HANDLE section(ULONG bytes, ULONG protection, ULONG attributes)
{
    LARGE_INTEGER wanted = {.QuadPart = bytes};
    HANDLE made = NULL;
    CHECK_EQUAL(NtCreateSection(&made, SECTION_ALL, NULL, &wanted, protection, attributes, NULL),
        STATUS_SUCCESS);
    return made;
}

static NTSTATUS map(HANDLE from, PVOID at, ULONG offset, SIZE_T bytes, ULONG protection)
{
    LARGE_INTEGER where = {.QuadPart = offset};
    base = at, size = bytes;
    return NtMapViewOfSection(from, NtCurrentProcess(), &base, 0, 0, &where, &size, ViewUnmap, 0,
        protection);
}

static NTSTATUS unmap(PVOID at) { return NtUnmapViewOfSection(NtCurrentProcess(), at); }

static void shared(void)
{
    HANDLE made = section(0x21000, PAGE_READWRITE, SEC_COMMIT);
    CHAR *whole, *part, *copy;
    CHECK_EQUAL(map(made, NULL, 0, 0, PAGE_READWRITE), STATUS_SUCCESS);
    whole = base;
    CHECK_EQUAL(size, 0x21000);
    CHECK_EQUAL(map(made, NULL, 0x10000, PAGE, PAGE_READONLY), STATUS_SUCCESS);
    part = base;
    CHECK_EQUAL(size, PAGE);
    CHECK_EQUAL(map(made, NULL, 0, 0, PAGE_WRITECOPY), STATUS_SUCCESS);
    copy = base;
    whole[0x10004] = 'x';
    CHECK_EQUAL(part[4], 'x');
    CHECK_EQUAL(copy[0x10004], 'x');
    copy[0x10004] = 'y'; /* its own page from here on */
    CHECK_EQUAL(part[4], 'x');
    whole[0x10005] = 'z';
    CHECK_EQUAL(copy[0x10005], 0);
    CHECK_EQUAL(query(copy).AllocationProtect, PAGE_WRITECOPY);
    CHECK_EQUAL(query(copy + 0x10000).Protect, PAGE_READWRITE);
    CHECK_EQUAL(query(copy + 0x10000).Type, MEM_MAPPED);
    CHECK_EQUAL(WRITE(part), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(READ(part + PAGE), STATUS_ACCESS_VIOLATION); /* behind the view */

    CHECK_EQUAL(map(made, NULL, 0x1000, 0, PAGE_READWRITE), STATUS_MAPPED_ALIGNMENT);
    CHECK_EQUAL(map(made, NULL, 0x30000, 0, PAGE_READWRITE), STATUS_INVALID_VIEW_SIZE);
    CHECK_EQUAL(map(made, NULL, 0, 0x22000, PAGE_READWRITE), STATUS_INVALID_VIEW_SIZE);
    CHECK_EQUAL(map(made, whole, 0, 0, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    CHECK_EQUAL(map(made, NULL, 0, 0, PAGE_EXECUTE_READ), STATUS_SECTION_PROTECTION);
    CHECK_EQUAL(release(whole, 0, MEM_RELEASE), STATUS_UNABLE_TO_DELETE_SECTION);

    CHECK_EQUAL(unmap(whole + 0x20123), STATUS_SUCCESS); /* any address in it will do */
    CHECK_EQUAL(unmap(whole), STATUS_NOT_MAPPED_VIEW);
    NtClose(made); /* the views keep it */
    CHECK_EQUAL(part[4], 'x');
    CHECK_EQUAL(unmap(part), STATUS_SUCCESS);
    CHECK_EQUAL(unmap(copy), STATUS_SUCCESS);
}

static void reserved(void)
{
    HANDLE made = section(0x40000, PAGE_READWRITE, SEC_RESERVE);
    CHAR *one, *two;
    CHECK_EQUAL(map(made, NULL, 0, 0, PAGE_READWRITE), STATUS_SUCCESS);
    one = base;
    CHECK_EQUAL(map(made, NULL, 0x10000, 0, PAGE_READWRITE), STATUS_SUCCESS);
    two = base;
    CHECK_EQUAL(query(one).State, MEM_RESERVE);
    CHECK_EQUAL(READ(one), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(allocate(one + 0x10000, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    one[0x10000] = 'c';
    CHECK_EQUAL(two[0], 'c'); /* committed for all who map it */
    CHECK_EQUAL(READ(two + PAGE), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(unmap(one), STATUS_SUCCESS);
    CHECK_EQUAL(unmap(two), STATUS_SUCCESS);

    base = NULL, size = 0; /* a part that is committed with the view */
    CHECK_EQUAL(NtMapViewOfSection(made, NtCurrentProcess(), &base, 0, 0x3000, NULL, &size,
        ViewUnmap, 0, PAGE_READWRITE), STATUS_SUCCESS);
    one = base;
    CHECK_EQUAL(WRITE(one + 0x2fff), STATUS_SUCCESS);
    CHECK_EQUAL(WRITE(one + 0x3000), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(unmap(one), STATUS_SUCCESS);
    NtClose(made);

    made = section(PAGE, PAGE_READWRITE, SEC_COMMIT);
    CHECK_EQUAL(map(made, NULL, 0, 0, PAGE_READWRITE), STATUS_SUCCESS);
    one = base;
    CHECK_EQUAL(allocate(one, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    CHECK_EQUAL(unmap(one), STATUS_SUCCESS);
    NtClose(made);
}

static void names(void)
{
    UNICODE_STRING name = USTR(L"\\BaseNamedObjects\\A section");
    OBJECT_ATTRIBUTES attributes = named(&name);
    LARGE_INTEGER bytes = {.QuadPart = 5};
    struct { PVOID Base; ULONG Attributes; LARGE_INTEGER Size; } told;
    HANDLE made = NULL, opened = NULL, again = NULL;
    CHAR *view;
    CHECK_EQUAL(NtOpenSection(&opened, SECTION_ALL, &attributes), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(NtCreateSection(&made, SECTION_ALL, &attributes, &bytes, PAGE_READWRITE,
        SEC_COMMIT, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(NtCreateSection(&again, SECTION_ALL, &attributes, &bytes, PAGE_READWRITE,
        SEC_COMMIT, NULL), STATUS_OBJECT_NAME_COLLISION);
    CHECK_EQUAL(NtOpenSection(&opened, 4, &attributes), STATUS_SUCCESS); /* to read only */
    CHECK_EQUAL(map(opened, NULL, 0, 0, PAGE_READWRITE), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(map(opened, NULL, 0, 0, PAGE_READONLY), STATUS_SUCCESS);
    view = base;
    CHECK_EQUAL(NtQuerySection(opened, 0, &told, sizeof told, NULL), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtQuerySection(made, 0, &told, sizeof told, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(told.Attributes, SEC_COMMIT);
    CHECK_EQUAL(told.Size.QuadPart, PAGE); /* in whole pages */
    CHECK_EQUAL(NtQuerySection(made, 0, &told, 8, NULL), STATUS_INFO_LENGTH_MISMATCH);
    bytes.QuadPart = 2 * PAGE;
    CHECK_EQUAL(NtExtendSection(made, &bytes), STATUS_SECTION_NOT_EXTENDED);
    CHECK_EQUAL(unmap(view), STATUS_SUCCESS);
    NtClose(made);
    NtClose(opened);
    CHECK_EQUAL(NtOpenSection(&opened, SECTION_ALL, &attributes), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void images(void)
{
    MEMORY_BASIC_INFORMATION found = query(NtCurrentPeb()->ImageBaseAddress);
    CHECK_EQUAL(found.Type, MEM_IMAGE);
    CHECK_EQUAL(found.AllocationProtect, PAGE_EXECUTE_WRITECOPY);
    CHECK_EQUAL(found.Protect, PAGE_READONLY); /* its headers */
}

static void bad_pointers(void)
{
    LARGE_INTEGER bytes = {.QuadPart = PAGE};
    HANDLE made;
    CHECK_EQUAL(NtCreateSection((PHANDLE)0x80001000, SECTION_ALL, NULL, &bytes, PAGE_READWRITE,
        SEC_COMMIT, NULL), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtCreateSection(&made, SECTION_ALL, NULL, (PLARGE_INTEGER)0x1000, PAGE_READWRITE,
        SEC_COMMIT, NULL), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtCreateSection(&made, SECTION_ALL, NULL, NULL, PAGE_READWRITE, SEC_COMMIT, NULL),
        STATUS_INVALID_PARAMETER_4);
    made = section(PAGE, PAGE_READWRITE, SEC_COMMIT);
    size = 0;
    CHECK_EQUAL(NtMapViewOfSection(made, NtCurrentProcess(), (PVOID *)0x10, 0, 0, NULL, &size,
        ViewUnmap, 0, PAGE_READWRITE), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(unmap((PVOID)0x10000), STATUS_NOT_MAPPED_VIEW);
    NtClose(made);
}

void start(void)
{
    catch_touches();
    shared();
    reserved();
    names();
    images();
    bad_pointers();
    finish();
}
