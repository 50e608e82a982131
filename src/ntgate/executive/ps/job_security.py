"""The security limits of jobs: which tokens their processes and threads may act with.

In the guest: EJOB.SecurityLimitFlags, Token, and a PS_JOB_TOKEN_FILTER with its arrays behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.se import sids
from ntgate.executive.se.token import Group, Privilege, Token, filtered
from ntgate.layout.ntstatus import STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER
from ntgate.layout.ps import EJOB, EPROCESS, PS_JOB_TOKEN_FILTER
from ntgate.layout.se import SID_FIXED_SIZE
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Process

# JOB_OBJECT_SECURITY_*, which never go once they are set.
NO_ADMIN, RESTRICTED_TOKEN, ONLY_TOKEN, FILTER_TOKENS = 1, 2, 4, 8
VALID_FLAGS = NO_ADMIN | RESTRICTED_TOKEN | ONLY_TOKEN | FILTER_TOKENS
_KINDS = RESTRICTED_TOKEN | ONLY_TOKEN | FILTER_TOKENS
TAG = b"JobS"
_ENTRY = struct.Struct("<2I")      # SID_AND_ATTRIBUTES
_PRIVILEGE = struct.Struct("<QI")  # LUID_AND_ATTRIBUTES


@dataclass(frozen=True)
class TokenFilter:
    """What NtFilterToken takes: SIDs to disable, privileges to delete, restricting SIDs."""

    disabled: tuple[Group, ...]
    privileges: tuple[Privilege, ...]
    restricted: tuple[Group, ...]


def limit(
    executive: Executive, job: EJOB, flags: int, token: int, given: TokenFilter | None
) -> None:
    """Add limits to a job; `token` and `given` go with ONLY_TOKEN and FILTER_TOKENS.

    Raises STATUS_INVALID_PARAMETER for flags that don't go together, or with those there are.
    """
    if flags & ~VALID_FLAGS:
        raise NtError(STATUS_INVALID_PARAMETER)
    kinds = flags & _KINDS
    if kinds & kinds - 1 or (kinds and job.SecurityLimitFlags & _KINDS):
        raise NtError(STATUS_INVALID_PARAMETER)
    own, no_admin = token or job.Token, (flags | job.SecurityLimitFlags) & NO_ADMIN
    if no_admin and own and executive.security.token(own).is_administrator:
        raise NtError(STATUS_INVALID_PARAMETER)
    if given is not None:
        job.Filter = _write_filter(executive, given)
    if token:
        executive.objects.reference(token)
        job.Token = token
    job.SecurityLimitFlags |= flags


def admit(job: EJOB, process: Process) -> None:
    """A process enters the job: its token is refused, or replaced.  Raises NtError."""
    security, eprocess = process.executive.security, process.eprocess
    if job.SecurityLimitFlags & ONLY_TOKEN:
        source = security.token(job.Token)
        body = security.duplicate(source, source.view.TokenType, source.view.ImpersonationLevel)
    else:
        body = _allowed(process.executive, job, security.primary(eprocess))
    security.assign_primary(eprocess, body)
    process.executive.objects.dereference(body)


def allowed_token(executive: Executive, eprocess: EPROCESS, token: Token) -> int:
    """The token's body, or that of a filtered copy, with a reference for the caller.

    Raises STATUS_ACCESS_DENIED for one that the process's job does not let it act with.
    """
    if not eprocess.Job:
        executive.objects.reference(token.body)
        return token.body
    return _allowed(executive, EJOB(executive.kernel, eprocess.Job), token)


def token_filter(executive: Executive, job: EJOB) -> TokenFilter | None:
    """The filter of the job's tokens."""
    if not job.Filter:
        return None
    kernel, found = executive.kernel, PS_JOB_TOKEN_FILTER(executive.kernel, job.Filter)

    def groups(address: int, count: int) -> tuple[Group, ...]:
        entries = _ENTRY.iter_unpack(kernel.read(address, _ENTRY.size * count) if count else b"")
        return tuple(
            Group(kernel.read(sid, SID_FIXED_SIZE + 4 * kernel.u8(sid + 1)), attributes)
            for sid, attributes in entries
        )

    count = found.CapturedPrivilegeCount
    held = kernel.read(found.CapturedPrivileges, _PRIVILEGE.size * count) if count else b""
    return TokenFilter(
        groups(found.CapturedSids, found.CapturedSidCount),
        tuple(Privilege(luid, attributes) for luid, attributes in _PRIVILEGE.iter_unpack(held)),
        groups(found.CapturedGroups, found.CapturedGroupCount),
    )


def release(executive: Executive, job: EJOB) -> None:
    """The job's object goes."""
    if job.Token:
        executive.objects.dereference(job.Token)
    if job.Filter:
        executive.pool.free(job.Filter)


def _allowed(executive: Executive, job: EJOB, token: Token) -> int:
    limits = job.SecurityLimitFlags
    if limits & NO_ADMIN and token.is_administrator:
        raise NtError(STATUS_ACCESS_DENIED)
    if limits & RESTRICTED_TOKEN and not token.is_restricted:
        raise NtError(STATUS_ACCESS_DENIED)
    found = token_filter(executive, job)
    if found is None:
        executive.objects.reference(token.body)
        return token.body
    return executive.security.create_token(
        filtered(
            token.contents(), disable_max_privilege=False, sandbox_inert=False,
            disabled=[group.sid for group in found.disabled],
            removed=[privilege.luid for privilege in found.privileges],
            restricted=[group.sid for group in found.restricted], parent=token.view.TokenId,
        )
    )  # fmt: skip


def pack_groups(groups: Sequence[Group], address: int) -> bytes:
    """SID_AND_ATTRIBUTES of each and then the SIDs, as they stand at an address."""
    at = address + _ENTRY.size * len(groups)
    entries, bodies = b"", b""
    for group in groups:
        entries += _ENTRY.pack(at + len(bodies), group.attributes)
        bodies += group.sid[: sids.size_at(group.sid, 0)]
    return entries + bodies


def pack_privileges(privileges: Sequence[Privilege]) -> bytes:
    """LUID_AND_ATTRIBUTES of each."""
    return b"".join(_PRIVILEGE.pack(held.luid, held.attributes) for held in privileges)


def _write_filter(executive: Executive, given: TokenFilter) -> int:
    disabled, restricted = (
        len(pack_groups(groups, 0)) for groups in (given.disabled, given.restricted)
    )
    privileges = pack_privileges(given.privileges)
    size = PS_JOB_TOKEN_FILTER.SIZE
    block = executive.pool.allocate(size + disabled + restricted + len(privileges), TAG)
    view = PS_JOB_TOKEN_FILTER(executive.kernel, block)
    at = block + size
    view.CapturedSidCount, view.CapturedSids = len(given.disabled), at
    view.CapturedSidsLength = disabled
    executive.kernel.write(at, pack_groups(given.disabled, at))
    at += disabled
    view.CapturedGroupCount, view.CapturedGroups = len(given.restricted), at
    view.CapturedGroupsLength = restricted
    executive.kernel.write(at, pack_groups(given.restricted, at))
    at += restricted
    view.CapturedPrivilegeCount, view.CapturedPrivileges = len(given.privileges), at
    view.CapturedPrivilegesLength = len(privileges)
    executive.kernel.write(at, privileges)
    return block
