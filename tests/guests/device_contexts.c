/* Device contexts of windows, and what they have selected. */
#include "user32.h"

K32 PVOID WINAPI GetProcAddress(HANDLE, const CHAR *);

typedef HANDLE WINAPI GET_CURRENT_OBJECT(HANDLE, ULONG kind);
typedef LONG WINAPI FONT_PROCEDURE(PVOID, PVOID, ULONG, LONG);
typedef LONG WINAPI ENUM_FONT_FAMILIES(HANDLE, PVOID, FONT_PROCEDURE *, LONG, ULONG);
typedef ULONG WINAPI GET_FONT_DATA(HANDLE, ULONG, ULONG, PVOID, ULONG);
typedef LONG WINAPI GET_CHAR_WIDTH(HANDLE, ULONG, ULONG, LONG *);
typedef LONG WINAPI GET_TEXT_EXTENT(HANDLE, const WCHAR *, LONG, LONG *);

enum { OBJ_PEN = 1, OBJ_BRUSH, OBJ_FONT = 6, OBJ_BITMAP, OBJ_REGION, BLACK_PEN = 7, SYSTEM_FONT = 13 };
enum { ERROR_INVALID_WINDOW_HANDLE = 1400 };

static PVOID of_gdi32(const CHAR *name)
{
    PVOID found = GetProcAddress(GetModuleHandleW(u"gdi32.dll"), name);
    CHECK(found);
    return found;
}

static LONG WINAPI one_font(PVOID logfont, PVOID metrics, ULONG kind, LONG counter)
{
    (void)logfont, (void)metrics, (void)kind;
    ++*(LONG *)counter;
    return 1;
}

/* How many fonts there are is the machine's; the system font is one without a file. */
static void fonts(HANDLE device)
{
    static struct { LONG numbers[5]; UCHAR charset_at_23[8]; WCHAR face[32]; } logfont;
    LONG count = 0, widths[3] = {0, 0, 0}, size[2] = {0, 0};
    UCHAR bytes[16];

    logfont.charset_at_23[3] = 1; /* DEFAULT_CHARSET */
    CHECK_EQUAL(((ENUM_FONT_FAMILIES *)of_gdi32("EnumFontFamiliesExW"))(device, &logfont, one_font,
                                                                      (LONG)&count, 0), 1);
    CHECK(count >= 0);
    CHECK_EQUAL(((GET_FONT_DATA *)of_gdi32("GetFontData"))(device, 0, 0, bytes, sizeof bytes), -1);
    CHECK(((GET_CHAR_WIDTH *)of_gdi32("GetCharWidth32W"))(device, 'a', 'c', widths));
    CHECK(((GET_TEXT_EXTENT *)of_gdi32("GetTextExtentPoint32W"))(device, u"abc", 3, size));
    CHECK_EQUAL(widths[0] + widths[1] + widths[2], size[0]);
    CHECK(!((GET_CHAR_WIDTH *)of_gdi32("GetCharABCWidthsW"))(device, 'a', 'a', (LONG *)bytes));
}

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
    fonts(device);
    CHECK_EQUAL(SelectObject(device, brush), GetStockObject(WHITE_BRUSH));
    CHECK_EQUAL(current(device, OBJ_BRUSH), brush);
    CHECK_EQUAL(ReleaseDC(window, device), 1);
    CHECK_EQUAL(current(device, OBJ_BRUSH), 0);
    CHECK(DestroyWindow(window));
    CHECK_EQUAL(GetDC(window), 0);
    CHECK_EQUAL(GetLastError(), ERROR_INVALID_WINDOW_HANDLE);
    finish();
}
