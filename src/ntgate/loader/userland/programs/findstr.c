/* findstr [options] strings [file...]: the lines of files or of the input that hold a string or a
 * regular expression.
 *
 *   /B /E /X    at the line's begin, at its end, the whole line
 *   /L /R       strings as they are, or regular expressions
 *   /I /V /N /O case does not count, lines without, with numbers, with offsets
 *   /M /S       names of files only, folders below as well
 *   /C:text     one string, spaces and all; /G:file strings by lines
 *
 * A regular expression has . * ^ $ [a-z] [^a] \< \> and \ before a character that is none.
 * Ends with 0 when a line was found, with 1 when not, with 2 for a mistake.
 */
#include "tool.h"

#define MOST_STRINGS 128

static char *strings[MOST_STRINGS];
static int string_count;
static BOOL at_begin, at_end, whole, literal, regular, fold, invert, numbers, offsets, only_names,
    below, found, named;

static char lower(char byte) { return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte; }

static BOOL same(char a, char b) { return a == b || (fold && lower(a) == lower(b)); }

static BOOL is_word(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
        (byte >= '0' && byte <= '9') || byte == '_';
}

/* One element of an expression: its end, and whether it takes a byte. */
static const char *element(const char *at, const char byte, BOOL *takes)
{
    if (*at == '.') {
        *takes = TRUE;
        return at + 1;
    }
    if (*at == '[') {
        const char *first = ++at;
        BOOL negated = *at == '^', in = FALSE;
        at += negated;
        for (first = at; *at && (*at != ']' || at == first); at++)
            if (at[1] == '-' && at[2] && at[2] != ']') {
                char low = at[0], high = at[2];
                in |= (byte >= low && byte <= high) ||
                    (fold && lower(byte) >= lower(low) && lower(byte) <= lower(high));
                at += 2;
            } else
                in |= same(*at, byte);
        *takes = in != negated;
        return *at ? at + 1 : at;
    }
    if (*at == '\\' && at[1])
        at++;
    *takes = same(*at, byte);
    return at + 1;
}

static BOOL match_here(const char *expression, const char *line, const char *at, const char *end)
{
    for (;;) {
        BOOL takes = FALSE;
        if (!*expression)
            return !(at_end || whole) || at == end;
        if (*expression == '$' && !expression[1])
            return at == end;
        if (expression[0] == '\\' && (expression[1] == '<' || expression[1] == '>')) {
            BOOL before = at > line && is_word(at[-1]), after = at < end && is_word(*at);
            if (expression[1] == '<' ? before || !after : !before || after)
                return FALSE;
            expression += 2;
            continue;
        }
        const char *rest = element(expression, at < end ? *at : 0, &takes);
        if (*rest == '*') {
            const char *last = at;
            while (last < end && (element(expression, *last, &takes), takes))
                last++;
            for (; last >= at; last--)
                if (match_here(rest + 1, line, last, end))
                    return TRUE;
            return FALSE;
        }
        if (at == end || !takes)
            return FALSE;
        expression = rest, at++;
    }
}

static BOOL match_regular(const char *expression, const char *line, const char *end)
{
    BOOL bound = at_begin || whole;
    if (*expression == '^')
        expression++, bound = TRUE;
    for (const char *at = line; at <= end; at++) {
        if (match_here(expression, line, at, end))
            return TRUE;
        if (bound)
            break;
    }
    return FALSE;
}

static BOOL match_literal(const char *text, const char *line, const char *end)
{
    int size = lstrlenA(text);
    for (const char *at = line; at + size <= end; at++) {
        int i = 0;
        while (i < size && same(text[i], at[i]))
            i++;
        if (i == size && (!(at_end || whole) || at + size == end))
            return TRUE;
        if (at_begin || whole)
            break;
    }
    return FALSE;
}

static BOOL matches(const char *line, const char *end)
{
    for (int i = 0; i < string_count; i++)
        if (regular ? match_regular(strings[i], line, end) : match_literal(strings[i], line, end))
            return TRUE;
    return FALSE;
}

static void print_number(DWORD value)
{
    char digits[11];
    int first = 10;
    digits[10] = ':';
    do
        digits[--first] = '0' + value % 10;
    while (value /= 10);
    write_bytes(output, digits + first, 11 - first);
}

/* FALSE when the file needs no more lines. */
static BOOL tell_line(const WCHAR *name, const char *line, const char *end, DWORD number, DWORD offset)
{
    if (matches(line, end) == invert)
        return TRUE;
    found = TRUE;
    if (only_names) {
        print_name(output, name);
        print(output, "\r\n");
        return FALSE;
    }
    if (named) {
        print_name(output, name);
        print(output, ":");
    }
    if (numbers)
        print_number(number);
    if (offsets)
        print_number(offset);
    write_bytes(output, line, (DWORD)(end - line));
    print(output, "\r\n");
    return TRUE;
}

static void search(HANDLE file, const WCHAR *name)
{
    static char buffer[LINE_ROOM];
    DWORD filled = 0, got, number = 0, offset = 0;
    BOOL more = TRUE;
    while (more) {
        if (!ReadFile(file, buffer + filled, LINE_ROOM - filled, &got, NULL) || !got)
            got = 0, more = FALSE;
        filled += got;
        DWORD line = 0;
        for (DWORD at = 0; at <= filled; at++) {
            BOOL last = at == filled && (!more || filled == LINE_ROOM) && at > line;
            if (!last && (at == filled || buffer[at] != '\n'))
                continue;
            DWORD end = at > line && buffer[at - 1] == '\r' ? at - 1 : at;
            if (!tell_line(name, buffer + line, buffer + end, ++number, offset + line))
                return;
            line = at < filled ? at + 1 : at;
        }
        for (DWORD i = line; i < filled; i++)
            buffer[i - line] = buffer[i];
        offset += line, filled -= line;
    }
}

static void search_files(WCHAR *folder, const WCHAR *pattern)
{
    WCHAR path[MAX_PATH];
    WIN32_FIND_DATAW data;
    int size = lstrlenW(folder);
    if (size + lstrlenW(pattern) + 1 > MAX_PATH)
        return;
    lstrcpyW(path, folder);
    lstrcpyW(path + size, pattern);
    HANDLE find = FindFirstFileW(path, &data);
    if (find != INVALID_HANDLE_VALUE) {
        do {
            if (data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ||
                size + lstrlenW(data.cFileName) + 1 > MAX_PATH)
                continue;
            lstrcpyW(path + size, data.cFileName);
            HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                      OPEN_EXISTING, 0, NULL);
            if (file == INVALID_HANDLE_VALUE)
                continue;
            search(file, path);
            CloseHandle(file);
        } while (FindNextFileW(find, &data));
        FindClose(find);
    } else if (!below) {
        print(errors, "FINDSTR: Cannot open ");
        print_name(errors, path);
        print(errors, "\r\n");
    }
    if (!below)
        return;
    lstrcpyW(path, folder);
    lstrcpyW(path + size, L"*");
    find = FindFirstFileW(path, &data);
    if (find == INVALID_HANDLE_VALUE)
        return;
    do {
        int length = lstrlenW(data.cFileName);
        if (!(data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) || data.cFileName[0] == '.' ||
            size + length + 2 > MAX_PATH)
            continue;
        lstrcpyW(path, folder);
        lstrcpyW(path + size, data.cFileName);
        lstrcpyW(path + size + length, L"\\");
        search_files(path, pattern);
    } while (FindNextFileW(find, &data));
    FindClose(find);
}

static void search_word(WCHAR *word)
{
    WCHAR folder[MAX_PATH];
    int split = 0;
    for (int i = 0; word[i]; i++)
        if (word[i] == '\\' || word[i] == '/' || word[i] == ':')
            split = i + 1;
    lstrcpynW(folder, word, min(split + 1, MAX_PATH));
    search_files(folder, word + split);
}

static char *bytes_of(const WCHAR *text)
{
    int size = WideCharToMultiByte(CP_ACP, 0, text, -1, NULL, 0, NULL, NULL);
    char *bytes = HeapAlloc(GetProcessHeap(), 0, size);
    WideCharToMultiByte(CP_ACP, 0, text, -1, bytes, size, NULL, NULL);
    return bytes;
}

static void add_strings(char *text, char separator)
{
    while (*text) {
        char *start = text;
        while (*text && *text != separator && *text != '\r')
            text++;
        char end = *text;
        *text = 0;
        if (text != start && string_count < MOST_STRINGS)
            strings[string_count++] = start;
        text += end != 0;
    }
}

static void fail(const char *text)
{
    print(errors, "FINDSTR: ");
    print(errors, text);
    print(errors, "\r\n");
    ExitProcess(2);
}

static void add_file(const WCHAR *name)
{
    DWORD size, got = 0;
    HANDLE file = CreateFileW(name, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        fail("Cannot open the file of strings");
    size = GetFileSize(file, NULL);
    char *text = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, size + 1);
    ReadFile(file, text, size, &got, NULL);
    CloseHandle(file);
    add_strings(text, '\n');
}

/* Letters may stand together: /IN is /I /N. */
static void option(WCHAR *word)
{
    for (WCHAR *at = word; *at; at++)
        switch (upper(*at)) {
        case 'B': at_begin = TRUE; break;
        case 'E': at_end = TRUE; break;
        case 'X': whole = TRUE; break;
        case 'L': literal = TRUE; break;
        case 'R': regular = TRUE; break;
        case 'I': fold = TRUE; break;
        case 'V': invert = TRUE; break;
        case 'N': numbers = TRUE; break;
        case 'O': offsets = TRUE; break;
        case 'M': only_names = TRUE; break;
        case 'S': below = TRUE; break;
        case 'P': break;
        case 'C':
            if (at[1] != ':')
                fail("/C needs a string: /C:text");
            strings[string_count++ % MOST_STRINGS] = bytes_of(at + 2);
            return;
        case 'G':
            if (at[1] != ':')
                fail("/G needs a file: /G:file");
            add_file(at + 2);
            return;
        case 'A': return;
        default: fail("Bad command line");
        }
}

static BOOL has_wildcard(const WCHAR *word)
{
    for (; *word; word++)
        if (*word == '*' || *word == '?')
            return TRUE;
    return FALSE;
}

static BOOL looks_regular(const char *text)
{
    for (; *text; text++)
        if (*text == '.' || *text == '*' || *text == '[' || *text == '^' || *text == '$' ||
            *text == '\\')
            return TRUE;
    return FALSE;
}

void start(void)
{
    int at = 1;
    begin();
    for (; at < word_count && words[at][0] == '/'; at++)
        option(words[at] + 1);
    if (!string_count && at < word_count)
        add_strings(bytes_of(words[at++]), ' ');
    if (!string_count)
        fail("Bad command line");
    regular = !literal && (regular || looks_regular(strings[0]));
    if (at == word_count && !below)
        search(GetStdHandle(STD_INPUT_HANDLE), L"");
    named = below || at + 1 < word_count || (at < word_count && has_wildcard(words[at]));
    for (; at < word_count; at++)
        search_word(words[at]);
    ExitProcess(!found);
}
