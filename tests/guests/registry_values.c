/* Values of keys: every type and length, the classes that tell of them, several at once; and the
 * registry's services with pointers that lead nowhere or to a page's end.  Prints what does not
 * hold.
 */
#include "nt_registry.h"

enum { PAGE = 0x1000 };

static UCHAR buffer[0x10000], data[0x10000];
static ULONG length;
static HANDLE key;

static KEY_VALUE_PARTIAL_INFORMATION *partial = (PVOID)buffer;
static KEY_VALUE_FULL_INFORMATION *full = (PVOID)buffer;

static NTSTATUS query(const WCHAR *name, ULONG class, ULONG size)
{
    UNICODE_STRING string = string_of(name);
    length = 0xdddddddd;
    return NtQueryValueKey(key, &string, class, buffer, size, &length);
}

static NTSTATUS delete(const WCHAR *name)
{
    UNICODE_STRING string = string_of(name);
    return NtDeleteValueKey(key, &string);
}

/* A value is what was set, byte for byte, whatever its type says. */
static void types(void)
{
    static const ULONG kinds[] = {
        REG_NONE, REG_SZ, 2, REG_BINARY, REG_DWORD, 5, REG_LINK, REG_MULTI_SZ, 8, 9, 10, REG_QWORD,
        12, 0xff00ff00,
    };
    static const ULONG sizes[] = {0, 1, 3, 4, 5, 8, 4096, 16344, 40000};
    for (ULONG i = 0; i < sizeof data; i++)
        data[i] = i * 7;
    for (ULONG i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (ULONG j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            CHECK_EQUAL(set_value(key, L"any", kinds[i], data + i, sizes[j]), STATUS_SUCCESS);
            CHECK_EQUAL(query(L"ANY", KeyValuePartialInformation, sizeof buffer), STATUS_SUCCESS);
            CHECK_EQUAL(length, 12 + sizes[j]);
            CHECK_EQUAL(partial->Type, kinds[i]);
            CHECK_EQUAL(partial->DataLength, sizes[j]);
            CHECK(!memcmp(partial->Data, data + i, sizes[j]));
        }
    CHECK_EQUAL(delete(L"aNy"), STATUS_SUCCESS);
    CHECK_EQUAL(delete(L"any"), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(query(L"any", KeyValuePartialInformation, 0), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void lengths(ULONG class, ULONG fixed, ULONG whole)
{
    for (ULONG size = 0; size <= whole + 1; size++) {
        memset(buffer, 0xcc, whole + 2);
        CHECK_EQUAL(query(L"val", class, size), size < fixed   ? STATUS_BUFFER_TOO_SMALL
                                                : size < whole ? STATUS_BUFFER_OVERFLOW
                                                               : STATUS_SUCCESS);
        CHECK_EQUAL(length, whole);
        ULONG written = size < fixed ? 0 : size < whole ? size : whole;
        CHECK_EQUAL(buffer[written], 0xcc);
        if (written)
            CHECK_EQUAL(((PULONG)buffer)[1], REG_BINARY);
    }
}

static void classes(void)
{
    CHECK_EQUAL(set_value(key, L"val", REG_BINARY, "12345", 5), STATUS_SUCCESS);
    lengths(KeyValueBasicInformation, 12, 18);
    lengths(KeyValueFullInformation, 20, 33);
    lengths(KeyValuePartialInformation, 12, 17);
    CHECK_EQUAL(query(L"val", KeyValueFullInformation, sizeof buffer), STATUS_SUCCESS);
    CHECK_EQUAL(full->DataOffset, 28);
    CHECK_EQUAL(full->NameLength, 6);
    CHECK(!memcmp(buffer + full->DataOffset, "12345", 5));
    CHECK_EQUAL(query(L"val", 99, sizeof buffer), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtEnumerateValueKey(key, 0, 99, buffer, sizeof buffer, &length),
                STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(delete(L"val"), STATUS_SUCCESS);
}

static void enumeration(void)
{
    static const WCHAR *const order[] = {L"z", L"", L"A", L"m"};
    for (ULONG i = 0; i < 4; i++)
        CHECK_EQUAL(set_value(key, order[i], REG_DWORD, &i, 4), STATUS_SUCCESS);
    CHECK_EQUAL(set_value(key, L"Z", REG_DWORD, data, 4), STATUS_SUCCESS);
    ULONG seen = 0;
    for (ULONG i = 0; i < 4; i++) {
        CHECK_EQUAL(NtEnumerateValueKey(key, i, KeyValueFullInformation, buffer, sizeof buffer,
                                        &length), STATUS_SUCCESS);
        for (ULONG j = 0; j < 4; j++) {
            UNICODE_STRING name = string_of(order[j]);
            if (full->NameLength == name.Length && !memcmp(full->Name, name.Buffer, name.Length))
                seen |= 1 << j;
        }
    }
    CHECK_EQUAL(seen, 15);
    CHECK_EQUAL(NtEnumerateValueKey(key, 4, 0, buffer, sizeof buffer, &length),
                STATUS_NO_MORE_ENTRIES);
    CHECK_EQUAL(NtEnumerateValueKey(key, 0, 0, buffer, 11, &length), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(NtEnumerateValueKey(key, 0, 1, buffer, 20, &length), STATUS_BUFFER_OVERFLOW);
    CHECK_EQUAL(NtQueryKey(key, KeyFullInformation, buffer, sizeof buffer, &length), 0);
    CHECK_EQUAL(((KEY_FULL_INFORMATION *)buffer)->Values, 4);
    CHECK_EQUAL(((KEY_FULL_INFORMATION *)buffer)->MaxValueNameLen, 2);
    CHECK_EQUAL(((KEY_FULL_INFORMATION *)buffer)->MaxValueDataLen, 4);
    for (ULONG i = 0; i < 4; i++)
        CHECK_EQUAL(delete(order[i]), STATUS_SUCCESS);
}

static WCHAR long_name[0x8000];

static void names(void)
{
    for (ULONG i = 0; i < 0x7ffd; i++)
        long_name[i] = 'a';
    UNICODE_STRING name = {2 * 0x7ffd, 2 * 0x7ffd, long_name};
    CHECK_EQUAL(NtDeleteValueKey(key, &name), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(NtSetValueKey(key, &name, 0, REG_DWORD, data, 4), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtQueryValueKey(key, &name, 0, NULL, 0, &length), STATUS_OBJECT_NAME_NOT_FOUND);
    name.Length = 2 * 255;
    CHECK_EQUAL(NtSetValueKey(key, &name, 0, REG_DWORD, data, 4), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryValueKey(key, &name, 0, buffer, sizeof buffer, &length), STATUS_SUCCESS);
    CHECK_EQUAL(length, 12 + 510);
    CHECK_EQUAL(NtDeleteValueKey(key, &name), STATUS_SUCCESS);
    static const WCHAR *const odd[] = {L"a\\b", L"\\", L" ", L"\x20ac\xd801", L"%PATH%"};
    for (ULONG i = 0; i < sizeof odd / sizeof *odd; i++) {
        CHECK_EQUAL(set_value(key, odd[i], REG_DWORD, &i, 4), STATUS_SUCCESS);
        CHECK_EQUAL(query(odd[i], KeyValuePartialInformation, 16), STATUS_SUCCESS);
        CHECK_EQUAL(*(PULONG)partial->Data, i);
        CHECK_EQUAL(delete(odd[i]), STATUS_SUCCESS);
    }
}

static void several(void)
{
    UNICODE_STRING one = string_of(L"one"), two = string_of(L"TWO"), three = string_of(L"three");
    KEY_VALUE_ENTRY entries[] = {{&one, 0, 0, 0}, {&two, 0, 0, 0}, {&three, 0, 0, 0}};
    ULONG size = sizeof buffer, required = 0;
    set_value(key, L"one", REG_BINARY, "12345", 5);
    set_value(key, L"two", REG_SZ, "abc", 3);
    CHECK_EQUAL(NtQueryMultipleValueKey(key, entries, 2, buffer, &size, &required), STATUS_SUCCESS);
    CHECK_EQUAL(required, 11);
    CHECK_EQUAL(entries[0].DataLength, 5);
    CHECK_EQUAL(entries[1].Type, REG_SZ);
    CHECK(!memcmp(buffer + entries[0].DataOffset, "12345", 5));
    CHECK(!memcmp(buffer + entries[1].DataOffset, "abc", 3));
    size = 6;
    CHECK_EQUAL(NtQueryMultipleValueKey(key, entries, 2, buffer, &size, &required),
                STATUS_BUFFER_OVERFLOW);
    CHECK_EQUAL(required, 11);
    size = sizeof buffer;
    CHECK_EQUAL(NtQueryMultipleValueKey(key, entries, 3, buffer, &size, &required),
                STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK_EQUAL(NtQueryMultipleValueKey(key, entries, 2, buffer, NULL, &required),
                STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtQueryMultipleValueKey(key, (PVOID)0x10, 1, buffer, &size, &required),
                STATUS_ACCESS_VIOLATION);
    delete(L"one"), delete(L"two");
}

static void access(void)
{
    HANDLE weak;
    UNICODE_STRING name = string_of(L"v");
    CHECK_EQUAL(open_at(NULL, TEST_KEY, KEY_SET_VALUE, 0, &weak), STATUS_SUCCESS);
    CHECK_EQUAL(NtSetValueKey(weak, &name, 0, REG_DWORD, data, 4), STATUS_SUCCESS);
    CHECK_EQUAL(NtQueryValueKey(weak, &name, 2, buffer, sizeof buffer, &length),
                STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtQueryKey(weak, KeyFullInformation, buffer, sizeof buffer, &length),
                STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtQueryKey(weak, KeyNameInformation, buffer, sizeof buffer, &length), 0);
    CHECK_EQUAL(NtEnumerateKey(weak, 0, 0, buffer, sizeof buffer, &length), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtEnumerateValueKey(weak, 0, 0, buffer, sizeof buffer, &length),
                STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtDeleteValueKey(weak, &name), STATUS_SUCCESS);
    NtClose(weak);
    HANDLE event;
    NtCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE);
    CHECK_EQUAL(NtSetValueKey(event, &name, 0, REG_DWORD, data, 4), STATUS_OBJECT_TYPE_MISMATCH);
    CHECK_EQUAL(NtQueryKey(event, 0, buffer, sizeof buffer, &length), STATUS_OBJECT_TYPE_MISMATCH);
    NtClose(event);
    CHECK_EQUAL(NtSetValueKey((HANDLE)0x7ffc, &name, 0, REG_DWORD, data, 4), STATUS_INVALID_HANDLE);
}

static UCHAR *page_with_none_behind(void)
{
    PVOID base = NULL;
    SIZE_T size = 2 * PAGE;
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_RESERVE,
                                        PAGE_READWRITE), STATUS_SUCCESS);
    size = PAGE;
    CHECK_EQUAL(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_COMMIT,
                                        PAGE_READWRITE), STATUS_SUCCESS);
    return base;
}

static void hostile(void)
{
    static const ULONG nowhere[] = {0x10, 0x7fff0000, 0x80000000, 0x80558000, 0xfffffff0};
    UNICODE_STRING name = string_of(L"v"), bad;
    HANDLE opened;
    OBJECT_ATTRIBUTES attributes = named(&name), wrong;
    attributes.RootDirectory = key;
    UCHAR *page = page_with_none_behind(), *edge = page + PAGE;
    CHECK_EQUAL(set_value(key, L"v", REG_BINARY, "1234", 4), STATUS_SUCCESS);
    for (ULONG i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        PVOID bad_pointer = (PVOID)nowhere[i];
        bad = (UNICODE_STRING){2, 2, bad_pointer};
        CHECK_EQUAL(NtOpenKey(bad_pointer, KEY_READ, &attributes), STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(NtOpenKey(&opened, KEY_READ, bad_pointer), STATUS_ACCESS_VIOLATION);
        wrong = attributes, wrong.ObjectName = &bad;
        CHECK_EQUAL(NtOpenKey(&opened, KEY_READ, &wrong), STATUS_ACCESS_VIOLATION);
        wrong.ObjectName = bad_pointer;
        CHECK_EQUAL(NtCreateKey(&opened, KEY_READ, &wrong, 0, NULL, 0, NULL),
                    STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(NtCreateKey(&opened, KEY_READ, &attributes, 0, NULL, 0, bad_pointer),
                    STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(NtSetValueKey(key, bad_pointer, 0, 3, data, 4), STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(NtSetValueKey(key, &bad, 0, 3, data, 4), STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(NtSetValueKey(key, &name, 0, 3, bad_pointer, 4), STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(NtQueryValueKey(key, &name, 2, bad_pointer, 64, &length),
                    STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(NtQueryValueKey(key, &name, 2, buffer, 64, bad_pointer),
                    STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(NtQueryKey(key, 2, bad_pointer, 64, &length), STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(NtEnumerateValueKey(key, 0, 2, bad_pointer, 64, &length),
                    STATUS_ACCESS_VIOLATION);
        CHECK_EQUAL(NtDeleteValueKey(key, &bad), STATUS_ACCESS_VIOLATION);
    }
    wrong = attributes, wrong.Length = 2 * sizeof wrong;
    CHECK_EQUAL(NtOpenKey(&opened, KEY_READ, &wrong), STATUS_INVALID_PARAMETER);
    /* Up to the last byte of the page is enough, one byte behind it is not. */
    CHECK_EQUAL(NtQueryValueKey(key, &name, 2, edge - 16, 16, &length), STATUS_SUCCESS);
    CHECK(!memcmp(edge - 4, "1234", 4));
    CHECK_EQUAL(NtQueryValueKey(key, &name, 2, edge - 16, 17, &length), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtSetValueKey(key, &name, 0, REG_BINARY, edge - 4, 4), STATUS_SUCCESS);
    CHECK_EQUAL(NtSetValueKey(key, &name, 0, REG_BINARY, edge - 4, 5), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(query(L"v", 2, sizeof buffer), STATUS_SUCCESS);
    CHECK_EQUAL(partial->DataLength, 4);
    *(PWSTR)(edge - 2) = 'v';
    bad = (UNICODE_STRING){2, 2, (PWSTR)(edge - 2)};
    CHECK_EQUAL(NtQueryValueKey(key, &bad, 2, buffer, sizeof buffer, &length), STATUS_SUCCESS);
    bad.Length = 4;
    CHECK_EQUAL(NtQueryValueKey(key, &bad, 2, buffer, 64, &length), STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtQueryValueKey(key, &name, 2, buffer, 64, (PULONG)(edge - 2)),
                STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(delete(L"v"), STATUS_SUCCESS);
}

void start(void)
{
    CHECK_EQUAL(create_at(NULL, TEST_KEY, KEY_ALL_ACCESS, 0, NULL, &key), STATUS_SUCCESS);
    types();
    classes();
    enumeration();
    names();
    several();
    access();
    hostile();
    remove_key(key);
    finish();
}
