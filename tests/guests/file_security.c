/* GetFileSecurity and SetFileSecurity, whatever earlier calls have left on the stack. */
#include "win32.h"

enum { OWNER_GROUP_AND_DACL = 7, ERROR_INSUFFICIENT_BUFFER = 122, DELETE_ON_CLOSE = 0x4000000 };

K32 HANDLE WINAPI CreateFileW(const WCHAR *, DWORD access, DWORD share, SECURITY_ATTRIBUTES *,
    DWORD disposition, DWORD attributes, HANDLE);
K32 HANDLE WINAPI LoadLibraryW(const WCHAR *);
K32 PVOID WINAPI GetProcAddress(HANDLE, const CHAR *);

static BOOL(WINAPI *get)(const WCHAR *, DWORD what, PVOID descriptor, DWORD size, DWORD *needed);
static BOOL(WINAPI *set)(const WCHAR *, DWORD what, PVOID descriptor);
static UCHAR descriptor[0x400];

static __attribute__((noinline)) void leave_on_the_stack(ULONG value)
{
    volatile ULONG words[0x400];
    for (int i = 0; i < 0x400; i++)
        words[i] = value;
}

void start(void)
{
    static const ULONG left[] = {0, 1, 0xbc, 0x80000000, 0xfffffffc};
    const WCHAR *name = u"security.txt";
    HANDLE advapi32 = LoadLibraryW(u"advapi32.dll");
    HANDLE file = CreateFileW(name, 0x40000000, 7, NULL, 2, DELETE_ON_CLOSE, NULL);
    DWORD needed = 0;

    get = GetProcAddress(advapi32, "GetFileSecurityW");
    set = GetProcAddress(advapi32, "SetFileSecurityW");
    for (int i = 0; i < 5; i++) {
        leave_on_the_stack(left[i]);
        CHECK(!get(name, OWNER_GROUP_AND_DACL, NULL, 0, &needed));
        CHECK_EQUAL(GetLastError(), ERROR_INSUFFICIENT_BUFFER);
        CHECK(needed > 0x14 && needed <= sizeof descriptor);
        leave_on_the_stack(left[i]);
        CHECK(get(name, OWNER_GROUP_AND_DACL, descriptor, needed, &needed));
        leave_on_the_stack(left[i]);
        CHECK(set(name, OWNER_GROUP_AND_DACL, descriptor));
    }
    CHECK(CloseHandle(file));
    finish();
}
