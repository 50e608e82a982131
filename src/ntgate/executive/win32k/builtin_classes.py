"""The window classes of user32, which win32k registers: the procedures are user32's."""

from __future__ import annotations

import struct

from ntgate.executive.ps.thread import Process
from ntgate.executive.win32k.windows import Windows
from ntgate.layout.user import (
    CS_DBLCLKS,
    CS_DROPSHADOW,
    CS_GLOBALCLASS,
    CS_HREDRAW,
    CS_PARENTDC,
    CS_SAVEBITS,
    CS_VREDRAW,
)

_CONTROL = CS_DBLCLKS | CS_VREDRAW | CS_HREDRAW | CS_PARENTDC

# Places in user_client_procs, what Wine 8.0's user32 gives NtUserInitializeClientPfnArrays.
(
    BUTTON, COMBO, _DEFAULT, DIALOG, EDIT, LISTBOX, MDI_CLIENT, SCROLL_BAR, STATIC, IME, DESKTOP,
    ICON_TITLE, MENU, MESSAGE,
) = range(14)  # fmt: skip
PROCEDURES_SIZE = 14 * 4

# Name or atom, style, procedure, bytes of each window, colour of the background.
CLASSES: tuple[tuple[str | int, int, int, int, int], ...] = (
    ("Button", _CONTROL, BUTTON, 12, 0),
    ("ComboBox", _CONTROL, COMBO, 4, 0),
    ("ComboLBox", CS_DBLCLKS | CS_SAVEBITS, LISTBOX, 4, 0),
    (0x8002, CS_DBLCLKS | CS_SAVEBITS, DIALOG, 30, 0),
    ("Edit", CS_DBLCLKS | CS_PARENTDC, EDIT, 8, 0),
    (0x8004, 0, ICON_TITLE, 0, 0),
    ("IME", 0, IME, 8, 0),
    ("ListBox", CS_DBLCLKS, LISTBOX, 4, 0),
    (0x8000, CS_DROPSHADOW | CS_SAVEBITS | CS_DBLCLKS, MENU, 4, 5),
    ("MDIClient", 0, MDI_CLIENT, 8, 13),
    ("ScrollBar", _CONTROL, SCROLL_BAR, 32, 0),
    ("Static", CS_DBLCLKS | CS_PARENTDC, STATIC, 8, 0),
    (0x8001, CS_DBLCLKS, DESKTOP, 0, 2),
    ("Message", 0, MESSAGE, 0, 0),
)


def register(windows: Windows, process: Process, procedures: bytes, module: int) -> None:
    """Register them all for a process, global to its modules."""
    addresses = struct.unpack("<14I", procedures)
    for name, style, procedure, extra, brush in CLASSES:
        fields = [
            0x30, style | CS_GLOBALCLASS, addresses[procedure], 0, extra, module, 0, 0, brush, 0,
            0, 0,
        ]  # fmt: skip
        windows.add_class(process, name, fields, bytes(12), unicode=True)
