/* A process's exception port: a thread of it answers hard errors and exceptions.  For a program
 * that has all the privileges.
 */
#include "win32.h"

enum {
    LPC_EXCEPTION = 7, LPC_ERROR_EVENT = 9, ProcessExceptionPort = 8, ResponseYes = 8,
    ResponseReturnToCaller = 0, OptionYesNo = 4,
    STATUS_PORT_ALREADY_SET = (int)0xc0000048, STATUS_NOTHING_SPECIAL = (int)0xc0001234,
    DBG_EXCEPTION_NOT_HANDLED = (int)0x80010001, DBG_CONTINUE = 0x10002,
};

typedef struct {
    USHORT DataLength, TotalLength, Type, DataInfoOffset;
    CLIENT_ID ClientId;
    ULONG MessageId, CallbackId;
    ULONG Data[0x40];
} MESSAGE;

NTSYSAPI NTSTATUS NTAPI NtCreatePort(PHANDLE, POBJECT_ATTRIBUTES, ULONG, ULONG, ULONG);
NTSYSAPI NTSTATUS NTAPI NtReplyWaitReceivePort(HANDLE, PVOID *, MESSAGE *, MESSAGE *);
NTSYSAPI NTSTATUS NTAPI NtReplyPort(HANDLE, MESSAGE *);
NTSYSAPI NTSTATUS NTAPI NtRaiseHardError(NTSTATUS, ULONG, ULONG, ULONG *, ULONG, ULONG *);
NTSYSAPI NTSTATUS NTAPI NtSetInformationProcess(HANDLE, ULONG, PVOID, ULONG);

static HANDLE port;
static ULONG parameters[2] = {0xabcd, 0};

static DWORD WINAPI server(PVOID unused)
{
    MESSAGE got;
    CHECK_EQUAL(NtReplyWaitReceivePort(port, NULL, NULL, &got), 0);
    CHECK_EQUAL(got.Type, LPC_ERROR_EVENT);
    CHECK_EQUAL(got.ClientId.UniqueProcess, NtCurrentTeb()->ClientId.UniqueProcess);
    CHECK_EQUAL(got.Data[0], 0xc0000135);
    CHECK_EQUAL(got.Data[4], OptionYesNo);
    CHECK_EQUAL(got.Data[6], 1);
    CHECK_EQUAL(got.Data[8], 0xabcd);
    got.Data[5] = ResponseYes;
    CHECK_EQUAL(NtReplyWaitReceivePort(port, NULL, &got, &got), 0);
    CHECK_EQUAL(got.Type, LPC_ERROR_EVENT);
    got.Data[5] = 99;
    CHECK_EQUAL(NtReplyWaitReceivePort(port, NULL, &got, &got), 0);
    CHECK_EQUAL(got.Type, LPC_EXCEPTION);
    CHECK_EQUAL(got.Data[0], 0);
    CHECK_EQUAL(got.Data[2], STATUS_NOTHING_SPECIAL);
    CHECK_EQUAL(got.Data[2 + 20], 0); /* the second chance */
    got.Data[1] = DBG_CONTINUE;
    CHECK_EQUAL(NtReplyPort(port, &got), 0);
    return (DWORD)unused;
}

/* NtRaiseException, the second chance, as if it had happened where this returns to. */
static __attribute__((naked)) void raise_here(CONTEXT *context, EXCEPTION_RECORD *record)
{
    __asm__("movl 4(%esp), %eax\n\t"
            "movl (%esp), %ecx\n\t"
            "movl %ecx, 0xb8(%eax)\n\t" /* Eip */
            "leal 4(%esp), %ecx\n\t"
            "movl %ecx, 0xc4(%eax)\n\t" /* Esp */
            "movl %ebp, 0xb4(%eax)\n\t"
            "movl %ebx, 0xa4(%eax)\n\t"
            "movl %esi, 0xa0(%eax)\n\t"
            "movl %edi, 0x9c(%eax)\n\t"
            "pushl $0\n\t"
            "pushl %eax\n\t"
            "pushl 16(%esp)\n\t"
            "calll _NtRaiseException@12\n\t"
            "ud2");
}

static void raise(void)
{
    CONTEXT context = {.ContextFlags = 0x10007};
    EXCEPTION_RECORD record = {.ExceptionCode = STATUS_NOTHING_SPECIAL};
    CHECK_EQUAL(NtGetContextThread(NtCurrentThread(), &context), 0);
    if (!context.Eip) /* so that it is imported */
        NtRaiseException(&record, &context, FALSE);
    raise_here(&context, &record);
}

void start(void)
{
    ULONG response = 77;
    HANDLE thread, none = NULL;
    CHECK_EQUAL(NtCreatePort(&port, NULL, 0, 0x120, 0), 0);
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessExceptionPort, &none, 4),
                STATUS_INVALID_HANDLE);
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessExceptionPort, &port, 3),
                STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessExceptionPort, &port, 4), 0);
    CHECK_EQUAL(NtSetInformationProcess(NtCurrentProcess(), ProcessExceptionPort, &port, 4),
                STATUS_PORT_ALREADY_SET);
    thread = CreateThread(NULL, 0, server, NULL, 0, NULL);
    CHECK_EQUAL(NtRaiseHardError((NTSTATUS)0xc0000135, 1, 0, parameters, OptionYesNo, &response),
                0);
    CHECK_EQUAL(response, ResponseYes);
    CHECK_EQUAL(NtRaiseHardError((NTSTATUS)0xc0000135, 1, 0, parameters, OptionYesNo, &response),
                0);
    CHECK_EQUAL(response, ResponseReturnToCaller);
    raise();
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    CHECK_EQUAL(NtClose(port), 0); /* nobody answers any more */
    CHECK_EQUAL(NtRaiseHardError((NTSTATUS)0xc0000135, 1, 0, parameters, OptionYesNo, &response),
                0);
    CHECK_EQUAL(response, ResponseReturnToCaller);
    finish();
}
