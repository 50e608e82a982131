/* Threads through kernel32 and ntdll: their ends, suspension, APCs, alerts, contexts, priorities,
 * stacks, names, and what NtQueryInformationThread tells.
 */
#include "win32.h"

enum {
    STATUS_SUSPEND_COUNT_EXCEEDED = (int)0xc000004a,
    STATUS_INVALID_INFO_CLASS = (int)0xc0000003,
    ThreadBasicInformation = 0,
    ThreadAmILastThread = 12,
    ThreadIsTerminated = 20,
    ThreadHideFromDebugger = 17,
    ThreadSuspendCount = 35,
    ThreadNameInformation = 38,
};

typedef struct {
    NTSTATUS ExitStatus;
    TEB *TebBaseAddress;
    CLIENT_ID ClientId;
    ULONG AffinityMask;
    LONG Priority, BasePriority;
} THREAD_BASIC_INFORMATION;
SIZE_IS(THREAD_BASIC_INFORMATION, 0x1c);

static volatile ULONG counter, stop;
static HANDLE go;

static HANDLE begin(THREAD_ROUTINE *routine, PVOID parameter, DWORD flags)
{
    HANDLE thread = CreateThread(NULL, 0, routine, parameter, flags, NULL);
    CHECK(thread != NULL);
    return thread;
}

static DWORD end_of(HANDLE thread)
{
    DWORD code = 0x55;
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &code));
    CHECK(CloseHandle(thread));
    return code;
}

static DWORD WINAPI doubles(PVOID parameter) { return 2 * (DWORD)parameter; }
static DWORD WINAPI leaves(PVOID parameter) { ExitThread((DWORD)parameter); }

static DWORD WINAPI counts(PVOID parameter)
{
    while (!stop)
        counter++;
    return (DWORD)parameter;
}

static DWORD WINAPI sleeps(PVOID parameter)
{
    Sleep(INFINITE);
    return (DWORD)parameter;
}

static void ends(void)
{
    HANDLE threads[4], one;
    DWORD code;
    for (int i = 0; i < 4; i++)
        threads[i] = begin(doubles, (PVOID)i, 0);
    CHECK_EQUAL(WaitForMultipleObjects(4, threads, TRUE, INFINITE), WAIT_OBJECT_0);
    for (int i = 0; i < 4; i++)
        CHECK_EQUAL(end_of(threads[i]), 2 * i);
    CHECK_EQUAL(end_of(begin(leaves, (PVOID)77, 0)), 77);
    one = begin(sleeps, NULL, 0);
    CHECK_EQUAL(WaitForSingleObject(one, 100), WAIT_TIMEOUT);
    CHECK(GetExitCodeThread(one, &code));
    CHECK_EQUAL(code, STILL_ACTIVE);
    CHECK(TerminateThread(one, 99));
    CHECK_EQUAL(end_of(one), 99);
}

static void suspension(void)
{
    HANDLE thread = begin(counts, (PVOID)5, CREATE_SUSPENDED);
    ULONG before, count = 9;

    Sleep(100);
    CHECK_EQUAL(counter, 0);
    CHECK_EQUAL(SuspendThread(thread), 1);
    CHECK_EQUAL(ResumeThread(thread), 2);
    CHECK_EQUAL(NtQueryInformationThread(thread, ThreadSuspendCount, &count, 4, NULL), 0);
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(ResumeThread(thread), 1);
    CHECK_EQUAL(ResumeThread(thread), 0);
    Sleep(100);
    CHECK_EQUAL(SuspendThread(thread), 0);
    before = counter;
    CHECK(before > 0);
    Sleep(100);
    CHECK_EQUAL(counter, before);
    for (int i = 1; i < 127; i++)
        NtSuspendThread(thread, NULL);
    CHECK_EQUAL(NtSuspendThread(thread, NULL), STATUS_SUSPEND_COUNT_EXCEEDED);
    for (int i = 0; i < 127; i++)
        NtResumeThread(thread, NULL);
    stop = 1;
    CHECK_EQUAL(end_of(thread), 5);
    stop = 0;
}

static DWORD WINAPI suspends_itself(PVOID parameter)
{
    DWORD before = SuspendThread((HANDLE)-2);
    return before + (DWORD)parameter;
}

static DWORD WINAPI waits(PVOID parameter) { return WaitForSingleObject((HANDLE)parameter, INFINITE) + 3; }

static void suspension_of_who_stands(void)
{
    HANDLE thread = begin(suspends_itself, (PVOID)11, 0);
    CHECK_EQUAL(WaitForSingleObject(thread, 100), WAIT_TIMEOUT);
    CHECK_EQUAL(ResumeThread(thread), 1);
    CHECK_EQUAL(end_of(thread), 11);

    thread = begin(waits, go, 0);
    Sleep(100);
    CHECK_EQUAL(SuspendThread(thread), 0);
    CHECK_EQUAL(NtSetEvent(go, NULL), 0);
    CHECK_EQUAL(WaitForSingleObject(thread, 100), WAIT_TIMEOUT);
    CHECK_EQUAL(ResumeThread(thread), 1);
    CHECK_EQUAL(end_of(thread), 3);
}

static ULONG trail;
static void WINAPI adds(ULONG_PTR digit) { trail = trail * 10 + digit; }

static DWORD WINAPI sleeps_alertably(PVOID parameter) { return SleepEx((DWORD)parameter, TRUE); }

static void apcs(void)
{
    HANDLE thread = begin(sleeps_alertably, (PVOID)INFINITE, 0);
    LARGE_INTEGER now = {.QuadPart = 0};

    Sleep(100);
    trail = 0;
    CHECK(QueueUserAPC(adds, thread, 4));
    CHECK_EQUAL(end_of(thread), WAIT_IO_COMPLETION);
    CHECK_EQUAL(trail, 4);
    trail = 0;
    for (int i = 1; i <= 3; i++)
        CHECK(QueueUserAPC(adds, (HANDLE)-2, i));
    CHECK_EQUAL(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
    CHECK_EQUAL(trail, 123);
    CHECK_EQUAL(SleepEx(0, TRUE), 0);
    CHECK(QueueUserAPC(adds, (HANDLE)-2, 9));
    CHECK_EQUAL(NtDelayExecution(FALSE, &now), 0);
    CHECK_EQUAL(trail, 123);
    CHECK_EQUAL(NtTestAlert(), 0);
    CHECK_EQUAL(trail, 1239);
    thread = begin(doubles, (PVOID)4, CREATE_SUSPENDED);
    trail = 0;
    CHECK(QueueUserAPC(adds, thread, 6));       /* before its first instruction */
    CHECK_EQUAL(ResumeThread(thread), 1);
    CHECK_EQUAL(end_of(thread), 8);
    CHECK_EQUAL(trail, 6);
}

static DWORD WINAPI waits_alertably(PVOID parameter)
{
    return NtWaitForSingleObject((HANDLE)parameter, TRUE, NULL);
}

static void alerts(void)
{
    HANDLE thread = begin(waits_alertably, go, 0);
    LARGE_INTEGER long_time = {.QuadPart = -100000000};

    Sleep(100);
    CHECK_EQUAL(NtAlertThread(thread), 0);
    CHECK_EQUAL(end_of(thread), STATUS_ALERTED);
    CHECK_EQUAL(NtAlertThread(NtCurrentThread()), 0);
    CHECK_EQUAL(NtDelayExecution(TRUE, &long_time), STATUS_ALERTED);
    CHECK_EQUAL(NtAlertThread(NtCurrentThread()), 0);
    CHECK_EQUAL(NtTestAlert(), STATUS_ALERTED);
    CHECK_EQUAL(NtTestAlert(), 0);
}

static __attribute__((naked)) DWORD WINAPI keeps_ebx(PVOID parameter __attribute__((unused)))
{
    __asm__("pushl %ebx\n\t"
            "movl $0x1234567, %ebx\n"
            "0:\tcmpl $0x7654321, %ebx\n\t"
            "jne 0b\n\t"
            "movl %ebx, %eax\n\t"
            "popl %ebx\n\t"
            "ret $4");
}

static void contexts(void)
{
    HANDLE thread = begin(keeps_ebx, NULL, 0);
    CONTEXT context = {.ContextFlags = CONTEXT_FULL};
    Sleep(100);
    CHECK_EQUAL(SuspendThread(thread), 0);
    CHECK(GetThreadContext(thread, &context));
    CHECK_EQUAL(context.Ebx, 0x1234567);
    CHECK_EQUAL(context.SegCs, 0x1b);
    CHECK(context.Eip - (ULONG)keeps_ebx < 0x20);
    context.Ebx = 0x7654321;
    CHECK(SetThreadContext(thread, &context));
    CHECK_EQUAL(ResumeThread(thread), 1);
    CHECK_EQUAL(end_of(thread), 0x7654321);
}

static void priorities(void)
{
    static const int values[] = {THREAD_PRIORITY_HIGHEST, THREAD_PRIORITY_LOWEST, THREAD_PRIORITY_IDLE,
                                 THREAD_PRIORITY_TIME_CRITICAL, THREAD_PRIORITY_NORMAL};
    HANDLE low = begin(counts, NULL, CREATE_SUSPENDED);

    for (int i = 0; i < 5; i++) {
        CHECK(SetThreadPriority((HANDLE)-2, values[i]));
        CHECK_EQUAL(GetThreadPriority((HANDLE)-2), values[i]);
    }
    CHECK(!SetThreadPriority((HANDLE)-2, 7));
    CHECK_EQUAL(GetLastError(), ERROR_INVALID_PARAMETER);
    counter = 0;
    CHECK(SetThreadPriority(low, THREAD_PRIORITY_IDLE));
    CHECK_EQUAL(ResumeThread(low), 1);
    for (volatile int i = 0; i < 2000000; i++)      /* several quanta: the better thread keeps on */
        ;
    CHECK_EQUAL(counter, 0);
    stop = 1;
    CHECK_EQUAL(end_of(low), 0);
    stop = 0;
}

static PVOID of_its_stack;
static DWORD WINAPI shows_its_stack(PVOID parameter)
{
    of_its_stack = &parameter;
    return (DWORD)NtCurrentTeb();
}

static void stacks(void)
{
    MEMORY_BASIC_INFORMATION basic;
    HANDLE thread = begin(shows_its_stack, NULL, 0);
    PVOID teb = (PVOID)end_of(thread);
    CHECK(VirtualQuery(of_its_stack, &basic, sizeof basic));
    CHECK_EQUAL(basic.State, MEM_FREE);
    CHECK(VirtualQuery(teb, &basic, sizeof basic));
    CHECK_EQUAL(basic.State, MEM_FREE);
    thread = CreateThread(NULL, 0x300000, shows_its_stack, NULL, CREATE_SUSPENDED | 0x10000, NULL);
    CHECK(thread != NULL);
    CHECK_EQUAL(ResumeThread(thread), 1);
    CHECK(end_of(thread) != 0);
}

static DWORD WINAPI uses_tls(PVOID parameter)
{
    DWORD index = (DWORD)parameter;
    if (TlsGetValue(index))
        return 1;
    TlsSetValue(index, (PVOID)0x99);
    NtSetEvent(go, NULL);
    Sleep(300);
    return (DWORD)TlsGetValue(index);
}

static void thread_local_storage(void)
{
    DWORD index = TlsAlloc();
    HANDLE thread = begin(uses_tls, (PVOID)index, 0);
    CHECK(TlsSetValue(index, (PVOID)0x11));
    CHECK_EQUAL(WaitForSingleObject(go, INFINITE), 0);
    CHECK(TlsFree(index));                      /* clears the cell of every thread */
    CHECK_EQUAL(TlsAlloc(), index);
    CHECK_EQUAL(TlsGetValue(index), 0);
    CHECK_EQUAL(end_of(thread), 0);
}

static void what_is_told(void)
{
    THREAD_BASIC_INFORMATION basic;
    UNICODE_STRING name = USTR(L"worker");
    struct { UNICODE_STRING string; WCHAR text[20]; } told;
    ULONG length, last = 7, terminated = 7;
    UCHAR hidden = 7;
    HANDLE thread = begin(sleeps, NULL, 0);

    CHECK_EQUAL(NtQueryInformationThread(thread, ThreadBasicInformation, &basic, sizeof basic, &length), 0);
    CHECK_EQUAL(length, sizeof basic);
    CHECK_EQUAL(basic.ExitStatus, STATUS_PENDING);
    CHECK_EQUAL(basic.ClientId.UniqueProcess, GetCurrentProcessId());
    CHECK_EQUAL(basic.AffinityMask, 1);
    CHECK_EQUAL(basic.TebBaseAddress->ClientId.UniqueThread, basic.ClientId.UniqueThread);
    CHECK_EQUAL(NtQueryInformationThread(thread, ThreadBasicInformation, &basic, 0x1b, NULL),
                STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(NtQueryInformationThread(thread, 999, &basic, 4, NULL), STATUS_INVALID_INFO_CLASS);
    CHECK_EQUAL(NtQueryInformationThread(NtCurrentThread(), ThreadAmILastThread, &last, 4, NULL), 0);
    CHECK_EQUAL(last, 0);
    CHECK_EQUAL(NtSetInformationThread(thread, ThreadNameInformation, &name, sizeof name), 0);
    CHECK_EQUAL(NtQueryInformationThread(thread, ThreadNameInformation, &told, sizeof told, &length), 0);
    CHECK_EQUAL(told.string.Length, 12);
    CHECK(!memcmp(told.string.Buffer, L"worker", 12));
    CHECK_EQUAL(NtSetInformationThread(thread, ThreadHideFromDebugger, NULL, 0), 0);
    CHECK_EQUAL(NtQueryInformationThread(thread, ThreadHideFromDebugger, &hidden, 1, NULL), 0);
    CHECK_EQUAL(hidden, 1);
    CHECK(TerminateThread(thread, 1));
    CHECK_EQUAL(NtQueryInformationThread(thread, ThreadIsTerminated, &terminated, 4, NULL), 0);
    CHECK_EQUAL(terminated, 1);
    CHECK_EQUAL(end_of(thread), 1);
}

/* As many threads as a day may bring, one after another: what they took is there again. */
static void many_threads(void)
{
    for (int i = 0; i < 100; i++)
        CHECK_EQUAL(end_of(begin(doubles, (PVOID)i, 0)), 2 * i);
}

void start(void)
{
    CHECK_EQUAL(NtCreateEvent(&go, EVENT_ALL_ACCESS, NULL, SynchronizationEvent, FALSE), 0);
    ends();
    suspension();
    suspension_of_who_stands();
    apcs();
    alerts();
    contexts();
    priorities();
    stacks();
    thread_local_storage();
    what_is_told();
    many_threads();
    finish();
}
