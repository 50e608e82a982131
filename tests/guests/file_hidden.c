/* What the host's folder C:\work has that the guest can't see is left alone, and its borders stay.
 *
 * Prints a line for each attempt: what it was, and the status.  C:\work\in is a mount of its own.
 */
#include "nt_file.h"

#define W L"\\??\\C:\\work\\"
#define FIRST_FILE_ID 0x1000000000005ll
#define IDS 4000

static void tell(const CHAR *what, NTSTATUS status)
{
    print(what), print(" "), print_hex(status), print("\n");
}

static NTSTATUS try_name(PWSTR from, PWSTR to, FILE_INFORMATION_CLASS kind)
{
    HANDLE file = create(from, GENERIC_READ | DELETE, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    NTSTATUS status;
    if (!file)
        return opened;
    status = name_it(file, to, TRUE, kind);
    NtClose(file);
    return status;
}

static void names_of_no_host(void)
{
    static PWSTR names[] = {W L"\xd800", W L"\xdc00x", W L"x\xdc2f" L"y"};
    for (ULONG i = 0; i < sizeof names / sizeof *names; i++) {
        tell("create", try_open(names[i], GENERIC_WRITE, FILE_OPEN_IF, FILE_SHARE_ALL, SYNC));
        tell("folder", try_open(names[i], GENERIC_WRITE, FILE_OPEN_IF, FILE_SHARE_ALL,
            SYNC | FILE_DIRECTORY_FILE));
        tell("rename", try_name(W L"own.txt", names[i] + 12, FileRenameInformation));
        tell("link", try_name(W L"own.txt", names[i] + 12, FileLinkInformation));
    }
}

/* A link that leads out, a FIFO, and the second of two names that differ in case alone are not
 * seen; what takes their names would replace them.
 */
static void taken_names(void)
{
    tell("rename over link", try_name(W L"own.txt", L"absolute", FileRenameInformation));
    tell("rename over fifo", try_name(W L"own.txt", L"fifo", FileRenameInformation));
    tell("link over link", try_name(W L"own.txt", L"absolute", FileLinkInformation));
    tell("link over fifo", try_name(W L"own.txt", L"fifo", FileLinkInformation));
    tell("rename over twin", try_name(W L"own.txt", L"twin.txt", FileRenameInformation));
    tell("link over twin", try_name(W L"own.txt", L"twin.txt", FileLinkInformation));
}

static void borders(void)
{
    tell("rename mount", try_name(W L"in", L"out", FileRenameInformation));
    tell("rename over mount", try_name(W L"own.txt", L"in", FileRenameInformation));
    tell("rename into mount", try_name(W L"own.txt", W L"in\\own.txt", FileRenameInformation));
    tell("link into mount", try_name(W L"own.txt", W L"in\\own.txt", FileLinkInformation));
    HANDLE folder = create(W L"in", DELETE, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    tell("delete mount", mark_deleted(folder, TRUE));
    NtClose(folder);
    tell("delete mount on close", try_open(W L"in", DELETE, FILE_OPEN, FILE_SHARE_ALL,
        SYNC | FILE_DELETE_ON_CLOSE));
}

/* Opens all that has an id; tells how many files there are whose name can't be asked for. */
static void all_ids(void)
{
    ULONG nameless = 0, found = 0;
    for (LONGLONG id = FIRST_FILE_ID; id < FIRST_FILE_ID + IDS; id++) {
        struct { ULONG length; WCHAR text[300]; } name;
        UNICODE_STRING number = {sizeof id, sizeof id, (PWSTR)&id};
        OBJECT_ATTRIBUTES object = named(&number);
        HANDLE file, root = create(W, FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_SHARE_ALL, SYNC);
        object.RootDirectory = root;
        if (NtCreateFile(&file, FILE_READ_ATTRIBUTES | SYNCHRONIZE, &object, &io, NULL, 0,
                FILE_SHARE_ALL, FILE_OPEN, FILE_OPEN_BY_FILE_ID | SYNC, NULL, 0) == 0) {
            found++;
            nameless += NtQueryInformationFile(file, &io, &name, sizeof name,
                FileNameInformation) != 0;
            NtClose(file);
        }
        NtClose(root);
    }
    print("ids "), print(found ? "some" : "none"), print(", nameless "), print_decimal(nameless);
    print("\n");
}

void start(void)
{
    HANDLE own = create(W L"own.txt", GENERIC_WRITE, FILE_OPEN_IF, FILE_SHARE_ALL, SYNC);
    put(own, "own");
    NtClose(own);
    names_of_no_host();
    taken_names();
    borders();
    all_ids();
    exit_process(0);
}
