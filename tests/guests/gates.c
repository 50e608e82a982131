/* One NtWriteFile through each way into the kernel: ntdll's stub, a sysenter and an int 2Eh of
 * the program's own.
 */
#include "nt.h"

static NTSTATUS write_through(GATE *gate, const CHAR *text)
{
    IO_STATUS_BLOCK io = {.Information = 0};
    HANDLE output = NtCurrentPeb()->ProcessParameters->StandardOutput;
    NTSTATUS status = gate(SERVICE_NUMBER(NtWriteFile), output, NULL, NULL, NULL, &io, text,
        strlen(text), NULL, NULL);
    CHECK_EQUAL(io.Information, strlen(text));
    return status;
}

void start(void)
{
    CHECK_EQUAL(print("ntdll\n"), STATUS_SUCCESS);
    CHECK_EQUAL(write_through(direct_sysenter, "sysenter\n"), STATUS_SUCCESS);
    CHECK_EQUAL(write_through(direct_int2e, "int 2Eh\n"), STATUS_SUCCESS);
    CHECK_EQUAL(direct_sysenter(SERVICE_NUMBER(NtClose), (HANDLE)0x7ffc), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(direct_int2e(SERVICE_NUMBER(NtClose), (HANDLE)0x7ffc), STATUS_INVALID_HANDLE);
    finish();
}
