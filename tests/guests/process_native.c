/* Children made as XP's kernel32 makes them: a section, NtCreateProcessEx, parameters written
 * into the child, a stack, NtCreateThread.  The last word of the command line says what a child
 * does: e ends at once, w waits; m makes two hundred that end.
 */
#include "nt.h"

typedef struct {
    PVOID TransferAddress;
    ULONG ZeroBits, MaximumStackSize, CommittedStackSize, SubSystemType;
    UCHAR rest[0x1c];
} SECTION_IMAGE_INFORMATION;
SIZE_IS(SECTION_IMAGE_INFORMATION, 0x30);

typedef struct {
    NTSTATUS ExitStatus;
    PEB *PebBaseAddress;
    ULONG AffinityMask, BasePriority;
    ULONG UniqueProcessId, InheritedFromUniqueProcessId;
} PROCESS_BASIC_INFORMATION;

enum {
    STATUS_PROCESS_IS_TERMINATING = (int)0xc000010a,
    STATUS_SECTION_NOT_IMAGE = (int)0xc0000049,
    STATUS_INVALID_CID = (int)0xc000000b,
    STATUS_PARTIAL_COPY = (int)0x8000000d,
    STATUS_THREAD_IS_TERMINATING = (int)0xc000004b,
    ProcessBasicInformation = 0,
    PROCESS_TERMINATE = 1,
    PROCESS_VM_READ = 0x10,
    EXIT_OF_CHILD = 41,
    STACK = 0x10000,
};

static HANDLE section;
static SECTION_IMAGE_INFORMATION image;

typedef struct {
    HANDLE process, thread;
    CLIENT_ID id;
    PVOID stack;
} CHILD;

static void open_own_image(void)
{
    WCHAR path[260] = {'\\', '?', '?', '\\'};
    UNICODE_STRING own = NtCurrentPeb()->ProcessParameters->ImagePathName;
    UNICODE_STRING name = {own.Length + 8, sizeof path, path};
    OBJECT_ATTRIBUTES attributes = named(&name);
    IO_STATUS_BLOCK io;
    HANDLE file;

    memcpy(path + 4, own.Buffer, own.Length);
    CHECK_EQUAL(NtOpenFile(&file, 0x100021, &attributes, &io, FILE_SHARE_READ,
                           FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE), 0);
    CHECK_EQUAL(NtCreateSection(&section, SECTION_ALL_ACCESS, NULL, NULL, PAGE_EXECUTE, SEC_IMAGE,
                                file), 0);
    CHECK_EQUAL(NtClose(file), 0);
    CHECK_EQUAL(NtQuerySection(section, 1, &image, sizeof image, NULL), 0);
}

static PVOID allocate(HANDLE process, SIZE_T size, ULONG protect)
{
    PVOID base = NULL;
    CHECK_EQUAL(NtAllocateVirtualMemory(process, &base, 0, &size, MEM_COMMIT | MEM_RESERVE, protect), 0);
    return base;
}

/* The parameters behind each other in one block, with pointers as they will be in the child. */
static void write_parameters(HANDLE process, PEB *peb, PWSTR command, SIZE_T length)
{
    static UCHAR block[0x800];
    RTL_USER_PROCESS_PARAMETERS *own = NtCurrentPeb()->ProcessParameters;
    RTL_USER_PROCESS_PARAMETERS *given = (PVOID)block;
    PUCHAR there = allocate(process, sizeof block, PAGE_READWRITE);
    SIZE_T at = 0x290;

    memset(block, 0, sizeof block);
    given->MaximumLength = given->Length = sizeof block;
    given->Flags = 1;
    given->StandardInput = own->StandardInput;
    given->StandardOutput = own->StandardOutput;
    given->StandardError = own->StandardError;
    memcpy(block + at, own->ImagePathName.Buffer, own->ImagePathName.Length);
    given->ImagePathName = (UNICODE_STRING){own->ImagePathName.Length, own->ImagePathName.Length + 2,
                                            (PWSTR)(there + at)};
    at += own->ImagePathName.Length + 4;
    memcpy(block + at, command, length);
    given->CommandLine = (UNICODE_STRING){length, length + 2, (PWSTR)(there + at)};
    CHECK_EQUAL(NtWriteVirtualMemory(process, there, block, sizeof block, NULL), 0);
    CHECK_EQUAL(NtWriteVirtualMemory(process, &peb->ProcessParameters, &there, 4, NULL), 0);
}

static CHILD start_child(PWSTR command, SIZE_T length, BOOLEAN suspended)
{
    CHILD child;
    PROCESS_BASIC_INFORMATION basic;
    CONTEXT context = {.ContextFlags = CONTEXT_FULL};
    INITIAL_TEB stack = {0};

    CHECK_EQUAL(NtCreateProcessEx(&child.process, PROCESS_ALL_ACCESS, NULL, NtCurrentProcess(), 4,
                                  section, NULL, NULL, 0), 0);
    CHECK_EQUAL(NtQueryInformationProcess(child.process, ProcessBasicInformation, &basic,
                                          sizeof basic, NULL), 0);
    CHECK_EQUAL(basic.ExitStatus, STATUS_PENDING);
    CHECK_EQUAL(basic.InheritedFromUniqueProcessId, NtCurrentTeb()->ClientId.UniqueProcess);
    write_parameters(child.process, basic.PebBaseAddress, command, length);
    child.stack = stack.AllocatedStackBase = allocate(child.process, STACK, PAGE_READWRITE);
    stack.StackLimit = child.stack;
    stack.StackBase = (PUCHAR)child.stack + STACK;
    context.SegFs = 0x38, context.SegEs = context.SegDs = context.SegSs = 0x20;
    context.SegCs = 0x18, context.EFlags = 0x200;
    context.Eip = (ULONG)image.TransferAddress;
    context.Esp = (ULONG)stack.StackBase - 16;
    CHECK_EQUAL(NtCreateThread(&child.thread, THREAD_ALL_ACCESS, NULL, child.process, &child.id,
                               &context, &stack, suspended), 0);
    CHECK_EQUAL(child.id.UniqueProcess, basic.UniqueProcessId);
    return child;
}

#define START(text, suspended) start_child((PWSTR)(text), sizeof(text) - 2, suspended)

static NTSTATUS wait(HANDLE handle) { return NtWaitForSingleObject(handle, FALSE, NULL); }

static NTSTATUS exit_status(HANDLE process)
{
    PROCESS_BASIC_INFORMATION basic = {0};
    CHECK_EQUAL(NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof basic,
                                          NULL), 0);
    return basic.ExitStatus;
}

static void close(CHILD child)
{
    CHECK_EQUAL(NtClose(child.thread), 0);
    CHECK_EQUAL(NtClose(child.process), 0);
}

static void child_that_ends(void)
{
    CHILD child = START(L"child e", FALSE);
    CHECK_EQUAL(wait(child.process), 0);
    CHECK_EQUAL(wait(child.thread), 0);
    CHECK_EQUAL(exit_status(child.process), EXIT_OF_CHILD);
    close(child);
}

static void a_dead_process_stays_while_it_is_held(void)
{
    CHILD child = START(L"child e", FALSE);
    OBJECT_ATTRIBUTES none = {.Length = sizeof none};
    CLIENT_ID id = {child.id.UniqueProcess, NULL}, both = child.id;
    HANDLE again, thread;
    PVOID base = NULL;
    SIZE_T size = 0x1000;
    UCHAR byte;

    CHECK_EQUAL(wait(child.process), 0);
    CHECK_EQUAL(NtOpenProcess(&again, PROCESS_ALL_ACCESS, &none, &id), 0);
    CHECK_EQUAL(exit_status(again), EXIT_OF_CHILD);
    CHECK_EQUAL(NtTerminateProcess(again, 7), STATUS_PROCESS_IS_TERMINATING);
    CHECK_EQUAL(exit_status(again), EXIT_OF_CHILD);
    CHECK_EQUAL(NtReadVirtualMemory(again, child.stack, &byte, 1, NULL),
                STATUS_PROCESS_IS_TERMINATING);
    CHECK_EQUAL(NtAllocateVirtualMemory(again, &base, 0, &size, MEM_COMMIT, PAGE_READWRITE),
                STATUS_PROCESS_IS_TERMINATING);
    CHECK_EQUAL(NtOpenThread(&thread, THREAD_ALL_ACCESS, &none, &both), 0);
    CHECK_EQUAL(NtSuspendThread(thread, NULL), STATUS_THREAD_IS_TERMINATING);
    CHECK_EQUAL(NtClose(thread), 0);
    CHECK_EQUAL(NtClose(again), 0);
    close(child);
    CHECK_EQUAL(NtOpenProcess(&again, PROCESS_ALL_ACCESS, &none, &id), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtOpenThread(&thread, THREAD_ALL_ACCESS, &none, &both), STATUS_INVALID_CID);
}

static void child_that_is_ended(void)
{
    CHILD child = START(L"child w", FALSE);
    LARGE_INTEGER little = {.QuadPart = -200000};
    HANDLE weak;

    CHECK_EQUAL(NtWaitForSingleObject(child.process, FALSE, &little), STATUS_TIMEOUT);
    CHECK_EQUAL(NtDuplicateObject(NtCurrentProcess(), child.process, NtCurrentProcess(), &weak,
                                  PROCESS_VM_READ, 0, 0), 0);
    CHECK_EQUAL(NtTerminateProcess(weak, 5), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtClose(weak), 0);
    CHECK_EQUAL(NtTerminateProcess(child.process, 0x12345678), 0);
    CHECK_EQUAL(wait(child.process), 0);
    CHECK_EQUAL(exit_status(child.process), 0x12345678);
    close(child);
}

static void child_that_is_changed_before_it_runs(void)
{
    CHILD child = START(L"child e", TRUE);
    CONTEXT context = {.ContextFlags = CONTEXT_FULL};
    LARGE_INTEGER little = {.QuadPart = -200000};
    ULONG count = 9;
    UCHAR stub[] = {0xbb, 0x4d, 0, 0, 0, 0xeb, 0xfe};   /* mov ebx,4dh / jmp $ */
    PVOID code = allocate(child.process, 0x1000, PAGE_EXECUTE_READWRITE);

    CHECK_EQUAL(NtWaitForSingleObject(child.process, FALSE, &little), STATUS_TIMEOUT);
    CHECK_EQUAL(NtGetContextThread(child.thread, &context), 0);
    CHECK_EQUAL(context.Eip, image.TransferAddress);
    CHECK_EQUAL(NtWriteVirtualMemory(child.process, code, stub, sizeof stub, NULL), 0);
    context.Eip = (ULONG)code;
    CHECK_EQUAL(NtSetContextThread(child.thread, &context), 0);
    CHECK_EQUAL(NtSuspendThread(child.thread, &count), 0);
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(NtResumeThread(child.thread, &count), 0);
    CHECK_EQUAL(count, 2);
    CHECK_EQUAL(NtWaitForSingleObject(child.process, FALSE, &little), STATUS_TIMEOUT);
    CHECK_EQUAL(NtResumeThread(child.thread, &count), 0);
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(NtDelayExecution(FALSE, &little), 0);
    CHECK_EQUAL(NtSuspendThread(child.thread, NULL), 0);
    CHECK_EQUAL(NtGetContextThread(child.thread, &context), 0);
    CHECK_EQUAL(context.Ebx, 0x4d);
    CHECK_EQUAL(context.Eip, (ULONG)code + 5);
    CHECK_EQUAL(NtTerminateThread(child.thread, 6), 0);
    CHECK_EQUAL(exit_status(child.process), 6);
    close(child);
}

static void memory_of_another_process(void)
{
    CHILD child = START(L"child e", TRUE);
    MEMORY_BASIC_INFORMATION basic;
    PUCHAR page = allocate(child.process, 0x2000, PAGE_READWRITE);
    PVOID base = page + 0x1000;
    SIZE_T size = 0x1000, copied = 1;
    ULONG before, value = 0x600dcafe, read = 0;
    UCHAR two[0x1100];

    CHECK_EQUAL(NtWriteVirtualMemory(child.process, page, &value, 4, &copied), 0);
    CHECK_EQUAL(copied, 4);
    CHECK_EQUAL(NtReadVirtualMemory(child.process, page, &read, 4, &copied), 0);
    CHECK_EQUAL(read, 0x600dcafe);
    CHECK_EQUAL(NtProtectVirtualMemory(child.process, &base, &size, PAGE_NOACCESS, &before), 0);
    CHECK_EQUAL(before, PAGE_READWRITE);
    CHECK_EQUAL(NtReadVirtualMemory(child.process, page, two, sizeof two, &copied),
                STATUS_PARTIAL_COPY);
    CHECK_EQUAL(copied, 0x1000);
    CHECK_EQUAL(NtReadVirtualMemory(child.process, base, two, 4, &copied), STATUS_PARTIAL_COPY);
    CHECK_EQUAL(copied, 0);
    CHECK_EQUAL(NtReadVirtualMemory(child.process, (PVOID)0x80000000, two, 4, NULL),
                STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtQueryVirtualMemory(child.process, page, 0, &basic, sizeof basic, NULL), 0);
    CHECK_EQUAL(basic.RegionSize, 0x1000);
    CHECK_EQUAL(basic.State, MEM_COMMIT);
    CHECK_EQUAL(NtTerminateProcess(child.process, 0), 0);
    close(child);
}

static void sections_that_are_no_images(void)
{
    LARGE_INTEGER size = {.QuadPart = 0x1000};
    HANDLE data, process;
    CHECK_EQUAL(NtCreateSection(&data, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE, SEC_COMMIT,
                                NULL), 0);
    CHECK_EQUAL(NtCreateProcess(&process, PROCESS_ALL_ACCESS, NULL, NtCurrentProcess(), FALSE, data,
                                NULL, NULL), STATUS_SECTION_NOT_IMAGE);
    CHECK_EQUAL(NtClose(data), 0);
}

static void a_process_without_a_thread(void)
{
    HANDLE process, other;
    OBJECT_ATTRIBUTES none = {.Length = sizeof none};
    PROCESS_BASIC_INFORMATION basic;
    CLIENT_ID id = {NULL, NULL};

    CHECK_EQUAL(NtCreateProcess(&process, PROCESS_ALL_ACCESS, NULL, NtCurrentProcess(), FALSE,
                                section, NULL, NULL), 0);
    CHECK_EQUAL(NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof basic,
                                          NULL), 0);
    CHECK_EQUAL(NtClose(process), 0);
    id.UniqueProcess = (HANDLE)basic.UniqueProcessId;
    CHECK_EQUAL(NtOpenProcess(&other, PROCESS_ALL_ACCESS, &none, &id), STATUS_INVALID_PARAMETER);
}

void start(void)
{
    UNICODE_STRING command = NtCurrentPeb()->ProcessParameters->CommandLine;
    PWSTR end = command.Buffer + command.Length / 2;
    WCHAR last = command.Length > 4 && end[-2] == ' ' ? end[-1] : 0;
    LARGE_INTEGER forever = {.QuadPart = -10000000000000LL};

    if (last == 'e')
        exit_process(EXIT_OF_CHILD);
    if (last == 'w')
        NtDelayExecution(FALSE, &forever);
    open_own_image();
    if (last == 'm') {
        for (int i = 0; i < 200; i++)
            child_that_ends();
        finish();
    }
    child_that_ends();
    a_dead_process_stays_while_it_is_held();
    child_that_is_ended();
    child_that_is_changed_before_it_runs();
    memory_of_another_process();
    sections_that_are_no_images();
    a_process_without_a_thread();
    finish();
}
