/* find [/V] [/C] [/N] [/I] "string" [file...]: the lines of files or of the input that hold a
 * string.
 *
 *   /V lines without it; /C only how many; /N with their numbers; /I case does not count
 *
 * The string stands in quotes, a quote in it twice.  Ends with 0 when a line was found, with 1 when
 * not, with 2 for a mistake.
 */
#include "text.h"

static BOOL invert, count_only, numbers, fold, found;
static char wanted[LINE_ROOM];
static int wanted_size;

static void fail(const char *text)
{
    print(errors, "FIND: ");
    print(errors, text);
    print(errors, "\r\n");
    ExitProcess(2);
}

static char lower(char byte) { return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte; }

static BOOL holds(const char *line, int size)
{
    for (int start = 0; start + wanted_size <= size; start++) {
        int at = 0;
        while (at < wanted_size && (line[start + at] == wanted[at] ||
                                    (fold && lower(line[start + at]) == lower(wanted[at]))))
            at++;
        if (at == wanted_size)
            return wanted_size != 0;
    }
    return FALSE;
}

static void search(const struct text *text)
{
    DWORD number = 0, matches = 0;
    for (DWORD at = 0; at < text->size;) {
        int size = line_size(text, at);
        const char *line = text->bytes + at;
        number++;
        if (holds(line, size) != invert) {
            matches++;
            if (!count_only) {
                if (numbers)
                    print(output, "["), print_number(output, number), print(output, "]");
                write_bytes(output, line, size);
                print(output, "\r\n");
            }
        }
        at = next_line(text, at);
    }
    found |= matches != 0;
    if (count_only)
        print_number(output, matches), print(output, "\r\n");
}

static void search_file(WCHAR *path, const WCHAR *name)
{
    struct text text;
    WCHAR shown[MAX_PATH];
    HANDLE file = open_to_read(path);
    if (file == INVALID_HANDLE_VALUE) {
        print(errors, "File not found - ");
        print_name(errors, name);
        print(errors, "\r\n");
        return;
    }
    lstrcpynW(shown, name, MAX_PATH);
    CharUpperW(shown);
    print(output, "\r\n---------- ");
    print_name(output, shown);
    print(output, count_only ? ": " : "\r\n");
    read_text(file, &text);
    CloseHandle(file);
    search(&text);
}

/* The command line as it is: only here the string's quotes can be seen. */
static const WCHAR *behind_program(const WCHAR *at)
{
    BOOL quoted = FALSE;
    for (; *at && (quoted || (*at != ' ' && *at != '\t')); at++)
        quoted ^= *at == '"';
    return at;
}

static void take_option(const WCHAR *option, int size)
{
    switch (upper(option[0])) {
    case 'V': invert = TRUE; break;
    case 'C': count_only = TRUE; break;
    case 'N': numbers = TRUE; break;
    case 'I': fold = TRUE; break;
    case 'O': return; /* OFFLINE */
    default: fail("Invalid switch");
    }
    if (size != 1)
        fail("Invalid switch");
}

static const WCHAR *take_string(const WCHAR *at)
{
    static WCHAR units[LINE_ROOM / 4];
    int size = 0;
    for (at++; *at && (*at != '"' || at[1] == '"'); at++) {
        at += *at == '"';
        if (size < LINE_ROOM / 4)
            units[size++] = *at;
    }
    if (!*at)
        fail("Parameter format not correct");
    wanted_size = WideCharToMultiByte(CP_OEMCP, 0, units, size, wanted, LINE_ROOM, NULL, NULL);
    return at + 1;
}

void start(void)
{
    const WCHAR *at;
    BOOL has_string = FALSE, has_file = FALSE;
    struct text text;
    begin();
    for (at = behind_program(GetCommandLineW()); *at;) {
        int size = 0;
        WCHAR word[MAX_PATH];
        BOOL quoted = FALSE;
        if (*at == ' ' || *at == '\t') {
            at++;
            continue;
        }
        if (*at == '"' && !has_string) {
            at = take_string(at), has_string = TRUE;
            continue;
        }
        if (*at == '/') {
            for (at++; at[size] && at[size] != ' ' && at[size] != '/' && at[size] != '"'; size++)
                ;
            take_option(at, size);
            at += size;
            continue;
        }
        if (!has_string)
            fail("Parameter format not correct");
        for (; *at && (quoted || (*at != ' ' && *at != '\t')); at++)
            if (*at == '"')
                quoted = !quoted;
            else if (size < MAX_PATH - 1)
                word[size++] = *at;
        word[size] = 0;
        has_file = TRUE;
        each_file(word, search_file);
    }
    if (!has_string)
        fail("Parameter format not correct");
    if (!has_file)
        read_text(GetStdHandle(STD_INPUT_HANDLE), &text), search(&text);
    ExitProcess(!found);
}
