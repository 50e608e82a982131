r"""The control codes of \Device\ConDrv and their structures.

They are those by which Wine 8.0's kernelbase.dll talks to it (device type 50h, buffered), read in
its include/wine/condrv.h.
"""

from __future__ import annotations

import struct

GET_MODE        = 0x504000
SET_MODE        = 0x508004
READ_CONSOLE    = 0x504028
READ_FILE       = 0x50402C
READ_INPUT      = 0x504030
WRITE_INPUT     = 0x508034
PEEK            = 0x504038
GET_INPUT_INFO  = 0x50403C
SET_INPUT_INFO  = 0x508040
GET_TITLE       = 0x504044
SET_TITLE       = 0x508048
CTRL_EVENT      = 0x50004C
BEEP            = 0x500050
FLUSH           = 0x500054
GET_WINDOW      = 0x500058
GET_PROCESS_LIST = 0x50005C
READ_CONSOLE_CONTROL = 0x504060
WRITE_CONSOLE   = 0x508078
WRITE_FILE      = 0x50807C
READ_OUTPUT     = 0x504080
WRITE_OUTPUT    = 0x508084
GET_OUTPUT_INFO = 0x504088
SET_OUTPUT_INFO = 0x50808C
ACTIVATE        = 0x508090
FILL_OUTPUT     = 0x508094
SCROLL          = 0x508098
BIND_PID        = 0x5000CC

BLOCKING = frozenset((READ_CONSOLE, READ_FILE, READ_INPUT, READ_CONSOLE_CONTROL))

# Modes of input and of a screen buffer.
ENABLE_PROCESSED_INPUT = 0x001
ENABLE_LINE_INPUT      = 0x002
ENABLE_ECHO_INPUT      = 0x004
ENABLE_WINDOW_INPUT    = 0x008
ENABLE_INSERT_MODE     = 0x020
ENABLE_EXTENDED_FLAGS  = 0x080
INPUT_MODE = 0x1F7  # all of them but that of the window
ENABLE_PROCESSED_OUTPUT   = 0x001
ENABLE_WRAP_AT_EOL_OUTPUT = 0x002
OUTPUT_MODE = 0x003

# What a mask of SET_INPUT_INFO and of SET_OUTPUT_INFO changes.
INPUT_CODE_PAGE, OUTPUT_CODE_PAGE = 0x01, 0x02
CURSOR_SHAPE, CURSOR_POSITION, BUFFER_SIZE, ATTRIBUTES = 0x01, 0x02, 0x04, 0x08
WINDOW, LARGEST_WINDOW, POPUP_ATTRIBUTES, FONT = 0x10, 0x20, 0x40, 0x80

TEXT, COLORS, CELLS = range(3)  # what an array of READ_OUTPUT and its like consists of

ULONG = struct.Struct("<I")
INPUT_INFO = struct.Struct("<3I")  # input and output code page, how many records wait
SET_INPUT_INFO_DATA = struct.Struct("<4I")  # the mask before them
# Where, what (TEXT and so on), columns; 0 columns: on from line to line.
OUTPUT_DATA = struct.Struct("<4I")
# Cursor size and visibility, cursor, buffer, attributes, popup attributes, window, the largest
# window, font size, weight, pitch and family, 16 colours; behind it the font's name.
OUTPUT_INFO = struct.Struct("<18h16I")
FILL_DATA = struct.Struct("<5i2H")  # where, what, count, whether it wraps, character, attributes
# What moves, where to, what may change, and the cell that fills what is left.
SCROLL_DATA = struct.Struct("<4h2h4h2H")
REGION = struct.Struct("<4h")
TITLE_SIZE = 8  # of the answer with an empty title: its length, room for a character, padding
CONTROL_EVENT = struct.Struct("<iI")  # the event and the group of processes

# An INPUT_RECORD: its type, and of a key whether it is down, count, key, scan code, character
# and control keys.
INPUT_RECORD = struct.Struct("<HxxI4HI")
BUFFER_SIZE_RECORD = struct.Struct("<Hxx2h12x")
MOUSE_RECORD = struct.Struct("<Hxx2h3I")  # where, buttons, control keys, what happened
KEY_EVENT, MOUSE_EVENT, WINDOW_BUFFER_SIZE_EVENT = 1, 2, 4
MOUSE_MOVED = 0x01
LEFT_ALT_PRESSED, LEFT_CTRL_PRESSED, SHIFT_PRESSED = 0x02, 0x08, 0x10
ALT_PRESSED, CTRL_PRESSED = 0x03, 0x0C
ENHANCED_KEY = 0x100
CTRL_C = 0x03
