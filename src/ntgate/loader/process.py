"""Starting a program from outside the machine: what the host gives it, then as any other."""

from __future__ import annotations

from collections.abc import Sequence

from ntgate.errors import NtError, UsageError
from ntgate.executive.executive import Executive
from ntgate.executive.io.constants import FILE_ALL_ACCESS
from ntgate.executive.io.device import ByteDevice, open_stream
from ntgate.executive.ob.attributes import OBJ_INHERIT
from ntgate.executive.ps.environment import ProcessParameters
from ntgate.executive.ps.start import (
    create_first_thread,
    create_image_process,
    set_parameters,
)
from ntgate.executive.ps.thread import Process, Thread
from ntgate.layout import ntstatus
from ntgate.loader.mapping import ImageLoader
from ntgate.loader.programs import Program
from ntgate.loader.system_dll import SystemDll, SystemImages

VOLUME = "\\Device\\HarddiskVolume1"


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
            status = ntstatus.name_of(error.status)
            raise UsageError(f"{program.name} can't be started: {status}") from None

    def _start(
        self,
        program: Program,
        ntdll: SystemDll,
        parameters: ProcessParameters,
        devices: Sequence[ByteDevice],
    ) -> Thread:
        section = self.images.section(program.name, program.file)
        process = create_image_process(
            self.executive, None, section, SystemImages(self.images, ntdll)
        )
        process.image_path = VOLUME + parameters.image_path[2:]
        (
            parameters.standard_input, parameters.standard_output, parameters.standard_error,
        ) = (self._open(process, device) for device in devices)  # fmt: skip
        set_parameters(process, parameters)
        thread = create_first_thread(process)
        self.executive.objects.dereference(process.eprocess.address)
        return thread

    def _open(self, process: Process, device: ByteDevice) -> int:
        """An inheritable handle of the process to a file object on the device."""
        objects = self.executive.objects
        body = open_stream(self.executive.io, device)
        handle = objects.create_handle(process.handles, body, FILE_ALL_ACCESS, OBJ_INHERIT)
        objects.dereference(body)
        return handle
