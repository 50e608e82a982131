/* Names: of the machine, of what its drivers\etc\hosts says, of numbers; and the addresses that
 * sockets can be bound to.
 */
#include "sockets.h"

K32 HANDLE WINAPI CreateFileW(const WCHAR *, DWORD access, DWORD share, SECURITY_ATTRIBUTES *,
    DWORD disposition, DWORD attributes, HANDLE);

static void check_address(const CHAR *node, const CHAR *service, int flags, const UCHAR *address, USHORT port)
{
    ADDRINFO hints = {.flags = flags, .family = AF_INET, .type = SOCK_STREAM}, *found = NULL;
    CHECK_EQUAL(getaddrinfo(node, service, &hints, &found), 0);
    if (!found)
        return;
    SOCKADDR_IN *name = found->address;
    CHECK(found->family == AF_INET && found->length == sizeof *name && found->next == NULL);
    CHECK_EQUAL(found->type, SOCK_STREAM);
    CHECK(same_bytes(name->address, address, 4));
    CHECK_EQUAL(name->port, (USHORT)(port << 8 | port >> 8));
    freeaddrinfo(found);
}

static void write_file(const WCHAR *path, const CHAR *text)
{
    DWORD written;
    HANDLE file = CreateFileW(path, 0x40000000, 0, NULL, 2, 0, NULL);
    CHECK(file != (HANDLE)-1);
    CHECK(WriteFile(file, text, strlen(text), &written, NULL));
    CHECK(CloseHandle(file));
}

void start(void)
{
    static const UCHAR loopback[] = {127, 0, 0, 1}, nobody[] = {0, 0, 0, 0}, far[] = {8, 8, 4, 4};
    static const UCHAR listed[] = {127, 9, 9, 9};
    CHAR name[64], text[64], service[64];
    ADDRINFO *found = NULL;
    begin_sockets();
    CHECK_EQUAL(gethostname(name, sizeof name), 0);
    check_address("localhost", "80", 0, loopback, 80);
    check_address(name, NULL, 0, loopback, 0);
    check_address("127.1", "http", 0, loopback, 80);
    check_address("8.8.4.4", "443", 4, far, 443);
    check_address(NULL, "7", 1, nobody, 7);
    CHECK_EQUAL(getaddrinfo("nowhere.example", "80", NULL, &found), WSAHOST_NOT_FOUND);
    CHECK_EQUAL(getaddrinfo("localhost", "no such service", NULL, &found), 10109);
    CHECK_EQUAL(getaddrinfo("localhost", NULL, NULL, &found), 0);
    CHECK(found->family == AF_INET && found->next->family == AF_INET6 && !found->next->next);
    freeaddrinfo(found);
    write_file(u"C:\\WINDOWS\\system32\\drivers\\etc\\hosts", "127.9.9.9 other # one\r\n");
    check_address("Other", NULL, 0, listed, 0);
    HOSTENT *host = gethostbyname("other");
    CHECK(host != NULL && same_bytes(host->addresses[0], listed, 4) && !host->addresses[1]);
    CHECK(gethostbyname("nowhere.example") == NULL);
    CHECK_EQUAL(WSAGetLastError(), WSAHOST_NOT_FOUND);
    /* A name of bytes that no character is, and services that are none. */
    ADDRINFO canonical = {.flags = 2, .family = AF_INET};
    CHECK_EQUAL(getaddrinfo("\x81\x8d\xff", NULL, &canonical, &found), WSAHOST_NOT_FOUND);
    CHECK_EQUAL(getaddrinfo("localhost", NULL, &canonical, &found), 0);
    CHECK(same_bytes(found->name, "localhost", 10));
    freeaddrinfo(found);
    write_file(u"C:\\WINDOWS\\system32\\drivers\\etc\\services", "bad x/tcp\r\nhttp 80/tcp\r\n# no\r\nlast\r\n");
    CHECK_EQUAL(getaddrinfo("localhost", "bad", NULL, &found), 10109);
    SOCKADDR_IN address = at(127, 0, 0, 1, 80);
    CHECK_EQUAL(getnameinfo(&address, sizeof address, text, 64, service, 64, 2), 0);
    CHECK(same_bytes(text, "127.0.0.1", 10) && same_bytes(service, "http", 5));
    CHECK_EQUAL(getnameinfo(&address, sizeof address, text, 64, service, 64, 8), 0);
    CHECK(same_bytes(text, name, strlen(name) + 1) && same_bytes(service, "80", 3));

    /* SIO_GET_INTERFACE_LIST: the loopback is all there is. */
    SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
    UCHAR list[200];
    DWORD size = 0;
    CHECK_EQUAL(WSAIoctl(s, SIO_GET_INTERFACE_LIST, NULL, 0, list, sizeof list, &size, NULL, NULL), 0);
    CHECK_EQUAL(size, 76);
    CHECK(list[0] & 4 && same_bytes(list + 8, loopback, 4));
    CHECK_EQUAL(closesocket(s), 0);
    finish();
}
