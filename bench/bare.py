"""The reference of every ratio: bare Unicorn with the least kernel that can answer a call.

No code of ntgate's kernel, machine or processor is in it, only its bindings of the engine and
the calibration that finds where a saved context keeps the registers.  Ring 3 and ring 0 with
PAE and NX; the stub that XP's ntdll has; `sysenter` to 20 instructions of kernel that copy
nine arguments; one Python function that reads them; `sysexit`.  There is no trap frame, no
thread, no service table, no interrupt and no check of anything: what a call costs here is what
the engine and the language cost.
"""

from __future__ import annotations

import ctypes as C
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import programs
from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.calibration import Context, ContextLayout, calibrate
from ntgate.cpu.descriptors import segment_descriptor
from ntgate.cpu.ram import PAGE_SIZE, PhysicalMemory
from ntgate.cpu.registers import Registers
from ntgate.cpu.unicorn_abi import const, x86
from ntgate.image.assembler import assemble
from ntgate.loader.userland.stubs import xp_stub


@dataclass(frozen=True)
class Calls:
    """How the engine is called, and how it calls back."""

    start: Any
    save: Any
    restore: Any
    pointer: Callable[[int | None], Any]
    sysenter: Any
    out: Any


# With full prototypes, as ctypes is made for.
PLAIN = Calls(
    abi.uc_emu_start,
    abi.uc_context_save,
    abi.uc_context_restore,
    lambda pointer: pointer,
    C.CFUNCTYPE(None, C.c_void_p, C.c_void_p),
    C.CFUNCTYPE(None, C.c_void_p, C.c_uint32, C.c_int, C.c_uint32, C.c_void_p),
)
# As ntgate does: see cpu/unicorn_abi.py.
TUNED = Calls(
    abi.emu_start_counted,
    abi.context_save,
    abi.context_restore,
    abi.argument,
    abi.HOOK_SYSENTER,
    abi.HOOK_OUT,
)

FOREVER = 1 << 40
PRESENT, WRITABLE, USER, NO_EXECUTE = 1, 2, 4, 1 << 63

PDPT = 0x1000
GDT, KERNEL_CODE, KERNEL_DATA = 0x80010000, 0x80011000, 0x80012000
STUBS, SHARED_DATA, USER_STACK = 0x7C92D000, 0x7FFE0000, 0x00130000
REPLY, ARGUMENT_BLOCK = KERNEL_DATA, KERNEL_DATA + 0x800
KERNEL_STACK = ARGUMENT_BLOCK + 4 * programs.ARGUMENTS + 16  # four registers above the block
HOST_PORT = 0xE9
MARK_NUMBER, NULL_NUMBER = 0x111, 0x112

FAST_SYSTEM_CALL = STUBS + 0x800
NTDLL = f"""
;@org {FAST_SYSTEM_CALL:x}h
KiFastSystemCall:
 mov edx, esp
 sysenter
KiFastSystemCallRet:
 ret
"""
KERNEL = f"""
;@org {KERNEL_CODE:x}h
KernelEntry:
 mov esp, {KERNEL_STACK}
 push edx
 push ebp
 push esi
 push edi
 lea esi, [edx+8]
 sub esp, {4 * programs.ARGUMENTS}
 mov edi, esp
 mov ecx, {programs.ARGUMENTS}
 cld
 .byte 0F3h, 0A5h ; rep movsd
 out {HOST_PORT}, eax
 mov eax, [{REPLY}]
 add esp, {4 * programs.ARGUMENTS}
 pop edi
 pop esi
 pop ebp
 pop ecx
 mov edx, KiFastSystemCallRet
 sti
 sysexit
KernelStart:
 mov eax, 23h
 mov ds, eax
 mov es, eax
 mov edx, Start
 mov ecx, {USER_STACK + PAGE_SIZE}
 sti
 sysexit
"""


@cache
def _layout() -> ContextLayout:
    """Where a saved context keeps what; found on an engine that serves only this."""
    engine, ram = _open(64)
    layout = calibrate(engine, ram)
    abi.uc_close(engine)
    return layout


def _open(pages: int) -> tuple[C.c_void_p, PhysicalMemory]:
    ram = PhysicalMemory(pages)
    engine = C.c_void_p()
    abi.check(abi.uc_open(const.UC_ARCH_X86, const.UC_MODE_32, C.byref(engine)))
    abi.control(engine, const.UC_CTL_CPU_MODEL, 1, C.c_int(x86.UC_CPU_X86_CORE2DUO))
    abi.check(abi.uc_mem_map_ptr(engine, 0, ram.size, const.UC_PROT_ALL, ram.address))
    return engine, ram


class BareMachine:
    """Runs one program of programs.py, a round at a time.

    slice_length: instructions in each call of the engine; 0 is one call without a count.
    """

    def __init__(self, program: str, slice_length: int = 0, calls: Calls = PLAIN) -> None:
        self.slice_length = slice_length
        self.calls = calls
        self.layout = _layout()
        self.engine, self.ram = _open(256)
        self.context = Context(self.engine)
        self.registers = Registers(self.engine)
        self.stopped = False
        self._next_frame = (PDPT >> 12) + 1
        self._load(program)
        self._callbacks: list[Any] = []
        insn = const.UC_HOOK_INSN
        self._hook(calls.sysenter, insn, self._make_sysenter(), x86.UC_X86_INS_SYSENTER)
        self._hook(calls.out, insn, self._make_out(), x86.UC_X86_INS_OUT)
        self._hook(abi.HOOK_INTR, const.UC_HOOK_INTR, self._unexpected)

    def run_round(self) -> None:
        """Until the program's next call of MARK."""
        self.stopped = False
        while not self.stopped:
            abi.check(
                self.calls.start(
                    self.engine, self.registers.eip, FOREVER, 0, self.slice_length
                )
            )

    def close(self) -> None:
        self.context.free()
        abi.uc_close(self.engine)

    # Memory.

    def _load(self, program: str) -> None:
        stubs = {
            programs.MARK: (STUBS + 16 * MARK_NUMBER, MARK_NUMBER),
            programs.NULL: (STUBS + 16 * NULL_NUMBER, NULL_NUMBER),
        }
        assembled = assemble(
            {"program": program, "ntdll": NTDLL, "kernel": KERNEL},
            {name: address for name, (address, _number) in stubs.items()},
        )
        for page in (STUBS, STUBS + PAGE_SIZE, programs.CODE):
            self._map(page, USER)
        for page in (USER_STACK, programs.DATA):
            self._map(page, USER | WRITABLE | NO_EXECUTE)
        self._map(SHARED_DATA, USER | NO_EXECUTE)
        self._map(KERNEL_CODE, 0)
        for page in (GDT, KERNEL_DATA):
            self._map(page, WRITABLE | NO_EXECUTE)
        for address, code in assembled.pieces.items():
            self._write(address, code)
        for address, number in stubs.values():
            self._write(address, xp_stub(number, 4 * programs.ARGUMENTS))
        self._write(SHARED_DATA + 0x300, FAST_SYSTEM_CALL.to_bytes(4, "little"))
        descriptors = [0, *(segment_descriptor(0, 0xFFFFF, a) for a in (0x9B, 0x93, 0xFB, 0xF3))]
        self._write(GDT, b"".join(d.to_bytes(8, "little") for d in descriptors))
        registers = self.registers
        registers.write_msr(0xC0000080, 1 << 11)  # EFER.NXE
        registers.write("cr4", 1 << 5)  # PAE
        registers.write("cr3", PDPT)
        registers.write("cr0", 0x8001_0033)
        registers.write_structured(x86.UC_X86_REG_GDTR, 0, GDT, 8 * len(descriptors) - 1)
        registers.write("cs", 0x08)
        registers.write("ss", 0x10)
        registers.write_msr(0x174, 0x08)
        registers.write_msr(0x175, KERNEL_STACK)
        registers.write_msr(0x176, assembled.symbols["KernelEntry"])
        registers.write("eip", assembled.symbols["KernelStart"])

    def _frame(self) -> int:
        self._next_frame += 1
        return self._next_frame << 12

    def _map(self, linear: int, rights: int) -> None:
        """Give a page a frame of its own; the upper levels leave all to its entry."""
        pdpte = self._entry(PDPT + 8 * (linear >> 30), PRESENT)
        pde = self._entry(pdpte + 8 * (linear >> 21 & 0x1FF), PRESENT | WRITABLE | USER)
        self._entry(pde + 8 * (linear >> 12 & 0x1FF), PRESENT | rights)

    def _entry(self, place: int, rights: int) -> int:
        """The frame that the entry at `place` points to, made when there is none."""
        qwords = self.ram.qwords
        if not qwords[place >> 3]:
            qwords[place >> 3] = self._frame() | rights
        return self._target(place)

    def _target(self, place: int) -> int:
        return self.ram.qwords[place >> 3] & 0x000F_FFFF_FFFF_F000

    def _physical(self, linear: int) -> int:
        pdpte = self._target(PDPT + 8 * (linear >> 30))
        pde = self._target(pdpte + 8 * (linear >> 21 & 0x1FF))
        return self._target(pde + 8 * (linear >> 12 & 0x1FF)) | linear & 0xFFF

    def _write(self, linear: int, data: bytes) -> None:
        """Bytes within one page."""
        start = self._physical(linear)
        self.ram.bytes[start : start + len(data)] = data

    # Events.

    def _hook(self, prototype: Any, kind: int, function: Any, insn: int = 0) -> None:
        callback = prototype(function)
        self._callbacks.append(callback)
        abi.hook_add(self.engine, kind, callback, insn=insn)

    def _make_sysenter(self) -> Callable[..., None]:
        layout, engine = self.layout, self.calls.pointer(self.engine.value)
        save, restore = self.calls.save, self.calls.restore
        pointer = self.calls.pointer(self.context.pointer.value)
        context = self.context.dwords
        eip, esp, eflags, hflags = layout.eip, layout.general[4], layout.eflags, layout.hflags
        segments = slice(layout.segments[1], layout.segments[2] + 6)
        msr_esp, msr_eip = layout.sysenter_esp, layout.sysenter_eip
        ring0 = memoryview(bytearray(48)).cast("I")
        ring0[0], ring0[4], ring0[5] = 0x08, 0xFFFFFFFF, 0x00CF_9B00
        ring0[6], ring0[10], ring0[11] = 0x10, 0xFFFFFFFF, 0x00CF_9300

        def sysenter(_engine: object, _data: object = None) -> None:
            save(engine, pointer)
            context[segments] = ring0
            context[esp] = context[msr_esp]
            context[eip] = context[msr_eip] - 2  # the engine adds the instruction's length
            context[eflags] &= ~0x30200  # VM, RF, IF
            context[hflags] &= ~3
            restore(engine, pointer)

        return sysenter

    def _make_out(self) -> Callable[..., None]:
        dwords, engine = self.ram.dwords, self.engine.value
        first = self._physical(ARGUMENT_BLOCK) >> 2
        last, reply = first + programs.ARGUMENTS, self._physical(REPLY) >> 2

        def mark(*_arguments: int) -> int:
            self.stopped = True
            abi.uc_emu_stop(engine)
            return 0

        def null(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int) -> int:
            return 0

        services: dict[int, Callable[..., int]] = {MARK_NUMBER: mark, NULL_NUMBER: null}

        def out(
            _engine: object, _port: int, _size: int, value: int, _data: object = None
        ) -> None:
            dwords[reply] = services[value](*dwords[first:last])

        return out

    def _unexpected(self, _engine: object, vector: int) -> None:
        print(f"vector {vector:x} at eip {self.registers.eip:08x}")
        self.stopped = True
        abi.uc_emu_stop(self.engine)
