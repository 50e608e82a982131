"""RSA: signatures by PKCS #1 1.5 and PSS, encryption by PKCS #1 1.5; BCRYPT_RSAKEY_BLOB."""

from __future__ import annotations

import struct
from math import gcd
from typing import Any

from ntgate.errors import NtError
from ntgate.executive.cng.keys import AsymmetricKey, Padding, RandomBytes, head_of, numbers_in
from ntgate.executive.cng.signatures import Digest
from ntgate.layout.ntstatus import STATUS_INVALID_PARAMETER, STATUS_INVALID_SIGNATURE

RSAKEY_BLOB = struct.Struct("<4s5I")  # magic, bits, sizes of exponent, modulus and both primes
BITS = range(512, 16385, 64)
SHORTEST_OF_LIBRARY = 1024
PUBLIC_EXPONENT = 65537
PKCS1_ROOM = 19 + 11  # bytes that PKCS #1 1.5 puts around a digest: its name, the padding


class RsaKey(AsymmetricKey):
    """pair: the library's key."""

    def __init__(self, pair: Any) -> None:
        self._pair = pair
        self.has_private = bool(pair.has_private())
        self.signature_size = int(pair.size_in_bytes())
        if pair.size_in_bits() < BITS.start:
            raise NtError(STATUS_INVALID_PARAMETER)
        self._half = (self.signature_size + 1) // 2  # bytes of a prime
        if self.has_private and max(int(pair.p), int(pair.q)) >> 8 * self._half:
            raise NtError(STATUS_INVALID_PARAMETER)

    @classmethod
    def generate(cls, bits: int, random: RandomBytes) -> RsaKey:
        from Cryptodome.PublicKey import RSA
        from Cryptodome.Util.number import getPrime

        if bits not in BITS:
            raise NtError(STATUS_INVALID_PARAMETER)
        if bits >= SHORTEST_OF_LIBRARY:
            return cls(RSA.generate(bits, random, PUBLIC_EXPONENT))
        while True:
            p, q = (getPrime(bits // 2, random) for _ in range(2))
            rest = (p - 1) * (q - 1)
            if (p * q).bit_length() == bits and p != q and gcd(PUBLIC_EXPONENT, rest) == 1:
                exponent = pow(PUBLIC_EXPONENT, -1, rest)
                return cls(RSA.construct((p * q, PUBLIC_EXPONENT, exponent, p, q)))

    @classmethod
    def from_blob(cls, blob: bytes, *, public: bool) -> RsaKey:
        from Cryptodome.PublicKey import RSA

        _magic, _bits, *sizes = head_of(RSAKEY_BLOB, blob)
        count = 2 if public else 4
        exponent, modulus, *primes = numbers_in(blob[RSAKEY_BLOB.size :], sizes[:count])
        try:
            if public:
                return cls(RSA.construct((modulus, exponent)))
            p, q = primes
            if p * q != modulus or min(p, q) < 2:
                raise NtError(STATUS_INVALID_PARAMETER)
            secret = pow(exponent, -1, (p - 1) * (q - 1))
            return cls(RSA.construct((modulus, exponent, secret, p, q)))
        except ValueError:
            raise NtError(STATUS_INVALID_PARAMETER) from None

    def public_blob(self) -> bytes:
        return self._blob(b"RSA1", [])

    def private_blob(self, *, full: bool) -> bytes:
        self.needs_private()
        d, p, q = (int(each) for each in (self._pair.d, self._pair.p, self._pair.q))
        secrets = [each.to_bytes(self._half, "big") for each in (p, q)]
        if not full:
            return self._blob(b"RSA2", secrets)
        derived = (d % (p - 1), d % (q - 1), pow(q, -1, p))
        secrets += [each.to_bytes(self._half, "big") for each in derived]
        return self._blob(b"RSA3", [*secrets, d.to_bytes(self.signature_size, "big")])

    def sign(self, digest: bytes, padding: Padding | None, random: RandomBytes) -> bytes:
        self.needs_private()
        if padding is None or not padding.hash_name:
            raise NtError(STATUS_INVALID_PARAMETER)
        hashed = Digest.named(padding.hash_name, digest)
        if not self._has_room(digest, padding):
            raise NtError(STATUS_INVALID_PARAMETER)
        try:
            return bytes(self._scheme(padding, random).sign(hashed))
        except ValueError:
            raise NtError(STATUS_INVALID_PARAMETER) from None

    def verify(self, digest: bytes, signature: bytes, padding: Padding | None) -> None:
        if padding is None:
            raise NtError(STATUS_INVALID_PARAMETER)
        if not padding.hash_name:
            raise NtError(STATUS_INVALID_SIGNATURE)
        hashed = Digest.named(padding.hash_name, digest)
        if not self._has_room(digest, padding):
            raise NtError(STATUS_INVALID_SIGNATURE)
        try:
            self._scheme(padding, bytes).verify(hashed, signature)
        except ValueError:
            raise NtError(STATUS_INVALID_SIGNATURE) from None

    def encrypt(self, data: bytes, random: RandomBytes) -> bytes:
        from Cryptodome.Cipher import PKCS1_v1_5

        try:
            return bytes(PKCS1_v1_5.new(self._pair, random).encrypt(data))
        except ValueError:
            raise NtError(STATUS_INVALID_PARAMETER) from None

    def decrypt(self, data: bytes) -> bytes:
        from Cryptodome.Cipher import PKCS1_v1_5

        self.needs_private()
        # What is no message comes back as these bytes, more than a message can have.
        failed = bytes(self.signature_size)
        try:
            found = bytes(PKCS1_v1_5.new(self._pair).decrypt(data, failed))
        except ValueError:
            found = failed
        if found == failed:
            raise NtError(STATUS_INVALID_PARAMETER)
        return found

    def _has_room(self, digest: bytes, padding: Padding) -> bool:
        return padding.salt is not None or len(digest) + PKCS1_ROOM <= self.signature_size

    def _scheme(self, padding: Padding, random: RandomBytes) -> Any:
        from Cryptodome.Signature import pkcs1_15, pss

        if padding.salt is None:
            return pkcs1_15.new(self._pair)
        return pss.new(self._pair, salt_bytes=padding.salt, rand_func=random)

    def _blob(self, magic: bytes, secrets: list[bytes]) -> bytes:
        exponent = int(self._pair.e)
        public = exponent.to_bytes((exponent.bit_length() + 7) // 8, "big")
        modulus = int(self._pair.n).to_bytes(self.signature_size, "big")
        half = self._half if secrets else 0
        head = RSAKEY_BLOB.pack(
            magic, self._pair.size_in_bits(), len(public), len(modulus), half, half
        )
        return b"".join([head, public, modulus, *secrets])
