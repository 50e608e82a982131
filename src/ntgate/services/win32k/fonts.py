"""What GDI tells of fonts where there are no font files: no families, glyphs or tables.

Widths are those of text_metrics.py.  A program that looks for a font finds none, as on a machine
without fonts, instead of answers that it can't tell from a font's.
"""

from __future__ import annotations

import struct
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG, Scalar
from ntgate.executive.ps.thread import Thread
from ntgate.services.win32k.text_metrics import font_of
from ntgate.services.win32k.user import FALSE, INT, TRUE

Address = Annotated[int, Scalar("PVOID", kind="pointer")]
GDI_ERROR = 0xFFFFFFFF
NTGDI_GETCHARWIDTH_INT, NTGDI_GETCHARWIDTH_INDICES = 2, 8  # whole dots, else floats
NTGDI_GETCHARABCWIDTHS_INT, NTGDI_GETCHARABCWIDTHS_INDICES = 1, 2
MOST_WIDTHS = 0x10000
RASTERIZER_STATUS = struct.Struct("<3h")


@service()
def NtGdiEnumFonts(
    caller: Thread, hdc: HANDLE, type: ULONG, win32_compat: ULONG, face_name_len: ULONG,
    face_name: PVOID, charset: ULONG, count: Address, buf: PVOID,
) -> Outcome:  # fmt: skip
    """The fonts of a name and character set: none."""
    if font_of(caller, hdc) is None:
        return FALSE
    caller.memory.set_u32(count, 0)
    return TRUE


@service(partial="without font files: a plain face's widths")
def NtGdiGetCharWidthW(
    caller: Thread, hdc: HANDLE, first_char: ULONG, last_char: ULONG, chars: PVOID,
    flags: ULONG, buffer: Address,
) -> Outcome:  # fmt: skip
    """The width of each character of a range or list; of glyphs, which there are none of, no."""
    widths = _widths(caller, hdc, first_char, last_char, chars)
    if widths is None or flags & NTGDI_GETCHARWIDTH_INDICES:
        return FALSE
    form = "i" if flags & NTGDI_GETCHARWIDTH_INT else "f"
    caller.memory.write(buffer, struct.pack(f"<{len(widths)}{form}", *widths))
    return TRUE


@service(partial="without font files: a plain face's widths")
def NtGdiGetCharABCWidthsW(
    caller: Thread, hdc: HANDLE, first: ULONG, last: ULONG, chars: PVOID, flags: ULONG,
    buffer: Address,
) -> Outcome:  # fmt: skip
    """The same as the spaces before and behind each character, which are 0, and its own width.

    In whole dots only outline fonts have them.
    """
    widths = _widths(caller, hdc, first, last, chars)
    if widths is None or flags & (NTGDI_GETCHARABCWIDTHS_INT | NTGDI_GETCHARABCWIDTHS_INDICES):
        return FALSE
    caller.memory.write(buffer, b"".join(struct.pack("<3f", 0, width, 0) for width in widths))
    return TRUE


def _widths(caller: Thread, hdc: int, first: int, last: int, chars: int) -> list[int] | None:
    """Of `last` characters of a list, else from the first to the last one."""
    font = font_of(caller, hdc)
    count = last if chars else last - first + 1
    if font is None or not 0 <= count <= MOST_WIDTHS:
        return None
    if chars:
        units = [unit for (unit,) in struct.iter_unpack("<H", caller.memory.read(chars, 2 * count))]
    else:
        units = [unit & 0xFFFF for unit in range(first, last + 1)]
    return [font.width(chr(unit)) for unit in units]


@service()
def NtGdiGetFontData(
    caller: Thread, hdc: HANDLE, table: ULONG, offset: ULONG, buffer: PVOID, length: ULONG
) -> Outcome:
    """A part of the font's file: there is no file."""
    return GDI_ERROR


@service()
def NtGdiGetGlyphIndicesW(
    caller: Thread, hdc: HANDLE, str: PVOID, count: INT, indices: PVOID, flags: ULONG
) -> Outcome:
    """The glyphs of characters: there are none."""
    return GDI_ERROR


@service()
def NtGdiGetGlyphOutline(
    caller: Thread, hdc: HANDLE, ch: ULONG, format: ULONG, metrics: PVOID, size: ULONG,
    buffer: PVOID, mat2: PVOID, ignore_rotation: ULONG,
) -> Outcome:  # fmt: skip
    """A glyph's picture: there is none."""
    return GDI_ERROR


@service()
def NtGdiGetKerningPairs(caller: Thread, hdc: HANDLE, count: ULONG, kern_pair: PVOID) -> Outcome:
    """No two characters of the plain face stand nearer than their widths say."""
    return 0


@service()
def NtGdiGetOutlineTextMetricsInternalW(
    caller: Thread, hdc: HANDLE, cbData: ULONG, otm: PVOID, opts: ULONG
) -> Outcome:
    """Of outline fonts only, which there are none of: 0, as for a bitmap font."""
    return 0


@service()
def NtGdiGetFontUnicodeRanges(caller: Thread, hdc: HANDLE, lpgs: PVOID) -> Outcome:
    """The characters that the font has a glyph for: no such font."""
    return 0


@service()
def NtGdiGetRasterizerCaps(caller: Thread, status: Address, size: ULONG) -> Outcome:
    """Whether TrueType fonts can be used: not without files."""
    data = RASTERIZER_STATUS.pack(RASTERIZER_STATUS.size, 0, 0)
    caller.memory.write(status, data[:size])
    return TRUE
