"""PAGE_* as a service passes them, and the five-bit codes that PTEs and VADs keep."""

from __future__ import annotations

from ntgate.errors import NtError
from ntgate.layout.mm import (
    MM_EXECUTE,
    MM_EXECUTE_READ,
    MM_EXECUTE_READWRITE,
    MM_EXECUTE_WRITECOPY,
    MM_GUARD_PAGE,
    MM_NOACCESS,
    MM_NOCACHE,
    MM_READONLY,
    MM_READWRITE,
    MM_WRITECOPY,
    PAGE_EXECUTE,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY,
    PAGE_GUARD,
    PAGE_NOACCESS,
    PAGE_NOCACHE,
    PAGE_READONLY,
    PAGE_READWRITE,
    PAGE_WRITECOPY,
)
from ntgate.layout.ntstatus import STATUS_INVALID_PAGE_PROTECTION

_CODES = {
    PAGE_NOACCESS: MM_NOACCESS,
    PAGE_READONLY: MM_READONLY,
    PAGE_READWRITE: MM_READWRITE,
    PAGE_WRITECOPY: MM_WRITECOPY,
    PAGE_EXECUTE: MM_EXECUTE,
    PAGE_EXECUTE_READ: MM_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE: MM_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY: MM_EXECUTE_WRITECOPY,
}

_ACCESSES = (
    PAGE_NOACCESS, PAGE_READONLY, PAGE_EXECUTE, PAGE_EXECUTE_READ,
    PAGE_READWRITE, PAGE_WRITECOPY, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY,
)  # fmt: skip

PAGE_OF_CODE = tuple(
    PAGE_NOACCESS
    if not access_code or code & MM_NOACCESS == MM_NOACCESS
    else access
    | (PAGE_GUARD if code & MM_GUARD_PAGE else 0)
    | (PAGE_NOCACHE if code & MM_NOCACHE else 0)
    for code in range(32)
    for access_code, access in ((code & 7, _ACCESSES[code & 7]),)
)
"""PAGE_* by code."""

WRITABLE_CODES = frozenset({MM_READWRITE, MM_EXECUTE_READWRITE})
COPY_CODES = frozenset({MM_WRITECOPY, MM_EXECUTE_WRITECOPY})

# What a page of a view may be made, and a view of a section may be, by the access granted to
# the view or the section; PAGE_NOACCESS always.
_READ = frozenset({PAGE_NOACCESS, PAGE_READONLY, PAGE_WRITECOPY})
_RUN = _READ | {PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_WRITECOPY}
_COMPATIBLE = {
    PAGE_NOACCESS: frozenset({PAGE_NOACCESS}),
    PAGE_READONLY: _READ,
    PAGE_READWRITE: _READ | {PAGE_READWRITE},
    PAGE_WRITECOPY: _READ,
    PAGE_EXECUTE: frozenset({PAGE_NOACCESS, PAGE_EXECUTE}),
    PAGE_EXECUTE_READ: _RUN,
    PAGE_EXECUTE_READWRITE: _RUN | {PAGE_READWRITE, PAGE_EXECUTE_READWRITE},
    PAGE_EXECUTE_WRITECOPY: _RUN,
}


def protection_code(protect: int) -> int:
    """The code of a PAGE_* value; raises NtError STATUS_INVALID_PAGE_PROTECTION.

    PAGE_GUARD and PAGE_NOCACHE modify one access each, never PAGE_NOACCESS, never together.
    """
    code = _CODES.get(protect & ~(PAGE_GUARD | PAGE_NOCACHE))
    modifier = protect & (PAGE_GUARD | PAGE_NOCACHE)
    if code is None or (modifier and (code == MM_NOACCESS or modifier & (modifier - 1))):
        raise NtError(STATUS_INVALID_PAGE_PROTECTION)
    if modifier:
        code |= MM_GUARD_PAGE if modifier == PAGE_GUARD else MM_NOCACHE
    return code


def private_protection_code(protect: int) -> int:
    """The same for private memory, which has no original to copy on a write."""
    code = protection_code(protect)
    if code & 7 in COPY_CODES:
        raise NtError(STATUS_INVALID_PAGE_PROTECTION)
    return code


def is_compatible(granted: int, wanted: int) -> bool:
    """Whether memory granted as PAGE_* `granted` may be used as `wanted`, modifiers aside."""
    return wanted & 0xFF in _COMPATIBLE[granted & 0xFF]


def after_copy(code: int) -> int:
    """The protection of a private copy of a copy-on-write page."""
    return code - 1 if code & 7 in COPY_CODES else code


def before_copy(code: int) -> int:
    """The protection of a page that is shared until it is written."""
    return code + 1 if code & 7 in WRITABLE_CODES else code
