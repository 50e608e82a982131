"""DSA with a q of 160 bits: BCRYPT_DSA_KEY_BLOB for public keys, CryptoAPI's own for both.

CryptoAPI's blobs (PUBLICKEYBLOB, PRIVATEKEYBLOB of CALG_DSS_SIGN) have their numbers in
little-endian order.
"""

from __future__ import annotations

import struct
from typing import Any

from ntgate.errors import NtError
from ntgate.executive.cng.keys import AsymmetricKey, Padding, RandomBytes, head_of, numbers_in
from ntgate.executive.cng.signatures import sign, verify
from ntgate.layout.ntstatus import STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED

DSA_KEY_BLOB = struct.Struct("<4sI4s20s20s")  # magic, size of p; count and seed, q
SIZE_OF_Q = 20  # bytes
BITS = range(512, 1025, 64)
NO_SEED = b"\xff" * 24  # DSSSEED: a counter of -1 says that there is none

LEGACY_BLOB = struct.Struct("<2B2xI4sI")  # type, version, algorithm; magic and bits
PUBLICKEYBLOB, PRIVATEKEYBLOB, CUR_BLOB_VERSION, CALG_DSS_SIGN = 6, 7, 2, 0x2200


class DsaKey(AsymmetricKey):
    """pair: the library's key; seed: its DSSSEED."""

    signature_size = 2 * SIZE_OF_Q

    def __init__(self, pair: Any, *, seed: bytes = NO_SEED) -> None:
        self._pair, self._seed = pair, seed
        self.has_private = bool(pair.has_private())
        self.order = int(pair.q)
        self._size = (int(pair.p).bit_length() + 7) // 8

    @classmethod
    def generate(cls, bits: int, random: RandomBytes) -> DsaKey:
        from Cryptodome.Util.number import getPrime, getRandomNBitInteger, getRandomRange, isPrime

        if bits not in BITS:
            raise NtError(STATUS_INVALID_PARAMETER)
        q = getPrime(8 * SIZE_OF_Q, random)
        while True:
            p = getRandomNBitInteger(bits, random)
            p -= p % (2 * q) - 1
            if p.bit_length() == bits and isPrime(p, randfunc=random):
                break
        g = 1
        while g == 1:
            g = pow(getRandomRange(2, p - 1, random), (p - 1) // q, p)
        secret = getRandomRange(1, q, random)
        return cls(_pair(pow(g, secret, p), g, p, q, secret))

    @classmethod
    def from_blob(cls, blob: bytes) -> DsaKey:
        """A public key."""
        _magic, size, *_count_and_seed, q = head_of(DSA_KEY_BLOB, blob)
        p, g, y = numbers_in(blob[DSA_KEY_BLOB.size :], [size] * 3)
        return cls(_pair(y, g, p, int.from_bytes(q, "big")))

    @classmethod
    def from_legacy_blob(cls, blob: bytes, *, public: bool) -> DsaKey:
        *_head, bits = head_of(LEGACY_BLOB, blob)
        size = bits // 8
        sizes = [size, SIZE_OF_Q, size, size if public else SIZE_OF_Q]
        numbers, seed = blob[LEGACY_BLOB.size :], blob[LEGACY_BLOB.size + sum(sizes) :]
        # From its end the data is big-endian.
        last, g, q, p = numbers_in(numbers[: sum(sizes)][::-1], sizes[::-1])
        if len(seed) < len(NO_SEED):
            raise NtError(STATUS_INVALID_PARAMETER)
        try:
            pair = _pair(last, g, p, q) if public else _pair(pow(g, last, p), g, p, q, last)
        except ValueError:  # of a p that is 0
            raise NtError(STATUS_INVALID_PARAMETER) from None
        return cls(pair, seed=seed[: len(NO_SEED)])

    def public_blob(self) -> bytes:
        parts = (self._pair.p, self._pair.g, self._pair.y)
        numbers = [int(each).to_bytes(self._size, "big") for each in parts]
        q = int(self._pair.q).to_bytes(SIZE_OF_Q, "big")
        # Counter and seed are zeros, as those of a key that came without.
        return DSA_KEY_BLOB.pack(b"DSPB", self._size, b"", b"", q) + b"".join(numbers)

    def private_blob(self, *, full: bool) -> bytes:
        self.needs_private()
        raise NtError(STATUS_NOT_SUPPORTED)

    def part(self, k: int) -> int:
        return pow(int(self._pair.g), k, int(self._pair.p))

    def legacy_blob(self, *, public: bool) -> bytes:
        """CryptoAPI's."""
        if public:
            kind, magic, last, size = PUBLICKEYBLOB, b"DSS1", self._pair.y, self._size
        else:
            self.needs_private()
            kind, magic, last, size = PRIVATEKEYBLOB, b"DSS2", self._pair.x, SIZE_OF_Q
        head = LEGACY_BLOB.pack(kind, CUR_BLOB_VERSION, CALG_DSS_SIGN, magic, 8 * self._size)
        p, q, g = self._pair.p, self._pair.q, self._pair.g
        parts = ((p, self._size), (q, SIZE_OF_Q), (g, self._size), (last, size))
        numbers = [int(number).to_bytes(room, "little") for number, room in parts]
        return b"".join([head, *numbers, self._seed])

    def sign(self, digest: bytes, padding: Padding | None, random: RandomBytes) -> bytes:
        self.needs_private()
        if len(digest) != SIZE_OF_Q:
            raise NtError(STATUS_INVALID_PARAMETER)
        return sign(self, int(self._pair.x), digest, padding, random)

    def verify(self, digest: bytes, signature: bytes, padding: Padding | None) -> None:
        if len(digest) != SIZE_OF_Q:
            raise NtError(STATUS_INVALID_PARAMETER)
        verify(self._pair, digest, signature)


def _pair(y: int, g: int, p: int, q: int, *secret: int) -> Any:
    """Raises NtError STATUS_INVALID_PARAMETER for numbers that make no key."""
    from Cryptodome.PublicKey import DSA

    parts: Any = (y, g, p, q, *secret)
    try:
        if q.bit_length() == 8 * SIZE_OF_Q:
            return DSA.construct(parts)
    except ValueError:
        pass
    raise NtError(STATUS_INVALID_PARAMETER)
