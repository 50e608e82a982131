/* dbghelp of the program itself: SymInitialize that takes the modules of a live process, and the
 * names of exported functions.
 */
#include "win32.h"

enum { MAX_NAME = 64, SYMBOL_INFO_SIZE = 88 };  /* with one character of the name */

typedef struct {
    ULONG SizeOfStruct, TypeIndex;
    ULONGLONG Reserved[2];
    ULONG Index, Size;
    ULONGLONG ModBase;
    ULONG Flags;
    ULONGLONG Value, Address;
    ULONG Register, Scope, Tag, NameLen, MaxNameLen;
    CHAR Name[MAX_NAME];
} SYMBOL_INFO;

K32 HANDLE WINAPI GetModuleHandleW(const WCHAR *);
K32 HANDLE WINAPI LoadLibraryW(const WCHAR *);
K32 PVOID WINAPI GetProcAddress(HANDLE, const CHAR *);

static BOOL(WINAPI *initialize)(HANDLE process, const CHAR *path, BOOL invade);
static BOOL(WINAPI *from_address)(HANDLE process, ULONGLONG, ULONGLONG *displacement, SYMBOL_INFO *);
static ULONGLONG(WINAPI *module_base)(HANDLE process, ULONGLONG);
static BOOL(WINAPI *cleanup)(HANDLE process);

static int same(const CHAR *one, const CHAR *other)
{
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

void start(void)
{
    HANDLE dbghelp = LoadLibraryW(u"dbghelp.dll"), kernel32 = GetModuleHandleW(u"kernel32.dll");
    HANDLE self = (HANDLE)-1;
    SYMBOL_INFO symbol = {.SizeOfStruct = SYMBOL_INFO_SIZE, .MaxNameLen = MAX_NAME};
    ULONG sleep = (ULONG)GetProcAddress(kernel32, "Sleep");
    ULONGLONG displacement = 1;

    initialize = GetProcAddress(dbghelp, "SymInitialize");
    from_address = GetProcAddress(dbghelp, "SymFromAddr");
    module_base = GetProcAddress(dbghelp, "SymGetModuleBase64");
    cleanup = GetProcAddress(dbghelp, "SymCleanup");
    CHECK(initialize(self, NULL, TRUE));
    CHECK_EQUAL((ULONG)module_base(self, sleep), (ULONG)kernel32);
    CHECK(from_address(self, sleep, &displacement, &symbol));
    CHECK_EQUAL((ULONG)displacement, 0);
    CHECK(same(symbol.Name, "Sleep"));
    CHECK(cleanup(self));
    finish();
}
