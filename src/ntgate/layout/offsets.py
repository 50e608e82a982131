"""Offsets and sizes of XP's structures by name, from the type table.

For the assembler and for checks; running code uses the typed views of this folder.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ntgate.layout.type_table import TypeTable


@cache
def _table() -> TypeTable:
    from ntgate.layout.type_table import TypeTable

    return TypeTable()


@cache
def offset_of(struct: str, path: str) -> int:
    """Byte offset of `path` ("ApcState.UserApcPending") in `struct` ("_KTHREAD")."""
    return _table().offset(struct, path)


@cache
def size_of(struct: str) -> int:
    """Size of a structure in bytes."""
    return _table().struct(struct).size
