/* The token of the process: what it holds, changing it, copies of it, checks with it, and the
 * descriptors of objects.  Expects an administrator whose privileges are mostly off.
 */
#include "nt.h"

enum {
    TOKEN_DUPLICATE = 0x2, TOKEN_IMPERSONATE = 0x4, TOKEN_QUERY = 0x8, TOKEN_ALL_ACCESS = 0xf01ff,
    TokenUser = 1, TokenGroups = 2, TokenPrivileges = 3, TokenOwner = 4, TokenPrimaryGroup = 5,
    TokenDefaultDacl = 6, TokenSource = 7, TokenTypeClass = 8, TokenImpersonationLevel = 9,
    TokenStatistics = 10, TokenRestrictedSids = 11, TokenSessionId = 12,
    TokenPrimary = 1, TokenImpersonation = 2, SecurityIdentification = 1, SecurityImpersonation = 2,
    SE_SECURITY = 8, SE_DEBUG = 20, SE_CHANGE_NOTIFY = 23, SE_CREATE_TOKEN = 2,
    SE_GROUP_USE_FOR_DENY_ONLY = 0x10, DISABLE_MAX_PRIVILEGE = 1,
    OWNER_SECURITY_INFORMATION = 1, DACL_SECURITY_INFORMATION = 4, SACL_SECURITY_INFORMATION = 8,
    READ_CONTROL = 0x20000, WRITE_DAC = 0x40000, ACCESS_SYSTEM_SECURITY = 0x1000000,
    MAXIMUM_ALLOWED = 0x2000000, EVENT_MODIFY_STATE = 2, EVENT_QUERY_STATE = 1,
    SE_DACL_PRESENT = 4, SE_SELF_RELATIVE = 0x8000, ThreadImpersonationToken = 5,
    STATUS_NOT_ALL_ASSIGNED = 0x106,
    STATUS_INVALID_INFO_CLASS = (int)0xc0000003,
    STATUS_BUFFER_TOO_SMALL = (int)0xc0000023,
    STATUS_NO_IMPERSONATION_TOKEN = (int)0xc000005c,
    STATUS_CANT_DISABLE_MANDATORY = (int)0xc000005d,
    STATUS_PRIVILEGE_NOT_HELD = (int)0xc0000061,
    STATUS_INVALID_OWNER = (int)0xc000005a,
    STATUS_INVALID_SECURITY_DESCR = (int)0xc0000079,
    STATUS_NO_TOKEN = (int)0xc000007c,
    STATUS_BAD_IMPERSONATION_LEVEL = (int)0xc00000a5,
    STATUS_GENERIC_NOT_MAPPED = (int)0xc00000e6,
};

typedef struct { ULONG Low; LONG High; } LUID;
typedef struct { UCHAR Revision, Count, Authority[6]; ULONG Sub[8]; } SID;
typedef struct { SID *Sid; ULONG Attributes; } SID_AND_ATTRIBUTES;
typedef struct { ULONG Count; SID_AND_ATTRIBUTES Groups[16]; } TOKEN_GROUPS;
typedef struct __attribute__((packed)) { LUID Luid; ULONG Attributes; } LUID_AND_ATTRIBUTES;
typedef struct { ULONG Count; LUID_AND_ATTRIBUTES Privileges[32]; } TOKEN_PRIVILEGES;
typedef struct { ULONG Count, Control; LUID_AND_ATTRIBUTES Privileges[2]; } PRIVILEGE_SET;
typedef struct { ULONG Length, Level; UCHAR Tracking, EffectiveOnly; } QUALITY;
typedef struct { UCHAR Revision, Pad; USHORT Size, Count, Pad2; UCHAR Aces[64]; } ACL;
typedef struct { UCHAR Revision, Pad; USHORT Control; PVOID Owner, Group, Sacl, Dacl; } DESCRIPTOR;
typedef struct { ULONG Read, Write, Execute, All; } GENERIC_MAPPING;

NTSYSAPI NTSTATUS NTAPI NtOpenProcessToken(HANDLE, ACCESS_MASK, PHANDLE);
NTSYSAPI NTSTATUS NTAPI NtOpenThreadToken(HANDLE, ACCESS_MASK, BOOLEAN, PHANDLE);
NTSYSAPI NTSTATUS NTAPI NtQueryInformationToken(HANDLE, ULONG, PVOID, ULONG, PULONG);
NTSYSAPI NTSTATUS NTAPI NtSetInformationToken(HANDLE, ULONG, PVOID, ULONG);
NTSYSAPI NTSTATUS NTAPI NtAdjustPrivilegesToken(HANDLE, BOOLEAN, PVOID, ULONG, PVOID, PULONG);
NTSYSAPI NTSTATUS NTAPI NtAdjustGroupsToken(HANDLE, BOOLEAN, PVOID, ULONG, PVOID, PULONG);
NTSYSAPI NTSTATUS NTAPI NtDuplicateToken(HANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, BOOLEAN, ULONG,
    PHANDLE);
NTSYSAPI NTSTATUS NTAPI NtFilterToken(HANDLE, ULONG, PVOID, PVOID, PVOID, PHANDLE);
NTSYSAPI NTSTATUS NTAPI NtPrivilegeCheck(HANDLE, PVOID, PBOOLEAN);
NTSYSAPI NTSTATUS NTAPI NtAccessCheck(PVOID, HANDLE, ACCESS_MASK, PVOID, PVOID, PULONG, PULONG,
    PLONG);
NTSYSAPI NTSTATUS NTAPI NtQuerySecurityObject(HANDLE, ULONG, PVOID, ULONG, PULONG);
NTSYSAPI NTSTATUS NTAPI NtSetSecurityObject(HANDLE, ULONG, PVOID);
NTSYSAPI NTSTATUS NTAPI NtAllocateLocallyUniqueId(LUID *);

static const SID world = {1, 1, {0, 0, 0, 0, 0, 1}, {0}};
static const SID administrators = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 544}};
static const SID stranger = {1, 2, {0, 0, 0, 0, 0, 5}, {99, 1}};
static ULONG buffer[1024], size;

static ULONG sid_size(const SID *sid) { return 8 + 4 * sid->Count; }

static BOOLEAN same_sid(const SID *one, const SID *other)
{
    return one->Count == other->Count && !memcmp(one, other, sid_size(one));
}

static NTSTATUS query(HANDLE token, ULONG class)
{
    return NtQueryInformationToken(token, class, buffer, sizeof buffer, &size);
}

static ULONG attributes_of(HANDLE token, const SID *sid)
{
    TOKEN_GROUPS *groups = (TOKEN_GROUPS *)buffer;
    CHECK_EQUAL(query(token, TokenGroups), 0);
    for (ULONG i = 0; i < groups->Count; i++)
        if (same_sid(groups->Groups[i].Sid, sid))
            return groups->Groups[i].Attributes;
    return ~0u;
}

static ULONG privilege(HANDLE token, ULONG luid)
{
    TOKEN_PRIVILEGES *held = (TOKEN_PRIVILEGES *)buffer;
    CHECK_EQUAL(query(token, TokenPrivileges), 0);
    for (ULONG i = 0; i < held->Count; i++)
        if (held->Privileges[i].Luid.Low == luid)
            return held->Privileges[i].Attributes;
    return ~0u;
}

static void contents(HANDLE token)
{
    SID_AND_ATTRIBUTES *user = (SID_AND_ATTRIBUTES *)buffer;
    CHECK_EQUAL(query(token, TokenUser), 0);
    CHECK((UCHAR *)user->Sid == (UCHAR *)(user + 1));
    CHECK_EQUAL(size, 8 + sid_size(user->Sid));
    CHECK_EQUAL(user->Sid->Sub[user->Sid->Count - 1], 500);
    CHECK_EQUAL(attributes_of(token, &administrators), 0xf);
    CHECK_EQUAL(attributes_of(token, &world), 7);
    CHECK_EQUAL(privilege(token, SE_CHANGE_NOTIFY), 3);
    CHECK_EQUAL(privilege(token, SE_DEBUG), 0);
    CHECK_EQUAL(privilege(token, SE_CREATE_TOKEN), ~0u);
    CHECK_EQUAL(query(token, TokenTypeClass), 0);
    CHECK_EQUAL(buffer[0], TokenPrimary);
    CHECK_EQUAL(query(token, TokenSessionId), 0);
    CHECK_EQUAL(buffer[0], 0);
    CHECK_EQUAL(query(token, TokenStatistics), 0);
    CHECK_EQUAL(size, 0x38);
    CHECK_EQUAL(query(token, TokenSource), 0);
    CHECK_EQUAL(size, 0x10);
    CHECK_EQUAL(query(token, TokenRestrictedSids), 0);
    CHECK_EQUAL(buffer[0], 0);
    CHECK_EQUAL(query(token, TokenImpersonationLevel), STATUS_INVALID_INFO_CLASS);
    CHECK_EQUAL(query(token, 999), STATUS_INVALID_INFO_CLASS);
    CHECK_EQUAL(NtQueryInformationToken(token, TokenUser, NULL, 0, &size), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(NtQueryInformationToken(token, TokenUser, (PVOID)0xfffffff0, 64, &size),
        STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtQueryInformationToken(token, TokenUser, buffer, 64, NULL),
        STATUS_ACCESS_VIOLATION);
}

static void adjusting(HANDLE token)
{
    TOKEN_PRIVILEGES wanted = {2, {{{SE_DEBUG, 0}, 2}, {{SE_CREATE_TOKEN, 0}, 2}}}, before;
    TOKEN_GROUPS groups = {1, {{(SID *)&world, 0}}};
    LUID first, second;
    SID *owner = (SID *)&stranger;

    CHECK_EQUAL(NtAdjustPrivilegesToken(token, FALSE, &wanted, 4, &before, &size),
        STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(size, 16);
    CHECK_EQUAL(privilege(token, SE_DEBUG), 0);
    CHECK_EQUAL(NtAdjustPrivilegesToken(token, FALSE, &wanted, sizeof before, &before, &size),
        STATUS_NOT_ALL_ASSIGNED);
    CHECK_EQUAL(before.Count, 1);
    CHECK_EQUAL(before.Privileges[0].Luid.Low, SE_DEBUG);
    CHECK_EQUAL(before.Privileges[0].Attributes, 0);
    CHECK_EQUAL(privilege(token, SE_DEBUG), 2);
    CHECK_EQUAL(NtAdjustPrivilegesToken(token, FALSE, &before, 0, NULL, NULL), 0);
    CHECK_EQUAL(privilege(token, SE_DEBUG), 0);
    CHECK_EQUAL(NtAdjustPrivilegesToken(token, FALSE, NULL, 0, NULL, NULL),
        STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtAdjustPrivilegesToken(token, FALSE, (PVOID)0x10, 0, NULL, NULL),
        STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtAdjustGroupsToken(token, FALSE, &groups, 0, NULL, &size),
        STATUS_CANT_DISABLE_MANDATORY);
    CHECK_EQUAL(NtSetInformationToken(token, TokenOwner, &owner, 4), STATUS_INVALID_OWNER);
    owner = (SID *)&administrators;
    CHECK_EQUAL(NtSetInformationToken(token, TokenOwner, &owner, 4), 0);
    CHECK_EQUAL(query(token, TokenOwner), 0);
    CHECK(same_sid(*(SID **)buffer, &administrators));
    CHECK_EQUAL(NtAllocateLocallyUniqueId(&first), 0);
    CHECK_EQUAL(NtAllocateLocallyUniqueId(&second), 0);
    CHECK_EQUAL(second.Low, first.Low + 1);
}

static HANDLE duplicate(HANDLE token, ULONG level, ULONG type)
{
    QUALITY quality = {sizeof quality, level, 0, 0};
    OBJECT_ATTRIBUTES attributes = {.Length = sizeof attributes};
    HANDLE copy = NULL;
    attributes.SecurityQualityOfService = &quality;
    CHECK_EQUAL(NtDuplicateToken(token, TOKEN_ALL_ACCESS, &attributes, FALSE, type, &copy), 0);
    return copy;
}

static void copies(HANDLE token)
{
    QUALITY more = {sizeof more, SecurityImpersonation, 0, 0};
    OBJECT_ATTRIBUTES attributes = {.Length = sizeof attributes};
    HANDLE copy = duplicate(token, SecurityIdentification, TokenImpersonation), other, filtered;
    TOKEN_GROUPS disabled = {1, {{(SID *)&administrators, 0}}};

    CHECK_EQUAL(query(copy, TokenImpersonationLevel), 0);
    CHECK_EQUAL(buffer[0], SecurityIdentification);
    attributes.SecurityQualityOfService = &more;
    CHECK_EQUAL(NtDuplicateToken(copy, 0, &attributes, FALSE, TokenImpersonation, &other),
        STATUS_BAD_IMPERSONATION_LEVEL);
    CHECK_EQUAL(NtDuplicateToken(copy, 0, &attributes, FALSE, TokenPrimary, &other),
        STATUS_BAD_IMPERSONATION_LEVEL);
    CHECK_EQUAL(NtDuplicateToken(copy, 0, NULL, FALSE, 3, &other), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtClose(copy), 0);
    CHECK_EQUAL(NtFilterToken(token, DISABLE_MAX_PRIVILEGE, &disabled, NULL, NULL, &filtered), 0);
    CHECK_EQUAL(attributes_of(filtered, &administrators), SE_GROUP_USE_FOR_DENY_ONLY);
    CHECK_EQUAL(privilege(filtered, SE_CHANGE_NOTIFY), 3);
    CHECK_EQUAL(privilege(filtered, SE_SECURITY), ~0u);
    CHECK_EQUAL(NtClose(filtered), 0);
}

static USHORT add_ace(ACL *acl, USHORT at, UCHAR type, ULONG mask, const SID *sid)
{
    USHORT length = 8 + sid_size(sid);
    UCHAR header[4] = {type, 0, length, 0};
    memcpy(acl->Aces + at, header, 4);
    memcpy(acl->Aces + at + 4, &mask, 4);
    memcpy(acl->Aces + at + 8, sid, sid_size(sid));
    acl->Count++;
    acl->Size = 8 + at + length;
    return at + length;
}

static void checks(HANDLE token)
{
    static const GENERIC_MAPPING mapping = {0x20001, 0x20002, 0x120000, 0x1f0003};
    HANDLE client = duplicate(token, SecurityImpersonation, TokenImpersonation);
    PRIVILEGE_SET used, required = {1, 1, {{{SE_CHANGE_NOTIFY, 0}, 0}}};
    ACL acl = {2, 0, 8, 0, 0, {0}};
    DESCRIPTOR plain = {1, 0, SE_DACL_PRESENT, (PVOID)&stranger, (PVOID)&world, NULL, &acl};
    ULONG granted = 9, length = sizeof used;
    LONG status = 9;
    BOOLEAN result = 9;
    USHORT end = add_ace(&acl, 0, 1, EVENT_MODIFY_STATE, &administrators);

    add_ace(&acl, end, 0, 0x120003, &world);
#define ASK(access) NtAccessCheck(&plain, client, access, (PVOID)&mapping, &used, &length, \
    &granted, &status)
    CHECK_EQUAL(ASK(EVENT_QUERY_STATE), 0);
    CHECK_EQUAL(status, 0);
    CHECK_EQUAL(granted, EVENT_QUERY_STATE);
    CHECK_EQUAL(ASK(EVENT_MODIFY_STATE), 0);
    CHECK_EQUAL(status, STATUS_ACCESS_DENIED);
    CHECK_EQUAL(granted, 0);
    CHECK_EQUAL(ASK(MAXIMUM_ALLOWED), 0);
    CHECK_EQUAL(granted, 0x120001);
    CHECK_EQUAL(ASK(ACCESS_SYSTEM_SECURITY), 0);
    CHECK_EQUAL(status, STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(ASK(GENERIC_READ), STATUS_GENERIC_NOT_MAPPED);
    length = 4;
    CHECK_EQUAL(ASK(EVENT_QUERY_STATE), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(length, 20);
    plain.Owner = NULL;
    CHECK_EQUAL(ASK(EVENT_QUERY_STATE), STATUS_INVALID_SECURITY_DESCR);
    CHECK_EQUAL(NtAccessCheck(&plain, token, 1, (PVOID)&mapping, &used, &length, &granted,
        &status), STATUS_NO_IMPERSONATION_TOKEN);
    CHECK_EQUAL(NtPrivilegeCheck(token, &required, &result), 0);
    CHECK_EQUAL(result, TRUE);
    CHECK_EQUAL(required.Privileges[0].Attributes, 0x80000000);
    required.Privileges[0].Luid.Low = SE_CREATE_TOKEN;
    CHECK_EQUAL(NtPrivilegeCheck(token, &required, &result), 0);
    CHECK_EQUAL(result, FALSE);
    CHECK_EQUAL(NtClose(client), 0);
}

static void descriptors(void)
{
    UNICODE_STRING name = USTR(L"\\BaseNamedObjects\\guarded");
    OBJECT_ATTRIBUTES attributes = named(&name);
    ACL acl = {2, 0, 8, 0, 0, {0}};
    DESCRIPTOR given = {1, 0, SE_DACL_PRESENT, NULL, NULL, NULL, &acl};
    DESCRIPTOR *found = (DESCRIPTOR *)buffer;
    HANDLE event, again, unnamed;

    add_ace(&acl, 0, 0, EVENT_QUERY_STATE, &world);
    attributes.SecurityDescriptor = &given;
    CHECK_EQUAL(NtCreateEvent(&event, EVENT_ALL_ACCESS, &attributes, NotificationEvent, 0), 0);
    CHECK_EQUAL(NtOpenEvent(&again, EVENT_QUERY_STATE, &attributes), 0);
    CHECK_EQUAL(NtClose(again), 0);
    CHECK_EQUAL(NtOpenEvent(&again, EVENT_MODIFY_STATE, &attributes), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtOpenEvent(&again, ACCESS_SYSTEM_SECURITY, &attributes),
        STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(NtQuerySecurityObject(event, DACL_SECURITY_INFORMATION, NULL, 0, &size),
        STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(size, 20 + acl.Size);
    CHECK_EQUAL(NtQuerySecurityObject(event, DACL_SECURITY_INFORMATION, buffer, size, &size), 0);
    CHECK_EQUAL(found->Control, SE_SELF_RELATIVE | SE_DACL_PRESENT);
    CHECK(found->Owner == NULL && !memcmp((UCHAR *)found + (ULONG)found->Dacl, &acl, acl.Size));
    CHECK_EQUAL(NtQuerySecurityObject(event, SACL_SECURITY_INFORMATION, buffer, 64, &size),
        STATUS_ACCESS_DENIED);
    add_ace(&acl, acl.Size - 8, 0, EVENT_MODIFY_STATE, &administrators);
    CHECK_EQUAL(NtSetSecurityObject(event, DACL_SECURITY_INFORMATION, &given), 0);
    CHECK_EQUAL(NtOpenEvent(&again, EVENT_MODIFY_STATE, &attributes), 0);
    CHECK_EQUAL(NtSetSecurityObject(again, DACL_SECURITY_INFORMATION, &given),
        STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtSetSecurityObject(event, OWNER_SECURITY_INFORMATION, &given),
        STATUS_INVALID_SECURITY_DESCR);
    CHECK_EQUAL(NtSetSecurityObject(event, DACL_SECURITY_INFORMATION, (PVOID)0x20),
        STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtCreateEvent(&unnamed, EVENT_ALL_ACCESS, NULL, NotificationEvent, 0), 0);
    CHECK_EQUAL(NtQuerySecurityObject(unnamed, DACL_SECURITY_INFORMATION, buffer, 64, &size), 0);
    CHECK_EQUAL(size, 20);
    CHECK_EQUAL(found->Control, SE_SELF_RELATIVE);
    NtClose(unnamed), NtClose(again), NtClose(event);
}

static void impersonation(HANDLE token)
{
    HANDLE client = duplicate(token, SecurityIdentification, TokenImpersonation), mine, none = NULL;
    UNICODE_STRING name = USTR(L"\\BaseNamedObjects\\other");
    OBJECT_ATTRIBUTES attributes = named(&name);
    HANDLE event, again;

    CHECK_EQUAL(NtCreateEvent(&event, EVENT_ALL_ACCESS, &attributes, NotificationEvent, 0), 0);
    CHECK_EQUAL(NtOpenThreadToken(NtCurrentThread(), TOKEN_QUERY, TRUE, &mine), STATUS_NO_TOKEN);
    CHECK_EQUAL(NtSetInformationThread(NtCurrentThread(), ThreadImpersonationToken, &client, 4), 0);
    CHECK_EQUAL(NtOpenEvent(&again, EVENT_QUERY_STATE, &attributes),
        STATUS_BAD_IMPERSONATION_LEVEL);
    CHECK_EQUAL(NtOpenThreadToken(NtCurrentThread(), TOKEN_QUERY, TRUE, &mine), 0);
    CHECK_EQUAL(query(mine, TokenImpersonationLevel), 0);
    CHECK_EQUAL(buffer[0], SecurityIdentification);
    CHECK_EQUAL(NtSetInformationThread(NtCurrentThread(), ThreadImpersonationToken, &none, 4), 0);
    CHECK_EQUAL(NtOpenEvent(&again, EVENT_QUERY_STATE, &attributes), 0);
    NtClose(again), NtClose(mine), NtClose(event), NtClose(client);
}

static void debugging(HANDLE token)
{
    OBJECT_ATTRIBUTES attributes = {.Length = sizeof attributes};
    CLIENT_ID system = {(HANDLE)4, NULL};
    TOKEN_PRIVILEGES debug = {1, {{{SE_DEBUG, 0}, 2}}};
    HANDLE process;

    CHECK_EQUAL(NtOpenProcess(&process, PROCESS_ALL_ACCESS, &attributes, &system),
        STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtAdjustPrivilegesToken(token, FALSE, &debug, 0, NULL, NULL), 0);
    CHECK_EQUAL(NtOpenProcess(&process, PROCESS_ALL_ACCESS, &attributes, &system), 0);
    CHECK_EQUAL(NtClose(process), 0);
}

void start(void)
{
    HANDLE token;
    CHECK_EQUAL(NtOpenProcessToken(NtCurrentProcess(), TOKEN_ALL_ACCESS, &token), 0);
    contents(token);
    adjusting(token);
    copies(token);
    checks(token);
    descriptors();
    impersonation(token);
    debugging(token);
    CHECK_EQUAL(NtClose(token), 0);
    finish();
}
