"""SIDs, ACLs, descriptors and the access check, without a program."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntgate.errors import NtError
from ntgate.executive.se import privileges as p
from ntgate.executive.se import sids
from ntgate.executive.se.access import GenericMapping, Node, Request, access_check
from ntgate.executive.se.acl import (
    ACCESS_ALLOWED_OBJECT_ACE_TYPE,
    ACCESS_DENIED_ACE_TYPE,
    CONTAINER_INHERIT_ACE,
    INHERIT_ONLY_ACE,
    INHERITED_ACE,
    NO_PROPAGATE_INHERIT_ACE,
    OBJECT_INHERIT_ACE,
    Ace,
    Acl,
    allow,
    make_acl,
    parse_acl,
)
from ntgate.executive.se.assign import assign
from ntgate.executive.se.descriptor import (
    DACL_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
    Descriptor,
    parse_descriptor,
)
from ntgate.executive.se.token import TOKEN_IS_RESTRICTED, Token, filtered
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    ACCESS_SYSTEM_SECURITY,
    DELETE,
    GENERIC_ALL,
    GENERIC_READ,
    MAXIMUM_ALLOWED,
    READ_CONTROL,
    WRITE_DAC,
)
from ntgate.layout.se import SE_DACL_PRESENT
from ntgate.machine import Machine

FILE = GenericMapping(0x120089, 0x120116, 0x1200A0, 0x1F01FF)
STRANGER = sids.make(5, 99, 1)


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


@pytest.fixture
def token(machine: Machine) -> Token:
    security = machine.executive.security
    return security.token(security.user_token)


def deny(sid: bytes, mask: int) -> Ace:
    return Ace(ACCESS_DENIED_ACE_TYPE, 0, struct.pack("<I", mask) + sid)


def asks(token: Token, desired: int, *aces: Ace, owner: bytes = STRANGER) -> tuple[int, int]:
    descriptor = Descriptor(SE_DACL_PRESENT, owner, STRANGER, dacl=make_acl(aces))
    return access_check(Request(descriptor, token, desired, FILE))[0]


def test_a_sid_s_text_and_back() -> None:
    for text in ("S-1-5-32-544", "S-1-1-0", "S-1-5-21-1-2-3-500", "S-1-16-12288"):
        assert sids.text_of(sids.parse(text)) == text
    with pytest.raises(ValueError, match="is no SID"):
        sids.parse("X-1-5")


def test_the_first_ace_that_speaks_of_a_right_decides(token: Token) -> None:
    assert asks(token, 1, allow(token.user, 3), deny(sids.WORLD, 1)) == (1, 0)
    denied = (0, ntstatus.STATUS_ACCESS_DENIED)
    assert asks(token, 1, deny(sids.WORLD, 1), allow(token.user, 3)) == denied
    assert asks(token, 3, allow(token.user, 1)) == denied
    assert asks(token, MAXIMUM_ALLOWED, deny(sids.WORLD, 1), allow(token.user, 7)) == (6, 0)
    assert asks(token, 1, allow(STRANGER, 1)) == denied
    assert asks(token, 0, allow(token.user, 1)) == denied


def test_an_owner_reads_and_writes_the_dacl(token: Token) -> None:
    both = READ_CONTROL | WRITE_DAC
    assert asks(token, both, owner=token.user) == (both, 0)
    assert asks(token, DELETE, owner=token.user)[1] == ntstatus.STATUS_ACCESS_DENIED


def test_generic_rights_of_an_ace_stand_for_the_object_s(token: Token) -> None:
    assert asks(token, 0x120089, allow(token.user, GENERIC_READ)) == (0x120089, 0)


def test_no_dacl_grants_everything(token: Token) -> None:
    for control in (0, SE_DACL_PRESENT):
        descriptor = Descriptor(control, STRANGER, STRANGER)
        request = Request(descriptor, token, MAXIMUM_ALLOWED, FILE)
        assert access_check(request) == [(0x1F01FF, 0)]


def test_a_right_of_a_privilege_that_is_off(token: Token) -> None:
    wanted = ACCESS_SYSTEM_SECURITY
    everyone = allow(sids.WORLD, GENERIC_ALL)
    assert asks(token, wanted, everyone) == (0, ntstatus.STATUS_PRIVILEGE_NOT_HELD)


def test_a_privilege_that_is_on_is_told(machine: Machine) -> None:
    security = machine.executive.security
    body = security.duplicate(security.token(security.user_token), 1, 0)
    token = security.token(body)
    index = next(i for i, held in enumerate(token.privileges) if held.luid == p.SE_SECURITY)
    token.set_privilege(index, p.SE_PRIVILEGE_ENABLED)
    descriptor = Descriptor(SE_DACL_PRESENT, STRANGER, STRANGER, dacl=Acl())
    request = Request(descriptor, token, ACCESS_SYSTEM_SECURITY, FILE)
    assert access_check(request) == [(ACCESS_SYSTEM_SECURITY, 0)]
    assert request.used == [p.SE_SECURITY]
    machine.executive.objects.dereference(body)


def test_a_restricted_token_needs_both(machine: Machine, token: Token) -> None:
    security = machine.executive.security
    body = security.create_token(
        filtered(
            token.contents(), disable_max_privilege=True, sandbox_inert=False,
            disabled=[sids.ADMINISTRATORS], removed=[], restricted=[sids.WORLD], parent=1,
        )
    )  # fmt: skip
    limited = security.token(body)
    assert limited.view.TokenFlags & TOKEN_IS_RESTRICTED
    assert [held.luid for held in limited.privileges] == [p.SE_CHANGE_NOTIFY]
    denied = (0, ntstatus.STATUS_ACCESS_DENIED)
    assert asks(limited, 1, allow(limited.user, 1)) == denied
    assert asks(limited, 1, allow(limited.user, 1), allow(sids.WORLD, 1)) == (1, 0)
    assert asks(limited, 1, allow(sids.ADMINISTRATORS, 1), allow(sids.WORLD, 2)) == denied
    one = (allow(sids.WORLD, 1),)
    assert asks(limited, 1, deny(sids.ADMINISTRATORS, 1), *one) == denied  # for denial it counts
    machine.executive.objects.dereference(body)


def object_ace(guid: bytes, mask: int, sid: bytes) -> Ace:
    rest = struct.pack("<2I", mask, 1) + guid + sid
    return Ace(ACCESS_ALLOWED_OBJECT_ACE_TYPE, 0, rest)


def test_parts_of_an_object_have_rights_of_their_own(token: Token) -> None:
    root, left, right = (bytes([n]) * 16 for n in (1, 2, 3))
    nodes = [Node(0, root), Node(1, left), Node(1, right)]
    aces = make_acl((object_ace(left, 1, token.user),))
    descriptor = Descriptor(SE_DACL_PRESENT, STRANGER, STRANGER, dacl=aces)
    denied = (0, ntstatus.STATUS_ACCESS_DENIED)
    answers = access_check(Request(descriptor, token, 1, FILE), nodes)
    assert answers == [denied, (1, 0), denied]
    aces = make_acl((object_ace(left, 1, token.user), object_ace(right, 1, token.user)))
    descriptor = Descriptor(SE_DACL_PRESENT, STRANGER, STRANGER, dacl=aces)
    assert access_check(Request(descriptor, token, 1, FILE), nodes) == [(1, 0)] * 3


def test_what_a_directory_hands_down(token: Token) -> None:
    both = OBJECT_INHERIT_ACE | CONTAINER_INHERIT_ACE
    parent = Descriptor(
        SE_DACL_PRESENT, STRANGER, STRANGER,
        dacl=make_acl(
            (
                allow(sids.WORLD, GENERIC_READ, OBJECT_INHERIT_ACE),
                allow(sids.CREATOR_OWNER, GENERIC_ALL, both | INHERIT_ONLY_ACE),
                allow(STRANGER, 1, CONTAINER_INHERIT_ACE | NO_PROPAGATE_INHERIT_ACE),
                allow(STRANGER, 2),
            )
        ),
    )  # fmt: skip
    file = assign(None, parent, token, FILE)
    assert file.owner == token.user
    assert file.dacl is not None
    assert [(ace.sid, ace.mask, ace.flags) for ace in file.dacl.aces] == [
        (sids.WORLD, 0x120089, INHERITED_ACE), (token.user, 0x1F01FF, INHERITED_ACE)
    ]  # fmt: skip
    folder = assign(None, parent, token, FILE, container=True)
    assert folder.dacl is not None
    assert [(ace.sid, ace.flags) for ace in folder.dacl.aces] == [
        (sids.WORLD, OBJECT_INHERIT_ACE | INHERITED_ACE | INHERIT_ONLY_ACE),
        (token.user, INHERITED_ACE),
        (sids.CREATOR_OWNER, both | INHERITED_ACE | INHERIT_ONLY_ACE),
        (STRANGER, INHERITED_ACE),
    ]
    given = Descriptor(SE_DACL_PRESENT, sids.ADMINISTRATORS, dacl=Acl())
    assert assign(given, parent, token, FILE).dacl == Acl()
    alone = assign(None, None, token, FILE).dacl
    assert alone is not None
    assert [ace.mask for ace in alone.aces] == [0x1F01FF, 0x1F01FF]


def test_a_change_takes_only_what_it_names() -> None:
    before = Descriptor(SE_DACL_PRESENT, STRANGER, STRANGER, dacl=Acl())
    change = Descriptor(SE_DACL_PRESENT, sids.WORLD, dacl=make_acl((allow(sids.WORLD, 1),)))
    assert before.changed(change, OWNER_SECURITY_INFORMATION).dacl == Acl()
    assert before.changed(change, DACL_SECURITY_INFORMATION).owner == STRANGER
    with pytest.raises(NtError):
        before.changed(Descriptor(), OWNER_SECURITY_INFORMATION)


@given(st.binary(max_size=120))
def test_broken_bytes_are_refused_or_read(data: bytes) -> None:
    for parse in (parse_acl, parse_descriptor):
        try:
            made = parse(data)
        except NtError as error:
            assert error.status in (
                ntstatus.STATUS_INVALID_ACL, ntstatus.STATUS_INVALID_SECURITY_DESCR
            )  # fmt: skip
        else:
            assert parse(made.pack()) == made


sid_values = st.builds(
    sids.make, st.integers(0, 99), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)
)
aces = st.builds(allow, sid_values, st.integers(0, 2**32 - 1), st.integers(0, 31))


@given(st.lists(aces, max_size=5), sid_values)
def test_a_descriptor_s_form_and_back(listed: list[Ace], owner: bytes) -> None:
    descriptor = Descriptor(SE_DACL_PRESENT, owner, owner, dacl=make_acl(listed))
    assert parse_descriptor(descriptor.pack()) == descriptor
