"""A target made of bytes, registers and names, for tests of what looks at a machine."""

from __future__ import annotations

from ntgate.debug.names import WHOLE_REGISTERS
from ntgate.debug.symbols import Module, SymbolTable
from ntgate.debug.target import NoSuchRegister, Unreadable

PAGE = 0x1000

NT_SYMBOLS = (
    (0x80542611, "KiSystemService"),
    (0x805426E0, "KiFastCallEntry"),
    (0x80540AA9, "KiSystemCallExitBranch"),
    (0x8055A600, "KiServiceTable"),
)
NTDLL_SYMBOLS = (
    (0x7C92DF60, "NtWriteFile"),
    (0x7C92DF60, "ZwWriteFile"),
    (0x7C92E4F0, "KiFastSystemCall"),
    (0x7C92E4F4, "KiFastSystemCallRet"),
    (0x7C92E500, "KiIntSystemCall"),
)


def reference_symbols() -> SymbolTable:
    """The study's two modules, ntdll as every process's."""
    return SymbolTable(
        [
            Module("\\WINDOWS\\system32\\ntoskrnl.exe", 0x804D8000, 0x215000, NT_SYMBOLS),
            Module("C:\\WINDOWS\\system32\\ntdll.dll", 0x7C920000, 0x93000, NTDLL_SYMBOLS),
        ]
    )


class FakeTarget:
    """Pages appear where something is written with `put`; the rest is unreadable."""

    def __init__(self, symbols: SymbolTable | None = None) -> None:
        self.symbols = symbols or reference_symbols()
        self.registers = dict.fromkeys(WHOLE_REGISTERS, 0)
        self.msrs: dict[int, int] = {}
        self.address_space: int | None = None
        self._pages: dict[int, bytearray] = {}

    def put(self, address: int, data: bytes) -> None:
        """Make the pages that `data` touches, zero-filled where new, and write it."""
        for page in range(address // PAGE, (address + max(len(data), 1) - 1) // PAGE + 1):
            self._pages.setdefault(page, bytearray(PAGE))
        self.write(address, data)

    def put_number(self, address: int, value: int, size: int = 4) -> None:
        self.put(address, value.to_bytes(size, "little"))

    def read(self, address: int, size: int) -> bytes:
        return bytes(self._page(at)[at % PAGE] for at in range(address, address + size))

    def write(self, address: int, data: bytes) -> None:
        places = [(self._page(at), at % PAGE) for at in range(address, address + len(data))]
        for (page, index), byte in zip(places, data, strict=True):
            page[index] = byte

    def read_physical(self, address: int, size: int) -> bytes:
        return self.read(address, size)

    def write_physical(self, address: int, data: bytes) -> None:
        self.write(address, data)

    def register(self, name: str) -> int:
        if name not in self.registers:
            raise NoSuchRegister(name)
        return self.registers[name]

    def set_register(self, name: str, value: int) -> None:
        self.register(name)
        self.registers[name] = value

    def read_msr(self, index: int) -> int:
        if index not in self.msrs:
            raise NoSuchRegister(f"msr {index:x}")
        return self.msrs[index]

    def write_msr(self, index: int, value: int) -> None:
        self.read_msr(index)
        self.msrs[index] = value

    def _page(self, address: int) -> bytearray:
        page = self._pages.get(address // PAGE)
        if page is None or not 0 <= address < 1 << 32:
            raise Unreadable(address)
        return page
