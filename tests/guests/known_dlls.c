/* \KnownDlls: sections of the system's DLLs, by which a program gets a second, untouched ntdll. */
#include "win32.h"

enum {
    STATUS_IMAGE_NOT_AT_BASE = 0x40000003, SECTION_QUERY = 1,
    SECTION_MAP_READ = 4, SECTION_MAP_EXECUTE = 8, DIRECTORY_QUERY = 1, SYMBOLIC_LINK_QUERY = 1,
    MemoryMappedFilename = 2, STUB = 15,
};

typedef struct { UNICODE_STRING Name, TypeName; } OBJECT_DIRECTORY_INFORMATION;

NTSYSAPI NTSTATUS NTAPI NtAreMappedFilesTheSame(PVOID, PVOID);
NTSYSAPI NTSTATUS NTAPI NtOpenSection(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtOpenDirectoryObject(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtQueryDirectoryObject(HANDLE, PVOID, ULONG, BOOLEAN, BOOLEAN, PULONG,
    PULONG);
NTSYSAPI NTSTATUS NTAPI NtOpenSymbolicLinkObject(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtQuerySymbolicLinkObject(HANDLE, PUNICODE_STRING, PULONG);
K32 HANDLE WINAPI GetModuleHandleW(const WCHAR *);
K32 PVOID WINAPI GetProcAddress(HANDLE, const CHAR *);

static ULONG listing[0x4000 / 4];

static BOOLEAN same(const UCHAR *one, const UCHAR *other, ULONG count)
{
    while (count && *one == *other)
        one++, other++, count--;
    return !count;
}

/* In any case, as a registry or a file system may spell them. */
static BOOLEAN text_is(const UNICODE_STRING *string, const WCHAR *text)
{
    ULONG at, count = string->Length / 2;
    for (at = 0; at < count; at++)
        if ((string->Buffer[at] | 0x20) != (text[at] | 0x20))
            return FALSE;
    return !text[count];
}

static PVOID map(HANDLE section)
{
    PVOID base = NULL;
    SIZE_T size = 0;
    CHECK_EQUAL(NtMapViewOfSection(section, NtCurrentProcess(), &base, 0, 0, NULL, &size, ViewUnmap,
        0, PAGE_READONLY), STATUS_IMAGE_NOT_AT_BASE);
    return base;
}

static BOOLEAN file_is(PVOID view, const WCHAR *path)
{
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), view, MemoryMappedFilename, listing,
        sizeof listing, NULL), STATUS_SUCCESS);
    return text_is((UNICODE_STRING *)listing, path);
}

static void second_ntdll(void)
{
    static const CHAR *const stubs[] = {"NtClose", "NtOpenSection", "NtProtectVirtualMemory"};
    UNICODE_STRING name = USTR(L"\\KnownDlls\\ntdll.dll"), upper = USTR(L"\\KNOWNDLLS\\NTDLL.DLL");
    OBJECT_ATTRIBUTES attributes = named(&name), any_case = named(&upper);
    struct { PVOID Base; ULONG Attributes; LARGE_INTEGER Size; } told;
    UCHAR *loaded = GetModuleHandleW(L"ntdll.dll"), *fresh, *hooked, before;
    HANDLE section, again;
    PVOID page;
    SIZE_T size = STUB;
    ULONG at, old;

    CHECK_EQUAL(NtOpenSection(&section, SECTION_QUERY | SECTION_MAP_READ | SECTION_MAP_EXECUTE,
        &attributes), STATUS_SUCCESS);
    any_case.Attributes = OBJ_CASE_INSENSITIVE;
    CHECK_EQUAL(NtOpenSection(&again, SECTION_MAP_READ, &any_case), STATUS_SUCCESS);
    CHECK_EQUAL(NtClose(again), STATUS_SUCCESS);
    CHECK_EQUAL(NtQuerySection(section, 0, &told, sizeof told, NULL), STATUS_SUCCESS);
    CHECK(told.Attributes & SEC_IMAGE);
    fresh = map(section);
    CHECK(fresh != loaded);
    for (at = 0; at < sizeof stubs / sizeof *stubs; at++) {
        UCHAR *stub = GetProcAddress(loaded, stubs[at]);
        CHECK(same(fresh + (stub - loaded), stub, STUB));
    }
    CHECK_EQUAL(NtAreMappedFilesTheSame(loaded, fresh), STATUS_SUCCESS);
    CHECK(file_is(loaded, L"\\Device\\HarddiskVolume1\\WINDOWS\\system32\\ntdll.dll"));
    hooked = GetProcAddress(loaded, "NtYieldExecution");
    page = hooked;
    CHECK_EQUAL(NtProtectVirtualMemory(NtCurrentProcess(), &page, &size, PAGE_EXECUTE_READWRITE,
        &old), STATUS_SUCCESS);
    before = *hooked;
    *hooked = 0xe9;
    CHECK_EQUAL(fresh[hooked - loaded], before); /* what is written to one is not in the other */
    *hooked = before;
    CHECK_EQUAL(NtUnmapViewOfSection(NtCurrentProcess(), fresh), STATUS_SUCCESS);
    CHECK_EQUAL(NtClose(section), STATUS_SUCCESS);
    CHECK_EQUAL(NtOpenSection(&section, SECTION_MAP_READ, &attributes), STATUS_SUCCESS);
    CHECK_EQUAL(NtClose(section), STATUS_SUCCESS);
}

static void folder(void)
{
    UNICODE_STRING name = USTR(L"\\KnownDlls\\KnownDllPath"), missing = USTR(L"\\KnownDlls\\no.dll");
    OBJECT_ATTRIBUTES attributes = named(&name), none = named(&missing);
    WCHAR text[64];
    UNICODE_STRING target = {0, sizeof text, text};
    HANDLE link;
    CHECK_EQUAL(NtOpenSymbolicLinkObject(&link, SYMBOLIC_LINK_QUERY, &attributes), STATUS_SUCCESS);
    CHECK_EQUAL(NtQuerySymbolicLinkObject(link, &target, NULL), STATUS_SUCCESS);
    CHECK(text_is(&target, L"C:\\WINDOWS\\system32"));
    CHECK_EQUAL(NtClose(link), STATUS_SUCCESS);
    CHECK_EQUAL(NtOpenSection(&link, SECTION_MAP_READ, &none), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void directory(void)
{
    UNICODE_STRING name = USTR(L"\\KnownDlls");
    OBJECT_ATTRIBUTES attributes = named(&name);
    OBJECT_DIRECTORY_INFORMATION *entry = (OBJECT_DIRECTORY_INFORMATION *)listing;
    ULONG context = 0, ntdll = 0, kernel32 = 0, links = 0, others = 0;
    HANDLE known;
    CHECK_EQUAL(NtOpenDirectoryObject(&known, DIRECTORY_QUERY, &attributes), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryDirectoryObject(known, listing, sizeof listing, FALSE, TRUE, &context, NULL),
        STATUS_SUCCESS);
    for (; entry->Name.Buffer; entry++) {
        ntdll += text_is(&entry->Name, L"ntdll.dll");
        kernel32 += text_is(&entry->Name, L"kernel32.dll");
        if (text_is(&entry->TypeName, L"SymbolicLink"))
            links++;
        else if (!text_is(&entry->TypeName, L"Section"))
            others++;
    }
    CHECK_EQUAL(ntdll, 1);
    CHECK_EQUAL(kernel32, 1);
    CHECK_EQUAL(links, 1);
    CHECK_EQUAL(others, 0);
    CHECK(context > 10);
    CHECK_EQUAL(NtClose(known), STATUS_SUCCESS);
}

void start(void)
{
    directory();
    second_ntdll();
    folder();
    finish();
}
