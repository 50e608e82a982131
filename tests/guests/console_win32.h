/* The part of kernel32's public interface that guest programs of consoles use.
 *
 * From Microsoft's public documentation.
 */
#ifndef CONSOLE_WIN32_H
#define CONSOLE_WIN32_H

#include "win32.h"

enum {
    CTRL_C_EVENT = 0,
    CTRL_BREAK_EVENT = 1,
    CTRL_CLOSE_EVENT = 2,
    ATTACH_PARENT_PROCESS = -1,
    CREATE_NEW_CONSOLE = 0x10,
    DETACHED_PROCESS = 0x8,
    CREATE_NO_WINDOW = 0x8000000,
    CREATE_NEW_PROCESS_GROUP = 0x200,
    CONSOLE_TEXTMODE_BUFFER = 1,
    KEY_EVENT = 1,
    ENABLE_PROCESSED_INPUT = 1,
    ENABLE_LINE_INPUT = 2,
    ENABLE_ECHO_INPUT = 4,
    VK_BACK = 8,
    VK_RETURN = 13,
    VK_LEFT = 37,
};

#define INVALID_HANDLE_VALUE ((HANDLE)-1)

typedef struct { short X, Y; } COORD;
typedef struct { short Left, Top, Right, Bottom; } SMALL_RECT;
typedef struct { USHORT UnicodeChar, Attributes; } CHAR_INFO;
typedef struct {
    COORD dwSize, dwCursorPosition;
    USHORT wAttributes;
    SMALL_RECT srWindow;
    COORD dwMaximumWindowSize;
} CONSOLE_SCREEN_BUFFER_INFO;
SIZE_IS(CONSOLE_SCREEN_BUFFER_INFO, 22);
typedef struct {
    USHORT EventType, padding;
    BOOL bKeyDown;
    USHORT wRepeatCount, wVirtualKeyCode, wVirtualScanCode, UnicodeChar;
    DWORD dwControlKeyState;
} INPUT_RECORD;
SIZE_IS(INPUT_RECORD, 20);
typedef BOOL WINAPI HANDLER_ROUTINE(DWORD event);

K32 BOOL WINAPI AllocConsole(void);
K32 BOOL WINAPI AttachConsole(DWORD pid);
K32 HANDLE WINAPI CreateConsoleScreenBuffer(DWORD access, DWORD share, SECURITY_ATTRIBUTES *,
    DWORD flags, PVOID);
K32 HANDLE WINAPI CreateFileW(const WCHAR *, DWORD access, DWORD share, SECURITY_ATTRIBUTES *,
    DWORD disposition, DWORD attributes, HANDLE);
K32 BOOL WINAPI FillConsoleOutputAttribute(HANDLE, USHORT, DWORD count, COORD, DWORD *);
K32 BOOL WINAPI FillConsoleOutputCharacterW(HANDLE, WCHAR, DWORD count, COORD, DWORD *);
K32 BOOL WINAPI FlushConsoleInputBuffer(HANDLE);
K32 BOOL WINAPI FreeConsole(void);
K32 BOOL WINAPI GenerateConsoleCtrlEvent(DWORD event, DWORD group);
K32 DWORD WINAPI GetConsoleCP(void);
K32 BOOL WINAPI GetConsoleMode(HANDLE, DWORD *);
K32 DWORD WINAPI GetConsoleProcessList(DWORD *, DWORD count);
K32 BOOL WINAPI GetConsoleScreenBufferInfo(HANDLE, CONSOLE_SCREEN_BUFFER_INFO *);
K32 DWORD WINAPI GetConsoleTitleW(PWSTR, DWORD count);
K32 HANDLE WINAPI GetConsoleWindow(void);
K32 BOOL WINAPI GetNumberOfConsoleInputEvents(HANDLE, DWORD *);
K32 BOOL WINAPI PeekConsoleInputW(HANDLE, INPUT_RECORD *, DWORD count, DWORD *);
K32 BOOL WINAPI ReadConsoleInputW(HANDLE, INPUT_RECORD *, DWORD count, DWORD *);
K32 BOOL WINAPI ReadConsoleOutputCharacterW(HANDLE, PWSTR, DWORD count, COORD, DWORD *);
K32 BOOL WINAPI ReadConsoleOutputW(HANDLE, CHAR_INFO *, COORD size, COORD at, SMALL_RECT *);
K32 BOOL WINAPI ReadConsoleW(HANDLE, PVOID, DWORD count, DWORD *, PVOID);
K32 BOOL WINAPI ScrollConsoleScreenBufferW(HANDLE, const SMALL_RECT *, const SMALL_RECT *clip, COORD,
    const CHAR_INFO *);
K32 BOOL WINAPI SetConsoleActiveScreenBuffer(HANDLE);
K32 BOOL WINAPI SetConsoleCtrlHandler(HANDLER_ROUTINE *, BOOL add);
K32 BOOL WINAPI SetConsoleCursorPosition(HANDLE, COORD);
K32 BOOL WINAPI SetConsoleMode(HANDLE, DWORD);
K32 BOOL WINAPI SetConsoleOutputCP(DWORD);
K32 BOOL WINAPI SetConsoleScreenBufferSize(HANDLE, COORD);
K32 BOOL WINAPI SetConsoleTextAttribute(HANDLE, USHORT);
K32 BOOL WINAPI SetConsoleTitleW(const WCHAR *);
K32 BOOL WINAPI WriteConsoleInputW(HANDLE, const INPUT_RECORD *, DWORD count, DWORD *);
K32 BOOL WINAPI WriteConsoleOutputW(HANDLE, const CHAR_INFO *, COORD size, COORD at, SMALL_RECT *);
K32 BOOL WINAPI WriteConsoleW(HANDLE, const void *, DWORD count, DWORD *, PVOID);

#endif
