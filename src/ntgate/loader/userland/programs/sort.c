/* sort [/R] [/+column] [/O file] [file]: the lines of a file or of the input in their order.
 *
 *   /R from the last to the first; /+n from column n on; /L C by the bytes' values; /U equal lines
 *   once; /O file instead of the output.  /M, /REC and /T are taken and change nothing.
 *
 * Case does not count, unless by /L C.
 */
#include "text.h"

struct line { const char *bytes; };

static BOOL reverse, by_value, once;
static DWORD column;
static const WCHAR *result;

static void fail(const char *text)
{
    print(errors, text);
    print(errors, "\r\n");
    ExitProcess(2);
}

static const char *from_column(const char *line)
{
    for (DWORD i = 0; i < column && *line; i++)
        line++;
    return line;
}

static int compare(const char *a, const char *b)
{
    a = from_column(a), b = from_column(b);
    if (!by_value)
        return lstrcmpiA(a, b);
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

/* Equal lines stay in their order; `spare` has room for half of the lines. */
static void merge_sort(struct line *lines, struct line *spare, DWORD count)
{
    DWORD half = count / 2, left = 0, right = half, to = 0;
    if (count < 2)
        return;
    merge_sort(lines, spare, half);
    merge_sort(lines + half, spare, count - half);
    memcpy(spare, lines, half * sizeof *lines);
    while (left < half && right < count) {
        int order = compare(spare[left].bytes, lines[right].bytes);
        lines[to++] = (reverse ? order >= 0 : order <= 0) ? spare[left++] : lines[right++];
    }
    while (left < half)
        lines[to++] = spare[left++];
}

static DWORD number_of(const WCHAR *text)
{
    DWORD number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = 10 * number + (*text - '0');
    if (*text || !number)
        fail("Invalid switch.");
    return number;
}

static HANDLE take_words(HANDLE input)
{
    for (int at = 1; at < word_count; at++) {
        const WCHAR *word = words[at];
        if (word[0] != '/') {
            input = open_to_read(word);
            if (input == INVALID_HANDLE_VALUE) {
                print_name(errors, word);
                fail("The system cannot find the file specified.");
            }
            continue;
        }
        BOOL has_next = at + 1 < word_count;
        switch (upper(word[1])) {
        case '+': column = number_of(word + 2) - 1; break;
        case 'R':
            if (upper(word[2]) == 'E' && upper(word[3]) == 'C')
                at += has_next;
            else
                reverse = TRUE;
            break;
        case 'U': once = TRUE; break;
        case 'L': by_value = has_next, at += has_next; break;
        case 'M': case 'T': at += has_next; break;
        case 'O':
            if (!has_next)
                fail("Invalid switch.");
            result = words[++at];
            break;
        default: fail("Invalid switch.");
        }
    }
    return input;
}

/* Once the input is read, which may be of the same name. */
static void open_result(void)
{
    output = CreateFileW(result, GENERIC_WRITE, FILE_SHARE_READ, NULL, CREATE_ALWAYS,
                         FILE_ATTRIBUTE_NORMAL, NULL);
    if (output == INVALID_HANDLE_VALUE)
        fail("Access is denied.");
}

void start(void)
{
    struct text text;
    DWORD count = 0;
    begin();
    read_text(take_words(GetStdHandle(STD_INPUT_HANDLE)), &text);
    if (result)
        open_result();
    for (DWORD at = 0; at < text.size; at = next_line(&text, at))
        count++;
    struct line *lines = HeapAlloc(GetProcessHeap(), 0, (count + count / 2 + 1) * sizeof *lines);
    DWORD filled = 0;
    for (DWORD at = 0; at < text.size; filled++) {
        DWORD next = next_line(&text, at);
        lines[filled].bytes = text.bytes + at;
        text.bytes[at + line_size(&text, at)] = 0;
        at = next;
    }
    merge_sort(lines, lines + count, count);
    for (DWORD i = 0; i < count; i++) {
        if (once && i && !compare(lines[i - 1].bytes, lines[i].bytes))
            continue;
        print(output, lines[i].bytes);
        print(output, "\r\n");
    }
    ExitProcess(0);
}
