/* One call of each kind that a trace has to show: what the tests of ntgate trace look at.
 *
 * It works in the current folder and prints nothing but `passed`.
 */
#include "nt.h"

enum {
    FileBasicInformation = 4,
    FileStandardInformation = 5,
    FileDispositionInformation = 13,
    KeyValuePartialInformation = 2,
    MemoryBasicInformation = 0,
    REG_SZ = 1,
    REG_DWORD = 4,
    STACK = 0x4000,
};

static HANDLE wake;

static void files(void)
{
    static const CHAR text[] = "line one\r\n\x01\xff\"\\ and a tail that is longer than the limit";
    UNICODE_STRING name = USTR(L"\\Device\\Null"), missing = USTR(L"\\??\\C:\\no such\x2028 file");
    OBJECT_ATTRIBUTES attributes = named(&name);
    LARGE_INTEGER offset = {.QuadPart = 16};
    IO_STATUS_BLOCK io;
    HANDLE file;

    CHECK_EQUAL(NtCreateFile(&file, FILE_GENERIC_READ | FILE_GENERIC_WRITE, &attributes, &io, NULL,
                             FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN,
                             FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0), 0);
    CHECK_EQUAL(NtWriteFile(file, NULL, NULL, NULL, &io, text, sizeof text - 1, &offset, NULL), 0);
    CHECK_EQUAL(NtWriteFile(file, NULL, NULL, NULL, &io, L"wide text", 18, NULL, NULL), 0);
    CHECK_EQUAL(NtWriteFile(file, NULL, NULL, NULL, (PVOID)0x10, text, 1, NULL, NULL),
                STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtClose(file), 0);
    attributes = named(&missing);
    CHECK_EQUAL(NtOpenFile(&file, FILE_GENERIC_READ, &attributes, &io, 0, 0),
                STATUS_OBJECT_NAME_NOT_FOUND);
}

static void registry(void)
{
    UNICODE_STRING name = USTR(L"\\Registry\\Machine\\Software\\Traced"), text = USTR(L"text");
    UNICODE_STRING number = USTR(L"number");
    OBJECT_ATTRIBUTES attributes = named(&name);
    ULONG value = 0x1234, length, answer[16];
    HANDLE key;

    CHECK_EQUAL(NtCreateKey(&key, KEY_ALL_ACCESS, &attributes, 0, NULL, 0, NULL), 0);
    CHECK_EQUAL(NtSetValueKey(key, &number, 0, REG_DWORD, &value, sizeof value), 0);
    CHECK_EQUAL(NtSetValueKey(key, &text, 0, REG_SZ, L"some text", 20), 0);
    CHECK_EQUAL(NtQueryValueKey(key, &text, KeyValuePartialInformation, answer, sizeof answer,
                                &length), 0);
    CHECK_EQUAL(NtClose(key), 0);
}

static void memory(void)
{
    MEMORY_BASIC_INFORMATION about;
    PVOID base = NULL;
    SIZE_T size = 0x2345;
    ULONG before;

    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size,
                                        MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE), 0);
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), base, MemoryBasicInformation, &about,
                                     sizeof about, NULL), 0);
    CHECK_EQUAL(NtProtectVirtualMemory(NtCurrentProcess(), &base, &size,
                                       PAGE_READONLY | PAGE_GUARD, &before), 0);
    size = 0;
    CHECK_EQUAL(NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE), 0);
}

static void gates(void)
{
    CHECK_EQUAL(direct_sysenter(SERVICE_NUMBER(NtClose), 0x1234), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(direct_int2e(SERVICE_NUMBER(NtClose), 0x5678), STATUS_INVALID_HANDLE);
}

static void second_thread(void)
{
    LARGE_INTEGER delay = {.QuadPart = -300000};

    CHECK_EQUAL(NtDelayExecution(FALSE, &delay), 0);
    CHECK_EQUAL(NtSetEvent(wake, NULL), 0);
    NtTerminateThread(NtCurrentThread(), 7);
}

static void threads(void)
{
    PVOID base = NULL;
    SIZE_T size = STACK;
    CONTEXT context = {.ContextFlags = CONTEXT_FULL, .SegCs = 0x1b, .SegDs = 0x23, .SegEs = 0x23,
                       .SegSs = 0x23, .SegFs = 0x3b, .EFlags = 0x202};
    INITIAL_TEB stack = {0};
    CLIENT_ID id;
    HANDLE thread;

    CHECK_EQUAL(NtCreateEvent(&wake, EVENT_ALL_ACCESS, NULL, SynchronizationEvent, FALSE), 0);
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size,
                                        MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE), 0);
    stack.StackBase = (UCHAR *)base + STACK;
    stack.StackLimit = stack.AllocatedStackBase = base;
    context.Eip = (ULONG)second_thread;
    context.Esp = (ULONG)stack.StackBase - 16;
    CHECK_EQUAL(NtCreateThread(&thread, THREAD_ALL_ACCESS, NULL, NtCurrentProcess(), &id, &context,
                               &stack, FALSE), 0);
    CHECK_EQUAL(NtWaitForSingleObject(wake, FALSE, NULL), 0);
    CHECK_EQUAL(NtWaitForSingleObject(thread, FALSE, NULL), 0);
    CHECK_EQUAL(NtClose(thread), 0);
}

void start(void)
{
    files();
    registry();
    memory();
    gates();
    threads();
    finish();
}
