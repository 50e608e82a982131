/* Private memory: reserve, commit, protect, decommit, release, query, lock, write watch. */
#include "nt_memory.h"

static void places(void)
{
    CHAR *at;
    CHECK_EQUAL(allocate(NULL, 1, MEM_RESERVE, PAGE_READWRITE), STATUS_SUCCESS);
    at = base;
    CHECK_EQUAL((ULONG)at & 0xffff, 0);
    CHECK_EQUAL(size, PAGE);
    CHECK_EQUAL(READ(at), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(query(at).State, MEM_RESERVE);
    CHECK_EQUAL(query(at).Protect, 0);
    CHECK_EQUAL(allocate(at + 0x8000, 1, MEM_RESERVE, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    CHECK_EQUAL(allocate(at + 0x1000, 1, MEM_COMMIT, PAGE_READWRITE), STATUS_CONFLICTING_ADDRESSES);
    CHECK_EQUAL(release(at, 0, MEM_RELEASE), STATUS_SUCCESS);
    CHECK_EQUAL(query(at).State, MEM_FREE);
    CHECK_EQUAL(release(at, 0, MEM_RELEASE), STATUS_MEMORY_NOT_ALLOCATED);

    /* A base in the middle of 64 KB reserves from its start. */
    CHECK_EQUAL(allocate((PVOID)0x20001234, 0x2000, MEM_RESERVE, PAGE_READWRITE), STATUS_SUCCESS);
    CHECK_EQUAL(base, 0x20000000);
    CHECK_EQUAL(size, 0x4000);
    CHECK_EQUAL(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);

    CHECK_EQUAL(allocate(NULL, 0x10000, MEM_RESERVE | MEM_TOP_DOWN, PAGE_READWRITE), STATUS_SUCCESS);
    CHECK((ULONG)base > 0x7f000000);
    CHECK_EQUAL(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);

    base = NULL, size = 0x10000;
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 4, &size, MEM_RESERVE,
        PAGE_READWRITE), STATUS_SUCCESS);
    CHECK((ULONG)base < 0x10000000);
    CHECK_EQUAL(release(base, 0, MEM_RELEASE), STATUS_SUCCESS);
    base = NULL;
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 22, &size, MEM_RESERVE,
        PAGE_READWRITE), STATUS_INVALID_PARAMETER_3);

    CHECK_EQUAL(allocate(NULL, 0x58000000, MEM_RESERVE, PAGE_NOACCESS), STATUS_SUCCESS);
    CHECK_EQUAL(query(base).RegionSize, 0x58000000);
    at = base;
    CHECK_EQUAL(allocate(at + 0x57fff000, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    CHECK_EQUAL(WRITE(at + 0x57ffffff), STATUS_SUCCESS);
    CHECK_EQUAL(allocate(NULL, 0x58000000, MEM_RESERVE, PAGE_NOACCESS), STATUS_NO_MEMORY);
    CHECK_EQUAL(release(at, 0, MEM_RELEASE), STATUS_SUCCESS);
    CHECK_EQUAL(allocate(NULL, 0x70000000, MEM_COMMIT, PAGE_READWRITE), STATUS_COMMITMENT_LIMIT);
}

static void arguments(void)
{
    CHECK_EQUAL(allocate(NULL, 0, MEM_RESERVE, PAGE_READWRITE), STATUS_INVALID_PARAMETER_4);
    CHECK_EQUAL(allocate((PVOID)0x80000000, PAGE, MEM_RESERVE, PAGE_READWRITE),
        STATUS_INVALID_PARAMETER_2);
    CHECK_EQUAL(allocate(NULL, PAGE, 0, PAGE_READWRITE), STATUS_INVALID_PARAMETER_5);
    CHECK_EQUAL(allocate(NULL, PAGE, MEM_COMMIT, 0), STATUS_INVALID_PAGE_PROTECTION);
    CHECK_EQUAL(allocate(NULL, PAGE, MEM_COMMIT, PAGE_WRITECOPY), STATUS_INVALID_PAGE_PROTECTION);
    CHECK_EQUAL(allocate(NULL, PAGE, MEM_COMMIT, PAGE_READONLY | PAGE_READWRITE),
        STATUS_INVALID_PAGE_PROTECTION);
    CHECK_EQUAL(release((PVOID)0x20000000, 0, MEM_COMMIT), STATUS_INVALID_PARAMETER_4);
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), (PVOID *)0x80001000, 0, &size,
        MEM_RESERVE, PAGE_READWRITE), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtAllocateVirtualMemory((HANDLE)0xbad0, &base, 0, &size, MEM_RESERVE,
        PAGE_READWRITE), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), (PVOID)0x80000000,
        MemoryBasicInformation, &base, 0x1c, NULL), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), NULL, MemoryBasicInformation, &base, 8,
        NULL), STATUS_INFO_LENGTH_MISMATCH);
}

static void pages(void)
{
    MEMORY_BASIC_INFORMATION found;
    ULONG old;
    CHAR *at;
    CHECK_EQUAL(allocate(NULL, 8 * PAGE, MEM_RESERVE, PAGE_READWRITE), STATUS_SUCCESS);
    at = base;
    CHECK_EQUAL(allocate(at + 2 * PAGE + 5, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    CHECK_EQUAL(base, at + 2 * PAGE); /* the page of its first byte, and that of its last */
    CHECK_EQUAL(size, 2 * PAGE);
    at[2 * PAGE] = 7;
    CHECK_EQUAL(allocate(at + 2 * PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    CHECK_EQUAL(at[2 * PAGE], 7); /* committed again: kept */
    CHECK_EQUAL(protect(at + 2 * PAGE, PAGE, PAGE_READONLY, &old), STATUS_SUCCESS);
    CHECK_EQUAL(old, PAGE_READWRITE);
    CHECK_EQUAL(WRITE(at + 2 * PAGE), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(READ(at + 2 * PAGE), STATUS_SUCCESS);
    found = query(at + 2 * PAGE + 0x123);
    CHECK_EQUAL(found.BaseAddress, at + 2 * PAGE);
    CHECK_EQUAL(found.AllocationBase, at);
    CHECK_EQUAL(found.AllocationProtect, PAGE_READWRITE);
    CHECK_EQUAL(found.RegionSize, PAGE);
    CHECK_EQUAL(found.Protect, PAGE_READONLY);
    CHECK_EQUAL(found.Type, MEM_PRIVATE);
    CHECK_EQUAL(protect(at + PAGE, 2 * PAGE, PAGE_READONLY, &old), STATUS_NOT_COMMITTED);
    CHECK_EQUAL(protect(at + 2 * PAGE, 7 * PAGE, PAGE_READONLY, &old),
        STATUS_CONFLICTING_ADDRESSES);
    CHECK_EQUAL(protect(at + 2 * PAGE, PAGE, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    CHECK_EQUAL(READ(at + 2 * PAGE), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(protect(at + 2 * PAGE, PAGE, PAGE_READWRITE, &old), STATUS_SUCCESS);
    CHECK_EQUAL(old, PAGE_NOACCESS);
    CHECK_EQUAL(at[2 * PAGE], 7);

    CHECK_EQUAL(protect(at + 3 * PAGE, PAGE, PAGE_READWRITE | PAGE_GUARD, &old), STATUS_SUCCESS);
    CHECK_EQUAL(READ(at + 3 * PAGE), STATUS_GUARD_PAGE_VIOLATION);
    CHECK_EQUAL(READ(at + 3 * PAGE), STATUS_SUCCESS);

    CHECK_EQUAL(release(at + 2 * PAGE, PAGE, MEM_DECOMMIT), STATUS_SUCCESS);
    CHECK_EQUAL(READ(at + 2 * PAGE), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(allocate(at + 2 * PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    CHECK_EQUAL(at[2 * PAGE], 0); /* new pages are zeros */

    CHECK_EQUAL(release(at + 4 * PAGE, 0, MEM_RELEASE), STATUS_FREE_VM_NOT_AT_BASE);
    CHECK_EQUAL(release(at, 9 * PAGE, MEM_RELEASE), STATUS_UNABLE_TO_FREE_VM);
    CHECK_EQUAL(release(at + 4 * PAGE, PAGE, MEM_RELEASE), STATUS_SUCCESS); /* a hole */
    CHECK_EQUAL(query(at + 4 * PAGE).State, MEM_FREE);
    CHECK_EQUAL(query(at + 5 * PAGE).AllocationBase, at + 5 * PAGE);
    CHECK_EQUAL(at[3 * PAGE], 0);
    CHECK_EQUAL(release(at, 0, MEM_RELEASE), STATUS_SUCCESS);
    CHECK_EQUAL(release(at + 5 * PAGE, 0, MEM_RELEASE), STATUS_SUCCESS);
}

static void edges(void)
{
    CHAR *at, data[8] = "edges";
    SIZE_T done = 99;
    ULONG old;
    CHECK_EQUAL(allocate(NULL, 3 * PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    at = base;
    CHECK_EQUAL(protect(at + PAGE, PAGE, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    /* A structure that ends with its page, and one that goes over. */
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), at, MemoryBasicInformation,
        at + PAGE - 0x1c, 0x1c, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), at, MemoryBasicInformation,
        at + PAGE - 0x1b, 0x1c, NULL), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtWriteVirtualMemory(NtCurrentProcess(), at + PAGE - 5, data, 5, &done),
        STATUS_SUCCESS);
    CHECK_EQUAL(done, 5);
    CHECK_EQUAL(NtReadVirtualMemory(NtCurrentProcess(), at + PAGE - 5, data, 5, &done),
        STATUS_SUCCESS);
    CHECK_EQUAL(data[4], 's');
    CHECK_EQUAL(NtReadVirtualMemory(NtCurrentProcess(), at + PAGE, data, 5, &done),
        STATUS_PARTIAL_COPY);
    CHECK_EQUAL(done, 0);
    CHECK_EQUAL(release(at, 0, MEM_RELEASE), STATUS_SUCCESS);
}

static void locks(void)
{
    CHAR *at;
    ULONG old;
    CHECK_EQUAL(allocate(NULL, 3 * PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    at = base;
    base = at + 10, size = PAGE;
    CHECK_EQUAL(NtLockVirtualMemory(NtCurrentProcess(), &base, &size, MAP_PROCESS),
        STATUS_SUCCESS);
    CHECK_EQUAL(base, at);
    CHECK_EQUAL(size, 2 * PAGE);
    size = PAGE;
    CHECK_EQUAL(NtLockVirtualMemory(NtCurrentProcess(), &base, &size, MAP_PROCESS),
        STATUS_WAS_LOCKED);
    base = at, size = 3 * PAGE;
    CHECK_EQUAL(NtUnlockVirtualMemory(NtCurrentProcess(), &base, &size, MAP_PROCESS),
        STATUS_NOT_LOCKED);
    base = at, size = 2 * PAGE;
    CHECK_EQUAL(NtUnlockVirtualMemory(NtCurrentProcess(), &base, &size, MAP_PROCESS),
        STATUS_SUCCESS);
    CHECK_EQUAL(NtUnlockVirtualMemory(NtCurrentProcess(), &base, &size, 0),
        STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(protect(at, PAGE, PAGE_NOACCESS, &old), STATUS_SUCCESS);
    base = at, size = PAGE;
    CHECK_EQUAL(NtLockVirtualMemory(NtCurrentProcess(), &base, &size, MAP_PROCESS),
        STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(release(at, 0, MEM_RELEASE), STATUS_SUCCESS);
}

static void watch(void)
{
    PVOID written[4];
    ULONG count = 4, granularity = 0;
    CHAR *at;
    CHECK_EQUAL(allocate(NULL, 8 * PAGE, MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH,
        PAGE_READWRITE), STATUS_SUCCESS);
    at = base;
    at[5 * PAGE] = at[PAGE + 9] = 1;
    CHECK_EQUAL(at[3 * PAGE], 0); /* a look is no write */
    CHECK_EQUAL(NtGetWriteWatch(NtCurrentProcess(), 1, at, 8 * PAGE, written, &count,
        &granularity), STATUS_SUCCESS);
    CHECK_EQUAL(count, 2);
    CHECK_EQUAL(granularity, PAGE);
    CHECK_EQUAL(written[0], at + PAGE);
    CHECK_EQUAL(written[1], at + 5 * PAGE);
    at[5 * PAGE + 1] = 1;
    count = 4;
    CHECK_EQUAL(NtGetWriteWatch(NtCurrentProcess(), 0, at, 8 * PAGE, written, &count,
        &granularity), STATUS_SUCCESS);
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(NtResetWriteWatch(NtCurrentProcess(), at, 8 * PAGE), STATUS_SUCCESS);
    count = 4;
    CHECK_EQUAL(NtGetWriteWatch(NtCurrentProcess(), 0, at, 8 * PAGE, written, &count,
        &granularity), STATUS_SUCCESS);
    CHECK_EQUAL(count, 0);
    CHECK_EQUAL(NtGetWriteWatch(NtCurrentProcess(), 2, at, PAGE, written, &count, &granularity),
        STATUS_INVALID_PARAMETER_2);
    CHECK_EQUAL(release(at, 0, MEM_RELEASE), STATUS_SUCCESS);
}

static void working_set(void)
{
    static ULONG blocks[0x1000];
    CHAR *at;
    ULONG found = 0;
    SIZE_T length = 0;
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), NULL, MemoryWorkingSetList, blocks, 8,
        NULL), STATUS_INFO_LENGTH_MISMATCH);
    CHECK(blocks[0] > 4); /* how many there are */
    CHECK_EQUAL(allocate(NULL, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    at = base;
    at[0] = 1;
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), NULL, MemoryWorkingSetList, blocks,
        sizeof blocks, &length), STATUS_SUCCESS);
    CHECK_EQUAL(length, 4 + 4 * blocks[0]);
    for (ULONG i = 1; i <= blocks[0]; i++) {
        CHECK((blocks[i] & ~0xfff) != (ULONG)(at + PAGE));
        if ((blocks[i] & ~0xfff) == (ULONG)at)
            found = blocks[i] & 0xfff;
    }
    CHECK_EQUAL(found, 4); /* read and write, private */
    CHECK_EQUAL(release(at, 0, MEM_RELEASE), STATUS_SUCCESS);
}

void start(void)
{
    catch_touches();
    places();
    arguments();
    pages();
    edges();
    locks();
    watch();
    working_set();
    finish();
}
