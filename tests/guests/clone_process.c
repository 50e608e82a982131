/* NT's fork: NtCreateProcess without a section gives the child a copy of the parent's memory, and
 * NtCreateThread with the parent's own context lets it go on where the parent was.
 */
#include "nt_fork.h"

enum {
    STATUS_PROCESS_IS_TERMINATING = (int)0xc000010a,
    IN_CHILD = 77,
    PAGES = 40,
};

typedef struct {
    ULONG was, counter;
    UCHAR padding[0xff8];
} PAGE;

static PAGE pages[PAGES] __attribute__((aligned(4096)));
static PVOID of_parent, shared, unshared, guarded, big;
static HANDLE event_of_both, event_of_parent;

static PVOID view(HANDLE section, SECTION_INHERIT inherit)
{
    PVOID base = NULL;
    SIZE_T size = 0;
    CHECK_EQUAL(NtMapViewOfSection(section, NtCurrentProcess(), &base, 0, 0, NULL, &size, inherit, 0,
                                   PAGE_READWRITE), 0);
    return base;
}

static PVOID allocate(SIZE_T size, ULONG type, ULONG protect)
{
    PVOID base = NULL;
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, type, protect), 0);
    return base;
}

static ULONG state_of(PVOID address, ULONG *protect)
{
    MEMORY_BASIC_INFORMATION basic;
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), address, 0, &basic, sizeof basic, NULL), 0);
    *protect = basic.Protect;
    return basic.State;
}

/* What the clone sees; its checks are counted in its own copy of `failures`. */
static __attribute__((noreturn)) void the_child(ULONG own_id)
{
    TEB *teb = NtCurrentTeb();
    PEB *peb = NtCurrentPeb();
    SIZE_T size = 0x1000;
    PVOID base = guarded;
    ULONG protect;

    failures = 0;
    CHECK((ULONG)teb->ClientId.UniqueProcess != own_id);
    CHECK(peb->InheritedAddressSpace);
    CHECK_EQUAL(peb->Mutant, -1);
    CHECK(peb->ProcessParameters->CommandLine.Length != 0);
    CHECK_EQUAL(*(ULONG *)of_parent, 0x11111111);
    CHECK_EQUAL(*(ULONG *)shared, 0x22222222);
    CHECK_EQUAL(state_of(unshared, &protect), MEM_FREE);
    CHECK_EQUAL(state_of((PUCHAR)big + 0x1000, &protect), MEM_COMMIT);
    CHECK_EQUAL(state_of((PUCHAR)big + 0x2000, &protect), MEM_RESERVE);
    CHECK_EQUAL(*(ULONG *)((PUCHAR)big + 0x1000), 0);
    CHECK_EQUAL(NtProtectVirtualMemory(NtCurrentProcess(), &base, &size, PAGE_READWRITE, &protect), 0);
    CHECK_EQUAL(protect, PAGE_NOACCESS);
    CHECK_EQUAL(*(ULONG *)guarded, 0x33333333);
    CHECK_EQUAL(NtSetEvent(event_of_both, NULL), 0);
    CHECK_EQUAL(NtSetEvent(event_of_parent, NULL), (NTSTATUS)0xc0000008);
    for (ULONG i = 0; i < PAGES; i++) {
        CHECK_EQUAL(pages[i].was, i);
        pages[i].counter += 1000;
        CHECK_EQUAL(pages[i].counter, i + 1000);
    }
    *(ULONG *)of_parent = 0x44444444;
    *(ULONG *)shared = 0x55555555;
    *(ULONG *)guarded = 0x66666666;
    exit_process(failures ? (NTSTATUS)failures : IN_CHILD);
}

static void memory_goes_two_ways(void)
{
    LARGE_INTEGER size = {.QuadPart = 0x1000};
    OBJECT_ATTRIBUTES inherited = {.Length = sizeof inherited, .Attributes = OBJ_INHERIT};
    ULONG own_id = (ULONG)NtCurrentTeb()->ClientId.UniqueProcess, protect;
    SIZE_T length = 0x1000, copied;
    ULONG value = 0;
    PVOID base;
    HANDLE section;
    CHILD child;

    CHECK_EQUAL(NtCreateSection(&section, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE, SEC_COMMIT,
                                NULL), 0);
    CHECK_EQUAL(NtCreateEvent(&event_of_both, EVENT_ALL_ACCESS, &inherited, NotificationEvent, FALSE),
                0);
    CHECK_EQUAL(NtCreateEvent(&event_of_parent, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE), 0);
    shared = view(section, ViewShare);
    unshared = view(section, ViewUnmap);
    of_parent = allocate(0x1000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    guarded = allocate(0x1000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    big = allocate(0x40000, MEM_RESERVE, PAGE_READWRITE);
    base = (PUCHAR)big + 0x1000;
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &length, MEM_COMMIT,
                                        PAGE_READWRITE), 0);
    *(ULONG *)of_parent = 0x11111111;
    *(ULONG *)shared = 0x22222222;
    *(ULONG *)guarded = 0x33333333;
    base = guarded;
    CHECK_EQUAL(NtProtectVirtualMemory(NtCurrentProcess(), &base, &length, PAGE_NOACCESS, &protect), 0);
    for (ULONG i = 0; i < PAGES; i++)
        pages[i].was = pages[i].counter = i;

    if (fork(&child))
        the_child(own_id);
    /* The child has not run: what the parent writes now is not in the child. */
    for (ULONG i = 0; i < PAGES; i += 2)
        pages[i].counter = 5;
    pages[1].was = 77;
    CHECK_EQUAL(NtReadVirtualMemory(child.process, &pages[1].was, &value, 4, &copied), 0);
    CHECK_EQUAL(value, 1);
    value = 0x99;
    CHECK_EQUAL(NtWriteVirtualMemory(child.process, (PUCHAR)of_parent + 8, &value, 4, &copied), 0);
    CHECK_EQUAL(((ULONG *)of_parent)[2], 0);
    CHECK_EQUAL(end_of(child), IN_CHILD);
    for (ULONG i = 0; i < PAGES; i++)
        CHECK_EQUAL(pages[i].counter, i & 1 ? i : 5);
    CHECK_EQUAL(*(ULONG *)of_parent, 0x11111111);
    CHECK_EQUAL(*(ULONG *)shared, 0x55555555);
    CHECK_EQUAL(NtWaitForSingleObject(event_of_both, FALSE, &(LARGE_INTEGER){.QuadPart = 0}), 0);
    base = guarded;
    CHECK_EQUAL(NtProtectVirtualMemory(NtCurrentProcess(), &base, &length, PAGE_READWRITE, &protect),
                0);
    CHECK_EQUAL(*(ULONG *)guarded, 0x33333333);
    CHECK_EQUAL(NtClose(section), 0);
}

/* A child of a child, both with the same page from the first. */
static void generations(void)
{
    CHILD child, grandchild;

    pages[0].counter = 1;
    if (fork(&child)) {
        in_child = 0;
        failures = 0;
        if (fork(&grandchild)) {
            pages[0].counter += 40;
            exit_process(pages[0].counter);
        }
        CHECK_EQUAL(end_of(grandchild), 41);
        CHECK_EQUAL(pages[0].counter, 1);
        pages[0].counter += 10;
        exit_process(failures ? 1 : pages[0].counter);
    }
    CHECK_EQUAL(end_of(child), 11);
    CHECK_EQUAL(pages[0].counter, 1);
}

/* The protection of a page is each process's own. */
static void protection_is_apart(void)
{
    PVOID page = allocate(0x1000, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE), base = page;
    SIZE_T size = 0x1000;
    ULONG before;
    CHILD child;

    *(ULONG *)page = 7;
    if (fork(&child)) {
        ++*(ULONG *)page;
        exit_process(*(ULONG *)page);
    }
    CHECK_EQUAL(NtProtectVirtualMemory(NtCurrentProcess(), &base, &size, PAGE_READONLY, &before), 0);
    CHECK_EQUAL(end_of(child), 8);
    CHECK_EQUAL(*(ULONG *)page, 7);
    CHECK_EQUAL(NtProtectVirtualMemory(NtCurrentProcess(), &base, &size, PAGE_READWRITE, &before), 0);
    CHECK_EQUAL(before, PAGE_READONLY);
    *(ULONG *)page = 9;
    size = 0;
    CHECK_EQUAL(NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE), 0);
}

static void a_clone_of_what_has_ended(void)
{
    HANDLE process, other;
    CHECK_EQUAL(NtCreateProcess(&process, PROCESS_ALL_ACCESS, NULL, NtCurrentProcess(), FALSE, NULL,
                                NULL, NULL), 0);
    CHECK_EQUAL(NtTerminateProcess(process, 5), 0);
    CHECK_EQUAL(NtCreateProcess(&other, PROCESS_ALL_ACCESS, NULL, process, FALSE, NULL, NULL, NULL),
                STATUS_PROCESS_IS_TERMINATING);
    CHECK_EQUAL(NtClose(process), 0);
}

void start(void)
{
    memory_goes_two_ways();
    generations();
    protection_is_apart();
    for (int i = 0; i < 20; i++)
        a_clone_of_what_has_ended();
    finish();
}
