/* ShellExecuteEx of a document without a verb: the program that the registry names for its type. */
#include "win32.h"

enum { SEE_MASK_NOCLOSEPROCESS = 0x40, REG_SZ = 1, HKEY_CLASSES_ROOT = 0x80000000, SHOWN = 5,
    CHILD_SAW_IT = 7 };

typedef struct {
    DWORD cbSize, fMask;
    HANDLE hwnd;
    const WCHAR *lpVerb, *lpFile, *lpParameters, *lpDirectory;
    int nShow;
    HANDLE hInstApp;
    PVOID lpIDList;
    const WCHAR *lpClass;
    HANDLE hkeyClass;
    DWORD dwHotKey;
    HANDLE hIcon, hProcess;
} SHELLEXECUTEINFOW;
SIZE_IS(SHELLEXECUTEINFOW, 0x3c);

K32 HANDLE WINAPI CreateFileW(const WCHAR *, DWORD access, DWORD share, SECURITY_ATTRIBUTES *,
    DWORD disposition, DWORD attributes, HANDLE);
K32 DWORD WINAPI GetModuleFileNameW(HANDLE, PWSTR, DWORD size);
K32 HANDLE WINAPI LoadLibraryW(const WCHAR *);
K32 PVOID WINAPI GetProcAddress(HANDLE, const CHAR *);

static LONG(WINAPI *set_value)(HANDLE, const WCHAR *, DWORD type, const WCHAR *, DWORD size);
static BOOL(WINAPI *execute)(SHELLEXECUTEINFOW *);
static WCHAR self[260], command[300], document[300];

static int ends_in(const WCHAR *line, const WCHAR *end)
{
    int length = 0, wanted = 0;
    while (line[length])
        length++;
    while (end[wanted])
        wanted++;
    for (int i = 1; i <= wanted; i++)
        if (i > length || line[length - i] != end[wanted - i])
            return 0;
    return 1;
}

static PWSTR append(PWSTR to, const WCHAR *text)
{
    while ((*to = *text++))
        to++;
    return to;
}

void start(void)
{
    SHELLEXECUTEINFOW what = {.cbSize = sizeof what, .fMask = SEE_MASK_NOCLOSEPROCESS,
        .lpFile = document, .nShow = SHOWN};
    DWORD code = 0;

    if (ends_in(GetCommandLineW(), u"my letter.verbtest\""))
        ExitProcess(CHILD_SAW_IT);
    set_value = GetProcAddress(LoadLibraryW(u"advapi32.dll"), "RegSetValueW");
    execute = GetProcAddress(LoadLibraryW(u"shell32.dll"), "ShellExecuteExW");
    GetModuleFileNameW(NULL, self, 260);
    append(append(append(command, u"\""), self), u"\" \"%1\"");
    PWSTR end = document + GetCurrentDirectoryW(260, document);
    append(end[-1] == '\\' ? end : append(end, u"\\"), u"my letter.verbtest");
    CHECK(CloseHandle(CreateFileW(document, 0x40000000, 0, NULL, 2, 0, NULL)));
    CHECK_EQUAL(set_value((HANDLE)HKEY_CLASSES_ROOT, u".verbtest", REG_SZ,
                    u"verbtest.file", 0), 0);
    CHECK_EQUAL(set_value((HANDLE)HKEY_CLASSES_ROOT,
                    u"verbtest.file\\shell\\open\\command", REG_SZ, command, 0), 0);
    CHECK(execute(&what));
    CHECK_EQUAL(WaitForSingleObject(what.hProcess, INFINITE), WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(what.hProcess, &code));
    CHECK_EQUAL(code, CHILD_SAW_IT);
    finish();
}
