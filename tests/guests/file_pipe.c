/* Named pipes: states, bytes and messages, instances, what a closed end leaves. */
#include "nt_file.h"

#define PIPE L"\\??\\pipe\\NtPipe"
#define BYTES 0
#define MESSAGES 1

typedef struct { ULONG State, Available, Messages, Length; CHAR Data[16]; } PEEKED;

static HANDLE make(ULONG type, ULONG instances, ULONG options, ULONG disposition)
{
    UNICODE_STRING name = wide(PIPE);
    OBJECT_ATTRIBUTES object = named(&name);
    LARGE_INTEGER timeout = {.QuadPart = -500000};
    HANDLE pipe = NULL;
    opened = NtCreateNamedPipeFile(&pipe, FILE_GENERIC_READ | FILE_GENERIC_WRITE, &object, &io,
        FILE_SHARE_READ | FILE_SHARE_WRITE, disposition, options, type, type, 0, instances, 16,
        16, &timeout);
    return NT_SUCCESS(opened) ? pipe : NULL;
}

static HANDLE join(void)
{
    return create(PIPE, FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OPEN, 0, SYNC);
}

static NTSTATUS control(HANDLE pipe, ULONG code)
{
    return NtFsControlFile(pipe, NULL, NULL, NULL, &io, code, NULL, 0, NULL, 0);
}

static NTSTATUS take(HANDLE pipe, CHAR *text, ULONG length)
{
    return NtReadFile(pipe, NULL, NULL, NULL, &io, text, length, NULL, NULL);
}

static PEEKED peek(HANDLE pipe)
{
    PEEKED peeked = {0};
    NtFsControlFile(pipe, NULL, NULL, NULL, &io, FSCTL_PIPE_PEEK, NULL, 0, &peeked, sizeof peeked);
    return peeked;
}

static void states(void)
{
    CHAR text[16];
    HANDLE server = make(BYTES, 1, SYNC, FILE_CREATE), client;
    CHECK_EQUAL(io.Information, FILE_CREATED);
    CHECK_EQUAL(take(server, text, 4), STATUS_PIPE_LISTENING);
    CHECK_EQUAL(make(BYTES, 1, SYNC, FILE_OPEN_IF), 0);
    CHECK_EQUAL(opened, STATUS_INSTANCE_NOT_AVAILABLE);
    client = join();
    CHECK_EQUAL(join(), 0);
    CHECK_EQUAL(opened, STATUS_PIPE_NOT_AVAILABLE);
    CHECK_EQUAL(control(server, FSCTL_PIPE_LISTEN), STATUS_PIPE_CONNECTED);
    put(client, "lost");
    CHECK_EQUAL(control(server, FSCTL_PIPE_DISCONNECT), STATUS_SUCCESS);
    CHECK_EQUAL(control(server, FSCTL_PIPE_DISCONNECT), STATUS_PIPE_DISCONNECTED);
    CHECK_EQUAL(take(client, text, 4), STATUS_PIPE_DISCONNECTED);
    CHECK_EQUAL(put(client, "x"), STATUS_PIPE_DISCONNECTED);
    NtClose(client);
    CHECK_EQUAL(join(), 0);
    NtClose(server);
    CHECK_EQUAL(join(), 0);
    CHECK_EQUAL(opened, STATUS_OBJECT_NAME_NOT_FOUND);
}

static void bytes(void)
{
    CHAR text[16];
    HANDLE server = make(BYTES, 1, SYNC, FILE_CREATE), client = join();
    put(client, "ab");
    put(client, "cd");
    CHECK_EQUAL(peek(server).Available, 4);
    CHECK_EQUAL(take(server, text, 3), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 3);
    CHECK_EQUAL(take(server, text, 16), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 1);
    put(client, "rest");
    NtClose(client); /* what it wrote can still be read */
    CHECK_EQUAL(put(server, "x"), STATUS_PIPE_CLOSING);
    CHECK_EQUAL(take(server, text, 16), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 4);
    CHECK_EQUAL(take(server, text, 16), STATUS_PIPE_BROKEN);
    NtClose(server);
}

static void messages(void)
{
    CHAR text[16];
    ULONG modes[2] = {MESSAGES, 0};
    HANDLE server = make(MESSAGES, 2, SYNC, FILE_CREATE), client = join();
    put(client, "abc");
    put(client, "");
    put(client, "defg");
    CHECK_EQUAL(peek(server).Length, 3);
    CHECK_EQUAL(take(server, text, 2), STATUS_BUFFER_OVERFLOW);
    CHECK_EQUAL(io.Information, 2);
    CHECK_EQUAL(take(server, text, 16), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 1);
    CHECK_EQUAL(take(server, text, 16), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 0);
    CHECK_EQUAL(take(server, text, 16), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 4);
    put(server, "one");
    put(server, "two");
    CHECK_EQUAL(take(client, text, 16), STATUS_SUCCESS); /* a client begins with bytes */
    CHECK_EQUAL(io.Information, 6);
    CHECK_EQUAL(NtSetInformationFile(client, &io, modes, sizeof modes, FilePipeInformation),
        STATUS_SUCCESS);
    put(server, "one");
    put(server, "two");
    CHECK_EQUAL(take(client, text, 16), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 3);
    NtClose(client);
    NtClose(server);
}

static void listening(void)
{
    LARGE_INTEGER none = {.QuadPart = 0};
    IO_STATUS_BLOCK listened = {0x55, 0x55};
    HANDLE event, client, server = make(BYTES, 1, 0, FILE_CREATE);
    NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE);
    CHECK_EQUAL(NtFsControlFile(server, event, NULL, NULL, &listened, FSCTL_PIPE_LISTEN, NULL, 0,
        NULL, 0), STATUS_PENDING);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_TIMEOUT);
    client = join();
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_SUCCESS);
    CHECK_EQUAL(listened.Status, STATUS_SUCCESS);
    /* More than the quota waits until it is read. */
    CHECK_EQUAL(NtWriteFile(server, event, NULL, NULL, &listened, "0123456789abcdefXYZ", 19, NULL,
        NULL), STATUS_PENDING);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_TIMEOUT);
    CHAR text[32];
    CHECK_EQUAL(take(client, text, 32), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 19);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_SUCCESS);
    CHECK_EQUAL(listened.Information, 19);
    NtClose(client);
    NtClose(server);
    NtClose(event);
}

/* A write that waits is done when what is left of it and before it is within the quota. */
static void quotas(void)
{
    LARGE_INTEGER none = {.QuadPart = 0};
    IO_STATUS_BLOCK written = {0};
    ULONG no_wait[2] = {MESSAGES, 1};
    CHAR text[32];
    HANDLE event, client, server = make(MESSAGES, 1, 0, FILE_CREATE);
    NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE);
    client = join();
    CHECK_EQUAL(put(server, "0123456789ab"), STATUS_SUCCESS);
    CHECK_EQUAL(NtWriteFile(server, event, NULL, NULL, &written, "cdefgh", 6, NULL, NULL),
        STATUS_PENDING);
    CHECK_EQUAL(take(client, text, 1), STATUS_SUCCESS);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_TIMEOUT);
    CHECK_EQUAL(take(client, text, 1), STATUS_SUCCESS);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_SUCCESS);
    CHECK_EQUAL(written.Information, 6);
    CHECK_EQUAL(take(client, text, 32), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 16);
    /* Who doesn't wait writes a message or nothing. */
    CHECK_EQUAL(NtSetInformationFile(server, &io, no_wait, sizeof no_wait, FilePipeInformation),
        STATUS_SUCCESS);
    CHECK_EQUAL(put(server, "0123456789abcdefg"), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 0);
    CHECK_EQUAL(peek(client).Messages, 0);
    CHECK_EQUAL(put(server, "0123456789abcdef"), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 16);
    NtClose(client), NtClose(server), NtClose(event);
}

static BOOLEAN group_is(HANDLE pipe, const UCHAR *sid)
{
    UCHAR out[128];
    ULONG needed, *parts = (ULONG *)out;
    if (NtQuerySecurityObject(pipe, GROUP_SECURITY_INFORMATION, out, sizeof out, &needed))
        return FALSE;
    for (ULONG i = 0; i < 12; i++)
        if (out[parts[2] + i] != sid[i])
            return FALSE;
    return TRUE;
}

/* All ends of all instances have one descriptor. */
static void descriptors(void)
{
    static UCHAR world[12] = {1, 1, 0, 0, 0, 0, 0, 1};
    struct { UCHAR Revision, Zero; USHORT Control; PVOID Owner, Group, Sacl, Dacl; }
        change = {1, 0, 0, NULL, world, NULL, NULL};
    ULONG needed;
    UNICODE_STRING name = wide(PIPE);
    OBJECT_ATTRIBUTES object = named(&name);
    LARGE_INTEGER timeout = {.QuadPart = -500000};
    HANDLE server, client, second;
    CHECK_EQUAL(NtCreateNamedPipeFile(&server, FILE_GENERIC_READ | FILE_GENERIC_WRITE | WRITE_OWNER,
        &object, &io, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_CREATE, SYNC, 0, 0, 0, 2, 16, 16,
        &timeout), STATUS_SUCCESS);
    client = join();
    CHECK(!group_is(server, world));
    CHECK_EQUAL(NtSetSecurityObject(server, GROUP_SECURITY_INFORMATION, &change), STATUS_SUCCESS);
    CHECK(group_is(client, world));
    second = make(BYTES, 2, SYNC, FILE_OPEN_IF);
    CHECK(group_is(second, world));
    control(server, FSCTL_PIPE_DISCONNECT);
    CHECK(group_is(server, world));
    CHECK_EQUAL(NtQuerySecurityObject(client, GROUP_SECURITY_INFORMATION, NULL, 0, &needed),
        STATUS_PIPE_DISCONNECTED);
    NtClose(client), NtClose(server), NtClose(second);
}

static NTSTATUS process_of(HANDLE pipe, const CHAR *which, ULONG *id)
{
    return NtFsControlFile(pipe, NULL, NULL, NULL, &io, FSCTL_PIPE_GET_CONNECTION_ATTRIBUTE,
        (PVOID)which, strlen(which) + 1, id, sizeof *id);
}

static void processes(void)
{
    ULONG own = (ULONG)NtCurrentTeb()->ClientId.UniqueProcess, id = 0;
    HANDLE server = make(BYTES, 1, SYNC, FILE_CREATE), client = join();
    CHECK_EQUAL(process_of(server, "ClientProcessId", &id), STATUS_SUCCESS);
    CHECK_EQUAL(id, own);
    id = 0;
    CHECK_EQUAL(process_of(client, "ServerProcessId", &id), STATUS_SUCCESS);
    CHECK_EQUAL(id, own);
    CHECK_EQUAL(process_of(client, "Nobody", &id), STATUS_NOT_FOUND);
    CHECK_EQUAL(process_of(client, "ServerProcessId", (PVOID)0x7fff0000), STATUS_ACCESS_VIOLATION);
    control(server, FSCTL_PIPE_DISCONNECT);
    CHECK_EQUAL(process_of(server, "ClientProcessId", &id), STATUS_NOT_FOUND);
    CHECK_EQUAL(process_of(client, "ClientProcessId", &id), STATUS_PIPE_DISCONNECTED);
    NtClose(client), NtClose(server);
}

void start(void)
{
    quotas();
    descriptors();
    processes();
    states();
    bytes();
    messages();
    listening();
    finish();
}
