/* Every service that it is told of, with pointers that no program should pass: all arguments the
 * same one, then each argument in turn with sense in the others.  The standard input has a
 * CONFIG.  A page that may only be read must stay what it was, and a service that needs a pointer
 * can't succeed with one that leads nowhere.
 *
 * With `tells` it prints a dot before each call: it may be the last.
 */
#include "nt.h"

enum { PAGE = 0x1000, MOST_SERVICES = 0x200, MOST_ARGUMENTS = 18, FILLED = 0xcc };
enum { CLASSES = 0x48, LENGTHS = 0x1a };

/* What a parameter is. */
enum {
    ANYTHING, A_HANDLE, ATTRIBUTES, A_STRING, A_TIME, A_POINTER, A_NUMBER, ACCESS, A_SIZE, ITS_BASE,
    ITS_SIZE, ITSELF, PROTECTION, ITS_THREAD, A_FILE, A_SECTION, A_KEY, AN_EVENT, A_MUTANT,
    A_SEMAPHORE, A_CLASS
};

static struct {
    ULONG first, tells, services; /* the first call to make */
    struct {
        ULONG number, count;
        ULONG needs_pointer;
        UCHAR kinds[MOST_ARGUMENTS], unused[2];
    } service[MOST_SERVICES];
} config;

enum { ABSENT = 7, GUARD = 10, READ_ONLY, PATTERNS = 16 };
/* Up to ABSENT they lead nowhere, whatever is read or written, and none is a FALSE. */
static ULONG patterns[PATTERNS];

static UCHAR *edge;      /* a page with none behind it */
static UCHAR *read_only; /* filled */
static UCHAR *guard;
static UCHAR *scratch;   /* for what has sense; after the strings, attributes and slots */
static HANDLE output, handles[A_SEMAPHORE + 1];

static ULONG state;

static ULONG below(ULONG limit)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return (ULONG)((ULONGLONG)state * limit >> 32);
}

static PVOID allocate(ULONG pages, ULONG type, ULONG protection)
{
    PVOID base = NULL;
    SIZE_T size = pages * PAGE;
    CHECK_EQUAL(
        NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, type, protection), 0);
    return base;
}

static void protect(PVOID base, ULONG protection)
{
    SIZE_T size = PAGE;
    ULONG before;
    CHECK_EQUAL(NtProtectVirtualMemory(NtCurrentProcess(), &base, &size, protection, &before), 0);
}

static void fill(UCHAR *page)
{
    for (ULONG i = 0; i < PAGE; i++)
        page[i] = FILLED;
}

static BOOLEAN is_filled(const UCHAR *page)
{
    for (ULONG i = 0; i < PAGE; i++)
        if (page[i] != FILLED)
            return FALSE;
    return TRUE;
}

typedef struct {
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    LARGE_INTEGER time;
    ULONG base, size;
    WCHAR text[32];
} SENSE;

static void restore_sense(void)
{
    static const WCHAR name[] = L"\\??\\C:\\pointers";
    SENSE *sense = (SENSE *)scratch;
    for (ULONG i = 0; i < sizeof name / 2; i++)
        sense->text[i] = name[i];
    sense->name = (UNICODE_STRING){sizeof name - 2, sizeof name, sense->text};
    sense->attributes = named(&sense->name);
    sense->time.QuadPart = below(2) ? -1 : 0x1000 * below(2);
    sense->base = 0x30000000 + (below(4) << 16);
    sense->size = PAGE << below(5);
}

static void open_handles(void)
{
    static UNICODE_STRING file_name = USTR(L"\\??\\C:\\pointers.txt");
    static UNICODE_STRING key_name = USTR(L"\\Registry\\Machine\\Software\\Pointers");
    OBJECT_ATTRIBUTES file = named(&file_name), key = named(&key_name);
    IO_STATUS_BLOCK io;
    LARGE_INTEGER size = {.QuadPart = 4 * PAGE};
    ULONG disposition;
    for (ULONG i = A_FILE; i <= A_SEMAPHORE; i++)
        if (handles[i])
            NtClose(handles[i]), handles[i] = NULL;
    NtCreateFile(&handles[A_FILE], GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, &file, &io, NULL,
        FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, FILE_OPEN_IF,
        FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
    NtWriteFile(handles[A_FILE], NULL, NULL, NULL, &io, scratch, PAGE, NULL, NULL);
    NtCreateSection(&handles[A_SECTION], SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE,
        SEC_COMMIT, NULL);
    NtCreateKey(&handles[A_KEY], KEY_ALL_ACCESS, &key, 0, NULL, 0, &disposition);
    NtSetValueKey(handles[A_KEY], &((SENSE *)scratch)->name, 0, 3, scratch, 0x10);
    NtCreateEvent(&handles[AN_EVENT], EVENT_ALL_ACCESS, NULL, NotificationEvent, TRUE);
    NtCreateMutant(&handles[A_MUTANT], MUTANT_ALL_ACCESS, NULL, FALSE);
    NtCreateSemaphore(&handles[A_SEMAPHORE], SEMAPHORE_ALL_ACCESS, NULL, 1, 2);
    for (ULONG i = A_FILE; i <= A_SEMAPHORE; i++)
        CHECK(handles[i]);
}

static ULONG information_class, exact_size;

static ULONG sense_of(UCHAR kind)
{
    static const ULONG sizes[] = {0, 0x100, 0x210, 0x400};
    SENSE *sense = (SENSE *)scratch;
    switch (kind) {
    case A_HANDLE:
        return (ULONG)handles[A_FILE + below(A_SEMAPHORE - A_FILE + 1)];
    case ATTRIBUTES:
        return below(2) ? (ULONG)&sense->attributes : 0;
    case A_STRING:
        return (ULONG)&sense->name;
    case A_TIME:
        return (ULONG)&sense->time;
    case ITS_BASE:
        return (ULONG)&sense->base;
    case ITS_SIZE:
        return (ULONG)&sense->size;
    case A_POINTER:
        return (ULONG)scratch + 0x400 + 0x100 * below(8);
    case A_NUMBER:
        return below(2 << below(6));
    case ACCESS:
        return below(2) ? 0x2000000 : GENERIC_READ;
    case A_SIZE:
        if (exact_size)
            return exact_size;
        return below(4) ? 4 * below(32) : sizes[below(sizeof sizes / sizeof *sizes)];
    case PROTECTION:
        return 1u << below(7);
    case ITSELF:
        return (ULONG)NtCurrentProcess();
    case ITS_THREAD:
        return (ULONG)NtCurrentThread();
    case A_CLASS:
        return information_class;
    case ANYTHING:
        return 0;
    default:
        return (ULONG)handles[kind];
    }
}

ULONG call_number, call_eax, arguments[MOST_ARGUMENTS];

static __attribute__((naked, noinline)) void perform(void)
{
    __asm__("pushal\n\t"
            "movl _call_number, %eax\n\tmovl $_arguments, %edx\n\tint $0x2e\n\t"
            "movl %eax, _call_eax\n\t"
            "popal\n\tret");
}

static void complain(ULONG pattern, const CHAR *text)
{
    failures++;
    print("service "), print_hex(call_number), print(" with ");
    print_hex(pattern), print(text), print(" "), print_hex(call_eax), print("\n");
}

static void call(ULONG service, ULONG pattern, BOOLEAN everywhere)
{
    call_number = config.service[service].number;
    if (config.tells)
        print(".");
    perform();
    if (pattern == GUARD)
        protect(guard, PAGE_READWRITE | PAGE_GUARD);
    if (pattern == READ_ONLY && !is_filled(read_only)) {
        complain(patterns[pattern], " wrote where it must not");
        protect(read_only, PAGE_READWRITE), fill(read_only), protect(read_only, PAGE_READONLY);
    }
    if (everywhere && pattern < ABSENT && pattern && config.service[service].needs_pointer
        && NT_SUCCESS(call_eax))
        complain(patterns[pattern], " succeeded");
}

/* `chosen` is the argument that is hostile; behind the last one it is all of them. */
static void try_argument(ULONG service, ULONG chosen, ULONG pattern, ULONG step)
{
    ULONG count = config.service[service].count;
    const UCHAR *kinds = config.service[service].kinds;
    state = step * 0x9e3779b9 | 1;
    restore_sense();
    for (ULONG i = 0; i < count; i++) {
        BOOLEAN is_hostile = chosen == count || chosen == i;
        arguments[i] = is_hostile ? patterns[pattern] : sense_of(kinds[i]);
    }
    fill(edge);
    call(service, pattern, chosen == count);
}

static void try_service(ULONG service, ULONG *step)
{
    ULONG count = config.service[service].count, classes = 1;
    const UCHAR *kinds = config.service[service].kinds;
    for (ULONG i = 0; i < count; i++)
        if (kinds[i] == A_CLASS)
            classes = CLASSES;
    for (information_class = 0; information_class < classes; information_class++)
        for (ULONG chosen = 0; chosen <= count; chosen++)
            for (ULONG pattern = 0; pattern < PATTERNS; pattern++) {
                BOOLEAN is_number = chosen < count
                    && (kinds[chosen] == A_NUMBER || kinds[chosen] == ACCESS
                        || kinds[chosen] >= PROTECTION);
                if (information_class && (is_number || pattern < ABSENT || pattern > READ_ONLY))
                    continue;
                /* A class takes one length. */
                BOOLEAN is_buffer = chosen < count && kinds[chosen] == A_POINTER;
                ULONG lengths = classes > 1 && is_buffer && pattern == READ_ONLY ? LENGTHS : 0;
                for (ULONG length = 0; length <= lengths; length++) {
                    exact_size = 4 * length;
                    if ((*step)++ >= config.first)
                        try_argument(service, chosen, pattern, *step);
                }
            }
}

static void prepare(void)
{
    output = NtCurrentPeb()->ProcessParameters->StandardOutput;
    edge = allocate(2, MEM_RESERVE, PAGE_READWRITE);
    PVOID base = edge;
    SIZE_T size = PAGE;
    CHECK_EQUAL(NtAllocateVirtualMemory(
        NtCurrentProcess(), &base, 0, &size, MEM_COMMIT, PAGE_READWRITE), 0);
    read_only = allocate(1, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    fill(read_only), protect(read_only, PAGE_READONLY);
    guard = allocate(1, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    fill(guard), protect(guard, PAGE_READWRITE | PAGE_GUARD);
    scratch = allocate(1, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    ULONG no_access = (ULONG)allocate(1, MEM_COMMIT | MEM_RESERVE, PAGE_NOACCESS);
    const ULONG values[PATTERNS] = {0, 0xffffffff, 0x7fff0004, 0x80000004, 0xffdff004,
        (ULONG)edge + PAGE + 4, no_access + 4,
        0x7ffeffff, (ULONG)edge + PAGE - 1, (ULONG)edge + 1, (ULONG)guard, (ULONG)read_only,
        (ULONG)edge + PAGE - 6, (ULONG)edge + 2, (ULONG)edge + PAGE - 4, 0x7ffe0000};
    for (ULONG i = 0; i < PATTERNS; i++)
        patterns[i] = values[i];
}

static void alive(GATE *gate)
{
    IO_STATUS_BLOCK io;
    CHECK_EQUAL(gate(SERVICE_NUMBER(NtWriteFile), output, NULL, NULL, NULL, &io, "\n", 1, NULL,
        NULL), STATUS_SUCCESS);
}

void start(void)
{
    IO_STATUS_BLOCK io;
    ULONG step = 0;
    NtReadFile(NtCurrentPeb()->ProcessParameters->StandardInput, NULL, NULL, NULL, &io, &config,
        sizeof config, NULL, NULL);
    prepare();
    for (ULONG service = 0; service < config.services; service++) {
        restore_sense(), open_handles();
        try_service(service, &step);
    }
    alive(direct_sysenter);
    alive(direct_int2e);
    finish();
}
