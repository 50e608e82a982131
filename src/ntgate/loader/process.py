"""Starting a program from outside the machine: what the host gives it, then as any other."""

from __future__ import annotations

from collections.abc import Sequence

from ntgate.errors import NtError, UsageError
from ntgate.executive.executive import Executive
from ntgate.executive.io.device import ByteDevice
from ntgate.executive.ps.environment import ProcessParameters
from ntgate.executive.ps.start import (
    create_first_thread,
    create_image_process,
    open_image,
    set_parameters,
)
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.paths import VOLUME
from ntgate.layout.status_names import name_of
from ntgate.loader.mapping import ImageLoader
from ntgate.loader.programs import Program
from ntgate.loader.system_dll import SystemDll, SystemImages

# A built-in program has no file.
_NOT_THERE = (ntstatus.STATUS_OBJECT_NAME_NOT_FOUND, ntstatus.STATUS_OBJECT_PATH_NOT_FOUND)


class ProgramLoader:
    """Makes processes of programs."""

    def __init__(self, executive: Executive) -> None:
        self.executive = executive
        self.images = ImageLoader(executive)

    def start(
        self,
        program: Program,
        ntdll: SystemDll,
        parameters: ProcessParameters,
        devices: Sequence[ByteDevice],
    ) -> Thread:
        """A process whose first thread is ready to run.

        devices: what its standard input, output and error are.  Raises UsageError for a
        program that this ntdll or NT's memory manager refuses.
        """
        ntdll.resolve(program)
        try:
            return self._start(program, ntdll, parameters, devices)
        except NtError as error:
            status = name_of(error.status)
            raise UsageError(f"{program.name} can't be started: {status}") from None

    def _start(
        self,
        program: Program,
        ntdll: SystemDll,
        parameters: ProcessParameters,
        devices: Sequence[ByteDevice],
    ) -> Thread:
        objects = self.executive.objects
        section = self._section(program, parameters.image_path)
        try:
            process = create_image_process(
                self.executive, None, section, SystemImages(self.images, ntdll),
                command_line=parameters.command_line,
            )  # fmt: skip
        finally:
            objects.dereference(section)
        process.image_path = VOLUME + parameters.image_path[2:]
        consoles = self.executive.io.consoles
        assert consoles is not None
        parameters.console_handle, standard = consoles.start(process, devices)
        (
            parameters.standard_input, parameters.standard_output, parameters.standard_error,
        ) = standard  # fmt: skip
        set_parameters(process, parameters)
        thread = create_first_thread(process)
        objects.dereference(process.eprocess.address)
        return thread

    def _section(self, program: Program, path: str) -> int:
        """The body of its image section, with a reference: of its file, where C: has one."""
        try:
            return open_image(self.executive, f"\\??\\{path}")
        except NtError as error:
            if error.status not in _NOT_THERE:
                raise
        section = self.images.section(program.name, program.file)
        self.executive.objects.reference(section)
        return section
