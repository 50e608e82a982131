"""The devices of every machine, and what fills C: in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ntgate.devices.afd import attach_sockets
from ntgate.devices.consoles.driver import attach_console
from ntgate.devices.listed_files import ListedFolder
from ntgate.devices.mount_manager import attach_mount_manager
from ntgate.devices.mup import attach_network
from ntgate.devices.null import attach_null
from ntgate.executive.io.manager import IoManager

SYSTEM32 = ("WINDOWS", "system32")


def attach_devices(io: IoManager) -> None:
    """All of them; C: and the pipes are there already."""
    attach_null(io)
    attach_console(io)
    attach_mount_manager(io)
    attach_sockets(io)
    attach_network(io)


def mount_system_files(io: IoManager, files: Mapping[str, Path]) -> None:
    r"""Fill C:\WINDOWS\system32 with host files, which the guest changes for itself alone."""
    io.volume.tree.mount(ListedFolder(files), *SYSTEM32)
