/* Painting: what is invalid, WM_PAINT when nothing else is there, BeginPaint; and hooks of a thread:
 * windows that are made and destroyed, messages that are taken, filters. */
#include "user32.h"

enum {
    WM_PAINT = 0xf, WM_ERASEBKGND = 0x14, WS_VISIBLE = 0x10000000,
    SW_SHOW = 5, WH_MSGFILTER = -1, WH_GETMESSAGE = 3, WH_CBT = 5, HCBT_CREATEWND = 3,
    HCBT_DESTROYWND = 4, ERROR_INVALID_HOOK_HANDLE = 1404, ERROR_INVALID_HOOK_FILTER = 1426,
};
typedef struct { int left, top, right, bottom; } RECT;
typedef struct { HANDLE hdc; BOOL fErase; RECT rcPaint; ULONG fRestore, fIncUpdate, reserved[8]; } PAINTSTRUCT;
typedef struct { CREATESTRUCTW *lpcs; HANDLE hwndInsertAfter; } CBT_CREATEWNDW;
typedef LONG WINAPI HOOK_PROCEDURE(int, ULONG, ULONG);

K32 HANDLE WINAPI BeginPaint(HANDLE, PAINTSTRUCT *);
K32 BOOL WINAPI EndPaint(HANDLE, const PAINTSTRUCT *);
K32 BOOL WINAPI GetUpdateRect(HANDLE, RECT *, BOOL erase);
K32 BOOL WINAPI InvalidateRect(HANDLE, const RECT *, BOOL erase);
K32 BOOL WINAPI ShowWindow(HANDLE, int);
K32 BOOL WINAPI UpdateWindow(HANDLE);
K32 BOOL WINAPI ValidateRect(HANDLE, const RECT *);
K32 LONG WINAPI CallNextHookEx(HANDLE, int, ULONG, ULONG);
K32 BOOL WINAPI CallMsgFilterW(MSG *, int);
K32 HANDLE WINAPI SetWindowsHookExW(int, HOOK_PROCEDURE *, HANDLE, DWORD);
K32 BOOL WINAPI UnhookWindowsHookEx(HANDLE);

static WCHAR name[] = u"ntgate painted";
static int painted, erased;
static RECT part;

static LONG WINAPI procedure(HANDLE window, ULONG message, ULONG wparam, ULONG lparam)
{
    PAINTSTRUCT paint;
    switch (message) {
    case WM_PAINT:
        painted++;
        CHECK(BeginPaint(window, &paint) != NULL && paint.hdc);
        part = paint.rcPaint;
        CHECK(EndPaint(window, &paint));
        return 0;
    case WM_ERASEBKGND:
        erased++;
        return 1;
    }
    return DefWindowProcW(window, message, wparam, lparam);
}

static void painting(HANDLE window)
{
    RECT rect, one = { 10, 20, 30, 40 }, two = { 5, 25, 15, 50 };
    MSG message;
    CHECK(!GetUpdateRect(window, &rect, 0)); /* hidden, nothing to do */
    ShowWindow(window, SW_SHOW);
    while (PeekMessageW(&message, NULL, 0, 0, PM_REMOVE))
        DispatchMessageW(&message);
    CHECK(painted >= 1 && erased >= 1);
    painted = erased = 0;
    CHECK(!GetUpdateRect(window, NULL, 0));

    CHECK(InvalidateRect(window, &one, 0) && InvalidateRect(window, &two, 0));
    CHECK(GetUpdateRect(window, &rect, 0));
    CHECK(rect.left == 5 && rect.top == 20 && rect.right == 30 && rect.bottom == 50);
    PostMessageW(window, WM_USER, 0, 0);
    CHECK(PeekMessageW(&message, NULL, 0, 0, PM_REMOVE) && message.message == WM_USER);
    CHECK(PeekMessageW(&message, NULL, 0, 0, PM_REMOVE) && message.message == WM_PAINT);
    DispatchMessageW(&message);
    CHECK(painted == 1 && !erased);
    CHECK(part.left == 5 && part.top == 20 && part.right == 30 && part.bottom == 50);
    CHECK(!PeekMessageW(&message, NULL, WM_PAINT, WM_PAINT, PM_REMOVE));

    CHECK(InvalidateRect(window, NULL, 1));
    CHECK(UpdateWindow(window)); /* at once */
    CHECK(painted == 2 && erased == 1);
    CHECK(InvalidateRect(window, &one, 1) && ValidateRect(window, NULL));
    CHECK(!GetUpdateRect(window, NULL, 0) && UpdateWindow(window));
    CHECK_EQUAL(painted, 2);
}

static HANDLE made, below, above;
static int refuse, taken, filtered, order;

static LONG WINAPI watch(int code, ULONG wparam, ULONG lparam)
{
    if (code == HCBT_CREATEWND) {
        CREATESTRUCTW *create = ((CBT_CREATEWNDW *)lparam)->lpcs;
        made = (HANDLE)wparam;
        CHECK(create->cx == 90 && create->lpszName[0] == 'T' && create->lpszClass[0] == 'n');
        return refuse;
    }
    if (code == HCBT_DESTROYWND)
        return refuse;
    return CallNextHookEx(NULL, code, wparam, lparam);
}

static LONG WINAPI lower(int code, ULONG wparam, ULONG lparam)
{
    CHECK_EQUAL(order++, 1);
    if (((MSG *)lparam)->message == WM_USER + 1)
        taken++;
    return CallNextHookEx(below, code, wparam, lparam);
}

static LONG WINAPI upper(int code, ULONG wparam, ULONG lparam)
{
    order = 1;
    if (((MSG *)lparam)->message == WM_USER + 1)
        ((MSG *)lparam)->wParam++;
    return CallNextHookEx(above, code, wparam, lparam);
}

static LONG WINAPI filter(int code, ULONG wparam, ULONG lparam)
{
    filtered = code + wparam + ((MSG *)lparam)->message;
    return 1;
}

static HANDLE another(void)
{
    return CreateWindowExW(0, name, u"Title", WS_POPUP, 0, 0, 90, 90, NULL, NULL, NULL, NULL);
}

static void hooks(DWORD thread)
{
    MSG message = { 0 };
    HANDLE cbt = SetWindowsHookExW(WH_CBT, watch, NULL, thread);
    HANDLE window = another();
    CHECK(cbt && window && made == window);
    refuse = 1;
    CHECK_EQUAL(another(), NULL);
    CHECK(!DestroyWindow(window) && IsWindow(window));
    refuse = 0;

    below = SetWindowsHookExW(WH_GETMESSAGE, lower, NULL, thread);
    above = SetWindowsHookExW(WH_GETMESSAGE, upper, NULL, thread);
    PostMessageW(window, WM_USER + 1, 4, 0);
    CHECK(PeekMessageW(&message, window, WM_USER + 1, WM_USER + 1, PM_REMOVE));
    CHECK(taken == 1 && message.wParam == 5);
    CHECK(UnhookWindowsHookEx(above) && UnhookWindowsHookEx(below));
    CHECK(!UnhookWindowsHookEx(below) && GetLastError() == ERROR_INVALID_HOOK_HANDLE);

    CHECK(!CallMsgFilterW(&message, 7));
    HANDLE filters = SetWindowsHookExW(WH_MSGFILTER, filter, NULL, thread);
    CHECK(CallMsgFilterW(&message, 7));
    CHECK_EQUAL(filtered, 7 + WM_USER + 1);
    CHECK(UnhookWindowsHookEx(filters) && UnhookWindowsHookEx(cbt));
    CHECK(!SetWindowsHookExW(99, filter, NULL, thread));
    CHECK_EQUAL(GetLastError(), ERROR_INVALID_HOOK_FILTER);
    CHECK(DestroyWindow(window));
}

void start(void)
{
    WNDCLASSW class = { .lpfnWndProc = procedure, .lpszClassName = name };
    class.hInstance = GetModuleHandleW(NULL);
    CHECK(RegisterClassW(&class));
    HANDLE window = CreateWindowExW(0, name, u"", WS_POPUP, 0, 0, 100, 80, NULL, NULL, NULL, NULL);
    CHECK(window != NULL);
    painting(window);
    hooks(GetCurrentThreadId());
    CHECK(DestroyWindow(window));
    finish();
}
