"""A whole ntgate machine that runs one program of programs.py, a round at a time.

It is what `ntgate run` makes, with two services more: MARK stops the machine, and NULL takes
nine arguments and answers STATUS_SUCCESS.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import programs
from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import SERVICES, service
from ntgate.dispatch.types import ULONG
from ntgate.executive.ps.thread import Thread
from ntgate.image.assembler import assemble
from ntgate.image.pe_writer import CODE, DATA, PeWriter
from ntgate.loader.builtin.images import builtin_ntdll
from ntgate.machine import Cause, Machine, MachineOptions

PAGE = 0x1000


class FullMachine:
    """counted: slices by instruction count, else by the host's clock; has_sep: which gate."""

    running: FullMachine | None = None

    def __init__(self, program: str, *, has_sep: bool = True, counted: bool = True) -> None:
        self.machine = Machine(MachineOptions(has_sep=has_sep, counted=counted))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "bench.exe")
            path.write_bytes(_image(program))
            self.machine.start(path)

    def run_round(self) -> None:
        """Until the program's next call of MARK; raises RuntimeError when it ends instead."""
        FullMachine.running = self
        cause = self.machine.resume()
        if cause is not Cause.REQUEST:
            raise RuntimeError(f"the program stopped: {cause.value}")

    def close(self) -> None:
        self.machine.cpu.close()


def _image(program: str) -> bytes:
    assembled = assemble({"program": program}, builtin_ntdll().symbols)
    writer = PeWriter("bench.exe", programs.PROGRAM_BASE, 0, dll=False, fixed=True)
    code = assembled.pieces[programs.CODE]
    writer.add_section(".text", code, CODE, rva=programs.CODE - programs.PROGRAM_BASE)
    writer.add_section(".data", bytes(PAGE), DATA, rva=programs.DATA - programs.PROGRAM_BASE)
    writer.entry = assembled.symbols["Start"] - programs.PROGRAM_BASE
    return writer.build()


for _name in (programs.MARK, programs.NULL):
    SERVICES.pop(_name, None)  # the machine's own stand back


@service()
def NtReadFileScatter(
    caller: Thread, a: ULONG, b: ULONG, c: ULONG, d: ULONG, e: ULONG, f: ULONG, g: ULONG,
    h: ULONG, i: ULONG,
) -> Outcome:  # fmt: skip
    """MARK."""
    assert FullMachine.running is not None
    FullMachine.running.machine.request_stop()
    return 0


@service()
def NtWriteFileGather(
    caller: Thread, a: ULONG, b: ULONG, c: ULONG, d: ULONG, e: ULONG, f: ULONG, g: ULONG,
    h: ULONG, i: ULONG,
) -> Outcome:  # fmt: skip
    """NULL."""
    return 0
