/* Files that are no images, or broken ones, as image sections.  The standard input has a number
 * of them, then each one's size and its bytes.  For each the program prints what NtCreateSection
 * and NtMapViewOfSection say, and how many pages of the view it could read.
 */
#include "nt.h"

enum { LARGEST = 0x10000, PAGE = 0x1000, MOST_PAGES = 0x40 };

static UCHAR image[LARGEST];
static UNICODE_STRING path = USTR(L"\\??\\C:\\image.bin");

static BOOLEAN read_input(void *to, ULONG size)
{
    HANDLE input = NtCurrentPeb()->ProcessParameters->StandardInput;
    for (ULONG done = 0; done < size;) {
        IO_STATUS_BLOCK io;
        NTSTATUS status = NtReadFile(
            input, NULL, NULL, NULL, &io, (UCHAR *)to + done, size - done, NULL, NULL);
        if (!NT_SUCCESS(status) || !io.Information)
            return FALSE;
        done += io.Information;
    }
    return TRUE;
}

static BOOLEAN write_file(ULONG size)
{
    IO_STATUS_BLOCK io;
    HANDLE file;
    OBJECT_ATTRIBUTES attributes = named(&path);
    NTSTATUS status = NtCreateFile(&file, GENERIC_WRITE | SYNCHRONIZE, &attributes, &io, NULL,
        FILE_ATTRIBUTE_NORMAL, 0, FILE_OVERWRITE_IF,
        FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE, NULL, 0);
    CHECK_EQUAL(status, STATUS_SUCCESS);
    if (!NT_SUCCESS(status))
        return FALSE;
    if (size) {
        status = NtWriteFile(file, NULL, NULL, NULL, &io, image, size, NULL, NULL);
        CHECK_EQUAL(status, STATUS_SUCCESS);
        CHECK_EQUAL(io.Information, size);
    }
    NtClose(file);
    return NT_SUCCESS(status);
}

/* The pages that their protection lets one read. */
static ULONG touch(UCHAR *base, SIZE_T size)
{
    ULONG readable = 0;
    if (size > MOST_PAGES * PAGE)
        size = MOST_PAGES * PAGE;
    for (ULONG offset = 0; offset < size; offset += PAGE) {
        UCHAR byte;
        SIZE_T done;
        NTSTATUS status =
            NtReadVirtualMemory(NtCurrentProcess(), base + offset, &byte, sizeof byte, &done);
        readable += NT_SUCCESS(status);
    }
    return readable;
}

static void map(HANDLE section)
{
    PVOID base = NULL;
    SIZE_T size = 0;
    ULONG pages = 0;
    NTSTATUS status = NtMapViewOfSection(section, NtCurrentProcess(), &base, 0, 0, NULL, &size,
        ViewUnmap, 0, PAGE_READONLY);
    if (NT_SUCCESS(status)) {
        pages = touch(base, size);
        CHECK_EQUAL(NtUnmapViewOfSection(NtCurrentProcess(), base), STATUS_SUCCESS);
    }
    print_hex(status), print(" "), print_decimal(pages);
}

static void try_image(void)
{
    IO_STATUS_BLOCK io;
    HANDLE file, section;
    OBJECT_ATTRIBUTES attributes = named(&path);
    NTSTATUS status = NtOpenFile(&file, GENERIC_READ | SYNCHRONIZE, &attributes, &io,
        FILE_SHARE_READ, FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE);
    CHECK_EQUAL(status, STATUS_SUCCESS);
    if (!NT_SUCCESS(status))
        return;
    status = NtCreateSection(
        &section, SECTION_ALL_ACCESS, NULL, NULL, PAGE_READONLY, SEC_IMAGE, file);
    print_hex(status), print(" ");
    if (NT_SUCCESS(status)) {
        map(section);
        NtClose(section);
    }
    NtClose(file);
    print("\n");
}

void start(void)
{
    ULONG count = 0, size;
    CHECK(read_input(&count, sizeof count));
    for (ULONG i = 0; i < count; i++) {
        BOOLEAN is_there = read_input(&size, sizeof size) && size <= LARGEST
            && read_input(image, size);
        CHECK(is_there);
        if (!is_there)
            break;
        if (write_file(size))
            try_image();
    }
    finish();
}
