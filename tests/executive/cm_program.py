"""A program's view of the registry: services called with raw arguments and user memory."""

from __future__ import annotations

import struct

from ntgate.dispatch.outcome import Wait
from ntgate.dispatch.service import SERVICES
from ntgate.errors import NtError
from ntgate.executive.cm import KeyNode, Registry
from ntgate.executive.cm.registry import USER_SID
from ntgate.executive.mm.allocate import allocate
from ntgate.executive.se.privileges import SE_PRIVILEGE_ENABLED
from ntgate.layout.cm import CM_KEY_BODY, CM_KEY_CONTROL_BLOCK, CM_NAME_CONTROL_BLOCK
from ntgate.layout.ke import DISPATCHER_HEADER
from ntgate.layout.mm import MEM_COMMIT, MEM_RESERVE
from ntgate.machine import Machine
from ntgate.memory.user import AccessViolation

OBJ_CASE_INSENSITIVE, OBJ_OPENLINK = 0x40, 0x100
KEY_ALL_ACCESS, KEY_READ, DELETE = 0xF003F, 0x20019, 0x10000
USER = rf"\REGISTRY\USER\{USER_SID}"
TEST = USER + r"\NtTest"
REG_SZ, REG_DWORD, REG_LINK = 1, 4, 6
VOLATILE, CREATE_LINK = 1, 2
NO_MEMORY = 0x7FFE_F000  # an address that no program has


class Program:
    """One thread of a machine; the arguments it passes lie in a page of its own."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.process = self.machine.start("@sysenter")
        self.executive = self.machine.executive
        self.thread = next(iter(self.executive.processes.threads_of(self.process)))
        self.memory = self.thread.memory
        commit = MEM_RESERVE | MEM_COMMIT
        self.page, _size = allocate(self.process.space, 0, 0x40000, commit, 4)
        self._next = self.page

    def enable(self, *privileges: int) -> None:
        """As AdjustTokenPrivileges does."""
        token = self.executive.security.effective(self.thread.ethread)
        for index, privilege in enumerate(token.privileges):
            if privilege.luid in privileges:
                token.set_privilege(index, SE_PRIVILEGE_ENABLED)

    @property
    def registry(self) -> Registry:
        return self.executive.registry

    # Memory

    def room(self, size: int = 4) -> int:
        if self._next + size > self.page + 0x30000:
            self._next = self.page
        at = self._next
        self._next += -(-size // 8) * 8
        return at

    def put(self, data: bytes) -> int:
        at = self.room(len(data))
        self.memory.write(at, data)
        return at

    def string(self, text: str, length: int | None = None) -> int:
        data = text.encode("utf-16-le", "surrogatepass")
        buffer = self.put(data + b"\0\0")
        size = len(data) if length is None else length
        return self.put(struct.pack("<HHI", size, size, buffer))

    def attributes(self, name: str, root: int = 0, flags: int = OBJ_CASE_INSENSITIVE) -> int:
        return self.put(struct.pack("<6I", 0x18, root, self.string(name), flags, 0, 0))

    # Calls

    def call(self, name: str, *arguments: int) -> int | Wait:
        """The service's answer, as the dispatcher gives it."""
        service = SERVICES[name]
        assert len(arguments) == len(service.parameters), name
        try:
            answer = service.invoke(self.thread, *(value & 0xFFFFFFFF for value in arguments))
        except NtError as error:
            return error.status
        except AccessViolation as violation:
            return violation.status
        assert isinstance(answer, int | Wait)
        return answer

    def open(
        self, name: str, root: int = 0, access: int = KEY_ALL_ACCESS, flags: int = 0x40
    ) -> tuple[int | Wait, int]:
        """Status and handle; the handle is 0 where there is none."""
        handle = self.put(b"\xef\xbe\xad\xde")
        status = self.call("NtOpenKey", handle, access, self.attributes(name, root, flags))
        return status, self.memory.u32(handle)

    def create(
        self,
        name: str,
        root: int = 0,
        options: int = 0,
        access: int = KEY_ALL_ACCESS,
        flags: int = 0x40,
        class_name: str = "",
    ) -> tuple[int | Wait, int]:
        handle = self.put(b"\xef\xbe\xad\xde")
        status = self.call(
            "NtCreateKey", handle, access, self.attributes(name, root, flags), 0,
            self.string(class_name) if class_name else 0, options, 0,
        )  # fmt: skip
        return status, self.memory.u32(handle)

    def key(
        self,
        name: str,
        root: int = 0,
        options: int = 0,
        access: int = KEY_ALL_ACCESS,
        class_name: str = "",
    ) -> int:
        """A handle to a key that is made if need be."""
        status, handle = self.create(name, root, options, access, class_name=class_name)
        assert status == 0, f"{status!r}"
        return handle

    def close(self, *handles: int) -> None:
        for handle in handles:
            assert self.call("NtClose", handle) == 0

    def set(self, key: int, name: str, data: bytes, kind: int = REG_DWORD) -> int | Wait:
        return self.call(
            "NtSetValueKey", key, self.string(name), 0, kind, self.put(data), len(data)
        )

    def query(
        self, service: str, key: int, what: int, kind: int, length: int = 0x1000
    ) -> tuple[int | Wait, int, bytes]:
        """Status, ResultLength and the buffer; what: an index, a string, or -1 for NtQueryKey."""
        buffer, result = self.put(b"\xcc" * length), self.put(bytes(4))
        middle = [what] if what != -1 else []
        status = self.call(service, key, *middle, kind, buffer, length, result)
        return status, self.memory.u32(result), self.memory.read(buffer, length)

    def value(self, key: int, name: str) -> tuple[int, bytes] | int | Wait:
        """Type and data of a value, or the status."""
        status, size, data = self.query("NtQueryValueKey", key, self.string(name), 2)
        if status:
            return status
        _title, kind, length = struct.unpack_from("<3I", data)
        assert size == 12 + length
        return kind, data[12:size]

    def subkeys(self, key: int) -> list[str]:
        names: list[str] = []
        while True:
            status, _size, data = self.query("NtEnumerateKey", key, len(names), 0)
            if status:
                assert status == 0x8000001A
                return names
            (length,) = struct.unpack_from("<I", data, 12)
            names.append(data[16 : 16 + length].decode("utf-16-le"))

    def empty_test_key(self) -> None:
        tree = self.registry.tree
        old = tree.find(USER).subkey("NtTest")
        if old is not None:
            tree.delete_tree(old)
        self.close(self.key(TEST))

    def event(self, signaled: int = 0) -> int:
        handle = self.room()
        assert self.call("NtCreateEvent", handle, 0x1F0003, 0, 0, signaled) == 0
        return self.memory.u32(handle)

    def is_signaled(self, event: int) -> bool:
        body = self.thread.object(event, "Event", 0)
        return bool(DISPATCHER_HEADER(self.executive.kernel, body).SignalState)

    def node(self, key: int) -> KeyNode:
        return self.registry.key(self.thread.object(key, "Key", 0)).node

    def guest_path(self, handle: int) -> str:
        """The path of a key as a debugger finds it behind a handle."""
        kernel = self.executive.kernel
        address = CM_KEY_BODY(kernel, self.thread.object(handle, "Key", 0)).KeyControlBlock
        parts = []
        while address:
            block = CM_KEY_CONTROL_BLOCK(kernel, address)
            name = CM_NAME_CONTROL_BLOCK(kernel, block.NameBlock)
            text = kernel.read(name.address + 0x0E, name.NameLength)
            parts.append(text.decode("latin-1" if name.Compressed else "utf-16-le"))
            address = block.ParentKcb
        return "\\" + "\\".join(reversed(parts))
