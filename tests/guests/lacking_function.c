/* Ends as a program does that calls a function which Wine's DLL only names. */
#include "win32.h"

K32 void WINAPI RaiseException(DWORD code, DWORD flags, DWORD count, const ULONG_PTR *);

enum { EXCEPTION_WINE_STUB = (int)0x80000100 };

void start(void)
{
    const ULONG_PTR names[] = {(ULONG_PTR)"some.dll", (ULONG_PTR)"Function"};
    RaiseException(EXCEPTION_WINE_STUB, 1, 2, names);
    finish();
}
