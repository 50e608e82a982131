"""What every pair of keys can do, and the numbers in the blobs that they come and go in.

The blobs are those of bcrypt.h, as Microsoft's documentation has them; numbers are big-endian.
The arithmetic is pycryptodomex's, which is imported when the first key is used; its random
numbers are the machine's.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from ntgate.errors import NtError
from ntgate.layout.ntstatus import STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED
from ntgate.records import dataclass

RandomBytes = Callable[[int], bytes]

@dataclass(frozen=True)
class Padding:
    """Of a signature.  hash_name: as BCRYPT_PKCS1_PADDING_INFO names it, empty where it does
    not; salt: bytes of PSS's, None for PKCS #1 1.5.
    """

    hash_name: str
    salt: int | None = None


class AsymmetricKey(ABC):
    """A public key, or both halves of a pair.

    Every method raises NtError: STATUS_INVALID_PARAMETER for what can't be right,
    STATUS_NOT_SUPPORTED for what the kind of key does not do.
    """

    has_private: bool
    signature_size: int  # bytes

    @abstractmethod
    def public_blob(self) -> bytes: ...

    @abstractmethod
    def private_blob(self, *, full: bool) -> bytes:
        """full: with what follows from the primes, of an RSA key."""

    @abstractmethod
    def sign(self, digest: bytes, padding: Padding | None, random: RandomBytes) -> bytes: ...

    @abstractmethod
    def verify(self, digest: bytes, signature: bytes, padding: Padding | None) -> None:
        """Raises NtError STATUS_INVALID_SIGNATURE."""

    def encrypt(self, _data: bytes, _random: RandomBytes) -> bytes:
        raise NtError(STATUS_NOT_SUPPORTED)

    def decrypt(self, _data: bytes) -> bytes:
        raise NtError(STATUS_NOT_SUPPORTED)

    def needs_private(self) -> None:
        if not self.has_private:
            raise NtError(STATUS_INVALID_PARAMETER)


def head_of(layout: struct.Struct, blob: bytes) -> tuple[Any, ...]:
    """Raises NtError STATUS_INVALID_PARAMETER for what is too short."""
    if len(blob) < layout.size:
        raise NtError(STATUS_INVALID_PARAMETER)
    return layout.unpack_from(blob)


def numbers_in(data: bytes, sizes: Iterable[int]) -> list[int]:
    """One behind the other; raises NtError STATUS_INVALID_PARAMETER where the data ends before."""
    numbers, at = [], 0
    for size in sizes:
        if at + size > len(data):
            raise NtError(STATUS_INVALID_PARAMETER)
        numbers.append(int.from_bytes(data[at : at + size], "big"))
        at += size
    return numbers
