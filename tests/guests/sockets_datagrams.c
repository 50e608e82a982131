/* UDP between the sockets of one process. */
#include "sockets.h"

static SOCKET bound(SOCKADDR_IN *name)
{
    SOCKET s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    *name = at(127, 0, 0, 1, 0);
    CHECK_EQUAL(bind(s, name, sizeof *name), 0);
    *name = name_of_socket(s);
    return s;
}

static void test_names_and_sizes(void)
{
    SOCKADDR_IN one, other, from;
    SOCKET a = bound(&one), b = bound(&other);
    UCHAR data[8];
    int size = sizeof from;
    ULONG value = 0;
    CHECK(one.port != other.port);
    CHECK_FAILS(send(a, "x", 1, 0), WSAENOTCONN);
    CHECK_EQUAL(sendto(a, "hello", 5, 0, &other, sizeof other), 5);
    CHECK_EQUAL(sendto(a, "", 0, 0, &other, sizeof other), 0);
    CHECK_EQUAL(sendto(a, "much too long", 13, 0, &other, sizeof other), 13);
    CHECK_EQUAL(ioctlsocket(b, FIONREAD, &value), 0);
    CHECK_EQUAL(value, 18);
    CHECK_EQUAL(recvfrom(b, data, sizeof data, MSG_PEEK, &from, &size), 5);
    CHECK_EQUAL(recvfrom(b, data, sizeof data, 0, &from, &size), 5);
    CHECK(same_bytes(data, "hello", 5) && same_bytes(&from, &one, sizeof one));
    CHECK_EQUAL(recv(b, data, sizeof data, 0), 0);
    CHECK_FAILS(recv(b, data, sizeof data, 0), WSAEMSGSIZE);
    CHECK(same_bytes(data, "much too", 8));
    static UCHAR big[65508];
    CHECK_FAILS(sendto(a, big, sizeof big, 0, &other, sizeof other), WSAEMSGSIZE);
    SOCKADDR_IN far = at(8, 8, 8, 8, 53), all = at(255, 255, 255, 255, 67);
    CHECK_FAILS(sendto(a, "x", 1, 0, &far, sizeof far), WSAENETUNREACH);
    CHECK_FAILS(sendto(a, "x", 1, 0, &all, sizeof all), WSAEACCES);
    CHECK_EQUAL(closesocket(a), 0);
    CHECK_EQUAL(closesocket(b), 0);
}

static void test_connected(void)
{
    SOCKADDR_IN one, other, third, peer;
    SOCKET a = bound(&one), b = bound(&other), c = bound(&third);
    UCHAR data[8];
    int size = sizeof peer;
    CHECK_EQUAL(sendto(c, "before", 6, 0, &one, sizeof one), 6);
    CHECK_EQUAL(connect(a, &other, sizeof other), 0);
    CHECK_EQUAL(getpeername(a, &peer, &size), 0);
    CHECK_EQUAL(peer.port, other.port);
    CHECK_EQUAL(sendto(c, "third", 5, 0, &one, sizeof one), 5); /* nobody takes it */
    CHECK_EQUAL(sendto(b, "b", 1, 0, &one, sizeof one), 1);
    CHECK_EQUAL(recv(a, data, sizeof data, 0), 1);
    CHECK_EQUAL(send(a, "back", 4, 0), 4);
    CHECK_EQUAL(recv(b, data, sizeof data, 0), 4);
    CHECK_EQUAL(closesocket(b), 0);
    CHECK_EQUAL(send(a, "gone", 4, 0), 4);
    CHECK_FAILS(recv(a, data, sizeof data, 0), WSAECONNRESET);
    set_nonblocking(a);
    CHECK_FAILS(recv(a, data, sizeof data, 0), WSAEWOULDBLOCK);
    FD_SET read = {1, {c}}, write = {1, {c}};
    TIMEVAL none = {0, 0};
    CHECK_EQUAL(select(0, &read, &write, NULL, &none), 1);
    CHECK(read.count == 0 && write.count == 1);
    CHECK_EQUAL(closesocket(a), 0);
    CHECK_EQUAL(closesocket(c), 0);
}

static void test_lost(void)
{
    SOCKADDR_IN one, other;
    SOCKET a = bound(&one), b = bound(&other);
    UCHAR data[4000];
    int got = 0;
    for (int i = 0; i < 10; i++) /* more than the receiver's buffer holds */
        CHECK_EQUAL(sendto(a, data, sizeof data, 0, &other, sizeof other), sizeof data);
    set_nonblocking(b);
    while (recv(b, data, sizeof data, 0) > 0)
        got++;
    CHECK_EQUAL(got, 2);
    CHECK_EQUAL(closesocket(a), 0);
    CHECK_EQUAL(closesocket(b), 0);
}

void start(void)
{
    begin_sockets();
    test_names_and_sizes();
    test_connected();
    test_lost();
    finish();
}
