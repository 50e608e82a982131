/* A debugger through kernel32, of children that are this program: events in their order,
 * breakpoints, single steps, hardware breakpoints, exceptions that are handled and passed on,
 * attaching, detaching, and the end of the debugger.  The word of the command line says what a
 * child does.
 */
#include "debug_api.h"

static WCHAR self[260];
static volatile ULONG watched;

__attribute__((noinline)) static ULONG target(ULONG value)
{
    watched = value + 1;
    return watched;
}

/* The debugger. */

static PROCESS_INFORMATION start_child(WCHAR word, DWORD flags)
{
    static WCHAR line[] = L"X ?";
    STARTUPINFO plain = {.cb = sizeof plain};
    PROCESS_INFORMATION child = {0};
    line[2] = word;
    CHECK(CreateProcessW(self, line, NULL, NULL, FALSE, flags, NULL, NULL, &plain, &child));
    return child;
}

static BOOL next(DEBUG_EVENT *event)
{
    memset(event, 0, sizeof *event);
    BOOL got = WaitForDebugEvent(event, 20000);
    CHECK(got);
    return got;
}

static void go_on(const DEBUG_EVENT *event, DWORD status)
{
    if (event->code == CREATE_PROCESS_EVENT)
        CloseHandle(event->process.file);
    if (event->code == LOAD_DLL_EVENT)
        CloseHandle(event->load.file);
    CHECK(ContinueDebugEvent(event->pid, event->tid, status));
}

/* Let a child go on up to an event of a kind. */
static BOOL until(DEBUG_EVENT *event, DWORD code)
{
    for (ULONG i = 0; i < MOST_EVENTS && next(event); i++) {
        if (event->code == code)
            return TRUE;
        CHECK(event->code != EXIT_PROCESS_EVENT);
        if (event->code == EXIT_PROCESS_EVENT)
            return FALSE;
        go_on(event, event->code == EXCEPTION_EVENT ? DBG_EXCEPTION_NOT_HANDLED : DBG_CONTINUE);
    }
    return FALSE;
}

/* The first breakpoint, which ntdll has in itself. */
static PROCESS_INFORMATION start_at_breakpoint(WCHAR word, DEBUG_EVENT *event)
{
    PROCESS_INFORMATION child = start_child(word, DEBUG_ONLY_THIS_PROCESS);
    CHECK(until(event, EXCEPTION_EVENT));
    CHECK_EQUAL(event->exception.record.ExceptionCode, STATUS_BREAKPOINT);
    CHECK_EQUAL(event->exception.first, 1);
    return child;
}

static CONTEXT registers(HANDLE thread, ULONG flags)
{
    CONTEXT context = {.ContextFlags = flags};
    CHECK(GetThreadContext(thread, &context));
    return context;
}

static void ends(PROCESS_INFORMATION child, DEBUG_EVENT *event, DWORD code)
{
    DWORD got = 0;
    CHECK(until(event, EXIT_PROCESS_EVENT));
    CHECK_EQUAL(event->pid, child.dwProcessId);
    CHECK_EQUAL(event->exit.status, code);
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 0), WAIT_TIMEOUT);
    go_on(event, DBG_CONTINUE);
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 20000), WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(child.hProcess, &got));
    CHECK_EQUAL(got, code);
    CHECK(CloseHandle(child.hThread));
    CHECK(CloseHandle(child.hProcess));
}

static void events_in_their_order(void)
{
    DEBUG_EVENT event;
    PROCESS_INFORMATION child = start_child('o', DEBUG_ONLY_THIS_PROCESS);
    BOOL present = FALSE;
    CHECK(CheckRemoteDebuggerPresent(child.hProcess, &present) && present);

    CHECK(next(&event));
    CHECK_EQUAL(event.code, CREATE_PROCESS_EVENT);
    CHECK_EQUAL(event.pid, child.dwProcessId);
    CHECK_EQUAL(event.tid, child.dwThreadId);
    CHECK(event.process.file && event.process.process && event.process.thread);
    USHORT magic = 0;
    CHECK(ReadProcessMemory(event.process.process, event.process.base, &magic, 2, NULL));
    CHECK_EQUAL(magic, 0x5a4d);
    /* Neither another's event nor an unknown answer is taken. */
    CHECK(!ContinueDebugEvent(event.pid, event.tid + 4, DBG_CONTINUE));
    CHECK(!ContinueDebugEvent(event.pid, event.tid, 0x1234));
    go_on(&event, DBG_CONTINUE);

    CHECK(next(&event));
    CHECK_EQUAL(event.code, LOAD_DLL_EVENT);
    CHECK(event.load.base == (PVOID)GetModuleHandleW(L"ntdll.dll"));
    CHECK(event.load.file != NULL);
    go_on(&event, DBG_CONTINUE);

    CHECK(until(&event, EXCEPTION_EVENT));
    CHECK_EQUAL(event.exception.record.ExceptionCode, STATUS_BREAKPOINT);
    CHECK_EQUAL(WaitForDebugEvent(&event, 50), FALSE);
    CHECK_EQUAL(GetLastError(), ERROR_SEM_TIMEOUT);
    event.code = EXCEPTION_EVENT, event.pid = child.dwProcessId, event.tid = child.dwThreadId;
    go_on(&event, DBG_CONTINUE);

    CHECK(until(&event, CREATE_THREAD_EVENT));
    DWORD second = event.tid;
    CHECK(event.thread.thread && event.thread.teb);
    CHECK(second != child.dwThreadId);
    go_on(&event, DBG_CONTINUE);
    CHECK(until(&event, EXIT_THREAD_EVENT));
    CHECK_EQUAL(event.tid, second);
    CHECK_EQUAL(event.exit.status, 31);
    go_on(&event, DBG_CONTINUE);

    CHECK(until(&event, LOAD_DLL_EVENT));
    CHECK(event.load.file != NULL);
    PVOID loaded = event.load.base;
    go_on(&event, DBG_CONTINUE);
    CHECK(until(&event, UNLOAD_DLL_EVENT));
    CHECK(event.unload.base == loaded);
    go_on(&event, DBG_CONTINUE);

    CHECK(until(&event, OUTPUT_DEBUG_STRING_EVENT));
    CHAR text[8] = {0};
    CHECK_EQUAL(event.string.length, 6);
    CHECK(ReadProcessMemory(child.hProcess, event.string.text, text, 6, NULL));
    CHECK(!memcmp(text, "hello", 6));
    go_on(&event, DBG_CONTINUE);
    ends(child, &event, 'o');
}

static void a_breakpoint_and_a_step(void)
{
    DEBUG_EVENT event;
    PROCESS_INFORMATION child = start_at_breakpoint('b', &event);
    UCHAR original, int3 = 0xcc;
    CHECK(ReadProcessMemory(child.hProcess, target, &original, 1, NULL));
    CHECK(WriteProcessMemory(child.hProcess, target, &int3, 1, NULL));
    go_on(&event, DBG_CONTINUE);

    CHECK(until(&event, EXCEPTION_EVENT));
    CHECK_EQUAL(event.exception.record.ExceptionCode, STATUS_BREAKPOINT);
    CHECK(event.exception.record.ExceptionAddress == (PVOID)target);
    CONTEXT context = registers(child.hThread, CONTEXT_FULL);
    CHECK_EQUAL(context.Eip, (ULONG)target + 1);
    CHECK(WriteProcessMemory(child.hProcess, target, &original, 1, NULL));
    context.Eip = (ULONG)target, context.EFlags |= TRAP_FLAG;
    CHECK(SetThreadContext(child.hThread, &context));
    go_on(&event, DBG_CONTINUE);

    CHECK(until(&event, EXCEPTION_EVENT));
    CHECK_EQUAL(event.exception.record.ExceptionCode, STATUS_SINGLE_STEP);
    context = registers(child.hThread, CONTEXT_FULL);
    CHECK(context.Eip > (ULONG)target && context.Eip < (ULONG)target + 16);
    CHECK(!(context.EFlags & TRAP_FLAG));
    /* A write to `watched` from here on. */
    context = registers(child.hThread, CONTEXT_DEBUG_REGISTERS);
    context.Dr0 = (ULONG)&watched, context.Dr6 = 0, context.Dr7 = 0x000d0001;
    CHECK(SetThreadContext(child.hThread, &context));
    go_on(&event, DBG_CONTINUE);

    CHECK(until(&event, EXCEPTION_EVENT));
    CHECK_EQUAL(event.exception.record.ExceptionCode, STATUS_SINGLE_STEP);
    ULONG value = 0;
    CHECK(ReadProcessMemory(child.hProcess, (PVOID)&watched, &value, 4, NULL));
    CHECK_EQUAL(value, 'b');
    context = registers(child.hThread, CONTEXT_DEBUG_REGISTERS);
    CHECK_EQUAL(context.Dr6 & 0xf, 1);
    context.Dr7 = 0;
    CHECK(SetThreadContext(child.hThread, &context));
    go_on(&event, DBG_CONTINUE);
    ends(child, &event, 'b');
}

static void exceptions(void)
{
    DEBUG_EVENT event;
    /* The debugger handles one, the process the next; nobody the last. */
    PROCESS_INFORMATION child = start_at_breakpoint('x', &event);
    go_on(&event, DBG_CONTINUE);
    CHECK(until(&event, EXCEPTION_EVENT));
    CHECK_EQUAL(event.exception.record.ExceptionCode, STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(event.exception.record.NumberParameters, 2);
    CHECK_EQUAL(event.exception.record.ExceptionInformation[1], 16);
    CONTEXT context = registers(child.hThread, CONTEXT_FULL);
    context.Ecx = (ULONG)&watched;
    CHECK(SetThreadContext(child.hThread, &context));
    go_on(&event, DBG_EXCEPTION_HANDLED);
    for (int i = 0; i < 2; i++) {
        CHECK(until(&event, EXCEPTION_EVENT));
        CHECK_EQUAL(event.exception.record.ExceptionCode, STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(event.exception.first, 1);
        go_on(&event, DBG_EXCEPTION_NOT_HANDLED);
    }
    CHECK(until(&event, EXCEPTION_EVENT));
    CHECK_EQUAL(event.exception.record.ExceptionCode, STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(event.exception.first, 0);
    ULONG value = 0;
    CHECK(ReadProcessMemory(child.hProcess, (PVOID)&watched, &value, 4, NULL));
    CHECK_EQUAL(value, 101);
    go_on(&event, DBG_EXCEPTION_NOT_HANDLED);
    ends(child, &event, STATUS_ACCESS_VIOLATION);
}

/* The end of a process is that of its threads, one after the other; the last one's is its own. */
static void several_threads(void)
{
    DEBUG_EVENT event;
    ULONG begun = 0, ended = 0;
    PROCESS_INFORMATION child = start_child('t', DEBUG_ONLY_THIS_PROCESS);
    do {
        if (!next(&event))
            return;
        begun += event.code == CREATE_THREAD_EVENT, ended += event.code == EXIT_THREAD_EVENT;
        CHECK(event.code != EXIT_THREAD_EVENT || event.exit.status == 't');
        if (event.code != EXIT_PROCESS_EVENT)
            go_on(&event, DBG_CONTINUE);
    } while (event.code != EXIT_PROCESS_EVENT);
    CHECK_EQUAL(begun, 3);
    CHECK_EQUAL(ended, 3);
    CHECK_EQUAL(event.tid, child.dwThreadId);
    go_on(&event, DBG_CONTINUE);
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 20000), WAIT_OBJECT_0);
}

/* Nothing else of a process runs while the debugger has an event of it. */
static void the_others_stand_still(void)
{
    DEBUG_EVENT event;
    ULONG before = 0, after = 0;
    PROCESS_INFORMATION child = start_child('n', DEBUG_ONLY_THIS_PROCESS);
    CHECK(until(&event, OUTPUT_DEBUG_STRING_EVENT));
    CHECK(ReadProcessMemory(child.hProcess, (PVOID)&watched, &before, 4, NULL));
    Sleep(100);
    CHECK(ReadProcessMemory(child.hProcess, (PVOID)&watched, &after, 4, NULL));
    CHECK(before > 0);
    CHECK_EQUAL(after, before);
    go_on(&event, DBG_CONTINUE);
    CHECK(until(&event, OUTPUT_DEBUG_STRING_EVENT));
    CHECK(ReadProcessMemory(child.hProcess, (PVOID)&watched, &after, 4, NULL));
    CHECK(after > before);
    go_on(&event, DBG_CONTINUE);
    ends(child, &event, 'n');
}

static void what_ntdll_can_ask(void)
{
    DEBUG_EVENT event;
    HANDLE object = NULL, other = NULL;
    ULONG flags = 7, size = 0;
    PROCESS_INFORMATION child = start_child('b', DEBUG_ONLY_THIS_PROCESS);
    OBJECT_ATTRIBUTES attributes = {.Length = sizeof attributes};
    CHECK_EQUAL(NtQueryInformationProcess(child.hProcess, 30, &object, 4, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryInformationProcess(NtCurrentProcess(), 30, &other, 4, NULL), STATUS_PORT_NOT_SET);
    CHECK_EQUAL(NtQueryInformationProcess(child.hProcess, 31, &flags, 4, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(flags, 0);
    CHECK_EQUAL(NtCreateDebugObject(&other, DEBUG_ALL_ACCESS, &attributes, 2), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtCreateDebugObject(&other, DEBUG_ALL_ACCESS, &attributes, 0), STATUS_SUCCESS);
    CHECK_EQUAL(NtDebugActiveProcess(child.hProcess, other), STATUS_PORT_ALREADY_SET);
    CHECK_EQUAL(NtRemoveProcessDebug(child.hProcess, other), STATUS_PORT_NOT_SET);
    CHECK_EQUAL(WaitForSingleObject(other, 0), WAIT_TIMEOUT);
    flags = 0;
    CHECK_EQUAL(NtSetInformationDebugObject(other, 1, &flags, 2, &size), STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(size, 4);
    CHECK_EQUAL(NtSetInformationDebugObject(other, 2, &flags, 4, NULL), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtSetInformationDebugObject(other, 1, &flags, 4, NULL), STATUS_SUCCESS);
    CHECK(CloseHandle(other));
    CHECK(CloseHandle(object));
    ends(child, &event, 'b');
}

static void children_of_a_child(void)
{
    DEBUG_EVENT event;
    ULONG processes = 0, exits = 0;
    PROCESS_INFORMATION child = start_child('c', DEBUG_PROCESS);
    while (exits < 2 && next(&event)) {
        processes += event.code == CREATE_PROCESS_EVENT, exits += event.code == EXIT_PROCESS_EVENT;
        go_on(&event, DBG_CONTINUE);
    }
    CHECK_EQUAL(processes, 2);
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 20000), WAIT_OBJECT_0);

    processes = 0;
    child = start_child('c', DEBUG_ONLY_THIS_PROCESS);
    do {
        if (!next(&event))
            return;
        processes += event.code == CREATE_PROCESS_EVENT;
        go_on(&event, DBG_CONTINUE);
    } while (event.code != EXIT_PROCESS_EVENT);
    CHECK_EQUAL(processes, 1);
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 20000), WAIT_OBJECT_0);
}

static void attaching(void)
{
    DEBUG_EVENT event;
    BOOL present = TRUE;
    PROCESS_INFORMATION child = start_child('w', 0);
    Sleep(300);
    CHECK(CheckRemoteDebuggerPresent(child.hProcess, &present) && !present);
    CHECK(DebugActiveProcess(child.dwProcessId));
    CHECK(!DebugActiveProcess(child.dwProcessId));
    CHECK(!DebugActiveProcess(GetCurrentProcessId()));
    CHECK(next(&event));
    CHECK_EQUAL(event.code, CREATE_PROCESS_EVENT);
    CHECK_EQUAL(event.tid, child.dwThreadId);
    go_on(&event, DBG_CONTINUE);
    CHECK(until(&event, LOAD_DLL_EVENT));
    go_on(&event, DBG_CONTINUE);
    CHECK(until(&event, CREATE_THREAD_EVENT));
    go_on(&event, DBG_CONTINUE);
    CHECK(until(&event, EXCEPTION_EVENT));
    CHECK_EQUAL(event.exception.record.ExceptionCode, STATUS_BREAKPOINT);
    go_on(&event, DBG_CONTINUE);
    CHECK(until(&event, EXIT_THREAD_EVENT));
    go_on(&event, DBG_CONTINUE);

    CHECK(DebugActiveProcessStop(child.dwProcessId));
    CHECK(!DebugActiveProcessStop(child.dwProcessId));
    CHECK(CheckRemoteDebuggerPresent(child.hProcess, &present) && !present);
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 100), WAIT_TIMEOUT);
    CHECK(TerminateProcess(child.hProcess, 5));
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 20000), WAIT_OBJECT_0);
}

/* A child that is detached from while its event is open goes on as if nobody had looked. */
static void detaching_in_the_middle(void)
{
    DEBUG_EVENT event;
    DWORD code = 0;
    PROCESS_INFORMATION child = start_child('b', DEBUG_ONLY_THIS_PROCESS);
    CHECK(until(&event, LOAD_DLL_EVENT));
    CHECK(DebugActiveProcessStop(child.dwProcessId));
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 20000), WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(child.hProcess, &code));
    CHECK_EQUAL(code, 'b');
}

static void terminating_a_stopped_child(void)
{
    DEBUG_EVENT event;
    PROCESS_INFORMATION child = start_at_breakpoint('w', &event);
    CHECK(TerminateProcess(child.hProcess, 66));
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, 50), WAIT_TIMEOUT);
    go_on(&event, DBG_CONTINUE);
    ends(child, &event, 66);
}

/* The end of a debugger is the end of what it debugs, unless it has said otherwise. */
static void the_debugger_ends(void)
{
    for (int lives = 0; lives < 2; lives++) {
        HANDLE grandchild;
        DWORD pid = 0, code = 0;
        PROCESS_INFORMATION child = start_child(lives ? 'l' : 'k', 0);
        CHECK_EQUAL(WaitForSingleObject(child.hProcess, 20000), WAIT_OBJECT_0);
        CHECK(GetExitCodeProcess(child.hProcess, &pid));
        grandchild = OpenProcess(PROCESS_ALL_ACCESS, FALSE, pid);
        if (lives) {
            CHECK(grandchild != NULL);
            CHECK_EQUAL(WaitForSingleObject(grandchild, 100), WAIT_TIMEOUT);
            CHECK(TerminateProcess(grandchild, 1));
        } else if (grandchild) {
            CHECK_EQUAL(WaitForSingleObject(grandchild, 20000), WAIT_OBJECT_0);
            CHECK(GetExitCodeProcess(grandchild, &code) && code != STILL_ACTIVE);
        }
    }
}

/* The debugged. */

static DWORD WINAPI thirty_one(PVOID parameter)
{
    (void)parameter;
    return 31;
}

static DWORD WINAPI sleeper(PVOID parameter)
{
    (void)parameter;
    Sleep(INFINITE);
    return 0;
}

static DWORD WINAPI counter(PVOID parameter)
{
    (void)parameter;
    for (;;)
        watched++;
    return 0;
}

static LONG WINAPI skip_once(EXCEPTION_POINTERS *pointers)
{
    static int skipped;
    if (skipped++)
        return 0;
    pointers->ContextRecord->Ecx = (ULONG)&watched;
    return EXCEPTION_CONTINUE_EXECUTION;
}

__attribute__((noinline)) static void add_at(ULONG address, ULONG value)
{
    __asm__ volatile("addl %0, (%%ecx)" : : "r"(value), "c"(address) : "memory");
}

static void be_a_child(WCHAR word)
{
    DEBUG_EVENT event;
    switch (word) {
    case 'o':
        WaitForSingleObject(CreateThread(NULL, 0, thirty_one, NULL, 0, NULL), INFINITE);
        FreeLibrary(LoadLibraryW(L"version.dll"));
        OutputDebugStringA("hello");
        break;
    case 'b':
        ExitProcess(target('a'));
    case 'x':
        AddVectoredExceptionHandler(1, skip_once);
        add_at(16, 1);
        add_at(16, 100);
        add_at(16, 10000);
        break;
    case 'c':
        WaitForSingleObject(start_child('b', 0).hProcess, INFINITE);
        break;
    case 't':
        for (int i = 0; i < 3; i++)
            CreateThread(NULL, 0, sleeper, NULL, 0, NULL);
        Sleep(50);
        break;
    case 'n':
        CreateThread(NULL, 0, counter, NULL, 0, NULL);
        for (int i = 0; i < 2; i++) {
            Sleep(100);
            OutputDebugStringA("now");
        }
        break;
    case 'k':
    case 'l':
        start_at_breakpoint('w', &event);
        if (word == 'l')
            CHECK(DebugSetProcessKillOnExit(FALSE));
        else
            go_on(&event, DBG_CONTINUE);
        ExitProcess(event.pid);
    case 'w':
        Sleep(INFINITE);
    }
    ExitProcess(word);
}

void start(void)
{
    PWSTR line = GetCommandLineW();
    GetModuleFileNameW(NULL, self, 260);
    if (line[0] == 'X' && line[1] == ' ')
        be_a_child(line[2]);
    CHECK(!IsDebuggerPresent());
    events_in_their_order();
    a_breakpoint_and_a_step();
    exceptions();
    several_threads();
    the_others_stand_still();
    what_ntdll_can_ask();
    children_of_a_child();
    attaching();
    detaching_in_the_middle();
    terminating_a_stopped_child();
    the_debugger_ends();
    finish();
}
