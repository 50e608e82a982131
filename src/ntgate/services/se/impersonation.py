"""Acting with another's token."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, In
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.token import (
    SecurityDelegation,
    SecurityImpersonation,
    TokenImpersonation,
)
from ntgate.layout import ntstatus
from ntgate.layout.access import THREAD_DIRECT_IMPERSONATION, THREAD_IMPERSONATE
from ntgate.services.se.security_capture import SECURITY_QUALITY_OF_SERVICE, quality_of_service


def _thread(caller: Thread, handle: int, access: int) -> Thread:
    return caller.executive.objects.companion(caller.object(handle, "Thread", access), Thread)


@service()
def NtImpersonateAnonymousToken(caller: Thread, ThreadHandle: HANDLE) -> Outcome:
    """Let a thread act as one who has not logged on."""
    thread = _thread(caller, ThreadHandle, THREAD_IMPERSONATE)
    security = caller.executive.security
    if security.primary(caller.process.eprocess).is_restricted:
        return ntstatus.STATUS_ACCESS_DENIED
    security.impersonate(thread.ethread, security.anonymous_token, SecurityImpersonation)
    return ntstatus.STATUS_SUCCESS


@service()
def NtImpersonateThread(
    caller: Thread,
    ServerThreadHandle: HANDLE,
    ClientThreadHandle: HANDLE,
    SecurityQos: In[SECURITY_QUALITY_OF_SERVICE],
) -> Outcome:
    """Let one thread act with a copy of the token that another acts with."""
    quality = quality_of_service(caller.memory, SecurityQos.address)
    level = quality.ImpersonationLevel
    if level > SecurityDelegation:
        return ntstatus.STATUS_BAD_IMPERSONATION_LEVEL
    server = _thread(caller, ServerThreadHandle, THREAD_IMPERSONATE)
    client = _thread(caller, ClientThreadHandle, THREAD_DIRECT_IMPERSONATION)
    security = caller.executive.security
    source = security.effective(client.ethread)
    effective_only = bool(quality.EffectiveOnly)
    body = security.duplicate(source, TokenImpersonation, level, effective_only=effective_only)
    security.impersonate(server.ethread, body, level, effective_only=effective_only)
    caller.executive.objects.dereference(body)
    return ntstatus.STATUS_SUCCESS
