"""Which services belong together, for `-e trace=%family`."""

from __future__ import annotations

import re
from functools import cache

from ntgate.dispatch.tables import EXTRA, EXTRA_WIN32, WIN32K, service_table, services_by_name

# By the name without Nt.  A service may be of several families.
_PATTERNS = {
    "file": r".*File(Ex|Scatter|Gather|Path)?",
    "io": r".*File(Ex|Scatter|Gather|Path)?|.*IoCompletion.*",
    "memory": r".*VirtualMemory.*|.*Section.*|.*UserPhysicalPages.*|.*WriteWatch|"
    r"AreMappedFilesTheSame|FlushInstructionCache|CreatePagingFile",
    "section": r".*Section.*|AreMappedFilesTheSame",
    "process": r"(?!.*(Token|VirtualMemory)).*Process(?!or).*|.*Job.*|GetNextThread|.*ThreadEx|"
    r"(Create|Open|Terminate|Suspend|Resume)Thread",
    "thread": r"(?!.*Token).*Thread.*|Continue|QueueApc.*|TestAlert|YieldExecution|CallbackReturn",
    "sync": r"(?!Trace|.*PlugPlay|.*Debug).*Event.*|.*Mutant|.*Semaphore|.*Timer|"
    r".*Wait(For(?!Debug)|High|Low).*|.*EventPair|.*KeyedEvent|AlertThread.*|DelayExecution|.*SingleObject",
    "registry": r".*Key(?!edEvent)(?!s\Z).*|CompactKeys|.*Registry.*|SaveMergedKeys|"
    r"NotifyChangeMultipleKeys|QueryOpenSubKeys|LockProductActivationKeys",
    "object": r"Close|DuplicateObject|.*(Directory|SymbolicLink)Object|Make(Permanent|Temporary)"
    r"Object|(Query|Set)(InformationO|O|SecurityO)bject|CompareObjects",
    "security": r".*Token.*|.*Privilege.*|AccessCheck.*|.*SecurityObject|.*AuditAlarm|"
    r"Impersonate.*",
    "exception": r"RaiseException|Continue|RaiseHardError|SetDefaultHardErrorPort",
    "time": r".*SystemTime|.*Timer.*|QueryPerformanceCounter|DelayExecution",
    "port": r".*Port(?!ion).*|.*RequestData|ImpersonateClientOfPort",
    "debug": r".*Debug.*|.*Profile.*|TraceEvent|TraceControl|DisplayString",
    "system": r".*SystemInformation.*|.*SystemEnvironment.*|.*Boot.*|.*Power.*|Shutdown.*|"
    r".*Driver|.*Locale.*|.*UILanguage|.*Nls.*|.*Atom.*|AllocateUuids|SetUuidSeed|"
    r"AllocateLocallyUniqueId|.*PlugPlay.*|VdmControl|.*LdtEntries|.*SystemTime|"
    r"QueryLicenseValue|GetCurrentProcessorNumber|.*Wakeup.*|SetThreadExecutionState|"
    r"IsSystemResumeAutomatic|FlushWriteBuffer|FlushProcessWriteBuffers",
}  # fmt: skip
_TABLES = {"win32k": (WIN32K, EXTRA_WIN32), "private": (EXTRA, EXTRA_WIN32)}
OTHER_NAMES = {"mm": "memory", "reg": "registry", "ob": "object", "token": "security",
               "lpc": "port", "gui": "win32k"}  # fmt: skip


def family_names() -> list[str]:
    return sorted([*_PATTERNS, *_TABLES])


@cache
def family(name: str) -> frozenset[str]:
    """The services of a family; raises KeyError."""
    name = OTHER_NAMES.get(name, name)
    if name in _TABLES:
        return frozenset(row.name for table in _TABLES[name] for row in service_table(table))
    pattern = re.compile(_PATTERNS[name])
    gui = family("win32k")
    return frozenset(
        service
        for service in services_by_name()
        if service not in gui and pattern.fullmatch(service.removeprefix("Nt"))
    )
