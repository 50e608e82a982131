/* Dialog boxes of templates and message boxes, which nobody answers but their default button; text
 * and where it goes.  On a Windows with a screen somebody presses Return three times. */
#include "user32.h"

enum {
    WM_SETFOCUS = 7, WM_KILLFOCUS = 8, WM_INITDIALOG = 0x110, WM_COMMAND = 0x111,
    IDOK = 1, IDCANCEL = 2, IDNO = 7, NAME = 10, LABEL = 11,
    MB_OK = 0, MB_YESNO = 4, MB_ICONQUESTION = 0x20, MB_DEFBUTTON2 = 0x100,
    GW_HWNDNEXT = 2, GW_CHILD = 5,
};
typedef struct { int left, top, right, bottom; } RECT;
typedef struct { int cx, cy; } SIZE2;
typedef BOOL WINAPI DIALOG_PROCEDURE(HANDLE, ULONG, ULONG, ULONG);
typedef BOOL WINAPI WINDOW_VISITOR(HANDLE, ULONG);

K32 HANDLE WINAPI CreateDialogIndirectParamW(HANDLE, const void *, HANDLE, DIALOG_PROCEDURE *, ULONG);
K32 int WINAPI DialogBoxIndirectParamW(HANDLE, const void *, HANDLE, DIALOG_PROCEDURE *, ULONG);
K32 BOOL WINAPI EndDialog(HANDLE, int);
K32 BOOL WINAPI EnumChildWindows(HANDLE, WINDOW_VISITOR *, ULONG);
K32 int WINAPI GetDlgCtrlID(HANDLE);
K32 HANDLE WINAPI GetDlgItem(HANDLE, int);
K32 int WINAPI GetDlgItemTextW(HANDLE, int, PWSTR, int);
K32 HANDLE WINAPI GetFocus(void);
K32 HANDLE WINAPI GetNextDlgTabItem(HANDLE, HANDLE, BOOL);
K32 HANDLE WINAPI GetWindow(HANDLE, ULONG);
K32 BOOL WINAPI GetWindowRect(HANDLE, RECT *);
K32 int WINAPI MapWindowPoints(HANDLE, HANDLE, PVOID, ULONG);
K32 int WINAPI MessageBoxW(HANDLE, const WCHAR *, const WCHAR *, ULONG);
K32 BOOL WINAPI MoveWindow(HANDLE, int, int, int, int, BOOL);
K32 BOOL WINAPI SetDlgItemTextW(HANDLE, int, const WCHAR *);
K32 HANDLE WINAPI SetFocus(HANDLE);
K32 BOOL WINAPI GetTextExtentPoint32W(HANDLE, const WCHAR *, int, SIZE2 *);
K32 BOOL WINAPI GetTextMetricsW(HANDLE, int *);

/* DLGTEMPLATE and DLGITEMTEMPLATEs: a label, an edit control, Cancel, and OK as the default. */
static const struct {
    ULONG style, extended; USHORT items; short x, y, cx, cy; USHORT menu, class; WCHAR title[4]; USHORT p0;
    ULONG s1, e1; short x1, y1, cx1, cy1; USHORT id1, k1, c1; WCHAR t1[6]; USHORT d1;
    ULONG s2, e2; short x2, y2, cx2, cy2; USHORT id2, k2, c2; WCHAR t2[2]; USHORT d2;
    ULONG s3, e3; short x3, y3, cx3, cy3; USHORT id3, k3, c3; WCHAR t3[7]; USHORT d3, p3;
    ULONG s4, e4; short x4, y4, cx4, cy4; USHORT id4, k4, c4; WCHAR t4[3]; USHORT d4;
} __attribute__((packed)) template = {
    0x90c80080, 0, 4, 0, 0, 100, 60, 0, 0, u"Box", 0,
    0x50000000, 0, 5, 5, 50, 8, LABEL, 0xffff, 0x82, u"Name:", 0,
    0x50810000, 0, 5, 15, 50, 12, NAME, 0xffff, 0x81, u"a", 0,
    0x50010000, 0, 5, 40, 30, 12, IDCANCEL, 0xffff, 0x80, u"Cancel", 0, 0,
    0x50010001, 0, 40, 40, 30, 12, IDOK, 0xffff, 0x80, u"OK", 0,
};

static WCHAR typed[20];
static int visited;

static BOOL WINAPI visitor(HANDLE window, ULONG unused)
{
    (void)unused;
    visited += GetDlgCtrlID(window);
    return 1;
}

static BOOL WINAPI procedure(HANDLE box, ULONG message, ULONG wparam, ULONG lparam)
{
    switch (message) {
    case WM_INITDIALOG:
        CHECK_EQUAL(lparam, 77);
        CHECK_EQUAL(GetDlgCtrlID((HANDLE)wparam), NAME); /* the first that takes the keyboard */
        CHECK(SetDlgItemTextW(box, NAME, u"changed"));
        CHECK_EQUAL(GetWindow(box, GW_CHILD), GetDlgItem(box, LABEL));
        CHECK_EQUAL(GetWindow(GetDlgItem(box, LABEL), GW_HWNDNEXT), GetDlgItem(box, NAME));
        CHECK_EQUAL(GetNextDlgTabItem(box, GetDlgItem(box, NAME), 0), GetDlgItem(box, IDCANCEL));
        EnumChildWindows(box, visitor, 0);
        return 1;
    case WM_COMMAND:
        if (wparam != IDOK)
            return 0;
        GetDlgItemTextW(box, NAME, typed, 20);
        CHECK_EQUAL((HANDLE)lparam, GetDlgItem(box, IDOK));
        EndDialog(box, 42);
        return 1;
    }
    return 0;
}

static void places(void)
{
    HANDLE box = CreateDialogIndirectParamW(NULL, &template, NULL, procedure, 77);
    HANDLE item = GetDlgItem(box, LABEL);
    RECT before, after;
    int point[2] = { 0, 0 };
    CHECK(box != NULL && GetWindowRect(item, &before));
    MapWindowPoints(item, NULL, point, 1);
    CHECK(point[0] == before.left && point[1] == before.top);
    CHECK(MoveWindow(box, 100, 200, 300, 150, 0));
    CHECK(GetWindowRect(box, &after));
    CHECK(after.left == 100 && after.top == 200 && after.right == 400 && after.bottom == 350);
    CHECK(MoveWindow(item, 10, 20, 30, 40, 0));
    CHECK(GetWindowRect(item, &after));
    CHECK(after.right - after.left == 30 && after.bottom - after.top == 40);
    CHECK(after.left >= 110 && after.top >= 220);
    SetFocus(GetDlgItem(box, IDOK));
    CHECK_EQUAL(GetFocus(), GetDlgItem(box, IDOK));
    CHECK(DestroyWindow(box));
}

static void text(void)
{
    HANDLE dc = GetDC(NULL);
    SIZE2 narrow, wide;
    int metrics[15];
    CHECK(GetTextExtentPoint32W(dc, u"ill", 3, &narrow));
    CHECK(GetTextExtentPoint32W(dc, u"WWW", 3, &wide));
    CHECK(narrow.cx > 0 && wide.cx > narrow.cx);
    CHECK(GetTextMetricsW(dc, metrics));
    CHECK_EQUAL(metrics[0], wide.cy);
    CHECK_EQUAL(metrics[1] + metrics[2], metrics[0]);
    CHECK(metrics[5] > 0 && metrics[6] >= metrics[5]);
    ReleaseDC(NULL, dc);
}

void start(void)
{
    text();
    places();
    visited = 0;
    CHECK_EQUAL(DialogBoxIndirectParamW(NULL, &template, NULL, procedure, 77), 42);
    CHECK_EQUAL(visited, NAME + LABEL + IDOK + IDCANCEL);
    CHECK(typed[0] == 'c' && typed[6] == 'd' && !typed[7]);
    CHECK_EQUAL(MessageBoxW(NULL, u"Go on?", u"Asked", MB_YESNO | MB_ICONQUESTION | MB_DEFBUTTON2), IDNO);
    CHECK_EQUAL(MessageBoxW(NULL, u"Done.\nAll of it.", u"Told", MB_OK), IDOK);
    finish();
}
