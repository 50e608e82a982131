/* The part of Winsock 2's public interface that guest programs of sockets use, from Microsoft's
 * public documentation, and what those programs share.
 */
#ifndef SOCKETS_H
#define SOCKETS_H

#include "win32.h"

#define WS2 __declspec(dllimport)

typedef ULONG SOCKET;
typedef struct { SHORT family; USHORT port; UCHAR address[4]; CHAR zero[8]; } SOCKADDR_IN;
SIZE_IS(SOCKADDR_IN, 16);
typedef struct {
    SHORT family;
    USHORT port;
    ULONG flow;
    UCHAR address[16];
    ULONG scope;
} SOCKADDR_IN6;
SIZE_IS(SOCKADDR_IN6, 28);
typedef struct { ULONG count; SOCKET sockets[64]; } FD_SET;
typedef struct { LONG seconds, microseconds; } TIMEVAL;
typedef struct { ULONG length; PVOID buffer; } WSABUF;
typedef struct { SOCKET fd; SHORT events, revents; } WSAPOLLFD;
typedef struct { LONG events; int errors[10]; } WSANETWORKEVENTS;
typedef struct { ULONG_PTR Internal, InternalHigh, Offset, OffsetHigh; HANDLE hEvent; } OVERLAPPED;
SIZE_IS(OVERLAPPED, 20);
typedef struct { UCHAR bytes[628]; } WSAPROTOCOL_INFOW;
typedef struct ADDRINFO {
    int flags, family, type, protocol;
    ULONG length;
    CHAR *name;
    PVOID address;
    struct ADDRINFO *next;
} ADDRINFO;
typedef struct { CHAR *name, **aliases; SHORT type, length; UCHAR **addresses; } HOSTENT;
typedef void WINAPI COMPLETION_ROUTINE(DWORD error, DWORD size, OVERLAPPED *, DWORD flags);

enum {
    INVALID_SOCKET = -1,
    AF_INET = 2, AF_INET6 = 23,
    SOCK_STREAM = 1, SOCK_DGRAM = 2,
    IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_IPV6 = 41,
    SOL_SOCKET = 0xffff,
    SO_REUSEADDR = 4, SO_LINGER = 0x80, SO_OOBINLINE = 0x100, SO_SNDBUF = 0x1001, SO_RCVBUF = 0x1002,
    SO_RCVTIMEO = 0x1006, SO_ERROR = 0x1007, SO_TYPE = 0x1008, SO_EXCLUSIVEADDRUSE = -5,
    SO_ACCEPTCONN = 2, SO_UPDATE_ACCEPT_CONTEXT = 0x700b,
    TCP_NODELAY = 1, IPV6_V6ONLY = 27,
    MSG_OOB = 1, MSG_PEEK = 2, MSG_WAITALL = 8,
    SD_RECEIVE = 0, SD_SEND = 1, SD_BOTH = 2,
    FD_READ = 1, FD_WRITE = 2, FD_OOB = 4, FD_ACCEPT = 8, FD_CONNECT = 16, FD_CLOSE = 32,
    POLLERR = 1, POLLHUP = 2, POLLWRNORM = 0x10, POLLRDNORM = 0x100,
    FIONBIO = (int)0x8004667e, FIONREAD = 0x4004667f, SIOCATMARK = 0x40047307,
    SIO_GET_EXTENSION_FUNCTION_POINTER = (int)0xc8000006, SIO_GET_INTERFACE_LIST = 0x4004747f,
    WSA_FLAG_OVERLAPPED = 1, FROM_PROTOCOL_INFO = -1,
    WSA_IO_PENDING = 997,
    WSAEACCES = 10013, WSAEINVAL = 10022, WSAEWOULDBLOCK = 10035, WSAEMSGSIZE = 10040,
    WSAEADDRINUSE = 10048, WSAEADDRNOTAVAIL = 10049, WSAENETUNREACH = 10051, WSAECONNRESET = 10054,
    WSAEISCONN = 10056, WSAENOTCONN = 10057, WSAESHUTDOWN = 10058, WSAETIMEDOUT = 10060,
    WSAECONNREFUSED = 10061, WSAHOST_NOT_FOUND = 11001,
};

WS2 int WINAPI WSAAsyncSelect(SOCKET, HANDLE window, DWORD message, LONG events);
WS2 BOOL WINAPI WSACloseEvent(HANDLE);
WS2 HANDLE WINAPI WSACreateEvent(void);
WS2 int WINAPI WSADuplicateSocketW(SOCKET, DWORD process, WSAPROTOCOL_INFOW *);
WS2 int WINAPI WSAEnumNetworkEvents(SOCKET, HANDLE event, WSANETWORKEVENTS *);
WS2 int WINAPI WSAEventSelect(SOCKET, HANDLE event, LONG events);
WS2 int WINAPI WSAGetLastError(void);
WS2 BOOL WINAPI WSAGetOverlappedResult(SOCKET, OVERLAPPED *, DWORD *size, BOOL wait, DWORD *flags);
WS2 int WINAPI WSAIoctl(SOCKET, DWORD code, const void *in, DWORD in_size, PVOID out, DWORD out_size,
    DWORD *size, OVERLAPPED *, COMPLETION_ROUTINE *);
WS2 int WINAPI WSAPoll(WSAPOLLFD *, ULONG count, int milliseconds);
WS2 int WINAPI WSARecv(SOCKET, WSABUF *, DWORD count, DWORD *size, DWORD *flags, OVERLAPPED *,
    COMPLETION_ROUTINE *);
WS2 int WINAPI WSARecvFrom(SOCKET, WSABUF *, DWORD count, DWORD *size, DWORD *flags, PVOID from,
    int *from_size, OVERLAPPED *, COMPLETION_ROUTINE *);
WS2 int WINAPI WSASend(SOCKET, WSABUF *, DWORD count, DWORD *size, DWORD flags, OVERLAPPED *,
    COMPLETION_ROUTINE *);
WS2 SOCKET WINAPI WSASocketW(int family, int type, int protocol, WSAPROTOCOL_INFOW *, DWORD group,
    DWORD flags);
WS2 int WINAPI WSAStartup(USHORT version, PVOID data);
WS2 SOCKET WINAPI accept(SOCKET, PVOID address, int *size);
WS2 int WINAPI bind(SOCKET, const void *address, int size);
WS2 int WINAPI closesocket(SOCKET);
WS2 int WINAPI connect(SOCKET, const void *address, int size);
WS2 void WINAPI freeaddrinfo(ADDRINFO *);
WS2 int WINAPI getaddrinfo(const CHAR *node, const CHAR *service, const ADDRINFO *, ADDRINFO **);
WS2 HOSTENT *WINAPI gethostbyname(const CHAR *);
WS2 int WINAPI gethostname(CHAR *, int size);
WS2 int WINAPI getnameinfo(const void *address, int size, CHAR *host, DWORD host_size, CHAR *service,
    DWORD service_size, int flags);
WS2 int WINAPI getpeername(SOCKET, PVOID address, int *size);
WS2 int WINAPI getsockname(SOCKET, PVOID address, int *size);
WS2 int WINAPI getsockopt(SOCKET, int level, int option, PVOID value, int *size);
WS2 int WINAPI ioctlsocket(SOCKET, LONG command, ULONG *argument);
WS2 int WINAPI listen(SOCKET, int backlog);
WS2 int WINAPI recv(SOCKET, PVOID, int size, int flags);
WS2 int WINAPI recvfrom(SOCKET, PVOID, int size, int flags, PVOID from, int *from_size);
WS2 int WINAPI select(int, FD_SET *read, FD_SET *write, FD_SET *except, const TIMEVAL *);
WS2 int WINAPI send(SOCKET, const void *, int size, int flags);
WS2 int WINAPI sendto(SOCKET, const void *, int size, int flags, const void *to, int to_size);
WS2 int WINAPI setsockopt(SOCKET, int level, int option, const void *value, int size);
WS2 int WINAPI shutdown(SOCKET, int how);
WS2 SOCKET WINAPI socket(int family, int type, int protocol);

#define CHECK_FAILS(call, error) CHECK((int)(call) == -1), CHECK_EQUAL(WSAGetLastError(), error)

INLINE void begin_sockets(void)
{
    UCHAR data[400];
    CHECK_EQUAL(WSAStartup(0x202, data), 0);
}

INLINE SOCKADDR_IN at(UCHAR a, UCHAR b, UCHAR c, UCHAR d, USHORT port)
{
    return (SOCKADDR_IN){AF_INET, (USHORT)(port << 8 | port >> 8), {a, b, c, d}, {0}};
}

INLINE SOCKADDR_IN name_of_socket(SOCKET s)
{
    SOCKADDR_IN name = {0};
    int size = sizeof name;
    CHECK_EQUAL(getsockname(s, &name, &size), 0);
    return name;
}

/* A listener at 127.0.0.1 with a port that the system has chosen. */
INLINE SOCKET listener(SOCKADDR_IN *name, int backlog)
{
    SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
    *name = at(127, 0, 0, 1, 0);
    CHECK_EQUAL(bind(s, name, sizeof *name), 0);
    *name = name_of_socket(s);
    CHECK(name->port != 0);
    CHECK_EQUAL(listen(s, backlog), 0);
    return s;
}

INLINE void make_pair(SOCKET *client, SOCKET *server)
{
    SOCKADDR_IN name;
    SOCKET from = listener(&name, 1);
    *client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(connect(*client, &name, sizeof name), 0);
    *server = accept(from, NULL, NULL);
    CHECK(*server != (SOCKET)INVALID_SOCKET);
    CHECK_EQUAL(closesocket(from), 0);
}

INLINE void set_nonblocking(SOCKET s)
{
    ULONG on = 1;
    CHECK_EQUAL(ioctlsocket(s, FIONBIO, &on), 0);
}

INLINE void set_linger(SOCKET s, USHORT on, USHORT seconds)
{
    USHORT linger[2] = {on, seconds};
    CHECK_EQUAL(setsockopt(s, SOL_SOCKET, SO_LINGER, linger, sizeof linger), 0);
}

INLINE BOOLEAN same_bytes(const void *one, const void *other, ULONG size)
{
    const UCHAR *a = one, *b = other;
    while (size && *a == *b)
        size--, a++, b++;
    return !size;
}

#endif
