/* Waits for objects and messages together, any of them or all at once, and for messages alone: a
 * timer that is due ends only those that it has a message for.  Messages to everybody.
 */
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

static DWORD WINAPI owner(PVOID window)
{
    LARGE_INTEGER pause = {.QuadPart = -500000};
    MSG message;
    *(HANDLE *)window =
        CreateWindowExW(0, L"STATIC", L"", 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, NULL, NULL);
    CHECK_EQUAL(NtSetEvent(events[0], NULL), 0);
    NtDelayExecution(FALSE, &pause);
    while (GetMessageW(&message, NULL, 0, 0))
        DispatchMessageW(&message);
    return 0;
}

/* With a timer of 10 ms that nobody takes a message of. */
static void past_a_timer(void)
{
    MSG message;
    HANDLE window, threads[2];
    clear();
    ULONG timer = SetTimer(NULL, 0, 10, NULL);
    CHECK(timer);
    CHECK_EQUAL(wait(0, FALSE, 50), WAIT_TIMEOUT);
    CHECK_EQUAL(wait(2, TRUE, 50), WAIT_TIMEOUT);

    threads[0] = CreateThread(NULL, 0, later, NULL, 0, NULL);
    CHECK_EQUAL(GetMessageW(&message, NULL, WM_USER, WM_USER), 1);
    CHECK_EQUAL(message.message, WM_USER);
    CHECK_EQUAL(WaitForSingleObject(threads[0], INFINITE), WAIT_OBJECT_0);
    CHECK_EQUAL(WaitForSingleObject(events[0], 0), WAIT_OBJECT_0);
    CHECK_EQUAL(WaitForSingleObject(events[1], 0), WAIT_OBJECT_0);

    threads[1] = CreateThread(NULL, 0, owner, &window, 0, NULL);
    CHECK_EQUAL(WaitForSingleObject(events[0], INFINITE), WAIT_OBJECT_0);
    CHECK_EQUAL(SendMessageW(window, WM_USER, 0, 0), 0);
    CHECK(PostMessageW(window, WM_QUIT, 0, 0));
    CHECK_EQUAL(WaitForSingleObject(threads[1], INFINITE), WAIT_OBJECT_0);

    CHECK_EQUAL(GetMessageW(&message, NULL, 0, 0), 1);
    CHECK_EQUAL(message.message, WM_TIMER);
    CHECK(KillTimer(NULL, timer));
    clear();
}

static HANDLE heard[8];
static ULONG hearers;

static LONG WINAPI hears(HANDLE window, ULONG message, ULONG wparam, ULONG lparam)
{
    LARGE_INTEGER pause = {.QuadPart = -1000000};
    if (message == WM_USER + 1)
        NtDelayExecution(FALSE, &pause);
    if (wparam != 0x1234)
        return DefWindowProcW(window, message, wparam, lparam);
    heard[hearers++] = window;
    return 7;
}

static HANDLE new_window(ULONG style, HANDLE parent)
{
    return CreateWindowExW(0, L"Hears", L"", style, 0, 0, 9, 9, parent, NULL, NULL, NULL);
}

static DWORD WINAPI other_owner(PVOID window)
{
    MSG message;
    *(HANDLE *)window = new_window(WS_POPUP, NULL);
    CHECK_EQUAL(NtSetEvent(events[0], NULL), 0);
    while (GetMessageW(&message, NULL, 0, 0))
        DispatchMessageW(&message);
    return 0;
}

static BOOL hear(HANDLE window)
{
    for (ULONG i = 0; i < hearers; i++)
        if (heard[i] == window)
            return TRUE;
    return FALSE;
}

static void to_everybody(void)
{
    WNDCLASSW class = {.lpfnWndProc = hears, .lpszClassName = L"Hears"};
    HANDLE own, owned, child, hidden, others, thread;
    ULONG answer = 0;
    MSG message;
    CHECK(RegisterClassW(&class));
    CHECK(own = new_window(0, NULL));
    CHECK(owned = new_window(WS_POPUP, own));
    CHECK(child = new_window(WS_CHILD, own));
    CHECK(hidden = new_window(0, HWND_MESSAGE));
    thread = CreateThread(NULL, 0, other_owner, &others, 0, NULL);
    CHECK_EQUAL(WaitForSingleObject(events[0], INFINITE), WAIT_OBJECT_0);

    CHECK_EQUAL(SendMessageTimeoutW(own, WM_USER, 0x1234, 0, 0, 2000, &answer), 1);
    CHECK_EQUAL(answer, 7);
    answer = 0;
    CHECK_EQUAL(SendMessageTimeoutW(others, WM_USER, 0x1234, 0, 0, 2000, &answer), 1);
    CHECK_EQUAL(answer, 7);
    CHECK_EQUAL(SendMessageTimeoutW(others, WM_USER + 1, 0, 0, 0, 20, &answer), 0);
    CHECK_EQUAL(SendMessageTimeoutW(GetDesktopWindow(), WM_USER, 0, 0, 0, 20, &answer), 1);
    hearers = 0;
    CHECK_EQUAL(SendMessageTimeoutW(HWND_BROADCAST, 0x3ff, 0x1234, 0, 0, 2000, &answer), 1);
    CHECK(hear(own) && hear(owned) && hear(others));
    CHECK(!hear(child) && !hear(hidden));
    CHECK_EQUAL(hearers, 3);
    SendMessageW(HWND_BROADCAST, 0xc000, 0x1234, 0);
    CHECK_EQUAL(hearers, 6);
    CHECK_EQUAL(SendMessageTimeoutW(HWND_BROADCAST, WM_USER, 0x1234, 0, 0, 2000, &answer), 1);
    CHECK(PostMessageW(HWND_BROADCAST, WM_USER, 0x1234, 0));
    CHECK_EQUAL(PeekMessageW(&message, NULL, WM_USER, WM_USER, PM_REMOVE), 0);
    CHECK_EQUAL(hearers, 6);

    CHECK(PostMessageW(others, WM_QUIT, 0, 0));
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
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

    past_a_timer();
    to_everybody();
    finish();
}
