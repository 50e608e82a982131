/* Requests on sockets that are completed later: by events, routines and completion ports; what
 * WSAEventSelect tells.
 */
#include "sockets.h"

K32 BOOL WINAPI CancelIo(HANDLE);

typedef BOOL WINAPI ACCEPT_EX(SOCKET listener, SOCKET into, PVOID, DWORD size, DWORD local, DWORD remote,
    DWORD *got, OVERLAPPED *);
typedef BOOL WINAPI CONNECT_EX(SOCKET, const void *name, int size, const void *data, DWORD data_size,
    DWORD *sent, OVERLAPPED *);
typedef struct { ULONG one; USHORT two, three; UCHAR four[8]; } IDENTIFIER;

static const IDENTIFIER ACCEPTEX = {0xb5367df1, 0xcbac, 0x11cf, {0x95, 0xca, 0, 0x80, 0x5f, 0x48, 0xa1, 0x92}};
static const IDENTIFIER CONNECTEX = {0x25a207b9, 0xddf3, 0x4660, {0x8e, 0xe9, 0x76, 0xe5, 0x8c, 0x74, 0x06, 0x3e}};

static PVOID extension(SOCKET s, const IDENTIFIER *which)
{
    PVOID function = NULL;
    DWORD size;
    CHECK_EQUAL(WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, which, sizeof *which, &function,
        sizeof function, &size, NULL, NULL), 0);
    return function;
}

static OVERLAPPED *next(HANDLE port, ULONG_PTR wanted_key, DWORD wanted_size)
{
    DWORD size = 0;
    ULONG_PTR key = 0;
    PVOID overlapped = NULL;
    CHECK(GetQueuedCompletionStatus(port, &size, &key, &overlapped, 1000));
    CHECK_EQUAL(key, wanted_key);
    CHECK_EQUAL(size, wanted_size);
    return overlapped;
}

static void test_ports(void)
{
    SOCKADDR_IN name, any = at(0, 0, 0, 0, 0);
    SOCKET from = listener(&name, 5), into = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
    HANDLE port = CreateIoCompletionPort((HANDLE)from, NULL, 1, 0);
    CHECK(CreateIoCompletionPort((HANDLE)into, port, 2, 0) == port);
    CHECK(CreateIoCompletionPort((HANDLE)s, port, 3, 0) == port);
    ACCEPT_EX *accept_ex = extension(from, &ACCEPTEX);
    CONNECT_EX *connect_ex = extension(s, &CONNECTEX);
    OVERLAPPED accepting = {0}, connecting = {0}, reading = {0}, writing = {0};
    UCHAR data[128], text[16];
    DWORD size, flags = 0;

    CHECK(!accept_ex(from, into, data, 16, 32, 32, &size, &accepting));
    CHECK_EQUAL(WSAGetLastError(), WSA_IO_PENDING);
    CHECK(!connect_ex(s, &name, sizeof name, "first", 5, &size, &connecting));
    CHECK_EQUAL(WSAGetLastError(), WSAEINVAL); /* it isn't bound */
    CHECK_EQUAL(bind(s, &any, sizeof any), 0);
    CHECK(!connect_ex(s, &name, sizeof name, "first", 5, &size, &connecting));
    CHECK_EQUAL(WSAGetLastError(), WSA_IO_PENDING);
    OVERLAPPED *one = next(port, 1, 5), *other = next(port, 3, 5);
    CHECK(one == &accepting && other == &connecting);
    CHECK(same_bytes(data, "first", 5));
    CHECK_EQUAL(*(ULONG *)(data + 16), sizeof name);
    CHECK(same_bytes(data + 20, &name, sizeof name)); /* the local name, then the remote one */
    SOCKADDR_IN mine = name_of_socket(s);
    CHECK(same_bytes(data + 52, &mine, sizeof mine));

    WSABUF buffers[2] = {{3, text}, {8, text + 8}}, out = {6, "second"};
    CHECK_EQUAL(WSARecv(into, buffers, 2, NULL, &flags, &reading, NULL), -1);
    CHECK_EQUAL(WSAGetLastError(), WSA_IO_PENDING);
    CHECK_EQUAL(WSASend(s, &out, 1, &size, 0, &writing, NULL), 0);
    CHECK_EQUAL(size, 6);
    one = next(port, 2, 6), other = next(port, 3, 6);
    CHECK(one == &reading && other == &writing);
    CHECK(same_bytes(text, "sec", 3) && same_bytes(text + 8, "ond", 3));

    /* Taken back, refused, ended. */
    CHECK_EQUAL(WSARecv(into, buffers, 1, NULL, &flags, &reading, NULL), -1);
    CHECK(CancelIo((HANDLE)into));
    PVOID found = NULL;
    ULONG_PTR key;
    CHECK(!GetQueuedCompletionStatus(port, &size, &key, &found, 1000));
    CHECK(found == &reading && GetLastError() == 995);
    CHECK_EQUAL(closesocket(from), 0);
    SOCKET late = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(bind(late, &any, sizeof any), 0);
    CHECK(CreateIoCompletionPort((HANDLE)late, port, 4, 0) == port);
    CHECK(!connect_ex(late, &name, sizeof name, NULL, 0, &size, &connecting));
    CHECK(!GetQueuedCompletionStatus(port, &size, &key, &found, 1000));
    CHECK(found == &connecting && key == 4 && GetLastError() == 1225); /* ERROR_CONNECTION_REFUSED */
    CHECK_EQUAL(closesocket(late), 0);
    CHECK_EQUAL(WSARecv(into, buffers, 1, NULL, &flags, &reading, NULL), -1);
    CHECK_EQUAL(closesocket(s), 0);
    CHECK(next(port, 2, 0) == &reading);
    CHECK_EQUAL(closesocket(into), 0);
    CHECK(CloseHandle(port));
}

static OVERLAPPED *called;
static DWORD called_with[3];

static void WINAPI routine(DWORD error, DWORD size, OVERLAPPED *overlapped, DWORD flags)
{
    called = overlapped;
    called_with[0] = error, called_with[1] = size, called_with[2] = flags;
}

static void test_events_and_routines(void)
{
    SOCKET client, server;
    UCHAR data[16];
    WSABUF buffer = {sizeof data, data};
    DWORD flags = 0, size = 0;
    OVERLAPPED overlapped = {.hEvent = WSACreateEvent()};
    make_pair(&client, &server);
    CHECK_EQUAL(WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, NULL), -1);
    CHECK_EQUAL(WSAGetLastError(), WSA_IO_PENDING);
    CHECK_EQUAL(WaitForSingleObject(overlapped.hEvent, 20), WAIT_TIMEOUT);
    CHECK_EQUAL(send(client, "event", 5, 0), 5);
    CHECK_EQUAL(WaitForSingleObject(overlapped.hEvent, 0), WAIT_OBJECT_0);
    CHECK(WSAGetOverlappedResult(server, &overlapped, &size, FALSE, &flags));
    CHECK(size == 5 && same_bytes(data, "event", 5));
    CHECK_EQUAL(WSARecv(server, &buffer, 1, NULL, &flags, &overlapped, routine), -1);
    CHECK_EQUAL(send(client, "routine", 7, 0), 7);
    CHECK(called == NULL);
    CHECK_EQUAL(SleepEx(1000, TRUE), WAIT_IO_COMPLETION);
    CHECK(called == &overlapped && called_with[0] == 0 && called_with[1] == 7);
    /* A big send without a buffer of the socket's own waits for the reader. */
    static UCHAR big[100000];
    int none = 0;
    CHECK_EQUAL(setsockopt(client, SOL_SOCKET, SO_SNDBUF, &none, sizeof none), 0);
    WSABUF out = {sizeof big, big};
    OVERLAPPED sending = {.hEvent = WSACreateEvent()};
    CHECK_EQUAL(WSASend(client, &out, 1, NULL, 0, &sending, NULL), -1);
    CHECK_EQUAL(WSAGetLastError(), WSA_IO_PENDING);
    CHECK_EQUAL(recv(server, big, 50000, MSG_WAITALL), 50000);
    CHECK_EQUAL(WaitForSingleObject(sending.hEvent, 0), WAIT_TIMEOUT);
    CHECK_EQUAL(recv(server, big, 50000, MSG_WAITALL), 50000);
    CHECK_EQUAL(WaitForSingleObject(sending.hEvent, 0), WAIT_OBJECT_0);
    CHECK_EQUAL(sending.InternalHigh, sizeof big);
    CHECK(WSACloseEvent(sending.hEvent) && WSACloseEvent(overlapped.hEvent));
    CHECK_EQUAL(closesocket(client), 0);
    CHECK_EQUAL(closesocket(server), 0);
}

static void check_events(SOCKET s, HANDLE event, LONG wanted, int line)
{
    WSANETWORKEVENTS found = {0};
    DWORD state = WaitForSingleObject(event, 0);
    CHECK_EQUAL(WSAEnumNetworkEvents(s, event, &found), 0);
    if ((state == WAIT_OBJECT_0) != (wanted != 0) || found.events != wanted)
        failed(__FILE_NAME__, line, "events "), print_hex(found.events), print("\n");
}

#define CHECK_EVENTS(s, wanted) check_events(s, event, wanted, __LINE__)

static void test_event_select(void)
{
    SOCKADDR_IN name;
    SOCKET from = listener(&name, 5), s = socket(AF_INET, SOCK_STREAM, 0);
    HANDLE event = WSACreateEvent();
    UCHAR data[8];
    ULONG off = 0;
    CHECK_EQUAL(WSAEventSelect(from, event, FD_ACCEPT), 0);
    CHECK_FAILS(ioctlsocket(from, FIONBIO, &off), WSAEINVAL);
    CHECK_EVENTS(from, 0);
    HANDLE own = event;
    event = WSACreateEvent();
    CHECK_EQUAL(WSAEventSelect(s, event, FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE), 0);
    CHECK_EVENTS(s, 0);
    CHECK_FAILS(connect(s, &name, sizeof name), WSAEWOULDBLOCK);
    CHECK_EVENTS(s, FD_CONNECT | FD_WRITE);
    CHECK_EVENTS(s, 0);
    HANDLE others = event;
    event = own;
    CHECK_EVENTS(from, FD_ACCEPT);
    SOCKET server = accept(from, NULL, NULL); /* tells the same event of the same things */
    CHECK_EQUAL(WSAEventSelect(server, NULL, 0), 0);
    event = others;
    CHECK_EQUAL(send(server, "abcd", 4, 0), 4);
    CHECK_EVENTS(s, FD_READ);
    CHECK_EQUAL(send(server, "ef", 2, 0), 2);
    CHECK_EVENTS(s, 0);
    CHECK_EQUAL(recv(s, data, 2, 0), 2);
    CHECK_EVENTS(s, FD_READ); /* there is more */
    CHECK_EQUAL(recv(s, data, 8, 0), 4);
    CHECK_EVENTS(s, 0);
    CHECK_FAILS(recv(s, data, 8, 0), WSAEWOULDBLOCK);
    CHECK_EQUAL(closesocket(server), 0);
    CHECK_EVENTS(s, FD_CLOSE);
    CHECK_EQUAL(closesocket(s), 0);
    CHECK_EQUAL(closesocket(from), 0);
    s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(WSAEventSelect(s, event, FD_CONNECT), 0);
    CHECK_FAILS(connect(s, &name, sizeof name), WSAEWOULDBLOCK);
    WSANETWORKEVENTS found = {0};
    CHECK_EQUAL(WaitForSingleObject(event, INFINITE), WAIT_OBJECT_0);
    CHECK_EQUAL(WSAEnumNetworkEvents(s, event, &found), 0);
    CHECK(found.events == FD_CONNECT && found.errors[4] == WSAECONNREFUSED);
    CHECK_EQUAL(closesocket(s), 0);
}

void start(void)
{
    begin_sockets();
    test_ports();
    test_events_and_routines();
    test_event_select();
    finish();
}
