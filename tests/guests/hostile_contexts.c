/* CONTEXTs that no program should have, through NtContinue, NtSetContextThread and
 * NtRaiseException.  Whatever they say, ring 3 is where the thread goes on.  The standard input
 * has a CONFIG; with `fatal` a context may leave the thread without a stack.
 */
#include "nt.h"

static struct { ULONG seed, count, fatal; } config;

static ULONG state;

static ULONG draw(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

static ULONG below(ULONG limit) { return (ULONG)((ULONGLONG)draw() * limit >> 32); }

CONTEXT context;
EXCEPTION_RECORD record;
void (*service)(void);
ULONG saved_esp, seen_cs, seen_ss, seen_eflags;

extern const UCHAR resumed[];
/* Calls `service` and comes back at `resumed`, with whatever registers. */
static __attribute__((naked, noinline)) void perform(void)
{
    __asm__("pushal\n\tmovl %esp, _saved_esp\n\tcall *_service\n"
            "_resumed:\n\t"
            "movl %cs, %ebx\n\tmovl %ss, %ecx\n\t"
            "movl $0x23, %eax\n\tmovl %eax, %ds\n\tmovl %eax, %es\n\t"
            "movl $0x3b, %eax\n\tmovl %eax, %fs\n\t"
            "movl $0, %eax\n\tmovl %eax, %gs\n\t"
            "movl _saved_esp, %esp\n\tpushfl\n\tpopl _seen_eflags\n\t"
            "pushl $0x202\n\tpopfl\n\tfninit\n\t"
            "movl %ebx, _seen_cs\n\tmovl %ecx, _seen_ss\n\t"
            "popal\n\tret");
}

static void continue_context(void) { NtContinue(&context, below(2)); }
static void set_context(void) { NtSetContextThread(NtCurrentThread(), &context); }
static void raise(void) { NtRaiseException(&record, &context, !config.fatal || below(2)); }

static ULONG exceptions;

static EXCEPTION_DISPOSITION handler(
    PEXCEPTION_RECORD raised, PVOID frame, PCONTEXT at, PVOID dispatcher)
{
    (void)raised, (void)frame, (void)dispatcher;
    exceptions++;
    CHECK_EQUAL(at->SegCs, 0x1b);
    CHECK_EQUAL(at->SegSs, 0x23);
    CHECK_EQUAL(at->EFlags & 0x23200, 0x200); /* no VM, no IOPL, IF */
    at->ContextFlags = CONTEXT_FULL | CONTEXT_DEBUG_REGISTERS;
    at->Dr7 = 0;
    at->Eip = (ULONG)resumed;
    at->Esp = saved_esp;
    at->EFlags = 0x202;
    return ExceptionContinueExecution;
}

static ULONG anywhere(void)
{
    static const ULONG places[] = {0, 1, 0x1000, 0x7ffe0000, 0x7ffe0300, 0x7ffeffff, 0x7fff0000,
        0x80000000, 0x805426e0, 0x80542611, 0xc0000000, 0xffdf0000, 0xffdff000, 0xfffffffc,
        0xffffffff};
    return below(2) ? places[below(sizeof places / sizeof *places)] : draw() | 0x1000000;
}

static ULONG selector(void)
{
    static const USHORT selectors[] = {0, 3, 8, 0x0b, 0x10, 0x13, 0x18, 0x1b, 0x20, 0x23, 0x28,
        0x30, 0x33, 0x38, 0x3b, 0x43, 0x50, 0x58, 0xffff};
    ULONG any = below(sizeof selectors / sizeof *selectors + 1);
    return any < sizeof selectors / sizeof *selectors ? selectors[any] : draw();
}

static void randomize(void)
{
    BOOLEAN keeps_stack, wild_eip = below(2);
    for (ULONG i = 0; i < sizeof context / 4; i++)
        ((ULONG *)&context)[i] = draw();
    context.ContextFlags = 0x10000 | below(0x40);
    if (below(32))
        context.ContextFlags &= ~0x10u; /* breakpoints are slow */
    if (!config.fatal && !below(4))
        context.ContextFlags = draw() & ~0x10u;
    context.SegGs = selector(), context.SegFs = selector();
    context.SegEs = selector(), context.SegDs = selector();
    context.SegCs = selector(), context.SegSs = selector();
    /* Not SharedUserData!SystemCall, which the handler's way back would touch for ever. */
    context.Dr0 = anywhere() ^ 0x800, context.Dr1 = anywhere() ^ 0x800;
    context.Dr2 = anywhere() ^ 0x800, context.Dr3 = anywhere() ^ 0x800;
    context.Eip = wild_eip ? anywhere() : (ULONG)resumed;
    /* A fault, or a step, needs a stack to be told on. */
    keeps_stack = wild_eip || (context.EFlags & 0x100) || service == raise;
    context.Esp = keeps_stack && !(config.fatal && below(8) == 0) ? saved_esp : anywhere();
    for (ULONG i = 0; i < sizeof record / 4; i++)
        ((ULONG *)&record)[i] = draw();
    record.ExceptionFlags = 0;
    record.NumberParameters = below(20);
    if (record.ExceptionCode == 0)
        record.ExceptionCode = 1;
}

static void alive(GATE *gate, const CHAR *text)
{
    IO_STATUS_BLOCK io = {.Information = 0};
    HANDLE output = NtCurrentPeb()->ProcessParameters->StandardOutput;
    CHECK_EQUAL(gate(SERVICE_NUMBER(NtWriteFile), output, NULL, NULL, NULL, &io, text,
        strlen(text), NULL, NULL), STATUS_SUCCESS);
}

void start(void)
{
    static void (*const services[])(void) = {continue_context, set_context, raise};
    EXCEPTION_REGISTRATION_RECORD registration = {NtCurrentTeb()->ExceptionList, handler};
    IO_STATUS_BLOCK io;
    NtReadFile(NtCurrentPeb()->ProcessParameters->StandardInput, NULL, NULL, NULL, &io, &config,
        sizeof config, NULL, NULL);
    NtCurrentTeb()->ExceptionList = &registration;
    state = config.seed * 0x9e3779b9 | 1;
    saved_esp = (ULONG)__builtin_frame_address(0) - 0x400; /* until `perform` says */
    for (ULONG i = 0; i < config.count; i++) {
        service = services[below(3)];
        randomize();
        perform();
        CHECK_EQUAL(seen_cs & 0xffff, 0x1b);
        CHECK_EQUAL(seen_ss & 0xffff, 0x23);
        CHECK_EQUAL(seen_eflags & 0x23200, 0x200);
    }
    NtCurrentTeb()->ExceptionList = registration.Next;
    print("exceptions "), print_decimal(exceptions), print("\n");
    alive(direct_sysenter, "sysenter works\n");
    alive(direct_int2e, "int 2eh works\n");
    finish();
}
