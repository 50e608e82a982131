"""Every error that ntgate raises on purpose.

    NtgateError                  the user gets its message, in one line
     +- UsageError               the input is wrong: a file, an option, an address
     +- MachineError             the machine stands still; `state` shows it
         +- GuestBugCheck        the guest's kernel has called KeBugCheckEx
         +- TripleFault          a fault while a double fault was delivered
         +- Halted               a hlt with interrupts off
         +- CalibrationError     the engine is not the one that was measured
         +- InternalFault        a bug of ours

NtError is no error of ntgate: it carries the NTSTATUS of a request of the guest that can't be
done, from the executive to the dispatcher.  A guest's fault is none either: it is an exception
delivered to the guest.
"""

from __future__ import annotations

from typing import ClassVar


class NtgateError(Exception):
    """The base: str() is one line for the user."""

    exit_code: ClassVar[int] = 1


class UsageError(NtgateError):
    """The input is wrong, and the message says how to put it right."""

    exit_code = 2


class MachineError(NtgateError):
    """The machine can't go on.  `state` is text of several lines: registers, stack, code."""

    def __init__(self, message: str, state: str = "") -> None:
        super().__init__(message)
        self.state = state


class GuestBugCheck(MachineError):
    """The guest's kernel has called KeBugCheckEx: the code and its four parameters."""

    def __init__(self, code: int, parameters: tuple[int, int, int, int], state: str = "") -> None:
        listed = ",".join(f"0x{parameter:08X}" for parameter in parameters)
        super().__init__(f"*** STOP: 0x{code:08X} ({listed})", state)
        self.code = code
        self.parameters = parameters


class TripleFault(MachineError):
    """A fault while a double fault was delivered, which resets a real processor."""


class Halted(MachineError):
    """A hlt with interrupts off, which only a reset ends."""


class CalibrationError(MachineError):
    """The engine's context has not the layout that its patches were measured on."""


class InternalFault(MachineError):
    """A bug of ours, caught around an engine callback, at the instruction that showed it."""


class NtError(Exception):
    """A request that the executive can't do; `status` is what the service returns."""

    def __init__(self, status: int) -> None:
        super().__init__(f"NTSTATUS {status:08x}")
        self.status = status
