"""Where the engine keeps the state that only its saved context shows.

A few events (sysenter, a gate through the IDT) are delivered by patching the saved context of
the running CPU.  Nothing documents that blob, so its layout is found at start-up: marker
values are written and searched for, and a short guest program takes a page fault, an `int n`
and a ring change.  What is not found exactly once stops the start with CalibrationError.

The parts that no marker can reach lie at fixed distances from parts that are found (a segment
cache is selector, base, limit, flags in 24 bytes); the distances are checked by the markers.

The engine's count of instructions is found the same way, in the engine's own structure: the
trial runs with a marker for its limit, and the counter beside it must show what has run.
"""

from __future__ import annotations

import ctypes as C
import struct
from collections.abc import Callable

from ntgate.cpu import unicorn_abi as abi
from ntgate.cpu.descriptors import segment_descriptor
from ntgate.cpu.ram import PhysicalMemory
from ntgate.cpu.unicorn_abi import const, x86
from ntgate.errors import CalibrationError
from ntgate.records import dataclass

SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
GENERAL = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
CC_OP_EFLAGS = 1
DWORDS_PER_SEGMENT = 6  # selector, padding, base (8 bytes), limit, flags


@dataclass(frozen=True)
class ContextLayout:
    """Dword indexes into a saved context of `size` bytes; `counter` is a byte offset from the
    engine's handle, of how many instructions its last run with a limit has begun."""

    size: int
    counter: int
    general: tuple[int, ...]  # in the order of GENERAL
    eip: int
    eflags: int  # but for the arithmetic flags and DF, which are in the next three
    cc_src: int
    cc_op: int  # CC_OP_EFLAGS: the arithmetic flags stand in cc_src as in EFLAGS
    df: int  # -1 for DF set, else 1
    hflags: int
    segments: tuple[int, ...]  # first dword of each cache, in the order of SEGMENTS
    tr: int
    gdt: int
    idt: int
    cr2: int
    cr3: int
    sysenter_cs: int
    sysenter_esp: int
    sysenter_eip: int
    dr0: int  # then DR1-DR7, two dwords each
    dr6: int
    dr7: int
    error_code: int
    exception_is_int: int
    next_eip: int
    old_exception: int


class Context:
    """One saved context, seen as dwords."""

    def __init__(self, engine: C.c_void_p) -> None:
        self.pointer = C.c_void_p()
        abi.check(abi.uc_context_alloc(engine, C.byref(self.pointer)))
        self.size = abi.uc_context_size(engine)
        assert self.pointer.value is not None
        blob = (C.c_ubyte * self.size).from_address(self.pointer.value)
        self.dwords = memoryview(blob).cast("B").cast("I")

    def save(self, engine: C.c_void_p) -> memoryview:
        abi.check(abi.uc_context_save(engine, self.pointer))
        return self.dwords

    def free(self) -> None:
        abi.uc_context_free(self.pointer)


# The trial program's memory: one identity-mapped megabyte in low RAM, zeroed afterwards.
_PDPT, _DIRECTORY, _TABLE = 0x1000, 0x2000, 0x3000
_GDT, _CODE, _ABSENT = 0x4000, 0x5000, 0x6000
_FRAMES = range(1, 9)
_STACK = 0x8000
_DR6 = 0xFFFF_AFFF
_LIMIT = 0x5A1D_0000_C0DE  # of instructions, in the trial
_TRIED = 5  # instructions that the trial begins; two of them fault
ENGINE_QWORDS = 0x400  # of the engine's structure, which is larger
_PROGRAM = bytes.fromhex(
    "a100600000"  # 5000: mov eax,[6000]      read fault, resumed at 5005
    "a300600000"  # 5005: mov [6000],eax      write fault, resumed at 500a
    "cd41"        # 500a: int 41h             from ring 0, resumed at 500c
    "cf"          # 500c: iretd               to ring 3 at 500d
    "cd42"        # 500d: int 42h             from ring 3: the end
)


def calibrate(engine: C.c_void_p, ram: PhysicalMemory) -> ContextLayout:
    """The layout of a new engine, which no end address stops from now on.

    Leaves registers that the boot sets anew.  Raises CalibrationError.
    """
    # With an end address each run ends with a fetch from it, which overwrites CR2.
    abi.control(engine, const.UC_CTL_UC_USE_EXITS, const.UC_CTL_IO_WRITE, C.c_int(1))
    return _Calibration(engine, ram).run()


class _Calibration:
    def __init__(self, engine: C.c_void_p, ram: PhysicalMemory) -> None:
        self.engine = engine
        self.ram = ram
        self.context = Context(engine)
        self.saved: dict[str, list[int]] = {}

    def run(self) -> ContextLayout:
        try:
            markers = self.find_markers()
            self.prepare_trial()
            self.run_trial()
            return self.layout(markers)
        finally:
            for frame in _FRAMES:
                self.ram.zero(frame)
            self.context.free()

    def write(self, register: int, value: int) -> None:
        cell = C.c_uint64(value)
        abi.check(abi.uc_reg_write(self.engine, register, C.byref(cell)))

    def write_structured(self, register: int, packed: bytes) -> None:
        abi.check(abi.uc_reg_write(self.engine, register, C.create_string_buffer(packed)))

    def write_msr(self, index: int, value: int) -> None:
        self.write_structured(x86.UC_X86_REG_MSR, struct.pack("<IxxxxQ", index, value))

    def write_table(self, register: int, base: int, limit: int) -> None:
        self.write_structured(register, struct.pack("<HxxxxxxQIxxxx", 0, base, limit))

    def find_markers(self) -> dict[str, int]:
        """Write a value to each register that the API reaches, and look where it went."""
        value = 0x5A1D_0010
        wanted: dict[str, int] = {}

        def mark(name: str, write: Callable[[int], None]) -> None:
            nonlocal value
            value += 0x0001_3570
            wanted[name] = value
            write(value)

        for name in (*GENERAL, "eip"):
            register = getattr(x86, f"UC_X86_REG_{name.upper()}")
            mark(name, lambda v, register=register: self.write(register, v))  # type: ignore[misc]
        mark("cr2", lambda v: self.write(x86.UC_X86_REG_CR2, v))
        mark("dr0", lambda v: self.write(x86.UC_X86_REG_DR0, v))
        mark("gdt", lambda v: self.write_table(x86.UC_X86_REG_GDTR, v, 0x3FF))
        mark("idt", lambda v: self.write_table(x86.UC_X86_REG_IDTR, v, 0x7FF))
        mark("sysenter_esp", lambda v: self.write_msr(0x175, v))
        mark("sysenter_eip", lambda v: self.write_msr(0x176, v))
        wanted["sysenter_cs"] = 0xB5A8  # the engine keeps 16 bits of it
        self.write_msr(0x174, wanted["sysenter_cs"])
        dwords = list(self.context.save(self.engine))
        found = {name: _once(dwords, value, name) for name, value in wanted.items()}
        first = found["eax"]
        if [found[name] - first for name in GENERAL] != list(range(0, 16, 2)):
            raise CalibrationError("the engine's registers are not where they should be")
        self.check_flags(found["eip"] + 2)
        for table, limit in (("gdt", 0x3FF), ("idt", 0x7FF)):
            if dwords[found[table] + 2] != limit:
                raise CalibrationError(f"the engine's {table} limit is not beside its base")
        return found

    def check_flags(self, eflags: int) -> None:
        for value, cc_src, df in ((0xCD7, 0x8D5, 0xFFFFFFFF), (0x2, 0, 1)):
            self.write(x86.UC_X86_REG_EFLAGS, value)
            dwords = self.context.save(self.engine)
            found = (dwords[eflags + 4], dwords[eflags + 8], dwords[eflags + 9])
            if found != (cc_src, CC_OP_EFLAGS, df):
                raise CalibrationError("the engine's flags are not where they were measured")

    def prepare_trial(self) -> None:
        """PAE paging with one absent page, flat segments of both rings, and markers in FS, TR."""
        qwords = self.ram.qwords
        qwords[_PDPT >> 3] = _DIRECTORY | 1
        qwords[_DIRECTORY >> 3] = _TABLE | 7
        for page in range(16):
            linear = page << 12
            qwords[(_TABLE >> 3) + page] = 0 if linear == _ABSENT else linear | 7
        for index, descriptor in enumerate(
            (
                0,
                segment_descriptor(0, 0xFFFFF, 0x9B),
                segment_descriptor(0, 0xFFFFF, 0x93),
                segment_descriptor(0, 0xFFFFF, 0xFB),
                segment_descriptor(0, 0xFFFFF, 0xF3),
                segment_descriptor(0x00765000, 0x321, 0xF3, flags=0x4),
            )
        ):
            qwords[(_GDT >> 3) + index] = descriptor
        self.ram.bytes[_CODE : _CODE + len(_PROGRAM)] = _PROGRAM
        frame = (_CODE + 0xD, 0x1B, 0x202, _STACK + 0x800, 0x23)
        for index, value in enumerate(frame):
            self.ram.dwords[(_STACK >> 2) + index] = value
        self.write_table(x86.UC_X86_REG_GDTR, _GDT, 0x2F)
        self.write_table(x86.UC_X86_REG_IDTR, 0, 0)
        self.write(x86.UC_X86_REG_CR4, 1 << 5)
        self.write(x86.UC_X86_REG_CR3, _PDPT)
        self.write(x86.UC_X86_REG_CR0, 0x8001_0011)
        for name, selector in (("CS", 0x08), ("SS", 0x10), ("DS", 0x23), ("ES", 0x23)):
            self.write(getattr(x86, f"UC_X86_REG_{name}"), selector)
        self.write(x86.UC_X86_REG_FS, 0x2B)
        self.write(x86.UC_X86_REG_GS, 0x2B)
        self.write_structured(
            x86.UC_X86_REG_TR, struct.pack("<HxxxxxxQII", 0x28, 0x00543000, 0x20AB, 0x8B00)
        )
        self.write(x86.UC_X86_REG_DR0, 0)
        self.write(x86.UC_X86_REG_DR6, _DR6)
        self.write(x86.UC_X86_REG_DR7, 0)
        self.write(x86.UC_X86_REG_ESP, _STACK)

    def run_trial(self) -> None:
        stages = iter(
            (
                ("read fault", _CODE + 5),
                ("write fault", _CODE + 10),
                ("int ring 0", _CODE + 12),
                ("int ring 3", None),
            )
        )
        self.saved["start"] = list(self.context.save(self.engine))
        eip_index = self.eip_index = _once(self.mark_eip(), 0x5A5A_7770, "eip")

        def on_interrupt(_engine: object, _vector: int) -> None:
            name, resume = next(stages, ("none", None))
            dwords = self.context.save(self.engine)
            self.saved[name] = list(dwords)
            if resume is None:
                abi.uc_emu_stop(self.engine)
                return
            dwords[eip_index] = resume
            # The engine compares each new fault with the last one, and never forgets it.
            for index, (now, before) in enumerate(
                zip(self.saved[name], self.saved["start"], strict=True)
            ):
                if before == 0xFFFFFFFF and now == 14:
                    dwords[index] = 0xFFFFFFFF
            abi.uc_context_restore(self.engine, self.context.pointer)

        callback = abi.HOOK_INTR(on_interrupt)
        hook = abi.hook_add(self.engine, const.UC_HOOK_INTR, callback)
        abi.emu_start_counted(self.engine, _CODE, 0, 0, _LIMIT)
        abi.check(abi.uc_hook_del(self.engine, hook))
        if "int ring 3" not in self.saved:
            raise CalibrationError("the engine did not run the trial program to its end")

    def mark_eip(self) -> list[int]:
        self.write(x86.UC_X86_REG_EIP, 0x5A5A_7770)
        return list(self.context.save(self.engine))

    def find_counter(self) -> int:
        assert self.engine.value is not None
        words = (C.c_uint64 * ENGINE_QWORDS).from_address(self.engine.value)
        found = [i for i, word in enumerate(words) if word == _LIMIT]
        if len(found) != 1 or words[found[0] - 1] != _TRIED:
            raise CalibrationError("the engine's count of instructions is not where it should be")
        return 8 * (found[0] - 1)

    def layout(self, markers: dict[str, int]) -> ContextLayout:
        start, read = self.saved["start"], self.saved["read fault"]
        write, int0 = self.saved["write fault"], self.saved["int ring 0"]
        int3 = self.saved["int ring 3"]
        segments = self.find_segments(start)
        dr6 = _once(start, _DR6, "dr6")
        if dr6 != markers["dr0"] + 12:
            raise CalibrationError("the engine's debug registers are not in a row")
        size = len(start)
        known = {index + offset for index in segments for offset in range(DWORDS_PER_SEGMENT)}
        eflags = markers["eip"] + 2

        def one(name: str, fits: Callable[[int], bool]) -> int:
            found = [i for i in range(size) if i not in known and fits(i)]
            if len(found) != 1:
                raise CalibrationError(
                    f"the engine's {name} was found {len(found)} times in its context; "
                    "install unicorn 2.1.4"
                )
            return found[0]

        old_exception = one(
            "old exception", lambda i: (start[i], read[i]) == (0xFFFFFFFF, 14)
        )
        if old_exception != dr6 + 2 + 10:
            raise CalibrationError("the engine's execution breakpoints are not behind dr7")
        tr = one("tr", lambda i: start[i] == 0x00543000) - 2
        if [markers[name] - tr for name in ("gdt", "idt")] != [8, 14]:
            raise CalibrationError("the engine's tr, gdt and idt are not in a row")
        if int3[eflags] & 0x202 != 0x202 or start[eflags] & 0x202 != 0x002:
            raise CalibrationError("the engine's eflags are not beside its eip")
        return ContextLayout(
            size=size * 4,
            counter=self.find_counter(),
            general=tuple(markers[name] for name in GENERAL),
            eip=markers["eip"],
            eflags=eflags,
            cc_src=eflags + 4,
            cc_op=eflags + 8,
            df=eflags + 9,
            hflags=one(
                "hflags",
                lambda i: int0[i] & 0x33 == 0x30 and int3[i] == int0[i] | 3,
            ),
            segments=tuple(segments),
            tr=tr,
            gdt=markers["gdt"],
            idt=markers["idt"],
            cr2=markers["cr2"],
            cr3=one("cr3", lambda i: start[i] == _PDPT and i > markers["cr2"]),
            sysenter_cs=markers["sysenter_cs"],
            sysenter_esp=markers["sysenter_esp"],
            sysenter_eip=markers["sysenter_eip"],
            dr0=markers["dr0"],
            dr6=dr6,
            dr7=dr6 + 2,
            error_code=one(
                "error code", lambda i: start[i] == 0 and read[i] == 0 and write[i] == 2
                and i not in (markers["cr2"],)
            ),
            exception_is_int=one(
                "exception kind",
                lambda i: (start[i], read[i], write[i], int0[i], int3[i]) == (0, 0, 0, 1, 1),
            ),
            next_eip=one(
                "next eip",
                lambda i: (int0[i], int3[i]) == (_CODE + 12, _CODE + 15) and i != markers["eip"],
            ),
            old_exception=old_exception,
        )

    @staticmethod
    def find_segments(start: list[int]) -> list[int]:
        """FS and GS hold a marked base, at the fifth and sixth place of six caches in a row."""
        hits = [i for i, value in enumerate(start) if value == 0x00765000]
        if len(hits) != 2 or hits[1] - hits[0] != DWORDS_PER_SEGMENT or start[hits[0] + 2] != 0x321:
            raise CalibrationError("the engine's segment registers are not where they should be")
        first = hits[0] - 2 - 4 * DWORDS_PER_SEGMENT
        selectors = [start[first + i * DWORDS_PER_SEGMENT] for i in range(6)]
        if selectors != [0x23, 0x08, 0x10, 0x23, 0x2B, 0x2B]:
            raise CalibrationError("the engine's segment registers are not in the expected order")
        return [first + i * DWORDS_PER_SEGMENT for i in range(6)]


def _once(dwords: list[int], value: int, name: str) -> int:
    if dwords.count(value) != 1:
        raise CalibrationError(
            f"the engine's {name} was found {dwords.count(value)} times in its context; "
            "install unicorn 2.1.4"
        )
    return dwords.index(value)
