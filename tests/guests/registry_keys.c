/* Keys: names, creation, enumeration, deletion, links, renaming, news of changes.  Prints what
 * does not hold.
 */
#include "nt_registry.h"

static UCHAR buffer[0x400];
static ULONG length;

static BOOLEAN same_text(const WCHAR *text, ULONG size, const WCHAR *wanted)
{
    UNICODE_STRING string = string_of(wanted);
    return size == string.Length && !memcmp(text, wanted, size);
}

static void names(void)
{
    static const struct { const WCHAR *path; NTSTATUS status; } paths[] = {
        {L"\\Registry", STATUS_SUCCESS},
        {L"\\Registry\\\\", STATUS_SUCCESS},
        {L"\\REGISTRY\\machine\\SOFTWARE", STATUS_SUCCESS},
        {L"\\Registry\\\\Machine\\\\Software\\", STATUS_SUCCESS},
        {L"", STATUS_OBJECT_PATH_SYNTAX_BAD},
        {L"Machine", STATUS_OBJECT_PATH_SYNTAX_BAD},
        {L"\\", STATUS_OBJECT_TYPE_MISMATCH},
        {L"\\\\\\", STATUS_OBJECT_NAME_INVALID},
        {L"\\Foobar", STATUS_OBJECT_NAME_NOT_FOUND},
        {L"\\Foobar\\Machine", STATUS_OBJECT_PATH_NOT_FOUND},
        {L"\\Device\\Null", STATUS_OBJECT_TYPE_MISMATCH},
        {TEST_KEY L"\\none", STATUS_OBJECT_NAME_NOT_FOUND},
        {TEST_KEY L"\\none\\none", STATUS_OBJECT_NAME_NOT_FOUND},
    };
    for (ULONG i = 0; i < sizeof paths / sizeof *paths; i++)
        CHECK_EQUAL(try_open(NULL, paths[i].path), paths[i].status);
    CHECK_EQUAL(try_open(test_key, L""), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(test_key, L"\\absolute"), STATUS_OBJECT_PATH_SYNTAX_BAD);
    CHECK_EQUAL(try_open((HANDLE)0x7ffc, L"x"), STATUS_INVALID_HANDLE);
}

static WCHAR long_name[260];

static void odd_names(void)
{
    static const WCHAR *const odd[] = {
        L" ", L".", L"..", L"a/b", L"*?\"<>|:", L"\x01\x1f", L"\x20ac\xd801\xdc00", L"\xd801",
        L"trailing ",
    };
    HANDLE key;
    for (ULONG i = 0; i < sizeof odd / sizeof *odd; i++) {
        key = make_key(odd[i]);
        CHECK_EQUAL(NtQueryKey(key, KeyBasicInformation, buffer, sizeof buffer, &length), 0);
        KEY_BASIC_INFORMATION *basic = (PVOID)buffer;
        CHECK(same_text(basic->Name, basic->NameLength, odd[i]));
        remove_key(key);
    }
    for (ULONG i = 0; i < 257; i++)
        long_name[i] = L'a' + i % 26;
    CHECK_EQUAL(create_at(test_key, long_name, KEY_ALL_ACCESS, 0, NULL, &key),
                STATUS_INVALID_PARAMETER);
    long_name[255] = 0;
    key = make_key(long_name);
    CHECK_EQUAL(NtQueryKey(key, KeyBasicInformation, buffer, sizeof buffer, &length), 0);
    CHECK_EQUAL(length, 16 + 510);
    long_name[0] = L'A';
    CHECK_EQUAL(try_open(test_key, long_name), STATUS_SUCCESS);
    remove_key(key);
    /* The length of a name counts, not a NUL in it; half a character is none. */
    UNICODE_STRING name = {6, 6, (PWSTR)L"a\0b"};
    OBJECT_ATTRIBUTES attributes = named(&name);
    attributes.RootDirectory = test_key;
    CHECK_EQUAL(NtCreateKey(&key, KEY_ALL_ACCESS, &attributes, 0, NULL, 0, NULL), 0);
    CHECK_EQUAL(try_open(test_key, L"a"), STATUS_OBJECT_NAME_NOT_FOUND);
    remove_key(key);
    name.Length = 5;
    CHECK_EQUAL(NtOpenKey(&key, KEY_READ, &attributes), STATUS_OBJECT_NAME_INVALID);
}

static void creation(void)
{
    HANDLE key, again;
    ULONG disposition = 0;
    CHECK_EQUAL(create_at(test_key, L"a\\b", KEY_ALL_ACCESS, 0, NULL, &key),
                STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(key, 0);
    CHECK_EQUAL(create_at(test_key, L"a\\\\", KEY_ALL_ACCESS, 0, &disposition, &key), 0);
    CHECK_EQUAL(disposition, REG_CREATED_NEW_KEY);
    CHECK_EQUAL(create_at(test_key, L"A", KEY_ALL_ACCESS, 0, &disposition, &again), 0);
    CHECK_EQUAL(disposition, REG_OPENED_EXISTING_KEY);
    CHECK(key != again);
    NtClose(again);
    CHECK_EQUAL(create_at(test_key, L"b", KEY_ALL_ACCESS, 0x100, NULL, &again),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(create_at(NULL, L"\\Registry\\Machine\\x", KEY_ALL_ACCESS, 0, NULL, &again),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(open_at(test_key, L"a", 0, 0, &again), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(create_at(test_key, L"a", 0, 0, NULL, &again), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(create_at(test_key, L"without rights", 0, 0, &disposition, &again), 0);
    CHECK_EQUAL(disposition, REG_CREATED_NEW_KEY);
    CHECK_EQUAL(set_value(again, L"v", REG_DWORD, &disposition, 4), STATUS_ACCESS_DENIED);
    NtClose(again);
    CHECK_EQUAL(open_at(test_key, L"without rights", DELETE, 0, &again), 0);
    remove_key(again);
    CHECK_EQUAL(open_at(test_key, L"a", GENERIC_READ, 0, &again), 0);
    CHECK_EQUAL(set_value(again, L"v", REG_DWORD, &disposition, 4), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtDeleteKey(again), STATUS_ACCESS_DENIED);
    NtClose(again);

    /* A class is told by the node and the full information. */
    UNICODE_STRING name = string_of(L"a\\classy"), class = string_of(L"a class");
    OBJECT_ATTRIBUTES attributes = named(&name);
    attributes.RootDirectory = test_key;
    CHECK_EQUAL(NtCreateKey(&again, KEY_ALL_ACCESS, &attributes, 0, &class, 0, NULL), 0);
    CHECK_EQUAL(NtQueryKey(again, KeyNodeInformation, buffer, sizeof buffer, &length), 0);
    KEY_NODE_INFORMATION *node = (PVOID)buffer;
    CHECK(same_text((PWSTR)(buffer + node->ClassOffset), node->ClassLength, L"a class"));
    CHECK(same_text(node->Name, node->NameLength, L"classy"));
    CHECK_EQUAL(NtQueryKey(key, KeyFullInformation, buffer, sizeof buffer, &length), 0);
    KEY_FULL_INFORMATION *full = (PVOID)buffer;
    CHECK_EQUAL(full->SubKeys, 1);
    CHECK_EQUAL(full->MaxNameLen, 12);
    CHECK_EQUAL(full->ClassLength, 0);
    remove_key(again);
    remove_key(key);
}

static void volatile_keys(void)
{
    HANDLE key, below;
    CHECK_EQUAL(create_at(test_key, L"v", KEY_ALL_ACCESS, REG_OPTION_VOLATILE, NULL, &key), 0);
    CHECK_EQUAL(create_at(key, L"stays", KEY_ALL_ACCESS, 0, NULL, &below),
                STATUS_CHILD_MUST_BE_VOLATILE);
    CHECK_EQUAL(create_at(key, L"goes", KEY_ALL_ACCESS, REG_OPTION_VOLATILE, NULL, &below), 0);
    remove_key(below);
    remove_key(key);
}

/* Every buffer length: nothing below the fixed part, then as much as there is room for. */
static void query_lengths(HANDLE key, ULONG class, ULONG fixed)
{
    static UCHAR whole[0x400];
    ULONG needed;
    CHECK_EQUAL(NtQueryKey(key, class, whole, sizeof whole, &needed), STATUS_SUCCESS);
    for (ULONG size = 0; size <= needed; size++) {
        memset(buffer, 0xcc, sizeof buffer);
        NTSTATUS status = NtQueryKey(key, class, buffer, size, &length);
        CHECK_EQUAL(status, size < fixed    ? STATUS_BUFFER_TOO_SMALL
                            : size < needed ? STATUS_BUFFER_OVERFLOW
                                            : STATUS_SUCCESS);
        CHECK_EQUAL(length, needed);
        ULONG written = size < fixed ? 0 : size;
        CHECK(!memcmp(buffer, whole, written));
        CHECK_EQUAL(buffer[written], 0xcc);
    }
}

static void information(void)
{
    HANDLE key = make_key(L"told"), below;
    CHECK_EQUAL(create_at(key, L"below", KEY_ALL_ACCESS, 0, NULL, &below), STATUS_SUCCESS);
    query_lengths(key, KeyBasicInformation, 16);
    query_lengths(key, KeyNodeInformation, 24);
    query_lengths(key, KeyFullInformation, 44);
    query_lengths(key, KeyNameInformation, 4);
    query_lengths(key, KeyCachedInformation, 40);
    query_lengths(key, KeyFlagsInformation, 4);
    CHECK_EQUAL(NtQueryKey(key, 99, buffer, sizeof buffer, &length), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtQueryKey(below, KeyNameInformation, buffer, sizeof buffer, &length), 0);
    static const WCHAR wanted[] = L"\\REGISTRY\\MACHINE\\SOFTWARE\\ntgate test\\told\\below";
    CHECK_EQUAL(*(ULONG *)buffer, sizeof wanted - 2);
    for (ULONG i = 0; i < sizeof wanted / 2 - 1; i++)
        CHECK_EQUAL(((PWSTR)(buffer + 4))[i] & ~0x20, wanted[i] & ~0x20);
    LARGE_INTEGER time = {.QuadPart = 0x1c0ffee00000000};
    CHECK_EQUAL(NtSetInformationKey(key, 0, &time, 4), STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(NtSetInformationKey(key, 0, &time, 8), STATUS_SUCCESS);
    NtQueryKey(key, KeyBasicInformation, buffer, sizeof buffer, &length);
    CHECK(((KEY_BASIC_INFORMATION *)buffer)->LastWriteTime.QuadPart == time.QuadPart);
    remove_key(below);
    remove_key(key);
}

/* By name, without regard to case, volatile ones last; none is left out or told twice. */
static void enumeration(void)
{
    static const WCHAR *const made[] = {L"b", L"C", L"a", L"_", L"B1", L"10", L"9"};
    static const WCHAR *const listed[] = {L"10", L"9", L"a", L"b", L"B1", L"C", L"_"};
    enum { KEYS = 7 };
    HANDLE parent = make_key(L"listed"), keys[KEYS], transient;
    CHECK_EQUAL(create_at(parent, L"0", KEY_ALL_ACCESS, REG_OPTION_VOLATILE, NULL, &transient), 0);
    for (ULONG i = 0; i < KEYS; i++)
        CHECK_EQUAL(create_at(parent, made[i], KEY_ALL_ACCESS, 0, NULL, &keys[i]), 0);
    KEY_BASIC_INFORMATION *basic = (PVOID)buffer;
    for (ULONG i = 0; i < KEYS; i++) {
        CHECK_EQUAL(NtEnumerateKey(parent, i, KeyBasicInformation, buffer, sizeof buffer, &length),
                    STATUS_SUCCESS);
        CHECK(same_text(basic->Name, basic->NameLength, listed[i]));
    }
    CHECK_EQUAL(NtEnumerateKey(parent, KEYS, KeyBasicInformation, buffer, 16, &length),
                STATUS_BUFFER_OVERFLOW);
    CHECK_EQUAL(length, 18);
    CHECK_EQUAL(NtEnumerateKey(parent, KEYS, KeyBasicInformation, buffer, 15, &length),
                STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(NtEnumerateKey(parent, KEYS + 1, KeyBasicInformation, buffer, 0, &length),
                STATUS_NO_MORE_ENTRIES);
    CHECK_EQUAL(NtEnumerateKey(parent, ~0u, KeyFullInformation, buffer, sizeof buffer, &length),
                STATUS_NO_MORE_ENTRIES);
    CHECK_EQUAL(NtEnumerateKey(parent, 0, KeyNameInformation, buffer, sizeof buffer, &length),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtDeleteKey(parent), STATUS_CANNOT_DELETE);
    remove_key(transient);
    for (ULONG i = 0; i < KEYS; i++)
        remove_key(keys[i]);
    remove_key(parent);
}

static void deletion(void)
{
    HANDLE key = make_key(L"gone"), other = make_key(L"gone"), below, event;
    UNICODE_STRING value = string_of(L"value");
    IO_STATUS_BLOCK io;
    CHECK_EQUAL(NtDeleteKey(key), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(test_key, L"gone"), STATUS_OBJECT_NAME_NOT_FOUND);
    for (ULONG i = 0; i < 2; i++, key = other) {
        CHECK_EQUAL(NtQueryKey(key, KeyNameInformation, buffer, sizeof buffer, &length),
                    STATUS_KEY_DELETED);
        CHECK_EQUAL(NtEnumerateKey(key, 0, KeyFullInformation, buffer, sizeof buffer, &length),
                    STATUS_KEY_DELETED);
        CHECK_EQUAL(NtQueryValueKey(key, &value, 0, buffer, sizeof buffer, &length),
                    STATUS_KEY_DELETED);
        CHECK_EQUAL(NtEnumerateValueKey(key, 0, 2, buffer, sizeof buffer, &length),
                    STATUS_KEY_DELETED);
        CHECK_EQUAL(NtSetValueKey(key, &value, 0, REG_SZ, L"", 2), STATUS_KEY_DELETED);
        CHECK_EQUAL(NtDeleteValueKey(key, &value), STATUS_KEY_DELETED);
        CHECK_EQUAL(NtRenameKey(key, &value), STATUS_KEY_DELETED);
        CHECK_EQUAL(NtFlushKey(key), STATUS_KEY_DELETED);
        CHECK_EQUAL(try_open(key, L"below"), STATUS_KEY_DELETED);
        CHECK_EQUAL(create_at(key, L"below", KEY_ALL_ACCESS, 0, NULL, &below), STATUS_KEY_DELETED);
        CHECK_EQUAL(NtQueryObject(key, 1, buffer, sizeof buffer, &length), STATUS_KEY_DELETED);
        CHECK_EQUAL(NtQueryObject(key, 0, buffer, 0x38, &length), STATUS_SUCCESS);
        NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE);
        CHECK_EQUAL(NtNotifyChangeKey(key, event, NULL, NULL, &io, 1, FALSE, NULL, 0, TRUE),
                    STATUS_KEY_DELETED);
        NtClose(event);
        CHECK_EQUAL(NtDeleteKey(key), STATUS_SUCCESS);
        CHECK_EQUAL(NtClose(key), STATUS_SUCCESS);
    }
    /* The name is free again while the old key still has a handle. */
    key = make_key(L"gone");
    NtDeleteKey(key);
    other = make_key(L"gone");
    CHECK_EQUAL(NtFlushKey(key), STATUS_KEY_DELETED);
    CHECK_EQUAL(NtFlushKey(other), STATUS_SUCCESS);
    NtClose(key);
    remove_key(other);
    CHECK_EQUAL(NtDeleteKey(NULL), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(NtFlushKey(NULL), STATUS_INVALID_HANDLE);
}

static void renaming(void)
{
    HANDLE key = make_key(L"old name"), weak;
    UNICODE_STRING old = string_of(L"old name"), new = string_of(L"new name");
    UNICODE_STRING empty = {0, 0, NULL}, path = string_of(L"a\\b");
    CHECK_EQUAL(NtRenameKey(NULL, NULL), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtRenameKey(key, NULL), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtRenameKey(NULL, &new), STATUS_INVALID_HANDLE);
    CHECK_EQUAL(NtRenameKey(key, &empty), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtRenameKey(key, &path), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtRenameKey(key, &old), STATUS_CANNOT_DELETE);
    CHECK_EQUAL(open_at(test_key, L"old name", KEY_READ | DELETE, 0, &weak), STATUS_SUCCESS);
    CHECK_EQUAL(NtRenameKey(weak, &new), STATUS_ACCESS_DENIED);
    NtClose(weak);
    CHECK_EQUAL(NtRenameKey(key, &new), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(test_key, L"old name"), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(try_open(test_key, L"new name"), STATUS_SUCCESS);
    remove_key(key);
}

static NTSTATUS point(HANDLE link, const WCHAR *target)
{
    return set_value(link, L"SymbolicLinkValue", REG_LINK, target, string_of(target).Length);
}

static void links(void)
{
    HANDLE link, key, target;
    ULONG data = 7, disposition;
    UNICODE_STRING value = string_of(L"SymbolicLinkValue"), plain = string_of(L"plain");
    CHECK_EQUAL(create_at(test_key, L"link", KEY_ALL_ACCESS, REG_OPTION_CREATE_LINK, &disposition,
                          &link), STATUS_SUCCESS);
    CHECK_EQUAL(disposition, REG_CREATED_NEW_KEY);
    CHECK_EQUAL(set_value(link, L"SymbolicLinkValue", REG_SZ, TEST_KEY, 4), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(set_value(link, L"other", REG_LINK, TEST_KEY, 4), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(try_open(test_key, L"link"), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(point(link, TEST_KEY L"\\target"), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(test_key, L"link"), STATUS_OBJECT_NAME_NOT_FOUND);
    /* Creating through the link makes its target. */
    CHECK_EQUAL(create_at(test_key, L"link", KEY_ALL_ACCESS, 0, &disposition, &key), 0);
    CHECK_EQUAL(disposition, REG_CREATED_NEW_KEY);
    CHECK_EQUAL(set_value(key, L"plain", REG_DWORD, &data, 4), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryValueKey(key, &value, 2, buffer, sizeof buffer, &length),
                STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(open_at(test_key, L"target", KEY_ALL_ACCESS, 0, &target), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryValueKey(target, &plain, 2, buffer, sizeof buffer, &length), 0);
    NtClose(key);
    CHECK_EQUAL(open_at(test_key, L"link", KEY_READ, OBJ_OPENLINK, &key), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryValueKey(key, &value, 2, buffer, sizeof buffer, &length), STATUS_SUCCESS);
    CHECK_EQUAL(((KEY_VALUE_PARTIAL_INFORMATION *)buffer)->Type, REG_LINK);
    NtClose(key);
    CHECK_EQUAL(create_at(test_key, L"link\\deep", KEY_ALL_ACCESS, 0, NULL, &key), 0);
    CHECK_EQUAL(try_open(test_key, L"target\\deep"), STATUS_SUCCESS);
    remove_key(key);
    CHECK_EQUAL(create_at(test_key, L"link", KEY_ALL_ACCESS, REG_OPTION_CREATE_LINK, NULL, &key),
                STATUS_OBJECT_NAME_COLLISION);
    CHECK_EQUAL(key, 0);
    CHECK_EQUAL(point(link, L"target"), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(test_key, L"link"), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(point(link, TEST_KEY L"\\link"), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(test_key, L"link"), STATUS_NAME_TOO_LONG);
    CHECK_EQUAL(point(link, TEST_KEY L"\\link\\more"), STATUS_SUCCESS);
    CHECK_EQUAL(try_open(test_key, L"link"), STATUS_NAME_TOO_LONG);
    remove_key(target);
    remove_key(link);
}

/* A key that everybody may read and nobody may change; what is made below it is as it is. */
static void security(void)
{
    static const struct {
        UCHAR revision, unused;
        USHORT control;
        ULONG owner, group, sacl, dacl;
        struct { UCHAR revision, unused; USHORT size, count, unused2; } acl;
        struct { UCHAR type, flags; USHORT size; ULONG mask; } ace;
        UCHAR everyone[12];
    } descriptor = {
        1, 0, 0x8004, 0, 0, 0, 20, {2, 0, 28, 1, 0}, {0, 2, 20, KEY_READ},
        {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0},
    };
    UNICODE_STRING name = string_of(L"guarded");
    OBJECT_ATTRIBUTES attributes = named(&name);
    HANDLE key, weak;
    attributes.RootDirectory = test_key;
    attributes.SecurityDescriptor = (PVOID)&descriptor;
    CHECK_EQUAL(NtCreateKey(&key, KEY_ALL_ACCESS, &attributes, 0, NULL, 0, NULL), STATUS_SUCCESS);
    CHECK_EQUAL(open_at(test_key, L"guarded", KEY_SET_VALUE, 0, &weak), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(open_at(test_key, L"guarded", KEY_READ | DELETE, 0, &weak), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(open_at(test_key, L"guarded", KEY_READ, 0, &weak), STATUS_SUCCESS);
    NtClose(weak);
    CHECK_EQUAL(create_at(test_key, L"guarded\\below", KEY_READ, 0, NULL, &weak),
                STATUS_ACCESS_DENIED);
    remove_key(key);
}

static LARGE_INTEGER none;

static void make_and_remove(const WCHAR *path) { remove_key(make_key(path)); }

static void NTAPI told(PVOID context, PIO_STATUS_BLOCK io, ULONG reserved)
{
    CHECK_EQUAL(reserved, 0);
    *(NTSTATUS *)context = io->Status;
}

static void news(void)
{
    HANDLE key = make_key(L"watched"), deep = make_key(L"watched\\deep"), event;
    IO_STATUS_BLOCK io;
    ULONG data = 1;
    NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, TRUE);
    CHECK_EQUAL(NtNotifyChangeKey(key, event, NULL, NULL, &io, REG_NOTIFY_CHANGE_NAME, FALSE, NULL,
                                  0, TRUE), STATUS_PENDING);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_TIMEOUT);
    set_value(key, L"v", REG_DWORD, &data, 4);
    make_and_remove(L"watched\\deep\\below");
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_TIMEOUT);
    make_and_remove(L"watched\\new");
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_SUCCESS);
    NtClose(key);

    /* The whole tree, by values, with a routine. */
    NTSTATUS status = STATUS_PENDING;
    key = make_key(L"watched");
    CHECK_EQUAL(NtNotifyChangeKey(key, NULL, told, &status, &io, REG_NOTIFY_CHANGE_LAST_SET, TRUE,
                                  NULL, 0, TRUE), STATUS_PENDING);
    make_and_remove(L"watched\\new");
    CHECK_EQUAL(NtTestAlert(), STATUS_SUCCESS);
    CHECK_EQUAL(status, STATUS_PENDING);
    set_value(deep, L"v", REG_DWORD, &data, 4);
    CHECK_EQUAL(NtDelayExecution(TRUE, &none), STATUS_USER_APC);
    CHECK_EQUAL(status, 0x10c);

    /* Closing the key that watches is news, too. */
    status = STATUS_PENDING;
    CHECK_EQUAL(NtNotifyChangeKey(key, event, told, &status, &io, 0, FALSE, NULL, 0, TRUE),
                STATUS_PENDING);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_TIMEOUT);
    NtClose(key);
    CHECK_EQUAL(NtWaitForSingleObject(event, FALSE, &none), STATUS_SUCCESS);
    CHECK_EQUAL(NtDelayExecution(TRUE, &none), STATUS_USER_APC);
    CHECK_EQUAL(status, STATUS_NOTIFY_CLEANUP);

    CHECK_EQUAL(open_at(test_key, L"watched", KEY_QUERY_VALUE, 0, &key), STATUS_SUCCESS);
    CHECK_EQUAL(NtNotifyChangeKey(key, event, NULL, NULL, &io, 1, FALSE, NULL, 0, TRUE),
                STATUS_ACCESS_DENIED);
    NtClose(key);
    NtClose(event);
    remove_key(deep);
    remove_key(make_key(L"watched"));
}

void start(void)
{
    CHECK_EQUAL(create_at(NULL, TEST_KEY, KEY_ALL_ACCESS, 0, NULL, &test_key), STATUS_SUCCESS);
    names();
    odd_names();
    creation();
    volatile_keys();
    information();
    enumeration();
    deletion();
    renaming();
    links();
    security();
    news();
    remove_key(test_key);
    finish();
}
