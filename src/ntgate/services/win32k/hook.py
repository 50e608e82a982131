"""Hooks: procedures that a program has set to see messages and windows of its threads.

They run in the process that set them: nothing is put into other programs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from ntgate.dispatch.outcome import Outcome, UserCall
from ntgate.dispatch.service import service
from ntgate.dispatch.types import HANDLE, PVOID, ULONG
from ntgate.executive.ps.thread import Thread
from ntgate.executive.win32k.windows import Hook
from ntgate.layout.win32_errors import (
    ERROR_INVALID_FILTER_PROC,
    ERROR_INVALID_HOOK_FILTER,
    ERROR_INVALID_HOOK_HANDLE,
    ERROR_INVALID_PARAMETER,
)
from ntgate.services.win32k.user import FALSE, INT, TRUE
from ntgate.services.win32k.user_call import fail

WH_MSGFILTER, WH_GETMESSAGE, WH_CALLWNDPROC, WH_CBT, WH_SYSMSGFILTER, WH_LAST = -1, 3, 4, 5, 6, 14
HC_ACTION, HCBT_CREATEWND, HCBT_DESTROYWND = 0, 3, 4
CALL_HOOK = 4  # in the KernelCallbackTable of Wine 8.0's user32
PARAMS = struct.Struct("<4I2i5I")  # win_hook_params
UnhookWindowsHook = 7  # of NtUserCallTwoParam

Asked = Callable[[Thread, int, Any], Outcome]  # with the hooks' answer, 0 without one


@service(partial="procedures are called for the process's own threads only")
def NtUserSetWindowsHookEx(
    caller: Thread, inst: HANDLE, module: PVOID, tid: ULONG, id: INT, proc: HANDLE, ansi: ULONG
) -> Outcome:
    """Set a hook for a thread, or for all of the process with 0; its handle."""
    if not WH_MSGFILTER <= id <= WH_LAST:
        return fail(caller, ERROR_INVALID_HOOK_FILTER)
    if not proc:
        return fail(caller, ERROR_INVALID_FILTER_PROC)
    threads = caller.executive.processes.threads_of(caller.process)
    if tid and all(thread.tid != tid for thread in threads):
        return fail(caller, ERROR_INVALID_PARAMETER)
    return caller.executive.windows.add_hook(
        lambda handle: Hook(handle, id, proc, caller.process, tid, not ansi)
    )


@service()
def NtUserUnhookWindowsHookEx(caller: Thread, handle: HANDLE) -> Outcome:
    """Take a hook away."""
    hook = caller.executive.windows.hooks.get(handle)
    if hook is None or hook.process is not caller.process:
        return fail(caller, ERROR_INVALID_HOOK_HANDLE)
    del caller.executive.windows.hooks[handle]
    return TRUE


def unhook(caller: Thread, kind: int, procedure: int) -> int:
    """Take the hook of a procedure away."""
    for handle, hook in caller.executive.windows.hooks.items():
        if hook.process is caller.process and (hook.kind, hook.procedure) == (kind, procedure):
            del caller.executive.windows.hooks[handle]
            return TRUE
    return fail(caller, ERROR_INVALID_HOOK_HANDLE)


@service()
def NtUserCallNextHookEx(
    caller: Thread, hhook: HANDLE, code: INT, wparam: ULONG, lparam: ULONG
) -> Outcome:
    """Ask the hook that was set before the one that runs; 0 without one."""
    queue = caller.executive.windows.queue(caller)
    running = queue.running_hooks[-1] if queue.running_hooks else None
    if running is None:
        return 0
    chain = _chain(caller, running.kind)
    left = chain[chain.index(running) + 1 :] if running in chain else []
    if not left:
        return 0
    return _call(caller, left[0], code, wparam, lparam, b"", _next_asked, None)


def _next_asked(_caller: Thread, answer: int, _state: Any) -> Outcome:
    return answer


def _chain(caller: Thread, kind: int) -> list[Hook]:
    """Those of a kind for a thread, the latest first."""
    return [
        hook
        for hook in reversed(caller.executive.windows.hooks.values())
        if hook.kind == kind and hook.process is caller.process and hook.tid in (0, caller.tid)
    ]


def ask(
    caller: Thread, kind: int, code: int, wparam: int, lparam: int | bytes, asked: Asked,
    state: Any = None,
) -> Outcome:  # fmt: skip
    """Call the latest hook of a kind, then go on; for bytes, its parameter points to them."""
    hooks = caller.executive.windows.hooks and _chain(caller, kind)
    if not hooks:
        return asked(caller, 0, state)
    data = lparam if isinstance(lparam, bytes) else b""
    value = 0 if isinstance(lparam, bytes) else lparam
    return _call(caller, hooks[0], code, wparam, value, data, asked, state)


def _call(
    caller: Thread, hook: Hook, code: int, wparam: int, lparam: int, data: bytes, asked: Asked,
    state: Any,
) -> UserCall:  # fmt: skip
    caller.executive.windows.queue(caller).running_hooks.append(hook)

    def build(_address: int) -> bytes:
        head = PARAMS.pack(
            hook.procedure, hook.handle, caller.pid, caller.tid, hook.kind, code, wparam, lparam,
            len(data), True, hook.unicode,
        )  # fmt: skip
        return head + data

    return UserCall(CALL_HOOK, PARAMS.size + len(data), build, _called, (asked, state))


def _called(caller: Thread, status: int, _answer: bytes, state: Any) -> Outcome:
    caller.executive.windows.queue(caller).running_hooks.pop()
    asked, inner = state
    outcome: Outcome = asked(caller, status & 0xFFFFFFFF, inner)
    return outcome


@service()
def NtUserCallMsgFilter(caller: Thread, msg: PVOID, code: INT) -> Outcome:
    """Ask the hooks for messages of dialog boxes and menus."""
    return ask(caller, WH_SYSMSGFILTER, code, 0, msg, _system_filtered, (msg, code))


def _system_filtered(caller: Thread, answer: int, state: Any) -> Outcome:
    msg, code = state
    return TRUE if answer else ask(caller, WH_MSGFILTER, code, 0, msg, _filtered)


def _filtered(_caller: Thread, answer: int, _state: Any) -> Outcome:
    return TRUE if answer else FALSE
