/* Objects of each kind until the system has no room for another: a status says so, and when they
 * are closed again there is as much room as before.  Run where the kernel has little memory.
 */
#include "nt.h"

enum { MOST = 20000, PAGE = 0x1000 };

NTSYSAPI NTSTATUS NTAPI NtCreateDirectoryObject(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtCreateSymbolicLinkObject(
    PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PUNICODE_STRING);
NTSYSAPI NTSTATUS NTAPI NtCreateIoCompletion(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, ULONG);
NTSYSAPI NTSTATUS NTAPI NtSetIoCompletion(HANDLE, PVOID Key, PVOID Apc, NTSTATUS, ULONG_PTR);
NTSYSAPI NTSTATUS NTAPI NtCreateKeyedEvent(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, ULONG);
NTSYSAPI NTSTATUS NTAPI NtCreateJobObject(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtAddAtom(PWSTR, ULONG Length, USHORT *Atom);

enum {
    STATUS_NO_MEMORY = (int)0xc0000017,
    STATUS_COMMITMENT_LIMIT = (int)0xc000012d,
    STATUS_INSUFFICIENT_RESOURCES = (int)0xc000009a,
    STATUS_QUOTA_EXCEEDED = (int)0xc0000044,
};

static HANDLE handles[MOST];
static HANDLE file, section, completion;

/* \BaseNamedObjects\exhaustion-NNNNNNNN and some more, or the same below another directory. */
static WCHAR text[256];
static UNICODE_STRING name = {0, sizeof text, text};

static OBJECT_ATTRIBUTES numbered(const WCHAR *directory, ULONG number, ULONG room)
{
    USHORT length = 0;
    for (; *directory; directory++)
        text[length++] = *directory;
    for (int shift = 28; shift >= 0; shift -= 4)
        text[length++] = L"0123456789abcdef"[number >> shift & 15];
    while (length < room)
        text[length++] = 'x';
    name.Length = 2 * length;
    return named(&name);
}

static NTSTATUS event(ULONG i, PHANDLE made)
{
    (void)i;
    return NtCreateEvent(made, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE);
}

static NTSTATUS named_event(ULONG i, PHANDLE made)
{
    OBJECT_ATTRIBUTES attributes = numbered(L"\\BaseNamedObjects\\e", i, 250);
    return NtCreateEvent(made, EVENT_ALL_ACCESS, &attributes, NotificationEvent, FALSE);
}

static NTSTATUS mutant(ULONG i, PHANDLE made)
{
    (void)i;
    return NtCreateMutant(made, MUTANT_ALL_ACCESS, NULL, TRUE);
}

static NTSTATUS semaphore(ULONG i, PHANDLE made)
{
    return NtCreateSemaphore(made, SEMAPHORE_ALL_ACCESS, NULL, 0, i + 1);
}

static NTSTATUS timer(ULONG i, PHANDLE made)
{
    (void)i;
    return NtCreateTimer(made, TIMER_ALL_ACCESS, NULL, NotificationTimer);
}

static NTSTATUS data_section(ULONG i, PHANDLE made)
{
    LARGE_INTEGER size = {.QuadPart = PAGE * (1 + i % 64)};
    return NtCreateSection(
        made, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE, SEC_COMMIT, NULL);
}

static NTSTATUS open_file(ULONG i, PHANDLE made)
{
    IO_STATUS_BLOCK io;
    OBJECT_ATTRIBUTES attributes = numbered(L"\\??\\C:\\exhaustion", 0, 0);
    (void)i;
    return NtCreateFile(made, GENERIC_READ | SYNCHRONIZE, &attributes, &io, NULL,
        FILE_ATTRIBUTE_NORMAL, 7, FILE_OPEN_IF, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
}

static NTSTATUS key(ULONG i, PHANDLE made)
{
    ULONG disposition;
    OBJECT_ATTRIBUTES attributes = numbered(L"\\Registry\\Machine\\Software\\k", i, 0);
    return NtCreateKey(made, KEY_ALL_ACCESS, &attributes, 0, NULL, 1, &disposition);
}

static NTSTATUS directory(ULONG i, PHANDLE made)
{
    OBJECT_ATTRIBUTES attributes = numbered(L"\\BaseNamedObjects\\d", i, 0);
    return NtCreateDirectoryObject(made, 0xf000f, &attributes);
}

static NTSTATUS symbolic_link(ULONG i, PHANDLE made)
{
    OBJECT_ATTRIBUTES attributes = numbered(L"\\BaseNamedObjects\\l", i, 0);
    return NtCreateSymbolicLinkObject(made, 0xf0001, &attributes, &name);
}

static NTSTATUS io_completion(ULONG i, PHANDLE made)
{
    (void)i;
    return NtCreateIoCompletion(made, 0x1f0003, NULL, 0);
}

static NTSTATUS keyed_event(ULONG i, PHANDLE made)
{
    (void)i;
    return NtCreateKeyedEvent(made, 0xf0003, NULL, 0);
}

static NTSTATUS job(ULONG i, PHANDLE made)
{
    (void)i;
    return NtCreateJobObject(made, 0x1f001f, NULL);
}

static NTSTATUS duplicate(ULONG i, PHANDLE made)
{
    (void)i;
    return NtDuplicateObject(NtCurrentProcess(), completion, NtCurrentProcess(), made, 0, 0,
        DUPLICATE_SAME_ACCESS);
}

static BOOLEAN says_full(NTSTATUS status)
{
    return status == STATUS_INSUFFICIENT_RESOURCES || status == STATUS_NO_MEMORY
        || status == STATUS_COMMITMENT_LIMIT || status == STATUS_QUOTA_EXCEEDED;
}

typedef NTSTATUS MAKER(ULONG, PHANDLE);

static ULONG fill(MAKER *make)
{
    ULONG count = 0;
    NTSTATUS status = STATUS_SUCCESS;
    while (count < MOST && NT_SUCCESS(status = make(count, &handles[count])))
        count++;
    CHECK(says_full(status));
    for (ULONG i = 0; i < count; i++)
        CHECK_EQUAL(NtClose(handles[i]), STATUS_SUCCESS);
    return count;
}

static void try_kind(const CHAR *what, MAKER *make)
{
    ULONG first = fill(make), second = fill(make);
    print(what), print(" "), print_decimal(first), print(" "), print_decimal(second);
    print("\n");
    CHECK(first > 8);
    CHECK(second + second / 16 + 8 >= first);
}

/* What is no object: regions, views, packets of a completion port, atoms. */

static void regions(void)
{
    static PVOID bases[MOST];
    ULONG count = 0;
    NTSTATUS status = STATUS_SUCCESS;
    for (; count < MOST && NT_SUCCESS(status); count++) {
        SIZE_T size = PAGE;
        bases[count] = NULL;
        status = count & 1 ? NtAllocateVirtualMemory(NtCurrentProcess(), &bases[count], 0, &size,
                                 MEM_RESERVE, PAGE_READWRITE)
                           : NtMapViewOfSection(section, NtCurrentProcess(), &bases[count], 0, 0,
                                 NULL, &size, ViewUnmap, 0, PAGE_READWRITE);
    }
    CHECK(says_full(status));
    for (ULONG i = 0; i < count - 1; i++) {
        SIZE_T size = 0;
        CHECK_EQUAL(i & 1 ? NtFreeVirtualMemory(NtCurrentProcess(), &bases[i], &size, MEM_RELEASE)
                          : NtUnmapViewOfSection(NtCurrentProcess(), bases[i]), STATUS_SUCCESS);
    }
    print("regions "), print_decimal(count), print("\n");
}

static void packets(void)
{
    ULONG count = 0;
    NTSTATUS status;
    while (NT_SUCCESS(status = NtSetIoCompletion(completion, NULL, NULL, 0, count)) && count < MOST)
        count++;
    CHECK(says_full(status) || count == MOST);
    print("packets\n");
}

static void atoms(void)
{
    ULONG count = 0;
    NTSTATUS status;
    USHORT atom;
    do
        numbered(L"atom", count, 0), status = NtAddAtom(text, name.Length, &atom);
    while (NT_SUCCESS(status) && ++count < MOST);
    CHECK(says_full(status) || count == MOST);
    print("atoms\n");
}

void start(void)
{
    static const struct { const CHAR *what; MAKER *make; } kinds[] = {
        {"event", event}, {"named event", named_event}, {"mutant", mutant},
        {"semaphore", semaphore}, {"timer", timer}, {"section", data_section},
        {"file", open_file}, {"key", key}, {"directory", directory}, {"link", symbolic_link},
        {"completion", io_completion}, {"keyed event", keyed_event}, {"job", job},
        {"handle", duplicate}};
    CHECK_EQUAL(data_section(0, &section), STATUS_SUCCESS);
    CHECK_EQUAL(open_file(0, &file), STATUS_SUCCESS);
    CHECK_EQUAL(io_completion(0, &completion), STATUS_SUCCESS);
    for (ULONG i = 0; i < sizeof kinds / sizeof *kinds; i++)
        try_kind(kinds[i].what, kinds[i].make);
    regions();
    packets();
    atoms();
    finish();
}
