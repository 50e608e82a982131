r"""\KnownDlls: what is in it, from which list, and that nobody pays for it who doesn't look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gate.guest_run import GuestRun
from ntgate.executive.mm.section import Section
from ntgate.executive.ps.known_dlls import KNOWN_DLLS, LIST
from ntgate.loader.userland import Userland
from ntgate.machine import Machine

KEY = LIST.replace(r"\REGISTRY\MACHINE", "HKEY_LOCAL_MACHINE")


def listed(machine: Machine) -> dict[str, int]:
    objects = machine.executive.objects
    return dict(objects.entries(objects.lookup(KNOWN_DLLS)[0]))


def test_a_program_maps_a_second_ntdll(
    userland: Userland, guest: Callable[[str], Path]
) -> None:
    run = GuestRun(guest("known_dlls"))
    objects = run.machine.executive.objects
    assert run.finish() == "passed\n"
    found = listed(run.machine)
    assert {"kernel32.dll", "advapi32.dll", "ole32.dll", "wininet.dll"} < set(found)
    for name, body in found.items():
        if name != "KnownDllPath":
            section = objects.companion(body, Section)
            assert section.is_image
            assert section.segment.file is not None
            path = rf"\Device\HarddiskVolume1\WINDOWS\system32\{name}"
            assert section.segment.file.name.casefold() == path.casefold()


def test_nothing_is_made_before_somebody_looks(userland: Userland) -> None:
    machine = Machine()
    machine.start("hostname.exe")
    kind = machine.executive.objects.types["Section"]
    before = kind.view.TotalNumberOfObjects
    machine.executive.objects.lookup(KNOWN_DLLS)
    assert kind.view.TotalNumberOfObjects == before
    made = len(listed(machine)) - 1
    assert kind.view.TotalNumberOfObjects == before + made
    assert len(listed(machine)) == made + 1


def test_the_list_is_the_registrys(userland: Userland) -> None:
    machine = Machine()
    machine.start("hostname.exe")
    machine.executive.registry.import_reg(
        f"Windows Registry Editor Version 5.00\n\n[-{KEY}]\n\n[{KEY}]\n"
        '"one"="KERNEL32.DLL"\n"again"="kernel32.dll"\n"none"="nothere.dll"\n'
        f'"up"="..\\\\\\\\x.dll"\n"empty"=""\n"number"=dword:1\n"long"="{"l" * 70000}"\n'
    )
    assert set(listed(machine)) == {"KnownDllPath", "ntdll.dll", "KERNEL32.DLL"}


def test_without_a_userland_only_the_folder_is_known() -> None:
    machine = Machine()
    assert set(listed(machine)) == {"KnownDllPath"}
    objects = machine.executive.objects
    link = listed(machine)["KnownDllPath"]
    assert objects.link_target(link) == r"C:\WINDOWS\system32"


def test_a_directory_that_goes_forgets_how_it_is_filled() -> None:
    objects = Machine().executive.objects
    filled: list[int] = []
    body = objects.create_directory(kernel=True)
    objects.fill_at_first_look(body, lambda: filled.append(body))
    objects.dereference(body)
    assert objects.create_directory(kernel=True) == body
    assert not list(objects.entries(body))
    assert not filled
