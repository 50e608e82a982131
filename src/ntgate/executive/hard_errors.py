"""Hard errors: what a program can't decide alone is asked of the default hard error port.

XP's csrss is behind that port and shows a box.  Where no process has set one, the error is told
to whoever runs the machine, and gets the answer that a user gives who wants none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.events import HardError
from ntgate.layout import ntstatus
from ntgate.records import dataclass

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Thread

MAXIMUM_PARAMETERS = 5
OVERRIDE_ERRORMODE = 0x1000_0000  # in the status: told though the process has switched it off
RAISE_HARD_ERRORS = 1  # EPROCESS.DefaultHardErrorProcessing

(
    ABORT_RETRY_IGNORE, OK, OK_CANCEL, RETRY_CANCEL, YES_NO, YES_NO_CANCEL, SHUTDOWN_SYSTEM,
    OK_NO_WAIT, CANCEL_TRY_CONTINUE,
) = range(9)  # HARDERROR_RESPONSE_OPTION  # fmt: skip
(
    RETURN_TO_CALLER, NOT_HANDLED, ABORT, CANCEL, IGNORE, NO, OKAY, RETRY, YES, TRY_AGAIN, CONTINUE,
) = range(11)  # HARDERROR_RESPONSE  # fmt: skip
REFUSALS = {
    ABORT_RETRY_IGNORE: ABORT, OK: OKAY, OK_CANCEL: CANCEL, RETRY_CANCEL: CANCEL, YES_NO: NO,
    YES_NO_CANCEL: CANCEL, OK_NO_WAIT: OKAY, CANCEL_TRY_CONTINUE: CANCEL,
}  # fmt: skip


@dataclass(frozen=True)
class Raised:
    """One hard error; a parameter is a number, or the text that its UNICODE_STRING has."""

    status: int
    parameters: tuple[int | str, ...]
    options: int  # HARDERROR_RESPONSE_OPTION


class HardErrors:
    """ExpDefaultErrorPort, in the guest's memory, and what is done without it."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.kernel = executive.kernel
        self._port = executive.symbols["ExpDefaultErrorPort"]
        self._process = executive.symbols["ExpDefaultErrorPortProcess"]

    def set_default_port(self, thread: Thread, port: int) -> None:
        """For good; raises STATUS_UNSUCCESSFUL where there is one already."""
        if self.kernel.u32(self._port):
            raise NtError(ntstatus.STATUS_UNSUCCESSFUL)
        self.executive.objects.reference(port)
        self.kernel.set_u32(self._port, port)
        self.kernel.set_u32(self._process, thread.process.eprocess.address)

    def is_wanted(self, thread: Thread, status: int) -> bool:
        """Whether the process and the thread want their hard errors told."""
        mode = thread.process.eprocess.DefaultHardErrorProcessing
        wanted = mode & RAISE_HARD_ERRORS or status & OVERRIDE_ERRORMODE
        return bool(wanted) and not thread.ethread.HardErrorsAreDisabled

    def port_for(self, thread: Thread) -> int:
        """The port that the thread's process asks, 0 for none: nobody asks himself."""
        own: int = thread.process.eprocess.ExceptionPort
        if own:
            return own
        is_own = self.kernel.u32(self._process) == thread.process.eprocess.address
        return 0 if is_own else self.kernel.u32(self._port)

    def answer(self, thread: Thread, error: Raised) -> int:
        """The response to an error that no port is asked about."""
        response = REFUSALS.get(error.options, RETURN_TO_CALLER)
        status = error.status & ~OVERRIDE_ERRORMODE
        self.executive.events.emit(
            HardError(thread.pid, thread.tid, status, error.parameters, response)
        )
        return response
