/* Hard errors without a port, profiles, physical pages, what a kernel debugger may: for a program that has all the
 * privileges.  Without them each is refused, which the argument "refused" checks.
 */
#include "nt_memory.h"

enum {
    STATUS_PRIVILEGE_NOT_HELD = (int)0xc0000061, STATUS_INVALID_PARAMETER_1 = (int)0xc00000ef,
    STATUS_INVALID_PARAMETER_7 = (int)0xc00000f5, STATUS_BUFFER_TOO_SMALL = (int)0xc0000023,
    STATUS_BUFFER_OVERFLOW = (int)0x80000005,
    STATUS_PROFILING_NOT_STARTED = (int)0xc00000b7, STATUS_PROFILING_NOT_STOPPED = (int)0xc00000b8,
    MEM_PHYSICAL = 0x400000, ProcessDefaultHardErrorMode = 12, OVERRIDE_ERRORMODE = 0x10000000,
    OptionAbortRetryIgnore = 0, OptionOk = 1, OptionYesNo = 4, OptionShutdownSystem = 6,
    ResponseReturnToCaller = 0, ResponseAbort = 2, ResponseNo = 5, ResponseOk = 6,
    PAGES = 8,
};

NTSYSAPI NTSTATUS NTAPI NtRaiseHardError(NTSTATUS, ULONG, ULONG, ULONG *, ULONG, ULONG *);
NTSYSAPI NTSTATUS NTAPI NtSetDefaultHardErrorPort(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtSetInformationProcess(HANDLE, ULONG, PVOID, ULONG);
NTSYSAPI NTSTATUS NTAPI NtCreateProfile(PHANDLE, HANDLE, PVOID, ULONG, ULONG, ULONG *, ULONG,
    ULONG, ULONG);
NTSYSAPI NTSTATUS NTAPI NtStartProfile(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtStopProfile(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtSetIntervalProfile(ULONG, ULONG);
NTSYSAPI NTSTATUS NTAPI NtQueryIntervalProfile(ULONG, ULONG *);
NTSYSAPI NTSTATUS NTAPI NtAllocateUserPhysicalPages(HANDLE, ULONG *, ULONG *);
NTSYSAPI NTSTATUS NTAPI NtFreeUserPhysicalPages(HANDLE, ULONG *, ULONG *);
NTSYSAPI NTSTATUS NTAPI NtMapUserPhysicalPages(PVOID, ULONG, ULONG *);
NTSYSAPI NTSTATUS NTAPI NtMapUserPhysicalPagesScatter(PVOID *, ULONG, ULONG *);
NTSYSAPI NTSTATUS NTAPI NtSystemDebugControl(ULONG, PVOID, ULONG, PVOID, ULONG, ULONG *);
NTSYSAPI NTSTATUS NTAPI NtTraceEvent(HANDLE, ULONG, ULONG, PVOID);
NTSYSAPI NTSTATUS NTAPI NtSetSystemInformation(ULONG, PVOID, ULONG);
NTSYSAPI NTSTATUS NTAPI NtQuerySystemTime(PLARGE_INTEGER);
NTSYSAPI NTSTATUS NTAPI NtLoadDriver(PUNICODE_STRING DriverServiceName);
NTSYSAPI NTSTATUS NTAPI NtUnloadDriver(PUNICODE_STRING DriverServiceName);
NTSYSAPI NTSTATUS NTAPI NtInitiatePowerAction(ULONG Action, ULONG State, ULONG Flags, BOOLEAN Async);
NTSYSAPI NTSTATUS NTAPI NtPlugPlayControl(ULONG Class, PVOID Data, ULONG Length);
NTSYSAPI NTSTATUS NTAPI NtQueryPortInformationProcess(void);
NTSYSAPI NTSTATUS NTAPI NtCreateKey(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, ULONG, PUNICODE_STRING,
    ULONG Options, PULONG);
NTSYSAPI NTSTATUS NTAPI NtSetValueKey(HANDLE, PUNICODE_STRING, ULONG, ULONG Type, PVOID, ULONG);

static ULONG response, buckets[64];

static NTSTATUS error(NTSTATUS status, ULONG count, ULONG mask, ULONG *parameters, ULONG options)
{
    response = 77;
    return NtRaiseHardError(status, count, mask, parameters, options, &response);
}

static void hard_errors(void)
{
    UNICODE_STRING text = USTR(L"some.dll");
    ULONG parameters[5] = {(ULONG)&text, 0x1234}, mode = 0;
    NTSTATUS missing = (NTSTATUS)0xc0000135;

    CHECK_EQUAL(error(missing, 2, 1, parameters, OptionOk), STATUS_SUCCESS);
    CHECK_EQUAL(response, ResponseOk);
    CHECK_EQUAL(error(missing, 1, 1, parameters, OptionAbortRetryIgnore), STATUS_SUCCESS);
    CHECK_EQUAL(response, ResponseAbort);
    CHECK_EQUAL(error(missing, 0, 0, NULL, OptionYesNo), STATUS_SUCCESS);
    CHECK_EQUAL(response, ResponseNo);
    CHECK_EQUAL(error(missing, 6, 0, parameters, OptionOk), STATUS_INVALID_PARAMETER_2);
    CHECK_EQUAL(error(missing, 0, 0, parameters, OptionOk), STATUS_INVALID_PARAMETER_2);
    CHECK_EQUAL(error(missing, 1, 1, parameters, 9), STATUS_INVALID_PARAMETER_4);
    CHECK_EQUAL(error(missing, 1, 0, (ULONG *)0x10, OptionOk), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(error(missing, 2, 2, parameters, OptionOk), STATUS_ACCESS_VIOLATION);
    text.Buffer = (PWSTR)0x80000000;
    CHECK_EQUAL(error(missing, 1, 1, parameters, OptionOk), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtRaiseHardError(missing, 0, 0, NULL, OptionOk, (ULONG *)0x10),
                STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(response, 77);
    CHECK_EQUAL(NtSetDefaultHardErrorPort((HANDLE)0x1234), STATUS_INVALID_HANDLE);

    mode = 1; /* SEM_FAILCRITICALERRORS */
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessDefaultHardErrorMode, &mode, 4),
                STATUS_SUCCESS);
    CHECK_EQUAL(error(missing, 0, 0, NULL, OptionOk), STATUS_SUCCESS);
    CHECK_EQUAL(response, ResponseReturnToCaller);
    CHECK_EQUAL(error(missing | OVERRIDE_ERRORMODE, 0, 0, NULL, OptionOk), STATUS_SUCCESS);
    CHECK_EQUAL(response, ResponseOk);
}

static ULONG __attribute__((noinline)) spin(ULONG turns)
{
    ULONG sum = 0;
    for (volatile ULONG i = 0; i < turns; i++)
        sum = sum * 31 + i;
    return sum;
}

static ULONG total(void)
{
    ULONG sum = 0;
    for (ULONG i = 0; i < 64; i++)
        sum += buckets[i];
    return sum;
}

static NTSTATUS profile(HANDLE *made, ULONG bits)
{
    *made = NULL;
    return NtCreateProfile(made, NtCurrentProcess(), (PVOID)spin, 64 << bits, bits, buckets,
        sizeof buckets, 0, -1);
}

static void profiles(void)
{
    HANDLE made, other;
    ULONG interval, before;

    CHECK_EQUAL(NtQueryIntervalProfile(0, &interval), STATUS_SUCCESS);
    CHECK(interval != 0);
    CHECK_EQUAL(NtSetIntervalProfile(1, 0), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryIntervalProfile(0, (ULONG *)0x10), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(profile(&made, 1), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(profile(&made, 32), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtCreateProfile(&made, NtCurrentProcess(), (PVOID)spin, 0x10000, 4, buckets,
        0, 0, -1), STATUS_INVALID_PARAMETER_7);
    CHECK_EQUAL(NtCreateProfile(&made, NtCurrentProcess(), (PVOID)spin, 0x10000, 4, buckets,
        sizeof buckets, 0, -1), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(NtCreateProfile(&made, NtCurrentProcess(), (PVOID)0xfffffff0, 0x20, 4, buckets,
        sizeof buckets, 0, -1), STATUS_BUFFER_OVERFLOW);
    CHECK_EQUAL(NtCreateProfile(&made, NtCurrentProcess(), (PVOID)spin, 0x40, 4, (ULONG *)0x10,
        sizeof buckets, 0, -1), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtCreateProfile((PHANDLE)0x10, NtCurrentProcess(), (PVOID)spin, 0x40, 4, buckets,
        sizeof buckets, 0, -1), STATUS_ACCESS_VIOLATION);

    CHECK_EQUAL(profile(&made, 4), STATUS_SUCCESS);
    CHECK_EQUAL(NtStopProfile(made), STATUS_PROFILING_NOT_STARTED);
    spin(300000);
    CHECK_EQUAL(total(), 0);
    CHECK_EQUAL(NtStartProfile(made), STATUS_SUCCESS);
    CHECK_EQUAL(NtStartProfile(made), STATUS_PROFILING_NOT_STOPPED);
    spin(1000000);
    CHECK(total() >= 4);
    CHECK(buckets[0] + buckets[1] + buckets[2] + buckets[3] + buckets[4] >= total() - 1);
    CHECK_EQUAL(NtStopProfile(made), STATUS_SUCCESS);
    before = total();
    spin(300000);
    CHECK_EQUAL(total(), before);

    /* One for all processes; its buffer goes while it counts. */
    CHECK_EQUAL(allocate(NULL, PAGE, MEM_COMMIT, PAGE_READWRITE), STATUS_SUCCESS);
    CHECK_EQUAL(NtCreateProfile(&other, NULL, (PVOID)spin, 0x400, 4, base, 0x100, 0, -1),
                STATUS_SUCCESS);
    CHECK_EQUAL(NtStartProfile(other), STATUS_SUCCESS);
    spin(500000);
    CHECK(*(ULONG *)base + ((ULONG *)base)[1] + ((ULONG *)base)[2] + ((ULONG *)base)[3] != 0);
    size = 0;
    CHECK_EQUAL(NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE), STATUS_SUCCESS);
    spin(500000);
    CHECK_EQUAL(NtClose(other), STATUS_SUCCESS);
    CHECK_EQUAL(NtStartProfile(made), STATUS_SUCCESS); /* the process ends with it */
    CHECK_EQUAL(NtStartProfile(NtCurrentProcess()), STATUS_OBJECT_TYPE_MISMATCH);
}

static void physical_pages(void)
{
    ULONG frames[PAGES], some[3], count = PAGES;
    PVOID at[2];
    UCHAR *window;

    CHECK_EQUAL(NtAllocateUserPhysicalPages(NtCurrentProcess(), (ULONG *)0x10, frames),
                STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtAllocateUserPhysicalPages(NtCurrentProcess(), &count, (ULONG *)0x10),
                STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtAllocateUserPhysicalPages(NtCurrentProcess(), &count, (ULONG *)0x7ffefff0),
                STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtAllocateUserPhysicalPages(NtCurrentProcess(), &count, frames), STATUS_SUCCESS);
    CHECK_EQUAL(count, PAGES);
    CHECK_EQUAL(allocate(NULL, 4 * PAGE, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE), 0);
    window = base;
    CHECK_EQUAL(NtMapUserPhysicalPages(window, 4, frames), STATUS_SUCCESS);
    CHECK_EQUAL(window[0] | window[3 * PAGE], 0);
    window[0] = 'a', window[3 * PAGE] = 'd';
    CHECK_EQUAL(NtMapUserPhysicalPages(window, 4, frames + 4), STATUS_SUCCESS);
    CHECK_EQUAL(window[0], 0);
    window[0] = 'e';
    at[0] = window + 3 * PAGE, at[1] = window + PAGE;
    some[0] = frames[0], some[1] = frames[3];
    CHECK_EQUAL(NtMapUserPhysicalPagesScatter(at, 2, some), STATUS_SUCCESS);
    CHECK_EQUAL(window[3 * PAGE], 'a');
    CHECK_EQUAL(window[PAGE], 'd');
    CHECK_EQUAL(NtMapUserPhysicalPages(window, 1, frames + 3), STATUS_INVALID_PARAMETER_3);
    CHECK_EQUAL(NtMapUserPhysicalPages(window, 5, frames), STATUS_INVALID_PARAMETER_1);
    CHECK_EQUAL(NtMapUserPhysicalPages((PVOID)frames, 1, frames), STATUS_INVALID_PARAMETER_1);
    CHECK_EQUAL(NtMapUserPhysicalPages(window, -1, frames), STATUS_INVALID_PARAMETER_2);
    CHECK_EQUAL(NtMapUserPhysicalPages(window, 1, (ULONG *)0x80000000), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtMapUserPhysicalPagesScatter((PVOID *)0x10, 2, some), STATUS_ACCESS_VIOLATION);
    some[0] = 5; /* the kernel's */
    CHECK_EQUAL(NtMapUserPhysicalPages(window, 1, some), STATUS_CONFLICTING_ADDRESSES);
    some[0] = -1;
    CHECK_EQUAL(NtMapUserPhysicalPages(window, 1, some), STATUS_CONFLICTING_ADDRESSES);
    CHECK_EQUAL(NtMapUserPhysicalPages(window + PAGE, 1, NULL), STATUS_SUCCESS);

    base = window, size = PAGE;
    CHECK_EQUAL(NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_DECOMMIT),
                STATUS_MEMORY_NOT_ALLOCATED);
    base = window, size = PAGE;
    CHECK_EQUAL(NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE),
                STATUS_FREE_VM_NOT_AT_BASE);
    count = 2;
    CHECK_EQUAL(NtFreeUserPhysicalPages(NtCurrentProcess(), &count, frames + 4), STATUS_SUCCESS);
    CHECK_EQUAL(count, 2);
    CHECK_EQUAL(NtMapUserPhysicalPages(window, 1, frames + 3), STATUS_SUCCESS);
    CHECK_EQUAL(window[0], 'd');
    some[0] = frames[6], some[1] = frames[4], some[2] = frames[7];
    count = 3;
    CHECK_EQUAL(NtFreeUserPhysicalPages(NtCurrentProcess(), &count, some),
                STATUS_CONFLICTING_ADDRESSES);
    CHECK_EQUAL(count, 1);
    count = 0x3fffffff;
    CHECK_EQUAL(NtFreeUserPhysicalPages(NtCurrentProcess(), &count, NULL), STATUS_ACCESS_VIOLATION);
    base = window, size = 0;
    CHECK_EQUAL(NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE), STATUS_SUCCESS);
    CHECK_EQUAL(allocate(NULL, PAGE, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE), 0);
    CHECK_EQUAL(NtMapUserPhysicalPages(base, 1, frames), STATUS_SUCCESS);
    CHECK_EQUAL(*(UCHAR *)base, 'a'); /* mapped when the process ends */
}

static NTSTATUS debug(ULONG command, ULONG address, PVOID buffer, ULONG bytes, ULONG *done)
{
    ULONG virtual[3] = {address, (ULONG)buffer, bytes};
    ULONG physical[4] = {address, 0, (ULONG)buffer, bytes};
    *done = 77;
    if (command < 10)
        return NtSystemDebugControl(command, virtual, sizeof virtual, NULL, 0, done);
    return NtSystemDebugControl(command, physical, sizeof physical, NULL, 0, done);
}

static void debug_control(void)
{
    ULONG done, word, mark = 0x12345678, frame, count = 1, msr[4] = {0x176, 0, 0, 0};
    ULONG version[10];

    CHECK_EQUAL(debug(8, 0x804d8000, &word, 4, &done), STATUS_SUCCESS); /* nt's MZ */
    CHECK_EQUAL(done, 4);
    CHECK_EQUAL(word & 0xffff, 0x5a4d);
    CHECK_EQUAL(debug(9, 0x80042000 + 0x1c, &mark, 0, &done), STATUS_SUCCESS);
    CHECK_EQUAL(debug(8, 0xffdf0320, &word, 4, &done), STATUS_SUCCESS);
    CHECK_EQUAL(debug(8, (ULONG)&mark, &word, 4, &done), STATUS_SUCCESS);
    CHECK_EQUAL(word, mark);
    CHECK_EQUAL(debug(8, 0xc8000000, &word, 4, &done), (NTSTATUS)0xc0000001);
    CHECK_EQUAL(done, 0);
    CHECK_EQUAL(debug(8, 0x804d8000, (PVOID)0x80000000, 4, &done), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(debug(8, 0x804d8000, (PVOID)0x10, 4, &done), (NTSTATUS)0xc0000001);
    CHECK_EQUAL(debug(8, 0xfffffffe, &word, 4, &done), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(debug(8, 0x804d8000, &word, 0x7fffffff, &done), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtSystemDebugControl(8, &word, 4, NULL, 0, NULL), STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(NtSystemDebugControl(8, (PVOID)0x10, 12, NULL, 0, NULL), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtSystemDebugControl(0x7777, NULL, 0, NULL, 0, NULL), (NTSTATUS)0xc0000003);

    /* A page that the process owns, written by its physical address. */
    CHECK_EQUAL(NtAllocateUserPhysicalPages(NtCurrentProcess(), &count, &frame), STATUS_SUCCESS);
    CHECK_EQUAL(allocate(NULL, PAGE, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE), 0);
    CHECK_EQUAL(NtMapUserPhysicalPages(base, 1, &frame), STATUS_SUCCESS);
    CHECK_EQUAL(debug(11, frame * PAGE + 8, &mark, 4, &done), STATUS_SUCCESS);
    CHECK_EQUAL(((ULONG *)base)[2], mark);
    ((ULONG *)base)[2] = 0x87654321;
    CHECK_EQUAL(debug(10, frame * PAGE + 8, &word, 4, &done), STATUS_SUCCESS);
    CHECK_EQUAL(word, 0x87654321);
    CHECK_EQUAL(debug(10, 0xfffff000, &word, 4, &done), (NTSTATUS)0xc0000001);

    CHECK_EQUAL(NtSystemDebugControl(16, msr, sizeof msr, msr, sizeof msr, &done), STATUS_SUCCESS);
    CHECK(msr[2] > 0x804d8000 && !msr[3]);
    msr[0] = 0x12345;
    CHECK_EQUAL(NtSystemDebugControl(16, msr, sizeof msr, msr, sizeof msr, &done),
                STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtSystemDebugControl(7, NULL, 0, version, sizeof version, &done), STATUS_SUCCESS);
    CHECK_EQUAL(version[0] >> 16, 2600);
    CHECK_EQUAL(version[4], 0x804d8000);
}

static void system_settings(void)
{
    ULONG adjust[2] = {156250 * 2, 0}, told[3], session[3] = {0, 0, 0}, length;
    LARGE_INTEGER before, wait = {.QuadPart = -3125000}, after;
    static UCHAR event[0x30];

    CHECK_EQUAL(NtSetSystemInformation(28, adjust, 7), STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(NtSetSystemInformation(28, (PVOID)0x10, 8), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtSetSystemInformation(28, adjust, 8), STATUS_SUCCESS);
    CHECK_EQUAL(NtQuerySystemInformation(28, told, 12, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(told[0], 156250 * 2);
    CHECK_EQUAL(told[2] & 0xff, 0);
    NtQuerySystemTime(&before);
    NtDelayExecution(FALSE, &wait);
    NtQuerySystemTime(&after);
    CHECK((ULONG)(after.QuadPart - before.QuadPart) > 5500000); /* twice as fast */
    adjust[1] = 1;
    CHECK_EQUAL(NtSetSystemInformation(28, adjust, 8), STATUS_SUCCESS);
    CHECK_EQUAL(NtQuerySystemInformation(28, told, 12, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(told[0], 156250);

    CHECK_EQUAL(NtQuerySystemInformation(53, session, 12, &length), STATUS_INFO_LENGTH_MISMATCH);
    CHECK(length > 0x200);
    CHECK_EQUAL(allocate(NULL, length, MEM_COMMIT, PAGE_READWRITE), 0);
    session[1] = length, session[2] = (ULONG)base;
    CHECK_EQUAL(NtQuerySystemInformation(53, session, 12, &length), STATUS_SUCCESS);
    CHECK_EQUAL(((ULONG *)base)[0x44 / 4], 0); /* the idle process */
    session[2] = 0x80000000;
    CHECK_EQUAL(NtQuerySystemInformation(53, session, 12, &length), STATUS_ACCESS_VIOLATION);

    CHECK_EQUAL(NtTraceEvent(NULL, 1, sizeof event, event), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(NtTraceEvent(NULL, 1, sizeof event, (PVOID)0x10), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtTraceEvent(NULL, 0, sizeof event, event), STATUS_INVALID_PARAMETER);
}

#define SERVICES L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\"
static UNICODE_STRING no_service = USTR(SERVICES L"NoSuchDriver");

static void drivers(void)
{
    UNICODE_STRING service = USTR(SERVICES L"TestDriver"), value = USTR(L"ImagePath");
    OBJECT_ATTRIBUTES attributes = named(&service);
    WCHAR path[] = L"system32\\drivers\\nowhere.sys";
    HANDLE key;

    CHECK_EQUAL(NtLoadDriver(&no_service), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(NtUnloadDriver(&no_service), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(NtLoadDriver((PVOID)0x10), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtCreateKey(&key, 0xf003f, &attributes, 0, NULL, 1, NULL), 0);
    CHECK_EQUAL(NtSetValueKey(key, &value, 0, 2, path, sizeof path), 0);
    CHECK(NtLoadDriver(&service) == STATUS_OBJECT_NAME_NOT_FOUND ||
          NtLoadDriver(&service) == STATUS_OBJECT_PATH_NOT_FOUND);
    CHECK_EQUAL(NtUnloadDriver(&service), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(NtClose(key), 0);
    CHECK_EQUAL(NtQueryPortInformationProcess(), FALSE);
    CHECK_EQUAL(NtInitiatePowerAction(0, 0, 0, FALSE), 0);
    CHECK_EQUAL(NtInitiatePowerAction(99, 0, 0, FALSE), STATUS_INVALID_PARAMETER);
}

static void refused(void)
{
    CHECK_EQUAL(NtPlugPlayControl(0, NULL, 0), STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(NtInitiatePowerAction(5, 0, 0, FALSE), STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(NtSystemDebugControl(8, NULL, 0, NULL, 0, NULL), STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(NtSetSystemInformation(28, buckets, 8), STATUS_PRIVILEGE_NOT_HELD);
    ULONG count = 1, frame;
    HANDLE made;
    CHECK_EQUAL(error(0x40000000, 0, 0, NULL, OptionShutdownSystem), STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(NtSetDefaultHardErrorPort(NULL), STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(NtSetIntervalProfile(100, 0), STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(NtCreateProfile(&made, NULL, (PVOID)spin, 0x40, 4, buckets, sizeof buckets, 0, -1),
                STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(NtAllocateUserPhysicalPages(NtCurrentProcess(), &count, &frame),
                STATUS_PRIVILEGE_NOT_HELD);
}

void start(void)
{
    PUNICODE_STRING line = &NtCurrentPeb()->ProcessParameters->CommandLine;
    if (line->Buffer[line->Length / 2 - 1] == 'd') {
        refused();
    } else if (line->Buffer[line->Length / 2 - 1] == 'n') {
        error((NTSTATUS)0xc0000420, 0, 0, NULL, OptionShutdownSystem);
    } else {
        hard_errors();
        profiles();
        physical_pages();
        debug_control();
        system_settings();
        drivers();
    }
    finish();
}
