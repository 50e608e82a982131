r"""The registry of a machine with this userland, made once and kept as hive files.

Three layers, each over the one before: what wine.inf sets, as Wine's own set-up does with it; the
registration scripts in the DLLs, which make their COM classes known; and ntgate's default.reg, so
that what says "Windows XP" says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ntgate.executive.cm import defaults, regf_writer
from ntgate.executive.cm.node import LINK_VALUE, KeyNode, from_utf16, utf16
from ntgate.executive.cm.registry import USER_SID
from ntgate.executive.cm.tree import KeyTree
from ntgate.executive.ke.clock import BOOT_SYSTEM_TIME
from ntgate.layout.cm import (
    REG_BINARY,
    REG_DWORD,
    REG_EXPAND_SZ,
    REG_LINK,
    REG_MULTI_SZ,
    REG_NONE,
    REG_SZ,
)
from ntgate.loader.userland.inf import INSTALL, Inf, Line
from ntgate.loader.userland.registrar import ScriptError, delete_path, make_path, run_script

# Of another version of Windows, of Wine's own debugger, of Wine itself, and a theme: a machine
# without a screen has the classic look.
LEFT_OUT = frozenset(("versioninfo", "debugger", "licenseinformation", "thememanager"))
UNKNOWN_TO_XP = (
    r"\REGISTRY\MACHINE\SOFTWARE\Wine",
    r"\REGISTRY\MACHINE\SOFTWARE\Borland",
    rf"\REGISTRY\USER\{USER_SID}\Software\Wine",
    r"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Services\nsiproxy",
)
SERVICES = r"MACHINE\SYSTEM\CurrentControlSet\Services"
ROOTS = {
    "HKLM": r"\REGISTRY\MACHINE",
    "HKU": r"\REGISTRY\USER",
    "HKCU": rf"\REGISTRY\USER\{USER_SID}",
    "HKCR": r"\REGISTRY\MACHINE\SOFTWARE\Classes",
}

# AddReg's flags, from setupapi.h.
BINARY_VALUE = 0x01
NO_CLOBBER = 0x02
DELETE_VALUE = 0x04
APPEND = 0x08
KEY_ONLY = 0x10
OVERWRITE_ONLY = 0x20
TYPE_MASK = 0xFFFF_0000 | BINARY_VALUE
TYPES = {
    0x0000_0000: REG_SZ,
    0x0001_0000: REG_MULTI_SZ,
    0x0002_0000: REG_EXPAND_SZ,
    0x0000_0001: REG_BINARY,
    0x0001_0001: REG_DWORD,
    0x0002_0001: REG_NONE,
}
SERVICE_WIN32 = 0x30


class Builder:
    """A tree of keys that grows to the machine's registry."""

    def __init__(self) -> None:
        self._tree = KeyTree(lambda: BOOT_SYSTEM_TIME)
        defaults.mount_hives(self._tree, USER_SID)
        self._classes = make_path(self._tree, self._tree.root, ROOTS["HKCR"][len(r"\REGISTRY") :])
        user = self._tree.find(ROOTS["HKCU"])
        make_path(self._tree, user, "Software")
        make_path(self._tree, self._tree.root, r"MACHINE\SYSTEM\ControlSet001")
        defaults.make_current_control_set(self._tree)

    def install(self, inf: Inf) -> None:
        """What wine.inf's sections add to the registry, and the services that it adds."""
        for section in INSTALL:
            for names in inf.named(section, "AddReg"):
                for name in (name.strip() for name in names):
                    if name.lower() not in LEFT_OUT:
                        self._add_registry(inf.lines(name), None)
            for service, _flags, described in inf.named(f"{section}.Services", "AddService"):
                self._add_service(inf, service.strip(), described.strip())

    def register(self, module: str, scripts: Iterable[str]) -> None:
        """Run the scripts of a DLL that has this path; a script with a mistake ends there."""
        replacements = {"MODULE": module, "SYSTEMROOT": "C:\\WINDOWS"}
        for script in scripts:
            try:
                run_script(self._tree, USER_SID, script, replacements)
            except ScriptError:
                continue

    def hives(self) -> dict[str, bytes]:
        """The hive files by their names in the userland; the tree can't grow any more."""
        for path in UNKNOWN_TO_XP:
            delete_path(self._tree, self._tree.root, path[len(r"\REGISTRY") :])
        defaults.read_default(self._tree, USER_SID)
        return {
            hive.stored: regf_writer.write(
                self._tree.find(hive.path(USER_SID)), BOOT_SYSTEM_TIME, hive.file
            )
            for hive in defaults.HIVES
        }

    # AddReg

    def _add_registry(self, lines: Iterable[Line], relative: KeyNode | None) -> None:
        for line in lines:
            root, path, name, flags, *data = [*line, "", "", "", ""][: max(len(line), 4)]
            start = self._root(root, relative)
            if start is None:
                continue
            bits = int(flags.strip() or "0", 0)
            if TYPES.get(bits & TYPE_MASK, bits >> 16) == REG_LINK and name == LINK_VALUE:
                self._make_link(start, path, data[0])
                continue
            key = make_path(self._tree, start, path)
            if not bits & KEY_ONLY:
                self._add_value(key, name, bits, data)

    def _root(self, name: str, relative: KeyNode | None) -> KeyNode | None:
        if name.upper() == "HKR":
            return relative
        path = ROOTS.get(name.upper())
        return self._tree.find(path) if path is not None else None

    def _make_link(self, start: KeyNode, path: str, target: str) -> None:
        above, _, name = path.rpartition("\\")
        parent = make_path(self._tree, start, above)
        if parent.subkey(name) is None:
            self._tree.make_link(self._tree.create(parent, name, link=True), target)

    def _add_value(self, key: KeyNode, name: str, bits: int, data: list[str]) -> None:
        there = key.value(name)
        if (there is not None and bits & NO_CLOBBER) or (there is None and bits & OVERWRITE_ONLY):
            return
        kind = TYPES.get(bits & TYPE_MASK, bits >> 16)
        if kind == REG_MULTI_SZ:
            before = strings(from_utf16(there.data)) if there is not None and bits & APPEND else []
            content = utf16("".join(f"{text}\0" for text in dict.fromkeys(before + data)) + "\0")
        elif kind == REG_DWORD:
            content = (int((data or ["0"])[0] or "0", 0) & 0xFFFF_FFFF).to_bytes(4, "little")
        elif bits & BINARY_VALUE:
            content = bytes(int(byte, 16) for byte in data if byte)
        else:
            content = utf16((data or [""])[0] + "\0")
        self._tree.set_value(key, name, kind, content)

    # AddService

    def _add_service(self, inf: Inf, name: str, section: str) -> None:
        described = {key.lower(): value for key, value in inf.pairs(section)}
        key = make_path(self._tree, self._tree.root, rf"{SERVICES}\{name}")
        for field, value in (
            ("Type", "servicetype"),
            ("Start", "starttype"),
            ("ErrorControl", "errorcontrol"),
        ):
            number = int(described.get(value, "0"), 0)
            self._tree.set_value(key, field, REG_DWORD, number.to_bytes(4, "little"))
        texts = [
            ("DisplayName", REG_SZ, described.get("displayname")),
            ("ImagePath", REG_EXPAND_SZ, described.get("servicebinary")),
            ("Description", REG_SZ, described.get("description")),
            ("Group", REG_SZ, described.get("loadordergroup")),
        ]
        if int(described.get("servicetype", "0"), 0) & SERVICE_WIN32:
            texts.append(("ObjectName", REG_SZ, "LocalSystem"))
        for field, kind, text in texts:
            if text is not None:
                self._tree.set_value(key, field, kind, utf16(text + "\0"))
        for sections in inf.named(section, "AddReg"):
            for each in sections:
                self._add_registry(inf.lines(each.strip()), key)


def strings(text: str) -> list[str]:
    """The strings of a REG_MULTI_SZ."""
    return [part for part in text.split("\0") if part]


def build_hives(inf: str | None, scripts: Mapping[str, list[str]]) -> dict[str, bytes]:
    """The hive files of a machine, by name: from wine.inf's text, if there is one, and from the
    scripts of each DLL, by the DLL's path."""
    builder = Builder()
    if inf is not None:
        builder.install(Inf(inf))
    for module, texts in scripts.items():
        builder.register(module, texts)
    return builder.hives()
