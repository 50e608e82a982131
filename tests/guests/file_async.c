/* Asynchronous requests: events, APCs, completion ports, cancelling; byte-range locks. */
#include "nt_file.h"

#define PIPE L"\\??\\pipe\\async"

static HANDLE server, client, event;
static LARGE_INTEGER none;
static ULONG called;

static void NTAPI routine(PVOID context, PIO_STATUS_BLOCK block, ULONG reserved)
{
    called++;
    CHECK_EQUAL(context, 0x1234);
    CHECK_EQUAL(reserved, 0);
    CHECK_EQUAL(block->Information, 3);
}

static void open_pipe(ULONG options)
{
    UNICODE_STRING name = wide(PIPE);
    OBJECT_ATTRIBUTES object = named(&name);
    LARGE_INTEGER timeout = {.QuadPart = -500000};
    CHECK_EQUAL(NtCreateNamedPipeFile(&server, FILE_GENERIC_READ | FILE_GENERIC_WRITE, &object,
        &io, FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_CREATE, options, 0, 0, 0, 1, 64, 64,
        &timeout), STATUS_SUCCESS);
    client = create(PIPE, FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OPEN, 0, SYNC);
    CHECK(client != NULL);
}

static void close_pipe(void)
{
    NtClose(client);
    NtClose(server);
}

static BOOLEAN is_set(HANDLE handle)
{
    return NtWaitForSingleObject(handle, FALSE, &none) == STATUS_SUCCESS;
}

static void events(void)
{
    CHAR text[8] = {0};
    IO_STATUS_BLOCK read = {0x55, 0x55};
    open_pipe(0);
    NtSetEvent(event, NULL);
    CHECK_EQUAL(NtReadFile(server, event, NULL, NULL, &read, text, 8, NULL, NULL),
        STATUS_PENDING);
    CHECK(!is_set(event) && !is_set(server));
    put(client, "abc");
    CHECK(is_set(event) && !is_set(server));
    CHECK_EQUAL(read.Status, STATUS_SUCCESS);
    CHECK_EQUAL(read.Information, 3);
    CHECK_EQUAL(text[2], 'c');
    /* Without an event the file object is what is signalled. */
    CHECK_EQUAL(NtReadFile(server, NULL, NULL, NULL, &read, text, 8, NULL, NULL), STATUS_PENDING);
    CHECK(!is_set(server));
    put(client, "def");
    CHECK(is_set(server));
    /* What is there already needs no waiting. */
    put(client, "ghi");
    CHECK_EQUAL(NtReadFile(server, event, NULL, NULL, &read, text, 2, NULL, NULL),
        STATUS_SUCCESS);
    CHECK(is_set(event));
    CHECK_EQUAL(NtReadFile(server, event, NULL, NULL, &read, text, 2, NULL, NULL),
        STATUS_SUCCESS);
    CHECK_EQUAL(read.Information, 1);
    CHECK_EQUAL(NtReadFile(server, event, NULL, NULL, &read, text, 2, NULL, NULL),
        STATUS_PENDING);
    CHECK_EQUAL(NtCancelIoFile(server, &io), STATUS_SUCCESS);
    CHECK_EQUAL(read.Status, STATUS_CANCELLED);
    CHECK(is_set(event));
    CHECK_EQUAL(NtReadFile(server, event, NULL, NULL, &read, text, 2, NULL, NULL),
        STATUS_PENDING);
    NtClose(client);
    CHECK_EQUAL(read.Status, STATUS_PIPE_BROKEN);
    NtClose(server);
}

static void routines(void)
{
    CHAR text[8];
    IO_STATUS_BLOCK read;
    open_pipe(0);
    called = 0;
    CHECK_EQUAL(NtReadFile(server, NULL, routine, (PVOID)0x1234, &read, text, 8, NULL, NULL),
        STATUS_PENDING);
    put(client, "abc");
    CHECK_EQUAL(called, 0); /* not before an alertable wait */
    CHECK_EQUAL(NtDelayExecution(TRUE, &none), STATUS_USER_APC);
    CHECK_EQUAL(called, 1);
    put(client, "def");
    CHECK_EQUAL(NtReadFile(server, NULL, routine, (PVOID)0x1234, &read, text, 8, NULL, NULL),
        STATUS_SUCCESS);
    CHECK_EQUAL(NtDelayExecution(TRUE, &none), STATUS_USER_APC);
    CHECK_EQUAL(called, 2);
    close_pipe();
}

static void ports(void)
{
    CHAR text[8];
    HANDLE port;
    PVOID key, context;
    IO_STATUS_BLOCK read, packet;
    FILE_COMPLETION_INFORMATION completion = {NULL, (PVOID)77};
    open_pipe(0);
    CHECK_EQUAL(NtCreateIoCompletion(&port, 0x1f0003, NULL, 0), STATUS_SUCCESS);
    completion.Port = port;
    CHECK_EQUAL(NtSetInformationFile(server, &io, &completion, sizeof completion,
        FileCompletionInformation), STATUS_SUCCESS);
    CHECK_EQUAL(NtSetInformationFile(server, &io, &completion, sizeof completion,
        FileCompletionInformation), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtRemoveIoCompletion(port, &key, &context, &packet, &none), STATUS_TIMEOUT);
    CHECK_EQUAL(NtReadFile(server, NULL, NULL, (PVOID)99, &read, text, 8, NULL, NULL),
        STATUS_PENDING);
    put(client, "abcd");
    CHECK_EQUAL(NtRemoveIoCompletion(port, &key, &context, &packet, &none), STATUS_SUCCESS);
    CHECK_EQUAL(key, 77);
    CHECK_EQUAL(context, 99);
    CHECK_EQUAL(packet.Information, 4);
    CHECK_EQUAL(NtWriteFile(server, NULL, NULL, (PVOID)98, &read, "xy", 2, NULL, NULL),
        STATUS_SUCCESS); /* at once, and queued all the same */
    CHECK_EQUAL(NtRemoveIoCompletion(port, &key, &context, &packet, &none), STATUS_SUCCESS);
    CHECK_EQUAL(context, 98);
    CHECK_EQUAL(NtReadFile(server, NULL, routine, NULL, &read, text, 8, NULL, NULL),
        STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtReadFile(server, NULL, NULL, (PVOID)97, &read, text, 8, NULL, NULL),
        STATUS_PENDING);
    close_pipe();
    CHECK_EQUAL(NtRemoveIoCompletion(port, &key, &context, &packet, &none), STATUS_SUCCESS);
    CHECK_EQUAL(packet.Status, STATUS_PIPE_BROKEN);
    NtClose(port);
}

static void locks(void)
{
    LARGE_INTEGER at = {.QuadPart = 10}, length = {.QuadPart = 10}, low = {.QuadPart = 0};
    CHAR text[32];
    IO_STATUS_BLOCK waiting = {0x55, 0x55};
    HANDLE one = create(L"\\??\\C:\\locked", FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_CREATE,
        FILE_SHARE_ALL, SYNC);
    HANDLE two = create(L"\\??\\C:\\locked", FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OPEN,
        FILE_SHARE_ALL, 0);
    put(one, "01234567890123456789012345");
    CHECK_EQUAL(NtLockFile(one, NULL, NULL, NULL, &io, &at, &length, 0, TRUE, TRUE),
        STATUS_SUCCESS);
    CHECK_EQUAL(NtReadFile(two, NULL, NULL, NULL, &io, text, 20, &low, NULL),
        STATUS_FILE_LOCK_CONFLICT);
    CHECK_EQUAL(NtReadFile(two, NULL, NULL, NULL, &io, text, 10, &low, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(NtReadFile(one, NULL, NULL, NULL, &io, text, 20, &low, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(NtWriteFile(two, NULL, NULL, NULL, &io, text, 1, &at, NULL),
        STATUS_FILE_LOCK_CONFLICT);
    CHECK_EQUAL(NtLockFile(two, NULL, NULL, NULL, &io, &at, &length, 0, TRUE, FALSE),
        STATUS_LOCK_NOT_GRANTED);
    CHECK_EQUAL(NtLockFile(two, event, NULL, NULL, &waiting, &at, &length, 0, FALSE, FALSE),
        STATUS_PENDING);
    CHECK_EQUAL(NtUnlockFile(one, &io, &at, &low, 0), STATUS_RANGE_NOT_LOCKED);
    CHECK_EQUAL(NtUnlockFile(one, &io, &at, &length, 0), STATUS_SUCCESS);
    CHECK_EQUAL(waiting.Status, STATUS_SUCCESS);
    CHECK_EQUAL(NtReadFile(one, NULL, NULL, NULL, &io, text, 20, &low, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(NtWriteFile(one, NULL, NULL, NULL, &io, text, 1, &at, NULL),
        STATUS_FILE_LOCK_CONFLICT);
    NtClose(two); /* and its locks go */
    CHECK_EQUAL(NtWriteFile(one, NULL, NULL, NULL, &io, text, 1, &at, NULL), STATUS_SUCCESS);
    NtClose(one);
}

void start(void)
{
    NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE);
    events();
    routines();
    ports();
    locks();
    finish();
}
