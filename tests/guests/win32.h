/* The part of kernel32's public interface that guest programs of processes and threads use.
 *
 * From Microsoft's public documentation.  A program that includes it links to kernel32.dll and
 * ntdll.dll, and needs a Windows, or the userland.
 */
#ifndef WIN32_H
#define WIN32_H

#include "nt.h"

#define WINAPI __attribute__((stdcall))
#define K32 __declspec(dllimport)

typedef ULONG DWORD;
typedef int BOOL;

enum {
    INFINITE = -1,
    WAIT_OBJECT_0 = 0,
    WAIT_IO_COMPLETION = 0xc0,
    WAIT_TIMEOUT = 258,
    STILL_ACTIVE = 259,
    ERROR_ACCESS_DENIED = 5,
    ERROR_FILE_NOT_FOUND = 2,
    ERROR_INVALID_HANDLE = 6,
    ERROR_BAD_EXE_FORMAT = 193,
    ERROR_BROKEN_PIPE = 109,
    ERROR_INVALID_PARAMETER = 87,
    ERROR_NOT_ENOUGH_QUOTA = 1816,
    STD_INPUT_HANDLE = -10,
    STD_OUTPUT_HANDLE = -11,
    STD_ERROR_HANDLE = -12,
    STARTF_USESTDHANDLES = 0x100,
    CREATE_SUSPENDED = 0x4,
    CREATE_UNICODE_ENVIRONMENT = 0x400,
    CREATE_BREAKAWAY_FROM_JOB = 0x1000000,
    EXTENDED_STARTUPINFO_PRESENT = 0x80000,
    HANDLE_FLAG_INHERIT = 1,
    NORMAL_PRIORITY_CLASS = 0x20,
    IDLE_PRIORITY_CLASS = 0x40,
    HIGH_PRIORITY_CLASS = 0x80,
    THREAD_PRIORITY_NORMAL = 0,
    THREAD_PRIORITY_HIGHEST = 2,
    THREAD_PRIORITY_LOWEST = -2,
    THREAD_PRIORITY_IDLE = -15,
    THREAD_PRIORITY_TIME_CRITICAL = 15,
    JOB_OBJECT_LIMIT_PROCESS_TIME = 0x2,
    JOB_OBJECT_LIMIT_ACTIVE_PROCESS = 0x8,
    JOB_OBJECT_LIMIT_JOB_MEMORY = 0x200,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE = 0x2000,
    JOB_OBJECT_LIMIT_BREAKAWAY_OK = 0x800,
};

typedef struct { ULONG nLength; PVOID lpSecurityDescriptor; BOOL bInheritHandle; } SECURITY_ATTRIBUTES;

typedef struct {
    ULONG cb;
    PWSTR lpReserved, lpDesktop, lpTitle;
    ULONG dwX, dwY, dwXSize, dwYSize, dwXCountChars, dwYCountChars, dwFillAttribute, dwFlags;
    USHORT wShowWindow, cbReserved2;
    PUCHAR lpReserved2;
    HANDLE hStdInput, hStdOutput, hStdError;
} STARTUPINFO;
SIZE_IS(STARTUPINFO, 0x44);

typedef struct { HANDLE hProcess, hThread; DWORD dwProcessId, dwThreadId; } PROCESS_INFORMATION;
typedef struct { LONGLONG creation, exit, kernel, user; } TIMES;
typedef DWORD WINAPI THREAD_ROUTINE(PVOID);
typedef void WINAPI APC_ROUTINE(ULONG_PTR);

K32 BOOL WINAPI AssignProcessToJobObject(HANDLE job, HANDLE process);
K32 BOOL WINAPI CloseHandle(HANDLE);
K32 HANDLE WINAPI CreateJobObjectW(SECURITY_ATTRIBUTES *, const WCHAR *name);
K32 HANDLE WINAPI CreateIoCompletionPort(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads);
K32 BOOL WINAPI CreatePipe(PHANDLE read, PHANDLE write, SECURITY_ATTRIBUTES *, DWORD size);
K32 BOOL WINAPI CreateProcessW(const WCHAR *application, PWSTR command, SECURITY_ATTRIBUTES *process,
    SECURITY_ATTRIBUTES *thread, BOOL inherit, DWORD flags, PVOID environment,
    const WCHAR *directory, STARTUPINFO *, PROCESS_INFORMATION *);
K32 HANDLE WINAPI CreateRemoteThread(HANDLE process, SECURITY_ATTRIBUTES *, SIZE_T stack,
    THREAD_ROUTINE *, PVOID parameter, DWORD flags, DWORD *id);
K32 HANDLE WINAPI CreateThread(SECURITY_ATTRIBUTES *, SIZE_T stack, THREAD_ROUTINE *, PVOID parameter,
    DWORD flags, DWORD *id);
K32 BOOL WINAPI DuplicateHandle(HANDLE from, HANDLE handle, HANDLE to, PHANDLE target, DWORD access,
    BOOL inherit, DWORD options);
K32 void WINAPI ExitProcess(DWORD) __attribute__((noreturn));
K32 void WINAPI ExitThread(DWORD) __attribute__((noreturn));
K32 PWSTR WINAPI GetCommandLineW(void);
K32 DWORD WINAPI GetCurrentDirectoryW(DWORD size, PWSTR);
K32 DWORD WINAPI GetCurrentProcessId(void);
K32 DWORD WINAPI GetCurrentThreadId(void);
K32 DWORD WINAPI GetEnvironmentVariableW(const WCHAR *name, PWSTR, DWORD size);
K32 BOOL WINAPI GetExitCodeProcess(HANDLE, DWORD *);
K32 BOOL WINAPI GetExitCodeThread(HANDLE, DWORD *);
K32 DWORD WINAPI GetLastError(void);
K32 DWORD WINAPI GetModuleFileNameW(HANDLE, PWSTR, DWORD size);
K32 DWORD WINAPI GetPriorityClass(HANDLE);
K32 BOOL WINAPI GetProcessHandleCount(HANDLE, DWORD *);
K32 BOOL WINAPI GetProcessTimes(HANDLE, LONGLONG *creation, LONGLONG *exit, LONGLONG *kernel, LONGLONG *user);
K32 BOOL WINAPI GetQueuedCompletionStatus(HANDLE port, DWORD *bytes, ULONG_PTR *key, PVOID *overlapped,
    DWORD milliseconds);
K32 HANDLE WINAPI GetStdHandle(DWORD);
K32 BOOL WINAPI GetThreadContext(HANDLE, PCONTEXT);
K32 int WINAPI GetThreadPriority(HANDLE);
K32 BOOL WINAPI GetThreadTimes(HANDLE, LONGLONG *creation, LONGLONG *exit, LONGLONG *kernel, LONGLONG *user);
K32 BOOL WINAPI IsProcessInJob(HANDLE process, HANDLE job, BOOL *);
K32 HANDLE WINAPI OpenProcess(DWORD access, BOOL inherit, DWORD id);
K32 HANDLE WINAPI OpenThread(DWORD access, BOOL inherit, DWORD id);
K32 BOOL WINAPI QueryInformationJobObject(HANDLE, DWORD class, PVOID, DWORD size, DWORD *);
K32 DWORD WINAPI QueueUserAPC(APC_ROUTINE *, HANDLE thread, ULONG_PTR);
K32 BOOL WINAPI ReadFile(HANDLE, PVOID, DWORD size, DWORD *, PVOID overlapped);
K32 BOOL WINAPI ReadProcessMemory(HANDLE, const void *address, PVOID, SIZE_T, SIZE_T *);
K32 DWORD WINAPI ResumeThread(HANDLE);
K32 BOOL WINAPI SetEnvironmentVariableW(const WCHAR *name, const WCHAR *value);
K32 BOOL WINAPI SetHandleInformation(HANDLE, DWORD mask, DWORD flags);
K32 BOOL WINAPI SetInformationJobObject(HANDLE, DWORD class, PVOID, DWORD size);
K32 BOOL WINAPI SetPriorityClass(HANDLE, DWORD);
K32 BOOL WINAPI SetThreadContext(HANDLE, PCONTEXT);
K32 BOOL WINAPI SetThreadPriority(HANDLE, int);
K32 void WINAPI Sleep(DWORD milliseconds);
K32 DWORD WINAPI SleepEx(DWORD milliseconds, BOOL alertable);
K32 DWORD WINAPI SuspendThread(HANDLE);
K32 BOOL WINAPI TerminateJobObject(HANDLE, DWORD);
K32 BOOL WINAPI TerminateProcess(HANDLE, DWORD);
K32 BOOL WINAPI TerminateThread(HANDLE, DWORD);
K32 DWORD WINAPI TlsAlloc(void);
K32 BOOL WINAPI TlsFree(DWORD);
K32 PVOID WINAPI TlsGetValue(DWORD);
K32 BOOL WINAPI TlsSetValue(DWORD, PVOID);
K32 PVOID WINAPI VirtualAllocEx(HANDLE, PVOID, SIZE_T, DWORD type, DWORD protect);
K32 SIZE_T WINAPI VirtualQuery(const void *, MEMORY_BASIC_INFORMATION *, SIZE_T);
K32 DWORD WINAPI WaitForMultipleObjects(DWORD count, const HANDLE *, BOOL all, DWORD milliseconds);
K32 DWORD WINAPI WaitForSingleObject(HANDLE, DWORD milliseconds);
K32 DWORD WINAPI WaitForSingleObjectEx(HANDLE, DWORD milliseconds, BOOL alertable);
K32 BOOL WINAPI WriteFile(HANDLE, const void *, DWORD size, DWORD *, PVOID overlapped);
K32 BOOL WINAPI WriteProcessMemory(HANDLE, PVOID address, const void *, SIZE_T, SIZE_T *);

#endif
