"""The keys of CNG: known vectors, chains, blobs there and back, and bytes that are no keys."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntgate.errors import NtError
from ntgate.executive.cng.dsa import DsaKey
from ntgate.executive.cng.ecc import EccKey
from ntgate.executive.cng.keys import AsymmetricKey, Padding
from ntgate.executive.cng.rsa import RsaKey
from ntgate.executive.cng.symmetric import ChainMode, SymmetricKey
from ntgate.executive.cng.table import MOST_IN_USE, KeyTable
from ntgate.layout.ntstatus import (
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_BUFFER_SIZE,
    STATUS_INVALID_HANDLE,
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_SIGNATURE,
    STATUS_NOT_SUPPORTED,
)

# NIST SP 800-38A, appendix F; the first two blocks.
SECRET = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
VECTOR = bytes(range(16))
PLAIN = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
VECTORS = {
    ChainMode.ECB: "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf",
    ChainMode.CBC: "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
    ChainMode.CFB: "3b79424c9c0dd436bace9e0ed4586a4f32b9ded50ae3ba69d472e882274f7c4d",  # CFB8
}
PKCS1, PSS = Padding("SHA256"), Padding("SHA256", 20)
SHA1, SHA256 = bytes(range(20)), bytes(range(32))


@pytest.mark.parametrize("mode", VECTORS)
def test_known_vectors(mode: ChainMode) -> None:
    key = SymmetricKey("AES", mode, SECRET, VECTOR)
    done = key.crypt(PLAIN, encrypts=True)
    if mode is ChainMode.CFB:  # the standard's example has 18 bytes
        assert done[:18].hex() == VECTORS[mode][:36]
    else:
        assert done.hex() == VECTORS[mode]
    assert key.crypt(done, encrypts=False) == PLAIN


def test_gcm() -> None:
    # Test case 4 of the GCM specification (McGrew, Viega).
    secret = bytes.fromhex("feffe9928665731c6d6a8f9467308308")
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    header = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    key = SymmetricKey("AES", ChainMode.GCM, secret, nonce)
    for _again in range(2):
        key.authenticate(header)
        done = key.crypt(plain, encrypts=True)
        assert done[-4:].hex() == "3d58e091"
        assert key.tag().hex() == "5bc94fbc3221a5db94fae95ae7121a47"
        key.authenticate(header)
        assert key.crypt(done, encrypts=False) == plain
        assert key.tag().hex() == "5bc94fbc3221a5db94fae95ae7121a47"


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)), max_size=8))
def test_gcm_in_any_order(steps: list[tuple[int, bytes]]) -> None:
    key = SymmetricKey("AES", ChainMode.GCM, SECRET, VECTOR)
    for step, data in steps:
        if step == 0:
            key.authenticate(data)
        elif step == 3:
            assert len(key.tag()) == 16
        else:
            assert len(key.crypt(data, encrypts=step == 1)) == len(data)


def test_3des_with_equal_parts_is_des() -> None:
    # FIPS 81's example of DES: "Now is t".
    part = bytes.fromhex("0123456789abcdef")
    for secret in (part * 3, part * 2, part + bytes(8) + bytes([1] * 8)):
        done = SymmetricKey("3DES", ChainMode.ECB, secret, b"").crypt(b"Now is t", encrypts=True)
        assert done.hex() == "3fa40e8a984d4815"
    different = SymmetricKey("3DES", ChainMode.CBC, bytes(range(24)), bytes(8))
    assert different.crypt(different.crypt(PLAIN, encrypts=True), encrypts=False) == PLAIN


@given(st.sampled_from(list(VECTORS)), st.lists(st.integers(0, 4), max_size=6), st.booleans())
def test_a_chain_goes_on_from_call_to_call(
    mode: ChainMode, blocks: list[int], encrypts: bool
) -> None:
    data = bytes(range(16)) * sum(blocks)
    whole = SymmetricKey("AES", mode, SECRET, VECTOR).crypt(data, encrypts=encrypts)
    key, parts, at = SymmetricKey("AES", mode, SECRET, VECTOR), b"", 0
    for count in blocks:
        parts += key.crypt(data[at : at + 16 * count], encrypts=encrypts)
        key.crypt(PLAIN, encrypts=not encrypts)  # the other chain is another
        at += 16 * count
    assert parts == whole


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda: SymmetricKey("AES", ChainMode.CBC, b"short", VECTOR), STATUS_INVALID_PARAMETER),
        (lambda: SymmetricKey("3DES", ChainMode.CBC, bytes(7), b""), STATUS_INVALID_PARAMETER),
        (lambda: SymmetricKey("AES", ChainMode.CBC, SECRET, b"v"), STATUS_INVALID_PARAMETER),
        (lambda: SymmetricKey("AES", ChainMode.CCM, SECRET, VECTOR), STATUS_NOT_SUPPORTED),
        (lambda: SymmetricKey("3DES", ChainMode.GCM, bytes(24), b""), STATUS_NOT_SUPPORTED),
        (
            lambda: SymmetricKey("AES", ChainMode.CBC, SECRET, b"").crypt(b"odd", encrypts=True),
            STATUS_INVALID_BUFFER_SIZE,
        ),
        (
            lambda: SymmetricKey("AES", ChainMode.CBC, SECRET, b"").tag(),
            STATUS_INVALID_PARAMETER,
        ),
        (lambda: RsaKey.generate(1 << 20, Random(1).randbytes), STATUS_INVALID_PARAMETER),
        (lambda: DsaKey.generate(2048, Random(1).randbytes), STATUS_INVALID_PARAMETER),
    ],
)
def test_what_can_not_be(make: Callable[[], object], status: int) -> None:
    with pytest.raises(NtError) as refused:
        make()
    assert refused.value.status == status


def _status(function: Callable[[], object]) -> int:
    with pytest.raises(NtError) as refused:
        function()
    return refused.value.status


@pytest.mark.parametrize("bits", [512, 1024])
def test_rsa(bits: int) -> None:
    random = Random(bits).randbytes
    key = RsaKey.generate(bits, random)
    assert key.public_blob() == RsaKey.generate(bits, Random(bits).randbytes).public_blob()
    public = RsaKey.from_blob(key.public_blob(), public=True)
    again = RsaKey.from_blob(key.private_blob(full=False), public=False)
    assert again.private_blob(full=True) == key.private_blob(full=True)
    for padding in (PKCS1, PSS if bits > 512 else Padding("SHA256", 10)):
        signature = again.sign(SHA256, padding, random)
        assert len(signature) == bits // 8
        public.verify(SHA256, signature, padding)
        wrong = bytes([SHA256[0] ^ 1]) + SHA256[1:]
        assert _status(lambda s=signature, p=padding, w=wrong: public.verify(w, s, p)) == (
            STATUS_INVALID_SIGNATURE
        )
    assert again.decrypt(public.encrypt(b"message", random)) == b"message"
    assert _status(lambda: again.decrypt(bytes(bits // 8))) == STATUS_INVALID_PARAMETER
    assert _status(lambda: again.decrypt(b"short")) == STATUS_INVALID_PARAMETER
    assert _status(lambda: public.encrypt(bytes(bits), random)) == STATUS_INVALID_PARAMETER
    assert _status(lambda: public.decrypt(signature)) == STATUS_INVALID_PARAMETER
    assert _status(lambda: public.private_blob(full=True)) == STATUS_INVALID_PARAMETER
    assert _status(lambda: key.sign(SHA256, None, random)) == STATUS_INVALID_PARAMETER
    assert _status(lambda: key.sign(SHA1, PKCS1, random)) == STATUS_INVALID_PARAMETER
    assert _status(lambda: key.sign(SHA1, Padding("AES"), random)) == STATUS_NOT_SUPPORTED
    long, sha512 = bytes(64), Padding("SHA512")
    if bits == 512:  # shorter than what would be signed
        assert _status(lambda: key.sign(long, sha512, random)) == STATUS_INVALID_PARAMETER
        assert _status(lambda: key.verify(long, long, sha512)) == STATUS_INVALID_SIGNATURE
    assert _status(lambda: key.sign(SHA256, Padding("SHA256", 999), random)) == (
        STATUS_INVALID_PARAMETER
    )
    assert _status(lambda: key.verify(SHA256, bytes(bits // 8), Padding("SHA256", 999))) == (
        STATUS_INVALID_SIGNATURE
    )


@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_elliptic_curves(curve: str) -> None:
    random = Random(3).randbytes
    key = EccKey.generate("ECDSA", curve, random)
    public = EccKey.from_blob("ECDSA", curve, key.public_blob(), public=True)
    blob = key.private_blob(full=False)
    again = EccKey.from_blob("ECDSA", curve, blob, public=False)
    size = (len(blob) - 8) // 3
    without_point = blob[:8] + bytes(2 * size) + blob[8 + 2 * size :]
    alone = EccKey.from_blob("ECDSA", curve, without_point, public=False)
    assert again.private_blob(full=False) == alone.private_blob(full=False) == blob
    for digest in (SHA1, SHA256, bytes(48), bytes(range(64))):
        signature = again.sign(digest, None, random)
        assert signature != again.sign(digest, None, random)
        public.verify(digest, signature, None)
        assert _status(lambda s=signature: public.verify(SHA1[::-1], s, None)) == (
            STATUS_INVALID_SIGNATURE
        )
    assert _status(lambda: key.sign(b"no digest", None, random)) == STATUS_INVALID_PARAMETER
    assert _status(lambda: key.sign(SHA256, Padding("SHA1"), random)) == STATUS_INVALID_PARAMETER
    secret = EccKey.generate("ECDH", curve, random)
    assert _status(lambda: secret.sign(SHA1, None, random)) == STATUS_NOT_SUPPORTED


@pytest.mark.parametrize("bits", [512, 1024])
def test_dsa(bits: int) -> None:
    random = Random(4).randbytes
    key = DsaKey.generate(bits, random)
    public = DsaKey.from_blob(key.public_blob())
    legacy = DsaKey.from_legacy_blob(key.legacy_blob(public=False), public=False)
    legacy_public = DsaKey.from_legacy_blob(key.legacy_blob(public=True), public=True)
    assert legacy.public_blob() == key.public_blob() == legacy_public.public_blob()
    assert legacy.legacy_blob(public=False) == key.legacy_blob(public=False)
    signature = legacy.sign(SHA1, None, random)
    assert len(signature) == 40
    public.verify(SHA1, signature, None)
    legacy_public.verify(SHA1, signature, None)
    wrong = bytes(40)
    assert _status(lambda: public.verify(SHA1, wrong, None)) == STATUS_INVALID_SIGNATURE
    assert _status(lambda: public.sign(SHA1, None, random)) == STATUS_INVALID_PARAMETER
    assert _status(lambda: key.private_blob(full=False)) == STATUS_NOT_SUPPORTED


def _importers() -> list[Callable[[bytes], AsymmetricKey]]:
    return [
        lambda blob: RsaKey.from_blob(blob, public=True),
        lambda blob: RsaKey.from_blob(blob, public=False),
        lambda blob: EccKey.from_blob("ECDH", "P-256", blob, public=True),
        lambda blob: EccKey.from_blob("ECDSA", "P-384", blob, public=False),
        DsaKey.from_blob,
        lambda blob: DsaKey.from_legacy_blob(blob, public=True),
        lambda blob: DsaKey.from_legacy_blob(blob, public=False),
    ]


_RANDOM = Random(5).randbytes
_PAIR = RsaKey.generate(512, _RANDOM), EccKey.generate("ECDSA", "P-384", _RANDOM)
_DSA = DsaKey.generate(512, _RANDOM)
BLOBS = [
    _PAIR[0].public_blob(), _PAIR[0].private_blob(full=False), _PAIR[1].public_blob(),
    _PAIR[1].private_blob(full=False), _DSA.public_blob(), _DSA.legacy_blob(public=True),
    _DSA.legacy_blob(public=False), bytes(300), b"\xff" * 300, b"",
]  # fmt: skip


@settings(deadline=None)
@given(
    st.sampled_from(BLOBS), st.integers(0, 6), st.integers(0, 400),
    st.lists(st.tuples(st.integers(0, 399), st.integers(0, 255)), max_size=4),
)  # fmt: skip
def test_bytes_that_are_no_key_are_refused(
    blob: bytes, importer: int, length: int, changes: list[tuple[int, int]]
) -> None:
    """What is taken for a key can do what a key does, or says why not."""
    data = bytearray(blob)
    for at, value in changes:
        if at < len(data):
            data[at] = value
    try:
        key = _importers()[importer](bytes(data[:length]))
        key.public_blob()
        key.verify(SHA1, bytes(key.signature_size), PKCS1)
    except NtError:
        return


def test_the_table_is_bounded_and_numbers_do_not_come_again() -> None:
    table, key = KeyTable(), SymmetricKey("AES", ChainMode.ECB, SECRET, b"")
    first = table.add(key)
    assert table.symmetric(first) is key
    assert _status(lambda: table.asymmetric(first)) == STATUS_INVALID_HANDLE
    table.drop(first)
    table.drop(first)
    assert table.symmetric(first) is None
    assert table.add(key) != first
    for _ in range(MOST_IN_USE - 1):
        table.add(key)
    assert _status(lambda: table.add(key)) == STATUS_INSUFFICIENT_RESOURCES
