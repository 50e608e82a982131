"""MASM expressions: against Python's arithmetic, against memory, and against any text at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debug.fakes import FakeTarget
from ntgate.debug.expressions import AddressRange, Evaluator, ExpressionError, describe
from ntgate.errors import UsageError
from ntgate.layout.type_table import TypeTable

TYPES = TypeTable()
MASK = 0xFFFFFFFF_FFFFFFFF
KPCR, THREAD, PROCESS, PEB, TEB, IMAGE = (
    0xFFDFF000, 0x81000000, 0x81001000, 0x7FFDF000, 0x7FFDE000, 0x400000,
)  # fmt: skip


@pytest.fixture
def target() -> FakeTarget:
    made = FakeTarget()
    made.registers.update(
        eax=0x12345678, ecx=0x23, eip=0x805426E0, esp=0xF88C7000, ebp=0xF88C7100, efl=0x246
    )
    made.put(0x8003F570, bytes.fromhex("11260800 00ee5480 0c590800 008e5480"))
    made.put(0xF88C7000, bytes(0x200))
    for base in (KPCR, THREAD, PROCESS, PEB, IMAGE):
        made.put(base, bytes(0x1000))
    made.put_number(KPCR + 0x124, THREAD)
    made.put_number(THREAD + 0x20, TEB)
    made.put_number(THREAD + 0x44, PROCESS)
    made.put_number(THREAD + 0x1EC, 0x17C)
    made.put_number(THREAD + 0x1F0, 0x180)
    made.put_number(PROCESS + 0x1B0, PEB)
    made.put_number(PEB + 8, IMAGE)
    made.put_number(IMAGE + 0x3C, 0x80)
    made.put_number(IMAGE + 0x80 + 0x28, 0x1234)
    return made


@pytest.fixture
def evaluator(target: FakeTarget) -> Evaluator:
    return Evaluator(target, TYPES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 0x10),
        ("0x10", 0x10),
        ("0X1f", 0x1F),
        ("0n10", 10),
        ("0t17", 0o17),
        ("0y101", 5),
        ("12h", 0x12),
        ("0ffh", 0xFF),
        ("ffdf0000", 0xFFDF0000),
        ("00000000`8053d000", 0x8053D000),
        ("ffffffff`fffffffe", MASK - 1),
        ("-1", MASK),
        ("- 1 + 1", 0),
        ("~0", MASK),
        ("!5", 0),
        ("not 0", 1),
        ("not(7)", 0),
        ("hi(12345678)", 0x1234),
        ("low 12345678", 0x5678),
        ("2 + 3 * 4", 14),
        ("(2+3)*4", 20),
        ("11 mod 0n10", 7),
        ("7 % 4", 3),
        ("1 << 4 + 1", 0x20),
        ("8000000000000000 >>> 3f", MASK),
        ("8000000000000000 >> 3f", 1),
        ("1 << 40", 0),
        ("f0 and 3c xor 1 or 100", 0x131),
        ("6 & 3 == 3", 6 & 1),
        ("3 = 3", 1),
        ("3 != 3", 0),
        ("1 < 2 && 2 < 1 || 5", 1),
        ("-1 == ffffffff", 1),
        ("5 < -1", 1),
        ("nt!KiFastCallEntry+5", 0x805426E5),
        ("KiServiceTable", 0x8055A600),
        ("nt!_KiFastCallEntry", 0x805426E0),
        ("nt", 0x804D8000),
        ("eax", 0x12345678),
        ("EAX", 0x12345678),
        ("@ax", 0x5678),
        ("@ah", 0x56),
        ("al", 0x78),
        ("@zf", 1),
        ("@cf", 0),
        ("cf", 0xCF),
        (".", 0x805426E0),
        (". + 2", 0x805426E2),
        ("@$ip", 0x805426E0),
        ("$csp", 0xF88C7000),
        ("8003f400 + 2e*8", 0x8003F570),
        ("poi(8003f570)", 0x00082611),
        ("dwo 8003f570 + 1", 0x00082612),
        ("wo(8003f570)", 0x2611),
        ("by(8003f570)", 0x11),
        ("qwo(8003f570)", 0x8054EE0000082611),
        ("poi(poi(@$peb+8)+3c)", 0x80),
        ("@$proc", PROCESS),
        ("@$thread", THREAD),
        ("@$peb", PEB),
        ("@$teb", TEB),
        ("@$tpid", 0x17C),
        ("@$tid", 0x180),
        ("@$exentry", IMAGE + 0x1234),
        ("$iment(400000)", IMAGE + 0x1234),
        ("$iment 400000 + 1", IMAGE + 0x1235),
        ("@@masm(10+10)", 0x20),
        ("@@(10+10) + 10", 0x24),
        ("@@c++(0x10)", 0x10),
    ],
)
def test_values(evaluator: Evaluator, text: str, value: int) -> None:
    assert evaluator.value(text) == value
    assert evaluator.value(f"  {text}  ") == value
    assert evaluator.address(text) == value & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Numeric expression missing from '<EOL>'"),
        ("1 +", "Numeric expression missing from '<EOL>'"),
        ("foo", "Couldn't resolve error at 'foo'"),
        ("1 + foo * 2", "Couldn't resolve error at 'foo * 2'"),
        ("nt!NoSuch", "Couldn't resolve error at 'nt!NoSuch'"),
        ("0n1f", "Couldn't resolve error at '0n1f'"),
        ("@foo", "Bad register error at '@foo'"),
        ("$t20", "Bad register error at '$t20'"),
        ("poi(0)", "Memory access error at ')'"),
        ("poi(0) + 1", "Memory access error at ') + 1'"),
        ("poi 0", "Memory access error at '<EOL>'"),
        ("qwo(fffffffc)", "Memory access error at ')'"),
        ("(1", "Syntax error at '<EOL>'"),
        ("(1 2)", "Syntax error at '2)'"),
        ("*", "Syntax error at '*'"),
        ("1 + )", "Syntax error at ')'"),
        ("1 2", "Extra character error at '2'"),
        ("1)", "Extra character error at ')'"),
        ("5 / 0", "Divide by zero"),
        ("5 mod (3-3)", "Divide by zero"),
        ("10000000000000000", "Overflow error at '10000000000000000'"),
        ("0n99999999999999999999", "Overflow error at '0n99999999999999999999'"),
        ("fs:[0]", "No descriptor for fs=0000"),
        ("1 +\n foo", "Couldn't resolve error at 'foo'"),
        ("x\ny", "Couldn't resolve error at 'x y'"),
        ("@@(1", "Syntax error at '<EOL>'"),
    ],
)
def test_mistakes_are_worded_as_windbgs(evaluator: Evaluator, text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=f"^{re.escape(message)}$") as caught:
        evaluator.value(text)
    assert isinstance(caught.value, UsageError)


CLIMB = "1||1&&1|1^1&1<1<<1+1*("  # one operator of each precedence, so one frame for each


@pytest.mark.parametrize("opening", ["(", "-", "not ", "poi ", "@@masm(", "@@(", CLIMB])
def test_deep_nesting_is_refused(evaluator: Evaluator, opening: str) -> None:
    with pytest.raises(ExpressionError, match=r"^Syntax error"):
        evaluator.value(opening * 5000 + "1" + ")" * 5000)


@pytest.mark.parametrize("opening", ["(", "-", "sizeof(", "(int)", CLIMB])
def test_deep_nesting_is_refused_in_cxx(evaluator: Evaluator, opening: str) -> None:
    with pytest.raises(ExpressionError, match=r"^Syntax error"):
        evaluator.cxx(opening * 5000 + "1" + ")" * 5000)


def test_a_long_text_is_cut_in_the_message(evaluator: Evaluator) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluator.value("x" * 5000)
    assert str(caught.value) == f"Couldn't resolve error at '{'x' * 77}...'"


def test_nesting_that_people_write_is_not(evaluator: Evaluator) -> None:
    assert evaluator.value("(" * 30 + "1" + ")" * 30) == 1
    assert evaluator.value("1" + " + 1" * 5000) == 5001


def test_a_segment_goes_through_the_gdt(target: FakeTarget, evaluator: Evaluator) -> None:
    """Selector 30 is the KPCR's: the descriptor of fs in ring 0."""
    target.registers.update(fs=0x30, gdtr=0x8003F000, gdtl=0x3FF)
    target.put(0x8003F030, bytes.fromhex("0100 00f0 df 93 c0 ff"))
    assert evaluator.value("fs:[124]") == KPCR + 0x124
    assert evaluator.value("poi(fs:124)") == THREAD
    target.registers["fs"] = 0x400
    with pytest.raises(ExpressionError, match=r"^No descriptor for fs=0400$"):
        evaluator.value("fs:[0]")


def test_the_return_address(target: FakeTarget, evaluator: Evaluator) -> None:
    target.put_number(0xF88C7000, 0x1111)
    target.put_number(0xF88C7004, 0x2222)
    target.put_number(0xF88C7104, 0x3333)
    assert evaluator.value("@$ra") == 0x1111
    target.put(0x805426E0, b"\x55\x8b\xec")
    target.registers["eip"] = 0x805426E1
    assert evaluator.value("@$ra") == 0x2222
    target.registers["eip"] = 0x805426E3
    assert evaluator.value("@$ra") == 0x3333


def test_user_pseudo_registers(evaluator: Evaluator) -> None:
    evaluator.set_pseudo("$t0", 0x1234)
    evaluator.set_pseudo("@$T19", -1)
    assert evaluator.value("@$t0 + $t1") == 0x1234
    assert evaluator.value("@$t19") == MASK
    with pytest.raises(ExpressionError, match=r"^Bad register error at '\$ip'$"):
        evaluator.set_pseudo("$ip", 1)


def test_a_command_can_add_pseudo_registers(evaluator: Evaluator) -> None:
    evaluator.pseudo_registers["$bp0"] = lambda: 0x805426E0
    assert evaluator.value("@$bp0+1") == 0x805426E1


@pytest.mark.parametrize(("radix", "value"), [(16, 0x11), (10, 11), (8, 0o11)])
def test_the_radix_is_for_numbers_that_name_none(
    evaluator: Evaluator, radix: int, value: int
) -> None:
    evaluator.radix = radix
    assert evaluator.value("11") == value
    assert evaluator.value("0x11 + 0n11 + 11h") == 0x11 + 11 + 0x11


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ("8003f400 + 2e*8", 0x8003F570, ""),
        ("8003f400 + 2e*8 L1", 0x8003F570, "L1"),
        ("1 2 3", 1, "2 3"),
        ("1 -2 3", MASK, "3"),
        ("eip L5", 0x805426E0, "L5"),
        ("(1+2) eax", 3, "eax"),
        ('1 "text + 1"', 1, '"text + 1"'),
        ("1, 2", 1, ", 2"),
        ("1 and 3 andy", 1, "andy"),
    ],
)
def test_an_operator_goes_on_and_a_space_ends(
    evaluator: Evaluator, text: str, value: int, rest: str
) -> None:
    assert evaluator.parse_prefix(text) == (value, rest)


@pytest.mark.parametrize(
    ("text", "address", "count", "rest"),
    [
        ("1000", 0x1000, 7, ""),
        ("1000 L10", 0x1000, 0x10, ""),
        ("1000 l 10 41 42", 0x1000, 0x10, "41 42"),
        ("1000 LFF+1", 0x1000, 0x100, ""),
        ("1000 L@ecx", 0x1000, 0x23, ""),
        ("1000 L-4", 0xFF0, 4, ""),
        ("1000 100f", 0x1000, 4, ""),
        ("1000 100c", 0x1000, 4, ""),
        ("1000 100b rest", 0x1000, 3, "rest"),
        ("0 L?40000000", 0, 0x40000000, ""),
        ("8003f400 + 2e*8 L2", 0x8003F570, 2, ""),
        ("-4 ffffffff", 0xFFFFFFFC, 1, ""),
    ],
)
def test_ranges(evaluator: Evaluator, text: str, address: int, count: int, rest: str) -> None:
    found = evaluator.range(text, 4, 7)
    assert found == AddressRange(address, count, 4, rest)
    assert found.size == count * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1000 L4000001", "Range error at 'L4000001'"),
        ("0 L?40000001", "Range error at 'L?40000001'"),
        ("1000 fff", "Range error at 'fff'"),
        ("0 20000000", "Range error at '20000000'"),
        ("1000 L", "Numeric expression missing from '<EOL>'"),
        ("1000 zzz", "Couldn't resolve error at 'zzz'"),
        ("", "Numeric expression missing from '<EOL>'"),
    ],
)
def test_bad_ranges(evaluator: Evaluator, text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=f"^{re.escape(message)}$"):
        evaluator.range(text, 4, 7)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0x00B95000, "12144640 = 00b95000"),
        (0, "0 = 00000000"),
        (0xFFDF0000, "-2162688 = ffdf0000"),
        (MASK, "-1 = ffffffff"),
        (0x1_0000_0000, "4294967296 = 00000001`00000000"),
        (0x80000000_00000000, "-9223372036854775808 = 80000000`00000000"),
    ],
)
def test_describe(value: int, text: str) -> None:
    assert describe(value) == text


@dataclass(frozen=True)
class U64:
    """An unsigned 64-bit number; Python's own parser does the precedence."""

    value: int

    def __add__(self, other: U64) -> U64:
        return U64(self.value + other.value & MASK)

    def __sub__(self, other: U64) -> U64:
        return U64(self.value - other.value & MASK)

    def __mul__(self, other: U64) -> U64:
        return U64(self.value * other.value & MASK)

    def __truediv__(self, other: U64) -> U64:
        return U64(self.value // other.value)

    def __mod__(self, other: U64) -> U64:
        return U64(self.value % other.value)

    def __lshift__(self, other: U64) -> U64:
        return U64((self.value << other.value if other.value < 64 else 0) & MASK)

    def __rshift__(self, other: U64) -> U64:
        return U64(self.value >> other.value)

    def __and__(self, other: U64) -> U64:
        return U64(self.value & other.value)

    def __xor__(self, other: U64) -> U64:
        return U64(self.value ^ other.value)

    def __or__(self, other: U64) -> U64:
        return U64(self.value | other.value)

    def __neg__(self) -> U64:
        return U64(-self.value & MASK)

    def __pos__(self) -> U64:
        return self

    def __invert__(self) -> U64:
        return U64(~self.value & MASK)


NUMBERS = st.one_of(st.integers(0, 0x50), st.integers(0, MASK))
SPELLINGS = (
    lambda number: f"{number:x}", lambda number: f"0x{number:x}", lambda number: f"0n{number}",
    lambda number: f"0t{number:o}", lambda number: f"0y{number:b}", lambda number: f"0{number:X}h",
    lambda number: f"{number >> 32:08x}`{number & 0xFFFFFFFF:08x}",
)  # fmt: skip
ARITHMETIC = {"+": "+", "-": "-", "*": "*", "/": "/", "%": "%", "mod": "%", "<<": "<<", ">>": ">>",
              "&": "&", "and": "&", "^": "^", "xor": "^", "|": "|", "or": "|"}  # fmt: skip
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


@st.composite
def arithmetic(draw: st.DrawFn, depth: int = 3) -> tuple[str, str]:
    """One expression in the debugger's syntax and in Python's, of the same shape."""
    if not depth or draw(st.booleans()):
        number = draw(NUMBERS)
        spelling = draw(st.sampled_from(SPELLINGS))(number)
        signs = draw(st.text("+-~", max_size=2))
        return signs + spelling, f"{signs}U64({number})"
    parts = draw(st.lists(arithmetic(depth - 1), min_size=1, max_size=4))
    ours, pythons = parts[0]
    for mine, python in parts[1:]:
        symbol = draw(st.sampled_from(sorted(ARITHMETIC)))
        ours += f" {symbol} {mine}"
        pythons += f" {ARITHMETIC[symbol]} {python}"
    return (f"({ours})", f"({pythons})") if draw(st.booleans()) else (ours, pythons)


@given(arithmetic())
def test_arithmetic_is_pythons_on_64_bits(pair: tuple[str, str]) -> None:
    ours, pythons = pair
    evaluator = Evaluator(FakeTarget(), TYPES)
    try:
        expected: U64 | None = eval(pythons, {"U64": U64})
    except ZeroDivisionError:
        expected = None
    if expected is None:
        with pytest.raises(ExpressionError, match=r"^Divide by zero$"):
            evaluator.value(ours)
    else:
        assert evaluator.value(ours) == expected.value


@given(st.integers(0, 0xFFFFFFFF), st.sampled_from(COMPARISONS), st.integers(0, 0xFFFFFFFF))
def test_comparisons_are_unsigned(left: int, relation: str, right: int) -> None:
    expected = int(eval(f"{left} {relation} {right}"))
    assert Evaluator(FakeTarget(), TYPES).value(f"{left:x} {relation} {right:x}") == expected


TOKENS = st.sampled_from(
    [
        *"1 ff 0n 0x 0y2 1h eax @ $ @$proc @$t1 $t99 nt!Ki nt! nt poi by mod not hi $iment".split(),
        *"( ) [ ] + - * / % << >>> = ! ~ && | fs: fs:[ @@( @@c++( @@masm( @@ ` ' . , L L?".split(),
        *"sizeof( #FIELD_OFFSET( #CONTAINING_RECORD( _KTHREAD *) -> Eip".split(),
        *(" ", "\n", '"'),
    ]
)
SOUP = st.one_of(st.text(), st.lists(TOKENS).map("".join), st.lists(TOKENS).map(" ".join))


@given(SOUP)
def test_no_text_raises_anything_but_an_expression_error(text: str) -> None:
    evaluator = Evaluator(FakeTarget(), TYPES)
    for evaluate in (
        lambda: evaluator.value(text),
        lambda: evaluator.range(text, 4, 1),
        lambda: evaluator.cxx(text).number(),
    ):
        try:
            evaluate()
        except ExpressionError as error:
            assert len(str(error).splitlines()) == 1
