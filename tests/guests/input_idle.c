/* WaitForInputIdle: until a program with windows waits for messages.  The program itself is a
 * console program; its child is a copy with the other subsystem.
 */
#include "user32.h"

#define WAIT_FAILED 0xffffffff
#define ERROR_NOT_GUI_PROCESS 1471

K32 HANDLE WINAPI CreateFileW(const WCHAR *, DWORD access, DWORD share, SECURITY_ATTRIBUTES *,
    DWORD disposition, DWORD attributes, HANDLE);
K32 DWORD WINAPI WaitForInputIdle(HANDLE process, DWORD milliseconds);

static WCHAR self[260];
static UCHAR image[0x40000];

static void make_copy(const WCHAR *name)
{
    HANDLE from = CreateFileW(self, 0x80000000, 1, NULL, 3, 0, NULL);
    HANDLE to = CreateFileW(name, 0x40000000, 0, NULL, 2, 0, NULL);
    DWORD size = 0;
    CHECK(ReadFile(from, image, sizeof image, &size, NULL));
    UCHAR *subsystem = image + *(ULONG *)(image + 0x3c) + 0x5c;
    CHECK_EQUAL(*subsystem, 3);
    *subsystem = 2;
    CHECK(WriteFile(to, image, size, &size, NULL));
    CHECK(CloseHandle(from) && CloseHandle(to));
}

static PROCESS_INFORMATION start_child(const WCHAR *program, WCHAR what)
{
    STARTUPINFO startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child = {0};
    WCHAR line[] = {'X', ' ', what, 0};
    CHECK(CreateProcessW(program, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child));
    return child;
}

static void be_a_child(WCHAR what)
{
    MSG message;
    if (what == 'e')
        Sleep(200);
    else if (what == 'p')
        Sleep(300), PeekMessageW(&message, NULL, 0, 0, 0), Sleep(INFINITE);
    else if (what == 'g')
        GetMessageW(&message, NULL, 0, 0);
    else
        Sleep(INFINITE);
    ExitProcess(what);
}

static void end(PROCESS_INFORMATION child)
{
    TerminateProcess(child.hProcess, 0);
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, INFINITE), WAIT_OBJECT_0);
    CHECK(CloseHandle(child.hThread) && CloseHandle(child.hProcess));
}

void start(void)
{
    PWSTR line = GetCommandLineW();
    if (line[0] == 'X' && line[1] == ' ')
        be_a_child(line[2]);
    GetModuleFileNameW(NULL, self, 260);
    make_copy(u"gui.exe");

    PROCESS_INFORMATION child = start_child(u"gui.exe", 'p');
    CHECK_EQUAL(WaitForInputIdle(child.hProcess, 50), WAIT_TIMEOUT);
    CHECK_EQUAL(WaitForInputIdle(child.hProcess, INFINITE), 0);
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 0), WAIT_TIMEOUT);
    CHECK_EQUAL(WaitForInputIdle(child.hProcess, 0), 0);
    end(child);
    child = start_child(u"gui.exe", 'g');
    CHECK_EQUAL(WaitForInputIdle(child.hProcess, 10000), 0);
    end(child);
    child = start_child(u"gui.exe", 'e'); /* ends without asking for messages */
    CHECK_EQUAL(WaitForInputIdle(child.hProcess, INFINITE), 0);
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 0), WAIT_OBJECT_0);
    CHECK_EQUAL(WaitForInputIdle(child.hProcess, 0), WAIT_FAILED);
    end(child);
    child = start_child(self, 's');
    CHECK_EQUAL(WaitForInputIdle(child.hProcess, 1000), WAIT_FAILED);
    CHECK_EQUAL(GetLastError(), ERROR_NOT_GUI_PROCESS);
    end(child);
    finish();
}
