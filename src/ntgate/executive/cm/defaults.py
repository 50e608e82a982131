"""The hives of a new machine, and what is in them: default.reg."""

from __future__ import annotations

from pathlib import Path

from ntgate.executive.cm import reg_text
from ntgate.executive.cm.node import REG_SZ, utf16
from ntgate.executive.cm.reg_import import RegFiles
from ntgate.executive.cm.tree import KeyTree

DEFAULT_REG = Path(__file__).with_name("default.reg")
CONFIG = r"\Device\HarddiskVolume1\WINDOWS\system32\config"
PROFILE = r"\Device\HarddiskVolume1\Documents and Settings\Administrator"
USER_DATA = PROFILE + r"\Local Settings\Application Data\Microsoft\Windows\UsrClass.dat"

# Name below MACHINE, file.
MACHINE_HIVES = {
    "SYSTEM": rf"{CONFIG}\system",
    "SOFTWARE": rf"{CONFIG}\software",
    "SAM": rf"{CONFIG}\SAM",
    "SECURITY": rf"{CONFIG}\SECURITY",
}
HIVE_LIST = r"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Control\hivelist"


def fill(tree: KeyTree, user_sid: str) -> None:
    """Mount the hives of an XP SP3 machine with one user, and read default.reg into them."""
    for name, file in MACHINE_HIVES.items():
        tree.new_hive(tree.machine, name, file)
    tree.new_hive(tree.machine, "HARDWARE", volatile=True)
    tree.new_hive(tree.user, ".DEFAULT", rf"{CONFIG}\default")
    tree.new_hive(tree.user, user_sid, rf"{PROFILE}\NTUSER.DAT")
    tree.new_hive(tree.user, f"{user_sid}_Classes", USER_DATA)
    local_system = tree.new_hive(tree.user, "S-1-5-18")
    tree.make_link(local_system, r"\REGISTRY\USER\.DEFAULT")
    files = RegFiles(tree, user_sid)
    files.read(reg_text.decode(DEFAULT_REG.read_bytes()))
    classes = tree.create(tree.find(rf"\REGISTRY\USER\{user_sid}\Software"), "Classes")
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
