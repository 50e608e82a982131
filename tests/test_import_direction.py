"""The house's rules: who may import whom, how long a file may be, what a folder says of itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "src" / "ntgate"
LONGEST = 500

# What each room of src/ntgate (a folder or a module) imports; with a room comes what that room
# itself may import.  "ntgate" is the package's own __init__.py, the public API.
MAY_IMPORT: dict[str, set[str]] = {
    "errors":    set(),
    "records":   set(),
    "cache":     {"errors"},
    "cpu":       {"errors", "records"},
    "memory":    {"cpu"},
    "layout":    {"memory"},
    "image":     {"layout", "cache"},
    "entry":     {"layout", "memory", "cpu"},
    "dispatch":  {"layout", "memory", "entry"},
    "boot":      {"layout", "memory", "cpu", "entry", "image", "dispatch"},
    "executive": {"layout", "memory", "entry"},
    "devices":   {"executive"},
    "services":  {"dispatch", "executive"},
    "loader":    {"executive", "layout", "image", "dispatch"},
    "trace":     {"dispatch"},
    "machine":   {"boot", "devices", "services", "loader", "trace"},
    "debug":     {"machine"},
    "tools":     {"machine"},
    "ntgate":    {"machine", "debug"},
    "cli":       {"debug", "machine", "ntgate"},
    "__main__":  {"cli"},
}  # fmt: skip

SOURCES = sorted(HOUSE.rglob("*.py"))
FOLDERS = sorted(path for path in HOUSE.iterdir() if any(path.glob("*.py")))


def reach(room: str) -> set[str]:
    """Every room that `room` may import: itself, its row, and their rows in turn."""
    return {room}.union(*(reach(below) for below in MAY_IMPORT[room]))


def room_of(module: str) -> str:
    """ntgate.memory.user -> memory; ntgate -> ntgate."""
    return module.removeprefix("ntgate.").partition(".")[0]


def module_of(path: Path) -> str:
    """The dotted name of a source file; a package's is that of its folder."""
    parts = ["ntgate", *path.relative_to(HOUSE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Line and room of every import of ntgate's in a file of `package`, wherever it stands."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: package.count(".") + 2 - node.level]
                base = ".".join([*above, *filter(None, [base])])
            # Only what is a room is a module of its own: ntgate.Machine is the public API.
            rooms = [f"ntgate.{name}" if name in MAY_IMPORT else "ntgate" for name in names]
            names = rooms if base == "ntgate" else [base]
        for name in names:
            if name.split(".")[0] == "ntgate":
                yield node.lineno, room_of(name)


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What `module` imports against the table, a line each."""
    room = room_of(module)
    package = module if is_package else module.rpartition(".")[0]
    return [
        f"{module}:{line}: {room} may not import {imported}"
        for line, imported in imports(ast.parse(source), package)
        if imported not in reach(room)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_imports_follow_the_table(path: Path) -> None:
    module = module_of(path)
    assert room_of(module) in MAY_IMPORT, "a new room: give it a row in MAY_IMPORT"
    assert violations(path.read_text(), module, is_package=path.stem == "__init__") == []


@pytest.mark.parametrize(
    "source",
    [
        "import ntgate.dispatch.service",
        "from ntgate.dispatch import service",
        "from ntgate import dispatch",
        "from ..dispatch import service",
        "from .. import dispatch",
        "from ntgate import Machine",
        "def late():\n    from ntgate import dispatch",
        "if TYPE_CHECKING:\n    import ntgate.dispatch",
    ],
)
def test_each_spelling_of_a_wrong_import_is_found(source: str) -> None:
    assert len(violations(source, "ntgate.executive.ob")) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import struct",
        "from ntgate.errors import UsageError",
        "from ntgate.cpu import engine",
        "from . import mm",
        "from .mm import vad",
        "from ..layout import ob",
    ],
)
def test_a_right_import_passes(source: str) -> None:
    assert violations(source, "ntgate.executive.ob") == []


def test_a_package_counts_its_dots_from_itself() -> None:
    assert violations("from . import ob", "ntgate.executive", is_package=True) == []
    assert len(violations("from .. import cli", "ntgate.executive", is_package=True)) == 1


def test_no_room_comes_before_itself() -> None:
    for room, row in MAY_IMPORT.items():
        assert all(room not in reach(below) for below in row), room


def test_source_files_are_short_enough() -> None:
    long = {
        str(path.relative_to(HOUSE.parent.parent)): lines
        for path in [*SOURCES, *HOUSE.rglob("*.asm"), *Path(__file__).parent.rglob("*.py")]
        if (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert long == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.name))
def test_a_folder_says_what_enters_and_what_leaves(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    assert {"Enters:", "Leaves:"} <= set(docstring.split())
