"""Programs of other makers: Rust's and Go's runtimes, a self-extracting archive."""

from __future__ import annotations

from packages import ESBUILD, RIPGREP, SEVEN_ZIP, SEVEN_ZIP_FOLDER, TYPOS, Fetch
from program_run import Runner


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
