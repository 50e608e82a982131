"""A machine under kd, in process, with programs and ring-0 code of the test's own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from ntgate.cli.kd import expected_services
from ntgate.debug.interpreter import Interpreter
from ntgate.debug.live import LiveMachine
from ntgate.devices.console import MemoryDevice
from ntgate.image.assembler import assemble
from ntgate.image.pe_writer import CODE, DATA, PeWriter
from ntgate.loader.builtin import images
from ntgate.machine import Machine, MachineOptions

IMAGE_BASE = 0x400000
TEXT, DATA_SECTION = 0x401000, 0x402000
MACROS = (Path(images.__file__).parent / "programs/macros.inc").read_text()
ROUTINES = """
DirectInterrupt:
        mov     eax, 112h
        lea     edx, [esp+4]
        int     2Eh
        ret     24h

; sysenter returns to KiFastSystemCallRet, whose `ret` takes the address that is pushed here.
DirectSysenter:
        mov     eax, 112h
        call    DirectSysenterGate
        ret     24h
DirectSysenterGate:
        mov     edx, esp
        sysenter

ThroughIntSystemCall:
        mov     eax, 112h
        lea     edx, [KiIntSystemCall]
        call    edx
        ret     24h
"""


def program(folder: Path, name: str, code: str, data: str) -> Path:
    """A PE file made from assembly text: `code` begins with the entry point, Start.

    `@write ROUTINE` writes the bytes from Text to TextEnd through one of ROUTINES or ntdll's
    NtWriteFile; `@leave` ends the process.
    """
    source = f";@org {TEXT:x}h\nStart:\n{code}\n{ROUTINES}\n;@org {DATA_SECTION:x}h\n{data}\n"
    source += "TextEnd:\n        .byte 0\nStatusBlock:\n        .long 0, 0\n"
    known = images.builtin_ntdll().symbols
    assembled = assemble({"macros.inc": MACROS, f"{name}.asm": source}, known)
    writer = PeWriter(f"{name}.exe", IMAGE_BASE, 0x48025EAB, dll=False, fixed=True)
    for address, section, flags in ((TEXT, ".text", CODE), (DATA_SECTION, ".data", DATA)):
        rva = address - IMAGE_BASE
        writer.add_section(section, assembled.pieces[address], flags, rva=rva)
    writer.export({name: at - IMAGE_BASE for name, at in assembled.symbols.items()})
    writer.entry = assembled.symbols["Start"] - IMAGE_BASE
    path = folder / f"{name}.exe"
    path.write_bytes(writer.build())
    return path


def dots(
    folder: Path, count: int, routine: str = "NtWriteFile", *, breaks: tuple[int, ...] = ()
) -> Path:
    """A program that writes a dot `count` times, each by a system call of its own.

    `breaks`: an int3 of the program's own stands behind so many dots.  kd stops there as at a
    breakpoint, but setting one would have the engine forget the code that it has translated.
    """
    code = ""
    for first, last in pairwise((0, *breaks, count)):
        code += f"""
        mov     ebp, {last - first}
After{first}:
        @write {routine}
        dec     ebp
        jnz     After{first}
"""
        code += "        int3\n" if last in breaks else "        @leave\n"
    return program(folder, f"dots_{routine.lower()}", code, 'Text:\n        .ascii "."')


class DebuggedMachine:
    """A machine that stands at the initial break of a program.

    `output` is what the program has written.
    """

    def __init__(self, start: str | Path = "@sysenter", *, has_sep: bool = True) -> None:
        self.machine = Machine(MachineOptions(has_sep=has_sep, debugger=True))
        self.target = LiveMachine(self.machine)
        self.interpreter = Interpreter(
            self.target, expected_services=expected_services(self.machine)
        )
        self.console = MemoryDevice()
        self.machine.break_at_next_thread()
        self.process = self.machine.start(start, stdout=self.console)
        self.initial_break = self.target.resume()

    @property
    def output(self) -> bytes:
        return bytes(self.console.output)

    def kd(self, *lines: str) -> str:
        """Run command lines that must all succeed; returns what they printed."""
        printed = ""
        for line in lines:
            answer = self.interpreter.execute(line)
            assert answer.ok, f"kd> {line}\n{answer.text}"
            printed += answer.text
        return printed

    def mistake(self, line: str) -> str:
        """Run a command line that must fail; returns what it printed."""
        answer = self.interpreter.execute(line)
        assert not answer.ok, f"kd> {line}\n{answer.text}"
        return answer.text

    def value(self, expression: str) -> int:
        """What kd's `?` gives for an expression."""
        return self.interpreter.session.evaluator.value(expression)

    def run_to_end(self) -> bytes:
        """`g` until the program has ended well; returns all that it has written."""
        printed = self.kd("g")
        assert "The program has ended, status 00000000." in printed, printed
        return self.output

    def install(self, source: str) -> dict[str, int]:
        """Put ring-0 code into nonpaged pool, as a driver's would lie there; gives its symbols.

        The source has no ;@org; nt's symbols are known in it, and where the second instructions
        of KiFastCallEntry (_EntryBehind) and the fourth of KiSystemService (_ServiceBehind) are.
        """
        known = {
            **self.machine.symbols,
            "_EntryBehind": self.machine.symbols["KiFastCallEntry"] + 5,
            "_ServiceBehind": self.machine.symbols["KiSystemService"] + 5,
        }
        room = 0x800
        address = self.machine.executive.pool.allocate(room, b"Test")
        assembled = assemble({"driver": f";@org {address:x}h\n{source}"}, known)
        code = assembled.pieces[address]
        assert len(code) <= room
        self.target.write(address, code)
        return assembled.symbols

    def run_driver(self, source: str) -> dict[str, int]:
        """Run ring-0 code from `DriverEntry:` to its `ret`, and come back to the initial break."""
        symbols = self.install(
            f"""
Driver:
        pushfd
        pushad
        cli
        call    DriverEntry
        popad
        popfd
DriverDone:
        jmp     Driver
{source}"""
        )
        at_break = self.value("@eip")
        self.kd(f"r eip={symbols['Driver']:x}")
        self.kd(f"g {symbols['DriverDone']:x}")
        assert self.value("@eip") == symbols["DriverDone"]
        self.kd(f"r eip={at_break + 1:x}")
        return symbols

    def counting_hook(self, onwards: str) -> tuple[int, int]:
        """(code, counter): code that counts its runs and jumps on to `onwards`."""
        symbols = self.install(
            f"""
CountingHook:
        pushfd
        inc     dword ptr [HookCounter]
        popfd
        jmp     {onwards}
        .balign 4, 0
HookCounter:
        .long   0"""
        )
        return symbols["CountingHook"], symbols["HookCounter"]

    def dword(self, address: int) -> int:
        return int.from_bytes(self.target.read(address, 4), "little")
