"""Pages of sections: prototype PTEs, and bringing their pages in."""

from __future__ import annotations

from ntgate.executive.mm import pte
from ntgate.executive.mm.files import FileTruncated
from ntgate.executive.mm.pfn import PROTOTYPE_PTE
from ntgate.executive.mm.space import ProcessSpace
from ntgate.executive.mm.vad import Vad
from ntgate.layout.mm import SUBSECTION
from ntgate.layout.ntstatus import STATUS_ACCESS_VIOLATION, STATUS_IN_PAGE_ERROR, STATUS_SUCCESS
