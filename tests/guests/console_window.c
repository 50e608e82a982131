/* The window of a console: whose it is, its title, how it is found, hidden and closed.  The child
 * has a console of its own, and one that nobody shall see.
 */
#include "console_win32.h"
#include "user32.h"

K32 HANDLE WINAPI FindWindowW(const WCHAR *class, const WCHAR *title);
K32 DWORD WINAPI GetWindowThreadProcessId(HANDLE, DWORD *process);
K32 BOOL WINAPI IsWindowVisible(HANDLE);
K32 BOOL WINAPI ShowWindow(HANDLE, int);

enum { SW_HIDE = 0, SW_SHOW = 5 };

static BOOL same(const WCHAR *one, const WCHAR *other)
{
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

static BOOL WINAPI closed(DWORD event)
{
    ExitProcess(event == CTRL_CLOSE_EVENT ? 'c' : 'x');
}

static void be_a_child(PWSTR words)
{
    HANDLE window = GetConsoleWindow();
    DWORD process = 0;
    if (words[0] == 'w') /* without one */
        ExitProcess(window ? 1 : 'w');
    if (GetWindowThreadProcessId(window, &process) != GetCurrentThreadId()
        || process != GetCurrentProcessId())
        ExitProcess(1);
    SetConsoleCtrlHandler(closed, TRUE);
    SendMessageW(window, WM_CLOSE, 0, 0);
    NtWaitForSingleObject(NtCurrentProcess(), FALSE, NULL);
}

static void own_window(void)
{
    WCHAR text[40];
    DWORD process = 0;
    HANDLE window = GetConsoleWindow();
    CHECK(window && GetConsoleWindow() == window);
    CHECK(IsWindow(window) && IsWindowVisible(window));
    CHECK_EQUAL(GetClassNameW(window, text, 40), 18);
    CHECK(same(text, L"ConsoleWindowClass"));
    /* Whoever starts the first program has the console already. */
    CHECK(GetWindowThreadProcessId(window, &process) && process != GetCurrentProcessId());
    CHECK(SetConsoleTitleW(L"a title to find"));
    CHECK(FindWindowW(NULL, L"a title to find") == window);
    CHECK_EQUAL(SendMessageW(window, WM_GETTEXT, 40, (ULONG)text), 15);
    CHECK(same(text, L"a title to find"));
    CHECK_EQUAL(GetWindowTextW(window, text, 8), 7);
    CHECK(same(text, L"a title"));
    CHECK(PostMessageW(window, WM_USER, 1, 2));
    CHECK_EQUAL(SendMessageW(window, WM_USER, 1, 2), 0);
    CHECK_EQUAL(ShowWindow(window, SW_HIDE), TRUE);
    CHECK(!IsWindowVisible(window));
    CHECK_EQUAL(ShowWindow(window, SW_SHOW), FALSE);
    CHECK(!DestroyWindow(window));
    CHECK_EQUAL(GetLastError(), ERROR_ACCESS_DENIED);
    CHECK(IsWindow(window));
}

static DWORD code_of_child(const WCHAR *self, WCHAR what, DWORD flags)
{
    STARTUPINFO startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child = {0};
    DWORD code = 0x55;
    WCHAR line[] = {'X', ' ', what, 0};
    CHECK(CreateProcessW(self, line, NULL, NULL, FALSE, flags, NULL, NULL, &startup, &child));
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 10000), WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(child.hProcess, &code));
    return code;
}

void start(void)
{
    WCHAR self[260];
    PWSTR line = GetCommandLineW();
    if (line[0] == 'X' && line[1] == ' ')
        be_a_child(line + 2);
    GetModuleFileNameW(NULL, self, 260);
    own_window();
    CHECK_EQUAL(code_of_child(self, 'c', CREATE_NEW_CONSOLE), 'c');
    CHECK_EQUAL(code_of_child(self, 'w', CREATE_NO_WINDOW), 'w');
    CHECK(FreeConsole());
    CHECK(!GetConsoleWindow());
    finish();
}
