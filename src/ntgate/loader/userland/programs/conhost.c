/* conhost --server HANDLE: what kernelbase starts beside a program that gets a console of its own.
 *
 * There is nothing to do here, as Windows XP has no such program: consoles are in the kernel, and
 * what one looks like it has from the program that is attached to it.
 */
#include <windows.h>

void start(void) { ExitProcess(0); }
