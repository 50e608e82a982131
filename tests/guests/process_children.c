/* Child processes through kernel32: exit codes, pipes, what a child inherits, jobs, and reaching
 * into a child.  The first letter of the second word says what a child does.
 */
#include "win32.h"

static WCHAR self[260];

static ULONG length(const WCHAR *text)
{
    ULONG count = 0;
    while (text[count])
        count++;
    return count;
}

/* The command line `X WORDS`, which CreateProcessW may write into. */
static PWSTR command(const WCHAR *words)
{
    static WCHAR line[300];
    ULONG size = length(words);
    line[0] = 'X', line[1] = ' ';
    memcpy(line + 2, words, 2 * size + 2);
    return line;
}

static PROCESS_INFORMATION start_child(const WCHAR *words, BOOL inherit, DWORD flags, STARTUPINFO *startup)
{
    STARTUPINFO plain = {.cb = sizeof plain};
    PROCESS_INFORMATION child = {0};
    CHECK(CreateProcessW(self, command(words), NULL, NULL, inherit, flags, NULL, NULL,
                         startup ? startup : &plain, &child));
    return child;
}

static DWORD end_of(PROCESS_INFORMATION child)
{
    DWORD code = 0x55;
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, INFINITE), WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(child.hProcess, &code));
    CHECK(CloseHandle(child.hThread));
    CHECK(CloseHandle(child.hProcess));
    return code;
}

static void exit_codes(void)
{
    DWORD code = 0;
    PROCESS_INFORMATION child = start_child(L"e", FALSE, 0, NULL);
    CHECK_EQUAL(end_of(child), 'e');
    child = start_child(L"w", FALSE, 0, NULL);
    CHECK(GetExitCodeProcess(child.hProcess, &code));
    CHECK_EQUAL(code, STILL_ACTIVE);
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 100), WAIT_TIMEOUT);
    CHECK(TerminateProcess(child.hProcess, 77));
    CHECK_EQUAL(end_of(child), 77);
    child = start_child(L"c", FALSE, 0, NULL);
    CHECK_EQUAL(end_of(child), STATUS_ACCESS_VIOLATION);
}

static void several_at_once(void)
{
    PROCESS_INFORMATION child[3];
    HANDLE handles[3];
    for (int i = 0; i < 3; i++)
        child[i] = start_child(i == 1 ? L"e" : L"s", FALSE, 0, NULL), handles[i] = child[i].hProcess;
    CHECK_EQUAL(WaitForMultipleObjects(3, handles, FALSE, INFINITE), WAIT_OBJECT_0 + 1);
    CHECK_EQUAL(WaitForMultipleObjects(3, handles, TRUE, INFINITE), WAIT_OBJECT_0);
    for (int i = 0; i < 3; i++)
        CHECK_EQUAL(end_of(child[i]), i == 1 ? 'e' : 's');
}

/* What the child writes, up to the end of the pipe. */
static void read_all(HANDLE pipe, CHAR *text, ULONG size)
{
    DWORD got;
    ULONG at = 0;
    while (at < size - 1 && ReadFile(pipe, text + at, size - 1 - at, &got, NULL) && got)
        at += got;
    text[at] = 0;
    CHECK_EQUAL(GetLastError(), ERROR_BROKEN_PIPE);
}

static BOOLEAN same(const CHAR *left, const CHAR *right)
{
    return strlen(left) == strlen(right) && !memcmp(left, right, strlen(left));
}

static void output_through_a_pipe(void)
{
    SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};
    STARTUPINFO startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION child;
    HANDLE read, write, input, typed;
    CHAR text[100];
    DWORD got;

    CHECK(CreatePipe(&read, &write, &inheritable, 0));
    CHECK(CreatePipe(&input, &typed, &inheritable, 0));
    CHECK(SetHandleInformation(read, HANDLE_FLAG_INHERIT, 0));
    CHECK(SetHandleInformation(typed, HANDLE_FLAG_INHERIT, 0));
    startup.hStdInput = input, startup.hStdOutput = startup.hStdError = write;
    child = start_child(L"p", TRUE, 0, &startup);
    CHECK(CloseHandle(write) && CloseHandle(input));
    CHECK(WriteFile(typed, "typed", 5, &got, NULL) && CloseHandle(typed));
    read_all(read, text, sizeof text);
    CHECK(same(text, "child got typed"));
    CHECK(CloseHandle(read));
    CHECK_EQUAL(end_of(child), 'p');
}

static void what_is_inherited(void)
{
    SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};
    HANDLE read, write;
    WCHAR words[] = L"h        ";
    CHAR text[100];
    PROCESS_INFORMATION child;

    CHECK(CreatePipe(&read, &write, &inheritable, 0));
    CHECK(SetHandleInformation(read, HANDLE_FLAG_INHERIT, 0));
    for (int i = 0; i < 7; i++)
        words[2 + i] = '0' + ((ULONG)write >> (3 * (6 - i)) & 7);
    child = start_child(words, FALSE, 0, NULL);
    CHECK_EQUAL(end_of(child), ERROR_INVALID_HANDLE);
    child = start_child(words, TRUE, 0, NULL);
    CHECK(CloseHandle(write));
    read_all(read, text, sizeof text);
    CHECK(same(text, "inherited"));
    CHECK_EQUAL(end_of(child), 0);
    CHECK(CloseHandle(read));
}

static void environment_and_directory(void)
{
    STARTUPINFO startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child = {0};
    WCHAR block[] = L"GIVEN=by the block\0";

    CHECK(SetEnvironmentVariableW(L"GIVEN", L"by the parent"));
    CHECK_EQUAL(end_of(start_child(L"v", FALSE, 0, NULL)), 13);
    CHECK(CreateProcessW(self, command(L"v"), NULL, NULL, FALSE, CREATE_UNICODE_ENVIRONMENT, block,
                         NULL, &startup, &child));
    CHECK_EQUAL(end_of(child), 12);
    CHECK(CreateProcessW(self, command(L"d"), NULL, NULL, FALSE, 0, NULL, L"C:\\WINDOWS\\system32",
                         &startup, &child));
    CHECK_EQUAL(end_of(child), 19);
}

static void what_is_no_program(void)
{
    STARTUPINFO startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child;
    CHECK(!CreateProcessW(L"C:\\no such.exe", NULL, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child));
    CHECK_EQUAL(GetLastError(), ERROR_FILE_NOT_FOUND);
    CHECK(!CreateProcessW(L"C:\\WINDOWS\\system32\\kernel32.dll", NULL, NULL, NULL, FALSE, 0, NULL, NULL,
                          &startup, &child));
    CHECK_EQUAL(GetLastError(), ERROR_BAD_EXE_FORMAT);
}

static DWORD WINAPI in_the_child(PVOID parameter) { return (DWORD)parameter + 1; }

static void reaching_into_a_child(void)
{
    PROCESS_INFORMATION child = start_child(L"w", FALSE, CREATE_SUSPENDED, NULL);
    ULONG given = 0x1234, got = 0;
    DWORD code = 0;
    PVOID there = VirtualAllocEx(child.hProcess, NULL, 0x1000, MEM_COMMIT, PAGE_READWRITE);
    HANDLE thread, again;

    CHECK(there != NULL);
    CHECK(WriteProcessMemory(child.hProcess, there, &given, 4, NULL));
    CHECK(ReadProcessMemory(child.hProcess, there, &got, 4, NULL));
    CHECK_EQUAL(got, 0x1234);
    thread = CreateRemoteThread(child.hProcess, NULL, 0, in_the_child, (PVOID)0x99, 0, NULL);
    CHECK(thread != NULL);
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &code));
    CHECK_EQUAL(code, 0x9a);
    CHECK(CloseHandle(thread));
    again = OpenProcess(0x401, FALSE, child.dwProcessId);
    CHECK(again != NULL);
    SIZE_T copied = 7;                          /* without the right to read */
    CHECK(!ReadProcessMemory(again, there, &got, 4, &copied));
    CHECK_EQUAL(GetLastError(), ERROR_ACCESS_DENIED);
    CHECK_EQUAL(copied, 0);
    CHECK(TerminateProcess(again, 3));
    CHECK(CloseHandle(again));
    CHECK_EQUAL(end_of(child), 3);
}

/* The entry that the child's first thread will call, changed in its suspended CONTEXT. */
static void a_suspended_child_starts_elsewhere(void)
{
    PROCESS_INFORMATION child = start_child(L"e", FALSE, CREATE_SUSPENDED, NULL);
    CONTEXT context = {.ContextFlags = CONTEXT_FULL};
    CHECK(GetThreadContext(child.hThread, &context));
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 100), WAIT_TIMEOUT);
    context.Eax = (ULONG)in_the_child;
    CHECK(SetThreadContext(child.hThread, &context));
    CHECK_EQUAL(ResumeThread(child.hThread), 1);
    CHECK_EQUAL(end_of(child), context.Ebx + 1);    /* what the routine makes of the PEB */
}

static void priorities(void)
{
    PROCESS_INFORMATION child = start_child(L"w", FALSE, 0, NULL);
    LONGLONG creation, exit, kernel, user;
    CHECK_EQUAL(GetPriorityClass(child.hProcess), NORMAL_PRIORITY_CLASS);
    CHECK(SetPriorityClass(child.hProcess, IDLE_PRIORITY_CLASS));
    CHECK_EQUAL(GetPriorityClass(child.hProcess), IDLE_PRIORITY_CLASS);
    CHECK(GetProcessTimes(child.hProcess, &creation, &exit, &kernel, &user));
    CHECK(creation != 0);
    CHECK(TerminateProcess(child.hProcess, 0));
    CHECK_EQUAL(end_of(child), 0);
}

typedef struct {
    LONGLONG process_time, job_time;
    ULONG flags, least, most, active, affinity, priority, scheduling, pad;
    UCHAR io[0x30];
    ULONG process_memory, job_memory, peak_process, peak_job;
} EXTENDED_LIMIT;
SIZE_IS(EXTENDED_LIMIT, 0x70);

/* A child that takes memory of which the whole job has too little. */
static void memory_of_a_job(void)
{
    EXTENDED_LIMIT limit = {.flags = JOB_OBJECT_LIMIT_JOB_MEMORY, .job_memory = 0x600000}, now;
    struct { ULONG_PTR key; HANDLE port; } association = {1, NULL};
    HANDLE job = CreateJobObjectW(NULL, NULL);
    PROCESS_INFORMATION child = start_child(L"m", FALSE, CREATE_SUSPENDED, NULL);
    ULONG refusals = 0;
    DWORD message;
    ULONG_PTR key;
    PVOID overlapped;

    association.port = CreateIoCompletionPort((HANDLE)-1, NULL, 0, 1);
    CHECK(SetInformationJobObject(job, 7, &association, sizeof association));
    CHECK(SetInformationJobObject(job, 9, &limit, sizeof limit));
    CHECK(AssignProcessToJobObject(job, child.hProcess));
    CHECK_EQUAL(ResumeThread(child.hThread), 1);
    CHECK_EQUAL(end_of(child), 'm');
    CHECK(QueryInformationJobObject(job, 9, &now, sizeof now, NULL));
    CHECK_EQUAL(now.job_memory, 0x600000);
    CHECK(now.peak_job > 0x400000 && now.peak_job <= 0x600000);
    while (GetQueuedCompletionStatus(association.port, &message, &key, &overlapped, 0))
        if (message == 10 && overlapped == (PVOID)child.dwProcessId)
            refusals++;
    CHECK_EQUAL(refusals, 1);
    CHECK(CloseHandle(job));
    CHECK(CloseHandle(association.port));
}

static void jobs(void)
{
    EXTENDED_LIMIT limit = {.flags = JOB_OBJECT_LIMIT_ACTIVE_PROCESS | JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
                            .active = 2};
    struct { ULONG_PTR key; HANDLE port; } association = {0x77, NULL};
    struct { LONGLONG times[4]; ULONG faults, total, active, terminated; } accounting;
    struct { ULONG assigned, listed, ids[4]; } list;
    HANDLE job = CreateJobObjectW(NULL, NULL);
    PROCESS_INFORMATION one = start_child(L"w", FALSE, CREATE_SUSPENDED, NULL);
    PROCESS_INFORMATION two = start_child(L"w", FALSE, CREATE_SUSPENDED, NULL);
    PROCESS_INFORMATION three = start_child(L"w", FALSE, CREATE_SUSPENDED, NULL);
    BOOL inside = 7;
    DWORD bytes;
    ULONG_PTR key;
    PVOID overlapped;

    CHECK(job != NULL);
    association.port = CreateIoCompletionPort((HANDLE)-1, NULL, 0, 1);
    CHECK(SetInformationJobObject(job, 7, &association, sizeof association));
    CHECK(SetInformationJobObject(job, 9, &limit, sizeof limit));
    CHECK(AssignProcessToJobObject(job, one.hProcess));
    CHECK(!AssignProcessToJobObject(job, one.hProcess));
    CHECK_EQUAL(GetLastError(), ERROR_ACCESS_DENIED);
    CHECK(AssignProcessToJobObject(job, two.hProcess));
    CHECK(!AssignProcessToJobObject(job, three.hProcess));
    CHECK_EQUAL(GetLastError(), ERROR_NOT_ENOUGH_QUOTA);
    CHECK(IsProcessInJob(two.hProcess, job, &inside));
    CHECK_EQUAL(inside, TRUE);
    CHECK(IsProcessInJob(three.hProcess, NULL, &inside));
    CHECK_EQUAL(inside, FALSE);
    CHECK(QueryInformationJobObject(job, 1, &accounting, sizeof accounting, NULL));
    CHECK_EQUAL(accounting.total, 2);
    CHECK_EQUAL(accounting.active, 2);
    CHECK_EQUAL(accounting.terminated, 1);
    CHECK(QueryInformationJobObject(job, 3, &list, sizeof list, NULL));
    CHECK_EQUAL(list.listed, 2);
    CHECK_EQUAL(list.ids[1], two.dwProcessId);
    CHECK(GetQueuedCompletionStatus(association.port, &bytes, &key, &overlapped, 0));
    CHECK_EQUAL(bytes, 6);                      /* a new process */
    CHECK_EQUAL(key, 0x77);
    CHECK_EQUAL(overlapped, one.dwProcessId);
    CHECK_EQUAL(end_of(three), ERROR_NOT_ENOUGH_QUOTA); /* who finds it full is ended */
    CHECK(GetQueuedCompletionStatus(association.port, &bytes, &key, &overlapped, 0));
    CHECK_EQUAL(overlapped, two.dwProcessId);
    CHECK(GetQueuedCompletionStatus(association.port, &bytes, &key, &overlapped, 0));
    CHECK_EQUAL(bytes, 3);                      /* too many processes */
    CHECK_EQUAL(overlapped, 0);
    CHECK(TerminateJobObject(job, 21));
    CHECK_EQUAL(end_of(one), 21);
    CHECK_EQUAL(end_of(two), 21);
    CHECK(QueryInformationJobObject(job, 1, &accounting, sizeof accounting, NULL));
    CHECK_EQUAL(accounting.active, 0);

    limit.flags |= JOB_OBJECT_LIMIT_PROCESS_TIME;
    limit.process_time = 2000000;               /* 0.2 seconds of its own */
    CHECK(SetInformationJobObject(job, 9, &limit, sizeof limit));
    one = start_child(L"l", FALSE, CREATE_SUSPENDED, NULL);
    CHECK(AssignProcessToJobObject(job, one.hProcess));
    CHECK_EQUAL(ResumeThread(one.hThread), 1);
    CHECK_EQUAL(end_of(one), ERROR_NOT_ENOUGH_QUOTA);

    one = start_child(L"w", FALSE, 0, NULL);
    CHECK(AssignProcessToJobObject(job, one.hProcess));
    CHECK_EQUAL(WaitForSingleObject(one.hProcess, 100), WAIT_TIMEOUT);
    CHECK(CloseHandle(job));
    CHECK_EQUAL(end_of(one), 0);
    CHECK(CloseHandle(association.port));
}

static ULONG from_octal(const WCHAR *digits)
{
    ULONG value = 0;
    for (; *digits >= '0' && *digits <= '7'; digits++)
        value = value * 8 + *digits - '0';
    return value;
}

static void be_a_child(const WCHAR *words)
{
    WCHAR text[100];
    CHAR bytes[16];
    DWORD got = 0;

    switch (words[0]) {
    case 'c':
        *(volatile ULONG *)16 = 0;
        break;
    case 'd':
        ExitProcess(GetCurrentDirectoryW(100, text));
    case 'h':
        if (!WriteFile((HANDLE)from_octal(words + 2), "inherited", 9, &got, NULL))
            ExitProcess(GetLastError());
        ExitProcess(0);
    case 'l':
        for (;;)
            __asm__ volatile("");
    case 'm':
        if (!VirtualAllocEx((HANDLE)-1, NULL, 0x380000, MEM_COMMIT, PAGE_READWRITE))
            ExitProcess(1);
        if (VirtualAllocEx((HANDLE)-1, NULL, 0x380000, MEM_COMMIT, PAGE_READWRITE))
            ExitProcess(2);
        break;
    case 'p':
        ReadFile(GetStdHandle(STD_INPUT_HANDLE), bytes, sizeof bytes, &got, NULL);
        WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "child got ", 10, &(DWORD){0}, NULL);
        WriteFile(GetStdHandle(STD_ERROR_HANDLE), bytes, got, &got, NULL);
        break;
    case 's':
        Sleep(500);
        break;
    case 'v':
        ExitProcess(GetEnvironmentVariableW(L"GIVEN", text, 100));
    case 'w':
        Sleep(INFINITE);
    }
    ExitProcess(words[0]);
}

void start(void)
{
    PWSTR line = GetCommandLineW();
    if (line[0] == 'X' && line[1] == ' ')
        be_a_child(line + 2);
    GetModuleFileNameW(NULL, self, 260);
    exit_codes();
    several_at_once();
    output_through_a_pipe();
    what_is_inherited();
    environment_and_directory();
    what_is_no_program();
    reaching_into_a_child();
    a_suspended_child_starts_elsewhere();
    priorities();
    jobs();
    memory_of_a_job();
    finish();
}
