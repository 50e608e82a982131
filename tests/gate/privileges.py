"""Privileges for a program that has not begun yet, edited into its token."""

from __future__ import annotations

from gate.guest_run import GuestRun
from ntgate.executive.se.privileges import SE_LOCK_MEMORY, SE_PRIVILEGE_ENABLED, SE_TCB
from ntgate.layout.se import LUID_AND_ATTRIBUTES

GRANTED = (SE_TCB, SE_LOCK_MEMORY)  # in place of as many that the program does not need


def make_privileged(run: GuestRun) -> None:
    """Enable all that the token has, and put in what an administrator has not."""
    executive = run.machine.executive
    token = executive.security.primary(run.process.eprocess)
    for index in range(len(token.privileges)):
        token.set_privilege(index, SE_PRIVILEGE_ENABLED)
    for index, luid in enumerate(GRANTED):
        executive.kernel.set_u64(token.view.Privileges + index * LUID_AND_ATTRIBUTES.SIZE, luid)
