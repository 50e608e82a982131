"""GDI for programs that are seen by nobody: objects are made and asked for, nothing is drawn."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG, Scalar, SizedBy
from ntgate.errors import NtError
from ntgate.executive.mm import allocate, free
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k import gdi
from ntgate.executive.win32k.gdi import GdiObject, GdiObjects
from ntgate.executive.win32k.windows import HEIGHT, WIDTH
from ntgate.layout.mm import MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE
from ntgate.layout.ps import PEB
from ntgate.layout.win32_errors import ERROR_INVALID_WINDOW_HANDLE
from ntgate.services.win32k.user import DPI, FALSE, INT, TRUE
from ntgate.services.win32k.user_call import fail

ObjectBuffer = Annotated[int, Scalar("PVOID", kind="pointer"), SizedBy("count", "out")]
FontData = Annotated[int, Scalar("PVOID", kind="pointer")]

# GetDeviceCaps of a screen of 32-bit colour; others are 0.
CAPABILITIES = {
    0: 0x0500, 2: 1, 4: 320, 6: 240, 8: WIDTH, 10: HEIGHT, 12: 32, 14: 1, 16: -1, 18: -1, 24: -1,
    26: 0, 28: 0x1FF, 30: 0xFE, 32: 0xFF, 34: 0x7807, 36: 1, 38: 0x7E99, 40: 36, 42: 36, 44: 51,
    88: DPI, 90: DPI, 108: 24, 116: 60, 117: HEIGHT, 118: WIDTH,
}  # fmt: skip
BITMAPINFOHEADER_SIZE, DEPTHS = 40, (1, 4, 8, 16, 24, 32)
# By the kinds' numbers in GDI handles, as gdi32's GetCurrentObject passes them on.
OBJECT_KINDS = {
    0x50000: gdi.BITMAP, 0x80000: gdi.PALETTE, 0xA0000: gdi.FONT, 0x100000: gdi.BRUSH,
    0x300000: gdi.PEN, 0x500000: gdi.PEN,
}  # fmt: skip


def gdi_objects(caller: Thread) -> GdiObjects:
    """Those of the caller's process, whose table is made at the first need."""
    process = caller.process
    if process.gdi is None:

        def take(size: int) -> int:
            kind = MEM_COMMIT | MEM_RESERVE
            return allocate.allocate(process.space, 0, size, kind, PAGE_READWRITE)[0]

        def give(address: int) -> None:
            with suppress(NtError):  # the program may have freed it itself
                free.free(process.space, address, 0, MEM_RELEASE)

        process.gdi = GdiObjects(caller.memory, take, give)
        peb = process.eprocess.Peb
        caller.memory.set_u32(peb + PEB.GdiSharedHandleTable.offset, process.gdi.table)
    return process.gdi


@service()
def NtGdiCreateSolidBrush(caller: Thread, color: ULONG, brush: HANDLE) -> Outcome:
    """A brush of one colour."""
    data = gdi.LOGBRUSH.pack(gdi.BS_SOLID, color, 0)
    return gdi_objects(caller).create(GdiObject(gdi.BRUSH, data))


@service(partial="the pattern is not kept")
def NtGdiCreatePatternBrushInternal(
    caller: Thread, bitmap: HANDLE, pen: ULONG, is_8x8: ULONG
) -> Outcome:
    """A brush of a bitmap."""
    objects = gdi_objects(caller)
    if objects.get(bitmap, gdi.BITMAP) is None:
        return 0
    data = gdi.LOGBRUSH.pack(gdi.BS_PATTERN, 0, bitmap)
    return objects.create(GdiObject(gdi.BRUSH, data))


@service()
def NtGdiCreatePen(
    caller: Thread, style: INT, width: INT, color: ULONG, brush: HANDLE
) -> Outcome:
    """A pen of one colour."""
    data = gdi.LOGPEN.pack(style & 0xFFFFFFFF, min(abs(width), 0x7FFFFFFF), 0, color)
    return gdi_objects(caller).create(GdiObject(gdi.PEN, data))


@service(partial="the bits are not kept")
def NtGdiCreateBitmap(
    caller: Thread, width: INT, height: INT, planes: ULONG, bpp: ULONG, bits: PVOID
) -> Outcome:
    """A bitmap of the device's own format."""
    if not gdi.is_bitmap_size(width, height) or planes != 1 or bpp > 32:
        return 0
    if not width or not height:
        return gdi_objects(caller).stock(gdi.DEFAULT_BITMAP)
    data = gdi.bitmap_header(width, height, planes, bpp)
    return gdi_objects(caller).create(GdiObject(gdi.BITMAP, data))


@service(partial="there are no bits")
def NtGdiCreateCompatibleBitmap(
    caller: Thread, hdc: HANDLE, width: INT, height: INT
) -> Outcome:
    """A bitmap as a device context's own."""
    objects = gdi_objects(caller)
    device = objects.get(hdc, gdi.DC, gdi.MEMORY_DC)
    if device is None or not gdi.is_bitmap_size(width, height):
        return 0
    data = gdi.bitmap_header(width, height, 1, 32 if device.kind == gdi.DC else 1)
    return objects.create(GdiObject(gdi.BITMAP, data))


@service(partial="its bits are the program's own; a section gives none")
def NtGdiCreateDIBSection(
    caller: Thread, hdc: HANDLE, section: HANDLE, offset: ULONG, bmi: PVOID, usage: ULONG,
    header_size: ULONG, flags: ULONG, color_space: ULONG, bits: PVOID,
) -> Outcome:  # fmt: skip
    """A bitmap whose bits, zeroed, stand in the process."""
    size, width, height, _, depth = struct.unpack("<IiiHH", caller.memory.read(bmi, 16))
    fits = width and height and gdi.is_bitmap_size(width, abs(height)) and depth in DEPTHS
    if section or size < BITMAPINFOHEADER_SIZE or not fits:
        return 0
    objects = gdi_objects(caller)
    stride = (width * depth + 31) // 32 * 4
    try:
        address = objects.allocate_bits(stride * abs(height))
    except NtError:
        return 0
    data = gdi.BITMAP_HEADER.pack(0, width, abs(height), stride, 1, depth, address)
    if bits:
        caller.memory.set_u32(bits, address)
    return objects.create(GdiObject(gdi.BITMAP, data, bits=address))


@service()
def NtGdiHfontCreate(
    caller: Thread, logfont: FontData, unk2: ULONG, unk3: ULONG, unk4: ULONG, data: PVOID
) -> Outcome:
    """A font: of its ENUMLOGFONTEXDV, the LOGFONTW at its start is kept."""
    font = caller.memory.read(logfont, gdi.LOGFONT_SIZE)
    return gdi_objects(caller).create(GdiObject(gdi.FONT, font))


@service()
def NtGdiExtGetObjectW(
    caller: Thread, handle: HANDLE, count: INT, buffer: ObjectBuffer
) -> Outcome:
    """The LOGBRUSH, LOGPEN, LOGFONTW or BITMAP of an object; with no buffer, its size."""
    found = gdi_objects(caller).get(handle)
    if found is None or not found.data:
        return 0
    size = len(found.data)
    if buffer:
        if found.kind == gdi.FONT:
            size = max(0, min(size, count))
        elif count < size:
            return 0
        caller.memory.write(buffer, found.data[:size])
    return size


@service()
def NtGdiDeleteObjectApp(caller: Thread, obj: HANDLE) -> Outcome:
    """Delete any object, a device context too."""
    return int(gdi_objects(caller).delete(obj))


@service()
def NtGdiCreateCompatibleDC(caller: Thread, hdc: HANDLE) -> Outcome:
    """A device context for a bitmap."""
    return gdi_objects(caller).create_dc(gdi.MEMORY_DC, 1, 1)


@service(partial="the screen is the only device")
def NtGdiOpenDCW(
    caller: Thread, device: PVOID, devmode: PVOID, output: PVOID, type: ULONG,
    is_display: ULONG, hspool: HANDLE, driver_info: PVOID, pdev: PVOID,
) -> Outcome:  # fmt: skip
    """The device context of a device by name."""
    return gdi_objects(caller).create_dc(gdi.DC, WIDTH, HEIGHT) if is_display else 0


def _window_dc(caller: Thread, hwnd: int) -> Outcome:
    """The screen's for 0."""
    if not hwnd:
        return gdi_objects(caller).create_dc(gdi.DC, WIDTH, HEIGHT)
    window = caller.executive.windows.get(hwnd)
    if window is None:
        return fail(caller, ERROR_INVALID_WINDOW_HANDLE)
    left, top, right, bottom = window.rectangle
    return gdi_objects(caller).create_dc(gdi.DC, max(0, right - left), max(0, bottom - top))


@service()
def NtUserGetDC(caller: Thread, hwnd: HANDLE) -> Outcome:
    """The device context of a window, or of the screen."""
    return _window_dc(caller, hwnd)


@service(partial="the region and the flags change nothing")
def NtUserGetDCEx(caller: Thread, hwnd: HANDLE, clip_rgn: HANDLE, flags: ULONG) -> Outcome:
    """As NtUserGetDC."""
    return _window_dc(caller, hwnd)


@service()
def NtUserGetWindowDC(caller: Thread, hwnd: HANDLE) -> Outcome:
    """As NtUserGetDC: a window's frame takes no room."""
    return _window_dc(caller, hwnd)


@service()
def NtUserReleaseDC(caller: Thread, hwnd: HANDLE, hdc: HANDLE) -> Outcome:
    """Give a device context back."""
    objects = gdi_objects(caller)
    return int(objects.get(hdc, gdi.DC) is not None and objects.delete(hdc))


@service()
def NtGdiGetDeviceCaps(caller: Thread, hdc: HANDLE, cap: INT) -> Outcome:
    """What the screen can do."""
    if gdi_objects(caller).get(hdc, gdi.DC, gdi.MEMORY_DC) is None:
        return 0
    return CAPABILITIES.get(cap, 0)


@service()
def NtGdiGetDCObject(caller: Thread, hdc: HANDLE, type: ULONG) -> Outcome:
    """The object of a kind that a device context has."""
    device = gdi_objects(caller).get(hdc, gdi.DC, gdi.MEMORY_DC)
    kind = OBJECT_KINDS.get(type)
    return 0 if device is None or kind is None else device.selected[kind]


def _select(caller: Thread, hdc: int, handle: int, kind: int) -> int:
    """The handle that was selected until now; 0 for a wrong one."""
    objects = gdi_objects(caller)
    device = objects.get(hdc, gdi.DC, gdi.MEMORY_DC)
    if device is None or objects.get(handle, kind) is None:
        return 0
    old, device.selected[kind] = device.selected[kind], handle
    return old


@service()
def NtGdiSelectBrush(caller: Thread, hdc: HANDLE, handle: HANDLE) -> Outcome:
    """Select a brush into a device context."""
    return _select(caller, hdc, handle, gdi.BRUSH)


@service()
def NtGdiSelectPen(caller: Thread, hdc: HANDLE, handle: HANDLE) -> Outcome:
    """Select a pen into a device context."""
    return _select(caller, hdc, handle, gdi.PEN)


@service()
def NtGdiSelectFont(caller: Thread, hdc: HANDLE, handle: HANDLE) -> Outcome:
    """Select a font into a device context."""
    return _select(caller, hdc, handle, gdi.FONT)


@service()
def NtGdiSelectBitmap(caller: Thread, hdc: HANDLE, handle: HANDLE) -> Outcome:
    """Select a bitmap into a device context for bitmaps."""
    device = gdi_objects(caller).get(hdc, gdi.MEMORY_DC)
    return 0 if device is None else _select(caller, hdc, handle, gdi.BITMAP)


@service()
def NtGdiFlush(caller: Thread) -> Outcome:
    """Nothing is kept back."""
    return TRUE


@service(partial="no regions")
def NtGdiGetAndSetDCDword(
    caller: Thread, hdc: HANDLE, method: ULONG, value: ULONG, result: PVOID
) -> Outcome:
    """A device context's attributes that gdi32 does not keep itself."""
    return FALSE
