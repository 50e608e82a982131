/* LPC: a server's thread and a client's thread of one process connect, share memory, ask, answer,
 * call back; refusal, disconnection and the end of a client.
 */
#include "win32.h"

enum {
    LPC_REQUEST = 1, LPC_REPLY = 2, LPC_DATAGRAM = 3, LPC_PORT_CLOSED = 5, LPC_CLIENT_DIED = 6,
    LPC_CONNECTION_REQUEST = 10,
    PAGE = 0x1000, TokenImpersonationLevel = 9, SecurityImpersonation = 2,
    ThreadImpersonationToken = 5, TOKEN_QUERY = 8,
    STATUS_PORT_MESSAGE_TOO_LONG = (int)0xc000002f, STATUS_PORT_DISCONNECTED = (int)0xc0000037,
    STATUS_PORT_CONNECTION_REFUSED = (int)0xc0000041, STATUS_INVALID_CID = (int)0xc000000b,
    STATUS_INVALID_PORT_HANDLE = (int)0xc0000042, STATUS_NO_TOKEN = (int)0xc000007c,
    STATUS_REPLY_MESSAGE_MISMATCH = (int)0xc000021f,
};

typedef struct {
    USHORT DataLength, TotalLength, Type, DataInfoOffset;
    CLIENT_ID ClientId;
    ULONG MessageId, CallbackId;
    ULONG Data[16];
} MESSAGE;
typedef struct { ULONG Length; HANDLE Section; ULONG Offset, Size; UCHAR *Base, *Remote; } VIEW;
typedef struct { ULONG Length, Size; UCHAR *Base; } REMOTE_VIEW;
typedef struct { ULONG Length, Level; UCHAR Tracking, EffectiveOnly; } QUALITY;

NTSYSAPI NTSTATUS NTAPI NtCreatePort(PHANDLE, POBJECT_ATTRIBUTES, ULONG, ULONG, ULONG);
NTSYSAPI NTSTATUS NTAPI NtConnectPort(PHANDLE, PUNICODE_STRING, QUALITY *, VIEW *, REMOTE_VIEW *,
    PULONG, PVOID, PULONG);
NTSYSAPI NTSTATUS NTAPI NtListenPort(HANDLE, MESSAGE *);
NTSYSAPI NTSTATUS NTAPI NtAcceptConnectPort(PHANDLE, PVOID, MESSAGE *, BOOLEAN, VIEW *,
    REMOTE_VIEW *);
NTSYSAPI NTSTATUS NTAPI NtCompleteConnectPort(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtRequestPort(HANDLE, MESSAGE *);
NTSYSAPI NTSTATUS NTAPI NtRequestWaitReplyPort(HANDLE, MESSAGE *, MESSAGE *);
NTSYSAPI NTSTATUS NTAPI NtReplyPort(HANDLE, MESSAGE *);
NTSYSAPI NTSTATUS NTAPI NtReplyWaitReplyPort(HANDLE, MESSAGE *);
NTSYSAPI NTSTATUS NTAPI NtReplyWaitReceivePort(HANDLE, PVOID *, MESSAGE *, MESSAGE *);
NTSYSAPI NTSTATUS NTAPI NtReplyWaitReceivePortEx(HANDLE, PVOID *, MESSAGE *, MESSAGE *,
    PLARGE_INTEGER);
NTSYSAPI NTSTATUS NTAPI NtReadRequestData(HANDLE, MESSAGE *, ULONG, PVOID, ULONG, PULONG);
NTSYSAPI NTSTATUS NTAPI NtWriteRequestData(HANDLE, MESSAGE *, ULONG, PVOID, ULONG, PULONG);
NTSYSAPI NTSTATUS NTAPI NtImpersonateClientOfPort(HANDLE, MESSAGE *);
NTSYSAPI NTSTATUS NTAPI NtRegisterThreadTerminatePort(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtOpenThreadToken(HANDLE, ACCESS_MASK, BOOLEAN, PHANDLE);

static UNICODE_STRING name = USTR(L"\\BaseNamedObjects\\counter");
static ULONG shared_data[2] = {0x1234, 0};

static MESSAGE message(ULONG dwords)
{
    return (MESSAGE){.DataLength = 4 * dwords, .TotalLength = 24 + 4 * dwords};
}

static HANDLE section(void)
{
    LARGE_INTEGER size = {.QuadPart = PAGE};
    HANDLE made = NULL;
    CHECK_EQUAL(NtCreateSection(&made, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE, 0x8000000,
        NULL), 0);
    return made;
}

static NTSTATUS connect(HANDLE *port, VIEW *mine, REMOTE_VIEW *theirs, ULONG *information)
{
    QUALITY quality = {sizeof quality, SecurityImpersonation, 1, 0};
    ULONG longest = 0, size = 4;
    NTSTATUS status = NtConnectPort(port, &name, &quality, mine, theirs, &longest, information,
        &size);
    if (NT_SUCCESS(status))
        CHECK_EQUAL(longest, 100);
    return status;
}

static DWORD WINAPI client(PVOID unused)
{
    VIEW mine = {sizeof mine, section(), 0, PAGE, NULL, NULL};
    REMOTE_VIEW theirs = {sizeof theirs, 0, NULL};
    MESSAGE request = message(2), reply;
    ULONG information = 7;
    HANDLE port = NULL;

    CHECK_EQUAL(connect(&port, NULL, NULL, &information), STATUS_PORT_CONNECTION_REFUSED);
    CHECK_EQUAL(information, 70);
    information = 8;
    CHECK_EQUAL(connect(&port, &mine, &theirs, &information), 0);
    CHECK_EQUAL(information, 80);
    CHECK_EQUAL(theirs.Size, PAGE);
    CHECK_EQUAL(theirs.Base[0], 's');
    mine.Base[0] = 'c';
    request.Data[0] = 5;
    CHECK_EQUAL(NtRequestPort(port, &request), 0);
    CHECK_EQUAL(NtRequestWaitReplyPort(port, &request, &reply), 0);
    CHECK_EQUAL(reply.Type, LPC_REPLY);
    CHECK_EQUAL(reply.Data[0], 6);
    request = message(5);
    request.DataInfoOffset = 24 + 8;
    request.Data[2] = 1, request.Data[3] = (ULONG)shared_data, request.Data[4] = sizeof shared_data;
    CHECK_EQUAL(NtRequestWaitReplyPort(port, &request, &reply), 0);
    CHECK_EQUAL(shared_data[1], 0x4321);
    request = message(1);
    request.Data[0] = 30; /* the server calls back */
    CHECK_EQUAL(NtRequestWaitReplyPort(port, &request, &reply), 0);
    CHECK_EQUAL(reply.Type, LPC_REQUEST);
    CHECK_EQUAL(reply.Data[0], 31);
    reply.Data[0]++;
    CHECK_EQUAL(NtReplyWaitReplyPort(port, &reply), 0);
    CHECK_EQUAL(reply.Type, LPC_REPLY);
    CHECK_EQUAL(reply.Data[0], 33);
    request.TotalLength = 101;
    CHECK_EQUAL(NtRequestPort(port, &request), STATUS_PORT_MESSAGE_TOO_LONG);
    request.TotalLength = 20;
    CHECK_EQUAL(NtRequestPort(port, &request), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtRequestPort(port, (PVOID)0x10), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtRegisterThreadTerminatePort(port), 0);
    request = message(1);
    request.Data[0] = 99; /* the server goes away without an answer */
    CHECK_EQUAL(NtRequestWaitReplyPort(port, &request, &reply), STATUS_PORT_DISCONNECTED);
    CHECK_EQUAL(NtRequestPort(port, &request), STATUS_PORT_DISCONNECTED);
    CHECK_EQUAL(NtClose(port), 0);
    return (DWORD)unused;
}

static void call_back(HANDLE port, MESSAGE *received)
{
    MESSAGE callback = *received, answer;
    callback.Type = LPC_REQUEST;
    callback.Data[0]++;
    CHECK_EQUAL(NtRequestWaitReplyPort(port, &callback, &answer), 0);
    CHECK_EQUAL(answer.Type, LPC_REPLY);
    CHECK_EQUAL(answer.Data[0], 32);
    received->Data[0] = answer.Data[0] + 1;
}

static void impersonate(HANDLE port, MESSAGE *received)
{
    HANDLE token, none = NULL;
    CHECK_EQUAL(NtOpenThreadToken(NtCurrentThread(), TOKEN_QUERY, TRUE, &token), STATUS_NO_TOKEN);
    CHECK_EQUAL(NtImpersonateClientOfPort(port, received), 0);
    CHECK_EQUAL(NtOpenThreadToken(NtCurrentThread(), TOKEN_QUERY, TRUE, &token), 0);
    CHECK_EQUAL(NtClose(token), 0);
    CHECK_EQUAL(NtSetInformationThread(NtCurrentThread(), ThreadImpersonationToken, &none, 4), 0);
}

static HANDLE accept(HANDLE listening, REMOTE_VIEW *theirs)
{
    VIEW mine = {sizeof mine, section(), 0, PAGE, NULL, NULL};
    UCHAR *before;
    MESSAGE request;
    HANDLE port = NULL;

    CHECK_EQUAL(NtListenPort(listening, &request), 0);
    CHECK_EQUAL(request.Type, LPC_CONNECTION_REQUEST);
    CHECK_EQUAL(request.Data[0], 7);
    request.Data[0] = 70;
    CHECK_EQUAL(NtAcceptConnectPort(&port, NULL, &request, FALSE, NULL, NULL), 0);
    CHECK_EQUAL(NtListenPort(listening, &request), 0);
    CHECK_EQUAL(request.Data[0], 8);
    request.Data[0] = 80;
    CHECK_EQUAL(NtAcceptConnectPort(&port, (PVOID)0x55, &request, TRUE, &mine, theirs), 0);
    before = mine.Base;
    before[0] = 's';
    CHECK_EQUAL(theirs->Size, PAGE);
    CHECK_EQUAL(NtCompleteConnectPort(port), 0);
    CHECK_EQUAL(NtCompleteConnectPort(port), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtCompleteConnectPort(listening), STATUS_INVALID_PORT_HANDLE);
    return port;
}

static void serve(HANDLE listening)
{
    REMOTE_VIEW theirs = {sizeof theirs, 0, NULL};
    HANDLE port = accept(listening, &theirs);
    MESSAGE received;
    PVOID context = NULL;
    ULONG word = 0, size;

    CHECK_EQUAL(NtReplyWaitReceivePort(listening, &context, NULL, &received), 0);
    CHECK_EQUAL(received.Type, LPC_DATAGRAM);
    CHECK_EQUAL(context, 0x55);
    CHECK_EQUAL(theirs.Base[0], 'c');
    CHECK_EQUAL(NtReplyPort(listening, &received), STATUS_REPLY_MESSAGE_MISMATCH);
    CHECK_EQUAL(NtReplyWaitReceivePort(port, &context, NULL, &received), 0);
    CHECK_EQUAL(received.Type, LPC_REQUEST);
    CHECK_EQUAL(received.ClientId.UniqueProcess, NtCurrentTeb()->ClientId.UniqueProcess);
    impersonate(port, &received);
    received.Data[0]++;
    CHECK_EQUAL(NtReplyWaitReceivePort(port, &context, &received, &received), 0);
    CHECK_EQUAL(received.DataInfoOffset, 32);
    CHECK_EQUAL(NtReadRequestData(port, &received, 0, &word, 4, &size), 0);
    CHECK_EQUAL(word, 0x1234);
    CHECK_EQUAL(size, 4);
    CHECK_EQUAL(NtReadRequestData(port, &received, 1, &word, 4, &size), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtWriteRequestData(port, &received, 0, (ULONG[]){1, 0x4321}, 8, &size), 0);
    CHECK_EQUAL(NtReplyWaitReceivePort(port, &context, &received, &received), 0);
    CHECK_EQUAL(received.Data[0], 30);
    call_back(port, &received);
    CHECK_EQUAL(NtReplyWaitReceivePort(port, &context, &received, &received), 0);
    CHECK_EQUAL(received.Data[0], 99);
    received.ClientId.UniqueThread = (HANDLE)0x7ffc;
    CHECK_EQUAL(NtReplyPort(port, &received), STATUS_INVALID_CID);
    CHECK_EQUAL(NtClose(port), 0);
}

static volatile BOOLEAN is_back;

/* Waits at the port that is told of the thread's own end. */
static DWORD WINAPI own_mourner(PVOID listening)
{
    MESSAGE received;
    CHECK_EQUAL(NtRegisterThreadTerminatePort(listening), 0);
    NtReplyWaitReceivePort(listening, NULL, NULL, &received);
    is_back = TRUE;
    return 0;
}

static void end_a_mourner(HANDLE listening)
{
    HANDLE thread = CreateThread(NULL, 0, own_mourner, listening, 0, NULL);
    Sleep(50);
    CHECK_EQUAL(TerminateThread(thread, 5), TRUE);
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    Sleep(50);
    CHECK_EQUAL(is_back, FALSE);
    CHECK_EQUAL(NtClose(thread), 0);
}

void start(void)
{
    OBJECT_ATTRIBUTES attributes = named(&name);
    LARGE_INTEGER limit = {.QuadPart = -100000};
    MESSAGE received;
    HANDLE listening, thread;

    CHECK_EQUAL(NtCreatePort(&listening, &attributes, 4, 100, 0), 0);
    CHECK_EQUAL(NtReplyWaitReceivePortEx(listening, NULL, NULL, &received, &limit), STATUS_TIMEOUT);
    thread = CreateThread(NULL, 0, client, NULL, 0, NULL);
    serve(listening);
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    end_a_mourner(listening);
    CHECK_EQUAL(NtClose(listening), 0);
    CHECK_EQUAL(NtCreatePort(&listening, &attributes, 4, 10000, 0), (int)0xc00000f2);
    finish();
}
