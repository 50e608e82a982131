"""Signatures of digests that a program has made itself: as the library takes them, and DSA's."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from ntgate.errors import NtError
from ntgate.executive.cng.keys import Padding, RandomBytes
from ntgate.layout.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_SIGNATURE,
    STATUS_NOT_SUPPORTED,
)

NAMES = ("SHA1", "SHA256", "SHA384", "SHA512", "MD2", "MD5")  # of BCRYPT_*_ALGORITHM
BY_SIZE = {20: "SHA1", 32: "SHA256", 48: "SHA384", 64: "SHA512"}  # bytes


class Digest:
    """A hash object of the library that has hashed its message."""

    def __init__(self, name: str, value: bytes) -> None:
        self._module: Any = import_module(f"Cryptodome.Hash.{name}")
        self._value = value
        made = self._module.new()
        self.oid: str = made.oid
        self.digest_size: int = made.digest_size
        self.block_size: int = made.block_size

    @classmethod
    def named(cls, name: str, value: bytes) -> Digest:
        """Raises NtError: STATUS_NOT_SUPPORTED for a name that is not known,
        STATUS_INVALID_PARAMETER for a value of another size.
        """
        if name not in NAMES:
            raise NtError(STATUS_NOT_SUPPORTED)
        made = cls(name, value)
        if made.digest_size != len(value):
            raise NtError(STATUS_INVALID_PARAMETER)
        return made

    def digest(self) -> bytes:
        return self._value

    def new(self, data: bytes | None = None) -> Any:
        """Another of the same kind, of that data."""
        return self._module.new(data)


class Group(Protocol):
    """What DSA and ECDSA calculate in."""

    order: int

    def part(self, k: int) -> int:
        """r before it is reduced: of g to the k, or of the point k G its x."""


def sign(
    group: Group, secret: int, value: bytes, padding: Padding | None, random: RandomBytes
) -> bytes:
    """r and s of DSA or ECDSA (FIPS 186-4), another pair each time.  Raises NtError
    STATUS_INVALID_PARAMETER, also where the padding names another hash.
    """
    from Cryptodome.Util.number import getRandomRange

    name = BY_SIZE.get(len(value))
    if name is None or (padding is not None and padding.hash_name not in ("", name)):
        raise NtError(STATUS_INVALID_PARAMETER)
    order = group.order
    size = (order.bit_length() + 7) // 8
    hashed = int.from_bytes(value[:size], "big")
    r = s = 0
    while not (r and s):
        k = getRandomRange(1, order, random)
        r = group.part(k) % order
        s = pow(k, -1, order) * (hashed + r * secret) % order
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def verify(pair: Any, value: bytes, signature: bytes) -> None:
    """Raises NtError STATUS_INVALID_SIGNATURE."""
    from Cryptodome.Signature import DSS

    name = BY_SIZE.get(len(value))
    try:
        if name is not None:
            # Of its two ways to verify, the one that lets every size of key and hash be.
            DSS.new(pair, "deterministic-rfc6979").verify(Digest(name, value), signature)
            return
    except ValueError:
        pass
    raise NtError(STATUS_INVALID_SIGNATURE)
