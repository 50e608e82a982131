"""The hives of a new machine, and what is in them.

With a userland they come from the hive files that were made when it was installed, else from
default.reg; the volatile ones always from hardware.reg.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ntgate.executive.cm import reg_text
from ntgate.executive.cm.node import utf16
from ntgate.executive.cm.reg_import import RegFiles
from ntgate.executive.cm.tree import KeyTree
from ntgate.layout.cm import REG_SZ
from ntgate.layout.paths import VOLUME
from ntgate.records import dataclass

DEFAULT_REG = Path(__file__).with_name("default.reg")
HARDWARE_REG = Path(__file__).with_name("hardware.reg")
CONFIG = VOLUME + r"\WINDOWS\system32\config"
PROFILE = VOLUME + r"\Documents and Settings\Administrator"
USER_DATA = PROFILE + r"\Local Settings\Application Data\Microsoft\Windows\UsrClass.dat"


@dataclass(frozen=True, slots=True)
class HiveName:
    """`mounted`: its path, with {sid} for the user's; `stored`: its file in a userland."""

    mounted: str
    file: str
    stored: str

    def path(self, user_sid: str) -> str:
        """The NT path of its top key."""
        return self.mounted.format(sid=user_sid)


HIVES = (
    HiveName(r"\REGISTRY\MACHINE\SYSTEM", rf"{CONFIG}\system", "system"),
    HiveName(r"\REGISTRY\MACHINE\SOFTWARE", rf"{CONFIG}\software", "software"),
    HiveName(r"\REGISTRY\MACHINE\SAM", rf"{CONFIG}\SAM", "sam"),
    HiveName(r"\REGISTRY\MACHINE\SECURITY", rf"{CONFIG}\SECURITY", "security"),
    HiveName(r"\REGISTRY\USER\.DEFAULT", rf"{CONFIG}\default", "default"),
    HiveName(r"\REGISTRY\USER\{sid}", rf"{PROFILE}\NTUSER.DAT", "ntuser.dat"),
    HiveName(r"\REGISTRY\USER\{sid}_Classes", USER_DATA, "usrclass.dat"),
)
HIVE_LIST = r"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Control\hivelist"
CURRENT_CONTROL_SET = r"\Registry\Machine\System\ControlSet001"


def fill(tree: KeyTree, user_sid: str, stored: Mapping[str, Path] | None = None) -> None:
    """The registry of an XP SP3 machine with one user.  stored: the hive files, by name."""
    if stored:
        from ntgate.executive.cm import stored_hive

        for hive in HIVES:
            parent, _, name = hive.path(user_sid).rpartition("\\")
            holder = tree.find(parent)
            tree.attach(holder, name, stored_hive.open_hive(tree, stored[hive.stored], hive.file))
        _mount_others(tree)
    else:
        mount_hives(tree, user_sid)
        read_default(tree, user_sid)
    RegFiles(tree, user_sid).read(reg_text.decode(HARDWARE_REG.read_bytes()))


def mount_hives(tree: KeyTree, user_sid: str) -> None:
    """All of them, empty."""
    for hive in HIVES:
        parent, _, name = hive.path(user_sid).rpartition("\\")
        tree.new_hive(tree.find(parent), name, hive.file)
    _mount_others(tree)


def _mount_others(tree: KeyTree) -> None:
    """Those without files."""
    tree.new_hive(tree.machine, "HARDWARE", volatile=True)
    local_system = tree.new_hive(tree.user, "S-1-5-18")
    tree.make_link(local_system, r"\REGISTRY\USER\.DEFAULT")


def make_current_control_set(tree: KeyTree) -> None:
    """The link CurrentControlSet, where it is missing."""
    system = tree.find(r"\REGISTRY\MACHINE\SYSTEM")
    if system.subkey("CurrentControlSet") is None:
        tree.make_link(tree.create(system, "CurrentControlSet", link=True), CURRENT_CONTROL_SET)


def read_default(tree: KeyTree, user_sid: str) -> None:
    """Read default.reg over what the hives have, and list them."""
    RegFiles(tree, user_sid).read(reg_text.decode(DEFAULT_REG.read_bytes()))
    software = tree.find(rf"\REGISTRY\USER\{user_sid}\Software")
    if software.subkey("Classes") is None:
        classes = tree.create(software, "Classes", link=True)
        tree.make_link(classes, rf"\REGISTRY\USER\{user_sid}_Classes")
    list_hives(tree)


def list_hives(tree: KeyTree) -> None:
    """Write Control\\hivelist: the key that each hive is mounted at, and its file."""
    hive_list = tree.find(HIVE_LIST)
    mounted = {
        root.path: root.hive.file
        for holder in (tree.machine, tree.user)
        for root in holder.subkeys
        if root.hive is not None and not root.link
    }
    for value in hive_list.values:
        if value.name not in mounted:
            tree.delete_value(hive_list, value.name)
    for path, file in mounted.items():
        tree.set_value(hive_list, path, REG_SZ, utf16(file + "\0"))
