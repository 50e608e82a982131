/* The part of user32's and gdi32's public interface that guest programs use.
 *
 * From Microsoft's public documentation.
 */
#ifndef USER32_H
#define USER32_H

#include "win32.h"

K32 HANDLE WINAPI GetModuleHandleW(const WCHAR *name);

#define HWND_MESSAGE ((HANDLE)-3)
#define HWND_BROADCAST ((HANDLE)0xffff)
#define WS_CHILD 0x40000000u
#define WS_POPUP 0x80000000u

enum {
    WM_CREATE = 1, WM_DESTROY = 2, WM_GETTEXT = 0xd, WM_CLOSE = 0x10, WM_QUIT = 0x12,
    WM_NCCREATE = 0x81, WM_TIMER = 0x113, WM_USER = 0x400,
    PM_REMOVE = 1, QS_ALLINPUT = 0x4ff, GWL_USERDATA = -21, GWL_WNDPROC = -4,
    LOGPIXELSX = 88, WHITE_BRUSH = 0, BLACK_BRUSH = 4,
    ERROR_CLASS_ALREADY_EXISTS = 1410, ERROR_INVALID_INDEX = 1413, ERROR_INVALID_THREAD_ID = 1444,
    STATUS_NO_CALLBACK_ACTIVE = (int)0xc0000258,
};

typedef LONG WINAPI WINDOW_PROCEDURE(HANDLE, ULONG, ULONG, ULONG);
typedef struct {
    ULONG style;
    WINDOW_PROCEDURE *lpfnWndProc;
    int cbClsExtra, cbWndExtra;
    HANDLE hInstance, hIcon, hCursor, hbrBackground;
    const WCHAR *lpszMenuName, *lpszClassName;
} WNDCLASSW;
SIZE_IS(WNDCLASSW, 0x28);
typedef struct {
    PVOID lpCreateParams;
    HANDLE hInstance, hMenu, hwndParent;
    int cy, cx, y, x;
    LONG style;
    const WCHAR *lpszName, *lpszClass;
    ULONG dwExStyle;
} CREATESTRUCTW;
typedef struct { HANDLE hwnd; ULONG message, wParam, lParam, time; int x, y; } MSG;
typedef struct { ULONG lbStyle, lbColor, lbHatch; } LOGBRUSH;

K32 LONG WINAPI CallWindowProcW(WINDOW_PROCEDURE *, HANDLE, ULONG, ULONG, ULONG);
K32 HANDLE WINAPI CreateWindowExW(ULONG extended, const WCHAR *class, const WCHAR *title, ULONG style,
    int x, int y, int width, int height, HANDLE parent, HANDLE menu, HANDLE module, PVOID);
K32 LONG WINAPI DefWindowProcW(HANDLE, ULONG, ULONG, ULONG);
K32 BOOL WINAPI DestroyWindow(HANDLE);
K32 LONG WINAPI DispatchMessageW(const MSG *);
K32 int WINAPI GetClassNameW(HANDLE, PWSTR, int size);
K32 HANDLE WINAPI GetDC(HANDLE);
K32 HANDLE WINAPI GetDesktopWindow(void);
K32 BOOL WINAPI GetMessageW(MSG *, HANDLE, ULONG first, ULONG last);
K32 LONG WINAPI GetWindowLongW(HANDLE, int);
K32 int WINAPI GetWindowTextW(HANDLE, PWSTR, int size);
K32 BOOL WINAPI IsWindow(HANDLE);
K32 BOOL WINAPI GetKeyboardState(UCHAR *);
K32 BOOL WINAPI KillTimer(HANDLE, ULONG);
K32 DWORD WINAPI MsgWaitForMultipleObjects(DWORD, const HANDLE *, BOOL all, DWORD time, DWORD mask);
K32 BOOL WINAPI PeekMessageW(MSG *, HANDLE, ULONG first, ULONG last, ULONG flags);
K32 BOOL WINAPI PostMessageW(HANDLE, ULONG, ULONG, ULONG);
K32 void WINAPI PostQuitMessage(int);
K32 BOOL WINAPI PostThreadMessageW(DWORD id, ULONG, ULONG, ULONG);
K32 USHORT WINAPI RegisterClassW(const WNDCLASSW *);
K32 int WINAPI ReleaseDC(HANDLE, HANDLE);
K32 LONG WINAPI SendMessageW(HANDLE, ULONG, ULONG, ULONG);
K32 LONG WINAPI SendMessageTimeoutW(HANDLE, ULONG, ULONG, ULONG, ULONG flags, ULONG time, ULONG *);
K32 ULONG WINAPI SetTimer(HANDLE, ULONG, ULONG, PVOID);
K32 LONG WINAPI SetWindowLongW(HANDLE, int, LONG);
K32 BOOL WINAPI SetWindowTextW(HANDLE, const WCHAR *);
K32 BOOL WINAPI UnregisterClassW(const WCHAR *, HANDLE);
K32 HANDLE WINAPI CreateCompatibleDC(HANDLE);
K32 HANDLE WINAPI CreateSolidBrush(ULONG);
K32 BOOL WINAPI DeleteDC(HANDLE);
K32 BOOL WINAPI DeleteObject(HANDLE);
K32 int WINAPI GetDeviceCaps(HANDLE, int);
K32 int WINAPI GetObjectW(HANDLE, int, PVOID);
K32 HANDLE WINAPI GetStockObject(int);
K32 HANDLE WINAPI SelectObject(HANDLE, HANDLE);
NTSYSAPI NTSTATUS NTAPI NtCallbackReturn(PVOID, ULONG, NTSTATUS);

#endif
