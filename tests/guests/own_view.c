/* Says what it sees of itself and the others - processes, threads, handles, memory - and stops for
 * a debugger, which finds the same in the kernel's own records.
 */
#include "win32.h"

enum { SystemProcessInformation = 5, SystemHandleInformation = 16, MOST_REGIONS = 512 };

typedef struct {
    ULONG process;
    UCHAR type, flags;
    USHORT handle;
    PVOID object;
    ULONG access;
} HANDLE_ENTRY;

static UCHAR buffer[0x20000];
static MEMORY_BASIC_INFORMATION regions[MOST_REGIONS];
static HANDLE go_on;

static void words(const CHAR *kind, const ULONG *values, ULONG count)
{
    print(kind);
    for (ULONG index = 0; index < count; index++)
        print(" "), print_hex(values[index]);
    print("\n");
}

static void show_processes(void)
{
    ULONG length, at = 0;
    CHECK_EQUAL(NtQuerySystemInformation(SystemProcessInformation, buffer, sizeof buffer, &length), 0);
    for (;;) {
        const ULONG *record = (const ULONG *)(buffer + at);
        ULONG threads = record[1];
        words("process", (ULONG[]){record[0x44 / 4], record[0x48 / 4], threads, record[0x4c / 4]}, 4);
        for (ULONG number = 0; number < threads; number++) {
            const ULONG *thread = record + (0xb8 + 0x40 * number) / 4;
            words("thread", (ULONG[]){thread[0x20 / 4], thread[0x24 / 4]}, 2);
        }
        if (!record[0])
            return;
        at += record[0];
    }
}

static void show_handles(ULONG own)
{
    ULONG length;
    CHECK_EQUAL(NtQuerySystemInformation(SystemHandleInformation, buffer, sizeof buffer, &length), 0);
    const HANDLE_ENTRY *entries = (const HANDLE_ENTRY *)(buffer + 4);
    for (ULONG index = 0; index < *(const ULONG *)buffer; index++)
        if (entries[index].process == own)
            words("handle", (ULONG[]){entries[index].handle, (ULONG)entries[index].object,
                                      entries[index].access}, 3);
}

static void show_memory(void)
{
    ULONG count = 0;
    for (UCHAR *at = NULL; at < (UCHAR *)0x7ffe0000; count++) {
        CHECK(count < MOST_REGIONS);
        CHECK_EQUAL(VirtualQuery(at, regions + count, sizeof *regions), sizeof *regions);
        at = (UCHAR *)regions[count].BaseAddress + regions[count].RegionSize;
    }
    for (ULONG index = 0; index < count; index++) {
        const MEMORY_BASIC_INFORMATION *found = regions + index;
        words("region", (ULONG[]){(ULONG)found->BaseAddress, found->RegionSize, found->State,
                                  found->Protect, found->Type, (ULONG)found->AllocationBase}, 6);
    }
}

static DWORD WINAPI wait(PVOID parameter)
{
    (void)parameter;
    return WaitForSingleObject(go_on, INFINITE);
}

void start(void)
{
    DWORD id;
    TEB *teb = NtCurrentTeb();
    ULONG own = (ULONG)teb->ClientId.UniqueProcess;
    CHECK_EQUAL(NtCreateEvent(&go_on, 0x1f0003, NULL, 0, FALSE), STATUS_SUCCESS);
    for (ULONG number = 0; number < 2; number++)
        CHECK(CreateThread(NULL, 0, wait, NULL, 0, &id) != NULL);
    Sleep(500);
    words("self", (ULONG[]){own, (ULONG)teb->ClientId.UniqueThread,
                            (ULONG)teb->ProcessEnvironmentBlock, (ULONG)teb}, 4);
    show_processes();
    show_handles(own);
    show_memory();
    __asm__ volatile("int3");
    ExitProcess(0);
}
