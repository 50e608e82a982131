/* What a program was given: prints its folder, its words and a variable, and works on files of
 * the current folder.  The last letter of the command line says what to do then:
 *   w write output.txt   x fault   b break   n end with -1   l loop for ever
 *   r read the standard input   s wait for ever   m commit memory until there is none
 */
#include "nt_file.h"

static void current(PWSTR leaf, WCHAR *path)
{
    UNICODE_STRING folder = NtCurrentPeb()->ProcessParameters->CurrentDirectoryPath;
    ULONG at = 0;
    for (const WCHAR *prefix = L"\\??\\"; *prefix; prefix++)
        path[at++] = *prefix;
    for (ULONG i = 0; i < folder.Length / 2u; i++)
        path[at++] = folder.Buffer[i];
    if (path[at - 1] != '\\')
        path[at++] = '\\';
    do
        path[at++] = *leaf;
    while (*leaf++);
}

void start(void)
{
    RTL_USER_PROCESS_PARAMETERS *given = NtCurrentPeb()->ProcessParameters;
    WCHAR path[256];
    CHAR text[64];
    HANDLE file;
    print_wide(given->CurrentDirectoryPath.Buffer, given->CurrentDirectoryPath.Length);
    print("\n");
    print_wide(given->CommandLine.Buffer, given->CommandLine.Length);
    print("\n");
    for (PWSTR at = given->Environment; *at; at += wide_length(at) + 1)
        if (at[0] == 'T' && at[1] == 'E' && at[2] == 'S' && at[3] == 'T')
            print_wide(at, 2 * wide_length(at)), print("\n");
    current(L"input.txt", path);
    file = create(path, FILE_GENERIC_READ, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    if (file && NtReadFile(file, NULL, NULL, NULL, &io, text, sizeof text, NULL, NULL) == 0)
        print_bytes(text, io.Information), print("\n");
    switch (given->CommandLine.Buffer[given->CommandLine.Length / 2 - 1]) {
    case 'w':
        current(L"output.txt", path);
        file = create(path, FILE_GENERIC_WRITE, FILE_OVERWRITE_IF, FILE_SHARE_ALL, SYNC);
        print_hex(opened), print("\n");
        if (file)
            put(file, "written by the guest");
        break;
    case 'x':
        *(volatile ULONG *)0x10 = 1;
        break;
    case 'b':
        __asm__ volatile("int3");
        break;
    case 'n':
        exit_process(-1);
    case 'l':
        for (;;)
            ;
    case 'r':
        NtReadFile(given->StandardInput, NULL, NULL, NULL, &io, text, sizeof text, NULL, NULL);
        break;
    case 's':
        NtCreateEvent(&file, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE);
        NtWaitForSingleObject(file, FALSE, NULL);
        break;
    case 'm':
        for (ULONG megabytes = 0;; megabytes++) {
            PVOID base = NULL;
            SIZE_T size = 0x100000;
            NTSTATUS status = NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size,
                MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
            if (!NT_SUCCESS(status)) {
                print(megabytes > 10 ? "more than 10 MB, " : ""), print(megabytes < 60 ? "" : "60");
                print_hex(status), print("\n");
                break;
            }
        }
    }
    exit_process(0x107);
}
