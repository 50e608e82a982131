"""The guest programs are what an XP can load, and building them fails helpfully."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pefile
import pytest

import guest_build


@pytest.mark.parametrize("name", guest_build.names())
def test_a_program_is_one_that_xp_loads(
    guest: Callable[[str], Path], name: str
) -> None:
    with pefile.PE(guest(name)) as image:
        header, optional = image.FILE_HEADER, image.OPTIONAL_HEADER
        assert header.Machine == pefile.MACHINE_TYPE["IMAGE_FILE_MACHINE_I386"]
        assert optional.Magic == pefile.OPTIONAL_HEADER_MAGIC_PE
        assert optional.Subsystem == pefile.SUBSYSTEM_TYPE["IMAGE_SUBSYSTEM_WINDOWS_CUI"]
        assert (optional.MajorSubsystemVersion, optional.MinorSubsystemVersion) == (5, 1)
        assert not optional.IMAGE_DLLCHARACTERISTICS_NO_SEH
        dlls = {entry.dll.decode() for entry in image.DIRECTORY_ENTRY_IMPORT}
        native = '#include "nt.h"' in (guest_build.SOURCES / f"{name}.c").read_text()
        known = {f"{path.stem}.dll" for path in guest_build.SOURCES.glob("*.def")}
        assert dlls == {"ntdll.dll"} if native else "ntdll.dll" in dlls <= known
        entry = image.get_section_by_rva(optional.AddressOfEntryPoint)
        assert entry.Name.rstrip(b"\0") == b".text"


def test_hello_native_imports_the_plain_names(guest: Callable[[str], Path]) -> None:
    with pefile.PE(guest("hello_native")) as image:
        names = {symbol.name for symbol in image.DIRECTORY_ENTRY_IMPORT[0].imports}
    assert names == {b"NtWriteFile", b"NtTerminateProcess", b"strlen"}


def test_a_program_keeps_its_gate_instructions(guest: Callable[[str], Path]) -> None:
    code = guest("gates").read_bytes()
    assert code.count(bytes.fromhex("8b442404 89e2 0f34")) == 1  # sysenter
    assert code.count(bytes.fromhex("8b442404 8d542408 cd2e c3")) == 1  # int 2Eh


def test_an_unchanged_program_is_not_built_again(
    guest: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = guest("hello_native")
    monkeypatch.setattr(guest_build, "_zig", lambda *arguments: pytest.fail("built again"))
    assert guest("hello_native") == first


def test_the_same_source_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = guest_build.SOURCES / "hello_native.c"
    first = guest_build.build(source).read_bytes()
    monkeypatch.setattr(guest_build, "BUILD", tmp_path)
    assert guest_build.build(source).read_bytes() == first


def test_a_changed_source_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_build, "BUILD", tmp_path / "build")
    source = tmp_path / "program.c"
    source.write_text('#include "nt.h"\nvoid start(void) { exit_process(1); }\n')
    first = guest_build.build(source)
    source.write_text('#include "nt.h"\nvoid start(void) { exit_process(2); }\n')
    second = guest_build.build(source)
    assert first.read_bytes() != second.read_bytes()


def test_arguments_that_are_not_xps_do_not_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_build, "BUILD", tmp_path / "build")
    source = tmp_path / "wrong.c"
    source.write_text(
        "__attribute__((stdcall)) int NtClose(int handle, int more);\n"
        "void start(void) { NtClose(1, 2); }\n"
    )
    with pytest.raises(guest_build.GuestBuildError, match="NtClose@8"):
        guest_build.build(source)


def test_an_error_in_a_program_shows_the_compilers_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_build, "BUILD", tmp_path / "build")
    source = tmp_path / "broken.c"
    source.write_text("void start(void) { undeclared(); }\n")
    with pytest.raises(guest_build.GuestBuildError, match=r"broken\.c:1:20: error: .*undeclared"):
        guest_build.build(source)


def test_an_unknown_program_is_named_with_those_there_are(guest: Callable[[str], Path]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"no guest program nope; there are: .*hello"):
        guest("nope")


def test_a_missing_compiler_is_told_with_the_command_to_install_it(
    guest: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(pytest.fail.Exception, match=r"pip install -e \.\[test\]"):
        guest("hello_native")
