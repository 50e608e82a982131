"""What each parameter of a service is: its declaration and its prototype taken together."""

from __future__ import annotations

from ntgate.dispatch.named_types import named_types
from ntgate.dispatch.prototypes import PrototypeParameter, prototypes
from ntgate.dispatch.service import SERVICES, Parameter
from ntgate.dispatch.tables import ServiceNumber
from ntgate.dispatch.types import Scalar, UserStruct
from ntgate.records import dataclass
from ntgate.trace.scalars import scalar_type

LENGTH_ENDINGS = ("Length", "Size", "NumberOfBytesToWrite", "NumberOfBytesToRead")
NOT_POINTERS = ("PVOID", "PWSTR", "PROCESSINFOCLASS")  # names with a P of their own


@dataclass(frozen=True)
class Described:
    """One parameter as declaration and prototype together tell it."""

    name: str
    type_name: str  # ULONG, FILE_INFORMATION_CLASS; of a pointer's target
    is_pointer: bool
    direction: str
    optional: bool
    scalar: Scalar | None
    structure: type[UserStruct] | None
    sized_by: str


def described_parameters(number: ServiceNumber) -> list[Described]:
    """From the declaration, the prototype, or the argument bytes alone."""
    prototype = prototypes().get(number.name, ())
    declared = SERVICES.get(number.name)
    words = number.argument_bytes // 4
    if len(prototype) != words:
        prototype = ()
    if declared is not None and declared.number is number:
        rows = prototype or (None,) * words
        return [_declared(*pair) for pair in zip(declared.parameters, rows, strict=True)]
    if prototype:
        return [_undeclared(row) for row in prototype]
    return [
        Described(f"a{i}", "HEX", False, "in", False, None, None, "") for i in range(words)
    ]


def _declared(parameter: Parameter, prototype: PrototypeParameter | None) -> Described:
    given = prototype.type_name if prototype is not None else ""
    optional = prototype.optional if prototype is not None else False
    target = parameter.target
    if parameter.pointer is not None:
        is_scalar = isinstance(target, Scalar)
        return Described(
            parameter.name, target.name if is_scalar else target.__name__, True,
            parameter.pointer.DIRECTION, optional or parameter.pointer.OPTIONAL,
            target if is_scalar else None, None if is_scalar else target, "",
        )  # fmt: skip
    assert parameter.scalar is not None
    scalar = parameter.scalar
    sized_by = parameter.sized_by.parameter if parameter.sized_by is not None else ""
    direction = parameter.sized_by.direction if parameter.sized_by is not None else "in"
    if scalar.kind == "pointer" and prototype is not None and not sized_by:
        told = _undeclared(prototype)
        if told.is_pointer or told.direction != "in":
            return told
    name = given if given and scalar.kind != "pointer" else scalar.name
    return Described(
        parameter.name, name, False, direction, optional, scalar, None, sized_by
    )  # fmt: skip


def _undeclared(row: PrototypeParameter) -> Described:
    written = row.type_name.removesuffix(" *")
    is_pointer = row.type_name.endswith(" *")
    if written.startswith("P") and written not in NOT_POINTERS:
        target = written[1:]
        known = target in ("UNICODE_STRING", "OBJECT_ATTRIBUTES", *named_types().structures)
        if known or scalar_type(target) is not None:
            written, is_pointer = target, True
    return Described(
        row.name, written, is_pointer, row.direction, row.optional, None, None, ""
    )


def length_index(parameters: list[Described], index: int) -> int | None:
    """Which parameter has the length of a buffer: the declared one, or by NT's names."""
    parameter = parameters[index]
    if parameter.is_pointer or parameter.name == "BaseAddress":
        return None
    names = {row.name: at for at, row in enumerate(parameters)}
    if parameter.sized_by:
        return names[parameter.sized_by]
    if parameter.type_name not in ("PVOID", "PWSTR"):
        return None
    if parameter.name + "Length" in names:
        return names[parameter.name + "Length"]
    if parameter.name + "Class" in names:
        return names.get("Length")
    after = index + 1
    for row in parameters[after : after + 1]:
        if not row.is_pointer and row.name.endswith(LENGTH_ENDINGS):
            return after
    return None
