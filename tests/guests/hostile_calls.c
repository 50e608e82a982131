/* System calls that make no sense, from a seeded generator.  The standard input has a CONFIG.
 * In the end both gates must still work, and the program says what it has got.
 *
 * Some calls are noise in every register; others nearly make sense, by what CONFIG says of the
 * parameters, so that they get further.  They may protect, decommit or unmap the pages that the
 * program works with: it repairs those when it next touches them.
 */
#include "nt.h"

enum { NUMBERS = 0x4000, MOST_ARGUMENTS = 12 };
enum { PAGE = 0x1000, ARENA_PAGES = 8, ARENA_SIZE = 2 * PAGE * (ARENA_PAGES + 1) };
enum { KNOWN_IN_TABLE = 0x200, MOST_KNOWN = 16 };

/* What a parameter is. */
enum {
    ANYTHING, A_HANDLE, ATTRIBUTES, A_STRING, A_TIME, A_POINTER, A_NUMBER, ACCESS, A_SIZE, ITS_BASE,
    ITS_SIZE, ITSELF, PROTECTION
};

static struct {
    ULONG seed, count;
    UCHAR excluded[NUMBERS / 8]; /* bits of service numbers that are not called */
    UCHAR known[2][KNOWN_IN_TABLE][MOST_KNOWN]; /* the parameters of tables 0 and 2 */
} config;

/* Marsaglia's xorshift. */
static ULONG state;

static ULONG draw(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

static ULONG below(ULONG limit) { return (ULONG)((ULONGLONG)draw() * limit >> 32); }

/* Pages of the program's own with a page between them that nothing may touch; the last one has
 * the names that templates point to.
 */
static UCHAR *arena;
static UCHAR *traps; /* cd NN 90 c3 for each NN */
static UCHAR *frame; /* a page of arguments, which no argument points to; none behind it */
static HANDLE output;

static UCHAR *arena_page(void) { return arena + 2 * PAGE * below(ARENA_PAGES); }

static BOOLEAN is_excluded(ULONG number)
{
    return config.excluded[(number & (NUMBERS - 1)) >> 3] >> (number & 7) & 1;
}

/* Neither the program's own memory nor its stack, PEB or TEB. */
static BOOLEAN is_safe(ULONG address)
{
    return address < 0x10000 || (address >= 0x1000000 && address < 0x7c900000)
        || (address >= 0x7ca00000 && address < 0x7ff00000) || address >= 0x7ffe0000;
}

static ULONG pointer(void)
{
    static const ULONG edges[] = {0x7ffe0000, 0x7ffe0ffc, 0x7ffeffff, 0x7ffefffd, 0x7fff0000,
        0x7fffffff, 0x80000000, 0x804d8000, 0xc0000000, 0xffdff000, 0xfffffffc, 0xffffffff};
    ULONG any;
    switch (below(16)) {
    case 0:
        return 0;
    case 1: /* across the end of a page */
        return (ULONG)arena_page() + PAGE - below(32);
    case 2:
        return edges[below(sizeof edges / sizeof *edges)];
    case 3:
        do
            any = draw();
        while (!is_safe(any));
        return any;
    case 4: /* absent */
        return (ULONG)arena_page() + PAGE + below(PAGE);
    default:
        return (ULONG)arena_page() + 4 * below(PAGE / 4);
    }
}

/* Good arguments at the end of the first page, until a service writes over them. */
typedef struct {
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    LARGE_INTEGER time;
    ULONG base, size;
} TEMPLATE;

static const WCHAR *const names[] = {
    L"\\BaseNamedObjects\\one", L"\\Registry\\Machine\\two", L"\\??\\C:\\three", L"four"};

static TEMPLATE *template(void) { return (TEMPLATE *)(arena + PAGE / 2) + below(4); }

/* What a program could mean: a good pointer, NULL, a number, a handle. */
static ULONG plausible(void)
{
    switch (below(8)) {
    case 0:
        return 0;
    case 1:
    case 2:
        return below(16);
    case 3:
        return 4 * below(32);
    case 4:
        return (ULONG)-1 - below(2);
    case 5:
        return below(4) ? (ULONG)template() : (ULONG)&template()->name + 8 * below(2);
    default:
        return (ULONG)arena_page() + 4 * below(PAGE / 8);
    }
}

static ULONG absurd(void)
{
    ULONG any;
    switch (below(4)) {
    case 0: /* flags and sizes, which are no address of the image or of the stack */
        do
            any = 1u << below(32) | below(2) << below(32);
        while (!is_safe(any));
        return any;
    case 1:
        return 4 * below(0x100) + below(4);
    default:
        return pointer();
    }
}

static ULONG argument(BOOLEAN is_plausible) { return is_plausible ? plausible() : absurd(); }

static ULONG fitting(UCHAR kind)
{
    static const ULONG rights[] = {0, GENERIC_READ, GENERIC_READ | GENERIC_WRITE, 0x2000000,
        0x10000000, SYNCHRONIZE, 0x1f0fff};
    static const ULONG flags[] = {FILE_SHARE_READ | FILE_SHARE_WRITE, PAGE_READWRITE,
        PAGE_EXECUTE_READWRITE, FILE_SYNCHRONOUS_IO_NONALERT, FILE_ATTRIBUTE_NORMAL,
        MEM_COMMIT, MEM_COMMIT | MEM_RESERVE, MEM_DECOMMIT, MEM_RELEASE, SEC_COMMIT, SEC_IMAGE};
    static const ULONG sizes[] = {0, 1, 4, 8, 0x18, 0x28, 0x40, 0x100, 0x210, 0x1000, 0x10000};
    switch (kind) {
    case A_HANDLE:
        return below(4) ? 4 * below(below(2) ? 24 : 400) : 0;
    case ITSELF:
        return (ULONG)-1 - (below(4) ? 0 : below(100));
    case ATTRIBUTES:
        return below(3) ? (ULONG)template() : 0;
    case A_STRING:
        return (ULONG)&template()->name;
    case A_TIME:
        return (ULONG)&template()->time;
    case PROTECTION:
        return below(8) ? 1u << below(7) : 1u << below(12);
    case ITS_BASE:
        return (ULONG)&template()->base;
    case ITS_SIZE:
        return (ULONG)&template()->size;
    case A_POINTER:
        return below(10) ? (ULONG)arena_page() + 4 * below(PAGE / 8) : 0;
    case A_NUMBER:
        return below(2) ? below(2 << below(6))
            : below(3)  ? flags[below(sizeof flags / sizeof *flags)]
                        : 1u << below(32);
    case ACCESS:
        return rights[below(sizeof rights / sizeof *rights)];
    case A_SIZE:
        return sizes[below(sizeof sizes / sizeof *sizes)];
    default:
        return plausible();
    }
}

static void restore_templates(void)
{
    WCHAR *text = (WCHAR *)(arena + 2 * PAGE * ARENA_PAGES);
    for (ULONG i = 0; i < 4; i++, text += 64) {
        TEMPLATE *filled = (TEMPLATE *)(arena + PAGE / 2) + i;
        USHORT length = 0;
        do
            text[length] = names[i][length];
        while (names[i][length++]);
        filled->name = (UNICODE_STRING){2 * length - 2, 2 * length, text};
        filled->attributes = named(&filled->name);
        filled->attributes.Attributes |= below(2) * OBJ_OPENIF;
        filled->time.QuadPart = below(2) ? -1 : (LONGLONG)below(0x40000);
        filled->base = below(2) ? (ULONG)arena_page() : 0x30000000 + (below(16) << 16);
        filled->size = fitting(A_SIZE);
    }
}

static const UCHAR *parameters(ULONG number)
{
    static const UCHAR unknown[MOST_KNOWN];
    ULONG index = number & 0xfff;
    BOOLEAN is_known = !(number & 0x1000) && index < KNOWN_IN_TABLE;
    return is_known ? config.known[number >> 13 & 1][index] : unknown;
}

static ULONG service_number(void)
{
    ULONG number;
    do
        switch (below(10)) {
        case 0:
            number = draw();
            break;
        case 1:
            number = below(0x1000);
            break;
        case 2:
            number = 0x1000 + below(0x400);
            break;
        case 3:
            number = 0x2000 + (below(2) ? below(0x40) : below(0x2000));
            break;
        default:
            number = below(0x11c) | (below(16) ? 0 : draw() << 14);
        }
    while (is_excluded(number) || (!*parameters(number) && below(4)));
    return number;
}

/* The registers at the gate. */
ULONG call_eax, call_ebx, call_edx, call_ebp, call_esp, call_eflags, result, saved_esp;
USHORT call_ds, call_es, call_fs, call_gs;

#define ENTER                                                                            \
    "pushal\n\tmovl %esp, _saved_esp\n\t"                                                \
    "movl _call_eax, %eax\n\tmovl _call_ebx, %ebx\n\tmovl _call_edx, %edx\n\t"           \
    "movl _call_ebp, %ebp\n\tmovw _call_es, %es\n\tmovw _call_fs, %fs\n\t"               \
    "movw _call_gs, %gs\n\tpushl _call_eflags\n\tpopfl\n\t"                              \
    "movl _call_esp, %esp\n\tmovw _call_ds, %ds\n\t"
#define LEAVE                                                                            \
    "movl $0x23, %ecx\n\tmovw %cx, %ds\n\tmovw %cx, %es\n\t"                             \
    "movl _saved_esp, %esp\n\tpushl $0x202\n\tpopfl\n\t"                                 \
    "movl $0x3b, %ecx\n\tmovw %cx, %fs\n\txorl %ecx, %ecx\n\tmovw %cx, %gs\n\t"          \
    "movl %eax, _result\n\tpopal\n\tret"

static __attribute__((naked, noinline)) void by_interrupt(void)
{
    __asm__(ENTER "int $0x2e\n\t" LEAVE);
}

/* The dword at edx is where KiFastSystemCallRet returns to. */
extern const UCHAR sysenter_done[];
static __attribute__((naked, noinline)) void by_sysenter(void)
{
    __asm__(ENTER "sysenter\n_sysenter_done:\n\t" LEAVE);
}

static USHORT selector(void)
{
    static const USHORT selectors[] = {0, 1, 3, 0x18, 0x1b, 0x20, 0x23, 0x38, 0x3b};
    return below(4) ? 0x23 : selectors[below(sizeof selectors / sizeof *selectors)];
}

static ULONG statuses[4], hash, traps_taken;

/* Whether a service goes to an address that lies in memory: one that no call may have put there
 * (a query tells where the image is).
 */
static BOOLEAN takes_base(const UCHAR *kinds)
{
    for (ULONG i = 0; i < MOST_KNOWN; i++)
        if (kinds[i] == ITS_BASE)
            return TRUE;
    return FALSE;
}

static ULONG argument_of(UCHAR kind, ULONG sense)
{
    if (kind == ITS_BASE || (sense >= 2 && below(32)))
        return fitting(kind);
    return sense >= 2 ? absurd() : argument(sense || below(2));
}

/* What a query has told of the program's own addresses is no argument. */
static void clean(UCHAR *place)
{
    if ((ULONG)place - (ULONG)arena >= ARENA_SIZE || (ULONG)place & PAGE)
        return;
    UCHAR *end = (UCHAR *)((ULONG)place & -PAGE) + PAGE;
    for (ULONG i = 0; i < MOST_KNOWN && place + 4 <= end; i++, place += 4)
        if (!is_safe(*(ULONG *)place))
            *(ULONG *)place = 0;
}

static void call(void)
{
    ULONG number = service_number(), sense = below(8);
    const UCHAR *kinds = parameters(number);
    BOOLEAN fast = below(2), has_base = takes_base(kinds);
    UCHAR *place;
    if (has_base)
        restore_templates();
    if (has_base || below(8)) { /* in the middle of a page, or so that the page's end cuts them */
        place = frame + (below(4) ? 0x100 + 4 * below(64) : PAGE - 8 - below(88));
        if (fast)
            *(ULONG *)place = (ULONG)sysenter_done;
        for (ULONG i = 0; i < MOST_ARGUMENTS; i++) {
            ULONG *argument_at = (ULONG *)place + 2 * fast + i;
            if ((UCHAR *)(argument_at + 1) > frame + PAGE)
                break;
            *argument_at = argument_of(kinds[i], sense);
        }
    } else {
        fast = FALSE;
        place = (UCHAR *)pointer();
        clean(place);
    }
    call_eax = number, call_ebx = draw(), call_ebp = draw(), call_edx = (ULONG)place;
    call_esp = below(4) ? (ULONG)(arena + ARENA_SIZE - PAGE - 16) : below(2) ? pointer() : draw();
    call_eflags = 0x202 | (below(4) ? 0 : draw() & 0x244cd5); /* with DF, NT, AC, ID */
    call_ds = selector(), call_es = selector(), call_gs = selector();
    call_fs = below(4) ? 0x3b : selector();
    (fast ? by_sysenter : by_interrupt)();
    statuses[result >> 30]++;
    hash = (hash ^ result) * 16777619;
}

static const UCHAR *trap_at;
static ULONG repairs;

static NTSTATUS commit(PVOID base, SIZE_T size, ULONG type)
{
    return NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, type, PAGE_READWRITE);
}

static void release(PVOID base)
{
    SIZE_T size = PAGE;
    NtUnmapViewOfSection(NtCurrentProcess(), base);
    NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
}

/* Makes a page of the arena what it was, whatever a call has done to it. */
static BOOLEAN repair(ULONG address)
{
    PVOID page = (PVOID)(address & -PAGE), base = page;
    SIZE_T size = PAGE;
    ULONG before;
    repairs++;
    if (NT_SUCCESS(NtProtectVirtualMemory(
            NtCurrentProcess(), &base, &size, PAGE_EXECUTE_READWRITE, &before)))
        return TRUE;
    if (NT_SUCCESS(commit(page, PAGE, MEM_COMMIT)))
        return TRUE;
    for (ULONG i = 0; i < ARENA_SIZE; i += PAGE)
        release(arena + i);
    return NT_SUCCESS(commit(arena, ARENA_SIZE, MEM_RESERVE))
        && NT_SUCCESS(commit(page, PAGE, MEM_COMMIT));
}

static EXCEPTION_DISPOSITION handler(
    PEXCEPTION_RECORD record, PVOID frame, PCONTEXT context, PVOID dispatcher)
{
    (void)frame, (void)dispatcher;
    if (record->ExceptionCode == STATUS_GUARD_PAGE_VIOLATION && !trap_at)
        return ExceptionContinueExecution;
    if (record->ExceptionCode == STATUS_ACCESS_VIOLATION && record->NumberParameters == 2
        && is_safe(record->ExceptionInformation[1])
        && record->ExceptionInformation[1] - (ULONG)arena < ARENA_SIZE
        && repair(record->ExceptionInformation[1]))
        return ExceptionContinueExecution;
    if (!trap_at) {
        print("unexpected "), print_hex(record->ExceptionCode);
        print(" at "), print_hex((ULONG)record->ExceptionAddress);
        print(" of "), print_hex(record->ExceptionInformation[1]), print("\n");
        exit_process(record->ExceptionCode);
    }
    traps_taken++;
    hash = (hash ^ record->ExceptionCode) * 16777619;
    context->Eip = (ULONG)trap_at + 3;
    return ExceptionContinueExecution;
}

/* `int n` with random registers; what is behind 2eh is a call like any other. */
static void software_interrupt(void)
{
    ULONG vector = below(256);
    if (vector == 0x2e)
        return;
    trap_at = traps + 4 * vector;
    __asm__ volatile("call *%[at]"
                     : : [at] "m"(trap_at), "a"(draw()), "c"(pointer()), "d"(below(0x2000))
                     : "memory", "cc");
    trap_at = NULL;
}

static void scramble(void)
{
    UCHAR *page = arena_page();
    for (ULONG i = 0; i < 64; i++) {
        ULONG value = below(4) ? argument(below(2)) : fitting(A_SIZE);
        *(ULONG *)(page + 4 * below(PAGE / 8)) = value;
    }
    restore_templates();
}

static PVOID allocate(SIZE_T size, ULONG type, ULONG protection, PVOID base)
{
    CHECK_EQUAL(
        NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, type, protection), 0);
    return base;
}

static void prepare(void)
{
    output = NtCurrentPeb()->ProcessParameters->StandardOutput;
    /* High enough to be safe from is_safe. */
    arena = allocate(ARENA_SIZE, MEM_RESERVE, PAGE_READWRITE, (PVOID)0x20000000);
    for (ULONG i = 0; i <= ARENA_PAGES; i++)
        allocate(PAGE, MEM_COMMIT, PAGE_READWRITE, arena + 2 * PAGE * i);
    traps = allocate(PAGE, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE, NULL);
    frame = allocate(2 * PAGE, MEM_RESERVE, PAGE_READWRITE, NULL);
    allocate(PAGE, MEM_COMMIT, PAGE_READWRITE, frame);
    for (ULONG vector = 0; vector < 256; vector++)
        *(ULONG *)(traps + 4 * vector) = 0xc39000cd | vector << 8;
    state = config.seed * 0x9e3779b9 | 1;
    for (ULONG i = 0; i < 256; i++)
        scramble();
}

static void alive(GATE *gate, const CHAR *text)
{
    IO_STATUS_BLOCK io = {.Information = 0};
    NTSTATUS status = gate(SERVICE_NUMBER(NtWriteFile), output, NULL, NULL, NULL, &io, text,
        strlen(text), NULL, NULL);
    CHECK_EQUAL(status, STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, strlen(text));
}

void start(void)
{
    EXCEPTION_REGISTRATION_RECORD registration = {NtCurrentTeb()->ExceptionList, handler};
    IO_STATUS_BLOCK io;
    NtReadFile(NtCurrentPeb()->ProcessParameters->StandardInput, NULL, NULL, NULL, &io, &config,
        sizeof config, NULL, NULL);
    NtCurrentTeb()->ExceptionList = &registration;
    prepare();
    for (ULONG i = 0; i < config.count; i++) {
        if (!below(8))
            software_interrupt();
        else
            call();
        if (!(i & 63))
            scramble();
    }
    NtCurrentTeb()->ExceptionList = registration.Next;
    print("\nstatuses");
    for (ULONG i = 0; i < 4; i++)
        print(" "), print_decimal(statuses[i]);
    print("\ntraps "), print_decimal(traps_taken);
    print("\nrepairs "), print_decimal(repairs);
    print("\nhash "), print_hex(hash), print("\n");
    alive(direct_sysenter, "sysenter works\n");
    alive(direct_int2e, "int 2eh works\n");
    finish();
}
