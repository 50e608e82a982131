"""Names: directories, links and paths; the statuses are those of Wine's conformance tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ob_program import Program, blocks, new_program, status_of

from ntgate.executive.ob import attributes as a
from ntgate.layout import machine as m
from ntgate.layout import ntstatus as s
from ntgate.layout.ob import DEVICE_MAP, OBJECT_DIRECTORY, OBJECT_SYMBOLIC_LINK


@pytest.fixture
def program() -> Program:
    return new_program()


# Directories


@pytest.mark.parametrize(
    "path",
    [
        "\\", "\\Device", "\\Driver", "\\FileSystem", "\\BaseNamedObjects", "\\KnownDlls", "\\??",
        "\\GLOBAL??", "\\Windows", "\\RPC Control", "\\ObjectTypes", "\\Callback", "\\NLS",
        "\\Security", "\\DosDevices", "\\BaseNamedObjects\\Local", "\\BaseNamedObjects\\Global",
        "\\BaseNamedObjects\\Session\\0", "\\??\\Global", "\\??\\GLOBALROOT\\Device",
        "\\??\\GLOBALROOT\\??\\GLOBALROOT\\??\\GLOBALROOT\\BaseNamedObjects\\Local\\Global",
    ],
)  # fmt: skip
def test_standard_directories(program: Program, path: str) -> None:
    status, handle = program.open("Directory", path)
    assert (status, program.ob.type_of(program.body(handle)).name) == (0, "Directory")


def test_the_root_in_guest_memory(program: Program) -> None:
    ob = program.ob
    root = ob.memory.u32(ob.symbols["ObpRootDirectoryObject"])
    assert root == ob.root == program.at("\\")
    assert (ob.name_of(root), ob.name_in_directory(root)) == ("\\", "\\")
    names = {name for name, _ in ob.entries(root)}
    assert {"BaseNamedObjects", "Device", "GLOBAL??", "ObjectTypes", "DosDevices"} <= names
    assert "??" not in names


def test_an_entry_is_where_its_hash_says(program: Program) -> None:
    ob = program.ob
    # The hash column of kd's `!object \\` on XP.
    known = {
        "ArcName": 0, "NLS": 9, "DosDevices": 10, "Driver": 16, "Device": 19, "Windows": 20,
        "Sessions": 21, "BaseNamedObjects": 23, "GLOBAL??": 24, "ObjectTypes": 26,
        "Security": 27, "Callback": 32,
    }  # fmt: skip
    for name, bucket in known.items():
        entry = ob.memory.u32(ob.root + 4 * bucket)
        chain = []
        while entry:
            chain.append(ob.name_in_directory(ob.memory.u32(entry + 4)))
            entry = ob.memory.u32(entry)
        assert name in chain


def test_types_have_names(program: Program) -> None:
    ob = program.ob
    directory = program.at("\\ObjectTypes")
    assert {name for name, _ in ob.entries(directory)} == set(ob.types)
    assert ob.name_of(ob.types["Event"].address) == "\\ObjectTypes\\Event"


# Paths that lead nowhere: for each, the status of a create and of an open.

SYNTAX_BAD, INVALID = s.STATUS_OBJECT_PATH_SYNTAX_BAD, s.STATUS_OBJECT_NAME_INVALID
PATH_NOT_FOUND, MISMATCH = s.STATUS_OBJECT_PATH_NOT_FOUND, s.STATUS_OBJECT_TYPE_MISMATCH


@pytest.mark.parametrize("name", ["Directory", "SymbolicLink", "Mutant"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("BaseNamedObjects", SYNTAX_BAD),
        ("\\BaseNamedObjects\\", INVALID),
        ("\\\\BaseNamedObjects", INVALID),
        ("\\BaseNamedObjects\\\\om.c-test", INVALID),
        ("\\BaseNamedObjects\\om.c-test\\", PATH_NOT_FOUND),
        ("\\BasedNamedObjects\\om.c-test", PATH_NOT_FOUND),
        ("\\ObjectTypes\\Event\\below", MISMATCH),
    ],
)
def test_bad_paths(program: Program, name: str, path: str, status: int) -> None:
    before = blocks(program)
    assert program.create(name, path)[0] == status
    assert program.open(name, path)[0] == status
    assert blocks(program) == before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("\\", SYNTAX_BAD), ("\\om.c-test", SYNTAX_BAD), ("\\om.c-test\\", SYNTAX_BAD),
        ("om.c-test\\", PATH_NOT_FOUND), ("om.c\\-mutant", PATH_NOT_FOUND),
    ],
)  # fmt: skip
def test_bad_paths_below_a_root(program: Program, path: str, status: int) -> None:
    root = program.at("\\BaseNamedObjects")
    for name in ("Directory", "Mutant"):
        assert program.create(name, path, 0, root)[0] == status
        assert program.open(name, path, 0, root)[0] == status


def test_names_below_a_root(program: Program) -> None:
    root = program.at("\\BaseNamedObjects")
    directory = program.made("Directory", "om.c-test", 0, root)
    inner = program.made("Directory", "\\BaseNamedObjects\\om.c-test\\one more level")
    program.close(inner)
    inner = program.made("Directory", "one more level", 0, program.body(directory))
    assert program.open("Directory", "om.c-test\\one more level", 0, root)[0] == 0
    assert program.ob.name_of(program.body(inner)) == (
        "\\BaseNamedObjects\\om.c-test\\one more level"
    )


def test_roots_that_are_no_directories(program: Program) -> None:
    mutant = program.body(program.made("Mutant", ""))
    assert program.open("Mutant", "", 0, mutant)[0] == s.STATUS_INVALID_HANDLE
    assert program.open("Mutant", "x", 0, mutant)[0] == s.STATUS_INVALID_HANDLE
    link = program.body(program.open("SymbolicLink", "\\BaseNamedObjects\\Local")[1])
    assert program.open("Directory", "one more level", 0, link)[0] == MISMATCH
    assert program.create("Directory", "one more level", 0, link)[0] == MISMATCH
    assert program.open("SymbolicLink", "", 0, link)[0] == 0


def test_an_empty_name(program: Program) -> None:
    root = program.at("\\BaseNamedObjects")
    for where in (0, root):
        status, handle = program.create("Mutant", "", 0, where)
        assert (status, program.ob.name_of(program.body(handle))) == (0, "")
    assert program.open("Mutant", "")[0] == SYNTAX_BAD
    assert program.open("Mutant", "", 0, root)[0] == MISMATCH
    assert program.open("Directory", "", 0, root)[0] == 0


def test_the_root_as_a_name(program: Program) -> None:
    assert program.create("Directory", "\\")[0] == s.STATUS_OBJECT_NAME_COLLISION
    assert program.create("Directory", "\\", a.OBJ_OPENIF)[0] == s.STATUS_OBJECT_NAME_EXISTS
    assert program.create("Mutant", "\\", a.OBJ_OPENIF)[0] == MISMATCH
    assert program.create("SymbolicLink", "\\")[0] == MISMATCH
    assert program.open("Directory", "\\")[0] == 0


SHARED = new_program()
COMPONENTS = ["", "\\", "??", "DosDevices", "GLOBALROOT", "BaseNamedObjects", "local", "Device",
              "ObjectTypes", "Event", "Session", "0", "Global", "new", "\0"]  # fmt: skip
ERRORS = {
    SYNTAX_BAD, INVALID, PATH_NOT_FOUND, MISMATCH,
    s.STATUS_OBJECT_NAME_NOT_FOUND, s.STATUS_OBJECT_NAME_COLLISION,
}  # fmt: skip


@given(
    st.lists(st.sampled_from(COMPONENTS), max_size=8).map("\\".join),
    st.sampled_from(["Mutant", "Directory", "SymbolicLink"]),
    st.sampled_from([0, a.OBJ_CASE_INSENSITIVE]),
)
def test_any_path_gives_a_name_or_a_status(path: str, name: str, flags: int) -> None:
    before = blocks(SHARED)
    status, handle = SHARED.create(name, path, flags)
    if handle:
        full = SHARED.ob.name_of(SHARED.body(handle))
        assert full == "" if not path else full.startswith("\\")
        assert not full or SHARED.open(name, full)[0] == s.STATUS_SUCCESS
        for handle in [found.value for found in SHARED.ob.handles(SHARED.table)]:
            SHARED.close(handle)
    else:
        assert status in ERRORS
    assert blocks(SHARED) == before


# Collisions


def test_collisions(program: Program) -> None:
    path = "\\BaseNamedObjects\\om.c-test"
    first = program.made("Mutant", path)
    before = blocks(program)
    assert program.create("Mutant", path)[0] == s.STATUS_OBJECT_NAME_COLLISION
    assert program.create("Event", path)[0] == s.STATUS_OBJECT_NAME_COLLISION
    assert program.create("Event", path, a.OBJ_OPENIF)[0] == MISMATCH
    assert blocks(program) == before
    status, second = program.create("Mutant", path, a.OBJ_OPENIF)
    assert status == s.STATUS_OBJECT_NAME_EXISTS
    assert program.body(second) == program.body(first)
    assert program.open("Event", path)[0] == MISMATCH
    program.close(first)
    assert program.open("Mutant", path)[0] == 0


def test_letter_case(program: Program) -> None:
    insensitive = a.OBJ_CASE_INSENSITIVE
    mutant = program.made("Mutant", "\\BaseNamedObjects\\test")
    event = program.made("Event", "\\BaseNamedObjects\\Test")
    assert program.open("Event", "\\BaseNamedObjects\\test")[0] == MISMATCH
    assert program.open("Mutant", "\\BaseNamedObjects\\test")[0] == 0
    assert program.open("Event", "\\BaseNamedObjects\\Test")[0] == 0
    # The entry that was found last comes first.
    assert program.open("Mutant", "\\BaseNamedObjects\\TEst", insensitive)[0] == MISMATCH
    program.close(mutant)
    lower = "\\BASENamedObjects\\test"
    assert program.create("Event", lower, insensitive)[0] == s.STATUS_OBJECT_NAME_COLLISION
    assert program.create("Mutant", lower)[0] == PATH_NOT_FOUND
    assert program.open("Directory", "\\BASENamedObjects")[0] == 0
    program.close(event)


def test_a_null_character_belongs_to_a_name(program: Program) -> None:
    path = "\\BaseNamedObjects\\wine\0test"
    handle = program.made("Event", path)
    assert program.ob.name_of(program.body(handle)) == path
    assert program.open("Event", path)[0] == 0
    assert program.open("Event", "\\BaseNamedObjects\\wine")[0] == s.STATUS_OBJECT_NAME_NOT_FOUND
    lone = program.made("Event", "\\BaseNamedObjects\\\ud800x")
    assert program.ob.name_of(program.body(lone)) == "\\BaseNamedObjects\\\ud800x"


def test_the_longest_names(program: Program) -> None:
    path = "\\BaseNamedObjects\\".ljust(32766, "a")
    program.made("Mutant", path)
    assert program.open("Mutant", path)[0] == 0
    program.link("\\BaseNamedObjects\\link", "\\BaseNamedObjects\\".ljust(32000, "b"))
    long = "\\BaseNamedObjects\\link\\".ljust(32766, "c")
    assert program.open("Mutant", long)[0] == s.STATUS_NAME_TOO_LONG


# Links


def test_links(program: Program) -> None:
    link = program.made("SymbolicLink", "\\DosDevices\\test_link")
    directory = program.made("Directory", "\\BaseNamedObjects\\om.c-test")
    made = program.made("Mutant", "\\DosDevices\\test_link\\om.c-test\\test_object")
    path = "\\BaseNamedObjects\\om.c-test\\test_object"
    assert program.ob.name_of(program.body(made)) == path
    assert program.create("Mutant", path)[0] == s.STATUS_OBJECT_NAME_COLLISION
    status, opened = program.open("SymbolicLink", "\\DosDevices\\test_link")
    assert (status, program.body(opened)) == (0, program.body(link))
    assert program.open("Directory", "\\DosDevices\\test_link")[0] == 0
    relative = "om.c-test\\test_object"
    assert program.open("Mutant", relative, 0, program.body(link))[0] == MISMATCH
    assert program.open("Mutant", "test_object", 0, program.body(directory))[0] == 0
    collision = program.create("SymbolicLink", "\\DosDevices\\test_link")[0]
    assert collision == s.STATUS_OBJECT_NAME_COLLISION


def test_an_object_may_be_created_where_a_link_points(program: Program) -> None:
    program.link("\\BaseNamedObjects\\alias", "\\BaseNamedObjects\\real")
    handle = program.made("Event", "\\BaseNamedObjects\\alias")
    assert program.ob.name_of(program.body(handle)) == "\\BaseNamedObjects\\real"


def test_links_that_lead_nowhere(program: Program) -> None:
    program.link("\\circle", "\\circle")
    program.link("\\relative", "anywhere")
    for path in ("\\circle", "\\circle\\x", "\\relative", "\\relative\\x", "\\??\\GLOBALROOT"):
        assert program.open("Mutant", path)[0] == s.STATUS_OBJECT_NAME_NOT_FOUND


def test_a_link_in_guest_memory(program: Program) -> None:
    ob = program.ob
    body = program.body(program.link("\\link", "\\Device"))
    view = OBJECT_SYMBOLIC_LINK(ob.memory, body)
    assert view.LinkTarget.text == ob.link_target(body) == "\\Device"
    assert view.CreationTime == ob.memory.u64(m.SHARED_USER_DATA_KERNEL + 0x14)
    # A debugger's edit is followed.
    ob.memory.write(view.LinkTarget.Buffer, "\\Driver".encode("utf-16-le"))
    assert program.at("\\link") == program.at("\\Driver")


def test_drive_letters(program: Program) -> None:
    ob = program.ob
    device_map = DEVICE_MAP(ob.memory, ob.device_map)
    assert OBJECT_DIRECTORY(ob.memory, program.at("\\??")).DeviceMap == ob.device_map
    drive = program.link("\\??\\c:", "\\Device\\HarddiskVolume1")
    program.link("\\??\\COM1", "\\Device\\Serial0")
    program.link("\\BaseNamedObjects\\D:", "\\Device")
    assert (device_map.DriveMap, device_map.DriveType[2]) == (1 << 2, 1)
    assert OBJECT_SYMBOLIC_LINK(ob.memory, program.body(drive)).DosDeviceDriveIndex == 3
    program.close(drive)
    assert (device_map.DriveMap, device_map.DriveType[2]) == (0, 0)


# Objects that take the rest of a path


def test_a_device_takes_the_rest(program: Program) -> None:
    device = program.body(program.made("Device", "\\Device\\HarddiskVolume1"))
    program.link("\\??\\C:", "\\Device\\HarddiskVolume1")
    lookup = program.ob.lookup
    assert lookup("\\??\\C:") == (device, "")
    assert lookup("\\??\\C:\\") == (device, "\\")
    assert lookup("\\??\\c:\\Dir\\\\file") == (device, "\\Dir\\\\file")
    assert lookup("\\Device\\HarddiskVolume1\\x") == (device, "\\x")
    assert program.open("Mutant", "\\??\\C:\\x")[0] == MISMATCH
    assert program.open("Mutant", "\\??\\C:")[0] == MISMATCH
    assert program.create("Mutant", "\\??\\C:\\om.c-mutant")[0] == PATH_NOT_FOUND


def test_a_file_and_a_key_as_roots(program: Program) -> None:
    file = program.body(program.made("File", ""))
    key = program.body(program.made("Key", "\\Registry"))
    lookup = program.ob.lookup
    assert lookup("dir\\name", 0, file) == (file, "dir\\name")
    assert lookup("", 0, file) == (file, "")
    assert lookup("\\name", 0, file) == (file, "\\name")
    assert lookup("Machine\\Software", 0, key) == (key, "Machine\\Software")
    assert lookup("\\Registry\\Machine") == (key, "\\Machine")
    assert status_of(lambda: lookup("\\Machine", 0, key)) == SYNTAX_BAD


def test_names_from_elsewhere(program: Program) -> None:
    file = program.body(program.made("File", ""))
    program.ob.types["File"].query_name = lambda body: f"\\Device\\Disk\\{body == file}"
    assert program.ob.name_of(file) == "\\Device\\Disk\\True"
