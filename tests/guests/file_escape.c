/* Tries to reach what lies outside of C:\work, the folder that the host has lent.
 *
 * Prints a line for each attempt: its number, and the status of the open or what was read.  No
 * attempt may ever read the word SECRET.  Given "race" on its command line it opens swap\file
 * again and again instead, while somebody swaps the folder, until the file `stop` is there.
 */
#include "nt_file.h"

#define W L"\\??\\C:\\work\\"

static PWSTR names[] = {
    /* Ways up that Win32 would have taken out of a name */
    W L"..\\outside\\secret.txt", W L"sub\\..\\..\\outside\\secret.txt", W L".\\..\\secret.txt",
    W L"..", W L"../outside/secret.txt", W L"sub/../../outside/secret.txt",
    W L"%2e%2e\\outside\\secret.txt", W L"..\\..\\..\\..\\..\\..\\etc\\passwd",
    W L".. \\outside\\secret.txt", W L"...\\outside\\secret.txt", W L"\\\\outside\\secret.txt",
    /* Links on the host */
    W L"absolute", W L"relative", W L"chain", W L"folder\\secret.txt", W L"folder", W L"up",
    W L"up\\outside\\secret.txt", W L"root\\etc\\passwd", W L"passwd", W L"proc\\1\\environ",
    W L"self\\..\\..\\secret.txt", W L"ABSOLUTE", W L"RELATI~1", W L"FOLDER\\SECRET.TXT",
    W L"dangling", W L"loop", W L"into\\..\\..\\outside\\secret.txt",
    /* What is no file */
    W L"fifo", W L"null", W L"zero",
    /* Streams, odd ends and long names */
    W L"inside.txt:..\\outside", W L"absolute::$DATA", W L"absolute:stream", W L"absolute.",
    W L"absolute ", W L"folder.\\secret.txt", W L"folder::$INDEX_ALLOCATION\\secret.txt",
    W L"inside.txt\\..\\..\\outside\\secret.txt", W L"\x202e" L"absolute",
    /* Devices and other roads to the file system */
    L"\\??\\UNC\\localhost\\c$\\etc\\passwd", L"\\??\\unix\\etc\\passwd", L"\\??\\Z:\\etc\\passwd",
    L"\\??\\D:\\", L"\\??\\GLOBALROOT\\Device\\HarddiskVolume1\\work\\absolute",
    L"\\Device\\HarddiskVolume1\\work\\folder\\secret.txt", L"\\??\\PhysicalDrive0",
    L"\\Device\\Harddisk0\\Partition0", L"\\Device\\PhysicalMemory", L"\\??\\CON\\..\\secret.txt",
    L"\\??\\NUL\\..\\secret.txt", L"\\??\\pipe\\..\\..\\secret.txt", L"\\Device\\Mup\\host\\share",
    L"\\SystemRoot\\..\\work\\absolute", L"\\DosDevices\\C:\\work\\relative",
    L"\\??\\C:\\work\\sub\\..\\absolute", L"\\??\\C:work\\absolute", L"C:\\work\\absolute",
    L"/etc/passwd",
};

static BOOLEAN holds_secret(const CHAR *text, ULONG length)
{
    for (ULONG i = 0; i + 6 <= length; i++)
        if (text[i] == 'S' && text[i + 1] == 'E' && text[i + 2] == 'C' && text[i + 3] == 'R')
            return TRUE;
    return FALSE;
}

static void read_it(HANDLE file)
{
    CHAR text[64];
    LARGE_INTEGER start = {.QuadPart = 0};
    NTSTATUS status = NtReadFile(file, NULL, NULL, NULL, &io, text, sizeof text, &start, NULL);
    if (status != STATUS_SUCCESS)
        print("read "), print_hex(status);
    else if (holds_secret(text, io.Information))
        print("SECRET");
    else
        print("other bytes");
}

static void attempt(PWSTR name, ACCESS_MASK access, ULONG disposition)
{
    HANDLE file = create(name, access, disposition, FILE_SHARE_ALL, SYNC);
    if (!file) {
        print_hex(opened);
        return;
    }
    read_it(file);
    NtClose(file);
}

/* Where a junction or a symbolic link of the guest's own making could lead to. */
static const struct {
    ULONG tag;
    BOOLEAN relative;
    PWSTR target;
} ways[] = {
    {TAG_JUNCTION, FALSE, L"\\??\\"},
    {TAG_JUNCTION, FALSE, L"\\??\\C:\\work\\..\\outside"},
    {TAG_JUNCTION, FALSE, L"\\??\\C:\\work\\folder"},
    {TAG_JUNCTION, FALSE, L"\\??\\C:\\work\\up\\outside"},
    {TAG_JUNCTION, FALSE, L"\\Device\\HarddiskVolume1\\work\\folder\\"},
    {TAG_JUNCTION, FALSE, L"\\??\\UNC\\localhost\\c$\\etc"},
    {TAG_JUNCTION, FALSE, L"\\??\\unix\\etc"},
    {TAG_JUNCTION, FALSE, L"\\??\\Z:\\"},
    {TAG_JUNCTION, FALSE, L"\\??\\C:\\work\\way8"}, /* itself */
    {TAG_JUNCTION, FALSE, L"\\??\\C:\\work\\way10"}, /* the next one, which comes back */
    {TAG_JUNCTION, FALSE, L"\\??\\C:\\work\\way9"},
    {TAG_SYMLINK, FALSE, L"\\??\\C:\\work\\folder"},
    {TAG_SYMLINK, TRUE, L"..\\..\\outside"},
    {TAG_SYMLINK, TRUE, L"..\\..\\..\\..\\..\\..\\etc"},
    {TAG_SYMLINK, TRUE, L"folder"},
    {TAG_SYMLINK, TRUE, L".\\sub\\..\\up\\outside"},
    {TAG_SYMLINK, TRUE, L"../outside"},
};
enum { WAYS = sizeof ways / sizeof *ways };

static void append(PWSTR to, PWSTR text)
{
    ULONG end = wide_length(to), i = 0;
    do
        to[end + i] = text[i];
    while (text[i++]);
}

static void make_ways(void)
{
    for (ULONG i = 0; i < WAYS; i++) {
        WCHAR name[64] = W L"way", digits[3] = {(WCHAR)(i < 10 ? L'0' + i : L'1'),
            (WCHAR)(i < 10 ? 0 : L'0' + i % 10), 0};
        append(name, digits);
        HANDLE folder = create(name, FILE_GENERIC_WRITE, FILE_OPEN_IF, FILE_SHARE_ALL,
            FILE_DIRECTORY_FILE | SYNC);
        print("way "), print_decimal(i), print(" ");
        print_hex(folder ? set_link(folder, ways[i].tag, ways[i].target, ways[i].relative)
            : opened);
        NtClose(folder);
        print("\n");
    }
}

static void go_ways(void)
{
    static PWSTR ends[] = {L"", L"\\secret.txt", L"\\file", L"\\passwd"};
    for (ULONG i = 0; i < WAYS; i++)
        for (ULONG end = 0; end < sizeof ends / sizeof *ends; end++) {
            WCHAR name[64] = W L"way", digits[3] = {(WCHAR)(i < 10 ? L'0' + i : L'1'),
                (WCHAR)(i < 10 ? 0 : L'0' + i % 10), 0};
            append(name, digits), append(name, ends[end]);
            print("through "), print_decimal(i), print(" ");
            attempt(name, FILE_GENERIC_READ, FILE_OPEN), print(" ");
            attempt(name, FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OPEN_IF), print("\n");
        }
}

static void make_links(void)
{
    HANDLE file;
    make_ways();
    go_ways();
    file = create(W L"inside.txt", FILE_GENERIC_READ | DELETE, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    print("link up "), print_hex(name_it(file, W L"..\\outside\\made", FALSE, FileLinkInformation));
    print("\nlink through "),
        print_hex(name_it(file, W L"folder\\made", FALSE, FileLinkInformation));
    print("\nrename up "), print_hex(name_it(file, W L"..\\made", TRUE, FileRenameInformation));
    print("\nrename through "),
        print_hex(name_it(file, W L"folder\\made", TRUE, FileRenameInformation));
    print("\nrename bare "), print_hex(name_it(file, L"..", TRUE, FileRenameInformation));
    print("\n");
    NtClose(file);
}

static void race(void)
{
    ULONG inside = 0, refused = 0, escaped = 0;
    while (try_open(W L"stop", FILE_GENERIC_READ, FILE_OPEN, FILE_SHARE_ALL, SYNC) != 0) {
        CHAR text[64];
        LARGE_INTEGER start = {.QuadPart = 0};
        HANDLE file = create(W L"swap\\file", FILE_GENERIC_READ, FILE_OPEN, FILE_SHARE_ALL, SYNC);
        if (file && NtReadFile(file, NULL, NULL, NULL, &io, text, sizeof text, &start, NULL) == 0) {
            if (holds_secret(text, io.Information))
                escaped++;
            else
                inside++;
        } else
            refused++;
        if (file)
            NtClose(file);
        try_open(W L"swap\\made", FILE_GENERIC_WRITE | DELETE, FILE_CREATE, FILE_SHARE_ALL,
            FILE_DELETE_ON_CLOSE | SYNC);
    }
    print("inside "), print(inside ? "yes" : "no");
    print(", refused "), print(refused ? "yes" : "no");
    print(", escaped "), print_decimal(escaped), print("\n");
}

void start(void)
{
    UNICODE_STRING line = NtCurrentPeb()->ProcessParameters->CommandLine;
    if (line.Length >= 8 && line.Buffer[line.Length / 2 - 1] == 'e' &&
        line.Buffer[line.Length / 2 - 4] == 'r') {
        race();
        exit_process(0);
    }
    for (ULONG i = 0; i < sizeof names / sizeof *names; i++) {
        print_decimal(i + 1), print(" ");
        attempt(names[i], FILE_GENERIC_READ, FILE_OPEN);
        print(" ");
        attempt(names[i], FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OPEN_IF);
        print("\n");
    }
    make_links();
    exit_process(0);
}
