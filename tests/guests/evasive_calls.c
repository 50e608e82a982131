/* NtClose of a handle that is none, by each way past ntdll's own stub that programs which hide their
 * calls use: what `ntgate trace` has to mark, by the handle's number.
 */
#include "win32.h"

enum {
    IN_HEAP = 0x7000, STUB_IN_HEAP = 0x7010, OWN_INT2E = 0x7020, OWN_CALL = 0x7030,
    INTO_STUB = 0x7040, SECOND_NTDLL = 0x7050, FALSE_RETURN = 0x7060, USUAL = 0x7070,
    STUB_BYTES = 16, BEHIND_NUMBER = 5, RET_OF_GATE = 4,
};

typedef NTSTATUS NTAPI CLOSE(HANDLE);

static UCHAR *pages;

static HANDLE handle(ULONG number)
{
    return (HANDLE)(ULONG_PTR)number;
}

/* mov eax,NtClose / call behind the ret / ret 4 / mov edx,esp / sysenter */
static NTSTATUS in_heap(void)
{
    static const UCHAR code[] = {0xb8, 0, 0, 0, 0, 0xe8, 3, 0, 0, 0, 0xc2, 4, 0,
                                 0x8b, 0xd4, 0x0f, 0x34};

    memcpy(pages, code, sizeof code);
    *(ULONG *)(pages + 1) = SERVICE_NUMBER(NtClose);
    return ((CLOSE *)pages)(handle(IN_HEAP));
}

static NTSTATUS stub_in_heap(void)
{
    memcpy(pages + 0x100, (const void *)NtClose, STUB_BYTES);
    return ((CLOSE *)(pages + 0x100))(handle(STUB_IN_HEAP));
}

/* What the program has of its own is the number; the rest is ntdll's gate. */
static __attribute__((naked, noinline)) NTSTATUS NTAPI own_call(HANDLE closed, ULONG number)
{
    __asm__("movl 8(%esp), %eax\n\t"
            "movl $0x7ffe0300, %edx\n\t"
            "call *(%edx)\n\t"
            "ret $8");
}

/* The stub of another service with as many arguments, behind its own number. */
static __attribute__((naked, noinline)) NTSTATUS NTAPI into_stub(HANDLE closed, ULONG number,
                                                                 const UCHAR *stub)
{
    __asm__("movl 8(%esp), %eax\n\t"
            "movl 12(%esp), %ecx\n\t"
            "pushl 4(%esp)\n\t"
            "call *%ecx\n\t"
            "ret $12");
}

/* The stub returns to a `ret` of ntdll that nobody called from, and that one here. */
static __attribute__((naked, noinline)) NTSTATUS NTAPI false_return(HANDLE closed,
                                                                    const UCHAR *stub,
                                                                    const UCHAR *gadget)
{
    __asm__("movl 4(%esp), %ecx\n\t"
            "movl 8(%esp), %eax\n\t"
            "movl 12(%esp), %edx\n\t"
            "pushl $1f\n\t"
            "pushl %ecx\n\t"
            "pushl %edx\n\t"
            "jmp *%eax\n"
            "1: ret $12");
}

/* ntdll as an image once more, from its file, as a program maps it that wants it without hooks. */
static NTSTATUS second_ntdll(void)
{
    UNICODE_STRING name = USTR(L"\\??\\C:\\WINDOWS\\system32\\ntdll.dll");
    OBJECT_ATTRIBUTES attributes = named(&name);
    MEMORY_BASIC_INFORMATION first;
    PVOID base = NULL;
    IO_STATUS_BLOCK io;
    HANDLE file, section;
    SIZE_T size = 0;

    CHECK(GetLastError() < 0x10000);  /* by kernel32: then there is an ntdll.dll on disk */
    CHECK_EQUAL(NtQueryVirtualMemory(NtCurrentProcess(), (PVOID)NtClose, 0, &first, sizeof first,
                                     NULL), 0);
    CHECK_EQUAL(NtOpenFile(&file, FILE_GENERIC_READ | 0x20, &attributes, &io,
                           FILE_SHARE_READ, FILE_SYNCHRONOUS_IO_NONALERT), 0);
    CHECK_EQUAL(NtCreateSection(&section, SECTION_ALL_ACCESS, NULL, NULL, PAGE_EXECUTE_READ,
                                SEC_IMAGE, file), 0);
    CHECK(NT_SUCCESS(NtMapViewOfSection(section, NtCurrentProcess(), &base, 0, 0, NULL, &size, 1, 0,
                                        PAGE_EXECUTE_READ)));
    return ((CLOSE *)((UCHAR *)NtClose - (UCHAR *)first.AllocationBase + (UCHAR *)base))(handle(SECOND_NTDLL));
}

/* A section that is code and can be written, as a packer has it; its program comes at run time. */
__asm__(".section .packed,\"wx\"\n\t"
        ".balign 4096\n"
        "_packed: .zero 4096\n\t"
        ".text");
extern UCHAR packed[];

static ULONG unpacked(void)
{
    static const UCHAR code[] = {0xb8, 42, 0, 0, 0, 0xc3};  /* mov eax,42 / ret */

    memcpy(packed, code, sizeof code);
    return ((ULONG (*)(void))packed)();
}

void start(void)
{
    ULONG close = SERVICE_NUMBER(NtClose);
    const UCHAR *gate = *(const UCHAR *const *)0x7ffe0300;
    SIZE_T size = 0x1000;

    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), (PVOID *)&pages, 0, &size,
                                        MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE), 0);
    CHECK_EQUAL(in_heap(), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(stub_in_heap(), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(direct_int2e(close, handle(OWN_INT2E)), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(own_call(handle(OWN_CALL), close), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(into_stub(handle(INTO_STUB), close,
                          (const UCHAR *)NtDeleteKey + BEHIND_NUMBER),
                STATUS_INVALID_HANDLE);
    CHECK_EQUAL(false_return(handle(FALSE_RETURN), (const UCHAR *)NtClose, gate + RET_OF_GATE),
                STATUS_INVALID_HANDLE);
    CHECK_EQUAL(NtClose(handle(USUAL)), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(second_ntdll(), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(unpacked(), 42);
    finish();
}
