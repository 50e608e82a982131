r"""The service control manager is started when it is first asked for.

Windows starts services.exe at boot.  Here its pipe, \pipe\svcctl, is what asks for it: whoever
opens that and finds no such pipe waits until services.exe has said that it is ready, and tries
again.  Programs that need no services find no such process and pay nothing for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.cm.node import from_utf16
from ntgate.executive.ke.kernel_event import make_event
from ntgate.executive.ke.wait import WAIT_ANY
from ntgate.executive.ob.names import upcase
from ntgate.executive.ps.environment import SYSTEM_VARIABLES, ProcessParameters, expand
from ntgate.executive.ps.start import (
    create_first_thread,
    create_image_process,
    open_image,
    set_parameters,
)
from ntgate.layout.cm import REG_EXPAND_SZ, REG_SZ
from ntgate.layout.ke import DISPATCHER_HEADER

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive
    from ntgate.executive.ps.thread import Process, Thread

PIPE = "\\SVCCTL"
PROGRAM = "C:\\WINDOWS\\system32\\services.exe"
STARTED = "\\BaseNamedObjects\\__wine_SvcctlStarted"  # what Wine's services.exe signals
ENVIRONMENT = r"\REGISTRY\MACHINE\SYSTEM\CurrentControlSet\Control\Session Manager\Environment"


class ServiceControl:
    """The process of services.exe, once there is one."""

    def __init__(self, executive: Executive) -> None:
        self._executive = executive
        self._process: Process | None = None
        self._started = 0  # the event

    def summon(self, caller: Thread, path: str) -> bool:
        """Whether opening a pipe that is missing should wait (`wait`), and then try again."""
        if upcase(path) != PIPE or caller.process.images is None:
            return False
        if self._process is not None and not self._process.exited:
            # Ready without that pipe: it will not come.
            header = DISPATCHER_HEADER(self._executive.kernel, self._started)
            return not header.SignalState and caller.process is not self._process
        return self._start(caller)

    def wait(self, caller: Thread) -> int | None:
        """Until services.exe is ready or has ended: a status at once, or None: the caller waits."""
        assert self._process is not None
        process = self._process.eprocess.address
        return self._executive.waits.begin(caller, [self._started, process], WAIT_ANY, None)

    def _start(self, caller: Thread) -> bool:
        executive = self._executive
        images = caller.process.images
        assert images is not None
        try:
            section = open_image(executive, f"\\??\\{PROGRAM}")
        except NtError:
            return False
        try:
            process = create_image_process(
                executive, None, section, images, command_line=PROGRAM
            )
        finally:
            executive.objects.dereference(section)
        set_parameters(
            process,
            ProcessParameters(
                image_path=PROGRAM, command_line=PROGRAM, environment=self._environment(),
                current_directory="C:\\WINDOWS\\system32\\",
            ),
        )  # fmt: skip
        create_first_thread(process)
        if not self._started:
            self._started = make_event(executive, STARTED)
        DISPATCHER_HEADER(executive.kernel, self._started).SignalState = 0
        self._process = process  # its object stays: it is waited for
        return True

    def _environment(self) -> dict[str, str]:
        """The system's variables, as the registry has them."""
        tree = self._executive.registry.tree
        found = dict(SYSTEM_VARIABLES)
        try:
            values = tree.find(ENVIRONMENT).values
        except NtError:
            return found
        for value in values:
            if value.type in (REG_SZ, REG_EXPAND_SZ):
                found[value.name] = expand(from_utf16(value.data).rstrip("\0"))
        return found
