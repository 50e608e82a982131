/* What programs ask of the system most, each a number of times between two calls of `mark`.
 *
 *     services.exe            all of it
 *     services.exe NAME...    the named ones
 *     services.exe -child     ends at once
 *     services.exe -pong      answers the events of `events between processes`
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>

#define PAGE 4096
#define MB (1 << 20)

/* ntdll's; in this benchmark's machine it notes the time. */
__declspec(dllimport) LONG NTAPI NtReadFileScatter(const char *, ULONG, ULONG, ULONG, ULONG, ULONG,
                                                   ULONG, ULONG, ULONG);
__declspec(dllimport) LONG NTAPI NtQuerySystemInformation(ULONG, void *, ULONG, ULONG *);
__declspec(dllimport) LONG NTAPI NtYieldExecution(void);

static const char *current;

static void begin(void)
{
    NtReadFileScatter(NULL, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void mark(ULONG count)
{
    NtReadFileScatter(current, count, 0, 0, 0, 0, 0, 0, 0);
}

static void check(int holds, int line)
{
    if (!holds) {
        printf("line %d: error %lu\n", line, GetLastError());
        fflush(stdout);
        ExitProcess(1);
    }
}
#define CHECK(holds) check((holds) != 0, __LINE__)

static void system_call(void)
{
    begin();
    for (int i = 0; i < 20000; i++)
        NtYieldExecution();
    mark(20000);
}

static void demand_zero(void)
{
    enum { PAGES = 4096 };
    volatile char *memory = VirtualAlloc(0, PAGES * PAGE, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    CHECK(memory);
    begin();
    for (int i = 0; i < PAGES; i++)
        memory[i * PAGE] = 1;
    mark(PAGES);
    VirtualFree((void *)memory, 0, MEM_RELEASE);
}

static void allocate_touch_free(void)
{
    begin();
    for (int i = 0; i < 1000; i++) {
        volatile char *memory = VirtualAlloc(0, PAGE, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
        CHECK(memory);
        *memory = 1;
        CHECK(VirtualFree((void *)memory, 0, MEM_RELEASE));
    }
    mark(1000);
}

static void release(void)
{
    enum { PAGES = 4096 };
    volatile char *memory = VirtualAlloc(0, PAGES * PAGE, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    for (int i = 0; i < PAGES; i++)
        memory[i * PAGE] = 1;
    begin();
    VirtualFree((void *)memory, 0, MEM_RELEASE);
    mark(PAGES);
}

static void protect(void)
{
    DWORD old;
    volatile char *memory = VirtualAlloc(0, PAGE, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    begin();
    for (int i = 0; i < 1000; i++) {
        *memory = 1;
        VirtualProtect((void *)memory, PAGE, PAGE_READONLY, &old);
        VirtualProtect((void *)memory, PAGE, PAGE_READWRITE, &old);
    }
    mark(1000);
}

static void query_memory(void)
{
    MEMORY_BASIC_INFORMATION info;
    begin();
    for (int i = 0; i < 2000; i++)
        VirtualQuery((void *)query_memory, &info, sizeof(info));
    mark(2000);
}

static void heap_growth(void)
{
    enum { BLOCKS = 300 * 1024, SIZE = 1024 };
    HANDLE heap = HeapCreate(0, 0, 0);
    begin();
    for (int i = 0; i < BLOCKS; i++)
        CHECK(HeapAlloc(heap, 0, SIZE - 16));
    mark(BLOCKS / 1024);
    begin();
    HeapDestroy(heap);
    current = "heap destroy, a MB";
    mark(BLOCKS / 1024);
}

static LONG WINAPI step_over(EXCEPTION_POINTERS *pointers)
{
    return pointers->ExceptionRecord->ExceptionCode == 0xE0001234 ? EXCEPTION_CONTINUE_EXECUTION
                                                                  : EXCEPTION_CONTINUE_SEARCH;
}

static void exceptions(void)
{
    void *handler = AddVectoredExceptionHandler(1, step_over);
    begin();
    for (int i = 0; i < 1000; i++)
        RaiseException(0xE0001234, 0, 0, 0);
    mark(1000);
    RemoveVectoredExceptionHandler(handler);
}

static HANDLE ping, pong;

static DWORD WINAPI answer(void *count)
{
    for (DWORD_PTR i = 0; i < (DWORD_PTR)count; i++) {
        WaitForSingleObject(ping, INFINITE);
        SetEvent(pong);
    }
    return 0;
}

static void events(void)
{
    enum { ROUNDS = 2000 };
    ping = CreateEventA(0, 0, 0, 0);
    pong = CreateEventA(0, 0, 0, 0);
    HANDLE thread = CreateThread(0, 0, answer, (void *)ROUNDS, 0, 0);
    begin();
    for (int i = 0; i < ROUNDS; i++) {
        SetEvent(ping);
        WaitForSingleObject(pong, INFINITE);
    }
    mark(ROUNDS);
    WaitForSingleObject(thread, INFINITE);
}

static HANDLE start_program(const char *path, char *line)
{
    STARTUPINFOA startup = { sizeof(startup) };
    PROCESS_INFORMATION process;
    CHECK(CreateProcessA(path, line, 0, 0, FALSE, 0, 0, 0, &startup, &process));
    CloseHandle(process.hThread);
    return process.hProcess;
}

static HANDLE start(const char *option)
{
    char path[MAX_PATH], line[MAX_PATH + 32];
    GetModuleFileNameA(0, path, sizeof(path));
    sprintf(line, "\"%s\" %s", path, option);
    return start_program(path, line);
}

static void child_processes(void)
{
    begin();
    for (int i = 0; i < 20; i++) {
        HANDLE child = start("-child");
        WaitForSingleObject(child, INFINITE);
        CloseHandle(child);
    }
    mark(20);
}

/* Nobody has the program or its DLLs in between. */
static void same_program_again(void)
{
    for (int i = 0; i < 11; i++) {
        char line[] = "cmd.exe /c exit";
        if (i == 1)
            begin();
        HANDLE child = start_program("C:\\windows\\system32\\cmd.exe", line);
        WaitForSingleObject(child, INFINITE);
        CloseHandle(child);
    }
    mark(10);
}

static void events_between_processes(void)
{
    enum { ROUNDS = 1000 };
    ping = CreateEventA(0, 0, 0, "bench-ping");
    pong = CreateEventA(0, 0, 0, "bench-pong");
    HANDLE child = start("-pong");
    WaitForSingleObject(pong, INFINITE);
    begin();
    for (int i = 0; i < ROUNDS; i++) {
        SetEvent(ping);
        WaitForSingleObject(pong, INFINITE);
    }
    mark(ROUNDS);
    TerminateProcess(child, 0);
    CloseHandle(child);
}

static void answer_as_child(void)
{
    ping = OpenEventA(EVENT_ALL_ACCESS, 0, "bench-ping");
    pong = OpenEventA(EVENT_ALL_ACCESS, 0, "bench-pong");
    for (;;) {
        SetEvent(pong);
        WaitForSingleObject(ping, INFINITE);
    }
}

static DWORD WINAPI nothing(void *unused)
{
    return unused != 0;
}

static void threads(void)
{
    begin();
    for (int i = 0; i < 200; i++) {
        HANDLE thread = CreateThread(0, 0, nothing, 0, 0, 0);
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    }
    mark(200);
}

static CRITICAL_SECTION section;
static volatile LONG total;

static DWORD WINAPI contend(void *rounds)
{
    WaitForSingleObject(ping, INFINITE);
    for (DWORD_PTR i = 0; i < (DWORD_PTR)rounds; i++) {
        EnterCriticalSection(&section);
        total++;
        if (!(i & 7))
            Sleep(0);
        LeaveCriticalSection(&section);
    }
    return 0;
}

static void many_threads(void)
{
    enum { THREADS = 200, ROUNDS = 40 };
    static HANDLE handles[THREADS];
    InitializeCriticalSection(&section);
    ping = CreateEventA(0, 1, 0, 0);
    begin();
    for (int i = 0; i < THREADS; i++)
        CHECK(handles[i] = CreateThread(0, 0x10000, contend, (void *)ROUNDS,
                                        STACK_SIZE_PARAM_IS_A_RESERVATION, 0));
    SetEvent(ping);
    for (int i = 0; i < THREADS; i++)
        WaitForSingleObject(handles[i], INFINITE);
    mark(THREADS * ROUNDS);
    CHECK(total == THREADS * ROUNDS);
}

static DWORD WINAPI feed(void *pipe)
{
    static char data[4096];
    DWORD done;
    for (int i = 0; i < 512; i++)
        WriteFile(pipe, data, sizeof(data), &done, 0);
    CloseHandle(pipe);
    return 0;
}

static void pipe_throughput(void)
{
    static char data[4096];
    HANDLE reader, writer;
    DWORD done;
    CHECK(CreatePipe(&reader, &writer, 0, 0));
    begin();
    CloseHandle(CreateThread(0, 0, feed, writer, 0, 0));
    while (ReadFile(reader, data, sizeof(data), &done, 0) && done)
        ;
    mark(2);
    CloseHandle(reader);
}

static void registry(void)
{
    char value[256];
    begin();
    for (int i = 0; i < 1000; i++) {
        HKEY key;
        DWORD size = sizeof(value), type;
        CHECK(!RegOpenKeyExA(HKEY_LOCAL_MACHINE,
                             "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion", 0, KEY_READ, &key));
        CHECK(!RegQueryValueExA(key, "CurrentVersion", 0, &type, (BYTE *)value, &size));
        RegCloseKey(key);
    }
    mark(1000);
}

static void small_reads(void)
{
    char data[16];
    DWORD done;
    HANDLE file = CreateFileA("data.bin", GENERIC_READ | GENERIC_WRITE, 0, 0, CREATE_ALWAYS, 0, 0);
    static char zeros[65536];
    WriteFile(file, zeros, sizeof(zeros), &done, 0);
    SetFilePointer(file, 0, 0, FILE_BEGIN);
    begin();
    for (int i = 0; i < 4096; i++)
        CHECK(ReadFile(file, data, sizeof(data), &done, 0));
    mark(4096);
    CloseHandle(file);
}

static void small_writes(void)
{
    char data[16] = { 0 };
    DWORD done;
    HANDLE file = CreateFileA("data.bin", GENERIC_READ | GENERIC_WRITE, 0, 0, CREATE_ALWAYS, 0, 0);
    begin();
    for (int i = 0; i < 10000; i++)
        CHECK(WriteFile(file, data, sizeof(data), &done, 0));
    mark(10000);
    CloseHandle(file);
}

static void open_close(void)
{
    begin();
    for (int i = 0; i < 500; i++) {
        HANDLE file = CreateFileA("data.bin", GENERIC_READ, 0, 0, OPEN_ALWAYS, 0, 0);
        CHECK(file != INVALID_HANDLE_VALUE);
        CloseHandle(file);
    }
    mark(500);
}

static void attributes(void)
{
    begin();
    for (int i = 0; i < 500; i++)
        GetFileAttributesA("C:\\windows\\system32\\kernel32.dll");
    mark(500);
}

static void directory(void)
{
    WIN32_FIND_DATAA found;
    DWORD count = 0;
    begin();
    HANDLE find = FindFirstFileA("C:\\windows\\system32\\*", &found);
    do
        count++;
    while (FindNextFileA(find, &found));
    FindClose(find);
    mark(count);
}

static void mapped_copy(void)
{
    enum { PAGES = 1024 };
    DWORD done;
    static char zeros[65536];
    HANDLE file = CreateFileA("map.bin", GENERIC_READ | GENERIC_WRITE, 0, 0, CREATE_ALWAYS, 0, 0);
    for (int i = 0; i < PAGES * PAGE / 65536; i++)
        WriteFile(file, zeros, sizeof(zeros), &done, 0);
    HANDLE mapping = CreateFileMappingA(file, 0, PAGE_WRITECOPY, 0, 0, 0);
    volatile char *view = MapViewOfFile(mapping, FILE_MAP_COPY, 0, 0, 0);
    CHECK(view);
    begin();
    for (int i = 0; i < PAGES; i++)
        (void)view[i * PAGE];
    current = "file page, first read";
    mark(PAGES);
    begin();
    for (int i = 0; i < PAGES; i++)
        view[i * PAGE] = 1;
    current = "file page, copy on write";
    mark(PAGES);
    UnmapViewOfFile((void *)view);
    CloseHandle(mapping);
    CloseHandle(file);
}

static void libraries(void)
{
    begin();
    for (int i = 0; i < 20; i++) {
        HMODULE dll = LoadLibraryA("shlwapi.dll");
        CHECK(dll);
        FreeLibrary(dll);
    }
    mark(20);
}

static void processes_information(void)
{
    static char data[65536];
    ULONG size;
    begin();
    for (int i = 0; i < 200; i++)
        NtQuerySystemInformation(5, data, sizeof(data), &size);
    mark(200);
}

static void clock_reads(void)
{
    LARGE_INTEGER now;
    begin();
    for (int i = 0; i < 5000; i++)
        QueryPerformanceCounter(&now);
    mark(5000);
}

static void sleeps(void)
{
    begin();
    for (int i = 0; i < 500; i++)
        Sleep(1);
    mark(500);
}

static void console(void)
{
    DWORD done;
    begin();
    for (int i = 0; i < 2000; i++)
        WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "0123456789abcde\n", 16, &done, 0);
    mark(2000);
}

static LRESULT CALLBACK answer_message(HWND window, UINT message, WPARAM w, LPARAM l)
{
    return message == WM_USER ? 1 : DefWindowProcA(window, message, w, l);
}

static void messages(void)
{
    WNDCLASSA class = { 0 };
    MSG message;
    class.lpfnWndProc = answer_message;
    class.lpszClassName = "bench";
    CHECK(RegisterClassA(&class));
    HWND window = CreateWindowA("bench", "", 0, 0, 0, 0, 0, HWND_MESSAGE, 0, 0, 0);
    CHECK(window);
    begin();
    for (int i = 0; i < 1000; i++) {
        PostMessageA(window, WM_USER, 0, 0);
        GetMessageA(&message, 0, 0, 0);
        DispatchMessageA(&message);
    }
    mark(1000);
    DestroyWindow(window);
}

static const struct { const char *name; void (*run)(void); } TESTS[] = {
    { "system call", system_call },
    { "demand zero, a page", demand_zero },
    { "release, a page", release },
    { "allocate, touch, free", allocate_touch_free },
    { "protect, twice", protect },
    { "query memory", query_memory },
    { "heap growth, a MB", heap_growth },
    { "exception, handled", exceptions },
    { "events, a round", events },
    { "events between processes", events_between_processes },
    { "child process", child_processes },
    { "same program again", same_program_again },
    { "thread", threads },
    { "200 threads, a section", many_threads },
    { "pipe, a MB in 4 KB", pipe_throughput },
    { "registry lookup", registry },
    { "read of 16 bytes", small_reads },
    { "write of 16 bytes", small_writes },
    { "open and close", open_close },
    { "file attributes", attributes },
    { "directory entry", directory },
    { "mapped file", mapped_copy },
    { "load and free a DLL", libraries },
    { "list of processes", processes_information },
    { "performance counter", clock_reads },
    { "sleep of 1 ms", sleeps },
    { "console write", console },
    { "message", messages },
};

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "-child"))
        return 0;
    if (argc == 2 && !strcmp(argv[1], "-pong"))
        answer_as_child();
    for (unsigned i = 0; i < sizeof(TESTS) / sizeof(*TESTS); i++) {
        int wanted = argc == 1;
        for (int a = 1; a < argc; a++)
            wanted |= !strncmp(argv[a], TESTS[i].name, strlen(argv[a]));
        if (!wanted)
            continue;
        current = TESTS[i].name;
        TESTS[i].run();
    }
    return 0;
}
