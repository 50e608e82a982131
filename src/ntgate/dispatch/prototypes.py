"""The prototypes of NT's services: what a call passes where no function is declared for it.

From the public headers and lists of system calls; a test holds the declarations against them.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from ntgate.records import dataclass

DATA = Path(__file__).parent / "data"
FILES = ("nt_prototypes.json", "win32k_prototypes.json")


@dataclass(frozen=True)
class PrototypeParameter:
    """`type_name` as the prototype writes it, PHANDLE; `direction` in, out or inout."""

    type_name: str
    name: str
    direction: str
    optional: bool


@cache
def prototypes() -> dict[str, tuple[PrototypeParameter, ...]]:
    """By the name of the service."""
    return {
        name: tuple(PrototypeParameter(*parameter) for parameter in parameters)
        for file in FILES
        for name, parameters in json.loads((DATA / file).read_text(encoding="ascii")).items()
    }
