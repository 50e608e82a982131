/* kernel32's clocks against each other: whatever tells the time tells the same time. */
#include "win32.h"

K32 BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *);
K32 BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *);
K32 DWORD WINAPI GetTickCount(void);
K32 void WINAPI GetSystemTimeAsFileTime(LARGE_INTEGER *);
K32 void WINAPI Sleep(DWORD);

enum { NAP = 200, TICK = 16, UNITS_A_MILLISECOND = 10000 };

static int near(LONG milliseconds)
{
    return milliseconds >= NAP - TICK && milliseconds <= NAP + 3 * TICK;
}

void start(void)
{
    LARGE_INTEGER frequency, counter[2], time[2];
    DWORD ticks[2];

    CHECK(QueryPerformanceFrequency(&frequency));
    CHECK(frequency.QuadPart >= 1000 && !frequency.HighPart);
    for (int i = 0; i < 2; i++) {
        QueryPerformanceCounter(&counter[i]);
        GetSystemTimeAsFileTime(&time[i]);
        ticks[i] = GetTickCount();
        if (!i)
            Sleep(NAP);
    }
    CHECK(near(ticks[1] - ticks[0]));
    CHECK(near((LONG)(time[1].LowPart - time[0].LowPart) / UNITS_A_MILLISECOND));
    CHECK(near((counter[1].LowPart - counter[0].LowPart) / (frequency.LowPart / 1000)));
    finish();
}
