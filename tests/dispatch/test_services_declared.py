"""Every declared service against XP's prototypes (public headers and lists of system calls)."""

from __future__ import annotations

import pytest

import ntgate.services.all  # noqa: F401
from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.prototypes import prototypes
from ntgate.dispatch.service import (
    KERNEL_ROUTINES,
    SERVICES,
    DeclarationError,
    routine,
    service,
)
from ntgate.dispatch.tables import NT, WIN32K, service_table
from ntgate.dispatch.types import HANDLE, ULONG
from ntgate.entry.routines import ROUTINES

PROTOTYPES = prototypes()


@pytest.mark.parametrize("name", sorted(name for name in SERVICES if name in PROTOTYPES))
def test_names_and_directions_are_those_of_the_prototype(name: str) -> None:
    declared = SERVICES[name].parameters
    prototype = PROTOTYPES[name]
    assert [parameter.name for parameter in declared] == [row.name for row in prototype]
    for parameter, given in zip(declared, prototype, strict=True):
        if parameter.pointer is not None:
            assert given.direction == parameter.pointer.DIRECTION, parameter.name
            # Of services newer than XP the prototypes do not know what Wine passes as NULL.
            is_xp = SERVICES[name].number.number < len(service_table(NT))
            assert given.optional or not (is_xp and parameter.pointer.OPTIONAL), parameter.name


def test_every_kernel_routine_has_a_function() -> None:
    assert set(KERNEL_ROUTINES) == set(ROUTINES)


def test_the_tables_have_the_study_s_numbers() -> None:
    nt = service_table(NT)
    assert len(nt) == 0x11C
    assert nt[0x112].name == "NtWriteFile"
    assert nt[0x112].argument_bytes == 0x24
    assert [row.number for row in nt] == list(range(0x11C))
    assert len(service_table(WIN32K)) == 0x29B


def test_a_wrong_declaration_says_how_to_put_it_right() -> None:
    """Numbers at the declaration, types when they are first asked for (above, for all)."""
    few = "NtVdmControl: 1 arguments declared, XP SP3 passes 2"
    with pytest.raises(DeclarationError, match=few):

        @service()
        def NtVdmControl(caller: object, Service: HANDLE) -> Outcome:
            """Too few."""
            return 0

    with pytest.raises(DeclarationError, match="no service table has a service of this name"):

        @service()
        def NtMakeCoffee(caller: object) -> Outcome:
            """None."""
            return 0

    @service()
    def NtCancelDeviceWakeupRequest(caller: object, Handle: str) -> Outcome:
        """A type that is none."""
        return 0

    wrong = SERVICES.pop("NtCancelDeviceWakeupRequest")
    with pytest.raises(DeclarationError, match="the type of Handle is not one of"):
        wrong.parameters  # noqa: B018

    with pytest.raises(DeclarationError, match="NtClose is declared twice"):

        @service()
        def NtClose(caller: object, Handle: HANDLE) -> Outcome:
            """Again."""
            return 0

    with pytest.raises(DeclarationError, match="is not in entry/routines"):

        @routine
        def KiMakeCoffee(caller: object, Amount: ULONG) -> Outcome:
            return 0
