/* Selectors of a process's own: NtSetLdtEntries, the classes about the LDT, and their use.  With
 * the letter i, by a program that holds SeTcbPrivilege: the right to I/O instructions.
 */
#include "nt_fork.h"

enum {
    STATUS_NO_LDT = (int)0xc0000117,
    STATUS_INVALID_LDT_SIZE = (int)0xc0000118,
    STATUS_INVALID_LDT_OFFSET = (int)0xc0000119,
    STATUS_INVALID_LDT_DESCRIPTOR = (int)0xc000011a,
    STATUS_PRIVILEGE_NOT_HELD = (int)0xc0000061,
    ThreadDescriptorTableEntry = 6,
    ProcessLdtInformation = 10,
    ProcessLdtSize = 11,
    ProcessUserModeIOPL = 16,
    DATA3 = 0xf3, CODE3 = 0xfb,
    FIRST = 0x0f, SECOND = 0x17, THIRD = 0x1f,
};

typedef struct { ULONG low, high; } ENTRY;
typedef struct { ULONG start, length; ENTRY entries[4]; } PROCESS_LDT_INFORMATION;
typedef struct { ULONG selector; ENTRY entry; } DESCRIPTOR_TABLE_ENTRY;

static ULONG words[8] = {0x10101010, 0x20202020, 0x30303030, 0x40404040};

static ENTRY descriptor(ULONG base, ULONG limit, ULONG access, ULONG flags)
{
    return (ENTRY){(limit & 0xffff) | base << 16,
                   (base >> 16 & 0xff) | access << 8 | (limit & 0xf0000) | flags << 20 |
                       (base & 0xff000000)};
}

static NTSTATUS set_one(ULONG selector, ENTRY entry)
{
    return NtSetLdtEntries(selector, entry.low, entry.high, 0, 0, 0);
}

static ULONG by_gs(ULONG selector, ULONG offset)
{
    ULONG value;
    __asm__ volatile("movl %1, %%gs\n\tmovl %%gs:(%2), %0" : "=&r"(value) : "r"(selector), "r"(offset));
    return value;
}

static void nothing_yet(void)
{
    DESCRIPTOR_TABLE_ENTRY entry = {FIRST, {0, 0}};
    PROCESS_LDT_INFORMATION part = {0, 8, {{0, 0}}};
    ULONG length = 0, size = 0;

    CHECK_EQUAL(NtQueryInformationThread(NtCurrentThread(), ThreadDescriptorTableEntry, &entry,
                                         sizeof entry, NULL), STATUS_NO_LDT);
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessLdtSize, &size, sizeof size),
                STATUS_NO_LDT);
    CHECK_EQUAL(NtQueryInformationProcess(NtCurrentProcess(), ProcessLdtInformation, &part, 16,
                                          &length), 0);
    CHECK_EQUAL(part.length, 0);
    entry.selector = 0x3b;
    CHECK_EQUAL(NtQueryInformationThread(NtCurrentThread(), ThreadDescriptorTableEntry, &entry,
                                         sizeof entry, NULL), 0);
    CHECK_EQUAL((entry.entry.low >> 16 | (entry.entry.high & 0xff) << 16 |
                 (entry.entry.high & 0xff000000)), (ULONG)NtCurrentTeb());
}

static void what_no_process_may_have(void)
{
    CHECK_EQUAL(set_one(FIRST, descriptor(0, 0xfffff, DATA3, 0xc)), STATUS_INVALID_LDT_DESCRIPTOR);
    CHECK_EQUAL(set_one(FIRST, descriptor(0x80000000, 0xff, DATA3, 4)), STATUS_INVALID_LDT_DESCRIPTOR);
    CHECK_EQUAL(set_one(FIRST, descriptor(0x7ffe0000, 0x10000, DATA3, 4)),
                STATUS_INVALID_LDT_DESCRIPTOR);
    CHECK_EQUAL(set_one(FIRST, descriptor(0x10000, 0xff, 0x93, 4)), STATUS_INVALID_LDT_DESCRIPTOR);
    CHECK_EQUAL(set_one(FIRST, descriptor(0x10000, 0xff, 0xec, 4)), STATUS_INVALID_LDT_DESCRIPTOR);
    CHECK_EQUAL(set_one(FIRST, descriptor(0x10000, 0xff, 0xff, 4)), STATUS_INVALID_LDT_DESCRIPTOR);
    CHECK_EQUAL(set_one(0x10000 | FIRST, descriptor(0x10000, 0xff, DATA3, 4)),
                STATUS_INVALID_LDT_DESCRIPTOR);
}

static void a_segment_of_data(void)
{
    ENTRY one = descriptor((ULONG)words, sizeof words - 1, DATA3, 4);
    ENTRY other = descriptor((ULONG)&words[2], 7, DATA3, 4);
    DESCRIPTOR_TABLE_ENTRY entry = {SECOND, {0, 0}};
    ULONG value;

    CHECK_EQUAL(NtSetLdtEntries(FIRST, one.low, one.high, SECOND, other.low, other.high), 0);
    CHECK_EQUAL(by_gs(FIRST, 4), 0x20202020);
    CHECK_EQUAL(by_gs(SECOND, 4), 0x40404040);
    __asm__ volatile("pushl %%fs\n\tmovl %1, %%fs\n\tmovl %%fs:8, %0\n\tpopl %%fs"
                     : "=&r"(value) : "r"(FIRST));
    CHECK_EQUAL(value, 0x30303030);
    __asm__ volatile("movl %1, %%ds\n\tmovl 4, %0\n\tmovl %2, %%ds" : "=&r"(value) : "r"(SECOND), "r"(0x23));
    CHECK_EQUAL(value, 0x40404040);
    CHECK_EQUAL(NtQueryInformationThread(NtCurrentThread(), ThreadDescriptorTableEntry, &entry,
                                         sizeof entry, NULL), 0);
    CHECK_EQUAL(entry.entry.low, other.low);
    CHECK_EQUAL(entry.entry.high & ~0x100, other.high & ~0x100);
    entry.selector = 0x2f;
    CHECK_EQUAL(NtQueryInformationThread(NtCurrentThread(), ThreadDescriptorTableEntry, &entry,
                                         sizeof entry, NULL), STATUS_ACCESS_VIOLATION);
}

/* An interrupt comes while ds, es, fs and gs are of the LDT. */
static void segments_over_interrupts(void)
{
    ULONG value, selectors;
    __asm__ volatile("pushl %%fs\n\tmovl %2, %%gs\n\tmovl %2, %%fs\n\tmovl %2, %%es\n\t"
                     "movl 0x7ffe0320, %%ecx\n\taddl $3, %%ecx\n"
                     "1:\tcmpl %%ecx, 0x7ffe0320\n\tjb 1b\n\t"
                     "movl %%gs:0, %0\n\tcmpl %%fs:0, %0\n\tjne 2f\n\tcmpl %%es:0, %0\n\tjne 2f\n\t"
                     "movl %%gs, %1\n"
                     "2:\tpopl %%fs\n\tmovl %3, %%es"
                     : "=&r"(value), "=&r"(selectors) : "r"(FIRST), "r"(0x23) : "ecx", "memory");
    CHECK_EQUAL(value, 0x10101010);
    CHECK_EQUAL(selectors & 0xffff, FIRST);
}

static ULONG __attribute__((naked)) far_cs(void)
{
    __asm__("movl %cs, %eax\n\tlret");
}

static void a_segment_of_code(void)
{
    struct { ULONG offset; USHORT selector; } to = {(ULONG)far_cs, THIRD};
    ULONG cs;

    CHECK_EQUAL(set_one(THIRD, descriptor(0, 0x7ffef, CODE3, 0xc)), 0);
    __asm__ volatile("lcall *%1" : "=a"(cs) : "m"(to) : "memory");
    CHECK_EQUAL(cs & 0xffff, THIRD);
    CHECK_EQUAL(set_one(THIRD, descriptor((ULONG)far_cs, 0xff, CODE3, 4)), 0);
    to.offset = 0;
    __asm__ volatile("lcall *%1" : "=a"(cs) : "m"(to) : "memory");
    CHECK_EQUAL(cs & 0xffff, THIRD);
}

static void parts_of_the_table(void)
{
    PROCESS_LDT_INFORMATION part = {8, 16, {{0, 0}}};
    ULONG length = 0, size = 12;
    ENTRY entry = descriptor(0x10000, 0xfff, DATA3, 4);

    CHECK_EQUAL(NtQueryInformationProcess(NtCurrentProcess(), ProcessLdtInformation, &part, 24,
                                          &length), 0);
    CHECK_EQUAL(length, 24);
    CHECK_EQUAL(part.length, 0x20);
    CHECK_EQUAL(part.entries[0].low & 0xffff, sizeof words - 1);
    CHECK_EQUAL(part.entries[1].low & 0xffff, 7);
    part.start = 4;
    CHECK_EQUAL(NtQueryInformationProcess(NtCurrentProcess(), ProcessLdtInformation, &part, 24,
                                          NULL), STATUS_INVALID_LDT_OFFSET);
    part.start = 0, part.length = 9;
    CHECK_EQUAL(NtQueryInformationProcess(NtCurrentProcess(), ProcessLdtInformation, &part, 24,
                                          NULL), STATUS_INVALID_LDT_SIZE);
    CHECK_EQUAL(NtQueryInformationProcess(NtCurrentProcess(), ProcessLdtInformation, &part, 8,
                                          NULL), STATUS_INFO_LENGTH_MISMATCH);
    part = (PROCESS_LDT_INFORMATION){0x38, 8, {entry}};
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessLdtInformation, &part, 16), 0);
    part.length = 0x10;
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessLdtInformation, &part, 16),
                STATUS_INFO_LENGTH_MISMATCH);
    part = (PROCESS_LDT_INFORMATION){0, 8, {descriptor(0, 0xfffff, DATA3, 0xc)}};
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessLdtInformation, &part, 16),
                STATUS_INVALID_LDT_DESCRIPTOR);
    part.length = 0x20;
    CHECK_EQUAL(NtQueryInformationProcess(NtCurrentProcess(), ProcessLdtInformation, &part,
                                          sizeof part, &length), 0);
    CHECK_EQUAL(part.length, 0x40);
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessLdtSize, &size, 4),
                STATUS_INVALID_LDT_SIZE);
    size = 0x48;
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessLdtSize, &size, 4),
                STATUS_INVALID_LDT_SIZE);
    size = 0x20;
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessLdtSize, &size, 4), 0);
    CHECK_EQUAL(by_gs(FIRST, 4), 0x20202020);
}

/* Each process has its own table, from the first its parent's. */
static void two_processes(void)
{
    LARGE_INTEGER moment = {.QuadPart = -200000};
    CHILD child;

    if (fork(&child)) {
        failures = 0;
        for (int i = 0; i < 5; i++) {
            CHECK_EQUAL(by_gs(FIRST, 4), 0x20202020);
            NtDelayExecution(FALSE, &moment);
        }
        exit_process(failures);
    }
    CHECK_EQUAL(set_one(FIRST, descriptor((ULONG)&words[1], 0xf, DATA3, 4)), 0);
    CHECK_EQUAL(NtResumeThread(child.thread, NULL), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQUAL(by_gs(FIRST, 4), 0x30303030);
        NtDelayExecution(FALSE, &moment);
    }
    CHECK_EQUAL(NtSuspendThread(child.thread, NULL), 0);
    CHECK_EQUAL(end_of(child), 0);
}

/* A selector that is in use may lose its descriptor: the next interrupt finds none. */
static void a_descriptor_goes(void)
{
    ULONG gs, stop;
    by_gs(FIRST, 0);
    CHECK_EQUAL(set_one(FIRST, (ENTRY){0, 0}), 0);
    __asm__ volatile("movl 0x7ffe0320, %1\n\taddl $2, %1\n1:\tcmpl %1, 0x7ffe0320\n\tjb 1b\n\t"
                     "movl %%gs, %0" : "=r"(gs), "=&r"(stop) : : "memory");
    CHECK_EQUAL(gs & 0xffff, 0);
}

static void ports(void)
{
    ULONG flags;
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessUserModeIOPL, NULL, 0), 0);
    __asm__ volatile("cli\n\tpushfl\n\tsti\n\tpopl %0" : "=r"(flags));
    CHECK_EQUAL(flags >> 12 & 3, 3);
    CHECK_EQUAL(flags >> 9 & 1, 0);
    __asm__ volatile("inb $0x80, %%al" : : : "eax");
    __asm__ volatile("pushfl\n\tpopl %0" : "=r"(flags));
    CHECK_EQUAL(flags >> 9 & 1, 1);
    finish();
}

void start(void)
{
    UNICODE_STRING command = NtCurrentPeb()->ProcessParameters->CommandLine;
    if (command.Buffer[command.Length / 2 - 1] == 'i' && command.Buffer[command.Length / 2 - 2] == ' ')
        ports();
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessUserModeIOPL, NULL, 0),
                STATUS_PRIVILEGE_NOT_HELD);
    nothing_yet();
    what_no_process_may_have();
    a_segment_of_data();
    segments_over_interrupts();
    a_segment_of_code();
    parts_of_the_table();
    two_processes();
    a_descriptor_goes();
    finish();
}
