/* As many calls of kernel32's WriteFile, of 16 bytes each, as the command line has characters
 * behind the program's name, times a thousand.
 */
typedef unsigned long ULONG;
#define IMPORT __declspec(dllimport)
#define API __attribute__((stdcall))

IMPORT API void *CreateFileA(const char *, ULONG, ULONG, void *, ULONG, ULONG, void *);
IMPORT API int WriteFile(void *, const void *, ULONG, ULONG *, void *);
IMPORT API const char *GetCommandLineA(void);
IMPORT API void ExitProcess(ULONG);

void start(void)
{
    enum { GENERIC_WRITE = 0x40000000, CREATE_ALWAYS = 2 };
    void *file = CreateFileA("out.bin", GENERIC_WRITE, 0, 0, CREATE_ALWAYS, 0, 0);
    const char *command = GetCommandLineA();
    ULONG written;

    while (*command && *command != ' ')
        command++;
    while (*command == ' ')
        command++;
    for (; *command; command++)
        for (int i = 0; i < 1000; i++)
            if (!WriteFile(file, "0123456789abcdef", 16, &written, 0))
                ExitProcess(1);
    ExitProcess(0);
}
