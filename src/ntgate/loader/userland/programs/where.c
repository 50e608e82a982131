/* where [/R folder] [/Q] [/F] pattern...: the files that a name or a pattern means.
 *
 * Looks in the current folder and then in those of PATH, as NT's where.exe; a pattern without an
 * extension stands for those of PATHEXT as well.  $NAME:pattern looks in the folders that a
 * variable lists, folders:pattern in those that it lists itself.  Ends with 0 when something was
 * found, with 1 when not, with 2 for a mistake.
 */
#include "tool.h"

static BOOL quiet, quoted, found;
static WCHAR extensions[1024];

static void tell(const WCHAR *path)
{
    found = TRUE;
    if (quiet)
        return;
    if (quoted)
        print(output, "\"");
    print_name(output, path);
    print(output, quoted ? "\"\r\n" : "\r\n");
}

static void join(WCHAR *path, const WCHAR *folder, const WCHAR *name)
{
    int size = lstrlenW(folder);
    lstrcpynW(path, folder, MAX_PATH);
    if (size && size < MAX_PATH - 1 && path[size - 1] != '\\')
        path[size++] = '\\', path[size] = 0;
    if (size < MAX_PATH)
        lstrcpynW(path + size, name, MAX_PATH - size);
}

static void find_exactly(const WCHAR *folder, const WCHAR *pattern)
{
    WCHAR path[MAX_PATH], whole[MAX_PATH];
    WIN32_FIND_DATAW data;
    join(path, folder, pattern);
    HANDLE search = FindFirstFileW(path, &data);
    if (search == INVALID_HANDLE_VALUE)
        return;
    do {
        if (data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
            continue;
        join(path, folder, data.cFileName);
        if (GetFullPathNameW(path, MAX_PATH, whole, NULL))
            tell(whole);
    } while (FindNextFileW(search, &data));
    FindClose(search);
}

static BOOL has_extension(const WCHAR *pattern)
{
    for (; *pattern; pattern++)
        if (*pattern == '.')
            return TRUE;
    return FALSE;
}

/* The next part of a list between semicolons; FALSE at its end. */
static BOOL next_part(const WCHAR **list, WCHAR *part)
{
    int size = 0;
    while (**list == ';')
        (*list)++;
    while (**list && **list != ';') {
        if (size < MAX_PATH - 1)
            part[size++] = **list;
        (*list)++;
    }
    part[size] = 0;
    return size != 0;
}

static void find_in_folder(const WCHAR *folder, const WCHAR *pattern)
{
    const WCHAR *list = extensions;
    WCHAR extension[MAX_PATH], name[MAX_PATH];
    find_exactly(folder, pattern);
    if (has_extension(pattern))
        return;
    while (next_part(&list, extension))
        if (lstrlenW(pattern) + lstrlenW(extension) < MAX_PATH) {
            lstrcpyW(name, pattern);
            lstrcatW(name, extension);
            find_exactly(folder, name);
        }
}

static void find_in_list(const WCHAR *folders, const WCHAR *pattern)
{
    WCHAR folder[MAX_PATH];
    while (next_part(&folders, folder))
        find_in_folder(folder, pattern);
}

static void find_below(const WCHAR *folder, const WCHAR *pattern)
{
    WCHAR path[MAX_PATH];
    WIN32_FIND_DATAW data;
    find_in_folder(folder, pattern);
    join(path, folder, L"*");
    HANDLE search = FindFirstFileW(path, &data);
    if (search == INVALID_HANDLE_VALUE)
        return;
    do {
        if (data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY && lstrcmpW(data.cFileName, L".") &&
            lstrcmpW(data.cFileName, L"..")) {
            join(path, folder, data.cFileName);
            find_below(path, pattern);
        }
    } while (FindNextFileW(search, &data));
    FindClose(search);
}

static WCHAR *colon_of(WCHAR *word)
{
    for (; *word; word++)
        if (*word == ':')
            return word;
    return NULL;
}

static void find_word(WCHAR *word)
{
    static WCHAR list[0x8000];
    WCHAR *colon = colon_of(word);
    if (colon && *word == '$') {
        *colon = 0;
        if (GetEnvironmentVariableW(word + 1, list, 0x8000))
            find_in_list(list, colon + 1);
    } else if (colon) {
        while (colon_of(colon + 1))
            colon = colon_of(colon + 1);
        *colon = 0;
        find_in_list(word, colon + 1);
    } else {
        find_in_folder(L".", word);
        if (GetEnvironmentVariableW(L"PATH", list, 0x8000))
            find_in_list(list, word);
    }
}

void start(void)
{
    const WCHAR *below = NULL;
    int at = 1;
    BOOL any = FALSE;
    begin();
    if (!GetEnvironmentVariableW(L"PATHEXT", extensions, 1024))
        lstrcpyW(extensions, L".COM;.EXE;.BAT;.CMD");
    for (; at < word_count && words[at][0] == '/'; at++) {
        WCHAR option = upper(words[at][1]);
        if (option == 'R' && at + 1 < word_count)
            below = words[++at];
        else if (option == 'Q')
            quiet = TRUE;
        else if (option == 'F')
            quoted = TRUE;
        else {
            print(errors, "ERROR: Invalid argument or option - '");
            print_name(errors, words[at]);
            print(errors, "'.\r\n");
            ExitProcess(2);
        }
    }
    if (at == word_count) {
        print(errors, "usage: where [/R folder] [/Q] [/F] pattern...\r\n");
        ExitProcess(2);
    }
    for (; at < word_count; at++) {
        found = FALSE;
        if (below)
            find_below(below, words[at]);
        else
            find_word(words[at]);
        any |= found;
    }
    if (!any && !quiet)
        print(errors, "INFO: Could not find files for the given pattern(s).\r\n");
    ExitProcess(!any);
}
