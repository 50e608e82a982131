"""The part of Unicorn's C interface that the machine uses, bound without the Python wrapper.

The wrapper costs 2-3 us a call where these cost well under 1 us, and it has no call to flush
the TLB.  Constants that the `unicorn` package names come from it, as does the library.
"""

from __future__ import annotations

import ctypes as C
import os
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

Argument = Any  # ctypes does not name the type of a converted argument


def _package() -> Path:
    """Where the `unicorn` package is; to import it takes the tenth part of a short run."""
    spec = find_spec("unicorn")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'unicorn'", name="unicorn")
    return Path(spec.submodule_search_locations[0])


def _constants(name: str) -> Any:
    """A module of constants, without those of the package's other processors."""
    spec = PathFinder.find_spec(f"unicorn.{name}", [str(PACKAGE)])
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named 'unicorn.{name}'", name=f"unicorn.{name}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _library() -> str:
    """The engine's library: the package's own, or what its wrapper finds elsewhere."""
    name = {"linux": "libunicorn.so.2", "darwin": "libunicorn.2.dylib"}.get(sys.platform)
    if name is not None and "LIBUNICORN_PATH" not in os.environ:
        path = PACKAGE / "lib" / name
        if path.is_file():
            return str(path)
    from unicorn.unicorn_py3.unicorn import uclib

    return str(uclib._name)


PACKAGE = _package()
const, x86 = _constants("unicorn_const"), _constants("x86_const")
_name = _library()
_lib = C.CDLL(_name)
_holding_gil = C.PyDLL(_name)


def _bind(name: str, *argtypes: Any, restype: Any = C.c_int) -> Any:
    function = _lib[name]
    function.argtypes = argtypes
    function.restype = restype
    return function


uc_open = _bind("uc_open", C.c_int, C.c_int, C.c_void_p)
uc_close = _bind("uc_close", C.c_void_p)
uc_strerror = _bind("uc_strerror", C.c_int, restype=C.c_char_p)
uc_emu_stop = _bind("uc_emu_stop", C.c_void_p)
uc_reg_read = _bind("uc_reg_read", C.c_void_p, C.c_int, C.c_void_p)
uc_reg_write = _bind("uc_reg_write", C.c_void_p, C.c_int, C.c_void_p)
uc_mem_map_ptr = _bind(
    "uc_mem_map_ptr", C.c_void_p, C.c_uint64, C.c_uint64, C.c_uint32, C.c_void_p
)
uc_hook_del = _bind("uc_hook_del", C.c_void_p, C.c_size_t)
uc_context_alloc = _bind("uc_context_alloc", C.c_void_p, C.c_void_p)
uc_context_free = _bind("uc_context_free", C.c_void_p)
uc_context_size = _bind("uc_context_size", C.c_void_p, restype=C.c_size_t)
uc_context_save = _bind("uc_context_save", C.c_void_p, C.c_void_p)
uc_context_restore = _bind("uc_context_restore", C.c_void_p, C.c_void_p)

_START = (C.c_void_p, C.c_uint64, C.c_uint64, C.c_uint64, C.c_size_t)
uc_emu_start = _bind("uc_emu_start", *_START)
# A counted run, which ends by itself, keeps the GIL: each callback would take it and give it back,
# at 0.15 us.  Other threads get it in callbacks and between slices.
emu_start_counted = _holding_gil["uc_emu_start"]
emu_start_counted.argtypes = _START

# The calls of every event, at 0.2 us instead of 0.35 to 0.5: they keep the GIL, and take their
# pointers as `argument` has made them once, without a conversion in each call.
context_save: Callable[[Argument, Argument], int] = _holding_gil["uc_context_save"]
context_restore: Callable[[Argument, Argument], int] = _holding_gil["uc_context_restore"]
reg_read: Callable[[Argument, int, Argument], int] = _holding_gil["uc_reg_read"]


def argument(pointer: int | None) -> Argument:
    """A pointer for the calls of events; what it points to must outlive it."""
    return C.c_void_p.from_param(pointer)


# Both are variadic in C: the fixed arguments are declared, the rest are passed as they are.
_uc_hook_add = _bind(
    "uc_hook_add",
    C.c_void_p,
    C.c_void_p,
    C.c_int,
    C.c_void_p,
    C.c_void_p,
    C.c_uint64,
    C.c_uint64,
)
_uc_ctl = _bind("uc_ctl", C.c_void_p, C.c_int)

# Those of every system call leave out the engine's last argument, a NULL that is passed in a
# register or removed by the caller: ctypes would convert it in each call.
HOOK_INTR = C.CFUNCTYPE(None, C.c_void_p, C.c_uint32)
HOOK_INVALID = C.CFUNCTYPE(C.c_bool, C.c_void_p, C.c_void_p)
HOOK_SYSENTER = C.CFUNCTYPE(None, C.c_void_p)
HOOK_CPUID = C.CFUNCTYPE(C.c_int, C.c_void_p, C.c_void_p)
HOOK_IN = C.CFUNCTYPE(C.c_uint32, C.c_void_p, C.c_uint32, C.c_int, C.c_void_p)
HOOK_OUT = C.CFUNCTYPE(None, C.c_void_p, C.c_uint32, C.c_int, C.c_uint32)
HOOK_CODE = C.CFUNCTYPE(None, C.c_void_p, C.c_uint64, C.c_uint32, C.c_void_p)
HOOK_MEM = C.CFUNCTYPE(
    None, C.c_void_p, C.c_int, C.c_uint64, C.c_int, C.c_int64, C.c_void_p
)


class UnicornError(Exception):
    """A call of the engine failed; `code` is its uc_err."""

    def __init__(self, code: int) -> None:
        super().__init__(uc_strerror(code).decode())
        self.code = code


def check(code: int) -> None:
    if code:
        raise UnicornError(code)


def hook_add(
    engine: C.c_void_p, kind: int, callback: Any, begin: int = 1, end: int = 0, insn: int = 0
) -> int:
    """Install a raw callback; the caller keeps it alive.  Returns the hook's handle."""
    handle = C.c_size_t()
    extra = (C.c_int(insn),) if insn else ()
    pointer = C.cast(callback, C.c_void_p)
    check(_uc_hook_add(engine, C.byref(handle), kind, pointer, None, begin, end, *extra))
    return handle.value


def control(engine: C.c_void_p, command: int, direction: int, *arguments: Any) -> None:
    """uc_ctl: `direction` is one of the UC_CTL_IO constants."""
    word = command | (len(arguments) << 26) | (direction << 30)
    check(_uc_ctl(engine, C.c_int32(word & 0xFFFFFFFF), *arguments))
