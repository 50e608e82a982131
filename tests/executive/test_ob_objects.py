"""Objects: their types, their headers in pool, their counts and their end."""

from __future__ import annotations

import pytest

from ntgate.boot.boot import boot
from ntgate.errors import GuestBugCheck, NtError
from ntgate.executive.ob import ObjectAttributes, ObjectManager
from ntgate.executive.ob import attributes as a
from ntgate.executive.ob.types import ROWS
from ntgate.executive.pool import Pool
from ntgate.layout import lists, ntstatus
from ntgate.layout import machine as m
from ntgate.layout.access import (
    GENERIC_ALL,
    GENERIC_EXECUTE,
    GENERIC_READ,
    GENERIC_WRITE,
    MAXIMUM_ALLOWED,
)
from ntgate.layout.ke import DISPATCHER_HEADER
from ntgate.layout.ob import OBJECT_HEADER, OBJECT_TYPE, POOL_HEADER

HEADER = 0x18
TYPE_NAMES = (
    "Type Directory SymbolicLink Token Process Thread Job DebugObject Event EventPair Mutant "
    "Callback Semaphore Timer Profile KeyedEvent WindowStation Desktop Section Key Port "
    "WaitablePort Adapter Controller Device Driver IoCompletion File WmiGuid"
).split()


class CountingPool(Pool):
    """Knows what is allocated."""

    live: set[int]

    def allocate(self, size: int, tag: bytes) -> int:
        address = super().allocate(size, tag)
        self.__dict__.setdefault("live", set()).add(address)
        return address

    def free(self, address: int) -> None:
        super().free(address)
        self.live.remove(address)


@pytest.fixture
def ob() -> ObjectManager:
    system = boot()
    pool = CountingPool(system.memory.kernel, m.NONPAGED_POOL, m.NONPAGED_POOL_END)
    return ObjectManager(system.memory.kernel, pool, system.symbols)


def live(ob: ObjectManager) -> set[int]:
    assert isinstance(ob.blocks.pool, CountingPool)
    return set(ob.blocks.pool.live)


def test_types_have_xps_names_and_indices(ob: ObjectManager) -> None:
    assert list(ob.types) == TYPE_NAMES
    for number, kind in enumerate(ob.types.values(), 1):
        view = OBJECT_TYPE(ob.memory, kind.address)
        assert (view.Index, view.Name.text) == (number, kind.name)
        assert ob.type_of(kind.address) is ob.types["Type"]


def test_types_are_linked_counted_and_published(ob: ObjectManager) -> None:
    kind = ob.types["Type"]
    listed = [
        entry + 0x10 + HEADER for entry in lists.entries(ob.memory, kind.view.TypeList.address)
    ]
    assert listed == [of_type.address for of_type in ob.types.values()]
    assert kind.view.TotalNumberOfObjects == kind.view.HighWaterNumberOfObjects == len(TYPE_NAMES)
    table = ob.symbols["ObpObjectTypes"]
    assert [ob.memory.u32(table + 4 * i) for i in range(len(TYPE_NAMES) + 1)] == [*listed, 0]


def test_a_type_is_published_in_its_variable() -> None:
    system = boot()
    pool = Pool(system.memory.kernel, m.NONPAGED_POOL, m.NONPAGED_POOL_END)
    variables = {
        row.symbol: m.NONPAGED_POOL_END - 0x1000 + 4 * i for i, row in enumerate(ROWS)
    }
    ob = ObjectManager(system.memory.kernel, pool, system.symbols | variables)
    assert len(variables) == len(ROWS)
    for kind in ob.types.values():
        assert ob.memory.u32(variables[kind.row.symbol]) == kind.address


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("Process", b"Pro\xe3"), ("Thread", b"Thr\xe5"), ("File", b"Fil\xe5"),
        ("Event", b"Eve\xee"), ("Mutant", b"Mut\xe1"), ("Semaphore", b"Sem\xe1"),
        ("SymbolicLink", b"Sym\xe2"), ("Driver", b"Dri\xf6"), ("Key", b"Key\xa0"),
        ("Type", b"Obj\xd4"),
    ],
)  # fmt: skip
def test_pool_tags(ob: ObjectManager, name: str, tag: bytes) -> None:
    if name == "Type":
        body, before = ob.types["Event"].address, 0x20
    else:
        body = ob.create(ob.types[name], 0x20)
        before = 8 if name == "File" else 0
    assert ob.blocks.pool.tag(body - HEADER - before) == tag


@pytest.mark.parametrize(
    ("name", "size", "block"),
    # Sizes of the pool blocks that memory forensics tools look for on XP.
    [("File", 0x70, 0x98), ("Process", 0x260, 0x280), ("Mutant", 0x20, 0x40)],
)
def test_block_sizes(ob: ObjectManager, name: str, size: int, block: int) -> None:
    body = ob.create(ob.types[name], size)
    before = 8 if name == "File" else 0
    header = POOL_HEADER(ob.memory, body - HEADER - before - 8)
    assert (header.BlockSize & 0x1FF) * 8 == block


def test_a_new_object(ob: ObjectManager) -> None:
    kind = ob.types["Event"]
    before = kind.view.TotalNumberOfObjects
    body = ob.create(kind, 0x10)
    header = OBJECT_HEADER(ob.memory, body - HEADER)
    assert (header.PointerCount, header.HandleCount, header.Type) == (1, 0, kind.address)
    assert (header.NameInfoOffset, header.HandleInfoOffset, header.QuotaInfoOffset) == (0, 0, 0)
    assert ob.memory.read(body, 0x10) == bytes(0x10)
    assert kind.view.TotalNumberOfObjects == before + 1
    assert ob.name_of(body) == ""


def test_what_lies_in_front_of_a_header(ob: ObjectManager) -> None:
    attributes = ObjectAttributes("\\x", 0, a.OBJ_EXCLUSIVE)
    header = ob.header(ob.create(ob.types["File"], 0x70, attributes))
    assert (header.NameInfoOffset, header.HandleInfoOffset, header.QuotaInfoOffset) == (
        0x10, 0x18, 0x28,
    )  # fmt: skip
    of_type = ob.header(ob.types["Event"].address)
    assert (of_type.NameInfoOffset, of_type.Flags) == (0x20, 0x16)


def test_the_last_reference_frees(ob: ObjectManager) -> None:
    before = live(ob)
    kind = ob.types["Semaphore"]
    body = ob.create(kind, 0x14, ObjectAttributes("\\named"))
    deleted: list[int] = []
    kind.delete = deleted.append
    ob.set_companion(body, "kept")
    ob.reference(body)
    ob.dereference(body)
    assert deleted == []
    assert ob.companion(body, str) == "kept"
    ob.dereference(body)
    assert deleted == [body]
    assert live(ob) == before
    assert kind.view.TotalNumberOfObjects == 0
    assert kind.view.HighWaterNumberOfObjects == 1


def test_one_reference_too_few_stops_the_machine(ob: ObjectManager) -> None:
    body = ob.create(ob.types["Event"], 0x10)
    ob.header(body).PointerCount = 0
    with pytest.raises(GuestBugCheck) as caught:
        ob.dereference(body)
    assert caught.value.code == 0x18
    assert caught.value.parameters[:2] == (ob.types["Event"].address, body)


def test_a_companion_goes_with_its_object(ob: ObjectManager) -> None:
    body = ob.create(ob.types["Event"], 0x10)
    ob.set_companion(body, [1])
    assert ob.companion(body, list) == [1]
    with pytest.raises(NtError):
        ob.companion(body, dict)
    ob.dereference(body)
    again = ob.create(ob.types["Event"], 0x10)
    assert again == body
    with pytest.raises(NtError):
        ob.companion(again, list)


def test_a_companion_is_of_the_type_that_it_was_set_under(ob: ObjectManager) -> None:
    body = ob.create(ob.types["Event"], 0x10)
    ob.set_companion(body, "an event's")
    ob.header(body).Type = ob.types["Mutant"].address
    with pytest.raises(NtError) as caught:
        ob.companion(body, str)
    assert caught.value.status == ntstatus.STATUS_OBJECT_TYPE_MISMATCH


def test_a_header_without_a_type(ob: ObjectManager) -> None:
    body = ob.create(ob.types["Event"], 0x10)
    ob.header(body).Type = body
    with pytest.raises(NtError) as caught:
        ob.type_of(body)
    assert caught.value.status == ntstatus.STATUS_OBJECT_TYPE_MISMATCH


def test_attributes_that_a_type_refuses(ob: ObjectManager) -> None:
    with pytest.raises(NtError) as caught:
        ob.create(ob.types["Process"], 0x260, ObjectAttributes("", 0, a.OBJ_PERMANENT))
    assert caught.value.status == ntstatus.STATUS_INVALID_PARAMETER


def test_no_pool_left(ob: ObjectManager) -> None:
    with pytest.raises(NtError) as caught:
        ob.create(ob.types["Section"], m.NONPAGED_POOL_END - m.NONPAGED_POOL)
    assert caught.value.status == ntstatus.STATUS_INSUFFICIENT_RESOURCES


@pytest.mark.parametrize(
    ("name", "access", "granted"),
    [
        ("Event", GENERIC_READ, 0x20001),
        ("Event", GENERIC_ALL, 0x1F0003),
        ("Event", GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE, 0x120003),
        ("Event", MAXIMUM_ALLOWED, 0x1F0003),
        ("Event", 0x1F0003, 0x1F0003),
        ("Event", 0x1F0FFF, 0x1F0003),
        ("Event", 0, 0),
        ("Process", 0x3FFFFF, 0x1FFFFF),
        ("File", GENERIC_READ, 0x120089),
        ("Key", MAXIMUM_ALLOWED, 0xF003F),
        ("Key", 0x100000, 0x100000),
        ("Directory", 0x100000, 0),
    ],
)
def test_granted_access(ob: ObjectManager, name: str, access: int, granted: int) -> None:
    assert ob.types[name].grant(access) == granted


def test_map_generic_leaves_maximum_allowed(ob: ObjectManager) -> None:
    mapped = ob.types["Mutant"].map_generic(GENERIC_READ | MAXIMUM_ALLOWED)
    assert mapped == 0x20001 | MAXIMUM_ALLOWED


def test_mappings_are_read_from_guest_memory(ob: ObjectManager) -> None:
    kind = ob.types["Event"]
    kind.view.TypeInfo.GenericMapping.GenericRead = 2
    assert kind.grant(GENERIC_READ) == 2


def test_what_a_wait_waits_for(ob: ObjectManager) -> None:
    event = ob.create(ob.types["Event"], 0x10)
    assert ob.dispatcher_object(event) == event
    file = ob.create(ob.types["File"], 0x70)
    assert ob.dispatcher_object(file) == file + 0x5C
    key = ob.create(ob.types["Key"], 0x44)
    assert DISPATCHER_HEADER(ob.memory, ob.dispatcher_object(key)).SignalState == 1
