"""Variables of the firmware: this is a BIOS machine, which keeps none.

The services of EFI machines are left out: on a BIOS machine XP, too, says that it has not
implemented them.
"""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import ULONG, UNICODE_STRING, In, OutOpt, Scalar, SizedBy
from ntgate.executive.ps.thread import Thread
from ntgate.executive.se.privileges import SE_SYSTEM_ENVIRONMENT
from ntgate.layout import ntstatus
from ntgate.services.ps.ps_information import demand

Answer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("ValueLength", "out")]


@service()
def NtQuerySystemEnvironmentValue(
    caller: Thread,
    VariableName: In[UNICODE_STRING],
    VariableValue: Answer,
    ValueLength: ULONG,
    ReturnLength: OutOpt[ULONG],
) -> Outcome:
    """For the holder of SeSystemEnvironmentPrivilege; there is no such variable."""
    VariableName.read()
    demand(caller, SE_SYSTEM_ENVIRONMENT)
    return ntstatus.STATUS_UNSUCCESSFUL


@service()
def NtSetSystemEnvironmentValue(
    caller: Thread, VariableName: In[UNICODE_STRING], Value: In[UNICODE_STRING]
) -> Outcome:
    """For the holder of SeSystemEnvironmentPrivilege; there is no room for a variable."""
    VariableName.read()
    Value.read()
    demand(caller, SE_SYSTEM_ENVIRONMENT)
    return ntstatus.STATUS_INSUFFICIENT_RESOURCES
