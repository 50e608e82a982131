/* Waits for objects and messages together: any of them, or all at once. */
#include "user32.h"

enum { QS_POSTED = 8 };

static HANDLE events[2];
static ULONG waiter;

static DWORD wait(ULONG count, BOOL all, DWORD time)
{
    return MsgWaitForMultipleObjects(count, events, all, time, QS_POSTED);
}

static void clear(void)
{
    MSG message;
    while (PeekMessageW(&message, NULL, 0, 0, 1))
        ;
}

static DWORD WINAPI later(PVOID unused)
{
    LARGE_INTEGER pause = {.QuadPart = -500000};
    NtDelayExecution(FALSE, &pause);
    CHECK(PostThreadMessageW(waiter, WM_USER, 0, 0));
    NtDelayExecution(FALSE, &pause);
    CHECK_EQUAL(NtSetEvent(events[1], NULL), 0);
    NtDelayExecution(FALSE, &pause);
    CHECK_EQUAL(NtSetEvent(events[0], NULL), 0);
    return (DWORD)unused;
}

void start(void)
{
    MSG message;
    waiter = (ULONG)NtCurrentTeb()->ClientId.UniqueThread;
    for (int i = 0; i < 2; i++)
        CHECK_EQUAL(NtCreateEvent(&events[i], EVENT_ALL_ACCESS, NULL, SynchronizationEvent, 0), 0);
    PeekMessageW(&message, NULL, 0, 0, 0);

    CHECK_EQUAL(wait(2, TRUE, 20), WAIT_TIMEOUT);
    NtSetEvent(events[0], NULL), NtSetEvent(events[1], NULL);
    CHECK_EQUAL(wait(2, TRUE, 20), WAIT_TIMEOUT); /* no message */
    CHECK(PostThreadMessageW(waiter, WM_USER, 0, 0));
    CHECK_EQUAL(wait(2, TRUE, 20), WAIT_OBJECT_0);
    CHECK_EQUAL(wait(2, TRUE, 20), WAIT_TIMEOUT); /* the message is there still, the events not */
    NtSetEvent(events[1], NULL);
    CHECK_EQUAL(wait(2, TRUE, 0), WAIT_TIMEOUT);
    CHECK_EQUAL(wait(2, FALSE, 0), WAIT_OBJECT_0 + 1); /* all had not taken one of them */
    CHECK_EQUAL(wait(0, TRUE, 0), WAIT_OBJECT_0);
    clear();
    CHECK_EQUAL(wait(0, TRUE, 0), WAIT_TIMEOUT);

    HANDLE thread = CreateThread(NULL, 0, later, NULL, 0, NULL);
    CHECK_EQUAL(wait(2, TRUE, INFINITE), WAIT_OBJECT_0);
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    finish();
}
