/* Consoles through kernel32: one of its own, its screen, its keys, who is attached to it, and the
 * control events of groups.  The first letter of the second word says what a child does.
 */
#include "console_win32.h"

#define GENERIC_BOTH 0xc0000000
#define SHARE_BOTH 3
#define OPEN_EXISTING 3
#define ROW(y) ((COORD){0, y})

static WCHAR self[260];
static HANDLE told;

static HANDLE open(const WCHAR *name)
{
    return CreateFileW(name, GENERIC_BOTH, SHARE_BOTH, NULL, OPEN_EXISTING, 0, NULL);
}

static BOOL WINAPI handler(DWORD event)
{
    if (event == CTRL_BREAK_EVENT)
        ExitProcess('b');
    return event == CTRL_C_EVENT;
}

static BOOL WINAPI tell(DWORD event)
{
    if (event == CTRL_C_EVENT)
        NtSetEvent(told, NULL);
    return event == CTRL_C_EVENT;
}

static void write_line(HANDLE output, const WCHAR *text)
{
    DWORD count = 0, done = 0;
    while (text[count])
        count++;
    CHECK(WriteConsoleW(output, text, count, &done, NULL));
    CHECK_EQUAL(done, count);
}

static void be_a_child(PWSTR words)
{
    HANDLE console = open(L"CONOUT$");
    BOOL has_console = console != INVALID_HANDLE_VALUE;
    DWORD ids[8];
    switch (words[0]) {
    case 'n': /* of its own */
        if (!has_console || GetConsoleProcessList(ids, 8) != 1)
            ExitProcess(1);
        write_line(console, L"of its own\r\n");
        ExitProcess('n');
    case 'd': /* detached */
        if (has_console || GetConsoleCP())
            ExitProcess(1);
        if (!AttachConsole(ATTACH_PARENT_PROCESS))
            ExitProcess(2);
        console = open(L"CONOUT$");
        SetConsoleCursorPosition(console, ROW(20));
        write_line(console, L"attached");
        ExitProcess(GetConsoleProcessList(ids, 8));
    case 'g': /* a group of its own */
        SetConsoleCtrlHandler(handler, TRUE);
        NtSetEvent((HANDLE)(ULONG_PTR)words[1], NULL);
        Sleep(INFINITE);
    case 'w':
        NtSetEvent((HANDLE)(ULONG_PTR)words[1], NULL);
        Sleep(INFINITE);
    }
    ExitProcess(3);
}

static PROCESS_INFORMATION start_child(WCHAR what, HANDLE event, DWORD flags)
{
    STARTUPINFO startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child = {0};
    WCHAR line[] = {'X', ' ', what, (WCHAR)(ULONG_PTR)event, 0};
    CHECK(CreateProcessW(self, line, NULL, NULL, TRUE, flags, NULL, NULL, &startup, &child));
    return child;
}

static DWORD end_of(PROCESS_INFORMATION child)
{
    DWORD code = 0x55;
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 10000), WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(child.hProcess, &code));
    return code;
}

static BOOL stands(HANDLE output, short x, short y, const WCHAR *text)
{
    WCHAR found[80];
    DWORD count = 0, done;
    while (text[count])
        count++;
    if (!ReadConsoleOutputCharacterW(output, found, count, (COORD){x, y}, &done) || done != count)
        return FALSE;
    while (count--)
        if (found[count] != text[count])
            return FALSE;
    return TRUE;
}

static void having_one(void)
{
    DWORD ids[4] = {0};
    CHECK(GetConsoleCP() != 0);
    CHECK_EQUAL(GetConsoleProcessList(ids, 4), 1);
    CHECK_EQUAL(ids[0], GetCurrentProcessId());
    CHECK(!AllocConsole());
    CHECK_EQUAL(GetLastError(), ERROR_ACCESS_DENIED);
    CHECK(FreeConsole());
    CHECK(open(L"CONOUT$") == INVALID_HANDLE_VALUE);
    CHECK_EQUAL(GetConsoleCP(), 0);
    CHECK(!AttachConsole(GetCurrentProcessId()));
    CHECK(AllocConsole());
}

static void text_and_cells(HANDLE output)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    WCHAR title[40];
    DWORD done;
    CHECK(SetConsoleTitleW(L"a title"));
    CHECK_EQUAL(GetConsoleTitleW(title, 40), 7);
    CHECK(title[0] == 'a' && title[6] == 'e' && !title[7]);
    CHECK(GetConsoleScreenBufferInfo(output, &info));
    CHECK_EQUAL(info.dwSize.X, 80);
    CHECK_EQUAL(info.dwSize.Y, 300);
    CHECK_EQUAL(info.srWindow.Bottom, 24);
    CHECK_EQUAL(info.wAttributes, 7);
    write_line(output, L"one\ttwo\r\nthree\b\bE\r\n");
    CHECK(stands(output, 0, 0, L"one     two "));
    CHECK(stands(output, 0, 1, L"thrEe"));
    CHECK(GetConsoleScreenBufferInfo(output, &info));
    CHECK(info.dwCursorPosition.X == 0 && info.dwCursorPosition.Y == 2);
    CHECK(SetConsoleCursorPosition(output, (COORD){78, 4}));
    write_line(output, L"wraps");
    CHECK(stands(output, 78, 4, L"wraps"));
    CHECK(stands(output, 0, 5, L"aps "));
    CHECK(!SetConsoleCursorPosition(output, (COORD){80, 0}));
    CHECK_EQUAL(GetLastError(), ERROR_INVALID_PARAMETER);
    CHECK(FillConsoleOutputCharacterW(output, '#', 90, ROW(6), &done));
    CHECK_EQUAL(done, 90);
    CHECK(stands(output, 8, 7, L"## "));
    CHAR_INFO fill = {'.', 0x17};
    CHECK(ScrollConsoleScreenBufferW(output, &(SMALL_RECT){0, 6, 79, 7}, NULL, ROW(8), &fill));
    CHECK(stands(output, 0, 6, L"...."));
    CHECK(stands(output, 8, 9, L"## "));
    CHAR_INFO cells[6] = {{'a', 1}, {'b', 2}, {'c', 3}, {'d', 4}, {'e', 5}, {'f', 6}}, back[6];
    SMALL_RECT region = {78, 10, 80, 11};
    CHECK(WriteConsoleOutputW(output, cells, (COORD){3, 2}, ROW(0), &region));
    CHECK(region.Right == 79 && region.Bottom == 11);
    CHECK(stands(output, 78, 11, L"de"));
    region = (SMALL_RECT){79, 10, 79, 11};
    CHECK(ReadConsoleOutputW(output, back, (COORD){1, 2}, ROW(0), &region));
    CHECK(back[0].UnicodeChar == 'b' && back[0].Attributes == 2 && back[1].UnicodeChar == 'e');
    CHECK(SetConsoleOutputCP(866));
    CHECK(SetConsoleCursorPosition(output, ROW(12)));
    CHECK(WriteFile(output, "\x92\xa5", 2, &done, NULL));
    CHECK(stands(output, 0, 12, L"\x0422\x0435"));
    CHECK(!SetConsoleOutputCP(12345));
    CHECK(SetConsoleOutputCP(437));
}

static void screen_buffers(HANDLE output)
{
    HANDLE other = CreateConsoleScreenBuffer(GENERIC_BOTH, 0, NULL, CONSOLE_TEXTMODE_BUFFER, NULL);
    HANDLE shown;
    CHECK(other != INVALID_HANDLE_VALUE);
    write_line(other, L"unseen until it is shown");
    CHECK(!stands(output, 0, 13, L"unseen"));
    CHECK(SetConsoleActiveScreenBuffer(other));
    shown = open(L"CONOUT$");
    CHECK(stands(shown, 0, 0, L"unseen"));
    CloseHandle(shown);
    CloseHandle(other);
    shown = open(L"CONOUT$");
    CHECK(stands(shown, 0, 0, L"one "));
    CloseHandle(shown);
    CHECK(!SetConsoleScreenBufferSize(output, (COORD){40, 300}));
    CHECK(SetConsoleScreenBufferSize(output, (COORD){90, 100}));
    CHECK(stands(output, 0, 1, L"thrEe"));
}

static void put_key(HANDLE input, USHORT key, USHORT unit)
{
    INPUT_RECORD records[2] = {{KEY_EVENT, 0, TRUE, 1, key, 0, unit, 0}};
    DWORD done;
    records[1] = records[0], records[1].bKeyDown = FALSE;
    CHECK(WriteConsoleInputW(input, records, 2, &done));
    CHECK_EQUAL(done, 2);
}

static DWORD WINAPI type_late(PVOID input)
{
    Sleep(50);
    put_key(input, 0, 'h'), put_key(input, 0, 'o'), put_key(input, VK_LEFT, 0);
    put_key(input, 0, 'x'), put_key(input, VK_BACK, 8), put_key(input, 0, 'e');
    put_key(input, 0, 'l'), put_key(input, 0, 'l');
    put_key(input, VK_RETURN, 13);
    return 0;
}

static void keys(HANDLE input, HANDLE output)
{
    INPUT_RECORD records[4];
    WCHAR line[20];
    CHAR bytes[4];
    DWORD done, mode;
    CHECK(FlushConsoleInputBuffer(input));
    CHECK_EQUAL(WaitForSingleObject(input, 0), WAIT_TIMEOUT);
    put_key(input, 'A', 'a');
    CHECK_EQUAL(WaitForSingleObject(input, 0), WAIT_OBJECT_0);
    CHECK(PeekConsoleInputW(input, records, 4, &done));
    CHECK_EQUAL(done, 2);
    CHECK(ReadConsoleInputW(input, records, 1, &done));
    CHECK(done == 1 && records[0].bKeyDown && records[0].UnicodeChar == 'a');
    CHECK(GetNumberOfConsoleInputEvents(input, &done));
    CHECK_EQUAL(done, 1);
    CHECK(FlushConsoleInputBuffer(input));
    CHECK_EQUAL(WaitForSingleObject(input, 0), WAIT_TIMEOUT);

    CHECK(GetConsoleMode(input, &mode));
    CHECK((mode & 7) == (ENABLE_PROCESSED_INPUT | ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT));
    CHECK(SetConsoleCursorPosition(output, ROW(14)));
    CloseHandle(CreateThread(NULL, 0, type_late, input, 0, NULL));
    CHECK(ReadConsoleW(input, line, 4, &done, NULL));
    CHECK_EQUAL(done, 4);
    CHECK(line[0] == 'h' && line[1] == 'e' && line[2] == 'l' && line[3] == 'l');
    CHECK(ReadFile(input, bytes, 4, &done, NULL));
    CHECK(done == 3 && bytes[0] == 'o' && bytes[1] == '\r' && bytes[2] == '\n');
    CHECK(stands(output, 0, 14, L"hello "));

    CHECK(SetConsoleMode(input, ENABLE_PROCESSED_INPUT));
    put_key(input, 'Q', 'q');
    CHECK(ReadConsoleW(input, line, 20, &done, NULL));
    CHECK(done == 1 && line[0] == 'q');
    CHECK(SetConsoleMode(input, mode));
}

static void children(HANDLE output)
{
    DWORD ids[4];
    CHECK_EQUAL(end_of(start_child('n', 0, CREATE_NEW_CONSOLE)), 'n');
    CHECK_EQUAL(end_of(start_child('n', 0, CREATE_NO_WINDOW)), 'n');
    CHECK_EQUAL(end_of(start_child('d', 0, DETACHED_PROCESS)), 2);
    CHECK(stands(output, 0, 20, L"attached"));
    CHECK_EQUAL(GetConsoleProcessList(ids, 4), 1);
}

static void control_events(HANDLE input)
{
    OBJECT_ATTRIBUTES inherited = {.Length = sizeof inherited, .Attributes = OBJ_INHERIT};
    HANDLE ready;
    CHECK_EQUAL(NtCreateEvent(&ready, EVENT_ALL_ACCESS, &inherited, SynchronizationEvent, FALSE), 0);
    CHECK_EQUAL(NtCreateEvent(&told, EVENT_ALL_ACCESS, NULL, SynchronizationEvent, FALSE), 0);
    PROCESS_INFORMATION leader = start_child('g', ready, CREATE_NEW_PROCESS_GROUP);
    CHECK_EQUAL(WaitForSingleObject(ready, 10000), WAIT_OBJECT_0);
    PROCESS_INFORMATION other = start_child('w', ready, CREATE_NEW_PROCESS_GROUP);
    CHECK_EQUAL(WaitForSingleObject(ready, 10000), WAIT_OBJECT_0);
    CHECK(SetConsoleCtrlHandler(tell, TRUE));
    CHECK(GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, leader.dwProcessId));
    CHECK_EQUAL(end_of(leader), 'b');
    CHECK_EQUAL(WaitForSingleObject(other.hProcess, 50), WAIT_TIMEOUT);
    CHECK(TerminateProcess(other.hProcess, 1));
    CHECK_EQUAL(end_of(other), 1);
    CHECK_EQUAL(WaitForSingleObject(told, 0), WAIT_TIMEOUT);
    CHECK(GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0));
    CHECK_EQUAL(WaitForSingleObject(told, 10000), WAIT_OBJECT_0);
    put_key(input, 'C', 3);
    CHECK_EQUAL(WaitForSingleObject(told, 10000), WAIT_OBJECT_0);
    CHECK(SetConsoleCtrlHandler(tell, FALSE));
}

void start(void)
{
    PWSTR line = GetCommandLineW();
    if (line[0] == 'X' && line[1] == ' ')
        be_a_child(line + 2);
    GetModuleFileNameW(NULL, self, 260);
    having_one();
    HANDLE output = open(L"CONOUT$"), input = open(L"CONIN$");
    text_and_cells(output);
    screen_buffers(output);
    keys(input, output);
    children(output);
    control_events(input);
    write_line(output, L"\r\n");
    finish();
}
