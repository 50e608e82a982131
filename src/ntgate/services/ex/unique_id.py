"""Numbers that nobody has twice: LUIDs and the material of UUIDs."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import LARGE_INTEGER, PVOID, ULONG, Out, Scalar
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_AUDIT
from ntgate.executive.uuids import SEED_SIZE
from ntgate.layout import ntstatus

RPC_NT_UUID_LOCAL_ONLY = 0x4002_0056
LUID = Annotated[int, Scalar("LUID", 8, kind="hex")]


@service()
def NtAllocateLocallyUniqueId(caller: Thread, Luid: Out[LUID]) -> Outcome:
    """A LUID that nothing else has until the next boot."""
    Luid.probe()
    Luid.write(caller.executive.security.allocate_luid())
    return ntstatus.STATUS_SUCCESS


@service()
def NtAllocateUuids(
    caller: Thread,
    Time: Out[LARGE_INTEGER],
    Range: Out[ULONG],
    Sequence: Out[ULONG],
    Seed: PVOID,
) -> Outcome:
    """A range of times for UUIDs, their sequence number and node.

    RPC_NT_UUID_LOCAL_ONLY while the node is no network card's address.
    """
    for pointer in (Time, Range, Sequence):
        pointer.probe()
    caller.memory.probe_for_write(Seed, SEED_SIZE)
    uuids = caller.executive.uuids
    time, count = uuids.allocate()
    Time.write(time)
    Range.write(count)
    Sequence.write(uuids.sequence)
    caller.memory.write(Seed, uuids.seed)
    return ntstatus.STATUS_SUCCESS if uuids.is_global else RPC_NT_UUID_LOCAL_ONLY


@service()
def NtSetUuidSeed(caller: Thread, Seed: PVOID) -> Outcome:
    """Take the address of a network card as the node: for whoever may write the audit log."""
    if not caller.executive.security.effective(caller.ethread).has_privilege(SE_AUDIT):
        return ntstatus.STATUS_ACCESS_DENIED
    caller.executive.uuids.set_seed(caller.memory.read(Seed, SEED_SIZE))
    return ntstatus.STATUS_SUCCESS
