/* What the programs of this folder share: arguments, text, files.  They use kernel32 alone.
 *
 * Built by ntgate.tools.build_programs; the .exe files beside the sources are its output.
 */
#include <windows.h>

#define LINE_ROOM 0x10000

static HANDLE output, errors;
static WCHAR *words[256];
static int word_count;

void *memcpy(void *to, const void *from, size_t size)
{
    char *t = to;
    const char *f = from;
    while (size--)
        *t++ = *f++;
    return to;
}

void *memset(void *to, int value, size_t size)
{
    char *t = to;
    while (size--)
        *t++ = (char)value;
    return to;
}

static void write_bytes(HANDLE to, const void *bytes, DWORD size)
{
    DWORD done;
    WriteFile(to, bytes, size, &done, NULL);
}

static void print(HANDLE to, const char *text) { write_bytes(to, text, lstrlenA(text)); }

/* In the code page of the console, as a file name is printed. */
static void print_name(HANDLE to, const WCHAR *name)
{
    char text[3 * MAX_PATH];
    int size = WideCharToMultiByte(CP_OEMCP, 0, name, -1, text, sizeof text, NULL, NULL);
    if (size)
        write_bytes(to, text, size - 1);
}

static WCHAR upper(WCHAR unit) { return (WCHAR)(ULONG_PTR)CharUpperW((LPWSTR)(ULONG_PTR)unit); }

/* The command line's words behind the first one: quotes hold together, \" is a quote. */
static void split_command_line(void)
{
    const WCHAR *at = GetCommandLineW();
    WCHAR *to = HeapAlloc(GetProcessHeap(), 0, 2 * (lstrlenW(at) + 2) * sizeof(WCHAR));
    while (*at && word_count < 255) {
        BOOL quoted = FALSE;
        while (*at == ' ' || *at == '\t')
            at++;
        if (!*at)
            break;
        words[word_count++] = to;
        while (*at && (quoted || (*at != ' ' && *at != '\t'))) {
            if (*at == '\\' && at[1] == '"')
                *to++ = '"', at += 2;
            else if (*at == '"')
                quoted = !quoted, at++;
            else
                *to++ = *at++;
        }
        *to++ = 0;
    }
}

static void begin(void)
{
    output = GetStdHandle(STD_OUTPUT_HANDLE);
    errors = GetStdHandle(STD_ERROR_HANDLE);
    split_command_line();
}
