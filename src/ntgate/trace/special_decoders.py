"""Decoders of what no table can describe: by relative pointers, by records of several kinds."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from ntgate.dispatch.named_types import Control, TypeName
from ntgate.trace.argument_decoders import Decode, Size, View, address_decoder, handle_decoder
from ntgate.trace.peek import Unreadable
from ntgate.trace.scalars import flags, hexadecimal
from ntgate.trace.sddl import sddl
from ntgate.trace.structures import StructureDecoder
from ntgate.trace.values import Word

PARAMETERS = struct.Struct("<18I8s8s8sI")  # RTL_USER_PROCESS_PARAMETERS up to Environment
NORMALIZED = 1  # in its Flags: strings are at addresses, not behind offsets
ATTRIBUTE = struct.Struct("<4I")
MOST_ATTRIBUTES = 16
MOST_HANDLES = 64
IMAGE_NAME, HANDLE_LIST = 5, 11
HANDLES = (0, 1, 2)  # the parent process, the debug port, the token
ATTRIBUTE_NAMES = {
    0: "ParentProcess", 1: "DebugPort", 2: "Token", 3: "ClientId", 4: "TebAddress", 5: "ImageName",
    6: "ImageInfo", 7: "MemoryReserve", 8: "PriorityClass", 9: "ErrorMode", 10: "StdHandleInfo",
    11: "HandleList", 12: "GroupAffinity", 13: "PreferredNode", 14: "IdealProcessor",
    16: "MitigationOptions", 17: "ProtectionLevel", 19: "JobList", 20: "ChildProcessPolicy",
    26: "ChpeInfo",
}  # fmt: skip


def special_decoders(decoder: StructureDecoder, *, with_names: bool) -> dict[str, Decode]:
    """By the names that the data files use for such types."""
    handle = handle_decoder(with_names=with_names, pseudo=False)
    process = handle_decoder(with_names=with_names, pseudo=True)
    return {
        "PROCESS_PARAMETERS": _optional(_process_parameters(handle)),
        "PS_ATTRIBUTES": _optional(_attributes(process)),
        "SECURITY_DESCRIPTOR": _optional(security_descriptor),
    }


def address_decoders(decoder: StructureDecoder, owner: int | None) -> dict[str, Decode]:
    """By the names of such types, of a service whose argument `owner` tells the process."""
    one = address_decoder(owner)

    def at(view: View, word: int) -> Any:
        return one(view, view.peek.u32(word)) if word else None

    def context(view: View, word: int) -> Any:
        if not word:
            return None
        shown = decoder.structure("CONTEXT", view.peek, word)
        if "Eip" in shown:
            shown["Eip"] = one(view, int(shown["Eip"], 16))
        return shown

    return {"ADDRESS": one, "ADDRESS_AT": at, "CONTEXT": context}


def _optional(decode: Decode) -> Decode:
    return lambda view, word: decode(view, word) if word else None


def security_descriptor(view: View, word: int) -> Any:
    return Word(sddl(view.peek, word)) if word else None


def _process_parameters(handle: Decode) -> Decode:
    def decode(view: View, word: int) -> Any:
        fields = PARAMETERS.unpack(view.peek.read(word, PARAMETERS.size))
        is_normalized = fields[2] & NORMALIZED

        def text(descriptor: bytes) -> Any:
            length, _most, buffer = struct.unpack("<2HI", descriptor)
            return view.peek.text(buffer if is_normalized else buffer + word, length)

        folder = struct.pack("<2I", fields[9], fields[10])
        dll_path = struct.pack("<2I", fields[12], fields[13])
        image, command = (struct.pack("<2I", *fields[at : at + 2]) for at in (14, 16))
        shown: dict[str, Any] = {
            "ImagePathName": text(image), "CommandLine": text(command),
            "CurrentDirectory": text(folder),
        }  # fmt: skip
        if text(dll_path):
            shown["DllPath"] = text(dll_path)
        for name, at in (("StandardInput", 6), ("StandardOutput", 7), ("StandardError", 8)):
            if fields[at]:
                shown[name] = handle(view, fields[at])
        if fields[4]:
            shown["ConsoleHandle"] = hexadecimal(fields[4])
        return shown

    return decode


def _attributes(handle: Decode) -> Decode:
    def decode(view: View, word: int) -> Any:
        count = (view.peek.u32(word) - 4) // ATTRIBUTE.size
        data = view.peek.read(word + 4, max(0, min(count, MOST_ATTRIBUTES)) * ATTRIBUTE.size)
        shown: dict[str, Any] = {}
        for attribute, size, value, _returned in ATTRIBUTE.iter_unpack(data):
            number = attribute & 0xFFFF
            name = ATTRIBUTE_NAMES.get(number, f"{attribute:#x}")
            try:
                shown[name] = one(view, number, size, value)
            except Unreadable:
                shown[name] = hexadecimal(value)
        return shown

    def one(view: View, number: int, size: int, value: int) -> Any:
        if number == IMAGE_NAME:
            return view.peek.text(value, size)
        if number in HANDLES:
            return handle(view, value)
        if number == HANDLE_LIST:
            data = view.peek.read(value, min(size & ~3, 4 * MOST_HANDLES))
            return [handle(view, each) for (each,) in struct.iter_unpack("<I", data)]
        return hexadecimal(value)

    return decode


RECEIVED = TypeName("RECEIVED")  # in the buffers that the parameters of a receive name


def control_buffer(
    decoder: StructureDecoder, rows: Mapping[int, Control], by_code: int, size: Size, *, given: bool
) -> Decode:
    """What the control code says that a buffer holds; given: the one that goes in."""

    def decode(view: View, word: int) -> Any:
        row = rows.get(view.raw[by_code])
        if not word:
            if given or row is None or row.answered != RECEIVED:
                return None
            code, parameters = view.raw[by_code : by_code + 2]
            block = view.raw[by_code - 1]
            return decoder.received(view.peek, code, parameters, view.peek.u32(block + 4))
        length = size(view)
        kind = None if row is None else row.given if given else row.answered
        if kind is None or not length:
            return decoder.buffer(view.peek, word, length)
        return decoder.content(kind, view.peek, word, length)

    return decode


def quality_of_service(view: View, word: int, decoder: StructureDecoder) -> Any:
    """SECURITY_QUALITY_OF_SERVICE; its address where it is not there."""
    try:
        return decoder.structure("SECURITY_QUALITY_OF_SERVICE", view.peek, word)
    except Unreadable:
        return hexadecimal(word)


OBJECT_ATTRIBUTES = struct.Struct("<6I")


def object_attributes_decoder(
    handle: Decode, decoder: StructureDecoder
) -> Callable[[View, int], Any]:
    """What of OBJECT_ATTRIBUTES is set."""

    def decode(view: View, word: int) -> Any:
        if not word:
            return None
        fields = OBJECT_ATTRIBUTES.unpack(view.peek.read(word, OBJECT_ATTRIBUTES.size))
        _length, root, name, attributes, security, quality = fields
        shown: dict[str, Any] = {}
        if root:
            shown["RootDirectory"] = handle(view, root)
        if name:
            shown["ObjectName"] = view.peek.unicode_string(name)
        shown["Attributes"] = flags(attributes, "OBJECT_FLAGS")
        if security:
            try:
                shown["SecurityDescriptor"] = security_descriptor(view, security)
            except Unreadable:
                shown["SecurityDescriptor"] = hexadecimal(security)
        if quality:
            shown["SecurityQualityOfService"] = quality_of_service(view, quality, decoder)
        return shown

    return decode
