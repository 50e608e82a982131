/* fc [/B] [/C] [/L] [/N] [/T] [/W] [/lines] file file: where two files differ.
 *
 *   /B byte for byte, as programs and libraries are anyway; /L as text; /C case does not count;
 *   /N with line numbers; /W runs of blanks are one; /T tabs are tabs, as they are anyway;
 *   /n so many lines must agree behind a difference, two if not said
 *
 * Ends with 0 when the files agree, with 1 when not, with 2 for a mistake.
 */
#include "text.h"

enum { MOST_LINES_APART = 100 };

struct side { const WCHAR *name; struct text text; DWORD *lines, count; };

static BOOL binary, as_text, fold, numbers, blanks;
static DWORD resync = 2;
static struct side sides[2];

static void fail(const char *text)
{
    print(errors, "FC: ");
    print(errors, text);
    print(errors, "\r\n");
    ExitProcess(2);
}

static void print_upper(const WCHAR *name)
{
    WCHAR shown[MAX_PATH];
    lstrcpynW(shown, name, MAX_PATH);
    CharUpperW(shown);
    print_name(output, shown);
}

static void load(struct side *side, const WCHAR *name)
{
    HANDLE file = open_to_read(name);
    if (file == INVALID_HANDLE_VALUE) {
        print(errors, "FC: cannot open ");
        print_name(errors, name);
        print(errors, " - No such file or folder\r\n");
        ExitProcess(2);
    }
    side->name = name;
    read_text(file, &side->text);
    CloseHandle(file);
    for (DWORD at = 0; at < side->text.size; at = next_line(&side->text, at))
        side->count++;
    side->lines = HeapAlloc(GetProcessHeap(), 0, (side->count + 1) * sizeof *side->lines);
    DWORD at = 0;
    for (DWORD line = 0; line < side->count; line++)
        side->lines[line] = at, at = next_line(&side->text, at);
}

static BOOL blank(char byte) { return byte == ' ' || byte == '\t'; }

static char lower(char byte) { return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte; }

static BOOL same_line(DWORD a, DWORD b)
{
    const struct text *first = &sides[0].text, *second = &sides[1].text;
    const char *at = first->bytes + sides[0].lines[a], *to = second->bytes + sides[1].lines[b];
    const char *end = at + line_size(first, sides[0].lines[a]);
    const char *last = to + line_size(second, sides[1].lines[b]);
    if (blanks) {
        while (end > at && blank(end[-1]))
            end--;
        while (last > to && blank(last[-1]))
            last--;
    }
    for (; at < end && to < last; at++, to++) {
        if (blanks && blank(*at) && blank(*to)) {
            while (at + 1 < end && blank(at[1]))
                at++;
            while (to + 1 < last && blank(to[1]))
                to++;
        } else if (*at != *to && !(fold && lower(*at) == lower(*to)))
            return FALSE;
    }
    return at == end && to == last;
}

static BOOL agree(DWORD a, DWORD b)
{
    for (DWORD i = 0; i < resync; i++) {
        if (a + i >= sides[0].count || b + i >= sides[1].count)
            return a + i >= sides[0].count && b + i >= sides[1].count;
        if (!same_line(a + i, b + i))
            return FALSE;
    }
    return TRUE;
}

static void print_part(const struct side *side, DWORD first, DWORD end)
{
    print(output, "***** ");
    if (side == sides)
        print_name(output, side->name);
    else
        print_upper(side->name);
    print(output, "\r\n");
    for (; first < end && first < side->count; first++) {
        if (numbers)
            print_padded(output, first + 1, 5), print(output, ":  ");
        write_bytes(output, side->text.bytes + side->lines[first],
                    line_size(&side->text, side->lines[first]));
        print(output, "\r\n");
    }
}

/* The nearest places behind a difference where both agree again; FALSE when there are none. */
static BOOL meet(DWORD *a, DWORD *b)
{
    for (DWORD apart = 1; apart <= 2 * MOST_LINES_APART; apart++)
        for (DWORD ahead = 0; ahead <= apart; ahead++)
            if (*a + ahead <= sides[0].count && *b + apart - ahead <= sides[1].count &&
                agree(*a + ahead, *b + apart - ahead)) {
                *a += ahead, *b += apart - ahead;
                return TRUE;
            }
    return FALSE;
}

static BOOL compare_lines(void)
{
    BOOL differ = FALSE;
    DWORD a = 0, b = 0;
    while (a < sides[0].count || b < sides[1].count) {
        if (a < sides[0].count && b < sides[1].count && same_line(a, b)) {
            a++, b++;
            continue;
        }
        DWORD to = a, other = b, before = a && b;
        BOOL again = meet(&to, &other);
        differ = TRUE;
        if (!again)
            to = sides[0].count, other = sides[1].count;
        print_part(&sides[0], a - before, to + 1);
        print_part(&sides[1], b - before, other + 1);
        print(output, "*****\r\n\r\n");
        a = to, b = other;
    }
    return differ;
}

static BOOL compare_bytes(void)
{
    const struct text *first = &sides[0].text, *second = &sides[1].text;
    DWORD size = min(first->size, second->size);
    BOOL differ = first->size != second->size;
    for (DWORD at = 0; at < size; at++) {
        if (first->bytes[at] == second->bytes[at])
            continue;
        differ = TRUE;
        print_hex(output, at, 8), print(output, ": ");
        print_hex(output, (unsigned char)first->bytes[at], 2), print(output, " ");
        print_hex(output, (unsigned char)second->bytes[at], 2), print(output, "\r\n");
    }
    if (first->size != second->size) {
        BOOL longer = second->size > first->size;
        print(output, "FC: ");
        print_upper(sides[longer].name);
        print(output, " longer than ");
        print_upper(sides[!longer].name);
        print(output, "\r\n\r\n");
    }
    return differ;
}

static BOOL is_program(const WCHAR *name)
{
    static const WCHAR *const kinds[] = {L".EXE", L".COM", L".SYS", L".OBJ", L".LIB", L".BIN"};
    int size = lstrlenW(name);
    for (int i = 0; i < 6; i++)
        if (size > 4 && !lstrcmpiW(name + size - 4, kinds[i]))
            return TRUE;
    return FALSE;
}

static void take_option(const WCHAR *option)
{
    switch (upper(option[0])) {
    case 'B': binary = TRUE; break;
    case 'L': as_text = TRUE; break; /* and LBn, the lines that are compared at a time */
    case 'C': fold = TRUE; break;
    case 'N': numbers = TRUE; break;
    case 'W': blanks = TRUE; break;
    case 'A': case 'O': case 'T': case 'U': break;
    default:
        if (option[0] < '1' || option[0] > '9')
            fail("Invalid Switch");
        for (resync = 0; *option >= '0' && *option <= '9'; option++)
            resync = 10 * resync + (*option - '0');
    }
}

void start(void)
{
    const WCHAR *names[2];
    int count = 0;
    BOOL differ;
    begin();
    for (int at = 1; at < word_count; at++)
        if (words[at][0] == '/')
            take_option(words[at] + 1);
        else if (count < 2)
            names[count++] = words[at];
    if (count < 2)
        fail("Insufficient number of file specifications");
    load(&sides[0], names[0]);
    load(&sides[1], names[1]);
    print(output, "Comparing files ");
    print_name(output, names[0]);
    print(output, " and ");
    print_upper(names[1]);
    print(output, "\r\n");
    differ = binary || (!as_text && is_program(names[0])) ? compare_bytes() : compare_lines();
    if (!differ)
        print(output, "FC: no differences encountered\r\n\r\n");
    ExitProcess(differ);
}
