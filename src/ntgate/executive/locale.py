"""The locale settings of a machine: English (United States) at its start."""

from __future__ import annotations

from ntgate.records import dataclass

ENGLISH_US = 0x0409


@dataclass(slots=True)
class Locale:
    """LCIDs of the user and of the system, and LANGIDs of the user interface."""

    user: int = ENGLISH_US
    system: int = ENGLISH_US
    language: int = ENGLISH_US
    installed_language: int = ENGLISH_US
