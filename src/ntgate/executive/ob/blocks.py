"""Pool blocks and counted strings for the object manager."""

from __future__ import annotations

from ntgate.executive.pool import Pool
from ntgate.layout.ob import UNICODE_STRING
from ntgate.memory.kernel import KernelMemory


class Blocks:
    """The pool, and strings in it."""

    def __init__(self, memory: KernelMemory, pool: Pool) -> None:
        self.memory = memory
        self.pool = pool
        self.allocate = pool.allocate
        self.free = pool.free

    def set_string(self, string: UNICODE_STRING, text: str, tag: bytes) -> None:
        """Put a copy of `text`, of up to 32766 UTF-16 units, in place of the string's."""
        encoded = text.encode("utf-16-le", "surrogatepass")
        buffer = self.allocate(len(encoded) + 2, tag)
        self.memory.write(buffer, encoded)
        self.free_string(string)
        string.Length, string.MaximumLength = len(encoded), len(encoded) + 2
        string.Buffer = buffer

    def free_string(self, string: UNICODE_STRING) -> None:
        if string.Buffer:
            self.free(string.Buffer)
        string.Length = string.MaximumLength = string.Buffer = 0

    def text(self, string: UNICODE_STRING) -> str:
        """The string with every unit kept, so that it compares as NT compares it."""
        data = self.memory.read(string.Buffer, string.Length & ~1)
        return data.decode("utf-16-le", "surrogatepass")
