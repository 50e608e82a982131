/* The four debug registers, set through NtSetContextThread: in ring 3 they break, in ring 0 not.
 * After "standing" the program waits at an NtYieldExecution with a breakpoint on `watched`,
 * and then tells how often it broke: a debugger may have cleared it in the meantime.
 */
#include "nt.h"

enum { EXECUTE = 0, WRITE = 1, READ_WRITE = 3, ONE = 0, TWO = 1, FOUR = 3 };

static volatile ULONG hits, last_eip, last_dr6, slots_hit, foreign;
static volatile BOOLEAN clears;

static EXCEPTION_DISPOSITION handler(
    PEXCEPTION_RECORD record, PVOID frame, PCONTEXT context, PVOID dispatcher)
{
    (void)frame, (void)dispatcher;
    if (record->ExceptionCode != STATUS_SINGLE_STEP || context->Eip >= 0x80000000) {
        foreign++;
        return ExceptionContinueSearch;
    }
    hits++;
    last_eip = context->Eip;
    last_dr6 = context->Dr6;
    slots_hit |= context->Dr6 & 15;
    context->Dr6 = 0;
    if (clears)
        context->Dr7 = 0;
    else
        context->EFlags |= 0x10000; /* RF: past an execution breakpoint */
    return ExceptionContinueExecution;
}

static ULONG control(ULONG slot, ULONG access, ULONG length)
{
    return 1u << 2 * slot | access << (16 + 4 * slot) | length << (18 + 4 * slot);
}

static void set(const ULONG address[4], ULONG dr7)
{
    CONTEXT context = {.ContextFlags = CONTEXT_DEBUG_REGISTERS};
    context.Dr0 = address[0], context.Dr1 = address[1];
    context.Dr2 = address[2], context.Dr3 = address[3];
    context.Dr7 = dr7;
    CHECK_EQUAL(NtSetContextThread(NtCurrentThread(), &context), STATUS_SUCCESS);
    hits = slots_hit = 0;
}

static void set_one(const volatile void *address, ULONG slot, ULONG access, ULONG length)
{
    ULONG addresses[4] = {0};
    addresses[slot] = (ULONG)address;
    set(addresses, control(slot, access, length));
}

static void clear(void)
{
    static const ULONG none[4];
    set(none, 0);
}

static ULONG runs;
#define FUNCTION(name) \
    static __attribute__((noinline)) void name(void) { __asm__ volatile("incl %0" : "+m"(runs)); }
FUNCTION(first)
FUNCTION(second)
FUNCTION(third)
FUNCTION(fourth)

static void execution(void)
{
    ULONG functions[4] = {(ULONG)first, (ULONG)second, (ULONG)third, (ULONG)fourth};
    for (ULONG slot = 0; slot < 4; slot++) {
        runs = 0;
        set_one((void *)functions[slot], slot, EXECUTE, ONE);
        for (ULONG i = 0; i < 3; i++)
            first(), second(), third(), fourth();
        CHECK_EQUAL(hits, 3);
        CHECK_EQUAL(last_eip, functions[slot]);
        CHECK_EQUAL(last_dr6 & 0x400f, 1 << slot);
        CHECK_EQUAL(runs, 12);
    }
    set(functions, 0x55);
    for (ULONG i = 0; i < 3; i++)
        first(), second(), third(), fourth();
    CHECK_EQUAL(hits, 12);
    CHECK_EQUAL(slots_hit, 15);
    clear();
    first(), second(), third(), fourth();
    CHECK_EQUAL(hits, 0);
}

UCHAR buffer[64] __attribute__((aligned(64)));

static void store(UCHAR *at, ULONG size)
{
    if (size == 1)
        *(volatile UCHAR *)at = 1;
    else if (size == 2)
        *(volatile USHORT *)at = 1;
    else
        *(volatile ULONG *)at = 1;
}

static ULONG load(const UCHAR *at, ULONG size)
{
    if (size == 1)
        return *(const volatile UCHAR *)at;
    return size == 2 ? *(const volatile USHORT *)at : *(const volatile ULONG *)at;
}

/* Every access near a watched place breaks when, and only when, it touches it. */
static void data(ULONG slot, ULONG access, ULONG length)
{
    static const ULONG sizes[] = {1, 2, 4};
    ULONG watched_size = length + 1;
    UCHAR *watched = buffer + 32;
    set_one(watched, slot, access, length);
    for (ULONG i = 0; i < 3; i++)
        for (UCHAR *at = watched - 5; at < watched + 6; at++) {
            BOOLEAN touches = at < watched + watched_size && at + sizes[i] > watched;
            hits = 0;
            store(at, sizes[i]);
            CHECK_EQUAL(hits, touches);
            if (touches)
                CHECK_EQUAL(last_dr6 & 0x400f, 1 << slot);
            hits = 0;
            load(at, sizes[i]);
            CHECK_EQUAL(hits, touches && access == READ_WRITE);
        }
    clear();
    store(watched, 4), load(watched, 4);
    CHECK_EQUAL(hits, 0);
}

/* A trap: Eip is behind the instruction, which has written. */
static void after_the_store(void)
{
    extern const UCHAR store_ends[];
    *(volatile ULONG *)buffer = 0;
    set_one(buffer, 0, WRITE, FOUR);
    __asm__ volatile("movl $0x12345678, _buffer\n_store_ends:" : : : "memory");
    CHECK_EQUAL(hits, 1);
    CHECK_EQUAL(last_eip, (ULONG)store_ends);
    CHECK_EQUAL(*(volatile ULONG *)buffer, 0x12345678);
    clear();
}

/* The page of a breakpoint need not be there yet. */
static void untouched_page(void)
{
    PVOID base = NULL;
    SIZE_T size = 0x2000;
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size,
        MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE), STATUS_SUCCESS);
    set_one((UCHAR *)base + 0x1000, 2, WRITE, FOUR);
    *(volatile ULONG *)((UCHAR *)base + 0x1000) = 1;
    CHECK_EQUAL(hits, 1);
    *(volatile ULONG *)((UCHAR *)base + 0x1004) = 1;
    CHECK_EQUAL(hits, 1);
    clear();
}

/* The kernel reads the arguments, the text and the status block, and writes to the buffer. */
static void kernel_accesses(GATE *gate)
{
    static IO_STATUS_BLOCK io;
    HANDLE input = NtCurrentPeb()->ProcessParameters->StandardInput;
    HANDLE output = NtCurrentPeb()->ProcessParameters->StandardOutput;
    ULONG number = SERVICE_NUMBER(NtReadFile);
    memcpy(buffer, "line\n", 5);
    set((ULONG[4]){(ULONG)buffer, (ULONG)&io, (ULONG)&io.Information, (ULONG)buffer + 4},
        control(0, READ_WRITE, FOUR) | control(1, READ_WRITE, FOUR)
            | control(2, READ_WRITE, FOUR) | control(3, READ_WRITE, ONE));
    NTSTATUS read = gate(number, input, NULL, NULL, NULL, &io, buffer, 5, NULL, NULL);
    NTSTATUS written = gate(SERVICE_NUMBER(NtWriteFile), output, NULL, NULL, NULL, &io, buffer,
        5, NULL, NULL);
    CHECK_EQUAL(hits, 0);
    CHECK_EQUAL(io.Information, 5);
    CHECK_EQUAL(hits, 1); /* by the line above */
    CHECK_EQUAL(slots_hit, 4);
    clear();
    CHECK_EQUAL(read, STATUS_SUCCESS);
    CHECK_EQUAL(written, STATUS_SUCCESS);
    CHECK_EQUAL(memcmp(buffer, "INPUT", 5), 0);
}

/* The kernel copies the arguments with instructions of its own. */
static void stack_accesses(void)
{
    ULONG number = SERVICE_NUMBER(NtClose);
    ULONG status;
    ULONG frame[8] = {0};
    set_one(&frame[2], 1, READ_WRITE, FOUR);
    __asm__ volatile("int $0x2e" : "=a"(status) : "a"(number), "d"(&frame[2]) : "ecx", "memory");
    CHECK_EQUAL(hits, 0);
    CHECK_EQUAL(status, STATUS_INVALID_HANDLE);
    frame[2] = 1;
    __asm__ volatile("" : : "m"(frame));
    clear();
}

static void handler_clears(void)
{
    clears = TRUE;
    set_one(buffer, 3, WRITE, FOUR);
    for (ULONG i = 0; i < 5; i++)
        store(buffer, 4);
    CHECK_EQUAL(hits, 1);
    set_one((void *)first, 3, EXECUTE, ONE);
    for (ULONG i = 0; i < 5; i++)
        first();
    CHECK_EQUAL(hits, 1);
    clears = FALSE;
}

/* What ring 3 may not have is not there. */
static void refused_values(void)
{
    CONTEXT context = {.ContextFlags = CONTEXT_DEBUG_REGISTERS};
    set((ULONG[4]){0x805426e0, (ULONG)buffer, 0xffdff000, 0x7fff0000}, 0xffffffff);
    CHECK_EQUAL(NtGetContextThread(NtCurrentThread(), &context), STATUS_SUCCESS);
    CHECK_EQUAL(context.Dr0, 0);
    CHECK_EQUAL(context.Dr1, (ULONG)buffer);
    CHECK_EQUAL(context.Dr2, 0);
    CHECK_EQUAL(context.Dr3, 0);
    CHECK_EQUAL(context.Dr7 & ~0x400, 0xffff0155); /* bit 10 reads as 1 */
    clear();
    CHECK_EQUAL(NtGetContextThread(NtCurrentThread(), &context), STATUS_SUCCESS);
    CHECK_EQUAL(context.Dr1, 0);
    CHECK_EQUAL(context.Dr7, 0);
}

void start(void)
{
    EXCEPTION_REGISTRATION_RECORD registration = {NtCurrentTeb()->ExceptionList, handler};
    NtCurrentTeb()->ExceptionList = &registration;
    execution();
    for (ULONG slot = 0; slot < 4; slot++)
        for (ULONG length = ONE; length <= FOUR; length += length + 1)
            data(slot, WRITE, length), data(slot, READ_WRITE, length);
    after_the_store();
    untouched_page();
    kernel_accesses(direct_sysenter);
    kernel_accesses(direct_int2e);
    stack_accesses();
    handler_clears();
    refused_values();
    CHECK_EQUAL(foreign, 0);

    set_one(buffer, 0, WRITE, FOUR);
    store(buffer, 4);
    print("standing\n");
    NtYieldExecution();
    store(buffer, 4);
    store(buffer, 4);
    print("hits: "), print_decimal(hits), print("\n");
    clear();
    NtCurrentTeb()->ExceptionList = registration.Next;
    finish();
}
