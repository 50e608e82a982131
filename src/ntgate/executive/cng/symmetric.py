"""AES and 3DES, in the chaining modes of BCRYPT_CHAINING_MODE.

The ciphers themselves are pycryptodomex's, which is imported when the first key is used.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from ntgate.errors import NtError
from ntgate.layout.ntstatus import (
    STATUS_INVALID_BUFFER_SIZE,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
)

TAG_SIZE = 16  # bytes, of GCM
DES_KEY = 8
PARITY = bytes([0x01] * DES_KEY)  # the bits of a DES key that are not the key's


class ChainMode(Enum):
    CBC = "CBC"
    ECB = "ECB"
    CFB = "CFB"
    CCM = "CCM"
    GCM = "GCM"


class SymmetricKey:
    """A key, and how far its chains have come: one of what it encrypts, one of what it decrypts.

    vector: the IV, or GCM's nonce; empty for zeros.  Raises NtError STATUS_NOT_SUPPORTED for what
    CNG has and this has not, STATUS_INVALID_PARAMETER for secrets and vectors of no right size.
    """

    def __init__(self, algorithm: str, mode: ChainMode, secret: bytes, vector: bytes) -> None:
        if mode is ChainMode.CCM or (mode is ChainMode.GCM and algorithm != "AES"):
            raise NtError(STATUS_NOT_SUPPORTED)
        self._module, self._secret = _cipher(algorithm, secret)
        self._mode = mode
        self._block = int(self._module.block_size)
        self._vector = vector or bytes(self._block)
        if mode is not ChainMode.GCM and len(self._vector) != self._block:
            raise NtError(STATUS_INVALID_PARAMETER)
        self._engines: dict[bool, Any] = {}
        self._has_text = False  # of GCM's message

    def authenticate(self, data: bytes) -> None:
        """More for GCM's tag, ahead of the message."""
        if self._mode is not ChainMode.GCM:
            raise NtError(STATUS_INVALID_PARAMETER)
        if self._has_text:
            self._restart()
        self._engine(True).update(data)

    def crypt(self, data: bytes, *, encrypts: bool) -> bytes:
        """Whole blocks; raises NtError STATUS_INVALID_BUFFER_SIZE for anything else."""
        if self._mode in (ChainMode.CBC, ChainMode.ECB) and len(data) % self._block:
            raise NtError(STATUS_INVALID_BUFFER_SIZE)
        engine = self._engine(encrypts)
        self._has_text = True
        if encrypts:
            return bytes(engine.encrypt(data))
        done = bytes(engine.decrypt(data))
        if self._mode is ChainMode.GCM:
            self._engine(True).encrypt(done)  # which makes the tag
        return done

    def tag(self) -> bytes:
        """GCM's, which ends the message."""
        if self._mode is not ChainMode.GCM:
            raise NtError(STATUS_INVALID_PARAMETER)
        engine = self._engine(True)
        self._restart()
        return bytes(engine.digest())

    def _restart(self) -> None:
        self._has_text = False
        self._engines.clear()

    def _engine(self, encrypts: bool) -> Any:
        found = self._engines.get(encrypts)
        if found is None:
            found = self._engines[encrypts] = self._new_engine()
        return found

    def _new_engine(self) -> Any:
        module, mode = self._module, getattr(self._module, f"MODE_{self._mode.value}")
        if self._mode is ChainMode.ECB:
            return module.new(self._secret, mode)
        if self._mode is ChainMode.GCM:
            return module.new(self._secret, mode, nonce=self._vector, mac_len=TAG_SIZE)
        if self._mode is ChainMode.CFB:
            return module.new(self._secret, mode, iv=self._vector, segment_size=8)
        return module.new(self._secret, mode, iv=self._vector)


def _cipher(algorithm: str, secret: bytes) -> tuple[Any, bytes]:
    """The module of a cipher, and the key that it takes."""
    from Cryptodome.Cipher import AES, DES, DES3

    if algorithm == "AES":
        if len(secret) not in AES.key_size:
            raise NtError(STATUS_INVALID_PARAMETER)
        return AES, secret
    if len(secret) not in DES3.key_size:
        raise NtError(STATUS_INVALID_PARAMETER)
    parts = [secret[at : at + DES_KEY] for at in range(0, len(secret), DES_KEY)]
    first, second, third = [*parts, parts[0]][:3]
    # Equal neighbours undo each other: what is left is DES, which the library wants said.
    if _same(first, second):
        return DES, third
    if _same(second, third):
        return DES, first
    return DES3, secret


def _same(key: bytes, other: bytes) -> bool:
    return all((a | p) == (b | p) for a, b, p in zip(key, other, PARITY, strict=True))
