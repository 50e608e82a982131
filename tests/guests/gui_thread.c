/* A thread whose first call of win32k is one of the newer ones, of service table 3. */
#include "user32.h"

static HANDLE made;

static DWORD WINAPI make(PVOID class)
{
    made = CreateWindowExW(0, class, u"", 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, NULL, NULL);
    CHECK(IsWindow(made));
    return DestroyWindow(made);
}

void start(void)
{
    DWORD id, code;
    HANDLE thread = CreateThread(NULL, 0, make, u"STATIC", 0, &id);
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &code));
    CHECK_EQUAL(code, TRUE);
    CHECK(!IsWindow(made));
    finish();
}
