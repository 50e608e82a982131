/* Timers, their APCs, keyed events and event pairs of one thread. */
#include "nt.h"

enum {
    TIMER_QUERY_STATE = 1, TIMER_MODIFY_STATE = 2, TimerBasicInformation = 0,
    STATUS_TIMER_RESUME_IGNORED = 0x40000025,
    STATUS_INVALID_PARAMETER_1 = (int)0xc00000ef, STATUS_INVALID_PARAMETER_6 = (int)0xc00000f4,
    STATUS_INVALID_INFO_CLASS = (int)0xc0000003,
    MS = -10000,
};

typedef struct { LARGE_INTEGER RemainingTime; BOOLEAN TimerState; } TIMER_BASIC_INFORMATION;
SIZE_IS(TIMER_BASIC_INFORMATION, 0x10);

NTSYSAPI NTSTATUS NTAPI NtQueryTimer(HANDLE, ULONG, PVOID, ULONG, PULONG);
NTSYSAPI NTSTATUS NTAPI NtOpenTimer(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtCreateKeyedEvent(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, ULONG);
NTSYSAPI NTSTATUS NTAPI NtWaitForKeyedEvent(HANDLE, PVOID, BOOLEAN, PLARGE_INTEGER);
NTSYSAPI NTSTATUS NTAPI NtReleaseKeyedEvent(HANDLE, PVOID, BOOLEAN, PLARGE_INTEGER);
NTSYSAPI NTSTATUS NTAPI NtCreateEventPair(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtSetHighEventPair(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtWaitHighEventPair(HANDLE);

static LARGE_INTEGER in(LONG milliseconds)
{
    return (LARGE_INTEGER){.QuadPart = (LONGLONG)milliseconds * MS};
}

static NTSTATUS wait(HANDLE object, LONG milliseconds)
{
    LARGE_INTEGER limit = in(milliseconds);
    return NtWaitForSingleObject(object, FALSE, &limit);
}

static HANDLE timer(TIMER_TYPE type)
{
    HANDLE made = NULL;
    CHECK_EQUAL(NtCreateTimer(&made, TIMER_ALL_ACCESS, NULL, type), 0);
    return made;
}

static void once(void)
{
    HANDLE one = timer(NotificationTimer);
    LARGE_INTEGER due = in(100), now;
    TIMER_BASIC_INFORMATION info;
    BOOLEAN before = 9;
    ULONG size;

    CHECK_EQUAL(NtSetTimer(one, &due, NULL, NULL, FALSE, 0, &before), 0);
    CHECK_EQUAL(before, FALSE);
    CHECK_EQUAL(NtQueryTimer(one, TimerBasicInformation, &info, sizeof info, &size), 0);
    CHECK(!info.TimerState && info.RemainingTime.QuadPart > 0);
    CHECK(info.RemainingTime.QuadPart <= 100 * 10000 && size == 16);
    CHECK_EQUAL(wait(one, 20), STATUS_TIMEOUT);
    CHECK_EQUAL(wait(one, 1000), 0);
    CHECK_EQUAL(wait(one, 0), 0);
    CHECK_EQUAL(NtQueryTimer(one, TimerBasicInformation, &info, sizeof info, NULL), 0);
    CHECK(info.TimerState && info.RemainingTime.QuadPart <= 0);
    CHECK_EQUAL(NtSetTimer(one, &due, NULL, NULL, FALSE, 0, &before), 0);
    CHECK_EQUAL(before, TRUE);
    CHECK_EQUAL(NtCancelTimer(one, &before), 0);
    CHECK_EQUAL(before, FALSE);
    CHECK_EQUAL(wait(one, 300), STATUS_TIMEOUT);
    CHECK_EQUAL(NtQuerySystemTime(&now), 0);
    CHECK_EQUAL(NtSetTimer(one, &now, NULL, NULL, TRUE, 0, NULL), STATUS_TIMER_RESUME_IGNORED);
    CHECK_EQUAL(wait(one, 100), 0);
    CHECK_EQUAL(NtSetTimer(one, &due, NULL, NULL, FALSE, -1, NULL), STATUS_INVALID_PARAMETER_6);
    CHECK_EQUAL(NtSetTimer(one, (PVOID)8, NULL, NULL, FALSE, 0, NULL), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtQueryTimer(one, 7, &info, sizeof info, NULL), STATUS_INVALID_INFO_CLASS);
    CHECK_EQUAL(NtQueryTimer(one, 0, &info, 8, NULL), STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(NtClose(one), 0);
}

static void again_and_again(void)
{
    HANDLE one = timer(SynchronizationTimer);
    LARGE_INTEGER due = in(50), start, end;

    NtQuerySystemTime(&start);
    CHECK_EQUAL(NtSetTimer(one, &due, NULL, NULL, FALSE, 50, NULL), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQUAL(wait(one, 1000), 0);
    NtQuerySystemTime(&end);
    CHECK(end.QuadPart - start.QuadPart >= 5 * 50 * 10000 - 160000);
    CHECK(end.QuadPart - start.QuadPart <= 5 * 70 * 10000);
    CHECK_EQUAL(NtCancelTimer(one, NULL), 0);
    wait(one, 0);
    CHECK_EQUAL(wait(one, 200), STATUS_TIMEOUT);
    CHECK_EQUAL(NtClose(one), 0);
}

static ULONG calls;
static PVOID context_seen;

static void NTAPI called(PVOID context, ULONG low, LONG high)
{
    calls++;
    context_seen = context;
    CHECK(low || high);
}

static void routines(void)
{
    HANDLE one = timer(NotificationTimer);
    LARGE_INTEGER due = in(30), limit = in(1000);

    CHECK_EQUAL(NtSetTimer(one, &due, called, (PVOID)77, FALSE, 0, NULL), 0);
    CHECK_EQUAL(wait(one, 1000), 0);
    CHECK_EQUAL(calls, 0);
    CHECK_EQUAL(NtDelayExecution(TRUE, &limit), STATUS_USER_APC);
    CHECK_EQUAL(calls, 1);
    CHECK_EQUAL(context_seen, 77);
    CHECK_EQUAL(NtSetTimer(one, &due, called, NULL, FALSE, 30, NULL), 0);
    CHECK_EQUAL(wait(one, 1000), 0);
    due = in(200);
    CHECK_EQUAL(NtDelayExecution(FALSE, &due), 0);
    CHECK_EQUAL(NtTestAlert(), 0);
    CHECK_EQUAL(calls, 2); /* one call at a time waits for its thread */
    CHECK_EQUAL(NtCancelTimer(one, NULL), 0);
    CHECK_EQUAL(NtTestAlert(), 0);
    CHECK_EQUAL(calls, 2);
    due = in(30);
    CHECK_EQUAL(NtSetTimer(one, &due, called, NULL, FALSE, 0, NULL), 0);
    CHECK_EQUAL(wait(one, 1000), 0);
    CHECK_EQUAL(NtClose(one), 0); /* which takes the call back */
    CHECK_EQUAL(NtTestAlert(), 0);
    CHECK_EQUAL(calls, 2);
}

static void named_ones(void)
{
    UNICODE_STRING name = USTR(L"\\BaseNamedObjects\\clock");
    OBJECT_ATTRIBUTES attributes = named(&name);
    LARGE_INTEGER due = in(1);
    HANDLE made, opened;

    CHECK_EQUAL(NtCreateTimer(&made, TIMER_ALL_ACCESS, &attributes, NotificationTimer), 0);
    CHECK_EQUAL(NtOpenTimer(&opened, TIMER_QUERY_STATE, &attributes), 0);
    CHECK_EQUAL(NtSetTimer(opened, &due, NULL, NULL, FALSE, 0, NULL), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(wait(opened, 0), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtSetTimer(made, (PVOID)&due, NULL, NULL, FALSE, 0, NULL), 0);
    NtClose(opened), NtClose(made);
}

static void keyed_events(void)
{
    LARGE_INTEGER limit = in(30);
    HANDLE keyed, pair;

    CHECK_EQUAL(NtCreateKeyedEvent(&keyed, 3, NULL, 0), 0);
    CHECK_EQUAL(NtWaitForKeyedEvent(keyed, (PVOID)0x101, FALSE, &limit),
        STATUS_INVALID_PARAMETER_1);
    CHECK_EQUAL(NtWaitForKeyedEvent(keyed, (PVOID)0x100, FALSE, &limit), STATUS_TIMEOUT);
    CHECK_EQUAL(NtReleaseKeyedEvent(keyed, (PVOID)0x100, FALSE, &limit), STATUS_TIMEOUT);
    CHECK_EQUAL(NtReleaseKeyedEvent(keyed, (PVOID)0x100, FALSE, (PVOID)3), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtClose(keyed), 0);
    CHECK_EQUAL(NtCreateEventPair(&pair, 0x1f0000, NULL), 0);
    CHECK_EQUAL(NtSetHighEventPair(pair), 0);
    CHECK_EQUAL(NtWaitHighEventPair(pair), 0);
    CHECK_EQUAL(NtClose(pair), 0);
}

static void signal_and_wait(void)
{
    HANDLE event, mutant, semaphore;
    LARGE_INTEGER limit = in(10);

    NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, SynchronizationEvent, FALSE);
    NtCreateMutant(&mutant, MUTANT_ALL_ACCESS, NULL, TRUE);
    NtCreateSemaphore(&semaphore, SEMAPHORE_ALL_ACCESS, NULL, 1, 1);
    CHECK_EQUAL(NtSignalAndWaitForSingleObject(event, event, FALSE, &limit), 0);
    CHECK_EQUAL(NtSignalAndWaitForSingleObject(event, mutant, FALSE, &limit), 0);
    CHECK_EQUAL(NtSignalAndWaitForSingleObject(mutant, event, FALSE, &limit), 0);
    CHECK_EQUAL(NtSignalAndWaitForSingleObject(mutant, event, FALSE, &limit), STATUS_TIMEOUT);
    CHECK_EQUAL(NtSignalAndWaitForSingleObject(mutant, event, FALSE, &limit),
        STATUS_MUTANT_NOT_OWNED);
    CHECK_EQUAL(NtSignalAndWaitForSingleObject(semaphore, event, FALSE, &limit),
        STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    CHECK_EQUAL(NtSignalAndWaitForSingleObject(NtCurrentProcess(), event, FALSE, &limit),
        STATUS_OBJECT_TYPE_MISMATCH);
    NtClose(event), NtClose(mutant), NtClose(semaphore);
}

void start(void)
{
    once();
    again_and_again();
    routines();
    named_ones();
    keyed_events();
    signal_and_wait();
    finish();
}
