"""Security descriptors of objects, and the audit services."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG, Out, Scalar, SizedBy
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.descriptor import (
    Descriptor,
    access_to_change,
    access_to_query,
)
from ntgate.layout import ntstatus
from ntgate.services.se import security_capture as capture

SECURITY_INFORMATION = Annotated[int, Scalar("SECURITY_INFORMATION", kind="hex")]
DescriptorBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("Length", "out")]


@service()
def NtQuerySecurityObject(
    caller: Thread,
    Handle: HANDLE,
    SecurityInformation: SECURITY_INFORMATION,
    SecurityDescriptor: DescriptorBuffer,
    Length: ULONG,
    LengthNeeded: Out[ULONG],
) -> Outcome:
    """The parts of an object's descriptor, self-relative; an empty one where it has none."""
    LengthNeeded.probe()
    caller.memory.probe(SecurityDescriptor, Length, write=True)
    body = caller.object(Handle, None, access_to_query(SecurityInformation))
    found = caller.executive.security.descriptors.of(body)
    data = (found or Descriptor()).selected(SecurityInformation).pack()
    LengthNeeded.write(len(data))
    if Length < len(data):
        return ntstatus.STATUS_BUFFER_TOO_SMALL
    caller.memory.write(SecurityDescriptor, data)
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetSecurityObject(
    caller: Thread,
    ObjectHandle: HANDLE,
    SecurityInformationClass: SECURITY_INFORMATION,
    DescriptorBuffer: PVOID,
) -> Outcome:
    """Set parts of an object's descriptor."""
    if not DescriptorBuffer:
        return ntstatus.STATUS_ACCESS_VIOLATION
    body = caller.object(ObjectHandle, None, access_to_change(SecurityInformationClass))
    change = capture.descriptor(caller.memory, DescriptorBuffer)
    security = caller.executive.security
    security.descriptors.change(body, change, SecurityInformationClass, security.subject)
    return ntstatus.STATUS_SUCCESS
