/* TCP between the sockets of one process: connecting, sending, the ends of a connection, options,
 * select and WSAPoll.
 */
#include "sockets.h"

NTSYSAPI NTSTATUS NTAPI NtDeviceIoControlFile(HANDLE, HANDLE event, PVOID routine, PVOID context,
    PIO_STATUS_BLOCK, ULONG code, PVOID in, ULONG in_size, PVOID out, ULONG out_size);

static UCHAR big[300000];

static DWORD WINAPI echo(PVOID parameter)
{
    SOCKADDR_IN from = {0};
    int size = sizeof from;
    SOCKET s = accept((SOCKET)parameter, &from, &size);
    CHECK_EQUAL(size, sizeof from);
    CHECK(from.address[0] == 127 && from.address[3] == 1);
    UCHAR data[64];
    int got;
    while ((got = recv(s, data, sizeof data, 0)) > 0)
        CHECK_EQUAL(send(s, data, got, 0), got);
    CHECK_EQUAL(got, 0);
    CHECK_EQUAL(closesocket(s), 0);
    return 0;
}

static void test_echo(void)
{
    SOCKADDR_IN name, peer;
    SOCKET from = listener(&name, 5);
    HANDLE thread = CreateThread(NULL, 0, echo, (PVOID)from, 0, NULL);
    SOCKET s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    int size = sizeof peer;
    CHECK_FAILS(getpeername(s, &peer, &size), WSAENOTCONN);
    CHECK_FAILS(send(s, "x", 1, 0), WSAENOTCONN);
    CHECK_EQUAL(connect(s, &name, sizeof name), 0);
    CHECK_FAILS(connect(s, &name, sizeof name), WSAEISCONN);
    CHECK_EQUAL(getpeername(s, &peer, &size), 0);
    CHECK_EQUAL(peer.port, name.port);
    CHECK(name_of_socket(s).port != name.port && name_of_socket(s).address[0] == 127);
    UCHAR data[16];
    for (int round = 0; round < 3; round++) {
        CHECK_EQUAL(send(s, "hello", 5, 0), 5);
        CHECK_EQUAL(recv(s, data, 5, MSG_WAITALL), 5);
        CHECK(same_bytes(data, "hello", 5));
    }
    CHECK_EQUAL(shutdown(s, SD_SEND), 0);
    CHECK_FAILS(send(s, "x", 1, 0), WSAESHUTDOWN);
    CHECK_EQUAL(recv(s, data, sizeof data, 0), 0);
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    CHECK_EQUAL(closesocket(s), 0);
    CHECK_EQUAL(closesocket(from), 0);
}

static void test_who_cannot_be_reached(void)
{
    SOCKADDR_IN name;
    SOCKET from = listener(&name, 1);
    CHECK_EQUAL(closesocket(from), 0);
    SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_FAILS(connect(s, &name, sizeof name), WSAECONNREFUSED);
    static const UCHAR far[][4] = {{8, 8, 8, 8}, {192, 168, 0, 1}, {10, 0, 0, 1}, {224, 0, 0, 1}};
    for (int i = 0; i < 4; i++) {
        SOCKADDR_IN there = at(far[i][0], far[i][1], far[i][2], far[i][3], 80);
        CHECK_FAILS(connect(s, &there, sizeof there), WSAENETUNREACH);
    }
    name = at(0, 0, 0, 0, 80);
    CHECK_FAILS(connect(s, &name, sizeof name), WSAEADDRNOTAVAIL);
    name = at(192, 168, 0, 1, 0);
    SOCKET other = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_FAILS(bind(other, &name, sizeof name), WSAEADDRNOTAVAIL);
    CHECK_EQUAL(closesocket(s), 0);
    CHECK_EQUAL(closesocket(other), 0);
}

static int bind_second(SOCKADDR_IN name, int option)
{
    int on = 1;
    SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
    if (option)
        CHECK_EQUAL(setsockopt(s, SOL_SOCKET, option, &on, sizeof on), 0);
    int error = bind(s, &name, sizeof name) ? WSAGetLastError() : 0;
    CHECK_EQUAL(closesocket(s), 0);
    return error;
}

static void test_ports(void)
{
    SOCKADDR_IN name;
    SOCKET from = listener(&name, 1);
    CHECK_EQUAL(bind_second(name, 0), WSAEADDRINUSE);
    CHECK_EQUAL(bind_second(name, SO_EXCLUSIVEADDRUSE), WSAEADDRINUSE);
    CHECK_EQUAL(bind_second(at(0, 0, 0, 0, (USHORT)(name.port << 8 | name.port >> 8)), 0), 0);
    CHECK_FAILS(bind(from, &name, sizeof name), WSAEINVAL);
    CHECK_EQUAL(closesocket(from), 0);
    CHECK_EQUAL(bind_second(name, 0), 0);
    int on = 1;
    SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(setsockopt(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, &on, sizeof on), 0);
    CHECK_FAILS(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), WSAEINVAL);
    CHECK_EQUAL(bind(s, &name, sizeof name), 0);
    CHECK_EQUAL(bind_second(name, SO_REUSEADDR), WSAEACCES);
    CHECK_EQUAL(closesocket(s), 0);
}

static void test_backlog(void)
{
    SOCKADDR_IN name;
    SOCKET from = listener(&name, 1), s[2];
    for (int i = 0; i < 2; i++)
        s[i] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(connect(s[0], &name, sizeof name), 0);
    CHECK_FAILS(connect(s[1], &name, sizeof name), WSAECONNREFUSED); /* after its tries */
    set_nonblocking(s[1]);
    CHECK_FAILS(connect(s[1], &name, sizeof name), WSAEWOULDBLOCK);
    SOCKET server = accept(from, NULL, NULL);
    FD_SET set = {1, {s[1]}};
    CHECK_EQUAL(select(0, NULL, &set, NULL, NULL), 1);
    CHECK_EQUAL(closesocket(from), 0); /* with a connection that nobody has accepted */
    UCHAR data[4];
    CHECK_FAILS(recv(s[1], data, 4, 0), WSAECONNRESET);
    CHECK_EQUAL(closesocket(server), 0);
    CHECK_EQUAL(recv(s[0], data, 4, 0), 0);
    CHECK_EQUAL(closesocket(s[0]), 0);
    CHECK_EQUAL(closesocket(s[1]), 0);
}

static void test_nonblocking(void)
{
    SOCKADDR_IN name;
    SOCKET from = listener(&name, 5), s = socket(AF_INET, SOCK_STREAM, 0);
    UCHAR data[8];
    set_nonblocking(from);
    set_nonblocking(s);
    CHECK_FAILS(accept(from, NULL, NULL), WSAEWOULDBLOCK);
    CHECK_FAILS(connect(s, &name, sizeof name), WSAEWOULDBLOCK);
    FD_SET set = {1, {s}};
    CHECK_EQUAL(select(0, NULL, &set, NULL, NULL), 1);
    CHECK_FAILS(connect(s, &name, sizeof name), WSAEISCONN);
    SOCKET server = accept(from, NULL, NULL);
    CHECK_FAILS(recv(server, data, sizeof data, 0), WSAEWOULDBLOCK);
    /* A send is taken whole as long as less than the buffer waits. */
    int sent = 0, got = 0, part;
    while ((part = send(s, big, 10000, 0)) > 0)
        sent += part;
    CHECK_EQUAL(WSAGetLastError(), WSAEWOULDBLOCK);
    CHECK(sent >= 16384 && sent <= 40000);
    set = (FD_SET){1, {s}};
    TIMEVAL none = {0, 0};
    CHECK_EQUAL(select(0, NULL, &set, NULL, &none), 0);
    while ((part = recv(server, big, 4096, 0)) > 0)
        got += part;
    CHECK_EQUAL(got, sent);
    set = (FD_SET){1, {s}};
    CHECK_EQUAL(select(0, NULL, &set, NULL, &none), 1);
    CHECK_EQUAL(closesocket(from), 0);
    /* Refused without anybody waiting. */
    SOCKET other = socket(AF_INET, SOCK_STREAM, 0);
    set_nonblocking(other);
    CHECK_FAILS(connect(other, &name, sizeof name), WSAEWOULDBLOCK);
    FD_SET write = {1, {other}}, except = {1, {other}};
    CHECK_EQUAL(select(0, NULL, &write, &except, NULL), 1);
    CHECK(write.count == 0 && except.count == 1 && except.sockets[0] == other);
    int error = 0, size = sizeof error;
    CHECK_EQUAL(getsockopt(other, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    CHECK_EQUAL(error, WSAECONNREFUSED);
    CHECK_EQUAL(closesocket(other), 0);
    CHECK_EQUAL(closesocket(server), 0);
    CHECK_EQUAL(closesocket(s), 0);
}

static DWORD WINAPI read_all(PVOID parameter)
{
    static UCHAR data[3000];
    int got, sum = 0;
    while ((got = recv((SOCKET)parameter, data, sizeof data, 0)) > 0)
        sum += got;
    CHECK_EQUAL(got, 0);
    return sum;
}

static void test_flow(void)
{
    SOCKET client, server;
    make_pair(&client, &server);
    HANDLE thread = CreateThread(NULL, 0, read_all, (PVOID)server, 0, NULL);
    for (int i = 0; i < 4; i++)
        CHECK_EQUAL(send(client, big, sizeof big, 0), sizeof big);
    CHECK_EQUAL(closesocket(client), 0);
    DWORD sum;
    CHECK_EQUAL(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &sum));
    CHECK_EQUAL(sum, 4 * sizeof big);
    CHECK_EQUAL(closesocket(server), 0);
}

static void test_reset(void)
{
    SOCKET client, server;
    UCHAR data[4];
    make_pair(&client, &server);
    CHECK_EQUAL(send(server, "lost", 4, 0), 4);
    set_linger(server, 1, 0);
    CHECK_EQUAL(closesocket(server), 0);
    CHECK_FAILS(recv(client, data, 4, 0), WSAECONNRESET);
    CHECK_FAILS(send(client, data, 4, 0), WSAECONNRESET);
    CHECK_EQUAL(closesocket(client), 0);

    make_pair(&client, &server);
    CHECK_EQUAL(send(client, "unread", 6, 0), 6);
    CHECK_EQUAL(closesocket(server), 0);
    CHECK_FAILS(recv(client, data, 4, 0), WSAECONNRESET);
    CHECK_EQUAL(closesocket(client), 0);

    make_pair(&client, &server);
    CHECK_EQUAL(send(server, "kept", 4, 0), 4);
    CHECK_EQUAL(closesocket(server), 0);
    CHECK_EQUAL(recv(client, data, 4, 0), 4);
    CHECK_EQUAL(recv(client, data, 4, 0), 0);
    CHECK_EQUAL(send(client, data, 4, 0), 4); /* the answer is a reset */
    CHECK_FAILS(send(client, data, 4, 0), WSAECONNRESET);
    CHECK_EQUAL(closesocket(client), 0);
}

static void test_peeking_and_urgent_data(void)
{
    SOCKET client, server;
    UCHAR data[16];
    ULONG value = 0;
    make_pair(&client, &server);
    CHECK_EQUAL(send(client, "abc", 3, 0), 3);
    CHECK_EQUAL(recv(server, data, 2, MSG_PEEK), 2);
    CHECK_EQUAL(ioctlsocket(server, FIONREAD, &value), 0);
    CHECK_EQUAL(value, 3);
    CHECK_EQUAL(ioctlsocket(server, SIOCATMARK, &value), 0);
    CHECK_EQUAL(value, TRUE);
    CHECK_EQUAL(send(client, "!", 1, MSG_OOB), 1);
    FD_SET except = {1, {server}};
    CHECK_EQUAL(select(0, NULL, NULL, &except, NULL), 1);
    CHECK_EQUAL(ioctlsocket(server, SIOCATMARK, &value), 0);
    CHECK_EQUAL(value, FALSE);
    CHECK_EQUAL(recv(server, data, sizeof data, MSG_OOB), 1);
    CHECK_EQUAL(data[0], '!');
    CHECK_EQUAL(recv(server, data, sizeof data, 0), 3);
    CHECK(same_bytes(data, "abc", 3));
    int timeout = 100;
    CHECK_EQUAL(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
    CHECK_FAILS(recv(server, data, 1, 0), WSAETIMEDOUT);
    CHECK_EQUAL(closesocket(client), 0);
    CHECK_EQUAL(closesocket(server), 0);
}

static void test_polls(void)
{
    SOCKET client, server;
    UCHAR data[4];
    make_pair(&client, &server);
    WSAPOLLFD polled[2] = {{client, POLLRDNORM, 0}, {server, POLLRDNORM | POLLWRNORM, 0}};
    CHECK_EQUAL(WSAPoll(polled, 1, 20), 0);
    CHECK_EQUAL(WSAPoll(polled, 2, -1), 1);
    CHECK(polled[0].revents == 0 && polled[1].revents == POLLWRNORM);
    CHECK_EQUAL(send(server, "x", 1, 0), 1);
    CHECK_EQUAL(WSAPoll(polled, 1, -1), 1);
    CHECK_EQUAL(polled[0].revents, POLLRDNORM);
    CHECK_EQUAL(recv(client, data, 4, 0), 1);
    CHECK_EQUAL(closesocket(server), 0);
    CHECK_EQUAL(WSAPoll(polled, 1, -1), 1);
    CHECK(polled[0].revents & POLLHUP);
    FD_SET read = {1, {client}};
    CHECK_EQUAL(select(0, &read, NULL, NULL, NULL), 1);
    CHECK_EQUAL(closesocket(client), 0);
}

/* As a program does that goes past ws2_32. */
static void test_native_controls(void)
{
    enum { AFD_SEND = 0x1201f, AFD_RECV = 0x12017, NOT_OOB = 0x20 };
    struct { WSABUF *buffers; ULONG count, afd_flags, tdi_flags; } parameters = {0};
    IO_STATUS_BLOCK io = {0};
    SOCKET client, server;
    UCHAR data[8] = {0};
    WSABUF out[2] = {{2, "na"}, {4, "tive"}}, in = {sizeof data, data};
    make_pair(&client, &server);
    parameters.buffers = out, parameters.count = 2;
    CHECK_EQUAL(NtDeviceIoControlFile((HANDLE)client, NULL, NULL, NULL, &io, AFD_SEND, &parameters,
        sizeof parameters, NULL, 0), 0);
    CHECK_EQUAL(io.Information, 6);
    parameters.buffers = &in, parameters.count = 1, parameters.tdi_flags = NOT_OOB;
    CHECK_EQUAL(NtDeviceIoControlFile((HANDLE)server, NULL, NULL, NULL, &io, AFD_RECV, &parameters,
        sizeof parameters, NULL, 0), 0);
    CHECK(io.Information == 6 && same_bytes(data, "native", 6));
    CHECK_EQUAL(closesocket(client), 0);
    CHECK_EQUAL(closesocket(server), 0);
}

static void test_ipv6(void)
{
    SOCKADDR_IN6 name = {.family = AF_INET6}, peer;
    int size = sizeof name, off = 0;
    SOCKET from = socket(AF_INET6, SOCK_STREAM, 0), s = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK_EQUAL(setsockopt(from, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
    CHECK_EQUAL(bind(from, &name, sizeof name), 0);
    CHECK_EQUAL(listen(from, 5), 0);
    CHECK_EQUAL(getsockname(from, &name, &size), 0);
    name.address[15] = 1;
    CHECK_EQUAL(connect(s, &name, sizeof name), 0);
    SOCKET server = accept(from, &peer, &size);
    CHECK(size == sizeof peer && peer.family == AF_INET6 && peer.address[15] == 1);
    CHECK_EQUAL(closesocket(server), 0);
    CHECK_EQUAL(closesocket(s), 0);
    /* Both families at one port. */
    SOCKADDR_IN old = at(127, 0, 0, 1, (USHORT)(name.port << 8 | name.port >> 8));
    s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(connect(s, &old, sizeof old), 0);
    server = accept(from, &peer, &size);
    CHECK(peer.address[10] == 0xff && peer.address[11] == 0xff && peer.address[12] == 127);
    CHECK_EQUAL(closesocket(server), 0);
    CHECK_EQUAL(closesocket(s), 0);
    CHECK_EQUAL(closesocket(from), 0);
}

void start(void)
{
    begin_sockets();
    test_echo();
    test_who_cannot_be_reached();
    test_ports();
    test_backlog();
    test_nonblocking();
    test_flow();
    test_reset();
    test_peeking_and_urgent_data();
    test_polls();
    test_ipv6();
    test_native_controls();
    finish();
}
