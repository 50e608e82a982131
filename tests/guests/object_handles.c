/* Handles and the namespace: duplicating with and without rights, flags of handles, what
 * NtQueryObject tells, directories, symbolic links, names that collide.
 */
#include "nt.h"

enum {
    DIRECTORY_ALL_ACCESS = 0xf000f, SYMBOLIC_LINK_QUERY = 1, DUPLICATE_SAME_ATTRIBUTES = 4,
    ObjectBasicInformation = 0, ObjectNameInformation = 1, ObjectTypeInformation = 2,
    ObjectTypesInformation = 3, ObjectHandleFlagInformation = 4,
    EVENT_QUERY_STATE = 1, EVENT_MODIFY_STATE = 2, OBJ_PERMANENT = 0x10, OBJ_EXCLUSIVE = 0x20,
    STATUS_MORE_ENTRIES = 0x105,
    STATUS_NO_MORE_ENTRIES = (int)0x8000001a,
    STATUS_INVALID_INFO_CLASS = (int)0xc0000003,
    STATUS_BUFFER_TOO_SMALL = (int)0xc0000023,
    STATUS_OBJECT_PATH_SYNTAX_BAD = (int)0xc000003b,
    STATUS_PRIVILEGE_NOT_HELD = (int)0xc0000061,
    STATUS_HANDLE_NOT_CLOSABLE = (int)0xc0000235,
};

typedef struct {
    ULONG Attributes, GrantedAccess, HandleCount, PointerCount, Reserved[8];
    LARGE_INTEGER CreationTime;
} OBJECT_BASIC_INFORMATION;
SIZE_IS(OBJECT_BASIC_INFORMATION, 0x38);
typedef struct { UNICODE_STRING Name, TypeName; } OBJECT_DIRECTORY_INFORMATION;
typedef struct { BOOLEAN Inherit, ProtectFromClose; } OBJECT_HANDLE_FLAG_INFORMATION;

NTSYSAPI NTSTATUS NTAPI NtSetInformationObject(HANDLE, OBJECT_INFORMATION_CLASS, PVOID, ULONG);
NTSYSAPI NTSTATUS NTAPI NtMakeTemporaryObject(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtMakePermanentObject(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtCreateDirectoryObject(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtOpenDirectoryObject(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtQueryDirectoryObject(HANDLE, PVOID, ULONG, BOOLEAN, BOOLEAN, PULONG,
    PULONG);
NTSYSAPI NTSTATUS NTAPI NtCreateSymbolicLinkObject(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES,
    PUNICODE_STRING);
NTSYSAPI NTSTATUS NTAPI NtOpenSymbolicLinkObject(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtQuerySymbolicLinkObject(HANDLE, PUNICODE_STRING, PULONG);

#define SELF NtCurrentProcess()
static ULONG buffer[2048], size;

static HANDLE event(ACCESS_MASK access)
{
    HANDLE made = NULL;
    CHECK_EQUAL(NtCreateEvent(&made, access, NULL, NotificationEvent, FALSE), 0);
    return made;
}

static OBJECT_BASIC_INFORMATION basic(HANDLE handle)
{
    OBJECT_BASIC_INFORMATION found = {0};
    CHECK_EQUAL(NtQueryObject(handle, ObjectBasicInformation, &found, sizeof found, NULL), 0);
    return found;
}

static BOOLEAN text_is(const UNICODE_STRING *string, const WCHAR *text)
{
    ULONG length = 0;
    while (text[length])
        length++;
    return string->Length == 2 * length && !memcmp(string->Buffer, text, 2 * length)
        && string->Buffer[length] == 0;
}

static void duplicating(void)
{
    HANDLE first = event(EVENT_ALL_ACCESS), second = NULL, third, process;
    OBJECT_HANDLE_FLAG_INFORMATION flags = {1, 1};

    CHECK_EQUAL(NtDuplicateObject(SELF, first, SELF, &second, EVENT_QUERY_STATE, OBJ_INHERIT, 0), 0);
    CHECK_EQUAL(basic(second).GrantedAccess, EVENT_QUERY_STATE);
    CHECK_EQUAL(basic(second).Attributes, OBJ_INHERIT);
    CHECK_EQUAL(basic(second).HandleCount, 2);
    CHECK_EQUAL(NtSetEvent(second, NULL), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtDuplicateObject(SELF, second, SELF, &third, 0, 0, DUPLICATE_SAME_ACCESS), 0);
    CHECK_EQUAL(basic(third).GrantedAccess, EVENT_QUERY_STATE);
    CHECK_EQUAL(basic(third).Attributes, 0);
    CHECK_EQUAL(NtClose(third), 0);
    CHECK_EQUAL(NtDuplicateObject(SELF, second, SELF, &third, GENERIC_READ, 0,
        DUPLICATE_SAME_ATTRIBUTES | DUPLICATE_CLOSE_SOURCE), 0);
    CHECK_EQUAL(basic(third).Attributes, OBJ_INHERIT);
    CHECK_EQUAL(basic(third).GrantedAccess, 0x20001);
    CHECK_EQUAL(basic(third).HandleCount, 2); /* the source is closed, and may lend its value */
    CHECK_EQUAL(NtSetInformationObject(third, ObjectHandleFlagInformation, &flags, 2), 0);
    CHECK_EQUAL(NtClose(third), STATUS_HANDLE_NOT_CLOSABLE);
    flags.Inherit = 9;
    CHECK_EQUAL(NtQueryObject(third, ObjectHandleFlagInformation, &flags, 2, &size), 0);
    CHECK(flags.Inherit == 1 && flags.ProtectFromClose == 1);
    flags.ProtectFromClose = 0;
    CHECK_EQUAL(NtSetInformationObject(third, ObjectHandleFlagInformation, &flags, 2), 0);
    CHECK_EQUAL(NtClose(third), 0);
    CHECK_EQUAL(NtDuplicateObject(SELF, first, NULL, NULL, 0, 0, 0), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtDuplicateObject(SELF, first, SELF, (PHANDLE)0x7fff0000, 0, 0, 2),
        STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtDuplicateObject(SELF, (HANDLE)0x7770, SELF, &third, 0, 0, 2),
        STATUS_INVALID_HANDLE);
    CHECK_EQUAL(third, 0);
    CHECK_EQUAL(NtDuplicateObject(first, first, SELF, &third, 0, 0, 2), STATUS_OBJECT_TYPE_MISMATCH);
    CHECK_EQUAL(NtDuplicateObject(SELF, SELF, SELF, &process, 0, 0, DUPLICATE_SAME_ACCESS), 0);
    CHECK_EQUAL(NtDuplicateObject(process, SELF, SELF, &third, 1, 0, 0), 0);
    CHECK_EQUAL(basic(third).GrantedAccess, 1);
    NtClose(third), NtClose(process);
    CHECK_EQUAL(NtDuplicateObject(SELF, first, NULL, NULL, 0, 0, DUPLICATE_CLOSE_SOURCE), 0);
    CHECK_EQUAL(NtClose(first), STATUS_INVALID_HANDLE);
}

static void querying(void)
{
    UNICODE_STRING name = USTR(L"\\BaseNamedObjects\\asked");
    OBJECT_ATTRIBUTES attributes = named(&name);
    UNICODE_STRING *text = (UNICODE_STRING *)buffer;
    HANDLE asked, unnamed = event(EVENT_ALL_ACCESS);

    CHECK_EQUAL(NtCreateEvent(&asked, EVENT_ALL_ACCESS, &attributes, NotificationEvent, 0), 0);
    CHECK_EQUAL(NtQueryObject(asked, ObjectNameInformation, buffer, sizeof buffer, &size), 0);
    CHECK(text_is(text, L"\\BaseNamedObjects\\asked"));
    CHECK_EQUAL(size, 8 + text->MaximumLength);
    CHECK_EQUAL(NtQueryObject(asked, ObjectNameInformation, buffer, size - 1, &size),
        STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(NtQueryObject(unnamed, ObjectNameInformation, buffer, sizeof buffer, &size), 0);
    CHECK_EQUAL(size, 8);
    CHECK_EQUAL(text->Buffer, 0);
    CHECK_EQUAL(NtQueryObject(asked, ObjectTypeInformation, buffer, sizeof buffer, &size), 0);
    CHECK(text_is(text, L"Event"));
    CHECK_EQUAL(buffer[0x3c / 4], 0x20001);
    CHECK_EQUAL(buffer[0x4c / 4], EVENT_ALL_ACCESS);
    CHECK_EQUAL(NtQueryObject(NULL, ObjectTypesInformation, buffer, sizeof buffer, &size), 0);
    CHECK(buffer[0] > 20 && text_is((UNICODE_STRING *)(buffer + 1), L"Type"));
    CHECK_EQUAL(NtQueryObject(asked, 99, buffer, 64, &size), STATUS_INVALID_INFO_CLASS);
    CHECK_EQUAL(NtQueryObject(asked, ObjectBasicInformation, buffer, 0x37, &size),
        STATUS_INFO_LENGTH_MISMATCH);
    CHECK_EQUAL(NtQueryObject(asked, ObjectNameInformation, (PVOID)0x7ffeffff, 64, &size),
        STATUS_ACCESS_VIOLATION);
    CHECK_EQUAL(NtQueryObject((HANDLE)0x7770, ObjectBasicInformation, buffer, 0x38, &size),
        STATUS_INVALID_HANDLE);
    NtClose(asked), NtClose(unnamed);
}

static void colliding(void)
{
    UNICODE_STRING name = USTR(L"\\BaseNamedObjects\\taken"), no_root = USTR(L"taken");
    OBJECT_ATTRIBUTES attributes = named(&name), lost = named(&no_root);
    HANDLE first, second = NULL;

    CHECK_EQUAL(NtCreateEvent(&first, EVENT_ALL_ACCESS, &attributes, NotificationEvent, 0), 0);
    CHECK_EQUAL(NtCreateEvent(&second, EVENT_ALL_ACCESS, &attributes, NotificationEvent, 0),
        STATUS_OBJECT_NAME_COLLISION);
    attributes.Attributes |= OBJ_OPENIF;
    CHECK_EQUAL(NtCreateEvent(&second, EVENT_QUERY_STATE, &attributes, NotificationEvent, 0),
        STATUS_OBJECT_NAME_EXISTS);
    CHECK_EQUAL(basic(second).GrantedAccess, EVENT_QUERY_STATE);
    CHECK_EQUAL(NtClose(second), 0);
    CHECK_EQUAL(NtCreateMutant(&second, MUTANT_ALL_ACCESS, &attributes, FALSE),
        STATUS_OBJECT_TYPE_MISMATCH);
    CHECK_EQUAL(NtOpenEvent(&second, 0, &attributes), STATUS_ACCESS_DENIED);
    CHECK_EQUAL(NtOpenEvent(&second, EVENT_QUERY_STATE, &lost), STATUS_OBJECT_PATH_SYNTAX_BAD);
    CHECK_EQUAL(NtOpenEvent(&second, EVENT_QUERY_STATE, NULL), STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtMakePermanentObject(first), STATUS_PRIVILEGE_NOT_HELD);
    CHECK_EQUAL(NtMakeTemporaryObject(first), 0);
    CHECK_EQUAL(NtClose(first), 0);
    CHECK_EQUAL(NtOpenEvent(&second, EVENT_QUERY_STATE, &attributes), STATUS_OBJECT_NAME_NOT_FOUND);
    no_root.Length = 3;
    CHECK_EQUAL(NtOpenEvent(&second, EVENT_QUERY_STATE, &lost), STATUS_OBJECT_NAME_INVALID);
    no_root.Buffer = (PWSTR)0x10001;
    CHECK_EQUAL(NtOpenEvent(&second, EVENT_QUERY_STATE, &lost), STATUS_DATATYPE_MISALIGNMENT);
}

static void directories(void)
{
    UNICODE_STRING name = USTR(L"\\BaseNamedObjects\\shelf"), inner = USTR(L"book"),
        link_name = USTR(L"mark"), target = USTR(L"\\BaseNamedObjects\\shelf\\book"),
        through = USTR(L"\\BaseNamedObjects\\shelf\\mark"), known = USTR(L"\\KnownDlls"),
        empty = {0, 0, (PWSTR)L""};
    OBJECT_ATTRIBUTES attributes = named(&name), below, via = named(&through),
        known_dlls = named(&known);
    OBJECT_DIRECTORY_INFORMATION *entry = (OBJECT_DIRECTORY_INFORMATION *)buffer;
    WCHAR text[64];
    UNICODE_STRING found = {0, sizeof text, text};
    HANDLE shelf, book, mark, again;
    ULONG context = 0;

    CHECK_EQUAL(NtCreateDirectoryObject(&shelf, DIRECTORY_ALL_ACCESS, &attributes), 0);
    CHECK_EQUAL(NtQueryDirectoryObject(shelf, buffer, sizeof buffer, FALSE, TRUE, &context, &size),
        STATUS_NO_MORE_ENTRIES);
    below = named(&inner);
    below.RootDirectory = shelf;
    CHECK_EQUAL(NtCreateEvent(&book, EVENT_ALL_ACCESS, &below, NotificationEvent, 0), 0);
    CHECK_EQUAL(NtQueryDirectoryObject(shelf, buffer, 16, TRUE, TRUE, &context, &size),
        STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(size, 2 * 16 + 2 * sizeof "book" + 2 * sizeof "Event");
    CHECK_EQUAL(NtQueryDirectoryObject(shelf, buffer, size, TRUE, TRUE, &context, &size), 0);
    CHECK(text_is(&entry->Name, L"book") && text_is(&entry->TypeName, L"Event"));
    CHECK_EQUAL(entry[1].Name.Buffer, 0);
    CHECK_EQUAL(context, 1);
    below.ObjectName = &link_name;
    CHECK_EQUAL(NtCreateSymbolicLinkObject(&mark, SYMBOLIC_LINK_QUERY, &below, &empty),
        STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(NtCreateSymbolicLinkObject(&mark, SYMBOLIC_LINK_QUERY, &below, &target), 0);
    context = 0;
    CHECK_EQUAL(NtQueryDirectoryObject(shelf, buffer, sizeof buffer, FALSE, TRUE, &context, &size),
        0);
    CHECK_EQUAL(context, 2);
    CHECK_EQUAL(NtOpenEvent(&again, EVENT_QUERY_STATE, &via), 0);
    CHECK_EQUAL(NtClose(again), 0);
    CHECK_EQUAL(NtQuerySymbolicLinkObject(mark, &found, &size), 0);
    CHECK(text_is(&found, L"\\BaseNamedObjects\\shelf\\book"));
    CHECK_EQUAL(size, target.MaximumLength);
    found.MaximumLength = 8;
    CHECK_EQUAL(NtQuerySymbolicLinkObject(mark, &found, &size), STATUS_BUFFER_TOO_SMALL);
    CHECK_EQUAL(NtOpenSymbolicLinkObject(&again, SYMBOLIC_LINK_QUERY, &below), 0);
    NtClose(again), NtClose(mark), NtClose(book), NtClose(shelf);
    CHECK_EQUAL(NtOpenEvent(&again, EVENT_QUERY_STATE, &via), STATUS_OBJECT_PATH_NOT_FOUND);
    CHECK_EQUAL(NtOpenDirectoryObject(&again, 3, &known_dlls), 0);
    CHECK_EQUAL(NtClose(again), 0);
}

void start(void)
{
    duplicating();
    querying();
    colliding();
    directories();
    finish();
}
