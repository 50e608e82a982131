/* more [/S] [/Tn] [+n] [file...]: files or the input by screens.
 *
 *   /S empty lines that follow each other as one; /Tn tabs as n columns; +n from line n on
 *
 * A key shows the next screen, Enter the next line, Q ends.  Where the output is no console,
 * everything is written at once.
 */
#include "text.h"

enum { DEFAULT_TAB = 8 };

static BOOL squeeze;
static DWORD tab, first_line = 1, rows, shown;

static DWORD number_of(const WCHAR *text)
{
    DWORD number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = 10 * number + (*text - '0');
    return number;
}

static WCHAR key(void)
{
    WCHAR unit = 0;
    DWORD mode, got = 0;
    HANDLE keys = CreateFileW(L"CONIN$", GENERIC_READ | GENERIC_WRITE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    if (keys == INVALID_HANDLE_VALUE)
        return 'Q';
    GetConsoleMode(keys, &mode);
    SetConsoleMode(keys, 0);
    ReadConsoleW(keys, &unit, 1, &got, NULL);
    SetConsoleMode(keys, mode);
    CloseHandle(keys);
    return got ? upper(unit) : 'Q';
}

static void turn_page(void)
{
    WCHAR pressed;
    print(output, "-- More --");
    pressed = key();
    print(output, "\r          \r");
    if (pressed == 'Q')
        ExitProcess(0);
    shown = pressed == '\r' ? rows - 1 : 0;
}

static void print_line(const char *line, int size)
{
    DWORD column = 0;
    int begin = 0;
    for (int at = 0; at < size && tab; at++) {
        if (line[at] != '\t') {
            column++;
            continue;
        }
        write_bytes(output, line + begin, at - begin);
        begin = at + 1;
        do
            print(output, " ");
        while (++column % tab);
    }
    write_bytes(output, line + begin, size - begin);
    print(output, "\r\n");
}

static void show(const struct text *text)
{
    DWORD number = 0;
    BOOL was_empty = FALSE;
    for (DWORD at = 0; at < text->size; at = next_line(text, at)) {
        int size = line_size(text, at);
        if (++number < first_line || (squeeze && !size && was_empty))
            continue;
        was_empty = !size;
        if (rows && shown >= rows)
            turn_page();
        print_line(text->bytes + at, size);
        shown++;
    }
}

static void show_file(WCHAR *path, const WCHAR *name)
{
    struct text text;
    HANDLE file = open_to_read(path);
    if (file == INVALID_HANDLE_VALUE) {
        print(errors, "Cannot access file ");
        print_name(errors, name);
        print(errors, "\r\n");
        ExitProcess(1);
    }
    read_text(file, &text);
    CloseHandle(file);
    show(&text);
}

void start(void)
{
    CONSOLE_SCREEN_BUFFER_INFO screen;
    BOOL has_file = FALSE;
    struct text text;
    begin();
    if (GetConsoleScreenBufferInfo(output, &screen)) {
        rows = screen.srWindow.Bottom - screen.srWindow.Top;
        tab = DEFAULT_TAB;
    }
    for (int at = 1; at < word_count; at++) {
        WCHAR *word = words[at];
        if (word[0] == '+')
            first_line = number_of(word + 1);
        else if (word[0] == '/' && upper(word[1]) == 'S')
            squeeze = TRUE;
        else if (word[0] == '/' && upper(word[1]) == 'T')
            tab = number_of(word + 2);
        else if (word[0] != '/')
            has_file = TRUE, each_file(word, show_file);
    }
    if (!has_file)
        read_text(GetStdHandle(STD_INPUT_HANDLE), &text), show(&text);
    ExitProcess(0);
}
