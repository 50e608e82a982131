"""The window of a console: nobody sees it, but programs ask for it, hide it and read its title.

It is the kernel's own, as it is csrss's on XP: no thread of a program answers its messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ntgate.executive.win32k.windows import Window
from ntgate.layout.user import (
    WS_CAPTION,
    WS_CLIPSIBLINGS,
    WS_EX_ACCEPTFILES,
    WS_EX_WINDOWEDGE,
    WS_MAXIMIZEBOX,
    WS_MINIMIZEBOX,
    WS_SYSMENU,
    WS_THICKFRAME,
    WS_VISIBLE,
)

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive

CLASS_NAME = "ConsoleWindowClass"
NO_CLASS_DATA, NO_MENU = [0] * 12, bytes(12)  # as WindowClass has them
STYLE = (
    WS_CLIPSIBLINGS | WS_CAPTION | WS_SYSMENU | WS_THICKFRAME | WS_MINIMIZEBOX | WS_MAXIMIZEBOX
)
EXTENDED_STYLE = WS_EX_WINDOWEDGE | WS_EX_ACCEPTFILES
CELL_WIDTH, CELL_HEIGHT = 8, 12  # of XP's raster font


def make_window(
    executive: Executive, title: str, cells: tuple[int, int], *, visible: bool,
    closing: Callable[[], None],
) -> Window:  # fmt: skip
    """closing() is called when somebody closes it."""
    windows = executive.windows
    assert windows.desktop is not None
    thread = windows.desktop.thread
    row = windows.find_class(thread.process, CLASS_NAME, 0)
    if row is None:
        row = windows.add_class(
            thread.process, CLASS_NAME, [*NO_CLASS_DATA], NO_MENU, unicode=True
        )
    place = (0, 0, cells[0] * CELL_WIDTH, cells[1] * CELL_HEIGHT)
    style = STYLE | (WS_VISIBLE if visible else 0)
    return windows.add(
        lambda handle: Window(
            handle, row, thread, 0, True, style, EXTENDED_STYLE, 0, 0, 0, place, bytearray(),
            title, closing=closing,
        )
    )
