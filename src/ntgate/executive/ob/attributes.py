"""What an object is created or opened with: the OBJ_ flags, a name, a root."""

from __future__ import annotations

from ntgate.records import dataclass

# OBJECT_ATTRIBUTES.Attributes, from ntdef.h.
OBJ_PROTECT_CLOSE        = 0x001  # of handles only
OBJ_INHERIT              = 0x002
OBJ_AUDIT_OBJECT_CLOSE   = 0x004  # of handles only
OBJ_PERMANENT            = 0x010
OBJ_EXCLUSIVE            = 0x020
OBJ_CASE_INSENSITIVE     = 0x040
OBJ_OPENIF               = 0x080
OBJ_OPENLINK             = 0x100
OBJ_KERNEL_HANDLE        = 0x200
OBJ_VALID_ATTRIBUTES     = 0x3F2

# NtDuplicateObject's options.
DUPLICATE_CLOSE_SOURCE    = 1
DUPLICATE_SAME_ACCESS     = 2
DUPLICATE_SAME_ATTRIBUTES = 4


@dataclass(frozen=True, slots=True)
class Quality:
    """SECURITY_QUALITY_OF_SERVICE: how a server may act as the client who opens something."""

    level: int
    dynamic: bool  # with the token that the client has at each request, not when it opened
    effective_only: bool  # without what is disabled in the token


@dataclass(frozen=True, slots=True)
class ObjectAttributes:
    """OBJECT_ATTRIBUTES on the host.  An empty name is no name.

    `root` is the address of the body that the name starts at, 0 for the root of the
    namespace.  The caller, who has looked its handle up, holds a reference.  `security` is the
    self-relative descriptor for a new object; empty for the default.
    """

    name: str = ""
    root: int = 0
    attributes: int = 0
    security: bytes = b""
    quality: Quality | None = None


UNNAMED = ObjectAttributes()
