/* Jobs that limit the tokens of their processes, and sets of jobs. */
#include "nt.h"

enum {
    STATUS_PROCESS_IN_JOB = 0x124,
    STATUS_PROCESS_NOT_IN_JOB = 0x123,
    JobObjectBasicUIRestrictions = 4,
    JobObjectSecurityLimitInformation = 5,
    JobObjectBasicAndIoAccountingInformation = 8,
    NO_ADMIN = 1, RESTRICTED_TOKEN = 2, ONLY_TOKEN = 4, FILTER_TOKENS = 8,
    JOB_ALL_ACCESS = 0x1f001f,
    SE_SHUTDOWN = 19, SE_DEBUG = 20,
    TokenGroups = 2, TokenPrivileges = 3, TokenImpersonation = 2,
    ThreadImpersonationToken = 5,
    SE_GROUP_USE_FOR_DENY_ONLY = 0x10,
    TOKEN_ALL = 0xf01ff,
};

typedef struct {
    ULONG SecurityLimitFlags;
    HANDLE JobToken;
    PVOID SidsToDisable, PrivilegesToDelete, RestrictedSids;
} LIMITS;
SIZE_IS(LIMITS, 0x14);

typedef struct { ULONG count; struct { ULONG low, high, attributes; } privileges[40]; } PRIVILEGES;
typedef struct { ULONG count; struct { UCHAR *sid; ULONG attributes; } groups[30]; } GROUPS;
typedef struct { HANDLE job; ULONG level, flags; } MEMBER;

NTSYSAPI NTSTATUS NTAPI NtCreateJobObject(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtAssignProcessToJobObject(HANDLE Job, HANDLE Process);
NTSYSAPI NTSTATUS NTAPI NtIsProcessInJob(HANDLE Process, HANDLE Job);
NTSYSAPI NTSTATUS NTAPI NtSetInformationJobObject(HANDLE, ULONG Class, PVOID, ULONG Length);
NTSYSAPI NTSTATUS NTAPI NtQueryInformationJobObject(HANDLE, ULONG Class, PVOID, ULONG, PULONG);
NTSYSAPI NTSTATUS NTAPI NtCreateJobSet(ULONG NumJob, MEMBER *, ULONG Flags);
NTSYSAPI NTSTATUS NTAPI NtOpenProcessToken(HANDLE, ACCESS_MASK, PHANDLE);
NTSYSAPI NTSTATUS NTAPI NtOpenThreadToken(HANDLE, ACCESS_MASK, BOOLEAN OpenAsSelf, PHANDLE);
NTSYSAPI NTSTATUS NTAPI NtDuplicateToken(HANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, BOOLEAN,
    ULONG TokenType, PHANDLE);
NTSYSAPI NTSTATUS NTAPI NtQueryInformationToken(HANDLE, ULONG, PVOID, ULONG, PULONG);
NTSYSAPI NTSTATUS NTAPI NtAddAtom(WCHAR *, ULONG Length, USHORT *);
NTSYSAPI NTSTATUS NTAPI NtFindAtom(WCHAR *, ULONG Length, USHORT *);
NTSYSAPI NTSTATUS NTAPI NtFilterToken(HANDLE, ULONG, PVOID, PVOID, PVOID, PHANDLE);

static const UCHAR administrators[16] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2};
static const UCHAR everyone[12] = {1, 1, 0, 0, 0, 0, 0, 1};

static HANDLE new_job(void)
{
    HANDLE job;
    CHECK_EQUAL(NtCreateJobObject(&job, JOB_ALL_ACCESS, NULL), 0);
    return job;
}

static HANDLE new_process(void)
{
    HANDLE process;
    CHECK_EQUAL(NtCreateProcess(&process, PROCESS_ALL_ACCESS, NULL, NtCurrentProcess(), FALSE, NULL,
                                NULL, NULL), 0);
    return process;
}

static void end(HANDLE process)
{
    CHECK_EQUAL(NtTerminateProcess(process, 0), 0);
    CHECK_EQUAL(NtClose(process), 0);
}

static NTSTATUS limit(HANDLE job, LIMITS limits)
{
    return NtSetInformationJobObject(job, JobObjectSecurityLimitInformation, &limits, sizeof limits);
}

static BOOLEAN may(HANDLE token, ULONG privilege)
{
    static PRIVILEGES held;
    ULONG size;
    CHECK_EQUAL(NtQueryInformationToken(token, TokenPrivileges, &held, sizeof held, &size), 0);
    for (ULONG i = 0; i < held.count; i++)
        if (held.privileges[i].low == privilege)
            return TRUE;
    return FALSE;
}

static ULONG administrator(HANDLE token)
{
    static union { GROUPS groups; UCHAR bytes[2000]; } found;
    ULONG size;
    CHECK_EQUAL(NtQueryInformationToken(token, TokenGroups, &found, sizeof found, &size), 0);
    for (ULONG i = 0; i < found.groups.count; i++)
        if (!memcmp(found.groups.groups[i].sid, administrators, sizeof administrators))
            return found.groups.groups[i].attributes;
    return 0;
}

static HANDLE token_of(HANDLE process)
{
    HANDLE token;
    CHECK_EQUAL(NtOpenProcessToken(process, TOKEN_ALL, &token), 0);
    return token;
}

static void no_administrators(void)
{
    HANDLE job = new_job(), process = new_process();
    CHECK_EQUAL(limit(job, (LIMITS){0x10, NULL, NULL, NULL, NULL}), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(limit(job, (LIMITS){NO_ADMIN, NULL, NULL, NULL, NULL}), 0);
    CHECK_EQUAL(NtAssignProcessToJobObject(job, process), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtIsProcessInJob(process, job), STATUS_PROCESS_NOT_IN_JOB);
    end(process);
    CHECK_EQUAL(NtClose(job), 0);
}

static void restricted_tokens_alone(void)
{
    HANDLE job = new_job(), process = new_process();
    CHECK_EQUAL(limit(job, (LIMITS){RESTRICTED_TOKEN, NULL, NULL, NULL, NULL}), 0);
    CHECK_EQUAL(limit(job, (LIMITS){FILTER_TOKENS, NULL, NULL, NULL, NULL}), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtAssignProcessToJobObject(job, process), STATUS_ACCESS_DENIED);
    end(process);
    CHECK_EQUAL(NtClose(job), 0);
}

static void one_token_for_all(void)
{
    struct { ULONG count; struct { ULONG low, high, attributes; } one; } removed = {1, {SE_DEBUG, 0, 0}};
    HANDLE job = new_job(), process = new_process(), own = token_of(NtCurrentProcess()), less, got;
    CHECK_EQUAL(NtFilterToken(own, 0, NULL, &removed, NULL, &less), 0);
    CHECK_EQUAL(limit(job, (LIMITS){ONLY_TOKEN, less, NULL, NULL, NULL}), 0);
    CHECK_EQUAL(limit(job, (LIMITS){ONLY_TOKEN, less, NULL, NULL, NULL}), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtAssignProcessToJobObject(job, process), 0);
    got = token_of(process);
    CHECK(!may(got, SE_DEBUG) && may(got, SE_SHUTDOWN));
    CHECK_EQUAL(NtClose(got), 0);
    CHECK_EQUAL(NtClose(less), 0);
    CHECK_EQUAL(NtClose(own), 0);
    end(process);
    CHECK_EQUAL(NtClose(job), 0);
}

static HANDLE job_that_filters(void)
{
    struct { ULONG count; struct { ULONG low, high, attributes; } one; } removed = {1, {SE_SHUTDOWN, 0, 0}};
    struct { ULONG count; struct { const UCHAR *sid; ULONG attributes; } one; } disabled = {
        1, {administrators, 0}}, restricted = {1, {everyone, 0}};
    HANDLE job = new_job();
    CHECK_EQUAL(limit(job, (LIMITS){FILTER_TOKENS, NULL, &disabled, &removed, &restricted}), 0);
    return job;
}

static void filtered_tokens(void)
{
    union { LIMITS limits; UCHAR bytes[200]; } found;
    HANDLE job = job_that_filters(), process = new_process(), token;
    ULONG size = 0;

    CHECK_EQUAL(NtAssignProcessToJobObject(job, process), 0);
    token = token_of(process);
    CHECK(!may(token, SE_SHUTDOWN) && may(token, SE_DEBUG));
    CHECK_EQUAL(administrator(token) & SE_GROUP_USE_FOR_DENY_ONLY, SE_GROUP_USE_FOR_DENY_ONLY);
    CHECK_EQUAL(NtClose(token), 0);
    end(process);
    CHECK_EQUAL(NtQueryInformationJobObject(job, JobObjectSecurityLimitInformation, &found,
                                            sizeof found, &size), 0);
    CHECK_EQUAL(found.limits.SecurityLimitFlags, FILTER_TOKENS);
    CHECK_EQUAL(found.limits.JobToken, NULL);
    CHECK_EQUAL(*(ULONG *)found.limits.SidsToDisable, 1);
    CHECK_EQUAL(((ULONG *)found.limits.PrivilegesToDelete)[1], SE_SHUTDOWN);
    CHECK(!memcmp(((UCHAR **)found.limits.RestrictedSids)[1], everyone, sizeof everyone));
    CHECK_EQUAL(NtClose(job), 0);
}

/* The program's own process, which stays in its job. */
static void own_process(void)
{
    struct { ULONG quality[3]; } service = {{12, 2, 0}};
    OBJECT_ATTRIBUTES impersonation = {
        .Length = sizeof impersonation, .SecurityQualityOfService = &service};
    struct { LONGLONG basic[4]; ULONG counts[4]; LONGLONG io[6]; } accounting;
    HANDLE job = job_that_filters(), higher = new_job(), third = new_job(), primary, client, got, child;
    MEMBER members[2] = {{job, 1, 0}, {higher, 3, 0}}, wrong[2] = {{job, 2, 0}, {higher, 1, 0}};
    static WCHAR name[] = L"ntgate's atom";
    USHORT atom, found, global;
    ULONG size, ui = 0x20; /* JOB_OBJECT_UILIMIT_GLOBALATOMS */

    CHECK_EQUAL(NtAddAtom(name, sizeof name - 2, &global), 0);
    primary = token_of(NtCurrentProcess());
    CHECK_EQUAL(NtDuplicateToken(primary, TOKEN_ALL, &impersonation, FALSE, TokenImpersonation, &client),
                0);
    CHECK_EQUAL(NtCreateJobSet(2, wrong, 0), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtCreateJobSet(1, members, 0), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtCreateJobSet(2, members, 1), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtCreateJobSet(2, members, 0), 0);
    CHECK_EQUAL(NtCreateJobSet(2, members, 0), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtAssignProcessToJobObject(job, NtCurrentProcess()), 0);
    CHECK_EQUAL(NtIsProcessInJob(NtCurrentProcess(), NULL), STATUS_PROCESS_IN_JOB);

    CHECK(may(client, SE_SHUTDOWN));
    CHECK_EQUAL(NtSetInformationThread(NtCurrentThread(), ThreadImpersonationToken, &client, 4), 0);
    CHECK_EQUAL(NtOpenThreadToken(NtCurrentThread(), 8, TRUE, &got), 0);
    CHECK(!may(got, SE_SHUTDOWN) && may(got, SE_DEBUG));
    CHECK_EQUAL(NtClose(got), 0);
    got = NULL;
    CHECK_EQUAL(NtSetInformationThread(NtCurrentThread(), ThreadImpersonationToken, &got, 4), 0);

    CHECK_EQUAL(NtCreateProcessEx(&child, PROCESS_ALL_ACCESS, NULL, NtCurrentProcess(), 0, NULL, NULL,
                                  NULL, 3), 0);
    CHECK_EQUAL(NtIsProcessInJob(child, higher), STATUS_PROCESS_IN_JOB);
    end(child);
    CHECK_EQUAL(NtCreateProcessEx(&child, PROCESS_ALL_ACCESS, NULL, NtCurrentProcess(), 0, NULL, NULL,
                                  NULL, 2), STATUS_ACCESS_DENIED);
    child = new_process();
    CHECK_EQUAL(NtIsProcessInJob(child, job), STATUS_PROCESS_IN_JOB);
    CHECK_EQUAL(NtAssignProcessToJobObject(third, child), STATUS_ACCESS_DENIED);
    end(child);

    CHECK_EQUAL(NtSetInformationJobObject(job, JobObjectBasicUIRestrictions, &ui, sizeof ui), 0);
    CHECK_EQUAL(NtFindAtom(name, sizeof name - 2, &atom), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(NtAddAtom(name, sizeof name - 2, &atom), 0);
    CHECK_EQUAL(NtFindAtom(name, sizeof name - 2, &found), 0);
    CHECK_EQUAL(found, atom);
    ui = 0;
    CHECK_EQUAL(NtSetInformationJobObject(job, JobObjectBasicUIRestrictions, &ui, sizeof ui), 0);
    CHECK_EQUAL(NtFindAtom(name, sizeof name - 2, &found), 0);
    CHECK_EQUAL(found, global);

    CHECK_EQUAL(print(""), 0);
    CHECK_EQUAL(NtQueryInformationJobObject(job, JobObjectBasicAndIoAccountingInformation, &accounting,
                                            sizeof accounting, &size), 0);
    CHECK(accounting.io[1] > 0);
    CHECK_EQUAL(accounting.counts[1], 2);
    CHECK_EQUAL(accounting.counts[2], 1);
}

void start(void)
{
    no_administrators();
    restricted_tokens_alone();
    one_token_for_all();
    filtered_tokens();
    own_process();
    finish();
}
