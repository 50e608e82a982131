"""SeAuditProcessCreationInfo of an EPROCESS: the NT path of the program that it was made of.

It points to an OBJECT_NAME_INFORMATION with the text behind it.  Queries of the path, and the
process's name in lists of processes, are read from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.layout.ob import UNICODE_STRING
from ntgate.layout.ps import EPROCESS

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive

TAG = b"SeOn"
LONGEST = 0xFFFC  # bytes of text


def image_path(executive: Executive, eprocess: EPROCESS) -> str:
    """`\\Device\\...`; "" where the process has none."""
    information = eprocess.SeAuditProcessCreationInfo
    if not information:
        return ""
    name = UNICODE_STRING(executive.kernel, information)
    text = executive.kernel.read(name.Buffer, name.Length & ~1)
    return text.decode("utf-16-le", "surrogatepass")


def set_image_path(executive: Executive, eprocess: EPROCESS, path: str) -> None:
    """Raises NtError."""
    release_image_path(executive, eprocess)
    text = path.encode("utf-16-le", "surrogatepass")[:LONGEST]
    block = executive.pool.allocate(UNICODE_STRING.SIZE + len(text) + 2, TAG)
    executive.kernel.write(block + UNICODE_STRING.SIZE, text)
    name = UNICODE_STRING(executive.kernel, block)
    name.Length, name.MaximumLength = len(text), len(text) + 2
    name.Buffer = block + UNICODE_STRING.SIZE
    eprocess.SeAuditProcessCreationInfo = block


def release_image_path(executive: Executive, eprocess: EPROCESS) -> None:
    """Of a process that goes."""
    if eprocess.SeAuditProcessCreationInfo:
        executive.pool.free(eprocess.SeAuditProcessCreationInfo)
        eprocess.SeAuditProcessCreationInfo = 0
