/* Streams, object ids, opens by id, compression, sparse ranges, valid lengths, quotas, and what a
 * volume without a journal answers.
 */
#include "nt_file.h"

#define AT L"\\??\\C:\\controls\\"
#define ALL (FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE)
#define NOWHERE ((PVOID)0x7fff0000)

enum {
    FSCTL_REQUEST_OPLOCK_LEVEL_1 = 0x90000,
    FSCTL_GET_COMPRESSION = 0x9003c,
    FSCTL_GET_NTFS_VOLUME_DATA = 0x90064,
    FSCTL_SET_OBJECT_ID = 0x90098,
    FSCTL_GET_OBJECT_ID = 0x9009c,
    FSCTL_DELETE_OBJECT_ID = 0x900a0,
    FSCTL_CREATE_OR_GET_OBJECT_ID = 0x900c0,
    FSCTL_SET_SPARSE = 0x900c4,
    FSCTL_READ_FILE_USN_DATA = 0x900eb,
    FSCTL_QUERY_USN_JOURNAL = 0x900f4,
    FSCTL_QUERY_ALLOCATED_RANGES = 0x940cf,
    FSCTL_SET_ZERO_DATA = 0x980c8,
    FSCTL_SET_COMPRESSION = 0x9c040,
};

static NTSTATUS control(HANDLE file, ULONG code, PVOID in, ULONG in_length, PVOID out,
    ULONG out_length)
{
    return NtFsControlFile(file, NULL, NULL, NULL, &io, code, in, in_length, out, out_length);
}

static HANDLE new_file(PWSTR name)
{
    return create(name, ALL, FILE_OVERWRITE_IF, FILE_SHARE_ALL, SYNC);
}

static ULONG attributes_of(HANDLE file)
{
    FILE_BASIC_INFORMATION basic = {.FileAttributes = 0};
    NtQueryInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation);
    return basic.FileAttributes;
}

typedef struct {
    ULONG Next, NameLength;
    LARGE_INTEGER Size, Allocated;
    WCHAR Name[1];
} STREAM;

/* Each stream of a file with its size, on one line. */
static void print_streams(HANDLE file)
{
    UCHAR out[512];
    STREAM *stream = (STREAM *)out;
    CHECK_EQUAL(NtQueryInformationFile(file, &io, out, sizeof out, FileStreamInformation),
        STATUS_SUCCESS);
    while (io.Information) {
        print(" "), print_wide(stream->Name, stream->NameLength);
        print("="), print_decimal(stream->Size.LowPart);
        if (!stream->Next)
            break;
        stream = (STREAM *)((UCHAR *)stream + stream->Next);
    }
    print("\n");
}

static void streams(void)
{
    HANDLE file = new_file(AT L"s.txt"), one = new_file(AT L"s.txt:one");
    put(file, "main"), put(one, "first");
    print_streams(file);
    CHECK_EQUAL(name_it(one, L":two", FALSE, FileRenameInformation), STATUS_SUCCESS);
    print_streams(file);
    CHECK_EQUAL(try_open(AT L"s.txt:one", FILE_GENERIC_READ, FILE_OPEN, 0, SYNC),
        STATUS_OBJECT_NAME_NOT_FOUND);
    NtClose(new_file(AT L"s.txt:empty"));
    CHECK_EQUAL(name_it(one, L":empty", FALSE, FileRenameInformation),
        STATUS_OBJECT_NAME_COLLISION);
    CHECK_EQUAL(name_it(one, L":empty", TRUE, FileRenameInformation), STATUS_SUCCESS);
    CHECK_EQUAL(name_it(one, L"::$DATA", TRUE, FileRenameInformation),
        STATUS_OBJECT_NAME_COLLISION);
    CHECK_EQUAL(name_it(one, L":a\\b", TRUE, FileRenameInformation), STATUS_OBJECT_NAME_INVALID);
    CHECK_EQUAL(mark_deleted(one, TRUE), STATUS_SUCCESS);
    NtClose(one);
    print_streams(file);
    CHECK_EQUAL(name_it(file, L":moved", FALSE, FileRenameInformation), STATUS_SUCCESS);
    CHECK(has(file, 0, "main"));
    print_streams(file);
    NtClose(file);
    file = create(AT L"s.txt", ALL, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(size_of(file), 0);
    NtClose(file);
    file = create(L"\\??\\C:\\controls:notes", ALL, FILE_CREATE, FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(put(file, "of a folder"), STATUS_SUCCESS);
    print_streams(file);
    NtClose(file);
}

static void ids(void)
{
    UCHAR id[64], again[64];
    LARGE_INTEGER number;
    WCHAR name[9] = {0};
    UNICODE_STRING text = {8, 8, name};
    HANDLE file = new_file(AT L"i.txt"), volume, found = NULL;
    put(file, "found");
    CHECK_EQUAL(control(file, FSCTL_CREATE_OR_GET_OBJECT_ID, NULL, 0, id, 63),
        STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(control(file, FSCTL_CREATE_OR_GET_OBJECT_ID, NULL, 0, id, 64), STATUS_SUCCESS);
    CHECK_EQUAL(control(file, FSCTL_GET_OBJECT_ID, NULL, 0, again, 64), STATUS_SUCCESS);
    for (ULONG i = 0; i < 64; i++)
        CHECK_EQUAL(id[i], again[i]);
    CHECK_EQUAL(control(file, FSCTL_SET_OBJECT_ID, id, 64, NULL, 0), STATUS_ACCESS_DENIED);
    NtQueryInformationFile(file, &io, &number, 8, FileInternalInformation);
    volume = create(L"\\??\\C:\\", FILE_READ_ATTRIBUTES, FILE_OPEN, FILE_SHARE_ALL, SYNC);
    OBJECT_ATTRIBUTES object = named(&text);
    object.RootDirectory = volume;
    for (ULONG i = 0; i < 4; i++)
        name[i] = ((WCHAR *)&number)[i];
    CHECK_EQUAL(NtOpenFile(&found, FILE_GENERIC_READ, &object, &io, FILE_SHARE_ALL,
        FILE_OPEN_BY_FILE_ID | SYNC), STATUS_SUCCESS);
    CHECK(has(found, 0, "found"));
    NtClose(found);
    text = (UNICODE_STRING){16, 16, (PWSTR)id};
    CHECK_EQUAL(NtOpenFile(&found, FILE_GENERIC_READ, &object, &io, FILE_SHARE_ALL,
        FILE_OPEN_BY_FILE_ID | SYNC), STATUS_SUCCESS);
    CHECK(has(found, 0, "found"));
    NtClose(found);
    CHECK_EQUAL(control(file, FSCTL_DELETE_OBJECT_ID, NULL, 0, NULL, 0), STATUS_SUCCESS);
    CHECK_EQUAL(NtOpenFile(&found, FILE_GENERIC_READ, &object, &io, FILE_SHARE_ALL,
        FILE_OPEN_BY_FILE_ID | SYNC), STATUS_INVALID_PARAMETER);
    text.Length = 6;
    CHECK_EQUAL(NtOpenFile(&found, FILE_GENERIC_READ, &object, &io, FILE_SHARE_ALL,
        FILE_OPEN_BY_FILE_ID | SYNC), STATUS_INVALID_PARAMETER);
    NtClose(volume);
    NtClose(file);
}

static void compression(void)
{
    USHORT format = 7;
    FILE_BASIC_INFORMATION basic = {.FileAttributes = FILE_ATTRIBUTE_HIDDEN};
    HANDLE inner, folder = create(AT L"packed", FILE_GENERIC_READ | FILE_GENERIC_WRITE,
        FILE_CREATE, FILE_SHARE_ALL, FILE_DIRECTORY_FILE | SYNC);
    CHECK_EQUAL(control(folder, FSCTL_GET_COMPRESSION, NULL, 0, &format, 2), STATUS_SUCCESS);
    CHECK_EQUAL(format, 0);
    CHECK_EQUAL(control(folder, FSCTL_GET_COMPRESSION, NULL, 0, &format, 1),
        STATUS_BUFFER_TOO_SMALL);
    format = 9;
    CHECK_EQUAL(control(folder, FSCTL_SET_COMPRESSION, &format, 2, NULL, 0),
        STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(control(folder, FSCTL_SET_COMPRESSION, &format, 1, NULL, 0),
        STATUS_INVALID_PARAMETER);
    format = 1;
    CHECK_EQUAL(control(folder, FSCTL_SET_COMPRESSION, &format, 2, NULL, 0), STATUS_SUCCESS);
    inner = new_file(AT L"packed\\in.txt");
    CHECK(attributes_of(inner) & FILE_ATTRIBUTE_COMPRESSED);
    CHECK_EQUAL(control(inner, FSCTL_GET_COMPRESSION, NULL, 0, &format, 2), STATUS_SUCCESS);
    CHECK_EQUAL(format, 2);
    NtSetInformationFile(inner, &io, &basic, sizeof basic, FileBasicInformation);
    CHECK_EQUAL(attributes_of(inner), FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_COMPRESSED);
    format = 0;
    CHECK_EQUAL(control(inner, FSCTL_SET_COMPRESSION, &format, 2, NULL, 0), STATUS_SUCCESS);
    CHECK_EQUAL(attributes_of(inner), FILE_ATTRIBUTE_HIDDEN);
    NtClose(inner);
    NtClose(folder);
}

static void sparse(void)
{
    LONGLONG range[2] = {0, 0x30000}, out[4] = {0};
    HANDLE file = new_file(AT L"sparse.bin");
    CHECK_EQUAL(control(file, FSCTL_SET_SPARSE, NULL, 0, NULL, 0), STATUS_SUCCESS);
    CHECK(attributes_of(file) & FILE_ATTRIBUTE_SPARSE_FILE);
    put(file, "begin");
    set_size(file, 0x30000);
    LARGE_INTEGER place = {.QuadPart = 0x20000};
    NtWriteFile(file, NULL, NULL, NULL, &io, "middle", 6, &place, NULL);
    CHECK_EQUAL(control(file, FSCTL_QUERY_ALLOCATED_RANGES, range, 16, out, 32), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 32);
    CHECK(out[0] == 0 && out[2] == 0x20000);
    CHECK_EQUAL(control(file, FSCTL_QUERY_ALLOCATED_RANGES, range, 16, out, 16),
        STATUS_BUFFER_OVERFLOW);
    CHECK_EQUAL(io.Information, 16);
    CHECK_EQUAL(control(file, FSCTL_QUERY_ALLOCATED_RANGES, range, 16, out, 15),
        STATUS_BUFFER_TOO_SMALL);
    range[0] = 0x20000, range[1] = 0x20003;
    CHECK_EQUAL(control(file, FSCTL_SET_ZERO_DATA, range, 16, NULL, 0), STATUS_SUCCESS);
    CHECK(has(file, 0x20003, "dle"));
    CHECK(!has(file, 0x20000, "mid"));
    range[1] = 0;
    CHECK_EQUAL(control(file, FSCTL_SET_ZERO_DATA, range, 16, NULL, 0), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(control(file, FSCTL_SET_ZERO_DATA, range, 15, NULL, 0), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(control(file, FSCTL_SET_ZERO_DATA, NOWHERE, 16, NULL, 0),
        STATUS_ACCESS_VIOLATION);
    /* Zeros of half a gigabyte take no room, and no time. */
    FILE_STANDARD_INFORMATION standard;
    set_size(file, 0x20000000);
    range[0] = 2, range[1] = 0x20000000;
    CHECK_EQUAL(control(file, FSCTL_SET_ZERO_DATA, range, 16, NULL, 0), STATUS_SUCCESS);
    CHECK(has(file, 0, "be"));
    range[0] = 0;
    CHECK_EQUAL(control(file, FSCTL_QUERY_ALLOCATED_RANGES, range, 16, out, 32), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 16);
    NtQueryInformationFile(file, &io, &standard, sizeof standard, FileStandardInformation);
    CHECK_EQUAL(standard.EndOfFile.QuadPart, 0x20000000);
    CHECK(standard.AllocationSize.QuadPart < 0x20000);
    NtClose(file);
}

static void quotas(HANDLE volume)
{
    static const UCHAR sid[12] = {1, 1, 0, 0, 0, 0, 0, 5, 18}, other[12] = {1, 1, 0, 0, 0, 0, 0, 5, 19};
    struct { ULONG Next, SidLength; LONGLONG Time, Used, Threshold, Limit; UCHAR Sid[16]; } quota,
        out[2];
    struct { ULONG Next, SidLength; UCHAR Sid[12]; } names = {0, 12, {0}};
    struct { LONGLONG Start, Filter, Stop, Threshold, Limit; ULONG Flags; } all;
    CHECK_EQUAL(NtQueryVolumeInformationFile(volume, &io, &all, sizeof all,
        FileFsControlInformation), STATUS_SUCCESS);
    CHECK(all.Limit == -1 && all.Flags == 0);
    all.Limit = 5000;
    CHECK_EQUAL(NtSetVolumeInformationFile(volume, &io, &all, sizeof all,
        FileFsControlInformation), STATUS_SUCCESS);
    all.Flags = 3;
    CHECK_EQUAL(NtSetVolumeInformationFile(volume, &io, &all, sizeof all,
        FileFsControlInformation), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtQueryQuotaInformationFile(volume, &io, out, sizeof out, FALSE, NULL, 0, NULL,
        TRUE), STATUS_NO_MORE_ENTRIES);
    quota.Next = 0, quota.SidLength = 12, quota.Time = quota.Used = 0;
    quota.Threshold = 100, quota.Limit = 1000;
    for (ULONG i = 0; i < 12; i++)
        quota.Sid[i] = sid[i], names.Sid[i] = other[i];
    CHECK_EQUAL(NtSetQuotaInformationFile(volume, &io, &quota, 40 + 12), STATUS_SUCCESS);
    CHECK_EQUAL(NtSetQuotaInformationFile(volume, &io, &quota, 40 + 11),
        STATUS_QUOTA_LIST_INCONSISTENT);
    CHECK_EQUAL(NtSetQuotaInformationFile(volume, &io, NOWHERE, 52), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtQueryQuotaInformationFile(volume, &io, out, sizeof out, FALSE, NULL, 0, NULL,
        TRUE), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 52);
    CHECK(out[0].Limit == 1000 && out[0].Threshold == 100 && out[0].Used == 0);
    CHECK_EQUAL(NtQueryQuotaInformationFile(volume, &io, out, sizeof out, TRUE, NULL, 0, NULL,
        FALSE), STATUS_NO_MORE_ENTRIES);
    CHECK_EQUAL(NtQueryQuotaInformationFile(volume, &io, out, sizeof out, FALSE, &names,
        sizeof names, NULL, TRUE), STATUS_SUCCESS);
    CHECK(out[0].Limit == 5000 && out[0].Threshold == -1);
    CHECK_EQUAL(NtQueryQuotaInformationFile(volume, &io, out, 51, FALSE, NULL, 0, NULL, TRUE),
        STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(NtQueryQuotaInformationFile(volume, &io, out, sizeof out, FALSE, NULL, 0,
        (PVOID)other, TRUE), STATUS_INVALID_SID);
    quota.Limit = -2;
    CHECK_EQUAL(NtSetQuotaInformationFile(volume, &io, &quota, 52), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryQuotaInformationFile(volume, &io, out, sizeof out, FALSE, NULL, 0, NULL,
        TRUE), STATUS_NO_MORE_ENTRIES);
}

static void of_volume(void)
{
    UCHAR out[512];
    LONGLONG length = 100;
    HANDLE file = new_file(AT L"v.txt"), volume;
    put(file, "text");
    CHECK_EQUAL(control(file, FSCTL_REQUEST_OPLOCK_LEVEL_1, NULL, 0, NULL, 0),
        STATUS_OPLOCK_NOT_GRANTED);
    CHECK_EQUAL(control(file, FSCTL_QUERY_USN_JOURNAL, NULL, 0, out, sizeof out),
        STATUS_JOURNAL_NOT_ACTIVE);
    CHECK_EQUAL(control(file, FSCTL_READ_FILE_USN_DATA, NULL, 0, out, sizeof out),
        STATUS_SUCCESS);
    CHECK_EQUAL(*(ULONG *)out, io.Information);
    CHECK(same_text((WCHAR *)(out + *(USHORT *)(out + 58)), *(USHORT *)(out + 56), L"v.txt"));
    CHECK_EQUAL(control(file, FSCTL_GET_NTFS_VOLUME_DATA, NULL, 0, out, 95),
        STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(control(file, FSCTL_GET_NTFS_VOLUME_DATA, NULL, 0, out, 96), STATUS_SUCCESS);
    CHECK_EQUAL(*(ULONG *)(out + 40), 512);
    CHECK_EQUAL(NtSetInformationFile(file, &io, &length, 8, FileValidDataLengthInformation),
        STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(control(file, 0x90ff8, NULL, 0, NULL, 0), STATUS_INVALID_DEVICE_REQUEST);
    NtClose(file);
    volume = create(L"\\??\\C:", FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_OPEN,
        FILE_SHARE_ALL, SYNC);
    CHECK_EQUAL(control(volume, FSCTL_GET_NTFS_VOLUME_DATA, NULL, 0, out, 96), STATUS_SUCCESS);
    quotas(volume);
    NtClose(volume);
}

void start(void)
{
    NtClose(create(L"\\??\\C:\\controls", FILE_GENERIC_READ, FILE_CREATE, 0,
        FILE_DIRECTORY_FILE | SYNC));
    streams();
    ids();
    compression();
    sparse();
    of_volume();
    finish();
}
