/* WSAAsyncSelect: a window is sent messages of what happens to sockets. */
#include "sockets.h"
#include "user32.h"

#define WM_SOCKET (WM_USER + 1)

static HANDLE window;

static void expect(SOCKET s, ULONG event, int line)
{
    MSG message = {0};
    BOOL found = PeekMessageW(&message, window, WM_SOCKET, WM_SOCKET, PM_REMOVE);
    if (found != (event != 0) || (event && (message.wParam != s || message.lParam != event)))
        failed(__FILE_NAME__, line, "message "), print_hex(message.lParam), print("\n");
}

#define EXPECT(s, event) expect(s, event, __LINE__)

void start(void)
{
    SOCKADDR_IN name;
    UCHAR data[8];
    begin_sockets();
    window = CreateWindowExW(0, u"STATIC", u"", 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, NULL, NULL);
    CHECK(IsWindow(window));
    SOCKET from = listener(&name, 5), s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(WSAAsyncSelect(from, window, WM_SOCKET, FD_ACCEPT | FD_READ | FD_CLOSE), 0);
    CHECK_EQUAL(WSAAsyncSelect(s, window, WM_SOCKET, FD_CONNECT | FD_WRITE | FD_READ | FD_CLOSE), 0);
    EXPECT(s, 0);
    CHECK_FAILS(connect(s, &name, sizeof name), WSAEWOULDBLOCK);
    MSG message;
    ULONG seen = 0;
    while (PeekMessageW(&message, window, WM_SOCKET, WM_SOCKET, PM_REMOVE)) {
        CHECK_EQUAL(message.wParam, message.lParam == FD_ACCEPT ? from : s);
        seen |= message.lParam;
    }
    CHECK_EQUAL(seen, FD_ACCEPT | FD_CONNECT | FD_WRITE);
    SOCKET server = accept(from, NULL, NULL); /* its messages have its own handle */
    EXPECT(server, 0);
    CHECK_EQUAL(send(s, "abc", 3, 0), 3);
    EXPECT(server, FD_READ);
    EXPECT(server, 0);
    CHECK_EQUAL(recv(server, data, 2, 0), 2);
    EXPECT(server, FD_READ);
    CHECK_EQUAL(recv(server, data, 8, 0), 1);
    EXPECT(server, 0);
    CHECK_EQUAL(closesocket(server), 0);
    EXPECT(s, FD_CLOSE);
    CHECK_EQUAL(closesocket(s), 0);
    CHECK_EQUAL(closesocket(from), 0);
    s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(WSAAsyncSelect(s, window, WM_SOCKET, FD_CONNECT), 0);
    CHECK_FAILS(connect(s, &name, sizeof name), WSAEWOULDBLOCK);
    EXPECT(s, FD_CONNECT | WSAECONNREFUSED << 16);
    CHECK_EQUAL(closesocket(s), 0);
    CHECK(DestroyWindow(window));
    finish();
}
