/* What a freestanding guest program needs beside NT itself: text, checks, the gates.
 *
 * A program is one C file with `void start(void)`, which ends in `finish()` or `exit_process()`;
 * it links to ntdll.dll alone.  The same program runs on a real Windows XP, with its output sent
 * to a file or a pipe: there a console handle is no NT handle.
 */
#ifndef NT_H
#define NT_H

#include "nt_api.h"

#define INLINE static inline __attribute__((unused))

INLINE TEB *NtCurrentTeb(void)
{
    TEB *teb;
    __asm__ volatile("movl %%fs:0x18, %0" : "=r"(teb));
    return teb;
}

INLINE PEB *NtCurrentPeb(void) { return NtCurrentTeb()->ProcessEnvironmentBlock; }

/* Text to the standard output */

INLINE NTSTATUS print_bytes(const void *bytes, ULONG size)
{
    IO_STATUS_BLOCK io;
    HANDLE output = NtCurrentPeb()->ProcessParameters->StandardOutput;
    return NtWriteFile(output, NULL, NULL, NULL, &io, bytes, size, NULL, NULL);
}

INLINE NTSTATUS print(const CHAR *text) { return print_bytes(text, strlen(text)); }

/* Eight lower-case digits without a prefix. */
INLINE NTSTATUS print_hex(ULONG value)
{
    CHAR digits[8];
    for (int i = 7; i >= 0; i--, value >>= 4)
        digits[i] = "0123456789abcdef"[value & 15];
    return print_bytes(digits, sizeof digits);
}

INLINE NTSTATUS print_decimal(ULONG value)
{
    CHAR digits[10];
    int first = sizeof digits;
    do
        digits[--first] = '0' + value % 10;
    while ((value /= 10) != 0);
    return print_bytes(digits + first, sizeof digits - first);
}

/* Names: USTR(L"\\Device\\Null") initialises a UNICODE_STRING, named() an OBJECT_ATTRIBUTES. */

#define USTR(literal) {sizeof(literal) - 2, sizeof(literal), (PWSTR)(literal)}

INLINE OBJECT_ATTRIBUTES named(PUNICODE_STRING name)
{
    return (OBJECT_ATTRIBUTES){
        .Length = sizeof(OBJECT_ATTRIBUTES), .ObjectName = name, .Attributes = OBJ_CASE_INSENSITIVE};
}

/* Checks: a program prints each one that fails and `finish()` exits with their number. */

static ULONG failures __attribute__((unused));

INLINE void failed(const CHAR *file, ULONG line, const CHAR *what)
{
    failures++;
    print(file), print(":"), print_decimal(line), print(": "), print(what);
}

INLINE void check(BOOLEAN held, const CHAR *file, ULONG line, const CHAR *what)
{
    if (!held)
        failed(file, line, what), print("\n");
}

INLINE void check_equal(ULONG got, ULONG wanted, const CHAR *file, ULONG line, const CHAR *what)
{
    if (got != wanted) {
        failed(file, line, what);
        print(" is "), print_hex(got), print(", not "), print_hex(wanted), print("\n");
    }
}

#define CHECK(condition) check(!!(condition), __FILE_NAME__, __LINE__, #condition)
#define CHECK_EQUAL(got, wanted) \
    check_equal((ULONG)(got), (ULONG)(wanted), __FILE_NAME__, __LINE__, #got)

INLINE __attribute__((noreturn)) void exit_process(NTSTATUS status)
{
    NtTerminateProcess(NtCurrentProcess(), status);
    __builtin_trap();
}

INLINE __attribute__((noreturn)) void finish(void)
{
    print(failures ? "failed: " : "passed\n");
    if (failures)
        print_decimal(failures), print("\n");
    exit_process(failures);
}

/* The gates without ntdll's stubs.  The service's arguments follow its number:
 * direct_sysenter(SERVICE_NUMBER(NtClose), handle).  The kernel finds them at edx + 8 after
 * sysenter, because KiFastSystemCallRet's `ret` takes the address at edx, and the stub's own
 * return address is above it; at edx after int 2Eh.
 */

typedef NTSTATUS GATE(ULONG number, ...);

/* The immediate of a stub's first instruction, `mov eax, number`. */
#define SERVICE_NUMBER(stub) (*(const ULONG *)((const UCHAR *)(stub) + 1))

INLINE __attribute__((naked, noinline)) NTSTATUS direct_sysenter(ULONG number, ...)
{
    __asm__("movl 4(%esp), %eax\n\t"
            "movl %esp, %edx\n\t"
            "sysenter");
}

INLINE __attribute__((naked, noinline)) NTSTATUS direct_int2e(ULONG number, ...)
{
    __asm__("movl 4(%esp), %eax\n\t"
            "leal 8(%esp), %edx\n\t"
            "int $0x2e\n\t"
            "ret");
}

#endif
