"""PsLoadedModuleList: the images of system space, as KLDR_DATA_TABLE_ENTRYs in the order loaded."""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.executive.pool import Pool
from ntgate.layout import lists
from ntgate.layout.ps import LDR_DATA_TABLE_ENTRY
from ntgate.memory.kernel import KernelMemory
from ntgate.records import dataclass

TAG = b"MmLd"


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """`path` is NT's, \\SystemRoot\\...; sizes in bytes."""

    base: int
    size: int
    entry_point: int
    path: str
    name: str
    flags: int
    load_count: int


class LoadedModules:
    """The list itself is in guest memory; nothing of it is kept here."""

    def __init__(self, kernel: KernelMemory, pool: Pool, head: int) -> None:
        self._kernel = kernel
        self._pool = pool
        self._head = head

    def add(self, base: int, size: int, entry_point: int, path: str) -> int:
        """Append an image; returns the address of its entry.  Raises PoolExhausted."""
        name = path.rpartition("\\")[2]
        entry = LDR_DATA_TABLE_ENTRY(
            self._kernel, self._pool.allocate(LDR_DATA_TABLE_ENTRY.SIZE, TAG)
        )
        entry.DllBase, entry.SizeOfImage, entry.EntryPoint = base, size, entry_point
        entry.LoadCount = 1
        self._set_string(entry.FullDllName.address, path)
        self._set_string(entry.BaseDllName.address, name)
        lists.insert_tail(self._kernel, self._head, entry.address)
        return entry.address

    def all(self) -> Iterator[LoadedModule]:
        for address in lists.entries(self._kernel, self._head):
            entry = LDR_DATA_TABLE_ENTRY(self._kernel, address)
            yield LoadedModule(
                entry.DllBase, entry.SizeOfImage, entry.EntryPoint,
                self._string(entry.FullDllName.address), self._string(entry.BaseDllName.address),
                entry.Flags, entry.LoadCount,
            )  # fmt: skip

    def _set_string(self, address: int, text: str) -> None:
        data = text.encode("utf-16-le")
        buffer = self._pool.allocate(len(data) + 2, TAG)
        self._kernel.write(buffer, data)
        self._kernel.set_u16(address, len(data))
        self._kernel.set_u16(address + 2, len(data) + 2)
        self._kernel.set_u32(address + 4, buffer)

    def _string(self, address: int) -> str:
        data = self._kernel.read(self._kernel.u32(address + 4), self._kernel.u16(address))
        return data.decode("utf-16-le", "replace")
