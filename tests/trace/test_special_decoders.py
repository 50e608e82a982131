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


def socket_control(name: str, data: bytes, parameter: str = "InputBuffer") -> str:
    raw = [0, 0, 0, 0, BASE, CODES[name], BASE, len(data), 0, 0]
    if parameter == "OutputBuffer":
        raw[6:] = [0, 0, BASE, len(data)]
        data = struct.pack("<2I", 0, len(data)) + data
        raw[8] = BASE + 8
    return decoded("NtDeviceIoControlFile", parameter, raw, data)


def test_addresses_and_data_of_sockets() -> None:
    name = bytes.fromhex("0200 0050 7f000001") + bytes(8)
    connect = struct.pack("<2I", len(name), 1) + name
    assert socket_control("IOCTL_AFD_WINE_CONNECT", connect) == (
        '{AddressLength=16, Synchronous=1, Address=127.0.0.1:80, Data=""}'
    )
    six = bytes.fromhex("1700 01bb 00000000") + bytes(15) + b"\1" + bytes(4)
    assert socket_control("IOCTL_AFD_WINE_GETPEERNAME", six, "OutputBuffer") == "[::1]:443"
    at = BASE + 32
    send = struct.pack("<Q2IiIQ", at + 8, 16, 1, 0, 1, at)
    send += struct.pack("<2I", 2, at + 24) + name + b"hi"
    assert socket_control("IOCTL_AFD_WINE_SENDMSG", send) == (
        '{Address=127.0.0.1:80, Flags=MSG_OOB, ForceAsync=0, Buffers=["hi"]}'
    )
    poll = struct.pack("<qI4x3I", -10_000, 1, 0x44, 0x81, 0)
    assert socket_control("IOCTL_AFD_SELECT", poll) == (
        "{Timeout=-1ms, Exclusive=FALSE, "
        "Handles=[{Handle=0x44, Events=AFD_POLL_READ|AFD_POLL_ACCEPT, Status=STATUS_SUCCESS}]}"
    )


def test_what_a_receive_has_got() -> None:
    parameters = struct.pack("<4QiIQ", 0, 0, 0, 0, 0, 2, BASE + 56)
    data = struct.pack("<2I", 0, 5) + parameters
    data += struct.pack("<4I", 3, BASE + 72, 8, BASE + 75) + b"abcdefgh"
    raw = [0, 0, 0, 0, BASE, CODES["IOCTL_AFD_WINE_RECVMSG"], BASE + 8, 48, 0, 0]
    assert decoded("NtDeviceIoControlFile", "OutputBuffer", raw, data) == '["abc", "de"]'


def test_attributes_of_a_process() -> None:
    name = "\\??\\C:\\a.exe".encode("utf-16-le")
    at = BASE + 4 + 2 * 16
    data = struct.pack("<9I", 36, 0x20005, len(name), at, 0, 0x10003, 8, 0x1234, 0) + name
    raw = [0] * 10 + [BASE]
    assert decoded("NtCreateUserProcess", "AttributeList", raw, data) == (
        r'{ImageName="\??\C:\a.exe", ClientId=0x1234}'
    )


def test_a_class_by_its_atom() -> None:
    raw = [0, BASE, *[0] * 15]
    name = struct.pack("<HHI", 6, 8, BASE + 8) + "Box".encode("utf-16-le")
    assert decoded("NtUserCreateWindowEx", "class_name", raw, name) == '"Box"'
    atom = struct.pack("<HHI", 0, 0, 0x8002)
    assert decoded("NtUserCreateWindowEx", "class_name", raw, atom) == "0x8002"
    assert decoded("NtUserCreateWindowEx", "class_name", raw, bytes(8)) == '""'


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
