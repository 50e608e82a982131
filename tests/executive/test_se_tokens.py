"""TOKEN objects in guest memory: XP's layout is what the kernel itself reads."""

from __future__ import annotations

import pytest

from ntgate.executive.se import privileges as p
from ntgate.executive.se import sids
from ntgate.executive.se.token import Token
from ntgate.layout.ps import EPROCESS
from ntgate.layout.se import SID_AND_ATTRIBUTES, TOKEN
from ntgate.machine import Machine

FAST_REFERENCES = 7


@pytest.fixture
def machine() -> Machine:
    return Machine()


def user_token(machine: Machine) -> Token:
    security = machine.executive.security
    return security.token(security.user_token)


def test_a_process_s_token_is_a_fast_reference_to_a_copy(machine: Machine) -> None:
    process = machine.start("@sysenter")
    value = process.eprocess.Token
    assert value & 7 == FAST_REFERENCES
    objects, body = machine.executive.objects, value & ~7
    assert objects.type_of(body).name == "Token"
    assert objects.header(body).PointerCount == FAST_REFERENCES + 1
    view = TOKEN(machine.kernel, body)
    assert view.TokenInUse == 1
    assert view.AuthenticationId == user_token(machine).view.AuthenticationId
    assert view.TokenId != user_token(machine).view.TokenId
    machine.run()


def test_a_token_goes_with_its_process(machine: Machine) -> None:
    tokens = machine.executive.objects.types["Token"].view
    before = tokens.TotalNumberOfObjects
    process = machine.start("@sysenter")
    assert tokens.TotalNumberOfObjects == before + 1
    machine.run()
    assert process.exited
    machine.start("@sysenter")
    machine.run()
    assert tokens.TotalNumberOfObjects <= before + 1


def test_the_variable_part_holds_what_the_pointers_lead_to(machine: Machine) -> None:
    token = user_token(machine)
    view = token.view
    assert view.Privileges == view.address + TOKEN.VariablePart.offset
    assert view.UserAndGroups == view.Privileges + 12 * view.PrivilegeCount
    entry = SID_AND_ATTRIBUTES(machine.kernel, view.UserAndGroups)
    assert machine.kernel.read(entry.Sid, 28) == token.user
    end = view.address + TOKEN.VariablePart.offset + view.VariableLength
    assert view.UserAndGroups < entry.Sid < end


def test_an_edited_token_is_what_the_kernel_goes_by(machine: Machine) -> None:
    token = user_token(machine)
    machine.kernel.set_u32(token.view.Privileges + 8, 0)
    assert not token.has_privilege(p.SE_CHANGE_NOTIFY)
    groups = token.view.UserAndGroups
    machine.kernel.set_u32(groups + 8 * 3 + 4, 0)
    assert not token.is_administrator
    elsewhere = machine.executive.objects.blocks.allocate(32, b"Test")
    machine.kernel.write(elsewhere, sids.LOCAL_SYSTEM)
    machine.kernel.set_u32(groups, elsewhere)
    assert token.user == token.groups[0].sid == sids.LOCAL_SYSTEM


def test_a_removed_privilege_leaves_no_gap(machine: Machine) -> None:
    token = user_token(machine)
    before = [held.luid for held in token.privileges]
    token.remove_privilege(0)
    after = [held.luid for held in token.privileges]
    assert after == [before[-1], *before[1:-1]]


def test_a_thread_acts_with_what_it_impersonates(machine: Machine) -> None:
    security = machine.executive.security
    process = machine.start("@sysenter")
    (thread,) = machine.executive.processes.threads_of(process)
    own = security.effective(thread.ethread).body
    assert own == process.eprocess.Token & ~7
    security.impersonate(thread.ethread, security.anonymous_token, 2)
    assert security.effective(thread.ethread).body == security.anonymous_token
    assert thread.ethread.ActiveImpersonationInfo
    security.revert(thread.ethread)
    assert security.effective(thread.ethread).body == own
    machine.run()


def test_equal_descriptors_are_one_block(machine: Machine) -> None:
    objects = machine.executive.objects
    first, second = (objects.lookup(path)[0] for path in (r"\KnownDlls", r"\Callback"))
    assert objects.header(first).SecurityDescriptor == objects.header(second).SecurityDescriptor
    security = machine.executive.security.descriptors
    assert security.read(first) == security.read(second)


def test_the_system_process_has_the_system_s_token(machine: Machine) -> None:
    security = machine.executive.security
    system = machine.kernel.u32(machine.symbols["PsInitialSystemProcess"])
    token = security.primary(EPROCESS(machine.kernel, system))
    assert token.user == sids.LOCAL_SYSTEM
    assert token.owner == sids.ADMINISTRATORS
    assert token.has_privilege(p.SE_TCB)
