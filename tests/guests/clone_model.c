/* Clones of clones against a model: what each process has in its pages, after writes, changes of
 * protection, decommitting, more clones and their ends in any order.  The last word of the command
 * line is the seed.
 */
#include "nt.h"

enum { PAGES = 24, PROCESSES = 5, STEPS = 1500, NONE = 0xffffffff };

typedef struct {
    HANDLE process;
    ULONG value[PAGES], protect[PAGES]; /* value NONE: not committed */
} MODEL;

static MODEL models[PROCESSES];
static PUCHAR region, view;
static ULONG state, shared[4];

static ULONG below(ULONG limit)
{
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return (ULONG)((unsigned long long)state * limit >> 32);
}

static PVOID page(ULONG number) { return region + 0x1000 * number; }

static void compare(MODEL *model, ULONG number)
{
    MEMORY_BASIC_INFORMATION basic;
    ULONG value = 0x77777777;
    SIZE_T copied;
    BOOLEAN readable = model->value[number] != NONE && model->protect[number] != PAGE_NOACCESS;
    NTSTATUS status = NtReadVirtualMemory(model->process, (PUCHAR)page(number) + 8, &value, 4, &copied);

    CHECK_EQUAL(status == 0, readable);
    if (readable)
        CHECK_EQUAL(value, model->value[number]);
    CHECK_EQUAL(NtQueryVirtualMemory(model->process, page(number), 0, &basic, sizeof basic, NULL), 0);
    CHECK_EQUAL(basic.State, model->value[number] == NONE ? MEM_RESERVE : MEM_COMMIT);
    if (basic.State == MEM_COMMIT && basic.Protect != PAGE_WRITECOPY)
        CHECK_EQUAL(basic.Protect, model->protect[number]);
    if (basic.State == MEM_COMMIT && basic.Protect == PAGE_WRITECOPY)
        CHECK_EQUAL(model->protect[number], PAGE_READWRITE);
}

static void write(MODEL *model, ULONG number)
{
    ULONG value = below(1000000), before = model->value[number];
    SIZE_T copied;
    BOOLEAN writable = before != NONE && model->protect[number] == PAGE_READWRITE;
    NTSTATUS status = NtWriteVirtualMemory(model->process, (PUCHAR)page(number) + 8, &value, 4, &copied);
    CHECK_EQUAL(status == 0, writable);
    if (status == 0)
        model->value[number] = value;
}

static void protect(MODEL *model, ULONG number)
{
    static const ULONG kinds[] = {PAGE_READWRITE, PAGE_READWRITE, PAGE_READONLY, PAGE_NOACCESS};
    ULONG kind = kinds[below(4)], before;
    PVOID base = page(number);
    SIZE_T size = 0x1000;
    NTSTATUS status = NtProtectVirtualMemory(model->process, &base, &size, kind, &before);
    CHECK_EQUAL(status == 0, model->value[number] != NONE);
    if (status == 0)
        model->protect[number] = kind;
}

static void commit(MODEL *model, ULONG number)
{
    PVOID base = page(number);
    SIZE_T size = 0x1000;
    if (model->value[number] == NONE) {
        CHECK_EQUAL(NtAllocateVirtualMemory(model->process, &base, 0, &size, MEM_COMMIT, PAGE_READWRITE), 0);
        model->value[number] = 0, model->protect[number] = PAGE_READWRITE;
    } else {
        CHECK_EQUAL(NtFreeVirtualMemory(model->process, &base, &size, MEM_DECOMMIT), 0);
        model->value[number] = NONE;
    }
}

static void clone(MODEL *of)
{
    MODEL *to = &models[1 + below(PROCESSES - 1)];
    HANDLE process;
    if (to == of)
        return;
    if (NtCreateProcess(&process, PROCESS_ALL_ACCESS, NULL, of->process, FALSE, NULL, NULL, NULL) != 0) {
        CHECK(FALSE);
        return;
    }
    if (to->process) {
        CHECK_EQUAL(NtTerminateProcess(to->process, 0), 0);
        CHECK_EQUAL(NtClose(to->process), 0);
    }
    *to = *of;
    to->process = process;
}

/* A view is one for all of them. */
static void share(MODEL *model)
{
    ULONG slot = below(4), value = below(1000000);
    SIZE_T copied;
    CHECK_EQUAL(NtWriteVirtualMemory(model->process, view + 4 * slot, &value, 4, &copied), 0);
    shared[slot] = value;
    for (ULONG i = 0; i < PROCESSES; i++)
        if (models[i].process) {
            CHECK_EQUAL(NtReadVirtualMemory(models[i].process, view + 4 * slot, &value, 4, &copied), 0);
            CHECK_EQUAL(value, shared[slot]);
        }
}

void start(void)
{
    UNICODE_STRING line = NtCurrentPeb()->ProcessParameters->CommandLine;
    LARGE_INTEGER length = {.QuadPart = 0x1000};
    SIZE_T size = PAGES * 0x1000, whole = 0;
    PVOID base = NULL, mapped = NULL;
    HANDLE section;

    state = 2654435761u * line.Buffer[line.Length / 2 - 1] + 1;
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_RESERVE | MEM_COMMIT,
                                        PAGE_READWRITE), 0);
    CHECK_EQUAL(NtCreateSection(&section, SECTION_ALL_ACCESS, NULL, &length, PAGE_READWRITE, SEC_COMMIT,
                                NULL), 0);
    CHECK_EQUAL(NtMapViewOfSection(section, NtCurrentProcess(), &mapped, 0, 0, NULL, &whole, ViewShare, 0,
                                   PAGE_READWRITE), 0);
    region = base, view = mapped;
    models[0].process = NtCurrentProcess();
    for (ULONG i = 0; i < PAGES; i++)
        models[0].protect[i] = PAGE_READWRITE;
    for (ULONG step = 0; step < STEPS && failures < 10; step++) {
        MODEL *model = &models[below(PROCESSES)];
        ULONG number = below(PAGES), kind = below(20);
        if (!model->process)
            model = &models[0];
        if (kind < 8)
            write(model, number);
        else if (kind < 11)
            protect(model, number);
        else if (kind < 13)
            commit(model, number);
        else if (kind < 14)
            clone(model);
        else if (kind < 15)
            share(model);
        compare(model, number);
        compare(&models[0], below(PAGES));
    }
    for (ULONG i = 1; i < PROCESSES; i++)
        if (models[i].process) {
            CHECK_EQUAL(NtTerminateProcess(models[i].process, 0), 0);
            CHECK_EQUAL(NtClose(models[i].process), 0);
        }
    finish();
}
