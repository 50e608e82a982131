/* A server and its client in two processes; a socket that a child inherits, one that it is given. */
#include "sockets.h"

static WCHAR self[260];

static ULONG number(PWSTR text)
{
    ULONG value = 0;
    while (*text >= '0' && *text <= '9')
        value = 10 * value + (*text++ - '0');
    return value;
}

static PROCESS_INFORMATION start_child(WCHAR what, ULONG value, BOOL inherit)
{
    STARTUPINFO startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child = {0};
    WCHAR line[32] = {'X', ' ', what}, digits[12];
    int count = 0, place = 3;
    do
        digits[count++] = '0' + value % 10;
    while ((value /= 10) != 0);
    while (count)
        line[place++] = digits[--count];
    CHECK(CreateProcessW(self, line, NULL, NULL, inherit, 0, NULL, NULL, &startup, &child));
    return child;
}

static DWORD end_of(PROCESS_INFORMATION child)
{
    DWORD code = 0xff;
    CHECK_EQUAL(WaitForSingleObject(child.hProcess, INFINITE), WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(child.hProcess, &code));
    CHECK(CloseHandle(child.hThread) && CloseHandle(child.hProcess));
    return code;
}

static DWORD be_a_client(ULONG port)
{
    SOCKADDR_IN name = at(127, 0, 0, 1, (USHORT)(port << 8 | port >> 8));
    SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
    UCHAR data[8];
    if (connect(s, &name, sizeof name) || send(s, "question", 8, 0) != 8)
        return 1;
    return recv(s, data, 6, MSG_WAITALL) == 6 && same_bytes(data, "answer", 6) ? 42 : 2;
}

static DWORD use_inherited(ULONG handle)
{
    return WriteFile((HANDLE)handle, "inherited", 9, &(DWORD){0}, &(OVERLAPPED){0}) ? 43 : 1;
}

static DWORD use_given(SOCKET from)
{
    WSAPROTOCOL_INFOW information;
    DWORD got;
    if (!ReadFile((HANDLE)from, &information, sizeof information, &got, NULL))
        return 1;
    SOCKET s = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &information, 0, 0);
    return send(s, "given", 5, 0) == 5 && !closesocket(s) ? 44 : 2;
}

static DWORD be_killed(ULONG port)
{
    be_a_client(port);
    Sleep(INFINITE);
    return 0;
}

void start(void)
{
    PWSTR line = GetCommandLineW();
    SOCKADDR_IN name;
    SOCKET client, server;
    UCHAR data[16];
    begin_sockets();
    if (line[0] == 'X' && line[1] == ' ') {
        ULONG value = number(line + 3);
        DWORD code = line[2] == 'c' ? be_a_client(value) : line[2] == 'i' ? use_inherited(value)
            : line[2] == 'k' ? be_killed(value) : use_given(value);
        ExitProcess(code);
    }
    GetModuleFileNameW(NULL, self, 260);

    SOCKET from = listener(&name, 5);
    PROCESS_INFORMATION child = start_child('c', name.port, FALSE);
    server = accept(from, NULL, NULL);
    CHECK_EQUAL(recv(server, data, 8, MSG_WAITALL), 8);
    CHECK(same_bytes(data, "question", 8));
    CHECK_EQUAL(send(server, "answer", 6, 0), 6);
    CHECK_EQUAL(end_of(child), 42);
    CHECK_EQUAL(recv(server, data, 8, 0), 0);
    CHECK_EQUAL(closesocket(server), 0);

    child = start_child('k', name.port, FALSE);
    server = accept(from, NULL, NULL);
    CHECK_EQUAL(recv(server, data, 8, MSG_WAITALL), 8);
    CHECK(TerminateProcess(child.hProcess, 7));
    CHECK_EQUAL(recv(server, data, 8, 0), 0);
    CHECK_EQUAL(end_of(child), 7);
    CHECK_EQUAL(closesocket(server), 0);
    CHECK_EQUAL(closesocket(from), 0);

    make_pair(&client, &server);
    CHECK_EQUAL(end_of(start_child('i', client, TRUE)), 43);
    CHECK_EQUAL(recv(server, data, 9, MSG_WAITALL), 9);
    CHECK(same_bytes(data, "inherited", 9));

    HANDLE read, write;
    SECURITY_ATTRIBUTES inherits = {sizeof inherits, NULL, TRUE};
    WSAPROTOCOL_INFOW information;
    DWORD written;
    CHECK(CreatePipe(&read, &write, &inherits, 4096));
    child = start_child('g', (ULONG)read, TRUE);
    CHECK_EQUAL(WSADuplicateSocketW(client, child.dwProcessId, &information), 0);
    CHECK_EQUAL(closesocket(client), 0);
    CHECK(WriteFile(write, &information, sizeof information, &written, NULL));
    CHECK_EQUAL(end_of(child), 44);
    CHECK_EQUAL(recv(server, data, 5, MSG_WAITALL), 5);
    CHECK(same_bytes(data, "given", 5));
    CHECK_EQUAL(recv(server, data, 5, 0), 0); /* the last handle is closed */
    CHECK_EQUAL(closesocket(server), 0);
    finish();
}
