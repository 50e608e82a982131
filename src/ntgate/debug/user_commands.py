"""`!peb`, `!teb`, `!dlls`, `!gle`, `!error`: what ring 3 keeps of a process and a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.processes import record
from ntgate.debug.records import Record
from ntgate.debug.session import Session
from ntgate.debug.target import Unreadable
from ntgate.layout.pe import E_LFANEW
from ntgate.layout.status_names import name_of
from ntgate.layout.win32_errors import win32_error_name

_LONGEST_ENVIRONMENT = 0x10000
_HRESULT_OF_WIN32 = 0x8007  # its upper half
_TIMESTAMP = 8
_FLAGS = (
    (0x00000002, "LDRP_STATIC_LINK"),
    (0x00000004, "LDRP_IMAGE_DLL"),
    (0x00001000, "LDRP_LOAD_IN_PROGRESS"),
    (0x00002000, "LDRP_UNLOAD_IN_PROGRESS"),
    (0x00004000, "LDRP_ENTRY_PROCESSED"),
    (0x00008000, "LDRP_ENTRY_INSERTED"),
    (0x00040000, "LDRP_DONT_CALL_FOR_THREADS"),
    (0x00080000, "LDRP_PROCESS_ATTACH_CALLED"),
    (0x10000000, "LDRP_COR_IMAGE"),
)  # fmt: skip


def _take_record(session: Session, args: Arguments, name: str, default: str) -> Record:
    """The structure at an address, or at a pseudo-register; raises KdError."""
    address = args.take_address() if args else session.evaluator.address(default)
    args.finish()
    if not address:
        raise KdError(f"There is no {name[1:]}: the thread never runs in ring 3")
    return record(session, name, address)


def _yes(flag: int) -> str:
    return "Yes" if flag else "No"


@command("!peb", help="Show the process environment block", usage="!peb [ADDRESS]")
def show_peb(session: Session, args: Arguments) -> Iterable[str]:
    peb = _take_record(session, args, "_PEB", "@$peb")
    yield f"PEB at {peb.address:08x}"
    yield f"    InheritedAddressSpace:    {_yes(peb['InheritedAddressSpace'])}"
    yield f"    ReadImageFileExecOptions: {_yes(peb['ReadImageFileExecOptions'])}"
    yield f"    BeingDebugged:            {_yes(peb['BeingDebugged'])}"
    yield f"    ImageBaseAddress:         {peb['ImageBaseAddress']:08x}"
    yield f"    Ldr                       {peb['Ldr']:08x}"
    ldr = peb.follow("_PEB_LDR_DATA", "Ldr")
    if ldr is not None:
        yield f"    Ldr.Initialized:          {_yes(ldr['Initialized'])}"
        for name in ("InInitializationOrder", "InLoadOrder", "InMemoryOrder"):
            label = f"Ldr.{name}ModuleList:"
            flink, blink = (ldr[f"{name}ModuleList.{end}"] for end in ("Flink", "Blink"))
            yield f"    {label:<36} {flink:08x} . {blink:08x}"
        yield "            Base TimeStamp                     Module"
        for module in _modules(ldr, "InLoadOrder"):
            base = module["DllBase"]
            yield f"        {base:8x} {_timestamp(session, base)} {module.text('FullDllName')}"
    for name in ("SubSystemData", "ProcessHeap", "ProcessParameters"):
        label = f"{name}:"
        yield f"    {label:<18} {peb[name]:08x}"
    parameters = peb.follow("_RTL_USER_PROCESS_PARAMETERS", "ProcessParameters")
    if parameters is not None:
        yield from _parameters(session, parameters)


def _modules(ldr: Record, order: str) -> Iterator[Record]:
    return ldr.list("_LDR_DATA_TABLE_ENTRY", f"{order}ModuleList", f"{order}Links")


def _timestamp(session: Session, base: int) -> str:
    try:
        header = base + peek.number(session.target, base + E_LFANEW)
        seconds = peek.number(session.target, header + _TIMESTAMP)
    except Unreadable:
        return f"{'':29}"
    return f"{seconds:08x} {datetime.fromtimestamp(seconds, UTC):%b %d %H:%M:%S %Y}"


def _parameters(session: Session, parameters: Record) -> Iterator[str]:
    for label, path in (
        ("CurrentDirectory", "CurrentDirectory.DosPath"), ("WindowTitle", "WindowTitle"),
        ("ImageFile", "ImagePathName"), ("CommandLine", "CommandLine"), ("DllPath", "DllPath"),
    ):  # fmt: skip
        yield f"    {label + ':':<13} '{parameters.text(path)}'"
    environment = parameters["Environment"]
    yield f"    Environment:  {environment:08x}"
    for line in _environment(session, environment):
        yield f"        {line}"


def _environment(session: Session, address: int) -> Iterator[str]:
    raw = peek.readable(session.target, address, _LONGEST_ENVIRONMENT)
    text = raw[: len(raw) & ~1].decode("utf-16-le", "replace")
    for line in text.split("\0"):
        if not line:
            return
        yield line


@command("!teb", help="Show the thread environment block", usage="!teb [ADDRESS]")
def show_teb(session: Session, args: Arguments) -> Iterable[str]:
    teb = _take_record(session, args, "_TEB", "@$teb")
    yield f"TEB at {teb.address:08x}"
    for label, path in (
        ("ExceptionList", "NtTib.ExceptionList"), ("StackBase", "NtTib.StackBase"),
        ("StackLimit", "NtTib.StackLimit"), ("SubSystemTib", "NtTib.SubSystemTib"),
        ("FiberData", "NtTib.FiberData"), ("ArbitraryUserPointer", "NtTib.ArbitraryUserPointer"),
        ("Self", "NtTib.Self"), ("EnvironmentPointer", "EnvironmentPointer"),
    ):  # fmt: skip
        yield f"    {label + ':':<21} {teb[path]:08x}"
    identity = f"{teb['ClientId.UniqueProcess']:08x} . {teb['ClientId.UniqueThread']:08x}"
    yield f"    {'ClientId:':<21} {identity}"
    for label, path in (
        ("RpcHandle", "ActiveRpcHandle"), ("Tls Storage", "ThreadLocalStoragePointer"),
        ("PEB Address", "ProcessEnvironmentBlock"),
    ):  # fmt: skip
        yield f"    {label + ':':<21} {teb[path]:08x}"
    for label, path in (
        ("LastErrorValue", "LastErrorValue"), ("LastStatusValue", "LastStatusValue"),
        ("Count Owned Locks", "CountOfOwnedCriticalSections"),
        ("HardErrorMode", "HardErrorsAreDisabled"),
    ):  # fmt: skip
        yield f"    {label + ':':<21} {teb[path]:x}"


@command(
    "!dlls",
    help="Show the modules that the process's loader knows",
    usage="!dlls [-i | -l | -m] [-c ADDRESS]\n"
    "-i, -l, -m: in the order of initialization, loading (without an option), memory;\n"
    "-c: the module that holds an address",
)
def show_dlls(session: Session, args: Arguments) -> Iterable[str]:
    order, wanted = "InLoadOrder", None
    while found := args.take_option("-([ilm])|-c"):
        orders = {"i": "InInitializationOrder", "m": "InMemoryOrder"}
        if found[1] is None:
            wanted = args.take_address()
        else:
            order = orders.get(found[1], order)
    args.finish()
    peb = record(session, "_PEB", session.evaluator.address("@$peb"))
    ldr = peb.follow("_PEB_LDR_DATA", "Ldr") if peb.address else None
    if ldr is None:
        raise KdError("The process has no loader data: its first thread has not run in ring 3")
    for module in _modules(ldr, order):
        base, size = module["DllBase"], module["SizeOfImage"]
        if wanted is None or base <= wanted < base + size:
            yield from _module_rows(module)


def _module_rows(module: Record) -> Iterator[str]:
    yield ""
    yield f"0x{module.address:08x}: {module.text('FullDllName')}"
    yield (
        f"      Base   0x{module['DllBase']:08x}  EntryPoint  0x{module['EntryPoint']:08x}  "
        f"Size        0x{module['SizeOfImage']:08x}"
    )
    yield (
        f"      Flags  0x{module['Flags']:08x}  LoadCount   0x{module['LoadCount']:08x}  "
        f"TlsIndex    0x{module['TlsIndex']:08x}"
    )
    for bit, name in _FLAGS:
        if module["Flags"] & bit:
            yield f"             {name}"


@command(
    "!error",
    help="Name an error code",
    usage="!error CODE [1]\n1: an NTSTATUS; else a Win32 error, or an NTSTATUS from 80000000 on",
)
def name_error(session: Session, args: Arguments) -> Iterable[str]:
    code = args.take_value() & 0xFFFFFFFF
    is_status = bool(args.take_value()) if args else False
    args.finish()
    yield _error_row(code, is_status=is_status)


def _error_row(code: int, *, is_status: bool = False) -> str:
    is_hresult = not is_status and code >> 16 == _HRESULT_OF_WIN32
    win32 = None if is_status else win32_error_name(code & 0xFFFF if is_hresult else code)
    name = win32 or name_of(code)
    if name == f"{code:08x}":
        name = "<Unable to get error code text>"
    kind = ("HRESULT" if is_hresult else "Win32") if win32 else "NTSTATUS"
    shown = f"0n{code - (code >> 31 << 32)}"
    return f"Error code: ({kind}) {code:#x} ({shown}) - {name}"


@command("!gle", help="Show the last error and status of the thread", usage="!gle")
def last_error(session: Session, args: Arguments) -> Iterable[str]:
    teb = _take_record(session, args, "_TEB", "@$teb")
    for label, path, is_status in (
        ("LastErrorValue", "LastErrorValue", False), ("LastStatusValue", "LastStatusValue", True)
    ):  # fmt: skip
        row = _error_row(teb[path], is_status=is_status).removeprefix("Error code: ")
        yield f"{label}: {row}"
