/* The credentials of CredWrite, which Wine's advapi32 keeps in the registry where the host has no
 * keychain.
 */
#include "win32.h"

enum { CRED_TYPE_GENERIC = 1, CRED_PERSIST_LOCAL_MACHINE = 2, ERROR_NOT_FOUND = 1168 };

typedef struct {
    DWORD Flags, Type;
    CHAR *TargetName, *Comment;
    ULONG LastWritten[2];
    DWORD CredentialBlobSize;
    UCHAR *CredentialBlob;
    DWORD Persist, AttributeCount;
    PVOID Attributes;
    CHAR *TargetAlias, *UserName;
} CREDENTIALA;

K32 HANDLE WINAPI LoadLibraryW(const WCHAR *);
K32 PVOID WINAPI GetProcAddress(HANDLE, const CHAR *);

static BOOL(WINAPI *write)(CREDENTIALA *, DWORD);
static BOOL(WINAPI *read)(const CHAR *, DWORD, DWORD, CREDENTIALA **);
static BOOL(WINAPI *list)(const CHAR *, DWORD, DWORD *, CREDENTIALA ***);
static BOOL(WINAPI *erase)(const CHAR *, DWORD, DWORD);

void start(void)
{
    CHAR target[] = "ntgate:test", user[] = "me";
    CREDENTIALA mine = {.Type = CRED_TYPE_GENERIC, .TargetName = target, .UserName = user,
        .CredentialBlob = (UCHAR *)"secret", .CredentialBlobSize = 6,
        .Persist = CRED_PERSIST_LOCAL_MACHINE}, *got, **all;
    HANDLE advapi32 = LoadLibraryW(u"advapi32.dll");
    DWORD count = 0;

    write = GetProcAddress(advapi32, "CredWriteA");
    read = GetProcAddress(advapi32, "CredReadA");
    list = GetProcAddress(advapi32, "CredEnumerateA");
    erase = GetProcAddress(advapi32, "CredDeleteA");
    CHECK(!read(target, CRED_TYPE_GENERIC, 0, &got));
    CHECK_EQUAL(GetLastError(), ERROR_NOT_FOUND);
    CHECK(write(&mine, 0));
    CHECK(read(target, CRED_TYPE_GENERIC, 0, &got));
    CHECK_EQUAL(got->CredentialBlobSize, 6);
    CHECK_EQUAL(got->CredentialBlob[5], 't');
    CHECK_EQUAL(got->UserName[1], 'e');
    CHECK(list(NULL, 0, &count, &all));
    CHECK_EQUAL(count, 1);
    CHECK(erase(target, CRED_TYPE_GENERIC, 0));
    CHECK(!read(target, CRED_TYPE_GENERIC, 0, &got));
    finish();
}
