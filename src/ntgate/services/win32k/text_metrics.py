"""How large text is in a device context.

There are no font files: widths are those of a plain sans-serif face, or of a fixed one, scaled to
the font's height, so that layouts come out as on a screen.
"""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG, Scalar
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k import gdi
from ntgate.services.win32k.gdi import gdi_objects
from ntgate.services.win32k.user import INT, TRUE

Address = Annotated[int, Scalar("PVOID", kind="pointer")]
LOGFONT = struct.Struct("<5i8B64s")
TEXTMETRIC = struct.Struct("<11i4H5B3x")
DEFAULT_HEIGHT, CELL_OF_EM = 16, 1.21
MOST_TEXT = 0x2000  # characters
FIXED_PITCH, VARIABLE_FAMILY, FIXED_FAMILY = 1, 0x21, 0x30  # no outlines
FIXED_FACES = frozenset(("courier", "courier new", "fixedsys", "lucida console", "terminal"))
ANSI_CHARSET, NORMAL_WEIGHT = 0, 400
# In thousandths of the em.
FIXED_WIDTH, OTHER_WIDTH, FULL_WIDTH = 600, 530, 1000
WIDTHS = (
    dict.fromkeys("ijl'.,:;!|I", 260) | dict.fromkeys("frt()[]{}\"-/\\ ", 340)
    | dict.fromkeys("mwMW@%", 850) | dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&", 650)
    | dict.fromkeys("0123456789$#+=<>~_", 550)
)  # fmt: skip
FIRST_WIDE = "\u1100"


class Font:
    """What of a LOGFONTW counts here; sizes in dots."""

    def __init__(self, logfont: bytes) -> None:
        fields = LOGFONT.unpack(logfont[: LOGFONT.size].ljust(LOGFONT.size, b"\0"))
        height, self.weight = fields[0], fields[4] or NORMAL_WEIGHT
        self.italic, self.underline, self.struck_out, self.charset = fields[5:9]
        self.face: str = fields[13].decode("utf-16-le", "replace").split("\0")[0]
        self.fixed = fields[12] & 3 == FIXED_PITCH or self.face.lower() in FIXED_FACES
        if height < 0:
            self.em: int = min(-height, 0x1000)
            self.cell: int = max(1, round(self.em * CELL_OF_EM))
        else:
            self.cell = min(height, 0x1000) or DEFAULT_HEIGHT
            self.em = max(1, round(self.cell / CELL_OF_EM))

    def width(self, letter: str) -> int:
        """Of one UTF-16 unit."""
        if self.fixed:
            share = FIXED_WIDTH
        else:
            share = WIDTHS.get(letter, FULL_WIDTH if letter >= FIRST_WIDE else OTHER_WIDTH)
        return max(1, (self.em * share + 500) // 1000)


def font_of(caller: Thread, hdc: int) -> Font | None:
    """The font that a device context has; None for none such."""
    objects = gdi_objects(caller)
    device = objects.get(hdc, gdi.DC, gdi.MEMORY_DC)
    if device is None:
        return None
    selected = objects.get(device.selected[gdi.FONT], gdi.FONT)
    return Font(selected.data if selected is not None else b"")


@service(partial="without font files: a plain face's widths")
def NtGdiGetTextExtentExW(
    caller: Thread, hdc: HANDLE, str: PVOID, count: INT, max_ext: INT, nfit: Address,
    dxs: Address, size: Address, flags: ULONG,
) -> Outcome:  # fmt: skip
    """Width and height of a text, the end of each character, and how many fit."""
    font = font_of(caller, hdc)
    if font is None or not 0 <= count <= MOST_TEXT:
        return 0
    text = caller.memory.read(str, 2 * count) if count else b""
    width, fitting, ends = 0, 0, []
    for (unit,) in struct.iter_unpack("<H", text):
        width += font.width(chr(unit))
        ends.append(width)
        fitting += width <= max_ext
    if nfit:
        caller.memory.set_u32(nfit, fitting)
        ends = ends[:fitting]
    if dxs:
        caller.memory.write(dxs, struct.pack(f"<{len(ends)}i", *ends))
    if size:
        caller.memory.write(size, struct.pack("<2i", width, font.cell))
    return TRUE


@service(partial="without font files: a plain face's measures")
def NtGdiGetTextMetricsW(
    caller: Thread, hdc: HANDLE, metrics: Address, flags: ULONG
) -> Outcome:
    """TEXTMETRICW of the font."""
    font = font_of(caller, hdc)
    if font is None:
        return 0
    ascent = font.cell - max(1, font.cell // 5)
    data = TEXTMETRIC.pack(
        font.cell, ascent, font.cell - ascent, font.cell - font.em, 0, font.width("x"),
        font.width("W"), font.weight, 0, 96, 96, 0x20, 0xFFFC, 0x1F, 0x20, font.italic,
        font.underline, font.struck_out, FIXED_FAMILY if font.fixed else VARIABLE_FAMILY,
        font.charset,
    )  # fmt: skip
    caller.memory.write(metrics, data)
    return TRUE


@service(partial="without font files: as asked for")
def NtGdiGetTextFaceW(
    caller: Thread, hdc: HANDLE, count: INT, name: Address, alias_name: ULONG
) -> Outcome:
    """The name of the font, or the room that it takes."""
    font = font_of(caller, hdc)
    if font is None:
        return 0
    face = font.face or "System"
    if not name:
        return len(face) + 1
    if count <= 0:
        return 0
    shown = face[: count - 1]
    caller.memory.write(name, f"{shown}\0".encode("utf-16-le", "replace"))
    return len(shown) + 1


@service(partial="no signature")
def NtGdiGetTextCharsetInfo(
    caller: Thread, hdc: HANDLE, fs: Address, flags: ULONG
) -> Outcome:
    """The character set."""
    font = font_of(caller, hdc)
    return font.charset if font is not None else ANSI_CHARSET
