"""What Wine's DLLs ask of the host's side of themselves.

Elsewhere that is a Unix library beside the DLL.  A DLL learns a handle with
NtQueryVirtualMemory (MemoryWineUnixFuncs) and passes it with a function's number and a pointer
to the function's own structure of arguments.  Here the handle is the DLL's base address.
"""

from __future__ import annotations

from collections.abc import Callable

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import PVOID, ULONG
from ntgate.errors import NtError
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.services.wine import cng
from ntgate.services.wine.host_names import (
    get_address_info,
    get_host_by_address,
    get_host_by_name,
    get_host_name,
    get_name_info,
    get_search_list,
    get_server_list,
    query_servers,
    set_server_list,
)

Function = Callable[[Thread, int], int]


def _nothing(_caller: Thread, _arguments: int) -> int:
    return ntstatus.STATUS_SUCCESS


def _not_supported(_caller: Thread, _arguments: int) -> int:
    return ntstatus.STATUS_NOT_SUPPORTED


def _load_so_dll(_caller: Thread, _arguments: int) -> int:
    """A file that is no PE file is not the host's library either."""
    return ntstatus.STATUS_INVALID_IMAGE_NOT_MZ


def _system_time_precise(caller: Thread, arguments: int) -> int:
    caller.memory.set_u64(arguments, caller.executive.clock.precise_system_time())
    return ntstatus.STATUS_SUCCESS


def _no_more(_caller: Thread, _arguments: int) -> int:
    return ntstatus.STATUS_NO_MORE_ENTRIES


# By DLL, in the order of the functions' numbers.
_FUNCTIONS: dict[str, tuple[Function, ...]] = {
    "ntdll.dll": (_load_so_dll, _not_supported, _system_time_precise),
    "ws2_32.dll": (
        get_address_info, get_host_by_address, get_host_by_name, get_host_name, get_name_info,
    ),
    "dnsapi.dll": (get_search_list, get_server_list, set_server_list, query_servers),
    # a thread begins, the process ends; no function of OpenGL's own
    "opengl32.dll": (_nothing, _nothing),
    "bcrypt.dll": (_nothing, _nothing, *cng.FUNCTIONS),
    # attach and detach, four for PKCS 12 stores, the host's root certificates
    "crypt32.dll": (_nothing, _nothing, *(_not_supported,) * 4, _no_more),
}


def _functions(caller: Thread, base: int) -> tuple[Function, ...]:
    """Those of the DLL that is mapped at `base`; raises NtError STATUS_DLL_NOT_FOUND."""
    space = caller.process.space
    vad = space.vad_at(base >> 12)
    if vad is not None and vad.is_image and vad.first << 12 == base:
        file = space.manager.segments[vad.control_area].file
        name = file.name.rpartition("\\")[2].lower() if file is not None else ""
        if name in _FUNCTIONS:
            return _FUNCTIONS[name]
    raise NtError(ntstatus.STATUS_DLL_NOT_FOUND)


def unix_library_handle(caller: Thread, base: int) -> int:
    """The handle of the DLL at that address; raises NtError STATUS_DLL_NOT_FOUND."""
    _functions(caller, base)
    return base


@service(partial="ntdll, ws2_32, dnsapi, bcrypt, crypt32, opengl32 only; nothing is drawn")
def __wine_unix_call_dispatcher(
    caller: Thread, HandleLow: ULONG, HandleHigh: ULONG, Code: ULONG, Arguments: PVOID
) -> Outcome:
    """Call a function of a DLL's side on the host."""
    if HandleHigh:
        return ntstatus.STATUS_DLL_NOT_FOUND
    functions = _functions(caller, HandleLow)
    if Code >= len(functions):
        return ntstatus.STATUS_INVALID_PARAMETER
    return functions[Code](caller, Arguments)
