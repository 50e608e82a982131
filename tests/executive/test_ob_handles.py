"""Handles: tables in guest memory, their entries, counts and edges."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ob_program import new_manager

from ntgate.errors import NtError
from ntgate.executive.ob import HandleClosing, ObjectAttributes, ObjectManager
from ntgate.executive.ob import attributes as a
from ntgate.executive.ob.handle_table import HANDLE_LIMIT, STRIDE
from ntgate.layout import lists, ntstatus
from ntgate.layout import machine as m
from ntgate.layout.access import GENERIC_ALL, GENERIC_READ
from ntgate.layout.ob import HANDLE_TABLE, OBJECT_HEADER

HEADER = 0x18
PROCESS_A, PROCESS_B, PROCESS_C = 0x81100020, 0x81200020, 0x81300020


@pytest.fixture
def ob() -> ObjectManager:
    return new_manager()


def status_of(caught: pytest.ExceptionInfo[NtError]) -> int:
    return caught.value.status


def new_event(ob: ObjectManager, table: int, access: int = 0x1F0003, attributes: int = 0) -> int:
    """A handle that holds the only reference to a new event."""
    body = ob.create(ob.types["Event"], 0x10)
    handle = ob.create_handle(table, body, access, attributes)
    ob.dereference(body)
    return handle


def test_the_first_handles(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    assert [new_event(ob, table) for _ in range(3)] == [4, 8, 12]
    ob.close_handle(table, 8)
    ob.close_handle(table, 4)
    assert [new_event(ob, table) for _ in range(3)] == [4, 8, 16]


def test_an_entry_as_memory_forensics_reads_it(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    body = ob.create(ob.types["Event"], 0x10)
    handle = ob.create_handle(table, body, 0x1F0003, a.OBJ_INHERIT)
    view = HANDLE_TABLE(ob.memory, table)
    assert ob.blocks.pool.tag(table) == b"Obtb"
    assert view.TableCode & 3 == 0
    entry = view.TableCode + handle * 2
    value, access = ob.memory.u32(entry), ob.memory.u32(entry + 4)
    header = OBJECT_HEADER(ob.memory, value & ~7)
    assert header.address == body - HEADER
    assert header.Type == ob.types["Event"].address
    assert (value & 7, access) == (3, 0x1F0003)
    assert ob.memory.u32(view.TableCode + 4) == 0xFFFFFFFE


def test_tables_are_listed(ob: ObjectManager) -> None:
    first, second = ob.create_table(PROCESS_A, 8), ob.create_table(PROCESS_B, 12)
    assert list(ob.tables.all()) == [first, second]
    assert HANDLE_TABLE(ob.memory, second).UniqueProcessId == 12
    link = HANDLE_TABLE(ob.memory, first).HandleTableList.address
    assert second + 0x1C in lists.entries(ob.memory, link)
    ob.delete_table(first)
    assert list(ob.tables.all()) == [second]


def test_counts(ob: ObjectManager) -> None:
    kind = ob.types["Event"]
    table = ob.create_table(PROCESS_A, 8)
    body = ob.create(kind, 0x10)
    handles = [ob.create_handle(table, body, 1) for _ in range(2)]
    assert (ob.header(body).PointerCount, ob.header(body).HandleCount) == (3, 2)
    assert kind.view.TotalNumberOfHandles == 2
    ob.dereference(body)
    for handle in handles:
        ob.close_handle(table, handle)
    assert (kind.view.TotalNumberOfObjects, kind.view.TotalNumberOfHandles) == (0, 0)
    assert kind.view.HighWaterNumberOfHandles == 2


def test_reference_by_handle(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    handle = new_event(ob, table, access=0x100001)
    event = ob.types["Event"]
    body = ob.reference_by_handle(table, handle, event, 0x100000)
    assert ob.header(body).PointerCount == 2
    # The two low bits of a handle are the program's own.
    assert ob.reference_by_handle(table, handle | 3) == body
    with pytest.raises(NtError) as caught:
        ob.reference_by_handle(table, handle, ob.types["Mutant"], 0x100000)
    assert status_of(caught) == ntstatus.STATUS_OBJECT_TYPE_MISMATCH
    with pytest.raises(NtError) as caught:
        ob.reference_by_handle(table, handle, event, 0x100002)
    assert status_of(caught) == ntstatus.STATUS_ACCESS_DENIED
    assert ob.reference_by_handle(table, handle, event, 0x100002, kernel=True) == body
    assert ob.header(body).PointerCount == 4


@pytest.mark.parametrize(
    "handle", [0, 3, 8, STRIDE, STRIDE + 4, 0x7FFFFFFC, 0x80000004, 0xDEADBEEF, 0xFFFFFFFD]
)
def test_what_is_no_handle(ob: ObjectManager, handle: int) -> None:
    table = ob.create_table(PROCESS_A, 8)
    new_event(ob, table)
    for use in (ob.reference_by_handle, ob.close_handle, ob.query_handle):
        with pytest.raises(NtError) as caught:
            use(table, handle)
        assert status_of(caught) == ntstatus.STATUS_INVALID_HANDLE


def test_an_edited_entry_is_followed(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    handle = new_event(ob, table)
    mutant = ob.create(ob.types["Mutant"], 0x20)
    entry = HANDLE_TABLE(ob.memory, table).TableCode + handle * 2
    ob.memory.set_u32(entry, mutant - HEADER | 1)
    assert ob.reference_by_handle(table, handle, ob.types["Mutant"]) == mutant


def test_tables_and_objects_may_lie_anywhere(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    handle = new_event(ob, table)
    body = ob.query_handle(table, handle).body
    far_table, far_header = m.SYSENTER_STACK - 0x1000, m.SYSENTER_STACK - 0x2000
    ob.memory.write(far_table, ob.memory.read(table, HANDLE_TABLE.SIZE))
    ob.memory.write(far_header, ob.memory.read(body - HEADER, HEADER + 0x10))
    assert ob.reference_by_handle(far_table, handle, ob.types["Event"]) == body
    ob.memory.set_u32(HANDLE_TABLE(ob.memory, table).TableCode + handle * 2, far_header | 1)
    assert ob.reference_by_handle(table, handle, ob.types["Event"], 1) == far_header + HEADER
    assert ob.memory.u32(far_header) == 2
    for kind, access in (("Mutant", 0), ("Event", 0x200000)):
        with pytest.raises(NtError):
            ob.reference_by_handle(table, handle, ob.types[kind], access)


def test_pseudo_handles(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    process = ob.create(ob.types["Process"], 0x260)
    thread = ob.create(ob.types["Thread"], 0x258)
    with pytest.raises(NtError):
        ob.reference_by_handle(table, 0xFFFFFFFF)
    ob.current_process = lambda: process
    ob.current_thread = lambda: thread
    assert ob.reference_by_handle(table, 0xFFFFFFFF, ob.types["Process"], 0x1F0FFF) == process
    assert ob.reference_by_handle(table, 0xFFFFFFFE, ob.types["Thread"], 0x1F03FF) == thread
    with pytest.raises(NtError) as caught:
        ob.reference_by_handle(table, 0xFFFFFFFE, ob.types["Process"])
    assert status_of(caught) == ntstatus.STATUS_OBJECT_TYPE_MISMATCH
    handle = ob.duplicate(table, 0xFFFFFFFF, table, 0, 0, a.DUPLICATE_SAME_ACCESS)
    assert ob.query_handle(table, handle).granted_access == 0x1FFFFF
    with pytest.raises(NtError) as caught:
        ob.close_handle(table, 0xFFFFFFFF)
    assert status_of(caught) == ntstatus.STATUS_INVALID_HANDLE


def test_kernel_handles(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    ob.kernel_table = ob.create_table(PROCESS_B, 4)
    body = ob.create(ob.types["Event"], 0x10)
    handle = ob.create_handle(table, body, 1, a.OBJ_KERNEL_HANDLE)
    assert handle == 0x80000004
    assert [found.value for found in ob.handles(ob.kernel_table)] == [4]
    assert ob.reference_by_handle(table, handle, kernel=True) == body
    with pytest.raises(NtError) as caught:
        ob.reference_by_handle(table, handle)
    assert status_of(caught) == ntstatus.STATUS_INVALID_HANDLE
    ob.close_handle(table, handle, kernel=True)
    assert list(ob.handles(ob.kernel_table)) == []


def test_a_protected_handle_stays(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    handle = new_event(ob, table)
    ob.set_handle_attributes(table, handle, inherit=True, protect=True)
    found = ob.query_handle(table, handle)
    assert found.attributes == a.OBJ_INHERIT | a.OBJ_PROTECT_CLOSE
    assert found.granted_access == 0x1F0003
    with pytest.raises(NtError) as caught:
        ob.close_handle(table, handle)
    assert status_of(caught) == ntstatus.STATUS_HANDLE_NOT_CLOSABLE
    copy = ob.duplicate(table, handle, table, 0, 0, a.DUPLICATE_CLOSE_SOURCE)
    assert ob.query_handle(table, handle).body == ob.query_handle(table, copy).body
    ob.set_handle_attributes(table, handle, inherit=False, protect=False)
    assert ob.query_handle(table, handle).attributes == 0
    ob.close_handle(table, handle)


def test_duplicates(ob: ObjectManager) -> None:
    source, target = ob.create_table(PROCESS_A, 8), ob.create_table(PROCESS_B, 12)
    handle = new_event(ob, source, access=0x100002, attributes=a.OBJ_INHERIT)
    plain = ob.duplicate(source, handle, target, GENERIC_READ)
    assert ob.query_handle(target, plain).granted_access == 0x20001
    assert ob.query_handle(target, plain).attributes == 0
    same = ob.duplicate(
        source, handle, target, 0, 0, a.DUPLICATE_SAME_ACCESS | a.DUPLICATE_SAME_ATTRIBUTES
    )
    assert ob.query_handle(target, same).granted_access == 0x100002
    assert ob.query_handle(target, same).attributes == a.OBJ_INHERIT
    moved = ob.duplicate(source, handle, target, 0, a.OBJ_PROTECT_CLOSE, a.DUPLICATE_CLOSE_SOURCE)
    assert ob.query_handle(target, moved).attributes == a.OBJ_PROTECT_CLOSE
    assert ob.query_handle(target, moved).granted_access == 0
    assert list(ob.handles(source)) == []
    with pytest.raises(NtError) as caught:
        ob.duplicate(source, handle, target)
    assert status_of(caught) == ntstatus.STATUS_INVALID_HANDLE


def test_inherited_handles_keep_their_values(ob: ObjectManager) -> None:
    parent = ob.create_table(PROCESS_A, 8)
    handles = [new_event(ob, parent, attributes=a.OBJ_INHERIT * (i % 2)) for i in range(600)]
    kept = handles[1::2]
    bodies = [ob.query_handle(parent, handle).body for handle in kept]
    child = ob.inherit_table(parent, PROCESS_B, 12)
    assert [found.value for found in ob.handles(child)] == kept
    assert [found.body for found in ob.handles(child)] == bodies
    assert all(found.attributes == a.OBJ_INHERIT for found in ob.handles(child))
    assert HANDLE_TABLE(ob.memory, child).HandleCount == len(kept)
    ob.delete_table(parent)
    assert all(ob.reference_by_handle(child, handle) for handle in kept)
    # The highest free handle is the first that the child gets.
    assert new_event(ob, child) == 2 * STRIDE - 4


def test_all_handles(ob: ObjectManager) -> None:
    tables = {pid: ob.create_table(PROCESS_A + pid, pid) for pid in (8, 12)}
    expected = [(pid, new_event(ob, table)) for pid, table in tables.items() for _ in range(2)]
    assert [(pid, handle.value) for pid, handle in ob.all_handles()] == expected


def test_close_procedures_get_the_counts(ob: ObjectManager) -> None:
    kind = ob.types["File"]
    closed: list[HandleClosing] = []
    kind.close = closed.append
    first, second = ob.create_table(PROCESS_A, 8), ob.create_table(PROCESS_B, 12)
    third = ob.create_table(PROCESS_C, 16)
    body = ob.create(kind, 0x70)
    handles = [ob.create_handle(first, body, 3) for _ in range(2)]
    other = ob.create_handle(second, body, 7)
    ob.create_handle(third, body, 7)
    ob.dereference(body)
    ob.delete_table(third)
    for handle in handles:
        ob.close_handle(first, handle)
    ob.close_handle(second, other)
    assert closed == [
        HandleClosing(body, PROCESS_C, 7, 1, 4),
        HandleClosing(body, PROCESS_A, 3, 2, 3),
        HandleClosing(body, PROCESS_A, 3, 1, 2),
        HandleClosing(body, PROCESS_B, 7, 1, 1),
    ]
    assert kind.view.TotalNumberOfObjects == 0


def test_a_close_procedure_may_close_other_handles(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    new_event(ob, table)
    other = new_event(ob, table)

    def close(closing: HandleClosing) -> None:
        ob.types["Event"].close = None
        ob.close_handle(table, other)

    ob.types["Event"].close = close
    ob.delete_table(table)
    assert ob.types["Event"].view.TotalNumberOfHandles == 0


def test_counts_of_many_processes(ob: ObjectManager) -> None:
    body = ob.create(ob.types["Desktop"], 0x20)
    tables = [ob.create_table(PROCESS_A + i * 0x1000, 8 + 4 * i) for i in range(9)]
    for count, table in enumerate(tables, 1):
        for _ in range(count):
            ob.create_handle(table, body, 1)
    header = ob.header(body)
    counts = [ob.handle_counts.of(header, PROCESS_A + i * 0x1000) for i in range(9)]
    assert counts == list(range(1, 10))
    ob.delete_table(tables[4])
    assert ob.handle_counts.of(header, PROCESS_A + 4 * 0x1000) == 0
    assert ob.handle_counts.of(header, PROCESS_A + 8 * 0x1000) == 9


def test_an_exclusive_object_is_one_process_s(ob: ObjectManager) -> None:
    mine, other = ob.create_table(PROCESS_A, 8), ob.create_table(PROCESS_B, 12)
    body = ob.create(ob.types["Event"], 0x10, ObjectAttributes("", 0, a.OBJ_EXCLUSIVE))
    handle = ob.create_handle(mine, body, 1)
    assert ob.exclusive_process(body) == PROCESS_A
    uses: list[Callable[[], int]] = [
        lambda: ob.create_handle(other, body, 1),
        lambda: ob.duplicate(mine, handle, other),
    ]
    for use in uses:
        with pytest.raises(NtError) as caught:
            use()
        assert status_of(caught) == ntstatus.STATUS_ACCESS_DENIED
    assert list(ob.handles(ob.inherit_table(mine, PROCESS_C, 16))) == []
    ob.close_handle(mine, handle)
    ob.create_handle(other, body, 1)
    assert ob.exclusive_process(body) == PROCESS_B


def test_a_shared_object_can_not_be_had_alone(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    body = ob.create(ob.types["Event"], 0x10)
    ob.create_handle(table, body, 1)
    with pytest.raises(NtError) as caught:
        ob.create_handle(table, body, 1, a.OBJ_EXCLUSIVE)
    assert status_of(caught) == ntstatus.STATUS_ACCESS_DENIED


def test_open_by_pointer_checks_the_type(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    body = ob.create(ob.types["Event"], 0x10)
    handle = ob.open_by_pointer(table, body, GENERIC_ALL, 0, ob.types["Event"])
    assert ob.query_handle(table, handle).granted_access == 0x1F0003
    with pytest.raises(NtError) as caught:
        ob.open_by_pointer(table, body, GENERIC_ALL, 0, ob.types["Mutant"])
    assert status_of(caught) == ntstatus.STATUS_OBJECT_TYPE_MISMATCH


def test_one_level_of_pages(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    handles = [new_event(ob, table) for _ in range(1100)]
    assert handles == [4 * i for i in range(1, 1103) if i % 512]
    assert HANDLE_TABLE(ob.memory, table).TableCode & 3 == 1
    bodies = {ob.reference_by_handle(table, handle) for handle in handles}
    assert len(bodies) == 1100
    with pytest.raises(NtError):
        ob.reference_by_handle(table, STRIDE)


def test_two_levels_of_pages(ob: ObjectManager) -> None:
    table, model = ob.create_table(PROCESS_A, 8), ob.create_table(PROCESS_B, 12)
    low = new_event(ob, table)
    HANDLE_TABLE(ob.memory, model).NextHandleNeedingPool = 1026 * STRIDE
    ob.tables.match_size(table, model)
    view = HANDLE_TABLE(ob.memory, table)
    assert view.TableCode & 3 == 2
    high = new_event(ob, table)
    assert high == 1025 * STRIDE + 4
    bodies = {ob.reference_by_handle(table, handle) for handle in (low, high)}
    assert [found.value for found in ob.handles(table)] == [low, high]
    assert len(bodies) == 2
    ob.delete_table(table)


def test_a_table_has_an_end(ob: ObjectManager) -> None:
    table = ob.create_table(PROCESS_A, 8)
    view = HANDLE_TABLE(ob.memory, table)
    view.FirstFree, view.NextHandleNeedingPool = 0, HANDLE_LIMIT
    with pytest.raises(NtError) as caught:
        new_event(ob, table)
    assert status_of(caught) == ntstatus.STATUS_INSUFFICIENT_RESOURCES


def test_ids(ob: ObjectManager) -> None:
    process = ob.create(ob.types["Process"], 0x260)
    thread = ob.create(ob.types["Thread"], 0x258)
    assert (ob.allocate_id(process), ob.allocate_id(thread)) == (4, 8)
    assert ob.memory.u32(ob.symbols["PspCidTable"]) == ob.cid_table
    assert ob.cid_table not in ob.tables.all()
    assert list(ob.ids()) == [(4, process), (8, thread)]
    assert ob.reference_by_id(4, ob.types["Process"]) == process
    assert ob.header(process).PointerCount == 2
    for cid, kind in ((8, "Process"), (12, "Thread"), (0, "Process"), (0xFFFFFFFC, "Thread")):
        with pytest.raises(NtError) as caught:
            ob.reference_by_id(cid, ob.types[kind])
        assert status_of(caught) == ntstatus.STATUS_INVALID_PARAMETER


def test_an_id_is_used_again_late(ob: ObjectManager) -> None:
    thread = ob.create(ob.types["Thread"], 0x258)
    ids = [ob.allocate_id(thread) for _ in range(500)]
    for cid in (40, 80, 20):
        ob.free_id(cid)
    assert [ob.allocate_id(thread) for _ in range(14)] == [*range(2004, 2048, 4), 40, 80, 20]
    assert ids[-1] == 2000
