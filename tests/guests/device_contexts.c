/* Device contexts of windows, and what they have selected. */
#include "user32.h"

K32 PVOID WINAPI GetProcAddress(HANDLE, const CHAR *);

typedef HANDLE WINAPI GET_CURRENT_OBJECT(HANDLE, ULONG kind);

enum { OBJ_PEN = 1, OBJ_BRUSH, OBJ_FONT = 6, OBJ_BITMAP, OBJ_REGION, BLACK_PEN = 7, SYSTEM_FONT = 13 };
enum { ERROR_INVALID_WINDOW_HANDLE = 1400 };

void start(void)
{
    HANDLE window = CreateWindowExW(0, u"STATIC", u"", 0, 0, 0, 30, 40, NULL, NULL, NULL, NULL);
    HANDLE device = GetDC(window), brush = CreateSolidBrush(0xff);
    GET_CURRENT_OBJECT *current =
        (GET_CURRENT_OBJECT *)GetProcAddress(GetModuleHandleW(u"gdi32.dll"), "GetCurrentObject");
    CHECK(window && device && current);
    CHECK_EQUAL(current(device, OBJ_BRUSH), GetStockObject(WHITE_BRUSH));
    CHECK_EQUAL(current(device, OBJ_PEN), GetStockObject(BLACK_PEN));
    CHECK_EQUAL(current(device, OBJ_FONT), GetStockObject(SYSTEM_FONT));
    CHECK(current(device, OBJ_BITMAP));
    CHECK_EQUAL(current(device, OBJ_REGION), 0);
    CHECK_EQUAL(SelectObject(device, brush), GetStockObject(WHITE_BRUSH));
    CHECK_EQUAL(current(device, OBJ_BRUSH), brush);
    CHECK_EQUAL(ReleaseDC(window, device), 1);
    CHECK_EQUAL(current(device, OBJ_BRUSH), 0);
    CHECK(DestroyWindow(window));
    CHECK_EQUAL(GetDC(window), 0);
    CHECK_EQUAL(GetLastError(), ERROR_INVALID_WINDOW_HANDLE);
    finish();
}
