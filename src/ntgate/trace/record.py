"""One traced call, and its two written forms."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ntgate.layout.ntstatus import name_of
from ntgate.trace.decode import Bytes, Word


@dataclass
class CallRecord:
    """A service call; `status` is None for one that does not return.  `clock`: 100 ns units."""

    seq: int
    pid: int
    tid: int
    service: str
    number: int
    gate: str  # "sysenter", "int2e", or "" for a call from ring 0
    gate_at: str  # module+offset of the gate instruction
    direct: bool  # made outside of ntdll's stubs
    caller: str  # module+offset that the stub returns to
    args: dict[str, Any]
    clock: int
    out: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    injected: bool = False
    stack: list[str] = field(default_factory=list)

    def json_line(self) -> str:
        fields = {
            "seq": self.seq,
            "pid": self.pid,
            "tid": self.tid,
            "service": self.service,
            "number": self.number,
            "gate": self.gate,
            "gate_at": self.gate_at,
            "direct": self.direct,
            "caller": self.caller,
            "args": self.args,
            "out": self.out,
            "status": self.status,
            "status_name": None if self.status is None else name_of(self.status),
            "clock": self.clock,
        }
        if self.injected:
            fields["injected"] = True
        if self.stack:
            fields["stack"] = self.stack
        return json.dumps(fields, default=_plain, ensure_ascii=False)

    def text(self) -> str:
        """`NtClose(Handle=0x7c) = STATUS_SUCCESS`, as strace would write it."""
        arguments = ", ".join(f"{name}={show(value)}" for name, value in self.args.items())
        line = f"{self.service}({arguments})"
        if self.status is None:
            line += " = ?"
        else:
            line += f" = {name_of(self.status)}"
        if self.out:
            outputs = ", ".join(f"{name}={show(value)}" for name, value in self.out.items())
            line += f" [{outputs}]"
        if self.injected:
            line += " (INJECTED)"
        return line


def show(value: Any) -> str:
    """A decoded value in the text form."""
    if value is None:
        return "NULL"
    if isinstance(value, Bytes):
        return value.text()
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dict):
        inner = ", ".join(f"{name}={show(member)}" for name, member in value.items())
        return "{" + inner + "}"
    if isinstance(value, str) and not isinstance(value, Word):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Bytes):
        return value.data.decode("latin-1") + ("..." if value.more else "")
    raise TypeError(f"{value!r} has no JSON form")
