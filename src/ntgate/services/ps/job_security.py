"""JobObjectSecurityLimitInformation, and sets of jobs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import ULONG, OutOpt, Scalar
from ntgate.errors import NtError
from ntgate.executive.ps import job_security as limits
from ntgate.executive.ps import job_set
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se import privileges as p
from ntgate.layout import ntstatus
from ntgate.layout.access import (
    JOB_OBJECT_QUERY,
    TOKEN_ASSIGN_PRIMARY,
    TOKEN_DUPLICATE,
    TOKEN_IMPERSONATE,
)
from ntgate.layout.ps import EJOB
from ntgate.services.ps.ps_information import demand, given
from ntgate.services.se import security_capture as capture

# SecurityLimitFlags, JobToken, SidsToDisable, PrivilegesToDelete, RestrictedSids.
SECURITY_LIMIT = struct.Struct("<5I")
JOB_SET_ARRAY = struct.Struct("<3I")  # JobHandle, MemberLevel, Flags
MOST_JOBS = 0x1000
Jobs = Annotated[int, Scalar("PJOB_SET_ARRAY", kind="pointer")]


def set_limits(caller: Thread, job: EJOB, address: int, length: int) -> None:
    """JOBOBJECT_SECURITY_LIMIT_INFORMATION; a limit stays for good."""
    flags, token, disabled, removed, restricted = SECURITY_LIMIT.unpack(
        given(caller, address, length, SECURITY_LIMIT.size)
    )
    memory, body, found = caller.memory, 0, None
    if flags & limits.FILTER_TOKENS:
        found = limits.TokenFilter(
            tuple(capture.groups(memory, disabled) if disabled else ()),
            tuple(capture.privileges(memory, removed) if removed else ()),
            tuple(capture.groups(memory, restricted) if restricted else ()),
        )
    if flags & limits.ONLY_TOKEN:
        body = _job_token(caller, token)
    limits.limit(caller.executive, job, flags, body, found)


def _job_token(caller: Thread, handle: int) -> int:
    """A primary token: a child of the caller's, else SeAssignPrimaryTokenPrivilege is needed."""
    security = caller.executive.security
    access = TOKEN_ASSIGN_PRIMARY | TOKEN_IMPERSONATE | TOKEN_DUPLICATE
    body = caller.object(handle, "Token", access)
    token = security.token(body)
    if not token.is_primary:
        raise NtError(ntstatus.STATUS_BAD_TOKEN_TYPE)
    own = security.primary(caller.process.eprocess)
    if token.view.ParentTokenId != own.view.TokenId:
        demand(caller, p.SE_ASSIGN_PRIMARY_TOKEN)
    return body


def query_limits(
    caller: Thread, job: EJOB, address: int, length: int, returned: OutOpt[ULONG]
) -> int:
    """The limits, with the arrays of the filter behind them; the token has no handle."""
    found = limits.token_filter(caller.executive, job)
    at, pointers, arrays = address + SECURITY_LIMIT.size, [0, 0, 0], b""

    def place(index: int, count: int, pack: Callable[[int], bytes]) -> None:
        nonlocal arrays
        if count:
            pointers[index] = at + len(arrays)
            arrays += struct.pack("<I", count)
            arrays += pack(at + len(arrays))
            arrays += bytes(-len(arrays) % 4)

    if found is not None:
        disabled, removed, restricted = found.disabled, found.privileges, found.restricted
        place(0, len(disabled), lambda at: limits.pack_groups(disabled, at))
        place(1, len(removed), lambda _at: limits.pack_privileges(removed))
        place(2, len(restricted), lambda at: limits.pack_groups(restricted, at))
    size = SECURITY_LIMIT.size + len(arrays)
    if length < SECURITY_LIMIT.size:
        return ntstatus.STATUS_INFO_LENGTH_MISMATCH
    if length < size:
        returned.write(size)
        return ntstatus.STATUS_BUFFER_OVERFLOW
    head = SECURITY_LIMIT.pack(job.SecurityLimitFlags, 0, *pointers)
    caller.memory.write(address, head + arrays)
    returned.write(size)
    return ntstatus.STATUS_SUCCESS


@service()
def NtCreateJobSet(caller: Thread, NumJob: ULONG, UserJobSet: Jobs, Flags: ULONG) -> Outcome:
    """Join jobs to a set: a process may have children in jobs of its level or higher ones."""
    if Flags or not 1 < NumJob <= MOST_JOBS:
        return ntstatus.STATUS_INVALID_PARAMETER
    data = caller.memory.read(UserJobSet, JOB_SET_ARRAY.size * NumJob)
    members = []
    for handle, level, flags in JOB_SET_ARRAY.iter_unpack(data):
        if flags:
            return ntstatus.STATUS_INVALID_PARAMETER
        body = caller.object(handle, "Job", JOB_OBJECT_QUERY)
        members.append((EJOB(caller.executive.kernel, body), level))
    job_set.create(members)
    return ntstatus.STATUS_SUCCESS
