"""What the host's errors are to the guest."""

from __future__ import annotations

import errno
import sys

from ntgate.errors import NtError
from ntgate.layout import ntstatus as s

_STATUSES = {
    errno.ENOENT: s.STATUS_OBJECT_NAME_NOT_FOUND,
    errno.ENOTDIR: s.STATUS_OBJECT_PATH_NOT_FOUND,
    errno.ELOOP: s.STATUS_ACCESS_DENIED,
    errno.EACCES: s.STATUS_ACCESS_DENIED,
    errno.EPERM: s.STATUS_ACCESS_DENIED,
    errno.EROFS: s.STATUS_MEDIA_WRITE_PROTECTED,
    errno.EEXIST: s.STATUS_OBJECT_NAME_COLLISION,
    errno.ENOTEMPTY: s.STATUS_DIRECTORY_NOT_EMPTY,
    errno.EISDIR: s.STATUS_FILE_IS_A_DIRECTORY,
    errno.ENOSPC: s.STATUS_DISK_FULL,
    errno.EDQUOT: s.STATUS_DISK_FULL,
    errno.EFBIG: s.STATUS_DISK_FULL,
    errno.EMFILE: s.STATUS_TOO_MANY_OPENED_FILES,
    errno.ENFILE: s.STATUS_TOO_MANY_OPENED_FILES,
    errno.ENAMETOOLONG: s.STATUS_NAME_TOO_LONG,
    errno.EXDEV: s.STATUS_NOT_SAME_DEVICE,
    errno.EIO: s.STATUS_DATA_ERROR,
    errno.EBUSY: s.STATUS_SHARING_VIOLATION,
    errno.ETXTBSY: s.STATUS_SHARING_VIOLATION,
}
_SHARING = (32, 33)  # ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, which errno calls EACCES


def is_broken_pipe(error: OSError) -> bool:
    """Whether nobody reads what was to be written."""
    if sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None:
        return True  # ERROR_NO_DATA is that to the C library
    return isinstance(error, BrokenPipeError)


def nt_error(error: OSError) -> NtError:
    """The NtError that stands for an error of the host's."""
    if sys.platform == "win32" and error.winerror in _SHARING:
        return NtError(s.STATUS_SHARING_VIOLATION)
    return NtError(_STATUSES.get(error.errno or 0, s.STATUS_UNSUCCESSFUL))
