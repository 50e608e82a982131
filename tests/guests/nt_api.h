/* The part of Windows XP's public native interface that the guest programs use.
 *
 * From Microsoft's public documentation (WDK, winternl.h) and public symbols; offsets are XP's,
 * asserted.  A prototype whose arguments are not XP's in size does not link: ntdll.def carries
 * the argument bytes of each service.
 */
#ifndef NT_API_H
#define NT_API_H

#define NULL ((void *)0)
#define TRUE 1
#define FALSE 0

typedef void *PVOID, *HANDLE, **PHANDLE;
typedef char CHAR;
typedef signed short SHORT;
typedef long LONG, *PLONG, NTSTATUS;
typedef unsigned char UCHAR, *PUCHAR, BOOLEAN, *PBOOLEAN;
typedef unsigned short USHORT, WCHAR, *PWSTR;
typedef unsigned long ULONG, *PULONG, ULONG_PTR, SIZE_T, *PSIZE_T, ACCESS_MASK;
typedef long long LONGLONG;
typedef unsigned long long ULONGLONG;

#define NTAPI __attribute__((stdcall))
#define NTSYSAPI __declspec(dllimport)
#define NT_SUCCESS(status) ((NTSTATUS)(status) >= 0)
#define OFFSET_IS(type, member, offset) \
    _Static_assert(__builtin_offsetof(type, member) == (offset), #type "." #member)
#define SIZE_IS(type, size) _Static_assert(sizeof(type) == (size), #type)

#define NtCurrentProcess() ((HANDLE)-1)
#define NtCurrentThread() ((HANDLE)-2)

enum {
    STATUS_SUCCESS = 0,
    STATUS_USER_APC = 0xc0,
    STATUS_ALERTED = 0x101,
    STATUS_TIMEOUT = 0x102,
    STATUS_PENDING = 0x103,
    STATUS_OBJECT_NAME_EXISTS = 0x40000000,
    STATUS_GUARD_PAGE_VIOLATION = (int)0x80000001,
    STATUS_DATATYPE_MISALIGNMENT = (int)0x80000002,
    STATUS_BREAKPOINT = (int)0x80000003,
    STATUS_SINGLE_STEP = (int)0x80000004,
    STATUS_NO_MORE_FILES = (int)0x80000006,
    STATUS_NOT_IMPLEMENTED = (int)0xc0000002,
    STATUS_INFO_LENGTH_MISMATCH = (int)0xc0000004,
    STATUS_ACCESS_VIOLATION = (int)0xc0000005,
    STATUS_INVALID_HANDLE = (int)0xc0000008,
    STATUS_INVALID_PARAMETER = (int)0xc000000d,
    STATUS_END_OF_FILE = (int)0xc0000011,
    STATUS_CONFLICTING_ADDRESSES = (int)0xc0000018,
    STATUS_INVALID_SYSTEM_SERVICE = (int)0xc000001c,
    STATUS_ILLEGAL_INSTRUCTION = (int)0xc000001d,
    STATUS_ACCESS_DENIED = (int)0xc0000022,
    STATUS_OBJECT_TYPE_MISMATCH = (int)0xc0000024,
    STATUS_OBJECT_NAME_INVALID = (int)0xc0000033,
    STATUS_OBJECT_NAME_NOT_FOUND = (int)0xc0000034,
    STATUS_OBJECT_NAME_COLLISION = (int)0xc0000035,
    STATUS_OBJECT_PATH_NOT_FOUND = (int)0xc000003a,
    STATUS_MUTANT_NOT_OWNED = (int)0xc0000046,
    STATUS_SEMAPHORE_LIMIT_EXCEEDED = (int)0xc0000047,
    STATUS_INTEGER_DIVIDE_BY_ZERO = (int)0xc0000094,
    STATUS_PRIVILEGED_INSTRUCTION = (int)0xc0000096,
};

enum {
    DELETE = 0x00010000,
    SYNCHRONIZE = 0x00100000,
    GENERIC_READ = (int)0x80000000,
    GENERIC_WRITE = 0x40000000,
    FILE_READ_DATA = 0x1,
    FILE_WRITE_DATA = 0x2,
    FILE_GENERIC_READ = 0x120089,
    FILE_GENERIC_WRITE = 0x120116,
    FILE_SHARE_READ = 1,
    FILE_SHARE_WRITE = 2,
    FILE_SHARE_DELETE = 4,
    FILE_OPEN = 1,
    FILE_CREATE = 2,
    FILE_OPEN_IF = 3,
    FILE_OVERWRITE = 4,
    FILE_OVERWRITE_IF = 5,
    FILE_DIRECTORY_FILE = 0x01,
    FILE_SYNCHRONOUS_IO_NONALERT = 0x20,
    FILE_NON_DIRECTORY_FILE = 0x40,
    FILE_DELETE_ON_CLOSE = 0x1000,
    FILE_ATTRIBUTE_NORMAL = 0x80,
    EVENT_ALL_ACCESS = 0x1f0003,
    MUTANT_ALL_ACCESS = 0x1f0001,
    SEMAPHORE_ALL_ACCESS = 0x1f0003,
    TIMER_ALL_ACCESS = 0x1f0003,
    SECTION_ALL_ACCESS = 0xf001f,
    THREAD_ALL_ACCESS = 0x1f03ff,
    PROCESS_ALL_ACCESS = 0x1f0fff,
    KEY_ALL_ACCESS = 0xf003f,
    OBJ_INHERIT = 0x02,
    OBJ_CASE_INSENSITIVE = 0x40,
    OBJ_OPENIF = 0x80,
    DUPLICATE_CLOSE_SOURCE = 1,
    DUPLICATE_SAME_ACCESS = 2,
    PAGE_NOACCESS = 0x01,
    PAGE_READONLY = 0x02,
    PAGE_READWRITE = 0x04,
    PAGE_WRITECOPY = 0x08,
    PAGE_EXECUTE = 0x10,
    PAGE_EXECUTE_READ = 0x20,
    PAGE_EXECUTE_READWRITE = 0x40,
    PAGE_GUARD = 0x100,
    MEM_COMMIT = 0x1000,
    MEM_RESERVE = 0x2000,
    MEM_DECOMMIT = 0x4000,
    MEM_RELEASE = 0x8000,
    MEM_FREE = 0x10000,
    MEM_PRIVATE = 0x20000,
    MEM_MAPPED = 0x40000,
    MEM_IMAGE = 0x1000000,
    MEM_TOP_DOWN = 0x100000,
    SEC_IMAGE = 0x1000000,
    SEC_RESERVE = 0x4000000,
    SEC_COMMIT = 0x8000000,
    CONTEXT_CONTROL = 0x10001,
    CONTEXT_INTEGER = 0x10002,
    CONTEXT_SEGMENTS = 0x10004,
    CONTEXT_FLOATING_POINT = 0x10008,
    CONTEXT_DEBUG_REGISTERS = 0x10010,
    CONTEXT_FULL = 0x10007,
    EXCEPTION_NONCONTINUABLE = 1,
    EXCEPTION_CONTINUE_EXECUTION = -1,
    EXCEPTION_CONTINUE_SEARCH = 0,
};

/* What a frame's handler, unlike a vectored one, returns. */
typedef enum {
    ExceptionContinueExecution,
    ExceptionContinueSearch,
    ExceptionNestedException,
    ExceptionCollidedUnwind,
} EXCEPTION_DISPOSITION;
typedef enum { NotificationEvent, SynchronizationEvent } EVENT_TYPE;
typedef enum { NotificationTimer, SynchronizationTimer } TIMER_TYPE;
typedef enum { WaitAll, WaitAny } WAIT_TYPE;
typedef enum { ViewShare = 1, ViewUnmap = 2 } SECTION_INHERIT;
typedef ULONG FILE_INFORMATION_CLASS, PROCESSINFOCLASS, THREADINFOCLASS, SYSTEM_INFORMATION_CLASS;
typedef ULONG OBJECT_INFORMATION_CLASS, MEMORY_INFORMATION_CLASS, KEY_INFORMATION_CLASS;
typedef ULONG KEY_VALUE_INFORMATION_CLASS;

typedef union {
    struct { ULONG LowPart; LONG HighPart; };
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef struct { USHORT Length, MaximumLength; PWSTR Buffer; } UNICODE_STRING, *PUNICODE_STRING;
typedef struct { USHORT Length, MaximumLength; CHAR *Buffer; } ANSI_STRING, *PANSI_STRING;
typedef struct { HANDLE UniqueProcess, UniqueThread; } CLIENT_ID, *PCLIENT_ID;
typedef struct { NTSTATUS Status; ULONG_PTR Information; } IO_STATUS_BLOCK, *PIO_STATUS_BLOCK;

typedef struct {
    ULONG Length;
    HANDLE RootDirectory;
    PUNICODE_STRING ObjectName;
    ULONG Attributes;
    PVOID SecurityDescriptor, SecurityQualityOfService;
} OBJECT_ATTRIBUTES, *POBJECT_ATTRIBUTES;
SIZE_IS(OBJECT_ATTRIBUTES, 0x18);

typedef struct {
    PVOID BaseAddress, AllocationBase;
    ULONG AllocationProtect, RegionSize, State, Protect, Type;
} MEMORY_BASIC_INFORMATION;
SIZE_IS(MEMORY_BASIC_INFORMATION, 0x1c);

typedef struct {
    PVOID PreviousStackBase, PreviousStackLimit, StackBase, StackLimit, AllocatedStackBase;
} INITIAL_TEB, *PINITIAL_TEB;

typedef struct _EXCEPTION_RECORD {
    NTSTATUS ExceptionCode;
    ULONG ExceptionFlags;
    struct _EXCEPTION_RECORD *ExceptionRecord;
    PVOID ExceptionAddress;
    ULONG NumberParameters;
    ULONG_PTR ExceptionInformation[15];
} EXCEPTION_RECORD, *PEXCEPTION_RECORD;
SIZE_IS(EXCEPTION_RECORD, 0x50);

typedef struct {
    ULONG ContextFlags, Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
    UCHAR FloatSave[0x70];
    ULONG SegGs, SegFs, SegEs, SegDs;
    ULONG Edi, Esi, Ebx, Edx, Ecx, Eax;
    ULONG Ebp, Eip, SegCs, EFlags, Esp, SegSs;
    UCHAR ExtendedRegisters[0x200];
} CONTEXT, *PCONTEXT;
OFFSET_IS(CONTEXT, Edi, 0x9c);
OFFSET_IS(CONTEXT, Eip, 0xb8);
SIZE_IS(CONTEXT, 0x2cc);

typedef struct { PEXCEPTION_RECORD ExceptionRecord; PCONTEXT ContextRecord; } EXCEPTION_POINTERS;
typedef LONG(NTAPI *PVECTORED_EXCEPTION_HANDLER)(EXCEPTION_POINTERS *);

typedef struct _EXCEPTION_REGISTRATION_RECORD {
    struct _EXCEPTION_REGISTRATION_RECORD *Next;
    EXCEPTION_DISPOSITION (*Handler)(PEXCEPTION_RECORD, PVOID Frame, PCONTEXT, PVOID Dispatcher);
} EXCEPTION_REGISTRATION_RECORD;

typedef struct {
    ULONG MaximumLength, Length, Flags, DebugFlags;
    HANDLE ConsoleHandle;
    ULONG ConsoleFlags;
    HANDLE StandardInput, StandardOutput, StandardError;
    UNICODE_STRING CurrentDirectoryPath;
    HANDLE CurrentDirectoryHandle;
    UNICODE_STRING DllPath, ImagePathName, CommandLine;
    PWSTR Environment;
} RTL_USER_PROCESS_PARAMETERS;
OFFSET_IS(RTL_USER_PROCESS_PARAMETERS, StandardOutput, 0x1c);
OFFSET_IS(RTL_USER_PROCESS_PARAMETERS, CommandLine, 0x40);

typedef struct {
    BOOLEAN InheritedAddressSpace, ReadImageFileExecOptions, BeingDebugged, SpareBool;
    HANDLE Mutant;
    PVOID ImageBaseAddress, Ldr;
    RTL_USER_PROCESS_PARAMETERS *ProcessParameters;
} PEB;
OFFSET_IS(PEB, ProcessParameters, 0x10);

typedef struct {
    EXCEPTION_REGISTRATION_RECORD *ExceptionList;
    PVOID StackBase, StackLimit, SubSystemTib, FiberData, ArbitraryUserPointer, Self;
    PVOID EnvironmentPointer;
    CLIENT_ID ClientId;
    PVOID ActiveRpcHandle, ThreadLocalStoragePointer;
    PEB *ProcessEnvironmentBlock;
    ULONG LastErrorValue;
} TEB;
OFFSET_IS(TEB, ProcessEnvironmentBlock, 0x30);

typedef void(NTAPI *PIO_APC_ROUTINE)(PVOID ApcContext, PIO_STATUS_BLOCK, ULONG Reserved);
typedef void(NTAPI *PTIMER_APC_ROUTINE)(PVOID TimerContext, ULONG TimerLow, LONG TimerHigh);
typedef void(NTAPI *PKNORMAL_ROUTINE)(PVOID NormalContext, PVOID Argument1, PVOID Argument2);

/* Files and handles */
NTSYSAPI NTSTATUS NTAPI NtCreateFile(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PIO_STATUS_BLOCK,
    PLARGE_INTEGER AllocationSize, ULONG FileAttributes, ULONG ShareAccess,
    ULONG CreateDisposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength);
NTSYSAPI NTSTATUS NTAPI NtOpenFile(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PIO_STATUS_BLOCK,
    ULONG ShareAccess, ULONG OpenOptions);
NTSYSAPI NTSTATUS NTAPI NtReadFile(HANDLE, HANDLE Event, PIO_APC_ROUTINE, PVOID ApcContext,
    PIO_STATUS_BLOCK, PVOID Buffer, ULONG Length, PLARGE_INTEGER ByteOffset, PULONG Key);
NTSYSAPI NTSTATUS NTAPI NtWriteFile(HANDLE, HANDLE Event, PIO_APC_ROUTINE, PVOID ApcContext,
    PIO_STATUS_BLOCK, const void *Buffer, ULONG Length, PLARGE_INTEGER ByteOffset, PULONG Key);
NTSYSAPI NTSTATUS NTAPI NtQueryInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID FileInformation,
    ULONG Length, FILE_INFORMATION_CLASS);
NTSYSAPI NTSTATUS NTAPI NtSetInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID FileInformation,
    ULONG Length, FILE_INFORMATION_CLASS);
NTSYSAPI NTSTATUS NTAPI NtQueryDirectoryFile(HANDLE, HANDLE Event, PIO_APC_ROUTINE,
    PVOID ApcContext, PIO_STATUS_BLOCK, PVOID FileInformation, ULONG Length,
    FILE_INFORMATION_CLASS, BOOLEAN ReturnSingleEntry, PUNICODE_STRING FileName,
    BOOLEAN RestartScan);
NTSYSAPI NTSTATUS NTAPI NtQueryObject(HANDLE, OBJECT_INFORMATION_CLASS, PVOID, ULONG Length,
    PULONG ReturnLength);
NTSYSAPI NTSTATUS NTAPI NtDuplicateObject(HANDLE SourceProcess, HANDLE Source,
    HANDLE TargetProcess, PHANDLE Target, ACCESS_MASK, ULONG HandleAttributes, ULONG Options);
NTSYSAPI NTSTATUS NTAPI NtClose(HANDLE);

/* Memory and sections */
NTSYSAPI NTSTATUS NTAPI NtAllocateVirtualMemory(HANDLE Process, PVOID *BaseAddress,
    ULONG ZeroBits, PSIZE_T RegionSize, ULONG AllocationType, ULONG Protect);
NTSYSAPI NTSTATUS NTAPI NtFreeVirtualMemory(HANDLE Process, PVOID *BaseAddress,
    PSIZE_T RegionSize, ULONG FreeType);
NTSYSAPI NTSTATUS NTAPI NtProtectVirtualMemory(HANDLE Process, PVOID *BaseAddress,
    PSIZE_T RegionSize, ULONG NewProtect, PULONG OldProtect);
NTSYSAPI NTSTATUS NTAPI NtQueryVirtualMemory(HANDLE Process, PVOID BaseAddress,
    MEMORY_INFORMATION_CLASS, PVOID, SIZE_T Length, PSIZE_T ReturnLength);
NTSYSAPI NTSTATUS NTAPI NtReadVirtualMemory(HANDLE Process, PVOID BaseAddress, PVOID Buffer,
    SIZE_T Length, PSIZE_T NumberOfBytesRead);
NTSYSAPI NTSTATUS NTAPI NtWriteVirtualMemory(HANDLE Process, PVOID BaseAddress,
    const void *Buffer, SIZE_T Length, PSIZE_T NumberOfBytesWritten);
NTSYSAPI NTSTATUS NTAPI NtCreateSection(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES,
    PLARGE_INTEGER MaximumSize, ULONG SectionPageProtection, ULONG AllocationAttributes,
    HANDLE FileHandle);
NTSYSAPI NTSTATUS NTAPI NtMapViewOfSection(HANDLE Section, HANDLE Process, PVOID *BaseAddress,
    ULONG ZeroBits, SIZE_T CommitSize, PLARGE_INTEGER SectionOffset, PSIZE_T ViewSize,
    SECTION_INHERIT, ULONG AllocationType, ULONG Win32Protect);
NTSYSAPI NTSTATUS NTAPI NtQuerySection(HANDLE Section, ULONG SectionInformationClass, PVOID,
    ULONG Length, PULONG ReturnLength);
NTSYSAPI NTSTATUS NTAPI NtUnmapViewOfSection(HANDLE Process, PVOID BaseAddress);

/* Waiting */
NTSYSAPI NTSTATUS NTAPI NtWaitForSingleObject(HANDLE, BOOLEAN Alertable, PLARGE_INTEGER Timeout);
NTSYSAPI NTSTATUS NTAPI NtWaitForMultipleObjects(ULONG Count, PHANDLE, WAIT_TYPE,
    BOOLEAN Alertable, PLARGE_INTEGER Timeout);
NTSYSAPI NTSTATUS NTAPI NtSignalAndWaitForSingleObject(HANDLE Signal, HANDLE Wait,
    BOOLEAN Alertable, PLARGE_INTEGER Timeout);
NTSYSAPI NTSTATUS NTAPI NtDelayExecution(BOOLEAN Alertable, PLARGE_INTEGER DelayInterval);
NTSYSAPI NTSTATUS NTAPI NtYieldExecution(void);
NTSYSAPI NTSTATUS NTAPI NtTestAlert(void);
NTSYSAPI NTSTATUS NTAPI NtCreateEvent(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, EVENT_TYPE,
    BOOLEAN InitialState);
NTSYSAPI NTSTATUS NTAPI NtOpenEvent(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtSetEvent(HANDLE, PLONG PreviousState);
NTSYSAPI NTSTATUS NTAPI NtResetEvent(HANDLE, PLONG PreviousState);
NTSYSAPI NTSTATUS NTAPI NtPulseEvent(HANDLE, PLONG PreviousState);
NTSYSAPI NTSTATUS NTAPI NtCreateMutant(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES,
    BOOLEAN InitialOwner);
NTSYSAPI NTSTATUS NTAPI NtReleaseMutant(HANDLE, PLONG PreviousCount);
NTSYSAPI NTSTATUS NTAPI NtCreateSemaphore(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES,
    LONG InitialCount, LONG MaximumCount);
NTSYSAPI NTSTATUS NTAPI NtReleaseSemaphore(HANDLE, LONG ReleaseCount, PLONG PreviousCount);
NTSYSAPI NTSTATUS NTAPI NtCreateTimer(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, TIMER_TYPE);
NTSYSAPI NTSTATUS NTAPI NtSetTimer(HANDLE, PLARGE_INTEGER DueTime, PTIMER_APC_ROUTINE,
    PVOID TimerContext, BOOLEAN ResumeTimer, LONG Period, PBOOLEAN PreviousState);
NTSYSAPI NTSTATUS NTAPI NtCancelTimer(HANDLE, PBOOLEAN CurrentState);

/* Processes and threads */
NTSYSAPI NTSTATUS NTAPI NtCreateProcess(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES,
    HANDLE ParentProcess, BOOLEAN InheritObjectTable, HANDLE Section, HANDLE DebugPort,
    HANDLE ExceptionPort);
NTSYSAPI NTSTATUS NTAPI NtCreateProcessEx(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES,
    HANDLE ParentProcess, ULONG Flags, HANDLE Section, HANDLE DebugPort, HANDLE ExceptionPort,
    ULONG JobMemberLevel);
NTSYSAPI NTSTATUS NTAPI NtOpenProcess(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PCLIENT_ID);
NTSYSAPI NTSTATUS NTAPI NtOpenThread(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PCLIENT_ID);
NTSYSAPI NTSTATUS NTAPI NtTerminateProcess(HANDLE, NTSTATUS ExitStatus);
NTSYSAPI NTSTATUS NTAPI NtCreateThread(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, HANDLE Process,
    PCLIENT_ID, PCONTEXT, PINITIAL_TEB, BOOLEAN CreateSuspended);
NTSYSAPI NTSTATUS NTAPI NtTerminateThread(HANDLE, NTSTATUS ExitStatus);
NTSYSAPI NTSTATUS NTAPI NtSuspendThread(HANDLE, PULONG PreviousSuspendCount);
NTSYSAPI NTSTATUS NTAPI NtResumeThread(HANDLE, PULONG PreviousSuspendCount);
NTSYSAPI NTSTATUS NTAPI NtAlertThread(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtQueueApcThread(HANDLE, PKNORMAL_ROUTINE, PVOID NormalContext,
    PVOID Argument1, PVOID Argument2);
NTSYSAPI NTSTATUS NTAPI NtGetContextThread(HANDLE, PCONTEXT);
NTSYSAPI NTSTATUS NTAPI NtSetContextThread(HANDLE, PCONTEXT);
NTSYSAPI NTSTATUS NTAPI NtContinue(PCONTEXT, BOOLEAN TestAlert);
NTSYSAPI NTSTATUS NTAPI NtRaiseException(PEXCEPTION_RECORD, PCONTEXT, BOOLEAN FirstChance);
NTSYSAPI NTSTATUS NTAPI NtQueryInformationProcess(HANDLE, PROCESSINFOCLASS, PVOID, ULONG Length,
    PULONG ReturnLength);
NTSYSAPI NTSTATUS NTAPI NtSetInformationProcess(HANDLE, PROCESSINFOCLASS, PVOID, ULONG Length);
NTSYSAPI NTSTATUS NTAPI NtSetLdtEntries(ULONG Selector0, ULONG Entry0Low, ULONG Entry0Hi,
    ULONG Selector1, ULONG Entry1Low, ULONG Entry1Hi);
NTSYSAPI NTSTATUS NTAPI NtQueryInformationThread(HANDLE, THREADINFOCLASS, PVOID, ULONG Length,
    PULONG ReturnLength);
NTSYSAPI NTSTATUS NTAPI NtSetInformationThread(HANDLE, THREADINFOCLASS, PVOID, ULONG Length);

/* System, time, registry, drivers */
NTSYSAPI NTSTATUS NTAPI NtQuerySystemInformation(SYSTEM_INFORMATION_CLASS, PVOID, ULONG Length,
    PULONG ReturnLength);
NTSYSAPI NTSTATUS NTAPI NtQuerySystemTime(PLARGE_INTEGER);
NTSYSAPI NTSTATUS NTAPI NtQueryPerformanceCounter(PLARGE_INTEGER, PLARGE_INTEGER Frequency);
NTSYSAPI NTSTATUS NTAPI NtCreateKey(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, ULONG TitleIndex,
    PUNICODE_STRING Class, ULONG CreateOptions, PULONG Disposition);
NTSYSAPI NTSTATUS NTAPI NtOpenKey(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtDeleteKey(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtSetValueKey(HANDLE, PUNICODE_STRING ValueName, ULONG TitleIndex,
    ULONG Type, PVOID Data, ULONG DataSize);
NTSYSAPI NTSTATUS NTAPI NtQueryValueKey(HANDLE, PUNICODE_STRING ValueName,
    KEY_VALUE_INFORMATION_CLASS, PVOID, ULONG Length, PULONG ResultLength);
NTSYSAPI NTSTATUS NTAPI NtEnumerateKey(HANDLE, ULONG Index, KEY_INFORMATION_CLASS, PVOID,
    ULONG Length, PULONG ResultLength);
NTSYSAPI NTSTATUS NTAPI NtEnumerateValueKey(HANDLE, ULONG Index, KEY_VALUE_INFORMATION_CLASS,
    PVOID, ULONG Length, PULONG ResultLength);
NTSYSAPI NTSTATUS NTAPI NtLoadDriver(PUNICODE_STRING DriverServiceName);

/* ntdll's runtime */
NTSYSAPI PVOID NTAPI RtlAddVectoredExceptionHandler(ULONG First, PVECTORED_EXCEPTION_HANDLER);
NTSYSAPI ULONG NTAPI RtlRemoveVectoredExceptionHandler(PVOID Handle);
NTSYSAPI void NTAPI RtlRaiseException(PEXCEPTION_RECORD);
NTSYSAPI void NTAPI RtlUnwind(PVOID TargetFrame, PVOID TargetIp, PEXCEPTION_RECORD,
    PVOID ReturnValue);
NTSYSAPI NTSTATUS NTAPI LdrLoadDll(PWSTR Path, PULONG Flags, PUNICODE_STRING Name, PVOID *Base);
NTSYSAPI NTSTATUS NTAPI LdrGetDllHandle(PWSTR Path, PULONG Flags, PUNICODE_STRING Name,
    PVOID *Base);
NTSYSAPI NTSTATUS NTAPI LdrGetProcedureAddress(PVOID Base, PANSI_STRING Name, ULONG Ordinal,
    PVOID *Address);
NTSYSAPI ULONG DbgPrint(const CHAR *Format, ...);
void *memcpy(void *target, const void *source, SIZE_T size);
void *memmove(void *target, const void *source, SIZE_T size);
void *memset(void *target, int value, SIZE_T size);
int memcmp(const void *left, const void *right, SIZE_T size);
SIZE_T strlen(const CHAR *text);

#endif
