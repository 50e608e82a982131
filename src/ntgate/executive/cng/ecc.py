"""Keys on the curves P-256 and P-384, for ECDH or ECDSA; BCRYPT_ECCKEY_BLOB."""

from __future__ import annotations

import struct
from typing import Any

from ntgate.errors import NtError
from ntgate.executive.cng.keys import AsymmetricKey, Padding, RandomBytes, head_of, numbers_in
from ntgate.executive.cng.signatures import sign, verify
from ntgate.layout.ntstatus import STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED

ECCKEY_BLOB = struct.Struct("<4sI")  # magic, size of a number
SIZES = {"P-256": 32, "P-384": 48}  # bytes of a coordinate
ORDERS = {  # of the group (FIPS 186-4, D.1.2)
    "P-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "P-384": int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16),
}
MAGIC = {
    ("ECDH", "P-256"): (b"ECK1", b"ECK2"), ("ECDH", "P-384"): (b"ECK3", b"ECK4"),
    ("ECDSA", "P-256"): (b"ECS1", b"ECS2"), ("ECDSA", "P-384"): (b"ECS3", b"ECS4"),
}  # fmt: skip


class EccKey(AsymmetricKey):
    """use: "ECDH" or "ECDSA"; curve: of SIZES; pair: the library's key."""

    def __init__(self, use: str, curve: str, pair: Any) -> None:
        self._use, self._curve, self._pair = use, curve, pair
        self._size = SIZES[curve]
        self.order = ORDERS[curve]
        self.has_private = bool(pair.has_private())
        self.signature_size = 2 * self._size

    @classmethod
    def generate(cls, use: str, curve: str, random: RandomBytes) -> EccKey:
        from Cryptodome.PublicKey import ECC

        return cls(use, curve, ECC.generate(curve=curve, randfunc=random))

    @classmethod
    def from_blob(cls, use: str, curve: str, blob: bytes, *, public: bool) -> EccKey:
        """A private blob without the point, all zeros, gets it from the secret."""
        from Cryptodome.PublicKey import ECC

        head_of(ECCKEY_BLOB, blob)
        sizes = [SIZES[curve]] * (2 if public else 3)
        x, y, *secret = numbers_in(blob[ECCKEY_BLOB.size :], sizes)
        parts: dict[str, Any] = {"point_x": x, "point_y": y} if public or x or y else {}
        if secret:
            parts["d"] = secret[0]
        try:
            return cls(use, curve, ECC.construct(curve=curve, **parts))
        except ValueError:
            raise NtError(STATUS_INVALID_PARAMETER) from None

    def public_blob(self) -> bytes:
        return self._blob(0)

    def private_blob(self, *, full: bool) -> bytes:
        self.needs_private()
        return self._blob(1) + int(self._pair.d).to_bytes(self._size, "big")

    def sign(self, digest: bytes, padding: Padding | None, random: RandomBytes) -> bytes:
        self._needs_signatures()
        self.needs_private()
        return sign(self, int(self._pair.d), digest, padding, random)

    def verify(self, digest: bytes, signature: bytes, padding: Padding | None) -> None:
        self._needs_signatures()
        verify(self._pair, digest, signature)

    def part(self, k: int) -> int:
        from Cryptodome.PublicKey import ECC

        return int(ECC.construct(curve=self._curve, d=k).pointQ.x)

    def _needs_signatures(self) -> None:
        if self._use != "ECDSA":
            raise NtError(STATUS_NOT_SUPPORTED)

    def _blob(self, private: int) -> bytes:
        magic, point = MAGIC[self._use, self._curve][private], self._pair.pointQ
        numbers = [int(each).to_bytes(self._size, "big") for each in (point.x, point.y)]
        return b"".join([ECCKEY_BLOB.pack(magic, self._size), *numbers])
