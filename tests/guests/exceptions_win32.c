/* Exceptions as kernel32's programs meet them: vectored and frame-based handlers, guard pages,
 * stack overflow, text for a debugger, and what becomes of those that nobody handles.
 * With a word, a child that ends by an exception: see `child`.
 */
#include "win32.h"

enum {
    EXCEPTION_EXECUTE_HANDLER = 1,
    EXCEPTION_STACK_OVERFLOW = (int)0xc00000fd,
    EXCEPTION_NONCONTINUABLE_EXCEPTION = (int)0xc0000025,
    DBG_PRINTEXCEPTION_C = 0x40010006,
    OWN_EXCEPTION = (int)0xe0001234,
    SEM_NOGPFAULTERRORBOX = 2,
};

typedef LONG WINAPI HANDLER(EXCEPTION_POINTERS *);
typedef EXCEPTION_DISPOSITION FRAME_HANDLER(PEXCEPTION_RECORD, PVOID, PCONTEXT, PVOID);
typedef struct FRAME { struct FRAME *next; FRAME_HANDLER *handler; } FRAME;

K32 PVOID WINAPI AddVectoredExceptionHandler(ULONG first, HANDLER *);
K32 ULONG WINAPI RemoveVectoredExceptionHandler(PVOID);
K32 PVOID WINAPI SetUnhandledExceptionFilter(HANDLER *);
K32 void WINAPI RaiseException(DWORD code, DWORD flags, DWORD count, const ULONG_PTR *);
K32 void WINAPI OutputDebugStringA(const CHAR *);
K32 DWORD WINAPI SetErrorMode(DWORD);
K32 BOOL WINAPI IsDebuggerPresent(void);
K32 PVOID WINAPI VirtualAlloc(PVOID, SIZE_T, DWORD, DWORD);
K32 BOOL WINAPI VirtualProtect(PVOID, SIZE_T, DWORD, DWORD *);

static volatile ULONG seen, order, code, flags, count, arguments[3];
static PVOID volatile place;

static void note(PEXCEPTION_RECORD record)
{
    seen++, code = record->ExceptionCode, flags = record->ExceptionFlags;
    count = record->NumberParameters;
    for (ULONG i = 0; i < 3 && i < count; i++)
        arguments[i] = record->ExceptionInformation[i];
}

/* Vectored handlers: each writes its digit; the second one handles OWN_EXCEPTION. */

static LONG WINAPI first(EXCEPTION_POINTERS *pointers)
{
    order = 10 * order + 1;
    note(pointers->ExceptionRecord);
    return EXCEPTION_CONTINUE_SEARCH;
}

static LONG WINAPI second(EXCEPTION_POINTERS *pointers)
{
    order = 10 * order + 2;
    return (LONG)pointers->ExceptionRecord->ExceptionCode == OWN_EXCEPTION
        ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH;
}

static void vectored(void)
{
    const ULONG_PTR given[3] = {11, 22, 33};
    PVOID two = AddVectoredExceptionHandler(0, second), one = AddVectoredExceptionHandler(1, first);
    RaiseException(OWN_EXCEPTION, 0, 3, given);
    CHECK_EQUAL(order, 12);
    CHECK_EQUAL(code, OWN_EXCEPTION);
    CHECK_EQUAL(count, 3);
    CHECK_EQUAL(arguments[2], 33);
    CHECK(RemoveVectoredExceptionHandler(one));
    RaiseException(OWN_EXCEPTION, 0, 0, NULL);
    CHECK_EQUAL(order, 122);
    CHECK(RemoveVectoredExceptionHandler(two));
    CHECK_EQUAL(RemoveVectoredExceptionHandler(two), 0);
}

/* Frame-based handlers. */

static FRAME **chain(void)
{
    FRAME **list;
    __asm__ volatile("movl %%fs:0x18, %0" : "=r"(list));
    return list;
}

/* Skips `movl (%eax), %eax`, two bytes, as a program that emulates it would. */
static EXCEPTION_DISPOSITION skip(PEXCEPTION_RECORD record, PVOID frame, PCONTEXT context, PVOID d)
{
    (void)frame, (void)d;
    note(record);
    context->Eip += 2;
    context->Eax = 0x5eed;
    return ExceptionContinueExecution;
}

static EXCEPTION_DISPOSITION pass(PEXCEPTION_RECORD record, PVOID frame, PCONTEXT context, PVOID d)
{
    (void)record, (void)frame, (void)context, (void)d;
    order = 10 * order + 7;
    return ExceptionContinueSearch;
}

static ULONG __attribute__((noinline)) load(PVOID address)
{
    ULONG value;
    __asm__ volatile("movl (%%eax), %%eax" : "=a"(value) : "a"(address));
    return value;
}

static void framed(void)
{
    FRAME outer = {*chain(), skip}, inner = {&outer, pass};
    order = seen = 0;
    *chain() = &inner;
    CHECK_EQUAL(load((PVOID)0x44), 0x5eed);
    CHECK_EQUAL(code, STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(arguments[0], 0);
    CHECK_EQUAL(arguments[1], 0x44);
    CHECK_EQUAL(order, 7);
    CHECK_EQUAL(seen, 1);
    *chain() = outer.next;
}

/* A guard page tells once. */

static LONG WINAPI retry(EXCEPTION_POINTERS *pointers)
{
    note(pointers->ExceptionRecord);
    return EXCEPTION_CONTINUE_EXECUTION;
}

static void guarded(void)
{
    DWORD before;
    volatile ULONG *page = VirtualAlloc(NULL, 0x1000, 0x3000, 4);
    PVOID handler = AddVectoredExceptionHandler(1, retry);
    CHECK(VirtualProtect((PVOID)page, 0x1000, 4 | 0x100, &before));
    seen = 0;
    page[3] = 9;
    page[4] = 9;
    CHECK_EQUAL(seen, 1);
    CHECK_EQUAL(code, STATUS_GUARD_PAGE_VIOLATION);
    CHECK_EQUAL(arguments[0], 1);
    CHECK_EQUAL(arguments[1], (ULONG)(page + 3));
    RemoveVectoredExceptionHandler(handler);
}

/* A thread that calls itself until its stack is at its end. */

static ULONG __attribute__((noinline)) deeper(ULONG n)
{
    volatile UCHAR frame[512];
    frame[0] = (UCHAR)n;
    return n == 0xffffffff ? n : deeper(n + 1) + frame[0];
}

static LONG WINAPI leave_thread(EXCEPTION_POINTERS *pointers)
{
    if ((LONG)pointers->ExceptionRecord->ExceptionCode == EXCEPTION_STACK_OVERFLOW)
        ExitThread(77);
    return EXCEPTION_CONTINUE_SEARCH;
}

static DWORD WINAPI overflow(PVOID unused)
{
    return (DWORD)unused + deeper(0);
}

static void overflowing(void)
{
    DWORD exit = 0;
    PVOID handler = AddVectoredExceptionHandler(1, leave_thread);
    HANDLE thread = CreateThread(NULL, 0, overflow, NULL, 0, NULL);
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &exit));
    CHECK_EQUAL(exit, 77);
    RemoveVectoredExceptionHandler(handler);
    CloseHandle(thread);
}

static void debugger(void)
{
    PVOID handler = AddVectoredExceptionHandler(1, first);
    CHECK_EQUAL(IsDebuggerPresent(), FALSE);
    seen = 0;
    OutputDebugStringA("nobody reads this");
    CHECK(seen == 0 || code == DBG_PRINTEXCEPTION_C);
    RemoveVectoredExceptionHandler(handler);
}

/* Children, and how each ends. */

static LONG WINAPI end_with_9(EXCEPTION_POINTERS *pointers)
{
    note(pointers->ExceptionRecord);
    ExitProcess(9);
}

static LONG WINAPI give_up(EXCEPTION_POINTERS *pointers)
{
    (void)pointers;
    return EXCEPTION_EXECUTE_HANDLER;
}

/* As for any other: of one that can't be continued this is a mistake. */
static EXCEPTION_DISPOSITION go_on(PEXCEPTION_RECORD record, PVOID frame, PCONTEXT context, PVOID d)
{
    (void)frame, (void)context, (void)d;
    return (LONG)record->ExceptionCode == OWN_EXCEPTION ? ExceptionContinueExecution
                                                        : ExceptionContinueSearch;
}

static __attribute__((noreturn)) void child(WCHAR what)
{
    SetErrorMode(SEM_NOGPFAULTERRORBOX);
    switch (what) {
    case 'a': load(place); break;                                            /* unhandled */
    case 'f': SetUnhandledExceptionFilter(end_with_9), load(place); break;
    case 'h': SetUnhandledExceptionFilter(give_up), load(place); break;
    case 'd': __asm__ volatile("xorl %%ecx, %%ecx\n\tdivl %%ecx" ::: "eax", "ecx", "edx"); break;
    case 'o': deeper(0); break;
    case 'i': __asm__ volatile("int3"); break;
    case 'r': RaiseException(OWN_EXCEPTION, 0, 0, NULL); break;
    case 'n': {
        FRAME frame = {*chain(), go_on};
        *chain() = &frame;
        RaiseException(OWN_EXCEPTION, EXCEPTION_NONCONTINUABLE, 0, NULL);
    }
    }
    ExitProcess(1);
}

static DWORD end_of_child(WCHAR what)
{
    static WCHAR self[260];
    WCHAR line[] = {'X', ' ', what, 0};
    STARTUPINFO startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    DWORD exit = 0;
    GetModuleFileNameW(NULL, self, 260);
    CHECK(CreateProcessW(self, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process));
    CHECK_EQUAL(WaitForSingleObject(process.hProcess, INFINITE), WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(process.hProcess, &exit));
    CloseHandle(process.hThread), CloseHandle(process.hProcess);
    return exit;
}

void start(void)
{
    PWSTR words = GetCommandLineW();
    if (words[0] == 'X' && words[1] == ' ')
        child(words[2]);
    vectored();
    framed();
    guarded();
    overflowing();
    debugger();
    CHECK_EQUAL(end_of_child('a'), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(end_of_child('f'), 9);
    CHECK_EQUAL(end_of_child('h'), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(end_of_child('d'), 0xc0000094);
    CHECK_EQUAL(end_of_child('i'), STATUS_BREAKPOINT);
    CHECK_EQUAL(end_of_child('o'), EXCEPTION_STACK_OVERFLOW);
    CHECK_EQUAL(end_of_child('r'), OWN_EXCEPTION);
    CHECK_EQUAL(end_of_child('n'), EXCEPTION_NONCONTINUABLE_EXCEPTION);
    finish();
}
