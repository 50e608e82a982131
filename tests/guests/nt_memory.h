/* Services of memory beyond nt_api.h's, and accesses whose exceptions are caught and told. */
#ifndef NT_MEMORY_H
#define NT_MEMORY_H

#include "nt.h"

enum {
    STATUS_WAS_LOCKED = 0x40000019,
    STATUS_NOT_LOCKED = (int)0xc000002a,
    STATUS_NO_MEMORY = (int)0xc0000017,
    STATUS_NOT_MAPPED_VIEW = (int)0xc0000019,
    STATUS_UNABLE_TO_FREE_VM = (int)0xc000001a,
    STATUS_UNABLE_TO_DELETE_SECTION = (int)0xc000001b,
    STATUS_INVALID_VIEW_SIZE = (int)0xc000001f,
    STATUS_ALREADY_COMMITTED = (int)0xc0000021,
    STATUS_NOT_COMMITTED = (int)0xc000002d,
    STATUS_INVALID_PAGE_PROTECTION = (int)0xc0000045,
    STATUS_SECTION_PROTECTION = (int)0xc000004e,
    STATUS_SECTION_NOT_EXTENDED = (int)0xc0000087,
    STATUS_COMMITMENT_LIMIT = (int)0xc000012d,
    STATUS_FREE_VM_NOT_AT_BASE = (int)0xc000009f,
    STATUS_MEMORY_NOT_ALLOCATED = (int)0xc00000a0,
    STATUS_INVALID_PARAMETER_2 = (int)0xc00000f0,
    STATUS_INVALID_PARAMETER_3 = (int)0xc00000f1,
    STATUS_INVALID_PARAMETER_4 = (int)0xc00000f2,
    STATUS_INVALID_PARAMETER_5 = (int)0xc00000f3,
    STATUS_INVALID_ADDRESS = (int)0xc0000141,
    STATUS_MAPPED_ALIGNMENT = (int)0xc0000220,
    STATUS_PARTIAL_COPY = (int)0x8000000d,
    MEM_RESET = 0x80000,
    MEM_WRITE_WATCH = 0x200000,
    PAGE_EXECUTE_WRITECOPY = 0x80,
    SECTION_ALL = 0xf001f,
    SECTION_EXTEND_SIZE = 0x10,
    MemoryBasicInformation = 0,
    MemoryWorkingSetList = 1,
    MemoryMappedFilename = 2,
    MAP_PROCESS = 1,
    PAGE = 0x1000,
};

NTSYSAPI NTSTATUS NTAPI NtLockVirtualMemory(HANDLE, PVOID *, PSIZE_T, ULONG MapType);
NTSYSAPI NTSTATUS NTAPI NtUnlockVirtualMemory(HANDLE, PVOID *, PSIZE_T, ULONG MapType);
NTSYSAPI NTSTATUS NTAPI NtGetWriteWatch(HANDLE, ULONG Flags, PVOID, SIZE_T, PVOID *Addresses,
    PULONG Count, PULONG Granularity);
NTSYSAPI NTSTATUS NTAPI NtResetWriteWatch(HANDLE, PVOID, SIZE_T);
NTSYSAPI NTSTATUS NTAPI NtFlushVirtualMemory(HANDLE, PVOID *, PSIZE_T, PIO_STATUS_BLOCK);
NTSYSAPI NTSTATUS NTAPI NtExtendSection(HANDLE, PLARGE_INTEGER);
NTSYSAPI NTSTATUS NTAPI NtOpenSection(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);

/* The last base and size that a call returned. */
static PVOID base;
static SIZE_T size;

INLINE NTSTATUS allocate(PVOID at, SIZE_T bytes, ULONG type, ULONG protect)
{
    base = at, size = bytes;
    return NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, type, protect);
}

INLINE NTSTATUS release(PVOID at, SIZE_T bytes, ULONG type)
{
    base = at, size = bytes;
    return NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, type);
}

INLINE NTSTATUS protect(PVOID at, SIZE_T bytes, ULONG wanted, PULONG old)
{
    base = at, size = bytes;
    return NtProtectVirtualMemory(NtCurrentProcess(), &base, &size, wanted, old);
}

INLINE MEMORY_BASIC_INFORMATION query(PVOID at)
{
    MEMORY_BASIC_INFORMATION found = {0};
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), at, MemoryBasicInformation, &found,
        sizeof found, NULL), STATUS_SUCCESS);
    return found;
}

/* What a one-byte access ends with: the exception's code, or STATUS_SUCCESS. */
static volatile NTSTATUS touched;
extern const UCHAR touch_read_at[], touch_write_at[], touch_after[];

INLINE LONG NTAPI note_touch(EXCEPTION_POINTERS *pointers)
{
    ULONG at = pointers->ContextRecord->Eip;
    if (at != (ULONG)touch_read_at && at != (ULONG)touch_write_at)
        return EXCEPTION_CONTINUE_SEARCH;
    touched = pointers->ExceptionRecord->ExceptionCode;
    pointers->ContextRecord->Eip = (ULONG)touch_after;
    return EXCEPTION_CONTINUE_EXECUTION;
}

__attribute__((naked, noinline, used)) static void touch_code(void)
{
    __asm__("movl 4(%esp), %eax\n\tcmpl $0, 8(%esp)\n\tjne 1f\n"
            "_touch_read_at: movb (%eax), %cl\n\tret\n"
            "1: _touch_write_at: movb $1, (%eax)\n"
            "_touch_after: ret");
}

INLINE NTSTATUS touch(volatile void *at, ULONG writes)
{
    touched = STATUS_SUCCESS;
    ((void (*)(volatile void *, ULONG))touch_code)(at, writes);
    return touched;
}
#define READ(at) touch((at), 0)
#define WRITE(at) touch((at), 1)

INLINE void catch_touches(void) { RtlAddVectoredExceptionHandler(TRUE, note_touch); }

#endif
