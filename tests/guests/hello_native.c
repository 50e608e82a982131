/* The smallest program: one line of text and an exit code of 42. */
#include "nt.h"

void start(void)
{
    print("hello from ntdll\n");
    exit_process(42);
}
