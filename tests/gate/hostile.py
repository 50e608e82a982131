"""What the hostile programs of tests/guests are told: which services, and what these take."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from enum import IntEnum

import ntgate.services.all  # noqa: F401  (declares the services)
from ntgate.dispatch.service import SERVICES, Parameter, Service
from ntgate.dispatch.tables import services_by_name

NUMBERS = 0x4000
KNOWN_TABLES, KNOWN_IN_TABLE, MOST_KNOWN = 2, 0x200, 16

ENDS = set(
    """
    NtCallbackReturn NtContinue NtCreateProcess NtCreateProcessEx NtCreateThread NtCreateThreadEx
    NtCreateUserProcess NtQueueApcThread NtRaiseException NtRaiseHardError NtSetContextThread
    NtShutdownSystem NtSetSystemPowerState NtInitiatePowerAction NtTerminateJobObject
    NtTerminateProcess NtTerminateThread NtTestAlert NtUnmapViewOfSection NtUnmapViewOfSectionEx
    NtWriteVirtualMemory
    """.split()
)
"""Services that end the caller, send it elsewhere, or take what it stands on."""

# A console, a pipe or a mailslot that nobody writes to lets its readers wait.
PARKS = {
    name for name in services_by_name() if any(part in name for part in ("Wait", "Reply", "Listen"))
} | set(
    """
    NtCreateMailslotFile NtCreateNamedPipeFile NtConnectPort NtDebugActiveProcess
    NtDelayExecution NtDisplayString NtFsControlFile NtLockFile NtNotifyChangeDirectoryFile
    NtNotifyChangeKey NtNotifyChangeMultipleKeys NtReadRequestData NtReleaseKeyedEvent
    NtRemoveIoCompletion NtRemoveIoCompletionEx NtRemoveProcessDebug NtSecureConnectPort
    NtSuspendProcess NtSuspendThread NtUserGetMessage
    """.split()
)
"""Services after which the caller may never go on."""


class Kind(IntEnum):
    """What a parameter is, as hostile_calls.c numbers it, and hostile_pointers.c."""

    ANYTHING = 0
    HANDLE = 1
    ATTRIBUTES = 2
    STRING = 3
    TIME = 4
    POINTER = 5
    NUMBER = 6
    ACCESS = 7
    SIZE = 8
    ITS_BASE = 9
    ITS_SIZE = 10
    ITSELF = 11
    PROTECTION = 12
    THREAD = 13
    FILE = 14
    SECTION = 15
    KEY = 16
    EVENT = 17
    MUTANT = 18
    SEMAPHORE = 19
    CLASS = 20


def kind_of(parameter: Parameter) -> Kind:
    if parameter.pointer is not None:
        named = {
            "POBJECT_ATTRIBUTES": Kind.ATTRIBUTES,
            "PUNICODE_STRING": Kind.STRING,
            "PLARGE_INTEGER": Kind.TIME,
            "PPVOID": Kind.ITS_BASE,
            "PSIZE_T": Kind.ITS_SIZE,
        }
        return named.get(parameter.type_name, Kind.POINTER)
    if parameter.name in ("ProcessHandle", "ThreadHandle"):
        return Kind.ITSELF
    if parameter.type_name in ("HANDLE", "ACCESS_MASK"):
        return Kind.HANDLE if parameter.type_name == "HANDLE" else Kind.ACCESS
    if parameter.scalar is not None and parameter.scalar.kind == "page protection":
        return Kind.PROTECTION
    if parameter.type_name in ("PVOID", "SIZE_T"):
        return Kind.POINTER if parameter.type_name == "PVOID" else Kind.SIZE
    return Kind.SIZE if "Length" in parameter.name else Kind.NUMBER


def bitmap(names: Collection[str]) -> bytes:
    """A bit for each service number, set for those of `names`."""
    bits = bytearray(NUMBERS // 8)
    for name in names:
        row = services_by_name().get(name)
        if row is not None:
            bits[row.number >> 3] |= 1 << (row.number & 7)
    return bytes(bits)


def known_parameters() -> bytes:
    """The kinds of the parameters of every declared service."""
    kinds = bytearray(KNOWN_TABLES * KNOWN_IN_TABLE * MOST_KNOWN)
    for declared in SERVICES.values():
        table, index = declared.number.number >> 12, declared.number.number & 0xFFF
        if table & 1 or index >= KNOWN_IN_TABLE:
            continue
        place = (table >> 1) * KNOWN_IN_TABLE + index
        row = bytes(map(kind_of, declared.parameters))[:MOST_KNOWN]
        kinds[place * MOST_KNOWN : place * MOST_KNOWN + len(row)] = row
    return bytes(kinds)


def calls_config(seed: int, count: int, excluded: Collection[str] = ()) -> bytes:
    """The standard input of hostile_calls."""
    return struct.pack("<II", seed, count) + bitmap(excluded) + known_parameters()


def calls_to(name: str, seed: int, count: int) -> bytes:
    """The same, with calls to one service alone."""
    others = bytes(~byte & 0xFF for byte in bitmap([name]))
    return struct.pack("<II", seed, count) + others + known_parameters()


HANDLES = {
    "ThreadHandle": Kind.THREAD,
    "FileHandle": Kind.FILE,
    "SectionHandle": Kind.SECTION,
    "KeyHandle": Kind.KEY,
    "EventHandle": Kind.EVENT,
    "Event": Kind.EVENT,
    "MutantHandle": Kind.MUTANT,
    "SemaphoreHandle": Kind.SEMAPHORE,
}
MOST_SERVICES, MOST_ARGUMENTS = 0x200, 18


def sense_of(parameter: Parameter) -> Kind:
    """The kind for hostile_pointers, which has handles of many types."""
    if parameter.pointer is None and parameter.name.endswith("Class"):
        return Kind.CLASS
    if parameter.pointer is None and parameter.name in HANDLES:
        return HANDLES[parameter.name]
    return kind_of(parameter)


def pointers_config(services: Sequence[Service], first: int = 0, *, tells: bool = False) -> bytes:
    """The standard input of hostile_pointers; `first` is the number of the first call."""
    config = struct.pack("<III", first, tells, len(services))
    for declared in services:
        kinds = bytes(map(sense_of, declared.parameters))
        needs_pointer = any(
            parameter.pointer is not None and not parameter.pointer.OPTIONAL
            for parameter in declared.parameters
        )
        config += struct.pack(
            f"<III{MOST_ARGUMENTS}s2x", declared.number.number, len(kinds), needs_pointer, kinds
        )
    return config
