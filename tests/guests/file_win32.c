/* The file family through kernel32: volumes, patterns, overlapped requests, moving and copying. */
#include "win32.h"
#include "nt_file.h"

enum {
    ERROR_PATH_NOT_FOUND = 3, ERROR_FILE_EXISTS = 80, ERROR_INVALID_NAME = 123,
    ERROR_ALREADY_EXISTS = 183, ERROR_BAD_NETPATH = 53, ERROR_IO_PENDING = 997,
    ERROR_FILE_INVALID = 1006, ERROR_NEGATIVE_SEEK = 131, FILE_BEGIN = 0, FILE_CURRENT = 1,
    FILE_END = 2, CREATE_NEW = 1, CREATE_ALWAYS = 2, OPEN_EXISTING = 3,
    FILE_FLAG_OVERLAPPED = 0x40000000, FILE_FLAG_BACKUP_SEMANTICS = 0x2000000,
    PIPE_ACCESS_DUPLEX = 3, DRIVE_NO_ROOT_DIR = 1, DRIVE_FIXED = 3, MOVEFILE_REPLACE_EXISTING = 1,
    DDD_REMOVE_DEFINITION = 2,
};

typedef struct { ULONG_PTR Internal, InternalHigh; LARGE_INTEGER Offset; HANDLE Event; } OVERLAPPED;
typedef struct {
    ULONG Attributes;
    LARGE_INTEGER Creation, Access, Write;
    ULONG SizeHigh, SizeLow, Reserved0, Reserved1;
    WCHAR FileName[260], AlternateName[14];
} __attribute__((packed, aligned(4))) FIND_DATA;
OFFSET_IS(FIND_DATA, FileName, 0x2c);
typedef void(WINAPI *COMPLETED)(DWORD error, DWORD transferred, OVERLAPPED *);

K32 HANDLE WINAPI CreateFileW(PWSTR, DWORD access, DWORD share, PVOID, DWORD disposition,
    DWORD flags, HANDLE);
K32 BOOL WINAPI ReadFileEx(HANDLE, PVOID, DWORD, OVERLAPPED *, COMPLETED);
K32 BOOL WINAPI GetOverlappedResult(HANDLE, OVERLAPPED *, DWORD *, BOOL wait);
K32 HANDLE WINAPI FindFirstFileW(PWSTR, FIND_DATA *);
K32 BOOL WINAPI FindNextFileW(HANDLE, FIND_DATA *);
K32 BOOL WINAPI FindClose(HANDLE);
K32 BOOL WINAPI MoveFileExW(PWSTR, PWSTR, DWORD);
K32 BOOL WINAPI CopyFileW(PWSTR, PWSTR, BOOL fail_if_exists);
K32 HANDLE WINAPI CreateFileMappingW(HANDLE, PVOID, DWORD protect, DWORD high, DWORD low, PWSTR);
K32 BOOL WINAPI DeleteFileW(PWSTR);
K32 BOOL WINAPI CreateDirectoryW(PWSTR, PVOID);
K32 BOOL WINAPI RemoveDirectoryW(PWSTR);
K32 DWORD WINAPI GetFileAttributesW(PWSTR);
K32 BOOL WINAPI SetFileAttributesW(PWSTR, DWORD);
K32 DWORD WINAPI GetDriveTypeW(PWSTR);
K32 DWORD WINAPI GetLogicalDrives(void);
K32 BOOL WINAPI DefineDosDeviceW(DWORD flags, PWSTR device, PWSTR target);
K32 DWORD WINAPI QueryDosDeviceW(PWSTR device, PWSTR targets, DWORD length);
K32 BOOL WINAPI GetVolumeInformationW(PWSTR, PWSTR, DWORD, DWORD *, DWORD *, DWORD *, PWSTR, DWORD);
K32 BOOL WINAPI GetDiskFreeSpaceExW(PWSTR, PVOID, ULONGLONG *, ULONGLONG *);
K32 DWORD WINAPI QueryDosDeviceW(PWSTR, PWSTR, DWORD);
K32 DWORD WINAPI SetFilePointer(HANDLE, LONG low, LONG *high, DWORD from);
K32 BOOL WINAPI LockFile(HANDLE, DWORD, DWORD, DWORD, DWORD);
K32 BOOL WINAPI UnlockFile(HANDLE, DWORD, DWORD, DWORD, DWORD);
K32 HANDLE WINAPI FindFirstChangeNotificationW(PWSTR, BOOL, DWORD);

static HANDLE open(PWSTR name, DWORD access, DWORD disposition, DWORD flags)
{
    return CreateFileW(name, access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, disposition, flags,
        NULL);
}

static void make(PWSTR name, const CHAR *text)
{
    HANDLE file = open(name, GENERIC_WRITE, CREATE_ALWAYS, 0);
    put(file, text);
    CloseHandle(file);
}

static void volumes(void)
{
    WCHAR system[16], target[64];
    DWORD serial, longest, flags;
    ULONGLONG total, available;
    CHECK_EQUAL(GetDriveTypeW(L"C:\\"), DRIVE_FIXED);
    CHECK_EQUAL(GetDriveTypeW(L"D:\\"), DRIVE_NO_ROOT_DIR);
    CHECK_EQUAL(GetLogicalDrives(), 4);
    CHECK(GetVolumeInformationW(L"C:\\", NULL, 0, &serial, &longest, &flags, system, 16));
    CHECK(same_text(system, 8, L"NTFS"));
    CHECK_EQUAL(longest, 255);
    CHECK(GetDiskFreeSpaceExW(L"C:\\", NULL, &total, &available));
    CHECK(available <= total && available != 0);
    CHECK(QueryDosDeviceW(L"C:", target, 64) != 0);
    CHECK(same_text(target, 46, L"\\Device\\HarddiskVolume1"));
    CHECK_EQUAL(open(L"\\\\server\\share\\file", GENERIC_READ, OPEN_EXISTING, 0), -1);
    CHECK_EQUAL(GetLastError(), ERROR_BAD_NETPATH);
    CHECK_EQUAL(open(L"\\\\.\\PhysicalDrive0", GENERIC_READ, OPEN_EXISTING, 0), -1);
    CHECK_EQUAL(GetLastError(), ERROR_FILE_NOT_FOUND);
}

static ULONG count(PWSTR pattern)
{
    FIND_DATA found;
    ULONG number = 0;
    HANDLE find = FindFirstFileW(pattern, &found);
    if (find == (HANDLE)-1)
        return 0;
    do
        number++;
    while (FindNextFileW(find, &found));
    FindClose(find);
    return number;
}

static void names(void)
{
    CHECK(CreateDirectoryW(L"C:\\win32", NULL));
    make(L"C:\\win32\\a", "a");
    make(L"C:\\win32\\b.txt", "b");
    make(L"C:\\win32\\c.d.txt", "c");
    CHECK_EQUAL(count(L"C:\\win32\\*"), 5);
    CHECK_EQUAL(count(L"C:\\win32\\*.*"), 5); /* a name without a dot fits as well */
    CHECK_EQUAL(count(L"C:\\win32\\?.txt"), 1);
    CHECK_EQUAL(count(L"C:\\win32\\none*"), 0);
    CHECK_EQUAL(GetLastError(), ERROR_FILE_NOT_FOUND);
    CHECK(!CopyFileW(L"C:\\win32\\a", L"C:\\win32\\b.txt", TRUE));
    CHECK_EQUAL(GetLastError(), ERROR_FILE_EXISTS);
    CHECK(CopyFileW(L"C:\\win32\\a", L"C:\\win32\\b.txt", FALSE));
    CHECK(!CopyFileW(L"C:\\win32\\a", L"C:\\win32\\A", FALSE)); /* nothing onto itself */
    CHECK(!MoveFileExW(L"C:\\win32\\a", L"C:\\win32\\b.txt", 0));
    CHECK_EQUAL(GetLastError(), ERROR_ALREADY_EXISTS);
    CHECK(MoveFileExW(L"C:\\win32\\a", L"C:\\win32\\b.txt", MOVEFILE_REPLACE_EXISTING));
    CHECK(SetFileAttributesW(L"C:\\win32\\b.txt", FILE_ATTRIBUTE_READONLY));
    CHECK(!DeleteFileW(L"C:\\win32\\b.txt"));
    CHECK_EQUAL(GetLastError(), ERROR_ACCESS_DENIED);
    CHECK(SetFileAttributesW(L"C:\\win32\\b.txt", FILE_ATTRIBUTE_NORMAL));
    CHECK(DeleteFileW(L"C:\\win32\\b.txt"));
    CHECK_EQUAL(GetFileAttributesW(L"C:\\win32\\..\\win32\\b.txt"), -1);
    CHECK(!RemoveDirectoryW(L"C:\\win32"));
    CHECK_EQUAL(GetFileAttributesW(L"C:\\.\\win32"), FILE_ATTRIBUTE_DIRECTORY);
}

static DWORD completions, bytes;

static void WINAPI completed(DWORD error, DWORD transferred, OVERLAPPED *overlapped)
{
    CHECK_EQUAL(error, 0);
    CHECK_EQUAL(overlapped->Offset.LowPart, 1);
    completions++;
    bytes = transferred;
}

static void requests(void)
{
    CHAR text[16];
    DWORD moved;
    OVERLAPPED overlapped = {.Offset = {.QuadPart = 1}};
    HANDLE notice = FindFirstChangeNotificationW(L"C:\\win32", FALSE, FILE_NOTIFY_CHANGE_FILE_NAME);
    HANDLE file = open(L"C:\\win32\\c.d.txt", GENERIC_READ | GENERIC_WRITE, CREATE_ALWAYS, 0);
    CHECK_EQUAL(WaitForSingleObject(notice, 0), WAIT_TIMEOUT);
    put(file, "0123456789");
    CHECK(LockFile(file, 0, 0, 4, 0));
    CHECK(UnlockFile(file, 0, 0, 4, 0));
    CHECK(!UnlockFile(file, 0, 0, 4, 0));
    CloseHandle(file);
    make(L"C:\\win32\\noticed", "");
    CHECK_EQUAL(WaitForSingleObject(notice, 0), WAIT_OBJECT_0);
    file = open(L"C:\\win32\\c.d.txt", GENERIC_READ, OPEN_EXISTING, FILE_FLAG_OVERLAPPED);
    CHECK(ReadFileEx(file, text, sizeof text, &overlapped, completed));
    CHECK_EQUAL(completions, 0);
    CHECK_EQUAL(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
    CHECK_EQUAL(completions, 1);
    CHECK_EQUAL(bytes, 9);
    CHECK(GetOverlappedResult(file, &overlapped, &moved, TRUE));
    CHECK_EQUAL(moved, 9);
    CloseHandle(file);
    file = open(L"C:\\win32\\noticed", GENERIC_READ, OPEN_EXISTING, 0);
    CHECK_EQUAL(CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL), 0); /* of an empty file */
    CHECK_EQUAL(GetLastError(), ERROR_FILE_INVALID);
    CloseHandle(file);
    file = open(L"NUL", GENERIC_WRITE, OPEN_EXISTING, 0);
    CHECK_EQUAL(put(file, "nothing"), STATUS_SUCCESS);
    CHECK_EQUAL(io.Information, 7);
    CloseHandle(file);
}

/* Where a position can't be set, the error tells why. */
static void seeking(void)
{
    HANDLE event, file;
    CHECK_EQUAL(NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE),
        STATUS_SUCCESS);
    CHECK_EQUAL(SetFilePointer((HANDLE)0x9998, 0, NULL, FILE_BEGIN), (DWORD)-1);
    CHECK_EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
    CHECK_EQUAL(SetFilePointer(event, 0, NULL, FILE_CURRENT), (DWORD)-1);
    CHECK_EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
    CloseHandle(event);
    CHECK_EQUAL(SetFilePointer(event, 0, NULL, FILE_END), (DWORD)-1);
    CHECK_EQUAL(GetLastError(), ERROR_INVALID_HANDLE);
    make(L"C:\\win32\\seek", "0123");
    file = open(L"C:\\win32\\seek", GENERIC_READ, OPEN_EXISTING, 0);
    CHECK_EQUAL(SetFilePointer(file, -1, NULL, FILE_END), 3);
    CHECK_EQUAL(SetFilePointer(file, -5, NULL, FILE_END), (DWORD)-1);
    CHECK_EQUAL(GetLastError(), ERROR_NEGATIVE_SEEK);
    CloseHandle(file);
    CHECK(DeleteFileW(L"C:\\win32\\seek"));
}

/* A drive letter for a folder, as subst.exe makes it. */
static void drives(void)
{
    WCHAR target[64];
    HANDLE file;
    make(L"C:\\win32\\on the drive", "there");
    CHECK(DefineDosDeviceW(0, L"Q:", L"C:\\win32\\"));
    CHECK(GetLogicalDrives() & 1 << ('Q' - 'A'));
    CHECK(QueryDosDeviceW(L"Q:", target, 64));
    CHECK(same_text(target, 2 * wide_length(target), L"\\??\\C:\\win32\\"));
    file = open(L"Q:\\on the drive", GENERIC_READ, OPEN_EXISTING, 0);
    CHECK(has(file, 0, "there"));
    CloseHandle(file);
    CHECK(DefineDosDeviceW(DDD_REMOVE_DEFINITION, L"Q:", NULL));
    CHECK(!DefineDosDeviceW(DDD_REMOVE_DEFINITION, L"Q:", NULL));
    CHECK(!(GetLogicalDrives() & 1 << ('Q' - 'A')));
    CHECK(!CopyFileW(L"C:\\win32\\on the drive", L"C:\\WIN32\\ON THE DRIVE", FALSE));
    CHECK(DeleteFileW(L"C:\\win32\\on the drive"));
}

void start(void)
{
    volumes();
    names();
    requests();
    drives();
    seeking();
    finish();
}
