"""A small machine that runs: enough of the processor for a system call, there and back."""

from __future__ import annotations

from iced_x86 import Decoder, Formatter, FormatterSyntax, Instruction, Mnemonic, OpKind
from keystone import KS_ARCH_X86, KS_MODE_32, Ks

from debug.fakes import FakeTarget
from ntgate.debug import segments
from ntgate.debug.interpreter import Interpreter
from ntgate.debug.session import ExpectedService
from ntgate.debug.symbols import Module, SymbolTable
from ntgate.debug.target import Access, Stop, StopReason, Unreadable

ENTRY = 0x00401000
MAIN = 0x00401010
USER_STACK = 0x0012FF80
KERNEL_STACK = 0xF7BF0000
SYSENTER_STACK = 0xF88C7000
SHARED_USER = 0x7FFE0000
SHARED_KERNEL = 0xFFDF0000
KPCR = 0xFFDFF000
GDT = 0x8003F000
IDT = 0x8003F400
TSS = 0x80042000
SERVICE_TABLE = 0x80501000
ARGUMENT_TABLE = 0x80501800
SERVICE_CODE = 0x80570000
NT_WRITE_FILE = SERVICE_CODE + 0x112 * 0x10
DESCRIPTOR_TABLE = 0x80553FA0
SHADOW_TABLE = 0x80553F60
SERVICES = {number: ExpectedService(f"NtService{number:03x}", 4) for number in range(0x11C)}
SERVICES[0x112] = ExpectedService("NtWriteFile", 0x24)

_FORMATTER = Formatter(FormatterSyntax.MASM)
_FLAT = 0x00CF00000000FFFF


def assemble(text: str, address: int) -> bytes:
    encoded, _ = Ks(KS_ARCH_X86, KS_MODE_32).asm(text, address)
    return bytes(encoded)


class FakeMachine(FakeTarget):
    """Runs instructions until a breakpoint, `hlt` (the end) or `int3` (an exception).

    After `budget` instructions the user presses Ctrl-C.
    """

    def __init__(self, symbols: SymbolTable | None = None, budget: int = 5000) -> None:
        super().__init__(symbols)
        self.budget = budget
        self.is_interrupted = False
        self.stop_at_modules = False
        self.breakpoints: dict[int, tuple[int, Access, int]] = {}
        self._next_handle = 1
        self._touched: list[tuple[int, int, bool]] = []

    def request_interrupt(self) -> None:
        self.is_interrupted = True

    def add_breakpoint(self, address: int, access: Access = Access.EXECUTE, size: int = 1) -> int:
        self._next_handle += 1
        self.breakpoints[self._next_handle] = address, access, size
        return self._next_handle

    def remove_breakpoint(self, handle: int) -> None:
        del self.breakpoints[handle]

    def resume(self, instructions: int | None = None) -> Stop:
        done = 0
        while instructions is None or done < instructions:
            if self.is_interrupted or self.budget <= 0:
                self.is_interrupted = False
                return Stop(StopReason.INTERRUPT)
            if done and (hits := self._execution_hits()):
                return Stop(StopReason.BREAKPOINT, hits)
            self.budget -= 1
            self._touched.clear()
            stop = self._step()
            if stop is not None:
                return stop
            done += 1
            if hits := self._data_hits():
                return Stop(StopReason.BREAKPOINT, hits)
        return Stop(StopReason.STEP)

    def _execution_hits(self) -> tuple[int, ...]:
        return tuple(
            handle
            for handle, (address, access, _) in self.breakpoints.items()
            if access is Access.EXECUTE and address == self.registers["eip"]
        )

    def _data_hits(self) -> tuple[int, ...]:
        return tuple(
            handle
            for handle, (address, access, size) in self.breakpoints.items()
            if access is not Access.EXECUTE
            and any(
                at < address + size
                and address < at + length
                and (is_write or access is Access.READ_WRITE)
                for at, length, is_write in self._touched
            )
        )

    def _step(self) -> Stop | None:
        registers = self.registers
        try:
            code = self.read(registers["eip"], 15)
        except Unreadable:
            return Stop(StopReason.EXCEPTION, code=0xC0000005)
        instruction = Decoder(32, code, ip=registers["eip"]).decode()
        before = dict(registers)
        registers["eip"] = instruction.next_ip32
        try:
            return self._execute(instruction)
        except Unreadable:
            self.registers.update(before)
            return Stop(
                StopReason.EXCEPTION,
                text="Access violation - code c0000005 (first chance)",
                code=0xC0000005,
            )

    def _execute(self, instruction: Instruction) -> Stop | None:
        registers = self.registers
        get, put = self._get, self._put
        match instruction.mnemonic:
            case Mnemonic.NOP:
                pass
            case Mnemonic.MOV:
                put(instruction, 0, get(instruction, 1))
            case Mnemonic.LEA:
                put(instruction, 0, self._offset(instruction))
            case Mnemonic.PUSH:
                self._push(get(instruction, 0))
            case Mnemonic.POP:
                put(instruction, 0, self._pop())
            case Mnemonic.PUSHFD:
                self._push(registers["efl"])
            case Mnemonic.POPFD:
                registers["efl"] = self._pop()
            case Mnemonic.ADD:
                self._result(instruction, get(instruction, 0) + get(instruction, 1))
            case Mnemonic.SUB:
                self._result(instruction, get(instruction, 0) - get(instruction, 1))
            case Mnemonic.DEC:
                self._result(instruction, get(instruction, 0) - 1)
            case Mnemonic.CALL:
                target = get(instruction, 0)
                self._push(instruction.next_ip32)
                registers["eip"] = target
            case Mnemonic.JMP:
                registers["eip"] = get(instruction, 0)
            case Mnemonic.JNE:
                if not registers["efl"] & 0x40:
                    registers["eip"] = get(instruction, 0)
            case Mnemonic.RET:
                registers["eip"] = self._pop()
                registers["esp"] += get(instruction, 0) if instruction.op_count else 0
            case Mnemonic.SYSENTER:
                registers.update(cs=8, ss=0x10, esp=self.msrs[0x175], eip=self.msrs[0x176])
            case Mnemonic.SYSEXIT:
                registers.update(cs=0x1B, ss=0x23, esp=registers["ecx"], eip=registers["edx"])
            case Mnemonic.HLT:
                registers["eip"] = instruction.ip32
                return Stop(StopReason.EXIT, text="The program has exited with code 0")
            case Mnemonic.INT3:
                return Stop(StopReason.EXCEPTION, code=0x80000003)
            case _:
                registers["eip"] = instruction.ip32
                return Stop(StopReason.EXCEPTION, code=0xC000001D)
        return None

    def _result(self, instruction: Instruction, value: int) -> None:
        value &= 0xFFFFFFFF
        zero = 0 if value else 0x40
        self.registers["efl"] = self.registers["efl"] & ~0x40 | zero
        self._put(instruction, 0, value)

    def _offset(self, instruction: Instruction) -> int:
        offset = instruction.memory_displacement
        for part, scale in (
            (instruction.memory_base, 1),
            (instruction.memory_index, instruction.memory_index_scale),
        ):
            if part:
                offset += self.registers[_FORMATTER.format_register(part)] * scale
        return offset & 0xFFFFFFFF

    def _address(self, instruction: Instruction) -> int:
        segment = _FORMATTER.format_register(instruction.memory_segment)
        return segments.base_of(self, segment) + self._offset(instruction) & 0xFFFFFFFF

    def _get(self, instruction: Instruction, index: int) -> int:
        match instruction.op_kind(index):
            case OpKind.REGISTER:
                name = _FORMATTER.format_register(instruction.op_register(index))
                wide = {"cx": "ecx", "bx": "ebx"}.get(name, name)
                return self.registers[wide]
            case OpKind.MEMORY:
                address = self._address(instruction)
                self._touched.append((address, 4, False))
                return int.from_bytes(self.read(address, 4), "little")
            case OpKind.NEAR_BRANCH32:
                return instruction.near_branch32
        return instruction.immediate(index) & 0xFFFFFFFF

    def _put(self, instruction: Instruction, index: int, value: int) -> None:
        if instruction.op_kind(index) == OpKind.MEMORY:
            address = self._address(instruction)
            self._touched.append((address, 4, True))
            self.write(address, value.to_bytes(4, "little"))
            return
        name = _FORMATTER.format_register(instruction.op_register(index))
        is_segment = len(name) == 2 and name.endswith("s")
        self.registers[name] = value & 0xFFFF if is_segment else value

    def _push(self, value: int) -> None:
        self.registers["esp"] -= 4
        self._touched.append((self.registers["esp"], 4, True))
        self.write(self.registers["esp"], value.to_bytes(4, "little"))

    def _pop(self) -> int:
        value = int.from_bytes(self.read(self.registers["esp"], 4), "little")
        self.registers["esp"] += 4
        return value


_NT_SYMBOLS = (
    (SERVICE_TABLE, "KiServiceTable"),
    (ARGUMENT_TABLE, "KiArgumentTable"),
    (0x80542611, "KiSystemService"),
    (0x805426E0, "KiFastCallEntry"),
    (0x8054590C, "KiTrap0F"),
    (SHADOW_TABLE, "KeServiceDescriptorTableShadow"),
    (DESCRIPTOR_TABLE, "KeServiceDescriptorTable"),
    *((SERVICE_CODE + 0x10 * number, service.name) for number, service in SERVICES.items()),
)
_NTDLL_SYMBOLS = (
    (0x7C92DF60, "NtWriteFile"),
    (0x7C92E4F0, "KiFastSystemCall"),
    (0x7C92E4F4, "KiFastSystemCallRet"),
    (0x7C92E500, "KiIntSystemCall"),
)
_APP_SYMBOLS = ((ENTRY, "start"), (MAIN, "main"))

# The study's bytes, then a frame in the order that XP pushes it.
_KI_FAST_CALL_ENTRY = bytes.fromhex("b923000000 6a30 0fa1 8ed9 8ec1 648b0d40000000 8b6104 6a23")
_REST_OF_ENTRY = """
    push edx
    pushfd
    push 2
    add edx, 8
    popfd
    push 0x1b
    push dword ptr [0xffdf0304]
    push 0
    push ebp
    push ebx
    push esi
    push edi
    push 0x3b
    sub esp, 0x50
    mov ebp, esp
    mov dword ptr [ebp + 8], 0xbadb0d00
    sub esp, 0x24
    mov ebx, 0x80501000
    mov ebx, dword ptr [ebx + eax*4]
    call ebx
    mov edx, dword ptr [ebp + 0x68]
    mov ecx, dword ptr [ebp + 0x74]
    mov ebx, dword ptr [ebp + 0x5c]
    mov ebp, dword ptr [ebp + 0x60]
    sysexit
"""
_MAIN = """
    push ebp
    mov ebp, esp
    push 9
    push 8
    push 7
    push 6
    push 5
    push 4
    push 3
    push 2
    push 1
    call 0x7c92df60
    mov ecx, 3
again:
    dec ecx
    jne again
    pop ebp
    ret
"""


def gate(routine: int, access: int, selector: int = 8) -> bytes:
    """An IDT gate."""
    value = routine & 0xFFFF | selector << 16 | access << 40 | (routine >> 16) << 48
    return value.to_bytes(8, "little")


def descriptor(access: int, base: int = 0, raw: int = _FLAT) -> bytes:
    """A GDT descriptor."""
    value = raw | access << 40
    value |= (base & 0xFFFFFF) << 16 | (base >> 24) << 56
    return value.to_bytes(8, "little")


def machine(kind: type[FakeMachine] = FakeMachine) -> FakeMachine:
    """At the entry of a program that calls ntdll!NtWriteFile and ends."""
    fake = kind(
        SymbolTable(
            [
                Module("\\WINDOWS\\system32\\ntoskrnl.exe", 0x804D8000, 0x215000, _NT_SYMBOLS),
                Module("C:\\WINDOWS\\system32\\ntdll.dll", 0x7C920000, 0x93000, _NTDLL_SYMBOLS),
                Module("C:\\app.exe", 0x400000, 0x5000, _APP_SYMBOLS),
            ]
        )
    )
    fake.put(ENTRY, assemble(f"call {MAIN:#x}; nop; hlt", ENTRY))
    fake.put(MAIN, assemble(_MAIN, MAIN))
    fake.put(0x7C92DF60, bytes.fromhex("b812010000 ba0003fe7f ff12 c22400"))
    fake.put(0x7C92E4F0, bytes.fromhex("8bd4 0f34 c3"))
    fake.put(0x7C92E500, bytes.fromhex("8d542408 cd2e c3"))
    fake.put(0x80542611, bytes.fromhex("6a00 55 53 56 57 0fa0 bb30000000 668ee3"))
    rest = 0x805426E0 + len(_KI_FAST_CALL_ENTRY)
    fake.put(0x805426E0, _KI_FAST_CALL_ENTRY + assemble(_REST_OF_ENTRY, rest))
    body = "mov edi, edi; push ebp; mov ebp, esp; mov eax, 0; pop ebp; ret 0x24"
    fake.put(NT_WRITE_FILE, assemble(body, NT_WRITE_FILE))
    for alias in (SHARED_USER, SHARED_KERNEL):
        fake.put_number(alias + 0x300, 0x7C92E4F0)
        fake.put_number(alias + 0x304, 0x7C92E4F4)
    fake.put(GDT, bytes(0x400))
    for selector, access in ((0x08, 0x9B), (0x10, 0x93), (0x18, 0xFB), (0x20, 0xF3)):
        fake.put(GDT + selector, descriptor(access))
    fake.put(GDT + 0x28, descriptor(0x8B, TSS, 0x20AB))
    fake.put(GDT + 0x30, descriptor(0x93, KPCR, 0x00C0000000000001))
    fake.put(GDT + 0x38, descriptor(0xF3, 0x7FFDE000, 0x0040000000000FFF))
    fake.put(IDT, bytes(0x800))
    fake.put(IDT + 0x2E * 8, gate(0x80542611, 0xEE) + gate(0x8054590C, 0x8E))
    fake.put_number(KPCR + 0x40, TSS)
    fake.put_number(TSS + 4, KERNEL_STACK)
    _service_tables(fake)
    for stack in (USER_STACK, KERNEL_STACK, SYSENTER_STACK):
        fake.put(stack - 0x1000, bytes(0x1000))
    fake.put(USER_STACK, bytes(0x80))
    fake.msrs.update({0x174: 8, 0x175: SYSENTER_STACK, 0x176: 0x805426E0})
    fake.registers.update(
        eip=ENTRY, esp=USER_STACK, ebp=0, efl=0x246, cs=0x1B, ss=0x23, ds=0x23, es=0x23, fs=0x3B,
        gdtr=GDT, gdtl=0x3FF, idtr=IDT, idtl=0x7FF, tr=0x28, cr3=0x39000,
    )  # fmt: skip
    return fake


def _service_tables(fake: FakeMachine) -> None:
    for number, service in SERVICES.items():
        fake.put_number(SERVICE_TABLE + 4 * number, SERVICE_CODE + 0x10 * number)
        fake.put_number(ARGUMENT_TABLE + number, service.argument_bytes, 1)
    for table in (DESCRIPTOR_TABLE, SHADOW_TABLE):
        fake.put_number(table, SERVICE_TABLE)
        fake.put_number(table + 8, len(SERVICES))
        fake.put_number(table + 12, ARGUMENT_TABLE)


def kd(fake: FakeMachine | None = None) -> Interpreter:
    """An interpreter over the machine."""
    return Interpreter(fake or machine(), expected_services=SERVICES)


def answer(interpreter: Interpreter, line: str) -> str:
    """What a line that can be done prints."""
    result = interpreter.execute(line)
    assert result.ok, result.text
    return result.text


def mistake(interpreter: Interpreter, line: str) -> str:
    """The last line of what a line that can't be done prints."""
    result = interpreter.execute(line)
    assert not result.ok, result.text
    return result.text.splitlines()[-1]
