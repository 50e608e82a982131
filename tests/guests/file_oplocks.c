/* Opportunistic locks: asked for, broken by opens and writes, acknowledged, given up. */
#include "nt_file.h"

#define NAME L"\\??\\C:\\oplocks.txt"
#define READ (FILE_GENERIC_READ)
#define ALL (FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE)

enum {
    LEVEL_1 = 0x90000, LEVEL_2 = 0x90004, BATCH = 0x90008, ACKNOWLEDGE = 0x9000c,
    CLOSE_PENDING = 0x90010, BREAK_NOTIFY = 0x90014, ACK_NO_2 = 0x90050, FILTER = 0x9005c,
    TO_LEVEL_2 = 7, TO_NONE = 8,
    STATUS_OPLOCK_BREAK_IN_PROGRESS = 0x108,
    STATUS_INVALID_OPLOCK_PROTOCOL = (int)0xc00000e3,
    FILE_COMPLETE_IF_OPLOCKED = 0x100,
};

static IO_STATUS_BLOCK granted;
static HANDLE broken;

static HANDLE open_async(ACCESS_MASK access)
{
    return create(NAME, access, FILE_OPEN_IF, FILE_SHARE_ALL, 0);
}

static NTSTATUS ask(HANDLE file, ULONG code)
{
    granted = (IO_STATUS_BLOCK){0x55555555, 0x55555555};
    return NtFsControlFile(file, broken, NULL, NULL, &granted, code, NULL, 0, NULL, 0);
}

static NTSTATUS answer(HANDLE file, ULONG code)
{
    IO_STATUS_BLOCK block;
    return NtFsControlFile(file, NULL, NULL, NULL, &block, code, NULL, 0, NULL, 0);
}

static BOOLEAN is_broken(void)
{
    return NtWaitForSingleObject(broken, FALSE, &(LARGE_INTEGER){.QuadPart = 0}) == 0;
}

/* Somebody who opens the file, on a thread of its own. */
static struct { ACCESS_MASK access; ULONG disposition, share, options; NTSTATUS status; HANDLE thread; } other;

static __attribute__((noreturn)) void opener(void)
{
    UNICODE_STRING name = USTR(NAME);
    OBJECT_ATTRIBUTES attributes = named(&name);
    IO_STATUS_BLOCK block;
    HANDLE file;
    other.status = NtCreateFile(&file, other.access | SYNCHRONIZE, &attributes, &block, NULL, 0x80,
                                other.share, other.disposition,
                                other.options | FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
    if (other.status >= 0)
        CHECK_EQUAL(NtClose(file), 0);
    NtTerminateThread(NtCurrentThread(), 0);
    __builtin_trap();
}

static void somebody_opens(ACCESS_MASK access, ULONG disposition)
{
    static UCHAR stacks[8][0x4000];
    static ULONG number;
    PUCHAR top = stacks[number++ % 8] + sizeof stacks[0] - 0x100;
    CONTEXT context = {.ContextFlags = 0x10007};
    INITIAL_TEB stack = {top, stacks[0], NULL, NULL, NULL};
    CLIENT_ID id;
    other.access = access, other.disposition = disposition, other.share = FILE_SHARE_ALL;
    other.status = 0x77777777;
    context.SegCs = 0x1b, context.SegSs = context.SegDs = context.SegEs = 0x23, context.SegFs = 0x3b;
    context.EFlags = 0x202, context.Esp = (ULONG)top, context.Eip = (ULONG)opener;
    CHECK_EQUAL(NtCreateThread(&other.thread, THREAD_ALL_ACCESS, NULL, NtCurrentProcess(), &id,
                               &context, &stack, FALSE), 0);
}

static BOOLEAN has_come(LONGLONG milliseconds)
{
    LARGE_INTEGER timeout = {.QuadPart = -10000 * milliseconds};
    return NtWaitForSingleObject(other.thread, FALSE, &timeout) == 0;
}

static void nothing_to_grant(void)
{
    HANDLE synchronous = create(NAME, ALL, FILE_OVERWRITE_IF, FILE_SHARE_ALL, SYNC), file, second;
    CHECK_EQUAL(ask(synchronous, LEVEL_1), STATUS_OPLOCK_NOT_GRANTED);
    CHECK_EQUAL(ask(synchronous, LEVEL_2), STATUS_OPLOCK_NOT_GRANTED);
    CHECK_EQUAL(NtClose(synchronous), 0);
    file = open_async(ALL), second = open_async(ALL);
    CHECK_EQUAL(ask(file, BATCH), STATUS_OPLOCK_NOT_GRANTED);
    CHECK_EQUAL(answer(file, ACKNOWLEDGE), STATUS_INVALID_OPLOCK_PROTOCOL);
    CHECK_EQUAL(answer(file, BREAK_NOTIFY), 0);
    CHECK_EQUAL(NtClose(second), 0);
    CHECK_EQUAL(NtClose(file), 0);
}

static void an_open_waits(void)
{
    HANDLE file = open_async(ALL);
    CHECK_EQUAL(ask(file, LEVEL_1), STATUS_PENDING);
    CHECK_EQUAL(ask(file, LEVEL_1), STATUS_OPLOCK_NOT_GRANTED);
    CHECK_EQUAL(NtClose(file), 0);

    file = open_async(ALL);
    CHECK_EQUAL(ask(file, LEVEL_1), STATUS_PENDING);
    somebody_opens(FILE_READ_ATTRIBUTES, FILE_OPEN);
    CHECK(has_come(1000) && other.status == 0 && !is_broken());
    somebody_opens(READ, FILE_OPEN);
    CHECK(!has_come(50));
    CHECK(is_broken());
    CHECK_EQUAL(granted.Status, 0);
    CHECK_EQUAL(granted.Information, TO_LEVEL_2);
    CHECK_EQUAL(ask(file, ACKNOWLEDGE), STATUS_PENDING);
    CHECK(has_come(1000) && other.status == 0);
    CHECK_EQUAL(answer(file, ACKNOWLEDGE), STATUS_INVALID_OPLOCK_PROTOCOL);
    CHECK(!is_broken());
    somebody_opens(ALL, FILE_OVERWRITE);
    CHECK(has_come(1000) && other.status == 0 && is_broken());
    CHECK_EQUAL(granted.Information, TO_NONE);
    CHECK_EQUAL(NtClose(file), 0);
}

static void a_batch_is_closed(void)
{
    HANDLE file = create(NAME, ALL, FILE_OPEN_IF, 0, 0);
    CHECK_EQUAL(ask(file, BATCH), STATUS_PENDING);
    somebody_opens(READ, FILE_OPEN);
    CHECK(!has_come(50) && is_broken());
    CHECK_EQUAL(answer(file, CLOSE_PENDING), 0);
    CHECK(!has_come(50));
    CHECK_EQUAL(NtClose(file), 0);
    CHECK(has_come(1000));
    CHECK_EQUAL(other.status, 0);

    file = create(NAME, ALL, FILE_OPEN_IF, 0, 0);
    CHECK_EQUAL(ask(file, BATCH), STATUS_PENDING);
    somebody_opens(READ, FILE_OPEN);
    CHECK(!has_come(50) && is_broken());
    CHECK_EQUAL(answer(file, ACK_NO_2), 0);
    CHECK(has_come(1000));
    CHECK_EQUAL(other.status, STATUS_SHARING_VIOLATION);
    CHECK_EQUAL(NtClose(file), 0);
}

static void who_does_not_wait(void)
{
    HANDLE file = open_async(ALL);
    CHECK_EQUAL(ask(file, LEVEL_1), STATUS_PENDING);
    other.options = FILE_COMPLETE_IF_OPLOCKED;
    somebody_opens(READ, FILE_OPEN);
    CHECK(has_come(1000) && is_broken());
    CHECK_EQUAL(other.status, STATUS_OPLOCK_BREAK_IN_PROGRESS);
    other.options = 0;
    CHECK_EQUAL(answer(file, ACK_NO_2), 0);
    CHECK_EQUAL(NtClose(file), 0);
}

static void writes_break_level_2(void)
{
    LARGE_INTEGER start = {.QuadPart = 0};
    IO_STATUS_BLOCK block;
    HANDLE file = open_async(ALL), writer;
    CHECK_EQUAL(ask(file, LEVEL_2), STATUS_PENDING);
    writer = create(NAME, ALL, FILE_OPEN_IF, FILE_SHARE_ALL, SYNC);
    CHECK(!is_broken());
    CHECK_EQUAL(NtWriteFile(writer, NULL, NULL, NULL, &block, "abc", 3, &start, NULL), 0);
    CHECK(is_broken());
    CHECK_EQUAL(granted.Information, TO_NONE);
    CHECK_EQUAL(ask(file, LEVEL_2), STATUS_PENDING);
    CHECK_EQUAL(NtWriteFile(writer, NULL, NULL, NULL, &block, "abc", 3, NULL, NULL), 0);
    CHECK(is_broken());
    CHECK_EQUAL(ask(file, LEVEL_2), STATUS_PENDING);
    CHECK_EQUAL(NtCancelIoFile(file, &block), 0);
    CHECK_EQUAL(granted.Status, STATUS_CANCELLED);
    CHECK_EQUAL(NtClose(writer), 0);
    CHECK_EQUAL(NtClose(file), 0);
}

static void filters_let_readers_pass(void)
{
    HANDLE file = open_async(FILE_READ_DATA);
    CHECK_EQUAL(ask(file, FILTER), STATUS_PENDING);
    somebody_opens(READ, FILE_OPEN);
    CHECK(has_come(1000) && other.status == 0 && !is_broken());
    somebody_opens(ALL, FILE_OPEN);
    CHECK(!has_come(50) && is_broken());
    CHECK_EQUAL(granted.Information, TO_NONE);
    CHECK_EQUAL(answer(file, ACKNOWLEDGE), 0);
    CHECK(has_come(1000));
    CHECK_EQUAL(NtClose(file), 0);
}

void start(void)
{
    CHECK_EQUAL(NtCreateEvent(&broken, EVENT_ALL_ACCESS, NULL, SynchronizationEvent, FALSE), 0);
    nothing_to_grant();
    an_open_waits();
    a_batch_is_closed();
    who_does_not_wait();
    writes_break_level_2();
    filters_let_readers_pass();
    finish();
}
