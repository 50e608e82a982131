/* The desktop's own window as the parent and the owner of others, and the one monitor. */
#include "user32.h"

enum { GA_PARENT = 1, GW_CHILD = 5, WM_NULL = 0, SM_ANYTHING = 0x1234, WIDTH = 1024, HEIGHT = 768,
    ERROR_TLW_WITH_WSCHILD = 1406 };

typedef struct { LONG left, top, right, bottom; } AREA;
typedef BOOL WINAPI MONITOR_ROUTINE(HANDLE monitor, HANDLE dc, AREA *, ULONG);

K32 BOOL WINAPI EnumDisplayMonitors(HANDLE dc, const AREA *, MONITOR_ROUTINE *, ULONG);
K32 HANDLE WINAPI FindWindowExW(HANDLE parent, HANDLE after, const WCHAR *class, const WCHAR *title);
K32 HANDLE WINAPI GetAncestor(HANDLE, ULONG);
K32 HANDLE WINAPI GetParent(HANDLE);
K32 HANDLE WINAPI GetWindow(HANDLE, ULONG);
K32 BOOL WINAPI GetWindowInfo(HANDLE, ULONG *);
K32 ULONG WINAPI GetClassLongW(HANDLE, int);
K32 BOOL WINAPI GetWindowRect(HANDLE, AREA *);
K32 BOOL WINAPI IsChild(HANDLE parent, HANDLE);
K32 BOOL WINAPI IsWindowVisible(HANDLE);

static int monitors;

static BOOL WINAPI seen(HANDLE monitor, HANDLE dc, AREA *area, ULONG parameter)
{
    CHECK(monitor && !dc);
    CHECK_EQUAL(parameter, SM_ANYTHING);
    CHECK_EQUAL(area->left, monitors ? 1000 : 0);
    CHECK_EQUAL(area->right, WIDTH);
    CHECK_EQUAL(area->bottom, monitors ? 20 : HEIGHT);
    return !monitors++;
}

static HANDLE make(const WCHAR *title, ULONG style, HANDLE parent)
{
    return CreateWindowExW(0, u"STATIC", title, style, 5, 6, 7, 8, parent, NULL, NULL, NULL);
}

static void information(HANDLE window)
{
    enum { CB_SIZE, WINDOW, CLIENT = 5, STYLE = 9, ATOM = 14, DWORDS = 15, GCW_ATOM = -32,
        GWL_STYLE = -16 };
    ULONG info[DWORDS + 1] = {[CB_SIZE] = 1, [DWORDS] = 0x1234};
    AREA area;

    CHECK(GetWindowInfo(window, info) && GetWindowRect(window, &area));
    CHECK_EQUAL(info[CB_SIZE], 1);
    CHECK_EQUAL(info[WINDOW], area.left);
    CHECK_EQUAL(info[CLIENT + 3], area.bottom);
    CHECK_EQUAL(info[STYLE], GetWindowLongW(window, GWL_STYLE));
    CHECK_EQUAL(info[ATOM] & 0xffff, GetClassLongW(window, GCW_ATOM));
    CHECK_EQUAL(info[DWORDS], 0x1234);
    CHECK(!GetWindowInfo(NULL, info));
}

void start(void)
{
    HANDLE desktop = GetDesktopWindow();
    AREA area, some = {1000, -10, 2000, 20}, none = {2000, 0, 2001, 1};
    WCHAR class[8];

    CHECK(IsWindow(desktop) && IsWindowVisible(desktop));
    CHECK_EQUAL(GetClassNameW(desktop, class, 8), 6);
    CHECK_EQUAL(class[5], '9');
    CHECK(GetWindowRect(desktop, &area));
    CHECK(!area.left && !area.top && area.right == WIDTH && area.bottom == HEIGHT);
    CHECK(!GetParent(desktop) && !GetAncestor(desktop, GA_PARENT));
    CHECK(!DestroyWindow(desktop));
    CHECK_EQUAL(GetLastError(), ERROR_ACCESS_DENIED);
    CHECK_EQUAL(SendMessageW(desktop, WM_NULL, 0, 0), 0);
    CHECK(PostMessageW(desktop, WM_NULL, 0, 0));

    HANDLE owned = make(u"owned", WS_POPUP, desktop), child = make(u"child", WS_CHILD, desktop);
    CHECK(owned && child);
    information(desktop);
    information(owned);
    CHECK(!GetParent(owned));
    CHECK_EQUAL(GetAncestor(owned, GA_PARENT), desktop);
    CHECK_EQUAL(GetAncestor(child, GA_PARENT), desktop);
    CHECK_EQUAL(GetWindow(desktop, GW_CHILD), owned);
    CHECK(IsChild(desktop, owned) && !IsChild(owned, desktop) && !IsChild(desktop, desktop));
    CHECK_EQUAL(FindWindowExW(desktop, NULL, u"Static", u"owned"), owned);
    CHECK(!make(u"lost", WS_CHILD, NULL));
    CHECK_EQUAL(GetLastError(), ERROR_TLW_WITH_WSCHILD);
    CHECK(DestroyWindow(owned) && DestroyWindow(child));

    CHECK(EnumDisplayMonitors(NULL, NULL, seen, SM_ANYTHING));
    CHECK(!EnumDisplayMonitors(NULL, &some, seen, SM_ANYTHING));
    CHECK(EnumDisplayMonitors(NULL, &none, seen, SM_ANYTHING));
    CHECK_EQUAL(monitors, 2);
    finish();
}
