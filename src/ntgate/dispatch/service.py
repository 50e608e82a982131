"""@service: one typed function is one service, and everything else is derived from it.

    @service(partial="Event and APC are ignored")
    def NtWriteFile(caller: Caller, FileHandle: HANDLE, ...) -> Outcome:
        "Write Length bytes from Buffer to a file object."

The name must be in the service tables and the parameters must add up to the argument bytes
that XP passes; a declaration that is wrong fails at import and says how to put it right.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.tables import ServiceNumber, services_by_name
from ntgate.dispatch.types import Pointer, Scalar, SizedBy
from ntgate.entry.routines import FIRST_ROUTINE, ROUTINES
from ntgate.records import dataclass


class DeclarationError(Exception):
    """A service's declaration does not agree with the service tables."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter; `target` is what a pointer points to."""

    name: str
    scalar: Scalar | None = None
    pointer: type[Pointer[Any]] | None = None
    target: Any = None
    sized_by: SizedBy | None = None

    @property
    def type_name(self) -> str:
        """As a prototype would write it: ULONG, PLARGE_INTEGER."""
        if self.scalar is not None:
            return self.scalar.name
        name = self.target.name if isinstance(self.target, Scalar) else self.target.__name__
        return f"P{name}"

    @property
    def direction(self) -> str:
        if self.pointer is None:
            return self.sized_by.direction if self.sized_by else "in"
        return self.pointer.DIRECTION + (" opt" if self.pointer.OPTIONAL else "")


@dataclass(frozen=True)
class Service:
    """A declared service: `invoke(caller, *raw)` takes the dwords that the entry code copied.

    The annotations are looked at when they are first asked for: a run needs few of the services.
    """

    number: ServiceNumber
    function: Callable[..., Outcome]
    partial: str

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        return _parameters(self.function)

    @cached_property
    def invoke(self) -> Callable[..., Outcome]:
        return _invoker(self.function, self.parameters)

    @property
    def summary(self) -> str:
        return inspect.getdoc(self.function) or ""

    @property
    def family(self) -> str:
        """The module of services/ that declares it."""
        return self.function.__module__.rpartition(".")[2]


SERVICES: dict[str, Service] = {}
KERNEL_ROUTINES: dict[str, Callable[..., Outcome]] = {}


def service(partial: str = "") -> Callable[[Callable[..., Outcome]], Callable[..., Outcome]]:
    """Declare a service; `partial` says in a phrase what of it is missing."""

    def declare(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
        name = function.__name__
        number = services_by_name().get(name)
        if number is None:
            raise DeclarationError(f"{name}: no service table has a service of this name")
        if name in SERVICES:
            raise DeclarationError(f"{name} is declared twice")
        declared, passed = function.__code__.co_argcount - 1, number.argument_bytes // 4
        if declared != passed:
            raise DeclarationError(f"{name}: {declared} arguments declared, XP SP3 passes {passed}")
        SERVICES[name] = Service(number, function, partial)
        return function

    return declare


def routine(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Declare a kernel routine of entry/routines.py; its arguments are plain dwords."""
    name = function.__name__
    if name not in ROUTINES:
        raise DeclarationError(f"{name} is not in entry/routines.py")
    count = function.__code__.co_argcount - 1
    if 4 * count != ROUTINES[name]:
        raise DeclarationError(f"{name}: {count} arguments declared, {ROUTINES[name] // 4} passed")
    KERNEL_ROUTINES[name] = function
    return function


def routine_id(name: str) -> int:
    """What the routine's stub passes to KiCallHost."""
    return FIRST_ROUTINE + list(ROUTINES).index(name)


def _parameters(function: Callable[..., Outcome]) -> tuple[Parameter, ...]:
    hints = get_type_hints(function, include_extras=True)
    names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    return tuple(_parameter(function.__name__, name, hints[name]) for name in names)


def _parameter(service_name: str, name: str, hint: Any) -> Parameter:
    sized_by = None
    if get_origin(hint) is Annotated:
        scalar = None
        for extra in hint.__metadata__:
            if isinstance(extra, Scalar):
                scalar = extra
            elif isinstance(extra, SizedBy):
                sized_by = extra
        if scalar is not None:
            return Parameter(name, scalar=scalar, sized_by=sized_by)
    origin = get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, Pointer):
        target = get_args(hint)[0]
        if get_origin(target) is Annotated:
            target = next(e for e in target.__metadata__ if isinstance(e, Scalar))
        return Parameter(name, pointer=origin, target=target)
    raise DeclarationError(
        f"{service_name}: the type of {name} is not one of dispatch/types.py: {hint!r}"
    )


def _invoker(
    function: Callable[..., Outcome], parameters: tuple[Parameter, ...]
) -> Callable[..., Outcome]:
    """Raw dwords to a call: numbers pass as they are unless they are narrow or signed."""
    converters: list[tuple[int, Callable[[Any, int], Any]]] = []
    for index, parameter in enumerate(parameters):
        converter = _converter(parameter)
        if converter is not None:
            converters.append((index, converter))
    if not converters:
        return function

    def invoke(caller: Any, *raw: int) -> Outcome:
        arguments: list[Any] = list(raw)
        for index, convert in converters:
            arguments[index] = convert(caller, raw[index])
        return function(caller, *arguments)

    return invoke


def _converter(parameter: Parameter) -> Callable[[Any, int], Any] | None:
    if parameter.pointer is not None:
        make, target = parameter.pointer, parameter.target
        return lambda caller, raw: make(caller.memory, raw, target)
    scalar = parameter.scalar
    assert scalar is not None
    if scalar.size < 4:
        mask = (1 << 8 * scalar.size) - 1
        return lambda _caller, raw: raw & mask
    if scalar.signed:
        return lambda _caller, raw: raw - (1 << 32) if raw >> 31 else raw
    return None
