"""What can go wrong with the userland through no fault of ours."""

from ntgate.errors import NtgateError


class UserlandError(NtgateError):
    """One line for the user: what is missing or does not fit, and what to do about it."""


class WrongFolder(UserlandError):
    """The folder that the user names is none to take a userland from."""

    exit_code = 2
