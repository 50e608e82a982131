/* Threads that read the standard input while others go on.  Says "before" without any input, then
 * what came, first to the thread that asked first, and ends with a read that nothing comes for.
 */
#include "win32.h"

static HANDLE input;

static DWORD WINAPI reader(PVOID first)
{
    CHAR text[16];
    DWORD size;
    CHECK(ReadFile(input, text, sizeof text, &size, NULL));
    print(first ? "first " : "second "), print_bytes(text, size);
    return 0;
}

static DWORD WINAPI late(PVOID unused)
{
    CHAR text[16];
    DWORD size;
    ReadFile(input, text, sizeof text, &size, NULL);
    print("never\n");
    return (DWORD)unused;
}

void start(void)
{
    HANDLE first, second, third;
    input = GetStdHandle(STD_INPUT_HANDLE);
    first = CreateThread(NULL, 0, reader, (PVOID)1, 0, NULL);
    CHECK_EQUAL(WaitForSingleObject(first, 50), WAIT_TIMEOUT);
    second = CreateThread(NULL, 0, reader, NULL, 0, NULL);
    CHECK_EQUAL(WaitForSingleObject(second, 50), WAIT_TIMEOUT);
    print("before\n");
    CHECK_EQUAL(WaitForSingleObject(first, INFINITE), WAIT_OBJECT_0);
    CHECK_EQUAL(WaitForSingleObject(second, 0), WAIT_TIMEOUT);
    print("between\n");
    CHECK_EQUAL(WaitForSingleObject(second, INFINITE), WAIT_OBJECT_0);
    third = CreateThread(NULL, 0, late, NULL, 0, NULL);
    CHECK_EQUAL(WaitForSingleObject(third, 50), WAIT_TIMEOUT);
    finish();
}
