"""Sets of jobs: EJOBs linked by JobSetLinks, each with a MemberLevel of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ntgate.errors import NtError
from ntgate.layout import lists
from ntgate.layout.ntstatus import STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER
from ntgate.layout.ps import EJOB


def create(members: Sequence[tuple[EJOB, int]]) -> None:
    """Link jobs with their levels, which rise from 1 on.

    Raises STATUS_INVALID_PARAMETER for levels that don't, and jobs that are in a set.
    """
    lowest, seen = 0, set()
    for job, level in members:
        if level <= lowest or job.MemberLevel or job.address in seen:
            raise NtError(STATUS_INVALID_PARAMETER)
        lowest = level
        seen.add(job.address)
    first, _level = members[0]
    for job, level in members:
        job.MemberLevel = level
        if job.address != first.address:
            lists.insert_tail(job.memory, first.JobSetLinks.address, job.JobSetLinks.address)


def leave(job: EJOB) -> None:
    """The job's last handle is closed."""
    if job.MemberLevel:
        job.MemberLevel = 0
        lists.remove(job.memory, job.JobSetLinks.address)
        lists.initialize(job.memory, job.JobSetLinks.address)


def member(job: EJOB, level: int) -> int:
    """The body of the job of that level in the set, for a child of one in `job`; 0 is its own.

    Raises STATUS_ACCESS_DENIED where there is none, and for a lower level.
    """
    if not level:
        return job.address
    if job.MemberLevel and job.MemberLevel <= level:
        if job.MemberLevel == level:
            return job.address
        for entry in lists.entries(job.memory, job.JobSetLinks.address):
            other = EJOB(job.memory, entry - EJOB.JobSetLinks.offset)
            if other.MemberLevel == level:
                return other.address
    raise NtError(STATUS_ACCESS_DENIED)
