/* Directories: scans with patterns, information classes, 8.3 names, notices of changes. */
#include "nt_file.h"

#define AT L"\\??\\C:\\dir\\"

static union { UCHAR bytes[2048]; LARGE_INTEGER aligned; } space;
#define BUFFER (space.bytes)

static HANDLE directory(void)
{
    return create(L"\\??\\C:\\dir", FILE_LIST_DIRECTORY, FILE_OPEN, FILE_SHARE_ALL,
        FILE_DIRECTORY_FILE | SYNC);
}

static NTSTATUS scan(HANDLE handle, PWSTR mask, FILE_INFORMATION_CLASS kind, ULONG length,
    BOOLEAN single, BOOLEAN restart)
{
    UNICODE_STRING pattern = {0, 0, NULL};
    if (mask)
        pattern = wide(mask);
    return NtQueryDirectoryFile(handle, NULL, NULL, NULL, &io, BUFFER, length, kind, single,
        mask ? &pattern : NULL, restart);
}

/* The names that fit a pattern, in the order of the directory. */
static void list(PWSTR mask)
{
    HANDLE handle = directory();
    print_wide(mask, 2 * wide_length(mask));
    print(":");
    while (scan(handle, mask, FileNamesInformation, sizeof space, TRUE, FALSE) == STATUS_SUCCESS) {
        FILE_NAMES_INFORMATION *found = (void *)BUFFER;
        print(" ");
        print_wide(found->FileName, found->FileNameLength);
    }
    print("\n");
    NtClose(handle);
}

static void classes(void)
{
    static const struct { ULONG kind, name_at; } known[] = {
        {FileDirectoryInformation, 0x40}, {FileFullDirectoryInformation, 0x44},
        {FileBothDirectoryInformation, 0x5e}, {FileNamesInformation, 0x0c},
        {FileIdBothDirectoryInformation, 0x68}};
    for (ULONG i = 0; i < sizeof known / sizeof *known; i++) {
        HANDLE handle = directory();
        ULONG at = known[i].name_at;
        CHECK_EQUAL(scan(handle, L"b.txt", known[i].kind, 4, FALSE, FALSE),
            STATUS_INFO_LENGTH_MISMATCH);
        CHECK_EQUAL(scan(handle, L"b.txt", known[i].kind, at + 10, FALSE, FALSE), STATUS_SUCCESS);
        CHECK_EQUAL(io.Information, at + 10);
        CHECK(same_text((WCHAR *)(BUFFER + at), 10, L"b.txt"));
        CHECK_EQUAL(scan(handle, NULL, known[i].kind, sizeof space, FALSE, FALSE),
            STATUS_NO_MORE_FILES);
        CHECK_EQUAL(scan(handle, L"other", known[i].kind, sizeof space, FALSE, TRUE),
            STATUS_SUCCESS); /* the first pattern stays */
        NtClose(handle);
        handle = directory();
        CHECK_EQUAL(scan(handle, L"no such", known[i].kind, sizeof space, FALSE, FALSE),
            STATUS_NO_SUCH_FILE);
        NtClose(handle);
    }
}

static void several(void)
{
    FILE_BOTH_DIR_INFORMATION *entry = (void *)BUFFER;
    HANDLE handle = directory();
    CHECK_EQUAL(scan(handle, L"*", FileBothDirectoryInformation, sizeof space, FALSE, FALSE),
        STATUS_SUCCESS);
    CHECK(same_text(entry->FileName, entry->FileNameLength, L"."));
    CHECK_EQUAL(entry->NextEntryOffset & 7, 0);
    entry = (void *)((UCHAR *)entry + entry->NextEntryOffset);
    CHECK(same_text(entry->FileName, entry->FileNameLength, L".."));
    CHECK(entry->FileAttributes & FILE_ATTRIBUTE_DIRECTORY);
    CHECK_EQUAL(scan(handle, NULL, FileBothDirectoryInformation, 0x60, FALSE, TRUE),
        STATUS_SUCCESS);
    CHECK_EQUAL(scan(handle, NULL, FileBothDirectoryInformation, sizeof space, FALSE, FALSE),
        STATUS_SUCCESS);
    CHECK(same_text(entry->FileName, 4, L"..") || io.Information != 0);
    NtClose(handle);
}

static void short_names(void)
{
    static PWSTR names[] = {L"long name one.text", L"long name two.text", L"longname.three.text",
        L"plus+and=more.a", L"long name five.text", L"long name six.text"};
    HANDLE root = directory();
    for (ULONG i = 0; i < sizeof names / sizeof *names; i++) {
        FILE_NAME_INFORMATION found;
        HANDLE file = create_in(root, names[i], FILE_GENERIC_WRITE, FILE_CREATE, FILE_SHARE_ALL,
            SYNC, FILE_ATTRIBUTE_NORMAL);
        CHECK_EQUAL(NtQueryInformationFile(file, &io, &found, sizeof found,
            FileAlternateNameInformation), STATUS_SUCCESS);
        print_wide(found.FileName, found.FileNameLength);
        print(i + 1 < sizeof names / sizeof *names ? " " : "\n");
        NtClose(file);
    }
    CHECK_EQUAL(try_open(AT L"LONGNA~2.TEX", FILE_GENERIC_READ, FILE_OPEN, FILE_SHARE_ALL, SYNC),
        STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"longna~1.tex", DELETE, FILE_OPEN, FILE_SHARE_ALL,
        FILE_DELETE_ON_CLOSE | SYNC), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(AT L"long name one.text", FILE_GENERIC_READ, FILE_OPEN, FILE_SHARE_ALL,
        SYNC), STATUS_OBJECT_NAME_NOT_FOUND);
    NtClose(root);
    list(L"longna~*");
}

static void notices(void)
{
    LARGE_INTEGER none = {.QuadPart = 0};
    HANDLE event, file, handle = create(L"\\??\\C:\\dir", FILE_LIST_DIRECTORY, FILE_OPEN,
        FILE_SHARE_ALL, FILE_DIRECTORY_FILE);
    IO_STATUS_BLOCK noticed = {0x55, 0x55};
    FILE_NOTIFY_INFORMATION *notice = (void *)BUFFER;
    NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE);
    CHECK_EQUAL(NtNotifyChangeDirectoryFile(handle, event, NULL, NULL, &noticed, BUFFER,
        sizeof space, FILE_NOTIFY_CHANGE_FILE_NAME, FALSE), STATUS_PENDING);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_TIMEOUT);
    file = create(AT L"new", DELETE | FILE_GENERIC_WRITE, FILE_CREATE, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_SUCCESS);
    CHECK_EQUAL(noticed.Status, STATUS_SUCCESS);
    CHECK_EQUAL(notice->Action, 1);
    CHECK(same_text(notice->FileName, notice->FileNameLength, L"new"));
    /* What happens between two requests is told to the second at once. */
    name_it(file, AT L"newer", FALSE, FileRenameInformation);
    CHECK_EQUAL(NtNotifyChangeDirectoryFile(handle, event, NULL, NULL, &noticed, BUFFER,
        sizeof space, FILE_NOTIFY_CHANGE_FILE_NAME, FALSE), STATUS_SUCCESS);
    CHECK_EQUAL(notice->Action, 4);
    notice = (void *)(BUFFER + notice->NextEntryOffset);
    CHECK_EQUAL(notice->Action, 5);
    CHECK(same_text(notice->FileName, notice->FileNameLength, L"newer"));
    CHECK_EQUAL(NtNotifyChangeDirectoryFile(handle, event, NULL, NULL, &noticed, BUFFER,
        sizeof space, FILE_NOTIFY_CHANGE_FILE_NAME, FALSE), STATUS_PENDING);
    CHECK_EQUAL(NtCancelIoFile(handle, &io), STATUS_SUCCESS);
    CHECK_EQUAL(noticed.Status, STATUS_CANCELLED);
    /* A change that finds no room is only that there was one. */
    CHECK_EQUAL(NtNotifyChangeDirectoryFile(handle, event, NULL, NULL, &noticed, NULL, 0,
        FILE_NOTIFY_CHANGE_FILE_NAME, FALSE), STATUS_PENDING);
    mark_deleted(file, TRUE);
    NtClose(file);
    CHECK_EQUAL(noticed.Status, STATUS_NOTIFY_ENUM_DIR);
    CHECK_EQUAL(NtNotifyChangeDirectoryFile(handle, NULL, NULL, NULL, &noticed, NULL, 0, 0, FALSE),
        STATUS_INVALID_PARAMETER);
    NtClose(handle);
}

static HANDLE watch_names(HANDLE event, IO_STATUS_BLOCK *noticed)
{
    HANDLE handle = create(L"\\??\\C:\\dir", FILE_LIST_DIRECTORY, FILE_OPEN, FILE_SHARE_ALL,
        FILE_DIRECTORY_FILE);
    CHECK_EQUAL(NtNotifyChangeDirectoryFile(handle, event, NULL, NULL, noticed, BUFFER,
        sizeof space, FILE_NOTIFY_CHANGE_FILE_NAME, FALSE), STATUS_PENDING);
    CHECK_EQUAL(NtCancelIoFile(handle, &io), STATUS_SUCCESS);
    return handle;
}

/* Of two handles that watch the same, one is closed. */
static void equal_watches(void)
{
    LARGE_INTEGER none = {.QuadPart = 0};
    IO_STATUS_BLOCK noticed;
    HANDLE event, file, first, second;
    NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE);
    first = watch_names(event, &noticed);
    second = watch_names(event, &noticed);
    NtClose(second);
    CHECK_EQUAL(NtNotifyChangeDirectoryFile(first, event, NULL, NULL, &noticed, BUFFER,
        sizeof space, FILE_NOTIFY_CHANGE_FILE_NAME, FALSE), STATUS_PENDING);
    file = create(AT L"noticed", DELETE, FILE_CREATE, FILE_SHARE_ALL, FILE_DELETE_ON_CLOSE | SYNC);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_SUCCESS);
    NtClose(file);
    NtClose(first);
}

void start(void)
{
    static PWSTR names[] = {L"a", L"b.txt", L"B2.TXT", L"c.tar.gz", L".dot"};
    try_open(L"\\??\\C:\\dir", FILE_GENERIC_READ, FILE_CREATE, FILE_SHARE_ALL,
        FILE_DIRECTORY_FILE | SYNC);
    for (ULONG i = 0; i < sizeof names / sizeof *names; i++) {
        HANDLE root = directory();
        HANDLE file = create_in(root, names[i], FILE_GENERIC_WRITE, FILE_CREATE, FILE_SHARE_ALL,
            SYNC, FILE_ATTRIBUTE_NORMAL);
        CHECK(file != NULL);
        NtClose(file);
        NtClose(root);
    }
    list(L"*");
    list(L"*.txt");
    list(L"?");
    list(L"b?.t*");
    list(L"<.gz");      /* DOS_STAR: up to the last dot */
    list(L"c<.gz");
    list(L"a\"");       /* DOS_DOT: a dot, or nothing at the end */
    list(L">>>>>");     /* DOS_QM: a character, or nothing at the end */
    classes();
    several();
    short_names();
    notices();
    equal_watches();
    finish();
}
