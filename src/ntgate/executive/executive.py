"""The parts of the executive of one machine, as its services reach them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ntgate.cpu.processor import Processor
from ntgate.executive.atoms import AtomTable
from ntgate.executive.cm import Registry
from ntgate.executive.cm.registry import USER_SID
from ntgate.executive.dbgk.reports import Reports
from ntgate.executive.events import Events
from ntgate.executive.hard_errors import HardErrors
from ntgate.executive.io.hive_files import VolumeHiveFiles
from ntgate.executive.io.start import start_io
from ntgate.executive.ke.clock import Clock
from ntgate.executive.ke.keyed_events import KeyedEvents
from ntgate.executive.ke.profiles import Profiles
from ntgate.executive.ke.scheduler import Scheduler
from ntgate.executive.ke.time_zone import TimeZone
from ntgate.executive.ke.timers import Timers
from ntgate.executive.ke.wait import Waits
from ntgate.executive.locale import Locale
from ntgate.executive.lpc import Ports
from ntgate.executive.mm.conditions import MemoryConditions
from ntgate.executive.mm.manager import MemoryManager
from ntgate.executive.ob import ObjectManager
from ntgate.executive.pool import Pool
from ntgate.executive.ps.known_dlls import prepare_known_dlls
from ntgate.executive.ps.manager import ProcessManager
from ntgate.executive.ps.service_control import ServiceControl
from ntgate.executive.ps.system_processes import SystemProcesses
from ntgate.executive.se import Security
from ntgate.executive.se.sids import parse
from ntgate.executive.uuids import Uuids
from ntgate.executive.win32k.desktop import Desktops
from ntgate.executive.win32k.dialogs import Dialogs
from ntgate.executive.win32k.input_idle import InputIdle
from ntgate.executive.win32k.windows import Windows
from ntgate.layout import machine as m
from ntgate.memory.frames import FrameAllocator
from ntgate.memory.kernel import KernelMemory
from ntgate.memory.paging import AddressSpace

RANDOM_SEED = 2600


class Executive:
    """Made once at boot.

    map_page(linear, frame) maps a page of system space.  `quiet` is called when no thread can
    ever run again; `bugcheck` ends the machine with the code and four parameters.
    """

    def __init__(
        self,
        cpu: Processor,
        kernel: KernelMemory,
        frames: FrameAllocator,
        system_space: AddressSpace,
        symbols: dict[str, int],
        map_page: Callable[[int, int], None],
    ) -> None:
        self.cpu = cpu
        self.kernel = kernel
        self.symbols = symbols
        self.events = Events()
        self.clock = Clock(kernel)
        self.time_zone = TimeZone()
        self.locale = Locale()
        self.atoms = AtomTable()
        self.debug_filters: dict[int, int] = {}  # by component: a bit for each level
        self.random = Random(RANDOM_SEED)  # equal runs draw equal numbers
        self.pool = Pool(kernel, m.NONPAGED_POOL, m.NONPAGED_POOL_END)
        self.scheduler = Scheduler(kernel, symbols, self.clock)
        self.objects = ObjectManager(kernel, self.pool, symbols)
        self.security = Security(self, parse(USER_SID))
        self.desktops = Desktops(self.objects)
        self.uuids = Uuids(self.clock)
        self.mm = MemoryManager(cpu, kernel, frames, self.pool, system_space)
        kernel.set_u32(symbols["MmPfnDatabase"], self.mm.pfn.address)
        self.processes = ProcessManager(self, map_page)
        self.waits = Waits(self)
        self.debugging = Reports(self)
        self.profiles = Profiles(self)
        self.timers = Timers(self)
        self.keyed_events = KeyedEvents(self)
        self.memory_conditions = MemoryConditions(self)
        self.windows = Windows(kernel, self.pool, self.waits)
        self.input_idle = InputIdle(kernel, self.pool, self.waits)
        self.dialogs = Dialogs(self)
        self.ports = Ports(self)
        self.hard_errors = HardErrors(self)
        self.system_processes = SystemProcesses(self)
        self.service_control = ServiceControl(self)
        self.io = start_io(self)
        self.registry = Registry(
            self.objects, self.clock, self.events, VolumeHiveFiles(self.io)
        )
        self.registry.check_access = self.security.check_key
        self.registry.new_security = self.security.new_key_security
        self.io.volume.guard = self.security
        self.io.volume.new_object_id = self.uuids.new
        prepare_known_dlls(self)
        self.debugger = False  # a kernel debugger is attached
        cpu.timestamp = self.clock.timestamp
