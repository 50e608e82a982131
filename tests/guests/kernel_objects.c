/* Makes an event and memory, says where they are, and stops for a debugger that looks at the
 * kernel's own objects; then says how often it is in the list of processes.
 */
#include "nt.h"

static UCHAR buffer[0x10000];

static ULONG times_in_process_list(void)
{
    ULONG length, at = 0, seen = 0;
    NTSTATUS status = NtQuerySystemInformation(5, buffer, sizeof buffer, &length);
    CHECK_EQUAL(status, STATUS_SUCCESS);
    for (;;) {
        const ULONG *record = (const ULONG *)(buffer + at);
        if (record[0x44 / 4] == (ULONG)NtCurrentTeb()->ClientId.UniqueProcess)
            seen++;
        if (!record[0])
            return seen;
        at += record[0];
    }
}

void start(void)
{
    HANDLE event;
    PVOID base = (PVOID)0x10000000;
    SIZE_T size = 0x23000;
    CHECK_EQUAL(NtCreateEvent(&event, 0x1f0003, NULL, 0, TRUE), STATUS_SUCCESS);
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, 0x3000, 4), 0);
    print_hex((ULONG)NtCurrentTeb()->ClientId.UniqueProcess), print(" ");
    print_hex((ULONG)NtCurrentTeb()->ClientId.UniqueThread), print(" ");
    print_hex((ULONG)event), print(" "), print_decimal(times_in_process_list()), print("\n");
    __asm__ volatile("int3");
    print_decimal(times_in_process_list()), print(" ");
    print_hex(NtWaitForSingleObject(event, FALSE, &(LARGE_INTEGER){.QuadPart = 0})), print(" ");
    print_hex(NtSetEvent(event, NULL)), print("\n");
    exit_process(0);
}
