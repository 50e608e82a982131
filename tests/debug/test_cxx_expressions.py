"""The C++ expressions of `??` and `@@(...)`: typed values from memory."""

from __future__ import annotations

import re

import pytest

from debug.fakes import FakeTarget
from ntgate.debug.expressions import Evaluator, ExpressionError
from ntgate.layout.type_table import TypeTable

TYPES = TypeTable()
FRAME, THREAD, PROCESS = 0x81000D64, 0x81001000, 0x81002000


@pytest.fixture
def evaluator() -> Evaluator:
    target = FakeTarget()
    target.registers["esi"] = THREAD
    target.put(0x81000000, bytes(0x3000))
    target.put_number(FRAME + 0x68, 0x7C92E4F4)
    target.put_number(THREAD + 0x54, 0xFFFFFFFF)
    target.put_number(THREAD + 0x134, FRAME)
    target.put_number(THREAD + 0x70 + 2 * 0x18 + 8, THREAD)
    target.put(PROCESS + 0x174, b"System")
    target.put_number(PROCESS + 0x248, 0x40000)
    return Evaluator(target, TYPES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("010", 8),
        ("0x10", 16),
        ("0n10", 10),
        ("100UL", 100),
        ("1 + 2 * 3", 7),
        ("6 & 3 == 3", 6 & 1),
        ("-1 == 0xffffffff", 1),
        ("~0 && !0", 1),
        ("nt!KiFastCallEntry", 0x805426E0),
        ("@esi", THREAD),
        (f"((nt!_KTRAP_FRAME *){FRAME:#x})->Eip", 0x7C92E4F4),
        (f"((struct _KTRAP_FRAME*){FRAME:#x})->Eip", 0x7C92E4F4),
        ("((_KTHREAD *)@esi)->TrapFrame->Eip", 0x7C92E4F4),
        ("(*((_KTHREAD *)@esi)).TrapFrame", FRAME),
        ("((_KTHREAD *)@esi)->WaitStatus", 0xFFFFFFFF_FFFFFFFF),
        ("((_KTHREAD *)@esi)->WaitStatus == -1", 1),
        ("((_KTHREAD *)@esi)->WaitBlock[2].Thread", THREAD),
        ("((_KTHREAD *)@esi)->WaitBlock", THREAD + 0x70),
        ("&((_KTHREAD *)@esi)->TrapFrame", THREAD + 0x134),
        ("&((_KTHREAD *)@esi)->TrapFrame->Eip", FRAME + 0x68),
        (f"((_EPROCESS *){PROCESS:#x})->ImageFileName[1]", ord("y")),
        (f"((_EPROCESS *){PROCESS:#x})->HasAddressSpace", 1),
        (f"*(unsigned long *){FRAME + 0x68:#x}", 0x7C92E4F4),
        (f"*(PULONG){FRAME + 0x68:#x}", 0x7C92E4F4),
        (f"*(char *){THREAD + 0x54:#x}", 0xFFFFFFFF_FFFFFFFF),
        ("(unsigned char)0x1234", 0x34),
        ("(short)0xffff", 0xFFFFFFFF_FFFFFFFF),
        ("((_KTHREAD *)@esi) + 1", THREAD + 0x1C0),
        ("1 + (_KTHREAD *)@esi", THREAD + 0x1C0),
        ("(_KTHREAD *)@esi - 1", THREAD - 0x1C0),
        ("((_KTHREAD *)0x1380) - ((_KTHREAD *)0x1000)", 2),
        ("sizeof(nt!_KTRAP_FRAME)", 0x8C),
        ("sizeof(_KTRAP_FRAME *)", 4),
        ("sizeof(((_KTHREAD *)@esi)->WaitBlock)", 4 * 0x18),
        ("sizeof(int) + sizeof(unsigned char)", 5),
        ("#FIELD_OFFSET(nt!_KTHREAD, TrapFrame)", 0x134),
        ("#FIELD_OFFSET(_KTHREAD, ApcState.UserApcPending)", 0x4A),
        ("#CONTAINING_RECORD(0x81002088, _EPROCESS, ActiveProcessLinks)", PROCESS),
    ],
)
def test_values(evaluator: Evaluator, text: str, value: int) -> None:
    assert evaluator.cxx(text).number() == value
    assert evaluator.value(f"@@c++({text})") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Numeric expression missing from '<EOL>'"),
        ("f7123d64", "Couldn't resolve error at 'f7123d64'"),
        ("((_KTHREAD *)@esi)->NoSuch", "Type does not have given member error at 'NoSuch'"),
        ("@esi->TrapFrame", "Type conflict error at '<EOL>'"),
        ("&5", "Type conflict error at '&5'"),
        ("*(void *)@esi", "Type conflict error at '<EOL>'"),
        ("((_KTHREAD *)0)->TrapFrame + 1", "Memory access error at '<EOL>'"),
        ("#FIELD_OFFSET(_KTHREAD, NoSuch)", "Type does not have given member error at 'NoSuch)'"),
        ("#FIELD_OFFSET(_NOSUCH, x)", "Couldn't resolve error at '_NOSUCH, x)'"),
        ("1 2", "Extra character error at '2'"),
        ("5 / 0", "Divide by zero"),
        ("089", "Syntax error at '089'"),
        ("*(_KTHREAD *)@esi", "Type conflict error at '_KTHREAD'"),
        ("9" * 30, f"Overflow error at '{'9' * 30}'"),
    ],
)
def test_mistakes(evaluator: Evaluator, text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=f"^{re.escape(message)}$"):
        evaluator.cxx(text).number()


def test_a_value_keeps_its_type_and_place(evaluator: Evaluator) -> None:
    value = evaluator.cxx("((_KTHREAD *)@esi)->TrapFrame")
    assert (value.type.name, value.address) == ("Ptr32 _KTRAP_FRAME", THREAD + 0x134)
    frame = evaluator.cxx("*((_KTHREAD *)@esi)->TrapFrame")
    assert (frame.type.name, frame.address) == ("_KTRAP_FRAME", FRAME)
