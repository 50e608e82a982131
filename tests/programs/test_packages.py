"""Programs from packages, as their users run them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pefile
import pytest
from packages import (
    CLANG_FORMAT,
    CLANG_FORMAT_OF_LINUX,
    CMAKE,
    NINJA,
    OPENSSL,
    PROTOC,
    RCEDIT,
    SEVEN_ZIP,
    TINYCC,
    Z3,
    Fetch,
)
from program_run import Runner

DATA = hashlib.shake_256(b"data").digest(200_000)


def test_ninja(run: Runner, fetch: Fetch) -> None:
    program = fetch(NINJA) / "ninja-1.13.2.data/scripts/ninja.exe"
    assert run(program, "--version").lines() == ["1.13.2.git.kitware.jobserver-pipe-1"]


def test_protoc(run: Runner, fetch: Fetch) -> None:
    program = fetch(PROTOC) / "protoc/data/bin/protoc.exe"
    assert run(program, "--version").lines() == ["libprotoc 3.21.1"]


def test_openssl_hashes(run: Runner, fetch: Fetch) -> None:
    (run.folder / "data.bin").write_bytes(DATA)
    lines = run(fetch(OPENSSL) / "package/bin/openssl.exe", "dgst", "-sha256", "data.bin").lines()
    assert lines == [f"SHA256(data.bin)= {hashlib.sha256(DATA).hexdigest()}"]


def test_clang_format_is_byte_equal_to_the_one_of_linux(run: Runner, fetch: Fetch) -> None:
    header = (fetch(Z3) / "z3/include/z3_api.h").read_bytes()
    assert len(header) > 200_000
    (run.folder / "z3_api.h").write_bytes(header.replace(b"\r", b""))
    words = ("-style=LLVM", "z3_api.h")
    expected = subprocess.run(
        [fetch(CLANG_FORMAT_OF_LINUX) / "clang_format/data/bin/clang-format", *words],
        cwd=run.folder, capture_output=True, check=True,
    )  # fmt: skip
    found = run(fetch(CLANG_FORMAT) / "clang_format/data/bin/clang-format.exe", *words)
    assert found.code == 0, found.errors
    assert found.output.encode("cp1252") == expected.stdout
    assert len(set(expected.stdout.splitlines()) - set(header.splitlines())) > 1000


def test_tcc_runs_what_it_compiles(run: Runner, fetch: Fetch) -> None:
    root = fetch(TINYCC) / "tinycc-1.1"
    (run.folder / "fib.c").write_bytes((root / "examples/fib.c").read_bytes())
    shutil.copytree(root / "tinycc/include", run.folder / "include")
    tcc = root / "tinycc/x86/tcc.exe"
    assert run(tcc, "-Iinclude", "-run", "fib.c", "27").lines() == ["fib(27) = 196418"]
    assert run(tcc, "-Iinclude", "-run", "fib.c").code == 1


def test_cmake_runs_a_script_and_itself(run: Runner, fetch: Fetch) -> None:
    (run.folder / "one.txt").write_bytes(DATA)
    (run.folder / "two.txt").write_bytes(b"")
    (run.folder / "try.cmake").write_text(
        """\
file(GLOB found RELATIVE ${CMAKE_CURRENT_LIST_DIR} ${CMAKE_CURRENT_LIST_DIR}/*.txt)
message(STATUS "found ${found}")
file(SHA256 one.txt hash)
message(STATUS "hash ${hash}")
execute_process(COMMAND ${CMAKE_COMMAND} -E echo "from a child"
    OUTPUT_VARIABLE said RESULT_VARIABLE status OUTPUT_STRIP_TRAILING_WHITESPACE)
message(STATUS "child ${status} ${said}")
"""
    )
    root = fetch(CMAKE) / "cmake/data"  # with the modules that cmake looks for beside its bin
    mount = ["--mount", f"{root}=C:\\cmake:ro"]
    lines = run(root / "bin/cmake.exe", "-P", "try.cmake", options=mount).lines()
    assert lines == [
        "-- found one.txt;two.txt",
        f"-- hash {hashlib.sha256(DATA).hexdigest()}",
        "-- child 0 from a child",
    ]


def test_rcedit_changes_a_version_string(run: Runner, fetch: Fetch) -> None:
    rcedit = fetch(RCEDIT) / "package/bin/rcedit.exe"
    target = run.folder / "changed.exe"
    target.write_bytes(rcedit.read_bytes())
    words = ("changed.exe", "--set-version-string", "FileDescription", "seen by ntgate")
    assert run(rcedit, *words, options=["--rw"]).lines() == []
    strings = {
        key: value
        for info in pefile.PE(target).FileInfo[0]
        if info.Key == b"StringFileInfo"
        for table in info.StringTable
        for key, value in table.entries.items()
    }
    assert strings[b"FileDescription"] == b"seen by ntgate"
    assert strings[b"ProductName"]
    words = ("changed.exe", "--get-version-string", "FileDescription")
    assert run(rcedit, *words).lines() == ["seen by ntgate"]


class TestSevenZip:
    @pytest.fixture
    def program(self, fetch: Fetch) -> Path:
        return fetch(SEVEN_ZIP) / "package/win/ia32/7za.exe"

    @pytest.fixture
    def of_linux(self, fetch: Fetch) -> Path:
        program = fetch(SEVEN_ZIP) / "package/linux/x64/7za"
        program.chmod(0o755)
        return program

    @staticmethod
    def fill(folder: Path) -> dict[str, bytes]:
        """60 files in 5 folders: text that can be compressed, noise, and nothing at all."""
        files = {
            f"tree/part {n % 5}/file{n:02}.txt": f"line {n} of the file\r\n".encode() * (n * n)
            if n % 3
            else hashlib.shake_128(bytes([n])).digest(n * 700)
            for n in range(60)
        }
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return files

    @staticmethod
    def unpacked(of_linux: Path, archive: Path, to: Path) -> dict[str, bytes]:
        subprocess.run(
            [of_linux, "x", "-y", f"-o{to}", archive], stdout=subprocess.DEVNULL, check=True
        )
        return {
            path.relative_to(to).as_posix(): path.read_bytes()
            for path in to.rglob("*")
            if path.is_file()
        }

    def test_hash(self, run: Runner, program: Path) -> None:
        (run.folder / "data.bin").write_bytes(DATA)
        lines = run(program, "h", "-scrcSHA256", "data.bin").lines()
        assert f"SHA256 for data:              {hashlib.sha256(DATA).hexdigest()}" in lines
        assert lines[-1] == "Everything is Ok"

    @pytest.mark.parametrize(
        ("kind", "words"),
        [("zip", ["-tzip"]), ("7z", ["-t7z", "-m0=LZMA2", "-mmt=4"])],
    )
    def test_archive(
        self, run: Runner, program: Path, of_linux: Path, tmp_path: Path, kind: str,
        words: list[str],
    ) -> None:  # fmt: skip
        files = self.fill(run.folder)
        ran = run(program, "a", *words, "-r", f"made.{kind}", "tree", options=["--rw"])
        assert "Everything is Ok" in ran.lines()
        assert self.unpacked(of_linux, run.folder / f"made.{kind}", tmp_path / "out") == files
