"""National language tables, which ring 3 maps: Wine's two services for them."""

from __future__ import annotations

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import LARGE_INTEGER, PVOID, ULONG, Out, OutOpt
from ntgate.errors import NtError
from ntgate.executive.io import constants as c
from ntgate.executive.io.open_file import Create, OpenFile
from ntgate.executive.locale import ENGLISH_US
from ntgate.executive.mm.section import delete_section
from ntgate.executive.mm.view import VIEW_UNMAP, map_view
from ntgate.executive.ob import ObjectAttributes
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus
from ntgate.layout.access import SYNCHRONIZE
from ntgate.layout.mm import PAGE_READONLY, SEC_COMMIT

NLS_SORTKEYS, NLS_CASEMAP, NLS_CODEPAGE, NLS_NORMALIZE = 9, 10, 11, 12
CASINGS = "l_intl.nls"
NORMALIZATION_FORMS = {1: "nfc", 2: "nfd", 5: "nfkc", 6: "nfkd", 13: "idna"}


def _table_name(kind: int, data: int) -> str:
    """The file of a table; raises STATUS_INVALID_PARAMETER_1, and _OBJECT_NAME_NOT_FOUND."""
    if kind == NLS_SORTKEYS:
        return "sortdefault.nls"
    if kind == NLS_CASEMAP:
        return CASINGS
    if kind == NLS_CODEPAGE:
        return f"c_{data:03}.nls"
    if kind == NLS_NORMALIZE:
        if data not in NORMALIZATION_FORMS:
            raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
        return f"norm{NORMALIZATION_FORMS[data]}.nls"
    raise NtError(ntstatus.STATUS_INVALID_PARAMETER_1)


def _open_table(caller: Thread, name: str) -> OpenFile:
    attributes = ObjectAttributes(f"\\SystemRoot\\system32\\{name}")
    access = c.FILE_READ_DATA | SYNCHRONIZE
    return caller.executive.io.open_object(
        attributes, Create("", access, options=c.FILE_NON_DIRECTORY_FILE)
    )


def _size_of_table(caller: Thread, name: str) -> int:
    file = _open_table(caller, name)
    try:
        return file.size
    finally:
        caller.executive.io.close_object(file)


def _map_table(caller: Thread, name: str) -> tuple[int, int]:
    """Address and size in bytes of a read-only view of a file of system32; raises NtError."""
    io = caller.executive.io
    file = _open_table(caller, name)
    try:
        size = file.size
        section = io.create_section(file, PAGE_READONLY, SEC_COMMIT, 0)
        try:
            view = map_view(caller.process.space, section, PAGE_READONLY, inherit=VIEW_UNMAP)
        finally:
            delete_section(section)
    finally:
        io.close_object(file)
    return view.base, size


@service()
def NtInitializeNlsFiles(
    caller: Thread,
    BaseAddress: Out[PVOID],
    DefaultLocaleId: Out[ULONG],
    DefaultCasingTableSize: OutOpt[LARGE_INTEGER],
) -> Outcome:
    """Map locale.nls; tell the default locale, and the size of its table of casings."""
    BaseAddress.probe()
    DefaultLocaleId.probe()
    DefaultCasingTableSize.probe()
    casings = _size_of_table(caller, CASINGS)
    base, _size = _map_table(caller, "locale.nls")
    BaseAddress.write(base)
    DefaultLocaleId.write(ENGLISH_US)
    DefaultCasingTableSize.write(casings)
    return ntstatus.STATUS_SUCCESS


@service()
def NtGetNlsSectionPtr(
    caller: Thread,
    SectionType: ULONG,
    SectionData: ULONG,
    ContextData: PVOID,
    SectionPointer: Out[PVOID],
    SectionSize: Out[ULONG],
) -> Outcome:
    """Map a sort, case, code page or normalization table."""
    SectionPointer.probe()
    SectionSize.probe()
    base, size = _map_table(caller, _table_name(SectionType, SectionData))
    SectionPointer.write(base)
    SectionSize.write(size)
    return ntstatus.STATUS_SUCCESS
