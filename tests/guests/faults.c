/* Exceptions of ring 3 by the thousands.  Reads the number of rounds from the standard input
 * (four bytes), then does each fault so often and prints a line about it:
 *
 *   NAME times code eip-at parameters...
 *
 * eip-at is ExceptionAddress relative to the instruction; a parameter that is the address of
 * the access prints as `address`.  `times` counts the faults that were like the first one.
 */
#include "nt.h"

typedef void ROUTINE(void);

typedef struct {
    const CHAR *name;
    ROUTINE *run;
    const UCHAR *at, *after; /* the instruction, and where to go on */
} FAULT;

/* A routine around one instruction, entered with eax = `address`, ecx = edx = 0. */
#define PREPARED(name, setup, text, cleanup)                                                     \
    static __attribute__((naked, noinline, used)) void name(void)                        \
    {                                                                                    \
        __asm__("movl _address, %eax\n\txorl %ecx, %ecx\n\txorl %edx, %edx\n\t" setup    \
                "\n_" #name "_at: " text "\n_" #name "_after: " cleanup "\n\tret");       \
    }                                                                                    \
    extern const UCHAR name##_at[], name##_after[];
#define PLAIN(name, text) PREPARED(name, "", text, "")
#define ROW(name) {#name, name, name##_at, name##_after}

ULONG address;

/* .byte: the instruction itself, where an assembler would object or choose. */
PLAIN(divide_by_zero, "divl %ecx")
PREPARED(divide_overflow, "incl %ecx; incl %edx", "divl %ecx", "")
PLAIN(breakpoint, "int3")
PLAIN(breakpoint_cd_03, ".byte 0xcd, 0x03")
PREPARED(overflow, "movl $0x7fffffff, %eax; incl %eax", "into", "")
PREPARED(bound, "movl $5, %eax", "bound %eax, _bounds", "")
PREPARED(debug_service, "movl $7, %eax", "int $0x2d; nop", "")
PREPARED(single_step, "pushfl; orl $0x100, (%esp); popfl", "nop; nop", "")
PLAIN(icebp, ".byte 0xf1")
PLAIN(read_data, "movl (%eax), %ecx")
PLAIN(write_data, "movl %ecx, (%eax)")
PLAIN(modify_data, "lock; incl (%eax)")
PLAIN(execute, "call *%eax")
PREPARED(bad_selector, "movl $0x08, %ecx", "movw %cx, %ds", "")
PLAIN(bad_far_jump, "ljmp $0x08, $0")
PLAIN(too_long, ".fill 15, 1, 0x66; nop")
PREPARED(float_divide, "fninit; fldcw _unmasked; fld1; fldz; fdivrp", "fwait", "")

PREPARED(insb, "pushl %edi; movl $_port_data, %edi", ".byte 0x6c", "popl %edi")
PREPARED(insl, "pushl %edi; movl $_port_data, %edi", ".byte 0x6d", "popl %edi")

ULONG port_data;
const LONG bounds[2] = {0, 4};
const USHORT unmasked = 0x37b; /* all masked but divide by zero */

#define PRIVILEGED(X)                                                                    \
    X(cli, "cli") X(sti, "sti") X(hlt, "hlt")                                            \
    X(inb_imm, "inb $0x60, %al") X(inl_imm, "inl $0x60, %eax")                           \
    X(outb_imm, "outb %al, $0xe9") X(outl_imm, "outl %eax, $0xe9")                       \
    X(inb_dx, "inb %dx, %al") X(inl_dx, "inl %dx, %eax")                                 \
    X(outb_dx, "outb %al, %dx") X(outl_dx, "outl %eax, %dx")                             \
    X(outsb, ".byte 0x6e")                                                               \
    X(outsl, ".byte 0x6f") X(clts, "clts") X(invd, "invd") X(wbinvd, "wbinvd")           \
    X(mov_from_cr0, "movl %cr0, %eax") X(mov_to_cr0, "movl %eax, %cr0")                  \
    X(mov_to_cr2, "movl %eax, %cr2") X(mov_from_cr3, "movl %cr3, %eax")                  \
    X(mov_to_cr3, "movl %eax, %cr3") X(mov_to_cr4, "movl %eax, %cr4")                    \
    X(mov_from_dr0, "movl %dr0, %eax") X(mov_from_dr7, "movl %dr7, %eax")                \
    X(mov_to_dr7, "movl %eax, %dr7") X(wrmsr, "wrmsr") X(rdmsr, "rdmsr")                 \
    X(rdpmc, "rdpmc") X(sysexit, ".byte 0x0f, 0x35") X(lgdt, ".byte 0x0f, 0x01, 0x10")   \
    X(lidt, ".byte 0x0f, 0x01, 0x18") X(lmsw, ".byte 0x0f, 0x01, 0xf0")                  \
    X(invlpg, ".byte 0x0f, 0x01, 0x38") X(lldt, ".byte 0x0f, 0x00, 0xd0")                \
    X(ltr, ".byte 0x0f, 0x00, 0xd8")

#define INVALID(X)                                                                       \
    X(ud2, ".byte 0x0f, 0x0b") X(ud1, ".byte 0x0f, 0xb9, 0xc0")                          \
    X(lock_nop, ".byte 0xf0, 0x90")                                                      \
    X(mov_to_cs, ".byte 0x8e, 0xc8") X(lea_register, ".byte 0x8d, 0xc0")                 \
    X(group5_7, ".byte 0xff, 0xf8") X(syscall, ".byte 0x0f, 0x05")                       \
    X(sysret, ".byte 0x0f, 0x07") X(vmcall, ".byte 0x0f, 0x01, 0xc1")                    \
    X(xgetbv, ".byte 0x0f, 0x01, 0xd0") X(rsm, ".byte 0x0f, 0xaa")                       \
    X(reserved_0f_04, ".byte 0x0f, 0x04") X(reserved_0f_0a, ".byte 0x0f, 0x0a")          \
    X(les_register, ".byte 0xc4, 0xc0")

#define ROUTINE_OF(name, text) PLAIN(name, text)
PRIVILEGED(ROUTINE_OF)
INVALID(ROUTINE_OF)

#define ROW_OF(name, text) ROW(name),
static const FAULT privileged[] = {PRIVILEGED(ROW_OF) ROW(insb), ROW(insl)};
static const FAULT invalid[] = {INVALID(ROW_OF)};

typedef struct { ULONG code, offset, count, parameters[3]; } SEEN;

static const FAULT *current;
static SEEN last;
static BOOLEAN was_handled, returns;

static EXCEPTION_DISPOSITION handler(
    PEXCEPTION_RECORD record, PVOID frame, PCONTEXT context, PVOID dispatcher)
{
    (void)frame, (void)dispatcher;
    was_handled = TRUE;
    last.code = record->ExceptionCode;
    last.offset = (ULONG)record->ExceptionAddress - (ULONG)current->at;
    last.count = record->NumberParameters;
    for (ULONG i = 0; i < 3; i++)
        last.parameters[i] = i < record->NumberParameters ? record->ExceptionInformation[i] : 0;
    if (returns) { /* from a call that never began */
        last.offset = (ULONG)record->ExceptionAddress - address;
        context->Eip = *(const ULONG *)context->Esp;
        context->Esp += 4;
        return ExceptionContinueExecution;
    }
    if (record->ExceptionCode == (NTSTATUS)0xc000008e) {
        *(ULONG *)&context->FloatSave[0] = 0xffff037f;
        *(ULONG *)&context->FloatSave[4] = 0xffff0000;
        context->ContextFlags = CONTEXT_FULL | CONTEXT_FLOATING_POINT;
    }
    context->Eip = (ULONG)current->after;
    context->EFlags &= ~0x100;
    return ExceptionContinueExecution;
}

/* Once; a parameter that is the address becomes a mark, so that addresses may change. */
static BOOLEAN happens(const FAULT *fault)
{
    current = fault;
    was_handled = FALSE;
    fault->run();
    if (last.count == 2 && last.parameters[1] == address && address)
        last.parameters[1] = 'a';
    return was_handled;
}

static void report(const CHAR *name, ULONG times, const SEEN *seen)
{
    print(name), print(" "), print_decimal(times), print(" "), print_hex(seen->code);
    print(" "), print_decimal(seen->offset);
    for (ULONG i = 0; i < seen->count; i++) {
        print(" ");
        if (i == 1 && seen->parameters[i] == 'a')
            print("address");
        else
            print_hex(seen->parameters[i]);
    }
    print("\n");
}

static BOOLEAN is_alike(const SEEN *left, const SEEN *right)
{
    return left->code == right->code && left->offset == right->offset
        && left->count == right->count && left->parameters[0] == right->parameters[0]
        && left->parameters[1] == right->parameters[1];
}

/* Once; whether it was like the first one.  One that is not gets a line of its own. */
static BOOLEAN happens_alike(const FAULT *fault, SEEN *first)
{
    BOOLEAN happened = happens(fault);
    if (happened && !first->code)
        *first = last;
    if (happened && is_alike(first, &last))
        return TRUE;
    print(happened ? "another " : "no ");
    report(fault->name, address, &last);
    return FALSE;
}

static void repeat(const CHAR *name, const FAULT *fault, ULONG first, ULONG stride, ULONG rounds)
{
    SEEN seen = {.code = 0};
    ULONG times = 0;
    for (ULONG i = 0; i < rounds; i++) {
        address = first + (i & 1023) * stride;
        times += happens_alike(fault, &seen);
    }
    report(name, times, &seen);
}

static void repeat_all(const FAULT *faults, ULONG count, ULONG rounds)
{
    for (ULONG each = 0; each < count; each++) {
        SEEN seen = {.code = 0};
        ULONG times = 0;
        for (ULONG i = 0; i < (rounds + count - 1) / count; i++)
            times += happens_alike(&faults[each], &seen);
        report(faults[each].name, times, &seen);
    }
}

static PVOID allocate(SIZE_T size, ULONG type, ULONG protection)
{
    PVOID base = NULL;
    CHECK_EQUAL(
        NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, type, protection), 0);
    return base;
}

/* int n for every vector that ring 3 may not ask for. */
static void software_interrupts(ULONG rounds)
{
    UCHAR *code = allocate(0x1000, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
    SEEN seen = {.code = 0};
    ULONG vectors = 0, times = 0;
    for (ULONG vector = 0; vector < 256; vector++) {
        UCHAR *at = code + 4 * vector;
        at[0] = 0xcd, at[1] = (UCHAR)vector, at[2] = 0xc3;
    }
    for (ULONG i = 0; i < (rounds + 248) / 249; i++)
        for (ULONG vector = 0; vector < 256; vector++) {
            const UCHAR *at = code + 4 * vector;
            FAULT fault = {"int_n", (ROUTINE *)at, at, at + 2};
            if (vector == 3 || vector == 4 || (vector >= 0x2a && vector <= 0x2e))
                continue;
            vectors += i == 0;
            address = 0;
            times += happens_alike(&fault, &seen);
        }
    report("int_n", times, &seen);
    CHECK_EQUAL(vectors, 249);
}

static void page_faults(ULONG rounds)
{
    static const FAULT read = ROW(read_data), write = ROW(write_data), call = ROW(execute);
    static const FAULT modify = ROW(modify_data);
    ULONG absent = (ULONG)allocate(0x400000, MEM_RESERVE, PAGE_READWRITE);
    ULONG hidden = (ULONG)allocate(0x100000, MEM_COMMIT | MEM_RESERVE, PAGE_NOACCESS);
    ULONG fixed = (ULONG)allocate(0x100000, MEM_COMMIT | MEM_RESERVE, PAGE_READONLY);
    volatile UCHAR *touched = (volatile UCHAR *)fixed;
    repeat("read_absent", &read, absent, 0x1000, rounds);
    repeat("write_absent", &write, absent, 0x1000, rounds);
    repeat("read_hidden", &read, hidden, 0x3fc, rounds);
    repeat("write_hidden", &write, hidden, 0x3fc, rounds);
    repeat("write_read_only", &write, fixed, 0x3fc, rounds);
    (void)touched[0x100];
    repeat("modify_read_only", &modify, fixed, 4, rounds);
    repeat("read_kernel", &read, 0x80000000, 0x1ffe01, rounds);
    repeat("write_kernel", &write, 0x80000000, 0x1ffe01, rounds);
    repeat("write_shared_user_data", &write, 0x7ffe0000, 3, rounds);
    returns = TRUE;
    repeat("execute_absent", &call, absent, 0x1000, rounds);
    repeat("execute_kernel", &call, 0x804d8000, 0x1000, rounds);
    returns = FALSE;
}

static const FAULT traps[] = {
    ROW(divide_by_zero), ROW(divide_overflow), ROW(breakpoint), ROW(breakpoint_cd_03),
    ROW(overflow), ROW(bound), ROW(debug_service), ROW(single_step), ROW(icebp),
    ROW(bad_selector), ROW(bad_far_jump), ROW(too_long), ROW(float_divide),
};

void start(void)
{
    EXCEPTION_REGISTRATION_RECORD registration = {NULL, handler};
    IO_STATUS_BLOCK io;
    ULONG rounds = 0;
    TEB *teb = NtCurrentTeb();
    NtReadFile(NtCurrentPeb()->ProcessParameters->StandardInput, NULL, NULL, NULL, &io, &rounds,
        sizeof rounds, NULL, NULL);
    registration.Next = teb->ExceptionList;
    teb->ExceptionList = &registration;
    page_faults(rounds);
    for (ULONG i = 0; i < sizeof traps / sizeof *traps; i++)
        repeat(traps[i].name, &traps[i], 0, 0, rounds);
    software_interrupts(rounds);
    repeat_all(privileged, sizeof privileged / sizeof *privileged, rounds);
    repeat_all(invalid, sizeof invalid / sizeof *invalid, rounds);
    teb->ExceptionList = registration.Next;
    finish();
}
