"""Names of objects: letter case, and the hash of a name in a directory."""

from __future__ import annotations

from functools import lru_cache

from ntgate.layout.ob import NUMBER_HASH_BUCKETS


@lru_cache(maxsize=4096)
def upcase(name: str) -> str:
    """The name in capitals, unit for unit, as RtlUpcaseUnicodeString.

    Letters without a capital of one UTF-16 unit that leads back to them stay as they are.
    """
    if name.isascii():
        return name.upper()
    return "".join(_upcase_unit(unit) for unit in name)


def _upcase_unit(unit: str) -> str:
    upper = unit.upper()
    if len(upper) != 1 or ord(upper) > 0xFFFF or upper.lower() != unit:
        return unit
    return upper


@lru_cache(maxsize=4096)
def bucket_of(name: str) -> int:
    """The hash bucket of a name: the same in any letter case.  From public write-ups."""
    value = 0
    encoded = upcase(name).encode("utf-16-le", "surrogatepass")
    for low, high in zip(encoded[::2], encoded[1::2], strict=True):
        value = value + (value << 1) + (value >> 1) + (low | high << 8) & 0xFFFFFFFF
    return value % NUMBER_HASH_BUCKETS


def split(path: str) -> tuple[str, str]:
    """The first component and the rest, which starts with its backslash or is empty."""
    mark = path.find("\\")
    return (path, "") if mark < 0 else (path[:mark], path[mark:])
