/* A program that has to be stopped from outside. */
#include "nt.h"

void start(void)
{
    for (;;)
        NtYieldExecution();
}
