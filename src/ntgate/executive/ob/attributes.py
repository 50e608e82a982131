"""What an object is created or opened with: the OBJ_ flags, a name, a root; access rights."""

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

# Rights to directories of objects.
DIRECTORY_CREATE_OBJECT       = 0x4
DIRECTORY_CREATE_SUBDIRECTORY = 0x8

# Access masks that are the same for every type.
DELETE                  = 0x0001_0000
READ_CONTROL            = 0x0002_0000
WRITE_DAC               = 0x0004_0000
WRITE_OWNER             = 0x0008_0000
SYNCHRONIZE             = 0x0010_0000
ACCESS_SYSTEM_SECURITY  = 0x0100_0000
MAXIMUM_ALLOWED         = 0x0200_0000
GENERIC_ALL             = 0x1000_0000
GENERIC_EXECUTE         = 0x2000_0000
GENERIC_WRITE           = 0x4000_0000
GENERIC_READ            = 0x8000_0000


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
