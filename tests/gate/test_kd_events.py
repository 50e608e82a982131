"""`sx`, `.exr`, `.ecxr`, `gh`, `.lastevent`, `wt`, `dx`: on a machine that runs."""

from __future__ import annotations

import re

import pytest

from gate.gate_machine import DebuggedMachine

FAULT = "seh!Start+0x17:"


def test_a_first_chance_and_its_record() -> None:
    machine = DebuggedMachine("@seh")
    stop = machine.kd("sxe av", "g")
    assert stop.startswith("Access violation - code c0000005 (first chance)\n")
    assert FAULT in stop
    assert machine.kd(".lastevent") == (
        "Last event: c.10: Access violation - code c0000005 (first chance)\n"
    )
    assert machine.kd(".exr -1") == (
        "ExceptionAddress: 00401017 (seh!Start+0x17)\n"
        "   ExceptionCode: c0000005 (Access violation)\n"
        "  ExceptionFlags: 00000000\n"
        "NumberParameters: 2\n"
        "   Parameter[0]: 00000001\n"
        "   Parameter[1]: 00000000\n"
        "Attempt to write to address 00000000\n"
    )
    assert FAULT not in machine.kd(".cxr", "r")
    assert FAULT in machine.kd(".ecxr")
    assert machine.run_to_end() == b"handled an access violation\n"


def test_an_exception_that_the_debugger_handles() -> None:
    """It goes on at the instruction, with the registers as they have been changed."""
    machine = DebuggedMachine("@seh")
    machine.kd("sxe av", "g", "r ecx=12ff00", "bp seh!Start+19")
    assert "ecx=0012ff00" in machine.kd("r ecx")
    assert "Breakpoint 0 hit" in machine.kd("gh")
    assert machine.value("poi(12ff00)") == 0x12FF00
    assert "is no first chance" in machine.mistake("gh")
    assert "The program has ended" in machine.kd("g")


def test_an_exception_that_is_left_to_the_program() -> None:
    """The debugger's changes of registers do not count then, as on NT."""
    machine = DebuggedMachine("@seh")
    machine.kd("sxe av", "g", "r ecx=12ff00", "gn")
    assert machine.output == b"handled an access violation\n"


@pytest.mark.parametrize(("how", "stops"), [("sxd", False), ("sxn", False), ("sxi", False)])
def test_what_does_not_stop(how: str, stops: bool) -> None:
    machine = DebuggedMachine("@seh")
    printed = machine.kd(f"{how} av", "g")
    assert (FAULT in printed) is stops
    assert "The program has ended, status 00000000." in printed


def test_commands_of_an_event_go_on_by_themselves() -> None:
    machine = DebuggedMachine("@seh")
    printed = machine.kd('sxe -c ".echo seen; g" c0000005', "g")
    assert "seen\n" in printed
    assert "The program has ended" in printed


def test_sx_lists_what_is_set_and_sxr_forgets_it() -> None:
    machine = DebuggedMachine("@seh")
    machine.kd("sxe ld:kernel*", 'sxe -c "k" av', "sxi e0000001")
    listed = machine.kd("sx").splitlines()
    assert "  ld - Load module - break (kernel* only)" in listed
    assert '  av - Access violation - break - not handled "k"' in listed
    assert "e0000001 - Unknown exception - ignore - not handled" in listed
    machine.kd("sxr")
    assert "  ld - Load module - ignore" in machine.kd("sx").splitlines()
    for line in ("sxe", "sxe zork", "sxe av:name", "sxe -c av", ".exr", ".ecxr x"):
        machine.mistake(line)


def test_wt_counts_what_a_call_runs() -> None:
    machine = DebuggedMachine("@sysenter")
    printed = machine.kd("g ntdll!NtWriteFile", "wt")
    rows = re.findall(r"^ +(\d+) +(\d+) \[ +(\d+)\] +(\S+)$", printed, re.M)
    assert rows[0] == ("3", "0", "0", "ntdll!NtWriteFile")
    own, below, depth, name = rows[-1]
    assert (own, depth, name) == ("4", "0", "ntdll!NtWriteFile")
    total = int(re.findall(r"(\d+) instructions were executed", printed)[0])
    assert int(own) + int(below) == total
    assert "    1  ntdll!NtWriteFile\n" in printed
    assert machine.value("@eip") == machine.value("sysenter!Start+30")


def test_dx_shows_members_with_types() -> None:
    machine = DebuggedMachine("@sysenter")
    shown = machine.kd("dx ((nt!_EPROCESS*)@$proc)->Pcb.Header")
    assert shown.splitlines()[1] == "    [+0x000] Type             : 0x3 '' [Type: unsigned char]"
    shown = machine.kd("dx ((nt!_EPROCESS*)@$proc)->UniqueProcessId")
    assert shown.endswith(" : 0x0000000c Void [Type: void *]\n")


def test_other_processes_and_bad_addresses() -> None:
    machine = DebuggedMachine("@sysenter")
    assert machine.kd(".process 4").startswith("Implicit process is now ")
    assert "SessionId: none  Cid: 0004" in machine.kd("!process -1 0")
    assert "There is no PEB" in machine.mistake("!peb")
    assert machine.kd("!vad").splitlines() == ["VAD     level      start      end    commit"]
    machine.kd(".process", "!process 0 7", "!thread", "!handle", "!object \\", "!token", "!teb")
    for line in ("!process 3", "!process 80000000", "!thread 3", "!thread 80000000",
                 "!object 80000000", "!object \\none", "!object \\Device\\Null\\x", "!handle 7fc",
                 "!token @$proc", "!vprot ffdff000", ".process 3", ".thread 3", "|7s", "~7s",
                 "!peb 10", "!teb 10", "!vad 10", "!error", "!dlls -c"):  # fmt: skip
        said = machine.mistake(line).splitlines()
        assert said[-1].strip(), line
        assert "bug in ntgate" not in said[-1]


def test_a_list_that_goes_round_is_told() -> None:
    machine = DebuggedMachine("@sysenter")
    entry = machine.value("poi(nt!PsActiveProcessHead)")
    machine.kd(f"ed {entry:x} {entry:x}")
    assert "does not come back" in machine.mistake("!process 0 0")


def test_a_module_s_details_are_those_of_its_header() -> None:
    machine = DebuggedMachine("@sysenter")
    header = machine.value("nt + poi(nt+3c)")
    machine.kd(f"ed {header + 8:x} 48025eab")
    assert "Timestamp:        Sun Apr 13 19:27:39 2008 (48025EAB)" in machine.kd("lmvm nt")
