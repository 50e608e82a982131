"""What is typed on a terminal of the host, as the keys of a US keyboard."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator

from ntgate.devices.consoles import codes as c
from ntgate.layout.user import VK_BACK, VK_CONTROL, VK_ESCAPE, VK_MENU, VK_RETURN, VK_SHIFT, VK_TAB

DELETE = "\x7f"  # what terminals send for the backspace key
PLAIN = "`1234567890-=qwertyuiop[]asdfghjkl;'\\zxcvbnm,./ "
SHIFTED = '~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"|ZXCVBNM<>? '
SCAN_CODES = (
    0x29, *range(0x02, 0x0E), *range(0x10, 0x1C), *range(0x1E, 0x29), 0x2B, *range(0x2C, 0x36),
    0x39,
)  # fmt: skip
PUNCTUATION = dict(zip("`-=[]\\;',./", (
    0xC0, 0xBD, 0xBB, 0xDB, 0xDD, 0xDC, 0xBA, 0xDE, 0xBC, 0xBE, 0xBF,
), strict=True))  # fmt: skip
# Virtual key and scan code by the final of a control sequence, or by its number before "~".
FINALS = {
    "A": (0x26, 0x48), "B": (0x28, 0x50), "C": (0x27, 0x4D), "D": (0x25, 0x4B), "F": (0x23, 0x4F),
    "H": (0x24, 0x47), "P": (0x70, 0x3B), "Q": (0x71, 0x3C), "R": (0x72, 0x3D), "S": (0x73, 0x3E),
}  # fmt: skip
NUMBERS = {
    1: (0x24, 0x47), 2: (0x2D, 0x52), 3: (0x2E, 0x53), 4: (0x23, 0x4F), 5: (0x21, 0x49),
    6: (0x22, 0x51), 15: (0x74, 0x3F), 17: (0x75, 0x40), 18: (0x76, 0x41), 19: (0x77, 0x42),
    20: (0x78, 0x43), 21: (0x79, 0x44), 23: (0x7A, 0x57), 24: (0x7B, 0x58),
}  # fmt: skip
FIRST_FUNCTION_KEY, LAST_FUNCTION_KEY = 0x70, 0x7B
SEQUENCE = re.compile(r"\x1b(?:O([A-Z])|\[([0-9;]*)([A-Z~]))")
CONTROLS = {
    "\r": (VK_RETURN, 0x1C), "\t": (VK_TAB, 0x0F), "\b": (VK_BACK, 0x0E), "\x1b": (VK_ESCAPE, 0x01),
}  # fmt: skip
MODIFIER_KEYS = (
    (c.SHIFT_PRESSED, VK_SHIFT, 0x2A), (c.LEFT_ALT_PRESSED, VK_MENU, 0x38),
    (c.LEFT_CTRL_PRESSED, VK_CONTROL, 0x1D),
)  # fmt: skip


class Keyboard:
    """Makes INPUT_RECORDs of a terminal's bytes, a character of which may come in parts."""

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def records(self, data: bytes) -> Iterator[bytes]:
        """Each key goes down and up, with the modifier keys around it."""
        text, at = self._decoder.decode(data), 0
        while at < len(text):
            found = SEQUENCE.match(text, at)
            if found is not None:
                at = found.end()
                yield from _special(found)
                continue
            alt = text[at] == "\x1b" and at + 1 < len(text)
            at += alt
            yield from _character(text[at], c.LEFT_ALT_PRESSED if alt else 0)
            at += 1


def _special(found: re.Match[str]) -> Iterator[bytes]:
    """An arrow, a function key and the like; modifiers come as a number above 1."""
    numbers = [int(text) if text else 0 for text in (found[2] or "").split(";")]
    final = found[1] or found[3]
    bits = max(numbers[1] - 1, 0) if len(numbers) > 1 else 0
    state = (
        bool(bits & 1) * c.SHIFT_PRESSED | bool(bits & 2) * c.LEFT_ALT_PRESSED
        | bool(bits & 4) * c.LEFT_CTRL_PRESSED
    )  # fmt: skip
    if final == "Z":
        yield from _press(VK_TAB, 0x0F, "\t", c.SHIFT_PRESSED)
        return
    key = NUMBERS.get(numbers[0]) if final == "~" else FINALS.get(final)
    if key is not None:
        extended = not FIRST_FUNCTION_KEY <= key[0] <= LAST_FUNCTION_KEY
        yield from _press(*key, "\0", state | extended * c.ENHANCED_KEY)


def _character(char: str, state: int) -> Iterator[bytes]:
    char = {"\n": "\r", DELETE: "\b"}.get(char, char)
    if char in CONTROLS:
        yield from _press(*CONTROLS[char], char, state)
    elif "\0" < char < "\x1b":
        letter = chr(ord(char) + 0x60)
        key = (ord(letter.upper()), SCAN_CODES[PLAIN.index(letter)])
        yield from _press(*key, char, state | c.LEFT_CTRL_PRESSED)
    elif char in PLAIN or char in SHIFTED:
        place = PLAIN.find(char)
        if place < 0:
            place, state = SHIFTED.index(char), state | c.SHIFT_PRESSED
        plain = PLAIN[place]
        key = (PUNCTUATION.get(plain, ord(plain.upper())), SCAN_CODES[place])
        yield from _press(*key, char, state)
    else:
        data = char.encode("utf-16-le")
        for at in range(0, len(data), 2):
            yield from _press(0, 0, chr(int.from_bytes(data[at : at + 2], "little")), state)


def _press(key: int, scan: int, char: str, state: int) -> Iterator[bytes]:
    held = state & c.ENHANCED_KEY
    used = [row for row in MODIFIER_KEYS if state & row[0]]
    for bit, modifier, modifier_scan in used:
        held |= bit
        yield _record(True, modifier, modifier_scan, 0, held & ~c.ENHANCED_KEY)
    for down in (True, False):
        yield _record(down, key, scan, ord(char), held)
    for bit, modifier, modifier_scan in reversed(used):
        held &= ~bit
        yield _record(False, modifier, modifier_scan, 0, held & ~c.ENHANCED_KEY)


def _record(down: bool, key: int, scan: int, char: int, state: int) -> bytes:
    return c.INPUT_RECORD.pack(c.KEY_EVENT, down, 1, key, scan, char, state)
