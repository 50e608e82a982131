/* The part of kernel32's and ntdll's public interface by which programs debug programs.
 *
 * From Microsoft's public documentation, and the native calls as debuggers declare them.
 */
#ifndef DEBUG_API_H
#define DEBUG_API_H

#include "win32.h"

enum {
    DEBUG_PROCESS = 1,
    DEBUG_ONLY_THIS_PROCESS = 2,
    EXCEPTION_EVENT = 1,
    CREATE_THREAD_EVENT,
    CREATE_PROCESS_EVENT,
    EXIT_THREAD_EVENT,
    EXIT_PROCESS_EVENT,
    LOAD_DLL_EVENT,
    UNLOAD_DLL_EVENT,
    OUTPUT_DEBUG_STRING_EVENT,
    DBG_EXCEPTION_HANDLED = 0x10001,
    DBG_CONTINUE = 0x10002,
    DBG_EXCEPTION_NOT_HANDLED = (int)0x80010001,
    ERROR_SEM_TIMEOUT = 121,
    MOST_EVENTS = 300,
    TRAP_FLAG = 0x100,
    DEBUG_ALL_ACCESS = 0x1f000f,
    STATUS_PORT_ALREADY_SET = (int)0xc0000048,
    STATUS_PORT_NOT_SET = (int)0xc0000353,
};

typedef struct {
    DWORD code, pid, tid;
    union {
        struct { EXCEPTION_RECORD record; DWORD first; } exception;
        struct { HANDLE thread; PVOID teb, start; } thread;
        struct {
            HANDLE file, process, thread;
            PVOID base;
            DWORD symbols, symbols_size;
            PVOID teb, start, name;
            USHORT unicode;
        } process;
        struct { DWORD status; } exit;
        struct { HANDLE file; PVOID base; DWORD symbols, symbols_size; PVOID name; USHORT unicode; } load;
        struct { PVOID base; } unload;
        struct { PVOID text; USHORT unicode, length; } string;
    };
} DEBUG_EVENT;
SIZE_IS(DEBUG_EVENT, 0x60);

typedef LONG WINAPI HANDLER(EXCEPTION_POINTERS *);

K32 PVOID WINAPI AddVectoredExceptionHandler(ULONG first, HANDLER *);
K32 BOOL WINAPI CheckRemoteDebuggerPresent(HANDLE, BOOL *);
K32 BOOL WINAPI ContinueDebugEvent(DWORD pid, DWORD tid, DWORD status);
K32 BOOL WINAPI DebugActiveProcess(DWORD pid);
K32 BOOL WINAPI DebugActiveProcessStop(DWORD pid);
K32 BOOL WINAPI DebugSetProcessKillOnExit(BOOL);
K32 BOOL WINAPI FreeLibrary(HANDLE);
K32 HANDLE WINAPI GetModuleHandleW(const WCHAR *);
K32 BOOL WINAPI IsDebuggerPresent(void);
K32 HANDLE WINAPI LoadLibraryW(const WCHAR *);
K32 void WINAPI OutputDebugStringA(const CHAR *);
K32 BOOL WINAPI WaitForDebugEvent(DEBUG_EVENT *, DWORD milliseconds);

NTSYSAPI NTSTATUS NTAPI NtCreateDebugObject(PHANDLE, ULONG access, POBJECT_ATTRIBUTES, ULONG flags);
NTSYSAPI NTSTATUS NTAPI NtDebugActiveProcess(HANDLE process, HANDLE object);
NTSYSAPI NTSTATUS NTAPI NtRemoveProcessDebug(HANDLE process, HANDLE object);
NTSYSAPI NTSTATUS NTAPI NtSetInformationDebugObject(HANDLE, ULONG kind, PVOID, ULONG size, PULONG);

#endif
