/* Hidden windows and controls, messages of procedures and threads, timers; GDI's stock objects. */
#include "user32.h"

static WCHAR name[] = u"ntgate test";
static int received, destroyed;
static ULONG created;

static LONG WINAPI procedure(HANDLE window, ULONG message, ULONG wparam, ULONG lparam)
{
    switch (message) {
    case WM_NCCREATE:
    case WM_CREATE:
        created = *(ULONG *)((CREATESTRUCTW *)lparam)->lpCreateParams;
        break;
    case WM_USER:
        received++;
        return wparam + lparam;
    case WM_USER + 1: { /* the kernel calls a procedure while it serves one */
        ULONG deeper = wparam - 1;
        if (!wparam)
            return 0;
        HANDLE other = CreateWindowExW(0, name, NULL, 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, NULL, &deeper);
        LONG below = SendMessageW(other, WM_USER + 1, deeper, 0);
        CHECK(DestroyWindow(other));
        return below + 1;
    }
    case WM_TIMER:
        CHECK(KillTimer(window, wparam));
        PostQuitMessage(wparam);
        return 0;
    case WM_DESTROY:
        destroyed++;
        break;
    }
    return DefWindowProcW(window, message, wparam, lparam);
}

static ULONG depth, deepest;

static LONG WINAPI nesting(HANDLE window, ULONG message, ULONG wparam, ULONG lparam)
{
    if (message != WM_CREATE)
        return DefWindowProcW(window, message, wparam, lparam);
    ULONG_PTR left = (ULONG_PTR)((CREATESTRUCTW *)lparam)->lpCreateParams;
    if (++depth > deepest)
        deepest = depth;
    HANDLE other = left ? CreateWindowExW(0, u"nesting", NULL, 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, NULL,
                                          (PVOID)(left - 1)) : NULL;
    if (other)
        CHECK(DestroyWindow(other));
    depth--;
    return 0;
}

/* Each level has a frame of its own on the kernel stack, which grows, and not for ever. */
static void callbacks_within_callbacks(void)
{
    WNDCLASSW nests = {.lpfnWndProc = nesting, .lpszClassName = u"nesting"};
    CHECK(RegisterClassW(&nests));
    HANDLE window = CreateWindowExW(0, u"nesting", NULL, 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, NULL, (PVOID)40);
    CHECK(DestroyWindow(window));
    CHECK_EQUAL(deepest, 41);
    window = CreateWindowExW(0, u"nesting", NULL, 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, NULL, (PVOID)400);
    CHECK(DestroyWindow(window));
    CHECK(deepest < 400);
}

static WINDOW_PROCEDURE *former;

static LONG WINAPI subclass(HANDLE window, ULONG message, ULONG wparam, ULONG lparam)
{
    if (message == WM_USER)
        wparam *= 10;
    return CallWindowProcW(former, window, message, wparam, lparam);
}

static DWORD WINAPI sender(PVOID window)
{
    return SendMessageW(window, WM_USER, 30, 12);
}

static DWORD WINAPI pump(PVOID ready)
{
    MSG message;
    PeekMessageW(&message, NULL, 0, 0, 0);
    NtSetEvent(ready, NULL);
    CHECK_EQUAL(GetMessageW(&message, NULL, 0, 0), 1);
    CHECK_EQUAL(message.message, WM_USER + 9);
    CHECK_EQUAL(message.wParam, 8);
    CHECK_EQUAL(GetMessageW(&message, NULL, 0, 0), 0);
    return message.wParam;
}

static void threads(HANDLE window)
{
    MSG message;
    DWORD id, code;
    HANDLE event, thread = CreateThread(NULL, 0, sender, window, 0, &id);
    int before = received;
    while (MsgWaitForMultipleObjects(1, &thread, 0, INFINITE, QS_ALLINPUT) != WAIT_OBJECT_0)
        while (PeekMessageW(&message, NULL, 0, 0, PM_REMOVE))
            DispatchMessageW(&message);
    CHECK(GetExitCodeThread(thread, &code));
    CHECK_EQUAL(code, 42);
    CHECK_EQUAL(received, before + 1);

    CHECK_EQUAL(NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, SynchronizationEvent, 0), 0);
    thread = CreateThread(NULL, 0, pump, event, 0, &id);
    CHECK_EQUAL(WaitForSingleObject(event, INFINITE), WAIT_OBJECT_0);
    CHECK(PostThreadMessageW(id, WM_USER + 9, 8, 0));
    CHECK(PostThreadMessageW(id, WM_QUIT, 3, 0));
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &code));
    CHECK_EQUAL(code, 3);
    CHECK(!PostThreadMessageW(id, WM_USER, 0, 0));
    CHECK_EQUAL(GetLastError(), ERROR_INVALID_THREAD_ID);
}

static void gdi(void)
{
    LOGBRUSH brush;
    HANDLE screen = GetDC(NULL), memory = CreateCompatibleDC(screen), red = CreateSolidBrush(0xff);
    CHECK_EQUAL(GetDeviceCaps(screen, LOGPIXELSX), 96);
    CHECK_EQUAL(GetObjectW(red, sizeof brush, &brush), sizeof brush);
    CHECK_EQUAL(brush.lbColor, 0xff);
    CHECK_EQUAL(SelectObject(memory, red), GetStockObject(WHITE_BRUSH));
    CHECK_EQUAL(SelectObject(memory, GetStockObject(BLACK_BRUSH)), red);
    CHECK(DeleteObject(red));
    CHECK_EQUAL(GetObjectW(red, sizeof brush, &brush), 0);
    CHECK(DeleteDC(memory));
    CHECK(ReleaseDC(NULL, screen));
}

static void keys(void)
{
    UCHAR state[256];
    memset(state, 1, sizeof state);
    CHECK(GetKeyboardState(state));
    for (ULONG i = 0; i < sizeof state; i++)
        CHECK_EQUAL(state[i], 0);
}

void start(void)
{
    WNDCLASSW class = {.lpfnWndProc = procedure, .cbWndExtra = 8, .lpszClassName = name};
    ULONG value = 42;
    WCHAR text[20];
    MSG message;
    HANDLE window;

    class.hInstance = GetModuleHandleW(NULL);
    CHECK(RegisterClassW(&class));
    CHECK_EQUAL(RegisterClassW(&class), 0);
    CHECK_EQUAL(GetLastError(), ERROR_CLASS_ALREADY_EXISTS);
    CHECK_EQUAL(CreateWindowExW(0, u"nosuch class", u"", 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL), 0);

    window = CreateWindowExW(0, name, u"title", 0, 1, 2, 30, 40, HWND_MESSAGE, NULL, NULL, &value);
    CHECK(window && IsWindow(window));
    CHECK_EQUAL(created, 42);
    CHECK_EQUAL(GetWindowTextW(window, text, 20), 5);
    CHECK_EQUAL(text[4], 'e');
    CHECK(SetWindowTextW(window, u"another"));
    CHECK_EQUAL(GetWindowTextW(window, text, 4), 3);
    CHECK_EQUAL(GetClassNameW(window, text, 20), 11);
    SetWindowLongW(window, 4, 1234);
    SetWindowLongW(window, GWL_USERDATA, 77);
    CHECK_EQUAL(GetWindowLongW(window, 4), 1234);
    CHECK_EQUAL(GetWindowLongW(window, GWL_USERDATA), 77);
    CHECK_EQUAL(GetWindowLongW(window, 8), 0);
    CHECK_EQUAL(GetLastError(), ERROR_INVALID_INDEX);
    CHECK_EQUAL(SendMessageW(window, WM_USER, 3, 4), 7);
    CHECK_EQUAL(SendMessageW(window, WM_USER + 1, 3, 0), 3);
    CHECK_EQUAL(destroyed, 3);
    CHECK(PostMessageW(window, WM_USER, 1, 1));
    CHECK(PeekMessageW(&message, window, WM_USER, WM_USER, PM_REMOVE));
    CHECK_EQUAL(DispatchMessageW(&message), 2);
    CHECK(!PeekMessageW(&message, NULL, 0, 0, PM_REMOVE));

    HANDLE edit = CreateWindowExW(0, u"EDIT", u"of user32", 0, 0, 0, 9, 9, NULL, NULL, NULL, NULL);
    CHECK_EQUAL(SendMessageW(edit, WM_GETTEXT, 20, (ULONG)text), 9);
    CHECK(DestroyWindow(edit));
    former = (WINDOW_PROCEDURE *)SetWindowLongW(window, GWL_WNDPROC, (LONG)subclass);
    CHECK_EQUAL(former, procedure);
    CHECK_EQUAL(SendMessageW(window, WM_USER, 3, 4), 34);
    CHECK_EQUAL(SetWindowLongW(window, GWL_WNDPROC, (LONG)former), subclass);
    callbacks_within_callbacks();
    keys();
    threads(window);
    gdi();

    CHECK_EQUAL(SetTimer(window, 9, 20, NULL), 9);
    while (GetMessageW(&message, NULL, 0, 0))
        DispatchMessageW(&message);
    CHECK_EQUAL(message.wParam, 9);
    SendMessageW(window, WM_CLOSE, 0, 0);
    CHECK(!IsWindow(window));
    CHECK(UnregisterClassW(name, class.hInstance));
    CHECK_EQUAL(NtCallbackReturn(NULL, 0, 0), STATUS_NO_CALLBACK_ACTIVE);
    finish();
}
