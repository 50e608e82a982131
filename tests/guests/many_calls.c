/* Forty thousand system calls, each of which must find what the one before it has left. */
#include "nt.h"

void start(void)
{
    HANDLE event;
    LONG before;
    ULONG i;

    CHECK_EQUAL(NtCreateEvent(&event, EVENT_ALL_ACCESS, 0, NotificationEvent, FALSE), 0);
    for (i = 0; i < 20000 && !failures; i++) {
        CHECK(!NtSetEvent(event, &before) && before == 0);
        CHECK(!NtResetEvent(event, &before) && before == 1);
    }
    finish();
}
