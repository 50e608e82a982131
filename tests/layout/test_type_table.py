"""The type table: XP SP3's structures, with PAE's page tables."""

from __future__ import annotations

import pytest

from ntgate.layout.type_table import Array, Bitfield, Enum, Pointer, Struct, TypeTable, UnknownType

# Sizes of the reference machine's structures, from public tables of XP SP3.
SIZES = {
    "_KTRAP_FRAME": 0x8C, "_KPCR": 0xD70, "_KPRCB": 0xC50, "_KTHREAD": 0x1C0, "_ETHREAD": 0x258,
    "_KPROCESS": 0x6C, "_EPROCESS": 0x260, "_KTSS": 0x20AC, "_KIDTENTRY": 8, "_PEB": 0x210,
    "_TEB": 0xFB8, "_LDR_DATA_TABLE_ENTRY": 0x50, "_KUSER_SHARED_DATA": 0x338,
    "_KSERVICE_TABLE_DESCRIPTOR": 0x10,
}  # fmt: skip

PAE_SIZES = {
    "_MMPTE": (8, 4), "_HARDWARE_PTE": (8, 4), "_MMPTE_HARDWARE": (8, 4),
    "_MMPTE_PROTOTYPE": (8, 4), "_MMPTE_SOFTWARE": (8, 4), "_MMPTE_TRANSITION": (8, 4),
    "_MMPTE_SUBSECTION": (8, 4), "_MMPTE_LIST": (8, 4), "_MMPFN": (0x1C, 0x18),
    "_SEGMENT": (0x48, 0x40), "_EPROCESS": (0x260, 0x260),
}  # fmt: skip


@pytest.fixture(scope="module")
def types() -> TypeTable:
    return TypeTable()


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_sizes(types: TypeTable, name: str, size: int) -> None:
    assert types.struct(name).size == size


@pytest.mark.parametrize(("name", "sizes"), PAE_SIZES.items())
def test_pae_has_wider_page_table_entries(name: str, sizes: tuple[int, int]) -> None:
    assert (TypeTable().struct(name).size, TypeTable(pae=False).struct(name).size) == sizes


@pytest.mark.parametrize(
    "name",
    ["_KTRAP_FRAME", "KTRAP_FRAME", "nt!_KTRAP_FRAME", "ntdll!_ktrap_frame", "NT!KTRAP_FRAME"],
)
def test_a_type_answers_to_several_names(types: TypeTable, name: str) -> None:
    assert types.find(name) is types.struct("_KTRAP_FRAME")


@pytest.mark.parametrize("name", ["_NO_SUCH", "hal!_KTRAP_FRAME", "", "!", "nt!"])
def test_what_is_no_type(types: TypeTable, name: str) -> None:
    assert types.find(name) is None
    with pytest.raises(UnknownType, match="not found"):
        types.struct(name)


@pytest.mark.parametrize(
    ("name", "path", "offset"),
    [
        ("_KTHREAD", "TrapFrame", 0x134),
        ("_KTHREAD", "ApcState.UserApcPending", 0x4A),
        ("_KTHREAD", "apcstate.Process", 0x44),
        ("_KTHREAD", "WaitBlock[2].Thread", 0x70 + 2 * 0x18 + 8),
        ("_KPCR", "PrcbData.KeSystemCalls", 0x638),
        ("_KTSS", "Esp0", 4),
        ("_KSERVICE_TABLE_DESCRIPTOR", "Number", 0xC),
        ("_EPROCESS", "PageDirectoryPte", 0x168),
        ("_MMPFN", "u4", 0x18),
    ],
)
def test_offsets(types: TypeTable, name: str, path: str, offset: int) -> None:
    assert types.offset(name, path) == offset


@pytest.mark.parametrize(
    "path", ["NoSuch", "TrapFrame.Eax", "Header.", "", "Teb[0]", "WaitBlock[x]"]
)
def test_what_is_no_field(types: TypeTable, path: str) -> None:
    with pytest.raises(UnknownType):
        types.offset("_KTHREAD", path)


def test_search(types: TypeTable) -> None:
    assert types.search("nt!_KP*") == [
        "nt!_KPCR",
        "nt!_KPRCB",
        "nt!_KPROCESS",
        "nt!_KPROCESSOR_STATE",
    ]
    assert types.search("_kuser*") == ["ntdll!_KUSER_SHARED_DATA"]
    assert types.search("hal!*") == []
    assert not any("__unnamed" in name for name in types.search("*"))


def test_the_kinds_of_types(types: TypeTable) -> None:
    shared = types.struct("_KUSER_SHARED_DATA")
    product = shared.field("NtProductType").type
    assert isinstance(product, Enum)
    assert (product.name, product.constants[1]) == ("_NT_PRODUCT_TYPE", "NtProductWinNt")
    assert types.find("nt!_NT_PRODUCT_TYPE") == product
    root = shared.field("NtSystemRoot").type
    assert isinstance(root, Array)
    assert (root.name, root.size) == ("[260] Uint2B", 520)
    exception_list = types.struct("_KTRAP_FRAME").field("ExceptionList").type
    assert isinstance(exception_list, Pointer)
    assert exception_list.name == "Ptr32 _EXCEPTION_REGISTRATION_RECORD"
    frame = types.struct("_MMPTE_HARDWARE").field("PageFrameNumber").type
    assert isinstance(frame, Bitfield)
    assert (frame.name, frame.extract(0x8000_0000_1FF6_A067)) == ("Pos 12, 24 Bits", 0x1FF6A)
    history = types.struct("_DEVICE_NODE").field("StateHistory").type
    assert history.name == "[20] _PNP_DEVNODE_STATE"


@pytest.mark.parametrize("pae", [True, False])
def test_no_field_reaches_beyond_its_structure(pae: bool) -> None:
    table = TypeTable(pae=pae)
    for qualified in table.search("*"):
        struct = table.find(qualified)
        if not isinstance(struct, Struct):
            continue
        for field in struct.fields:
            assert field.offset + field.type.size <= struct.size, (qualified, field.name)


@pytest.mark.parametrize("pae", [True, False])
def test_fields_overlap_only_where_they_begin_together_or_share_bits(pae: bool) -> None:
    """A wrong PAE override would push a field into the next one."""
    table = TypeTable(pae=pae)
    for name in ("_MMPFN", "_SEGMENT", "_MMBANKED_SECTION", "_MMWSL", "_EPROCESS", "_KTHREAD"):
        fields = table.struct(name).fields
        for field in fields:
            following = [other.offset for other in fields if other.offset > field.offset]
            is_union = any(other.offset == field.offset for other in fields if other is not field)
            if following and not is_union:
                assert field.offset + field.type.size <= following[0], (name, field.name)
