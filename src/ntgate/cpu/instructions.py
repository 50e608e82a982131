"""The few instructions that the processor itself must recognise or answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntgate.cpu.delivery import DEBUG, GENERAL_PROTECTION, INVALID_OPCODE

if TYPE_CHECKING:
    from ntgate.cpu.processor import Processor

RDPMC, INT1, HLT = b"\x0f\x33", b"\xf1", b"\xf4"
VEX_LENGTHS = {b"\xc5": 3, b"\xc4": 4}  # of an instruction of the 0f map without operands
PREFIXES = bytes((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3))
LONGEST_INSTRUCTION = 15

# CPUID leaf 1, EDX.
FPU, VME, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC = (1 << n for n in range(10))
SEP, MTRR, PGE, MCA, CMOV, PAT, PSE36 = (1 << n for n in range(11, 18))
CLFLUSH, MMX, FXSR, SSE, SSE2 = 1 << 19, 1 << 23, 1 << 24, 1 << 25, 1 << 26
FEATURES = (
    FPU | DE | PSE | TSC | MSR | PAE | CX8 | SEP | MTRR | PGE | CMOV | PAT | CLFLUSH
    | MMX | FXSR | SSE | SSE2
)
# ECX.
SSE3, SSSE3, CX16, SSE41, SSE42, POPCNT = (1 << n for n in (0, 9, 13, 19, 20, 23))
NX = 1 << 20

BRAND = b"Intel(R) Xeon(R) CPU           E5530  @ 2.40GHz".ljust(48, b"\0")


def cpuid(leaf: int, *, has_sep: bool) -> tuple[int, int, int, int]:
    """EAX, EBX, ECX, EDX of a leaf: a Xeon of 2009 without the features that the engine lacks."""
    if leaf == 0:
        words = [int.from_bytes(b"GenuineIntel"[i : i + 4], "little") for i in (0, 4, 8)]
        return 2, words[0], words[2], words[1]
    if leaf == 1:
        features = FEATURES if has_sep else FEATURES & ~SEP
        extensions = SSE3 | SSSE3 | SSE41 | SSE42 | POPCNT
        return 0x106A5, 0x0000_0800, extensions, features
    if leaf == 2:
        return 0x55035A01, 0x00F0B2E4, 0, 0x09CA212C
    if leaf == 0x80000000:
        return 0x80000004, 0, 0, 0
    if leaf == 0x80000001:
        return 0, 0, 0, NX
    if 0x80000002 <= leaf <= 0x80000004:
        part = BRAND[(leaf - 0x80000002) * 16 :][:16]
        eax, ebx, ecx, edx = (int.from_bytes(part[i : i + 4], "little") for i in (0, 4, 8, 12))
        return eax, ebx, ecx, edx
    return 0, 0, 0, 0


def refused_instruction(code: bytes) -> tuple[int, int]:
    """What the processor makes of an instruction that the engine calls invalid.

    code: its bytes, as many as are mapped.  The vector, and the bytes to skip before it is
    delivered: `int1` (f1) is a trap, and `rdpmc` needs ring 0 or CR4.PCE.
    """
    opcode = code.lstrip(PREFIXES)
    if opcode[:1] == INT1:
        return DEBUG, len(code) - len(opcode) + 1
    if opcode[:2] == RDPMC:
        return GENERAL_PROTECTION, 0
    return INVALID_OPCODE, 0


def software_interrupt_length(cpu: Processor, context: memoryview, vector: int) -> int:
    """Bytes of the instruction that ended at eip: int3 and into have one, `int n` two."""
    if vector in (3, 4) and cpu.peek(context, 1, -1) in (b"\xcc", b"\xce"):
        return 1
    return 2
