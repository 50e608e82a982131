"""What Wine 8.0 does not have: a DLL that programs of today load at their start, and programs that
it lacks, that are stubs there or know no options, or that need Wine's server, built from the C
sources in programs/.
"""

from pathlib import Path

from ntgate.image.pe_writer import CODE, PeWriter

PROGRAMS = Path(__file__).parent / "programs"

_TIMESTAMP = 0x63F14E2B  # that of Wine 8.0~repack-4's own DLLs


def bcryptprimitives() -> bytes:
    """bcryptprimitives.dll: ProcessPrng(pbData, cbData), the random bytes of Rust and Go programs.

    It asks advapi32's SystemFunction036 (RtlGenRandom) and gives its answer as a BOOL.
    """
    pe = PeWriter("bcryptprimitives.dll", 0x6D200000, _TIMESTAMP)
    slots = pe.add_imports({"advapi32.dll": ["SystemFunction036"]})
    slot = pe.base + slots["advapi32.dll", "SystemFunction036"]
    process_prng = (
        bytes.fromhex("ff742408 ff742408 ff15")  # push cbData; push pbData (esp moved); call
        + slot.to_bytes(4, "little")
        + bytes.fromhex("0fb6c0 c20800")  # movzx eax, al; ret 8
    )
    text = pe.add_section(".text", process_prng, CODE)
    pe.relocations.add(text.rva + 10)
    pe.export({"ProcessPrng": text.rva})
    return pe.build()


PROVIDED = {
    "bcryptprimitives.dll": bcryptprimitives,
    "more.exe": (PROGRAMS / "more.exe").read_bytes,
    "sort.exe": (PROGRAMS / "sort.exe").read_bytes,
}

# What a program of Wine's that does nothing writes to its debug channel; and what one calls that
# is a part of Wine's server, as its conhost.exe is.
STUB_MARK, SERVER_MARK = b"stub:", b"wine_server_call"
WINE_MARK = b"Wine builtin DLL"  # in the DOS stub of all that Wine builds
WITHOUT_OPTIONS = frozenset(("find.exe",))


def replacement(name: str, file: bytes) -> bytes:
    """The program that stands in for one of Wine's that can't work here; else the file itself."""
    own = PROGRAMS / name
    useless = STUB_MARK in file or SERVER_MARK in file
    useless |= name in WITHOUT_OPTIONS and WINE_MARK in file
    if useless and own.suffix == ".exe" and own.is_file():
        return own.read_bytes()
    return file
