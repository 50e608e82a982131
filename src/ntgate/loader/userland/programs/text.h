/* Texts by lines, numbers, and files by names with * and ?, for the programs of this folder. */
#include "tool.h"

static inline void print_padded(HANDLE to, DWORD number, int width)
{
    char digits[12], *at = digits + sizeof digits;
    *--at = 0;
    do
        *--at = '0' + number % 10, width--;
    while (number /= 10);
    while (width-- > 0)
        *--at = ' ';
    print(to, at);
}

static inline void print_number(HANDLE to, DWORD number) { print_padded(to, number, 0); }

static inline void print_hex(HANDLE to, DWORD number, int width)
{
    char digits[9];
    digits[width] = 0;
    while (width--)
        digits[width] = "0123456789ABCDEF"[number & 15], number >>= 4;
    print(to, digits);
}

/* A text that was read whole; a byte of room is behind it. */
struct text { char *bytes; DWORD size; };

static inline void read_text(HANDLE file, struct text *text)
{
    DWORD room = LINE_ROOM, got;
    text->bytes = HeapAlloc(GetProcessHeap(), 0, room);
    text->size = 0;
    while (ReadFile(file, text->bytes + text->size, room - 1 - text->size, &got, NULL) && got) {
        text->size += got;
        if (text->size == room - 1) {
            room *= 2;
            text->bytes = HeapReAlloc(GetProcessHeap(), 0, text->bytes, room);
        }
    }
}

static inline DWORD next_line(const struct text *text, DWORD at)
{
    while (at < text->size && text->bytes[at] != '\n')
        at++;
    return at < text->size ? at + 1 : at;
}

/* Without its end. */
static inline int line_size(const struct text *text, DWORD at)
{
    DWORD end = next_line(text, at);
    if (end > at && text->bytes[end - 1] == '\n')
        end--;
    if (end > at && text->bytes[end - 1] == '\r')
        end--;
    return end - at;
}

static inline HANDLE open_to_read(const WCHAR *path)
{
    return CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                       0, NULL);
}

/* Each file that a name with * and ? means, with its path and as it is called; a name that means
 * none is passed as it is. */
static inline void each_file(WCHAR *word, void (*take)(WCHAR *path, const WCHAR *name))
{
    WCHAR path[MAX_PATH];
    WIN32_FIND_DATAW data;
    int split = 0;
    BOOL wild = FALSE;
    for (int i = 0; word[i]; i++) {
        wild |= word[i] == '*' || word[i] == '?';
        if (word[i] == '\\' || word[i] == '/' || word[i] == ':')
            split = i + 1;
    }
    HANDLE search = wild ? FindFirstFileW(word, &data) : INVALID_HANDLE_VALUE;
    if (search == INVALID_HANDLE_VALUE) {
        take(word, word);
        return;
    }
    do {
        if (data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ||
            split + lstrlenW(data.cFileName) >= MAX_PATH)
            continue;
        lstrcpynW(path, word, split + 1);
        lstrcpyW(path + split, data.cFileName);
        take(path, path);
    } while (FindNextFileW(search, &data));
    FindClose(search);
}
