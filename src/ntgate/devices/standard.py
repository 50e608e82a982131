"""The devices of every machine, and what fills C: in it."""

from __future__ import annotations

from collections.abc import Mapping

from ntgate.devices.consoles.driver import attach_console
from ntgate.devices.listed_files import ListedFile, ListedFolder, Listing, add_listed
from ntgate.devices.mount_manager import attach_mount_manager
from ntgate.devices.mup import attach_network
from ntgate.devices.network.driver import attach_sockets
from ntgate.devices.null import attach_null
from ntgate.executive.io.manager import IoManager

SYSTEM32 = ("WINDOWS", "system32")
EMPTY = (  # folders that programs expect in system32
    ("CatRoot",),
    ("config",),
    ("drivers",),
    ("spool", "PRINTERS"),
    ("Tasks",),  # newer than XP: of Wine's task scheduler
)


def attach_devices(io: IoManager) -> None:
    """All of them; C: and the pipes are there already."""
    attach_null(io)
    attach_console(io)
    attach_mount_manager(io)
    attach_sockets(io)
    attach_network(io)


def mount_system_files(io: IoManager, files: Mapping[str, str]) -> None:
    r"""Put files of the host on C:, by their full paths; the guest changes them for itself alone.

    system32 has none but these.
    """
    tree = io.volume.tree
    system32: Listing = {}
    for path, file in files.items():
        _drive, *folders, name = path.split("\\")
        if tuple(folders[: len(SYSTEM32)]) == SYSTEM32:
            add_listed(system32, (*folders[len(SYSTEM32) :], name), file)
        else:
            tree.add_file(ListedFile(file), *folders, name)
    tree.mount(ListedFolder(system32), *SYSTEM32)
    for names in EMPTY:
        tree.make_directories(*SYSTEM32, *names)
