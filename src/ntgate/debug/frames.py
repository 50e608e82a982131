"""Walking a stack: trap frames, gate entries, prologues and epilogues, ebp frames."""

from __future__ import annotations

from collections.abc import Iterator

from iced_x86 import Decoder, FlowControl, Instruction, Mnemonic, OpKind, Register

from ntgate.debug import peek, saved_context
from ntgate.debug.disasm import MAX_INSTRUCTION
from ntgate.debug.target import NoSuchRegister, Target, Unreadable
from ntgate.layout.machine import MM_HIGHEST_USER_ADDRESS, MSR_SYSENTER_EIP, SYSTEM_CALL_RETURN
from ntgate.records import dataclass

# The vectors for which the processor pushes an error code.
_WITH_ERROR_CODE = frozenset({0x8, 0xA, 0xB, 0xC, 0xD, 0xE, 0x11})
_FAST_ENTRY_SIZE = 0x200  # the frame is complete well before the end of it
_LONGEST_PROLOGUE = 0x60  # bytes
_LONGEST_EPILOGUE = 12  # instructions


@dataclass(frozen=True)
class Place:
    """A point in a thread's execution.  `esp` is None where it can't be known.

    `is_outermost`: its ebp leads nowhere, so it has no caller.
    """

    eip: int
    ebp: int
    esp: int | None
    is_outermost: bool = False


@dataclass(frozen=True)
class Frame:
    """One row of `k`.

    `base` is the ChildEBP column: the return address lies 4 above it, the arguments 8.
    `trap_frame` is the KTRAP_FRAME that this routine works on.
    """

    place: Place
    base: int
    return_address: int
    caller: Place | None = None
    trap_frame: int | None = None


@dataclass(frozen=True)
class _Slot:
    """Where a return address lies; `popped` is what `ret` takes off above it, if known."""

    address: int
    ebp: int
    popped: int | None


def current_place(target: Target) -> Place:
    return Place(target.register("eip"), target.register("ebp"), target.register("esp"))


def walk(target: Target, start: Place, limit: int) -> Iterator[Frame]:
    """At most `limit` frames, the innermost first; ends where the stack makes no sense."""
    place: Place | None = start
    while place is not None and limit > 0:
        frame = unwind(target, place)
        yield frame
        place = frame.caller
        limit -= 1


def unwind(target: Target, place: Place) -> Frame:
    """The frame at a place, with its caller where that can be told."""
    if place.is_outermost:
        return Frame(place, place.ebp, 0)
    try:
        frame = _unwind(target, place)
    except Unreadable:
        return Frame(place, place.ebp, 0)
    if frame.return_address == 0:
        return Frame(place, frame.base, 0)
    return frame


def _unwind(target: Target, place: Place) -> Frame:
    if place.esp is not None:
        interrupted = _gate_caller(target, place, place.esp)
        if interrupted:
            return Frame(place, place.esp, interrupted.eip, interrupted)
        slot = _epilogue(target, place, place.esp) or _prologue(target, place, place.esp)
        if slot:
            eip = peek.number(target, slot.address)
            esp = None if slot.popped is None else slot.address + 4 + slot.popped
            return Frame(place, slot.address - 4, eip, Place(eip, slot.ebp, esp))
    if saved_context.is_trap_frame(target, place.ebp):
        saved = saved_context.from_trap_frame(target, place.ebp)
        caller = Place(saved["eip"], saved["ebp"], saved["esp"])
        return Frame(place, place.ebp, caller.eip, caller, place.ebp)
    eip = peek.number(target, place.ebp + 4)
    ebp = peek.number(target, place.ebp)
    goes_up = ebp > place.ebp or saved_context.is_trap_frame(target, ebp)
    caller = Place(eip, ebp, None, is_outermost=not goes_up)
    is_code = target.symbols.module_at(eip) is not None
    return Frame(place, place.ebp, eip, caller if goes_up or is_code else None)


def _gate_caller(target: Target, place: Place, esp: int) -> Place | None:
    """Where the processor came from, if eip is at the start of a gate's routine."""
    if place != current_place(target) or target.register("cs") & 3:
        return None
    fast_entry = _msr(target, MSR_SYSENTER_EIP)
    if fast_entry is not None and 0 <= place.eip - fast_entry < _FAST_ENTRY_SIZE:
        is_built = saved_context.is_trap_frame(target, place.ebp)
        return None if is_built else _sysenter_caller(target, place)
    vector = _vector_of(target, place.eip)
    if vector is None:
        return None
    frame = esp + 4 if vector in _WITH_ERROR_CODE else esp
    eip, code = peek.number(target, frame), peek.number(target, frame + 4)
    return Place(eip, place.ebp, peek.number(target, frame + 12) if code & 3 else frame + 12)


def _sysenter_caller(target: Target, place: Place) -> Place | None:
    """The user's place while KiFastCallEntry has not built its frame yet.

    edx is the user's esp, and 8 more once the entry has made it point at the arguments; ebp is
    the user's until it is the frame's, which gets its DbgArgMark last.
    """
    back = peek.number(target, SYSTEM_CALL_RETURN)
    if place.ebp > MM_HIGHEST_USER_ADDRESS:
        saved = saved_context.from_trap_frame(target, place.ebp)
        return Place(back, saved["ebp"], saved["esp"]) if saved["eip"] == back else None
    edx = target.register("edx")
    for esp in (edx, edx - 8):
        if 0 <= esp <= MM_HIGHEST_USER_ADDRESS and follows_call(target, esp):
            return Place(back, place.ebp, esp)
    return None


def follows_call(target: Target, slot: int) -> bool:
    """Whether the dword at `slot` points right behind a call instruction."""
    try:
        address = peek.number(target, slot)
        code = target.read(address - 7 & 0xFFFFFFFF, 7)
    except Unreadable:
        return False
    for size in (5, 2, 3, 6, 7):
        instruction = Decoder(32, code[7 - size :]).decode()
        if instruction.mnemonic == Mnemonic.CALL and instruction.len == size:
            return True
    return False


def _msr(target: Target, index: int) -> int | None:
    try:
        return target.read_msr(index)
    except NoSuchRegister:
        return None


def _vector_of(target: Target, routine: int) -> int | None:
    size = min(target.register("idtl") + 1, 0x800) & ~7
    table = peek.readable(target, target.register("idtr"), size)
    for offset in range(0, len(table) - 7, 8):
        low, high = table[offset : offset + 2], table[offset + 6 : offset + 8]
        if int.from_bytes(low + high, "little") == routine:
            return offset // 8
    return None


def _epilogue(target: Target, place: Place, esp: int) -> _Slot | None:
    """The return address, if straight code leads from eip to a `ret`."""
    code = peek.readable(target, place.eip, MAX_INSTRUCTION * _LONGEST_EPILOGUE)
    decoder = Decoder(32, code, ip=place.eip)
    ebp = place.ebp
    for _ in range(_LONGEST_EPILOGUE):
        instruction = decoder.decode()
        match instruction.mnemonic:
            case Mnemonic.RET:
                popped = instruction.immediate16 if instruction.op_count else 0
                return _Slot(esp, ebp, popped)
            case Mnemonic.LEAVE:
                esp, ebp = ebp + 4, peek.number(target, ebp)
                continue
            case Mnemonic.POP if instruction.op0_register == Register.EBP:
                esp, ebp = esp + 4, peek.number(target, esp)
                continue
            case Mnemonic.MOV if _moves(instruction, Register.ESP, Register.EBP):
                esp = ebp
                continue
        change = _stack_change(instruction)
        if change is None or change < 0 or _moves(instruction, Register.EBP, Register.ESP):
            return None
        esp += change
    return None


def _prologue(target: Target, place: Place, esp: int) -> _Slot | None:
    """The return address, if straight code leads from the routine's start to eip."""
    location = target.symbols.nearest(place.eip)
    symbol = location.symbol if location else None
    if symbol is None or place.eip - symbol.address > _LONGEST_PROLOGUE:
        return None
    code = peek.readable(target, symbol.address, place.eip - symbol.address)
    decoder = Decoder(32, code, ip=symbol.address)
    depth = 0
    while decoder.ip < place.eip:
        instruction = decoder.decode()
        change = _stack_change(instruction)
        if change is None or _moves(instruction, Register.EBP, Register.ESP):
            return None
        depth -= change
    return _Slot(esp + depth, place.ebp, None) if depth >= 0 else None


def _moves(instruction: Instruction, to: int, source: int) -> bool:
    return (
        instruction.mnemonic == Mnemonic.MOV
        and instruction.op0_register == to
        and instruction.op1_register == source
    )


def _stack_change(instruction: Instruction) -> int | None:
    """What an instruction adds to esp; None where that, or what runs next, isn't plain.

    A system call counts as plain: it comes back with the same esp.
    """
    if instruction.mnemonic in (Mnemonic.SYSENTER, Mnemonic.INT):
        return 0
    if instruction.is_invalid or instruction.flow_control != FlowControl.NEXT:
        return None
    writes_frame = instruction.op0_register in (Register.ESP, Register.EBP)
    if instruction.mnemonic in (Mnemonic.ADD, Mnemonic.SUB) and (
        instruction.op0_register == Register.ESP
        and instruction.op1_kind in (OpKind.IMMEDIATE8TO32, OpKind.IMMEDIATE32)
    ):
        amount = instruction.immediate(1)
        amount -= (amount & 0x8000000000000000) << 1
        return amount if instruction.mnemonic == Mnemonic.ADD else -amount
    if instruction.mnemonic in (Mnemonic.PUSH, Mnemonic.PUSHFD, Mnemonic.PUSHAD):
        return instruction.stack_pointer_increment
    if instruction.mnemonic in (Mnemonic.CMP, Mnemonic.TEST) or _moves(
        instruction, Register.EBP, Register.ESP
    ):
        return 0
    return None if writes_frame else instruction.stack_pointer_increment
