"""Handles of two tables in guest memory, against dictionaries as the model."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ob_program import new_manager

from ntgate.errors import NtError
from ntgate.executive.ob import attributes as a
from ntgate.layout import ntstatus
from ntgate.layout.ob import HANDLE_TABLE

PROCESS_A, PROCESS_B = 0x81100020, 0x81200020

MANAGER = new_manager()


class HandlesAndADictionary(RuleBasedStateMachine):
    """Two tables, and dictionaries from handle to (body, access, attributes)."""

    def __init__(self) -> None:
        super().__init__()
        self.ob = MANAGER
        self.tables = [self.ob.create_table(PROCESS_A, 8), self.ob.create_table(PROCESS_B, 12)]
        self.model: list[dict[int, tuple[int, int, int]]] = [{}, {}]

    def teardown(self) -> None:
        for table in self.tables:
            self.ob.delete_table(table)
        for name in ("Event", "File"):
            view = self.ob.types[name].view
            assert (view.TotalNumberOfObjects, view.TotalNumberOfHandles) == (0, 0)

    def pick(self, side: int, number: int) -> int:
        return sorted(self.model[side])[number % len(self.model[side])]

    @rule(side=st.integers(0, 1), name=st.sampled_from(["Event", "File"]),
          access=st.sampled_from([0, 1, 0x1F0003]), inherit=st.booleans())
    def create(self, side: int, name: str, access: int, inherit: bool) -> None:
        attributes = a.OBJ_INHERIT if inherit else 0
        body = self.ob.create(self.ob.types[name], 0x70)
        handle = self.ob.create_handle(self.tables[side], body, access, attributes)
        self.ob.dereference(body)
        assert handle not in self.model[side]
        self.model[side][handle] = body, access, attributes

    @rule(side=st.integers(0, 1), count=st.sampled_from([3, 520]))
    def create_many(self, side: int, count: int) -> None:
        for _ in range(count):
            self.create(side, "Event", 1, False)

    @precondition(lambda self: self.model[0])
    @rule(number=st.integers(0), options=st.integers(0, 7))
    def duplicate(self, number: int, options: int) -> None:
        handle = self.pick(0, number)
        body, access, attributes = self.model[0][handle]
        copy = self.ob.duplicate(self.tables[0], handle, self.tables[1], 2, 0, options)
        same = options & a.DUPLICATE_SAME_ATTRIBUTES
        assert copy not in self.model[1]
        self.model[1][copy] = (
            body,
            access if options & a.DUPLICATE_SAME_ACCESS else 2,
            attributes if same else 0,
        )
        if options & a.DUPLICATE_CLOSE_SOURCE and not attributes & a.OBJ_PROTECT_CLOSE:
            del self.model[0][handle]

    @precondition(lambda self: self.model[0])
    @rule(number=st.integers(0), inherit=st.booleans(), protect=st.booleans())
    def set_attributes(self, number: int, inherit: bool, protect: bool) -> None:
        handle = self.pick(0, number)
        body, access, _ = self.model[0][handle]
        self.ob.set_handle_attributes(self.tables[0], handle, inherit=inherit, protect=protect)
        attributes = a.OBJ_INHERIT * inherit | a.OBJ_PROTECT_CLOSE * protect
        self.model[0][handle] = body, access, attributes

    @precondition(lambda self: self.model[0])
    @rule(number=st.integers(0))
    def close(self, number: int) -> None:
        handle = self.pick(0, number)
        if self.model[0][handle][2] & a.OBJ_PROTECT_CLOSE:
            with pytest.raises(NtError):
                self.ob.close_handle(self.tables[0], handle)
        else:
            self.ob.close_handle(self.tables[0], handle)
            del self.model[0][handle]

    @rule()
    def inherit(self) -> None:
        self.ob.delete_table(self.tables[1])
        self.tables[1] = self.ob.inherit_table(self.tables[0], PROCESS_B, 12)
        self.model[1] = {
            handle: held for handle, held in self.model[0].items() if held[2] & a.OBJ_INHERIT
        }

    @rule(side=st.integers(0, 1), handle=st.integers(0, 0x1400))
    def look_up(self, side: int, handle: int) -> None:
        held = self.model[side].get(handle & ~3)
        if held:
            body = self.ob.reference_by_handle(self.tables[side], handle, None, held[1])
            assert body == held[0]
            self.ob.dereference(body)
        else:
            with pytest.raises(NtError) as caught:
                self.ob.reference_by_handle(self.tables[side], handle)
            assert caught.value.status == ntstatus.STATUS_INVALID_HANDLE

    @invariant()
    def tables_hold_what_the_dictionaries_hold(self) -> None:
        for table, model in zip(self.tables, self.model, strict=True):
            found = {
                handle.value: (handle.body, handle.granted_access, handle.attributes)
                for handle in self.ob.handles(table)
            }
            assert found == model
            assert HANDLE_TABLE(self.ob.memory, table).HandleCount == len(model)

    @invariant()
    def objects_know_their_handles(self) -> None:
        held = Counter(body for model in self.model for body, _, _ in model.values())
        for body, count in held.items():
            header = self.ob.header(body)
            assert header.HandleCount == header.PointerCount == count


HandlesAndADictionary.TestCase.settings = settings(max_examples=20, stateful_step_count=20)
TestHandlesAndADictionary = HandlesAndADictionary.TestCase
