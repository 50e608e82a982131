r"""The window station WinSta0 with its desktop Default, which every program of the machine has.

Nobody sees them: there is no display, no window can be made and no message comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ob.attributes import OBJ_PERMANENT
from ntgate.executive.ob.manager import ObjectManager
from ntgate.layout.access import GENERIC_ALL

if TYPE_CHECKING:
    from ntgate.executive.ps.thread import Process

STATION = r"\Windows\WindowStations\WinSta0"
STATION_NAME, DESKTOP_NAME = "WinSta0", "Default"
BODY_SIZE = 0x40


class Desktops:
    """Gives processes their handles when they first ask."""

    def __init__(self, objects: ObjectManager) -> None:
        self._objects = objects
        self._station = self._desktop = 0
        # A desktop's name is known in its window station alone, which keeps a list of its own.
        objects.types["Desktop"].query_name = lambda _body: f"\\{DESKTOP_NAME}"

    def station(self, process: Process) -> int:
        """The process's handle, kept in its EPROCESS; raises STATUS_INSUFFICIENT_RESOURCES."""
        eprocess = process.eprocess
        if not eprocess.Win32WindowStation:
            self._create()
            eprocess.Win32WindowStation = self._open(process, self._station)
        return eprocess.Win32WindowStation

    def desktop(self, process: Process) -> int:
        """The handle of the process's threads; raises STATUS_INSUFFICIENT_RESOURCES."""
        if not process.desktop:
            self._create()
            process.desktop = self._open(process, self._desktop)
        return process.desktop

    def _create(self) -> None:
        if self._station:
            return
        objects = self._objects
        attributes = ObjectAttributes(STATION, 0, OBJ_PERMANENT)
        kind = objects.types["WindowStation"]
        self._station = objects.create(kind, BODY_SIZE, attributes, kernel=True)
        objects.insert(0, self._station, 0, attributes)
        self._desktop = objects.create(objects.types["Desktop"], BODY_SIZE, kernel=True)

    def _open(self, process: Process, body: int) -> int:
        kind = self._objects.type_of(body)
        return self._objects.open_by_pointer(process.handles, body, GENERIC_ALL, 0, kind)
