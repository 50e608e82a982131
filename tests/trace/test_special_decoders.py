"""Security descriptors, what control codes pass, win32k's answers."""

from __future__ import annotations

import struct
from typing import cast

import pytest
from laid_memory import BASE, Memory

import ntgate.services.all  # noqa: F401
from ntgate.dispatch.named_types import named_types
from ntgate.dispatch.tables import services_by_name
from ntgate.trace.argument_decoders import View
from ntgate.trace.peek import Peek, Unreadable
from ntgate.trace.plans import Planner
from ntgate.trace.returned import NTSTATUS, returned
from ntgate.trace.sddl import sddl
from ntgate.trace.structures import StructureDecoder
from ntgate.trace.values import show

EVERYONE = bytes.fromhex("010100000000000100000000")
ADMINISTRATORS = bytes.fromhex("01020000000000052000000020020000")


def ace(kind: int, flags: int, mask: int, sid: bytes) -> bytes:
    return struct.pack("<BBHI", kind, flags, 8 + len(sid), mask) + sid


def descriptor(control: int, *aces: bytes, base: int = 0) -> bytes:
    body = b"".join(aces)
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(body), len(aces), 0) + body
    owner = 20
    dacl = owner + len(ADMINISTRATORS)
    head = struct.pack("<BBHIIII", 1, 0, control, base + owner, 0, 0, base + dacl)
    return head + ADMINISTRATORS + acl


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (descriptor(0x8004, ace(0, 3, 0x10000000, EVERYONE)), "O:BAD:(A;OICI;GA;;;WD)"),
        (descriptor(0x9004, ace(1, 0x10, 0x3, EVERYONE)), "O:BAD:P(D;ID;CCDC;;;WD)"),
        (descriptor(0x8000), "O:BA"),
        (descriptor(0x0004, ace(0, 0, 0x120089, EVERYONE), base=BASE), "O:BAD:(A;;FR;;;WD)"),
        (struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 0), "D:NO_ACCESS_CONTROL"),
    ],
)
def test_a_security_descriptor_as_sddl(data: bytes, text: str) -> None:
    assert sddl(Memory(data), BASE) == text


def test_a_descriptor_that_leads_nowhere() -> None:
    with pytest.raises(Unreadable):
        sddl(Memory(descriptor(0x8004)[:30]), BASE)


def decoded(service: str, parameter: str, raw: list[int], data: bytes) -> str:
    plan = Planner(StructureDecoder(32), with_names=False).plan(services_by_name()[service])
    index = [each.name for each in plan.inputs].index(parameter)
    decode = dict(plan.outputs).get(index) or plan.inputs[index].decode
    assert decode is not None
    view = View(cast("Peek", Memory(data)))
    view.raw = raw
    return show(decode(view, raw[index]))


CODES = {name: code for code, name in named_types().values["CONTROL_CODE"].rows}


def test_what_a_control_code_passes() -> None:
    wait = struct.pack("<qIBx", -5_000_000, 8, 1) + "name".encode("utf-16-le")
    raw = [4, 0, 0, 0, 0, CODES["FSCTL_PIPE_WAIT"], BASE, len(wait), 0, 0]
    assert decoded("NtFsControlFile", "InputBuffer", raw, wait) == (
        '{Timeout=-500ms, TimeoutSpecified=TRUE, Name="name"}'
    )
    raw[5] = 0x1234
    unknown = decoded("NtFsControlFile", "InputBuffer", raw, b"\x01ab" + bytes(19))
    assert unknown.startswith('"\\x01ab')
    text = "hello\r\n".encode("utf-16-le")
    raw[5:8] = [CODES["IOCTL_CONDRV_WRITE_CONSOLE"], BASE, len(text)]
    assert decoded("NtDeviceIoControlFile", "InputBuffer", raw, text) == '"hello<CR><LF>"'


def test_attributes_of_a_process() -> None:
    name = "\\??\\C:\\a.exe".encode("utf-16-le")
    at = BASE + 4 + 2 * 16
    data = struct.pack("<9I", 36, 0x20005, len(name), at, 0, 0x10003, 8, 0x1234, 0) + name
    raw = [0] * 10 + [BASE]
    assert decoded("NtCreateUserProcess", "AttributeList", raw, data) == (
        r'{ImageName="\??\C:\a.exe", ClientId=0x1234}'
    )


@pytest.mark.parametrize(
    ("service", "word", "text", "failed"),
    [
        ("NtUserCreateWindowEx", 0x10020, "0x10020", False),
        ("NtUserCreateWindowEx", 0, "NULL", True),
        ("NtUserDestroyWindow", 1, "TRUE", False),
        ("NtUserDestroyWindow", 0, "FALSE", True),
        ("NtUserGetMessage", 0xFFFFFFFF, "4294967295", False),
        ("NtUserPeekMessage", 0, "FALSE", False),
        ("NtGdiGetDeviceCaps", 96, "96", False),
        ("NtUserGetForegroundWindow", 0, "NULL", False),
    ],
)
def test_win32k_answers_by_type(service: str, word: int, text: str, failed: bool) -> None:
    answer = returned(services_by_name()[service])
    assert (answer.text(word), answer.failed(word)) == (text, failed)


def test_every_service_has_a_type_of_answer() -> None:
    for number in services_by_name().values():
        answer = returned(number)
        assert answer.text(0) and answer.text(0xFFFFFFFF)
        if not number.number & 0x1000:
            assert answer is NTSTATUS
