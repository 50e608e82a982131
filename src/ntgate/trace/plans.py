"""How each service's arguments are decoded, prepared once from its declaration.

A declaration tells names, directions and widths; the prototypes tell the named types that it
leaves out, and stand in for it where a service has no function; dispatch/data/values.txt adds
what neither says.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, NamedTuple

from ntgate.dispatch.named_types import Structure, TypeName, named_types
from ntgate.dispatch.tables import ServiceNumber
from ntgate.dispatch.types import UserStruct
from ntgate.records import dataclass
from ntgate.trace.argument_decoders import (
    Decode,
    Size,
    View,
    array_decoder,
    class_buffer,
    handle_decoder,
    pointer_decoder,
    registry_data_decoder,
    sized_buffer,
    text_pointer,
    unicode_string_decoder,
)
from ntgate.trace.parameters import Described, described_parameters, length_index
from ntgate.trace.returned import NTSTATUS, Returned, returned
from ntgate.trace.scalars import ScalarType, Show, boolean, handle, hexadecimal, scalar_type, status
from ntgate.trace.special_decoders import (
    address_decoders,
    control_buffer,
    object_attributes_decoder,
    special_decoders,
)
from ntgate.trace.structures import FixedDecoder, StructureDecoder, fixed_decoder

KINDS: dict[str, Show] = {
    "handle": handle, "status": status, "boolean": boolean, "pointer": hexadecimal,
    "hex": hexadecimal,
}  # fmt: skip
OWN_TYPES = ("GUI_HANDLE", "BOOL", "COLORREF", "LRESULT")  # that declarations call otherwise
RETURNED_LENGTHS = (
    "ReturnLength", "ResultLength", "ReturnedLength", "NumberOfBytesRead", "NumberOfBytesWritten",
)  # fmt: skip
OWNERS = ("ProcessHandle", "ThreadHandle")
# Parameters whose handle is of a process, a thread or a token, or of anything.
PSEUDO_HANDLE_WORDS = ("Process", "Thread", "Token", "Source", "Target", "Object")


class Input(NamedTuple):
    """An argument: what shows the dword itself, or decodes it; neither for a plain number."""

    name: str
    show: Show | None
    decode: Decode | None


@dataclass
class Plan:
    """The decoders of one service, in declared order; all else by the arguments' indices.

    decoded: the inputs that memory is read for.  outputs: index and decoder.  pointed: the output
    pointers to numbers.  optional: the arguments that say nothing when they are 0.  lengths: the
    outputs that a buffer which is too small tells too.  given: the inputs in memory.
    elsewhere: the outputs that may stand where another argument says.  buffers: index, size and
    direction of what has a length.  returns: how the service's answer is read.
    """

    inputs: list[Input] = field(default_factory=list)
    decoded: list[tuple[int, Decode]] = field(default_factory=list)
    outputs: list[tuple[int, Decode]] = field(default_factory=list)
    pointed: set[int] = field(default_factory=set)
    optional: set[int] = field(default_factory=set)
    lengths: list[tuple[int, Decode]] = field(default_factory=list)
    given: set[int] = field(default_factory=set)
    buffers: list[tuple[int, Size, str]] = field(default_factory=list)
    elsewhere: set[int] = field(default_factory=set)
    returns: Returned = NTSTATUS


class Planner:
    """Makes the plans.  with_names: the objects of handles are named."""

    def __init__(self, decoder: StructureDecoder, *, with_names: bool) -> None:
        self._decoder = decoder
        self._with_names = with_names
        self._types = named_types()
        self._special = special_decoders(decoder, with_names=with_names)
        self._plans: dict[str, Plan] = {}

    def plan(self, number: ServiceNumber) -> Plan:
        found = self._plans.get(number.name)
        if found is None:
            found = self._plans[number.name] = self._make(number)
        return found

    def _make(self, number: ServiceNumber) -> Plan:
        plan = Plan(returns=returned(number))
        parameters = described_parameters(number)
        for index, parameter in enumerate(parameters):
            self._add(plan, number.name, parameters, index)
            length = length_index(parameters, index)
            if length is not None:
                size = _size(parameters, index, length)
                plan.buffers.append((index, size, parameter.direction))
            if index and parameter.optional:
                plan.optional.add(index)
                if length is not None:
                    plan.optional.add(length)
        return plan

    def _add(self, plan: Plan, service: str, parameters: list[Described], index: int) -> None:
        parameter = parameters[index]
        decode = self._buffer_decoder(service, parameters, index)
        given = self._types.of_parameter(service, parameter.name)
        if given is not None and given.name in self._special:
            decode = self._special[given.name]
        elif given is not None and self._with_names:
            addresses = address_decoders(self._decoder, _owner(parameters))
            decode = addresses.get(given.name, decode)
            if given.name == "ADDRESS":
                plan.inputs.append(Input(parameter.name, None, decode))
                plan.decoded.append((index, addresses["ADDRESS"]))
                return
            if given.name == "ADDRESS_AT" and "out" in parameter.direction:
                plan.pointed.add(index)
        leads = given is not None and given.name in self._types.structures
        if decode is None and (parameter.is_pointer or leads):
            decode = self._pointer_decoder(plan, service, parameter, index)
        if decode is None:
            show, decode = self._scalar_decoder(service, parameter)
            plan.inputs.append(Input(parameter.name, show, decode))
            if decode is not None:
                plan.decoded.append((index, decode))
            return
        # A UNICODE_STRING that is written to gives only room.
        gives = parameter.type_name != "UNICODE_STRING" or parameter.direction == "in"
        if "in" in parameter.direction and gives:
            plan.inputs.append(Input(parameter.name, None, decode))
            plan.decoded.append((index, decode))
            plan.given.add(index)
        else:
            plan.inputs.append(Input(parameter.name, _address, None))
        if "out" in parameter.direction:
            plan.outputs.append((index, decode))
            if service == "NtDeviceIoControlFile" and parameter.name == "OutputBuffer":
                plan.elsewhere.add(index)
            if parameter.name in RETURNED_LENGTHS:
                plan.lengths.append((index, decode))

    def _scalar_decoder(
        self, service: str, parameter: Described
    ) -> tuple[Show | None, Decode | None]:
        if parameter.type_name == "HANDLE":
            pseudo = parameter.name in ("Handle", "hObjectToWaitOn") or any(
                word in parameter.name for word in PSEUDO_HANDLE_WORDS
            )
            if not self._with_names:
                return (handle if pseudo else hexadecimal), None
            return None, handle_decoder(with_names=True, pseudo=pseudo)
        scalar = self._scalar(service, parameter)
        show = scalar.show
        if scalar.size < 4:
            mask = (1 << 8 * scalar.size) - 1
            return (lambda word: word & mask if show is None else show(word & mask)), None
        if scalar.signed:
            return (lambda word: word - (1 << 32) if word >> 31 else word), None
        return show, None

    def _scalar(self, service: str, parameter: Described) -> ScalarType:
        """By the tables, by the name of the type, by the declaration."""
        given = self._types.of_parameter(service, parameter.name)
        if given is not None and not given.count:
            found = scalar_type(given.name)
            if found is not None:
                return found
        declared = parameter.scalar
        is_named = parameter.type_name in (*self._types.values, *self._types.classes, *OWN_TYPES)
        if declared is None or is_named:
            return scalar_type(parameter.type_name) or ScalarType(4, False, hexadecimal)
        return ScalarType(declared.size, declared.signed, KINDS.get(declared.kind))

    def _pointer_decoder(
        self, plan: Plan, service: str, parameter: Described, index: int
    ) -> Decode | None:
        if parameter.type_name == "UNICODE_STRING":
            return unicode_string_decoder
        if parameter.type_name == "OBJECT_ATTRIBUTES":
            handles = handle_decoder(with_names=self._with_names, pseudo=False)
            return object_attributes_decoder(handles, self._decoder)
        structure = self._structure(service, parameter)
        if structure is not None:
            quick = self._fixed(parameter, structure)
            if quick is not None:
                return lambda view, word: quick(view.peek, word) if word else None
            name, decoder = structure, self._decoder
            return lambda view, word: decoder.structure(name, view.peek, word) if word else None
        known = parameter.scalar is not None or scalar_type(parameter.type_name) is not None
        if not known:
            return None
        if "out" in parameter.direction:
            plan.pointed.add(index)
        return pointer_decoder(self._scalar(service, parameter))

    def _structure(self, service: str, parameter: Described) -> str | None:
        given = self._types.of_parameter(service, parameter.name)
        for name in (given.name if given is not None else "", parameter.type_name):
            if name in self._types.structures:
                return name
        return parameter.type_name if parameter.structure is not None else None

    def _fixed(self, parameter: Described, name: str) -> FixedDecoder | None:
        known = self._types.structures.get(name)
        if known is None:
            assert parameter.structure is not None
            known = _from_declaration(parameter.structure)
        return fixed_decoder(known)

    def _buffer_decoder(
        self, service: str, parameters: list[Described], index: int
    ) -> Decode | None:
        parameter = parameters[index]
        names = {row.name: at for at, row in enumerate(parameters)}
        given = self._types.of_parameter(service, parameter.name)
        decoder = self._decoder
        if given is not None and given.count:
            one = handle_decoder(with_names=self._with_names, pseudo=True)
            return array_decoder(one, names[given.count])
        code = names.get("IoControlCode", names.get("FsControlCode"))
        by_class = names.get(parameter.name + "Class")
        length = length_index(parameters, index)
        if length is None:
            if parameter.type_name == "PWSTR":
                return text_pointer(decoder.string_limit)
            return None
        size = _size(parameters, index, length)
        if code is not None:
            is_given = parameter.name == "InputBuffer"
            return control_buffer(decoder, self._types.controls, code, size, given=is_given)
        if by_class is not None:
            rows = self._types.classes.get(parameters[by_class].type_name)
            if rows is not None:
                return class_buffer(decoder, rows, by_class, size)
        if given is None and parameter.name == "SystemData" and "Type" in names:
            return registry_data_decoder(decoder, names["Type"], length)
        return sized_buffer(decoder, size)


def _owner(parameters: list[Described]) -> int | None:
    """The argument that tells in which process an address is."""
    names = [row.name for row in parameters]
    return next((names.index(name) for name in OWNERS if name in names), None)


def _from_declaration(structure: type[UserStruct]) -> Structure:
    kinds = {"handle": "HANDLE", "status": "NTSTATUS", "pointer": "HEX", "hex": "HEX"}
    sizes = {1: "UCHAR", 2: "USHORT", 4: "ULONG", 8: "ULONGLONG"}
    members = []
    for name, scalar in structure.FIELDS.items():
        members.append((name, TypeName(kinds.get(scalar.kind, sizes[scalar.size]))))
    return Structure(structure.__name__, tuple(members))


def _size(parameters: list[Described], index: int, length: int) -> Size:
    """Of a buffer whose length is another argument."""
    is_output = parameters[index].direction == "out"
    return _written(parameters, length) if is_output else _given(length)


def _given(length: int) -> Size:
    return lambda view: view.raw[length]


def _written(parameters: list[Described], length: int) -> Size:
    """How much of an output buffer the service wrote, where it tells."""
    told = [at for at, row in enumerate(parameters) if row.name in RETURNED_LENGTHS]
    block = [at for at, row in enumerate(parameters) if row.name == "IoStatusBlock"]

    def size(view: View) -> int:
        most = view.raw[length]
        for at, offset in [(at, 0) for at in told] + [(at, 4) for at in block]:
            if view.raw[at]:
                return min(view.peek.u32(view.raw[at] + offset), most)
        return most

    return size


def _address(word: int) -> Any:
    return hexadecimal(word) if word else None
