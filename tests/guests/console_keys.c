/* A program on a terminal that looks for keys now and then: for two seconds by its own clock. */
#include "console_win32.h"

void start(void)
{
    HANDLE input = GetStdHandle(STD_INPUT_HANDLE);
    INPUT_RECORD record;
    DWORD count, mode;
    if (!GetConsoleMode(input, &mode))
        ExitProcess(1);
    PeekConsoleInputW(input, &record, 1, &count);
    print("looking\r\n");
    for (int times = 0; times < 200; times++) {
        if (PeekConsoleInputW(input, &record, 1, &count) && count) {
            ReadConsoleInputW(input, &record, 1, &count);
            if (record.EventType == KEY_EVENT && record.bKeyDown && record.UnicodeChar)
                ExitProcess(record.UnicodeChar);
        }
        Sleep(10);
    }
    ExitProcess(0);
}
