/* What the machine tells of itself, and the services that keep small settings: locale, atoms,
 * debug filters, power.  Prints what does not hold; lengths are those of XP SP3.
 */
#include "nt.h"

enum {
    STATUS_INVALID_INFO_CLASS = (int)0xc0000003,
    STATUS_BUFFER_TOO_SMALL = (int)0xc0000023,
};

typedef unsigned short LANGID;
NTSYSAPI NTSTATUS NTAPI NtQueryDefaultLocale(BOOLEAN User, PULONG Locale);
NTSYSAPI NTSTATUS NTAPI NtSetDefaultLocale(BOOLEAN User, ULONG Locale);
NTSYSAPI NTSTATUS NTAPI NtQueryDefaultUILanguage(LANGID *Language);
NTSYSAPI NTSTATUS NTAPI NtQueryInstallUILanguage(LANGID *Language);
NTSYSAPI NTSTATUS NTAPI NtAddAtom(const WCHAR *Name, ULONG Length, USHORT *Atom);
NTSYSAPI NTSTATUS NTAPI NtFindAtom(const WCHAR *Name, ULONG Length, USHORT *Atom);
NTSYSAPI NTSTATUS NTAPI NtDeleteAtom(ULONG Atom);
NTSYSAPI NTSTATUS NTAPI NtQueryInformationAtom(ULONG Atom, ULONG Class, PVOID, ULONG, PULONG);
NTSYSAPI NTSTATUS NTAPI NtQueryDebugFilterState(ULONG Component, ULONG Level);
NTSYSAPI NTSTATUS NTAPI NtSetDebugFilterState(ULONG Component, ULONG Level, ULONG State);
NTSYSAPI NTSTATUS NTAPI NtSetThreadExecutionState(ULONG State, PULONG Previous);

static UCHAR buffer[0x20000];
static ULONG length;

static NTSTATUS query(ULONG class, ULONG size)
{
    length = 0xdddddddd;
    return NtQuerySystemInformation(class, buffer, size, &length);
}

static ULONG dword(ULONG offset) { return *(const ULONG *)(buffer + offset); }

/* A class whose buffer must have one length, or at least that. */
static void fixed(ULONG class, ULONG size, BOOLEAN exact)
{
    CHECK_EQUAL(query(class, size - 1), STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(length, size);
    CHECK_EQUAL(query(class, size), STATUS_SUCCESS);
    CHECK_EQUAL(length, size);
    CHECK_EQUAL(query(class, size + 4), exact ? STATUS_INFO_LENGTH_MISMATCH : STATUS_SUCCESS);
}

static void processor_and_memory(void)
{
    fixed(0, 44, TRUE);
    query(0, 44);
    CHECK_EQUAL(dword(8), 0x1000);
    CHECK_EQUAL(dword(24), 0x10000);
    CHECK_EQUAL(dword(32), 0x7ffeffff);
    CHECK_EQUAL(buffer[40], *(UCHAR *)((UCHAR *)NtCurrentPeb() + 0x64));
    fixed(1, 12, FALSE);
    fixed(2, 0x138, FALSE);
    fixed(8, 48, FALSE);
    fixed(28, 12, TRUE);
    fixed(35, 2, FALSE);
    fixed(44, 172, FALSE);
    CHECK_EQUAL(query(3, 8), STATUS_SUCCESS);
    CHECK_EQUAL(length, 8);
    CHECK_EQUAL(query(3, 49), STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(query(0x7777, 4), STATUS_INVALID_INFO_CLASS);
    CHECK_EQUAL(length, 0);
    CHECK_EQUAL(query(22, 4), STATUS_NOT_IMPLEMENTED); /* pool tags, without their global flag */
    fixed(24, 20, FALSE);
    fixed(60, 0x88, FALSE);
    CHECK_EQUAL(NtQuerySystemInformation(0, (PVOID)0x80000000, 44, &length),
                STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtQuerySystemInformation(0, buffer, 44, (PVOID)0x10), STATUS_ACCESS_VIOLATION);
}

/* This process is in the list, with this thread. */
static void processes(void)
{
    CHECK_EQUAL(query(5, 0x10), STATUS_INFO_LENGTH_MISMATCH);
    CHECK(length > 0x10);
    CHECK_EQUAL(query(5, sizeof buffer), STATUS_SUCCESS);
    ULONG own = (ULONG)NtCurrentTeb()->ClientId.UniqueProcess, at = 0, seen = 0, systems = 0;
    for (;;) {
        if (dword(at + 0x44) == 4)
            systems++;
        if (dword(at + 0x44) == own) {
            seen++;
            CHECK_EQUAL(dword(at + 4), 1);
            CHECK_EQUAL(dword(at + 0xb8 + 0x20), own);
            CHECK_EQUAL(dword(at + 0xb8 + 0x24), NtCurrentTeb()->ClientId.UniqueThread);
        }
        if (!dword(at))
            break;
        at += dword(at);
    }
    CHECK_EQUAL(seen, 1);
    CHECK_EQUAL(systems, 1);
}

/* nt's image is the first module, and holds the address that the module's size says. */
static void modules(void)
{
    CHECK_EQUAL(query(11, 4), STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(query(11, sizeof buffer), STATUS_SUCCESS);
    CHECK(dword(0) >= 1);
    CHECK(dword(4 + 8) >= 0x80000000);
    CHECK(dword(4 + 12) > 0x1000);
    const CHAR *name = (const CHAR *)buffer + 4 + 28 + *(const USHORT *)(buffer + 4 + 26);
    CHECK_EQUAL(name[0] & ~0x20, 'N');
}

/* An event of this process is among all handles, with its access. */
static void handles(void)
{
    HANDLE event;
    CHECK_EQUAL(NtCreateEvent(&event, 0x1f0003, NULL, 0, FALSE), STATUS_SUCCESS);
    CHECK_EQUAL(query(16, sizeof buffer), STATUS_SUCCESS);
    ULONG seen = 0;
    for (ULONG i = 0; i < dword(0); i++) {
        const UCHAR *record = buffer + 4 + 16 * i;
        if (*(const USHORT *)record == (ULONG)NtCurrentTeb()->ClientId.UniqueProcess &&
            *(const USHORT *)(record + 6) == (ULONG)event) {
            seen++;
            CHECK_EQUAL(*(const ULONG *)(record + 12), 0x1f0003);
            CHECK(*(const ULONG *)(record + 8) >= 0x80000000);
        }
    }
    CHECK_EQUAL(seen, 1);
    NtClose(event);
}

static void locale(void)
{
    ULONG user = 0, changed = 0;
    LANGID language = 0, installed = 1;
    CHECK_EQUAL(NtQueryDefaultLocale(TRUE, &user), STATUS_SUCCESS);
    CHECK_EQUAL(user, 0x409);
    CHECK_EQUAL(NtSetDefaultLocale(TRUE, 0x407), STATUS_SUCCESS);
    NtQueryDefaultLocale(TRUE, &changed);
    CHECK_EQUAL(changed, 0x407);
    NtSetDefaultLocale(TRUE, user);
    CHECK_EQUAL(NtQueryDefaultUILanguage(&language), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryInstallUILanguage(&installed), STATUS_SUCCESS);
    CHECK_EQUAL(language, installed);
    CHECK_EQUAL(NtQueryDefaultLocale(TRUE, (PVOID)0x7fffffff), STATUS_ACCESS_VIOLATION);
}

static void atoms(void)
{
    USHORT atom = 0, again = 0;
    CHECK_EQUAL(NtFindAtom(L"ntgate", 12, &atom), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(NtAddAtom(L"ntgate", 12, &atom), STATUS_SUCCESS);
    CHECK(atom >= 0xc000);
    CHECK_EQUAL(NtAddAtom(L"NTGATE", 12, &again), STATUS_SUCCESS);
    CHECK_EQUAL(again, atom);
    CHECK_EQUAL(NtQueryInformationAtom(atom, 0, buffer, 6, &length), STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(NtQueryInformationAtom(atom, 0, buffer, 64, &length), STATUS_SUCCESS);
    CHECK_EQUAL(*(USHORT *)buffer, 2);
    CHECK_EQUAL(*(USHORT *)(buffer + 4), 12);
    CHECK_EQUAL(*(USHORT *)(buffer + 6), 'n');
    CHECK_EQUAL(NtQueryInformationAtom(atom, 0, buffer, 8, &length), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(*(USHORT *)(buffer + 4), 12);
    CHECK_EQUAL(NtQueryInformationAtom(atom, 0, buffer, 10, &length), STATUS_SUCCESS);
    CHECK_EQUAL(*(USHORT *)(buffer + 4), 2);
    CHECK_EQUAL(NtQueryInformationAtom(0, 0, buffer, 64, &length), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtDeleteAtom(atom), STATUS_SUCCESS);
    CHECK_EQUAL(NtDeleteAtom(atom), STATUS_SUCCESS);
    CHECK_EQUAL(NtDeleteAtom(atom), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(NtAddAtom((PVOID)0x1234, 0, &atom), STATUS_SUCCESS);
    CHECK_EQUAL(atom, 0x1234);
    CHECK_EQUAL(NtAddAtom(L"#77", 6, &atom), STATUS_SUCCESS);
    CHECK_EQUAL(atom, 77);
    CHECK_EQUAL(NtAddAtom(L"x", 512, &atom), STATUS_INVALID_PARAMETER);
}

static void settings(void)
{
    ULONG previous = 0;
    CHECK_EQUAL(NtQueryDebugFilterState(5, 3), FALSE);
    CHECK_EQUAL(NtSetDebugFilterState(5, 3, TRUE), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryDebugFilterState(5, 3), TRUE);
    CHECK_EQUAL(NtSetThreadExecutionState(0x80000001, &previous), STATUS_SUCCESS);
    CHECK_EQUAL(NtSetThreadExecutionState(0x80000000, &previous), STATUS_SUCCESS);
    CHECK_EQUAL(previous, 0x80000001);
    CHECK_EQUAL(NtSetThreadExecutionState(0x1000, &previous), STATUS_INVALID_PARAMETER);
}

void start(void)
{
    processor_and_memory();
    processes();
    modules();
    handles();
    locale();
    atoms();
    settings();
    finish();
}
