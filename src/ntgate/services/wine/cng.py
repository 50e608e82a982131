"""Ciphers and keys, which Wine's bcrypt asks its Unix side for.

A key is bcrypt's own structure in the program's memory; two qwords of it are the Unix side's, and
here the first has the number of the key in the process's table.
"""

from __future__ import annotations

import struct

from ntgate.errors import NtError
from ntgate.executive.cng.dsa import DsaKey
from ntgate.executive.cng.ecc import EccKey
from ntgate.executive.cng.keys import AsymmetricKey, Padding
from ntgate.executive.cng.rsa import RsaKey
from ntgate.executive.cng.symmetric import ChainMode, SymmetricKey
from ntgate.executive.ps.thread import Thread
from ntgate.layout.ntstatus import (
    STATUS_BUFFER_TOO_SMALL,
    STATUS_INVALID_HANDLE,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)

# Of bcrypt's key: magic and algorithm, then the number and 12 bytes that stay unused; what
# follows is of one of the two kinds.
KEY = struct.Struct("<2IQ8x")
NUMBER_AT = 8
SYMMETRIC = struct.Struct("<6I")  # mode, size of a block, vector and its size, secret and its size
ASYMMETRIC = struct.Struct("<2I")  # bits, flags
LEGACY = 1  # flag: a DSA key in CryptoAPI's blobs

# bcrypt's numbers for algorithms and chaining modes.
SYMMETRIC_NAMES = {0: "3DES", 1: "AES"}
RSA = (9, 12)
CURVES = {
    10: ("ECDH", "P-256"), 11: ("ECDH", "P-384"), 13: ("ECDSA", "P-256"), 14: ("ECDSA", "P-384"),
}  # fmt: skip
DSA = 15
MODES = (ChainMode.CBC, ChainMode.ECB, ChainMode.CFB, ChainMode.CCM, ChainMode.GCM)

PUBLIC, FULL = 1, 2  # flags of import and export
BCRYPT_PAD_PKCS1, BCRYPT_PAD_PSS = 0x2, 0x8
LONGEST_NAME = 32  # characters of an algorithm's


def _parameters(caller: Thread, arguments: int, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}I", caller.memory.read(arguments, 4 * count))


def _number(caller: Thread, key: int) -> int:
    return caller.memory.u64(key + NUMBER_AT)


def _set_number(caller: Thread, key: int, number: int) -> None:
    caller.memory.set_u64(key + NUMBER_AT, number)


# Symmetric keys.


def reset_vector(caller: Thread, key: int) -> int:
    """The chain begins again, with the vector that the key has when it is next used."""
    caller.process.cng_keys.drop(_number(caller, key))
    _set_number(caller, key, 0)
    return STATUS_SUCCESS


def _symmetric(caller: Thread, key: int) -> SymmetricKey:
    memory, keys = caller.memory, caller.process.cng_keys
    _magic, algorithm, number = KEY.unpack(memory.read(key, KEY.size))
    found = keys.symmetric(number)
    if found is None:
        told = SYMMETRIC.unpack(memory.read(key + KEY.size, SYMMETRIC.size))
        mode, _block, vector, vector_size, secret, secret_size = told
        if algorithm not in SYMMETRIC_NAMES or mode >= len(MODES):
            raise NtError(STATUS_NOT_SUPPORTED)
        found = SymmetricKey(
            SYMMETRIC_NAMES[algorithm], MODES[mode], memory.read(secret, secret_size),
            memory.read(vector, vector_size) if vector else b"",
        )  # fmt: skip
        _set_number(caller, key, keys.add(found))
    return found


def authenticate(caller: Thread, arguments: int) -> int:
    key, data, size = _parameters(caller, arguments, 3)
    if data:
        _symmetric(caller, key).authenticate(caller.memory.read(data, size))
    return STATUS_SUCCESS


def _crypt(caller: Thread, arguments: int, *, encrypts: bool) -> int:
    key, data, size, output, room = _parameters(caller, arguments, 5)
    if room < size:
        return STATUS_BUFFER_TOO_SMALL
    found = _symmetric(caller, key)
    caller.memory.write(output, found.crypt(caller.memory.read(data, size), encrypts=encrypts))
    return STATUS_SUCCESS


def encrypt(caller: Thread, arguments: int) -> int:
    return _crypt(caller, arguments, encrypts=True)


def decrypt(caller: Thread, arguments: int) -> int:
    return _crypt(caller, arguments, encrypts=False)


def get_tag(caller: Thread, arguments: int) -> int:
    key, output, size = _parameters(caller, arguments, 3)
    caller.memory.write(output, _symmetric(caller, key).tag()[:size])
    return STATUS_SUCCESS


def destroy(caller: Thread, key: int) -> int:
    """Of either kind."""
    caller.process.cng_keys.drop(_number(caller, key))
    return STATUS_SUCCESS


# Public keys.


def _pair(caller: Thread, key: int) -> AsymmetricKey:
    return caller.process.cng_keys.asymmetric(_number(caller, key))


def generate(caller: Thread, key: int) -> int:
    memory, random = caller.memory, caller.executive.random.randbytes
    _magic, algorithm, number = KEY.unpack(memory.read(key, KEY.size))
    if number:
        return STATUS_INVALID_HANDLE
    bits, _flags = ASYMMETRIC.unpack(memory.read(key + KEY.size, ASYMMETRIC.size))
    made: AsymmetricKey
    if algorithm in RSA:
        made = RsaKey.generate(bits, random)
    elif algorithm in CURVES:
        made = EccKey.generate(*CURVES[algorithm], random)
    elif algorithm == DSA:
        made = DsaKey.generate(bits, random)
    else:
        return STATUS_NOT_SUPPORTED
    _set_number(caller, key, caller.process.cng_keys.add(made))
    return STATUS_SUCCESS


def import_key(caller: Thread, arguments: int) -> int:
    key, flags, blob, size = _parameters(caller, arguments, 4)
    memory, public = caller.memory, bool(flags & PUBLIC)
    _magic, algorithm, number = KEY.unpack(memory.read(key, KEY.size))
    _bits, kind = ASYMMETRIC.unpack(memory.read(key + KEY.size, ASYMMETRIC.size))
    data = memory.read(blob, size)
    made: AsymmetricKey
    if algorithm in RSA:
        made = RsaKey.from_blob(data, public=public)
    elif algorithm in CURVES:
        made = EccKey.from_blob(*CURVES[algorithm], data, public=public)
    elif algorithm == DSA and kind & LEGACY:
        made = DsaKey.from_legacy_blob(data, public=public)
    elif algorithm == DSA and public:
        made = DsaKey.from_blob(data)
    else:
        return STATUS_NOT_SUPPORTED
    caller.process.cng_keys.drop(number)
    _set_number(caller, key, caller.process.cng_keys.add(made))
    return STATUS_SUCCESS


def export_key(caller: Thread, arguments: int) -> int:
    key, flags, output, room, length = _parameters(caller, arguments, 5)
    pair, public = _pair(caller, key), bool(flags & PUBLIC)
    _bits, kind = ASYMMETRIC.unpack(caller.memory.read(key + KEY.size, ASYMMETRIC.size))
    if kind & LEGACY and isinstance(pair, DsaKey):
        blob = pair.legacy_blob(public=public)
    else:
        blob = pair.public_blob() if public else pair.private_blob(full=bool(flags & FULL))
    return _answer(caller, blob, output, room, length)


def duplicate(caller: Thread, arguments: int) -> int:
    """A pair does not change: both have the same one."""
    key, copy = _parameters(caller, arguments, 2)
    number = _number(caller, key)
    if number:
        keys = caller.process.cng_keys
        _set_number(caller, copy, keys.add(keys.asymmetric(number)))
    return STATUS_SUCCESS


def sign(caller: Thread, arguments: int) -> int:
    key, told, digest, size, output, room, length, flags = _parameters(caller, arguments, 8)
    pair, padding = _pair(caller, key), _padding(caller, told, flags)
    if not output:
        caller.memory.set_u32(length, pair.signature_size)
        return STATUS_SUCCESS
    random = caller.executive.random.randbytes
    signature = pair.sign(caller.memory.read(digest, size), padding, random)
    return _answer(caller, signature, output, room, length)


def verify(caller: Thread, arguments: int) -> int:
    key, told, digest, size, signature, length, flags = _parameters(caller, arguments, 7)
    memory, padding = caller.memory, _padding(caller, told, flags)
    pair = _pair(caller, key)
    pair.verify(memory.read(digest, size), memory.read(signature, length), padding)
    return STATUS_SUCCESS


def encrypt_by_public(caller: Thread, arguments: int) -> int:
    key, data, size, output, room, length = _parameters(caller, arguments, 6)
    random = caller.executive.random.randbytes
    done = _pair(caller, key).encrypt(caller.memory.read(data, size), random)
    return _answer(caller, done, output if room else 0, room, length)


def decrypt_by_private(caller: Thread, arguments: int) -> int:
    key, data, size, output, room, length = _parameters(caller, arguments, 6)
    done = _pair(caller, key).decrypt(caller.memory.read(data, size))
    return _answer(caller, done, output, room, length)


def _padding(caller: Thread, told: int, flags: int) -> Padding | None:
    """BCRYPT_PKCS1_PADDING_INFO or BCRYPT_PSS_PADDING_INFO; None without one."""
    if not told or not flags & (BCRYPT_PAD_PKCS1 | BCRYPT_PAD_PSS):
        return None
    memory, characters = caller.memory, ""
    name = memory.u32(told)
    while name and (unit := memory.u16(name + 2 * len(characters))):
        characters += chr(unit)
        if len(characters) > LONGEST_NAME:
            raise NtError(STATUS_INVALID_PARAMETER)
    return Padding(characters, memory.u32(told + 4) if flags & BCRYPT_PAD_PSS else None)


def _answer(caller: Thread, data: bytes, output: int, room: int, length: int) -> int:
    caller.memory.set_u32(length, len(data))
    if not output:
        return STATUS_SUCCESS
    if room < len(data):
        return STATUS_BUFFER_TOO_SMALL
    caller.memory.write(output, data)
    return STATUS_SUCCESS


# In the order of the functions' numbers, behind the two of the process.
FUNCTIONS = (
    reset_vector, authenticate, encrypt, decrypt, get_tag, destroy, generate, decrypt_by_private,
    encrypt_by_public, duplicate, sign, verify, destroy, export_key, import_key,
)  # fmt: skip
