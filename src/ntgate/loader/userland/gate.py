"""The first 64 KB of the re-linked ntdll: the stub block and the Ki routines, where XP has them.

Addresses are the study's, and those of the same build of XP's ntdll in public crash dumps
(KiUserApcDispatcher, KiUserCallbackDispatcher, KiUserExceptionDispatcher).
"""

from __future__ import annotations

import struct

from ntgate.layout.machine import (
    KI_FAST_SYSTEM_CALL,
    KI_FAST_SYSTEM_CALL_RET,
    KI_INT_SYSTEM_CALL,
    KI_USER_APC_DISPATCHER,
    KI_USER_CALLBACK_DISPATCHER,
    KI_USER_EXCEPTION_DISPATCHER,
    NTDLL_BASE,
    NTDLL_STUBS,
)
from ntgate.loader.userland.stubs import SLOT, xp_stub
from ntgate.loader.userland.tables import ServiceRow

UNIX_CALL_STUB = 0x7C92E510

UNIX_CALL = "__wine_unix_call_dispatcher"  # exports a pointer, which is made to point at the stub
_UNIX_CALL_STUB_NAME = "__wine_unix_call_gate"
_SECTION = NTDLL_BASE + 0x1000
_INT3 = b"\xcc"


class Gate:
    """The code of the section, with the address of each routine in it.

    `targets` are the addresses of Wine's KiUserCallbackDispatcher and KiUserExceptionDispatcher,
    which take XP's stack; its KiUserApcDispatcher does not, and XP's own stands here. `private`
    are services that no ntdll has (rename.py).
    """

    def __init__(
        self,
        services: tuple[ServiceRow, ...],
        unix_call: ServiceRow,
        private: tuple[ServiceRow, ...],
        targets: dict[str, int],
    ) -> None:
        self.addresses: dict[str, int] = {}
        self._code = bytearray(_INT3 * (UNIX_CALL_STUB + SLOT * (1 + len(private)) - _SECTION))
        for row in services:
            self._add(row.name, NTDLL_STUBS + SLOT * row.number, _stub(row))
        self._add("KiFastSystemCall", KI_FAST_SYSTEM_CALL, bytes.fromhex("8bd4 0f34"))
        self._add("KiFastSystemCallRet", KI_FAST_SYSTEM_CALL_RET, b"\xc3")
        self._add("KiIntSystemCall", KI_INT_SYSTEM_CALL, bytes.fromhex("8d542408 cd2e c3"))
        self._add("KiUserApcDispatcher", KI_USER_APC_DISPATCHER, self._user_apc_dispatcher())
        for name, address in (
            ("KiUserCallbackDispatcher", KI_USER_CALLBACK_DISPATCHER),
            ("KiUserExceptionDispatcher", KI_USER_EXCEPTION_DISPATCHER),
        ):
            self._add(name, address, jump(address, targets[name]))
        self._add(_UNIX_CALL_STUB_NAME, UNIX_CALL_STUB, _stub(unix_call))
        for index, row in enumerate(private, start=1):
            self._add(row.name, UNIX_CALL_STUB + SLOT * index, _stub(row))

    @property
    def rva(self) -> int:
        """Where the section stands."""
        return _SECTION - NTDLL_BASE

    @property
    def code(self) -> bytes:
        """The section's content."""
        return bytes(self._code)

    @property
    def exports(self) -> dict[str, int]:
        """The RVA of each export: both names of the services, and the Ki routines."""
        rvas = {name: address - NTDLL_BASE for name, address in self.addresses.items()}
        del rvas[_UNIX_CALL_STUB_NAME]
        return rvas | {f"Zw{name[2:]}": rva for name, rva in rvas.items() if name[:2] == "Nt"}

    def _add(self, name: str, address: int, code: bytes) -> None:
        at = address - _SECTION
        if self._code[at : at + len(code)] != _INT3 * len(code):
            raise ValueError(f"{name} at {address:x} would stand on other code")
        self._code[at : at + len(code)] = code
        self.addresses[name] = address

    def _user_apc_dispatcher(self) -> bytes:
        """[NormalRoutine][NormalContext][argument 1][argument 2][CONTEXT] at esp.

        lea edi,[esp+10h]; pop eax; call eax; push 1; push edi; call NtContinue.
        """
        code = bytes.fromhex("8d7c2410 58 ffd0 6a01 57")
        call = KI_USER_APC_DISPATCHER + len(code)
        return code + _branch(0xE8, call, self.addresses["NtContinue"])


def jump(address: int, target: int) -> bytes:
    """The 5-byte `jmp` at `address` to `target`."""
    return _branch(0xE9, address, target)


def _branch(opcode: int, address: int, target: int) -> bytes:
    return struct.pack("<BI", opcode, (target - address - 5) & 0xFFFF_FFFF)


def _stub(row: ServiceRow) -> bytes:
    return xp_stub(row.number, row.popped_bytes)
