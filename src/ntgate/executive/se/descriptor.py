"""Security descriptors: their parts, the self-relative form, what a query or a change takes.

The form is winnt.h's SECURITY_DESCRIPTOR_RELATIVE: 20 bytes, then what its offsets lead to.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import lru_cache

from ntgate.errors import NtError
from ntgate.executive.se.acl import (
    SYSTEM_MANDATORY_LABEL_ACE_TYPE,
    Acl,
    parse_acl,
)
from ntgate.executive.se.sids import Sid, size_at
from ntgate.layout import ntstatus
from ntgate.layout.access import ACCESS_SYSTEM_SECURITY, READ_CONTROL, WRITE_DAC, WRITE_OWNER
from ntgate.layout.se import (
    SE_DACL_AUTO_INHERITED,
    SE_DACL_DEFAULTED,
    SE_DACL_PRESENT,
    SE_DACL_PROTECTED,
    SE_GROUP_DEFAULTED,
    SE_OWNER_DEFAULTED,
    SE_SACL_AUTO_INHERITED,
    SE_SACL_DEFAULTED,
    SE_SACL_PRESENT,
    SE_SACL_PROTECTED,
    SE_SELF_RELATIVE,
    SECURITY_DESCRIPTOR_REVISION,
)
from ntgate.records import dataclass

HEADER = struct.Struct("<BBH4I")


DACL_CONTROL = SE_DACL_PRESENT | SE_DACL_DEFAULTED | SE_DACL_AUTO_INHERITED | SE_DACL_PROTECTED
SACL_CONTROL = SE_SACL_PRESENT | SE_SACL_DEFAULTED | SE_SACL_AUTO_INHERITED | SE_SACL_PROTECTED

# SECURITY_INFORMATION.
OWNER_SECURITY_INFORMATION            = 0x0000_0001
GROUP_SECURITY_INFORMATION            = 0x0000_0002
DACL_SECURITY_INFORMATION             = 0x0000_0004
SACL_SECURITY_INFORMATION             = 0x0000_0008
LABEL_SECURITY_INFORMATION            = 0x0000_0010
UNPROTECTED_SACL_SECURITY_INFORMATION = 0x1000_0000
UNPROTECTED_DACL_SECURITY_INFORMATION = 0x2000_0000
PROTECTED_SACL_SECURITY_INFORMATION   = 0x4000_0000
PROTECTED_DACL_SECURITY_INFORMATION   = 0x8000_0000


@dataclass(frozen=True, slots=True)
class Descriptor:
    """`control` has the SE_ bits but for SE_SELF_RELATIVE.

    A DACL or SACL counts where its PRESENT bit is set; None then is the NULL ACL.
    """

    control: int = 0
    owner: Sid | None = None
    group: Sid | None = None
    sacl: Acl | None = None
    dacl: Acl | None = None

    def pack(self) -> bytes:
        """The self-relative form; raises STATUS_INVALID_ACL for an ACL that is too long."""
        sacl = self.sacl.pack() if self.sacl is not None else b""
        dacl = self.dacl.pack() if self.dacl is not None else b""
        body, offsets = b"", []
        for part in (self.owner or b"", self.group or b"", sacl, dacl):
            offsets.append(HEADER.size + len(body) if part else 0)
            body += part
        control = self.control | SE_SELF_RELATIVE
        return HEADER.pack(SECURITY_DESCRIPTOR_REVISION, 0, control, *offsets) + body

    def selected(self, information: int) -> Descriptor:
        """The parts that a query asks for."""
        control, owner, group, sacl, dacl = 0, None, None, None, None
        if information & OWNER_SECURITY_INFORMATION:
            owner = self.owner
            control |= self.control & SE_OWNER_DEFAULTED
        if information & GROUP_SECURITY_INFORMATION:
            group = self.group
            control |= self.control & SE_GROUP_DEFAULTED
        if information & DACL_SECURITY_INFORMATION:
            dacl = self.dacl
            control |= self.control & DACL_CONTROL
        if information & SACL_SECURITY_INFORMATION:
            sacl = self.sacl
            control |= self.control & SACL_CONTROL
        elif information & LABEL_SECURITY_INFORMATION and self.sacl is not None:
            labels = tuple(ace for ace in self.sacl.aces if _is_label(ace.type))
            sacl = Acl(labels, self.sacl.revision)
            control |= SE_SACL_PRESENT
        return Descriptor(control, owner, group, sacl, dacl)

    def changed(self, change: Descriptor, information: int) -> Descriptor:
        """With the parts of `change` that `information` names.

        Raises STATUS_INVALID_SECURITY_DESCR where owner or group are missing.
        """
        new = self
        if information & OWNER_SECURITY_INFORMATION:
            if change.owner is None:
                raise NtError(ntstatus.STATUS_INVALID_SECURITY_DESCR)
            new = new._with_control(change, SE_OWNER_DEFAULTED, owner=change.owner)
        if information & GROUP_SECURITY_INFORMATION:
            if change.group is None:
                raise NtError(ntstatus.STATUS_INVALID_SECURITY_DESCR)
            new = new._with_control(change, SE_GROUP_DEFAULTED, group=change.group)
        if information & DACL_SECURITY_INFORMATION:
            new = new._with_control(change, DACL_CONTROL, dacl=change.dacl)
        if information & SACL_SECURITY_INFORMATION:
            new = new._with_control(change, SACL_CONTROL, sacl=change.sacl)
        elif information & LABEL_SECURITY_INFORMATION:
            before, given = new.sacl or Acl(), change.sacl or Acl()
            kept = [ace for ace in before.aces if not _is_label(ace.type)]
            labels = [ace for ace in given.aces if _is_label(ace.type)]
            sacl = Acl((*kept, *labels), max(before.revision, given.revision))
            new = replace(new, sacl=sacl, control=new.control | SE_SACL_PRESENT)
        return new._protected(information)

    def _with_control(
        self,
        change: Descriptor,
        mask: int,
        *,
        owner: Sid | None = None,
        group: Sid | None = None,
        sacl: Acl | None = None,
        dacl: Acl | None = None,
    ) -> Descriptor:
        control = self.control & ~mask | change.control & mask
        return Descriptor(
            control,
            owner if mask & SE_OWNER_DEFAULTED else self.owner,
            group if mask & SE_GROUP_DEFAULTED else self.group,
            sacl if mask & SE_SACL_PRESENT else self.sacl,
            dacl if mask & SE_DACL_PRESENT else self.dacl,
        )

    def _protected(self, information: int) -> Descriptor:
        control = self.control
        for bit, on, off in (
            (SE_DACL_PROTECTED, PROTECTED_DACL_SECURITY_INFORMATION,
             UNPROTECTED_DACL_SECURITY_INFORMATION),
            (SE_SACL_PROTECTED, PROTECTED_SACL_SECURITY_INFORMATION,
             UNPROTECTED_SACL_SECURITY_INFORMATION),
        ):  # fmt: skip
            if information & on:
                control |= bit
            elif information & off:
                control &= ~bit
        return replace(self, control=control)


@lru_cache(maxsize=256)
def parse_descriptor(data: bytes) -> Descriptor:
    """The self-relative form; raises STATUS_INVALID_SECURITY_DESCR where it is broken."""
    if len(data) < HEADER.size:
        raise NtError(ntstatus.STATUS_INVALID_SECURITY_DESCR)
    revision, _, control, owner, group, sacl, dacl = HEADER.unpack_from(data)
    if revision != SECURITY_DESCRIPTOR_REVISION or not control & SE_SELF_RELATIVE:
        raise NtError(ntstatus.STATUS_INVALID_SECURITY_DESCR)
    return Descriptor(
        control & ~SE_SELF_RELATIVE,
        _sid(data, owner),
        _sid(data, group),
        _acl(data, sacl) if control & SE_SACL_PRESENT else None,
        _acl(data, dacl) if control & SE_DACL_PRESENT else None,
    )


def _sid(data: bytes, offset: int) -> Sid | None:
    if not offset:
        return None
    size = size_at(data, offset)
    if not size:
        raise NtError(ntstatus.STATUS_INVALID_SECURITY_DESCR)
    return data[offset : offset + size]


def _acl(data: bytes, offset: int) -> Acl | None:
    if not offset:
        return None
    if offset + 8 > len(data):
        raise NtError(ntstatus.STATUS_INVALID_SECURITY_DESCR)
    (size,) = struct.unpack_from("<H", data, offset + 2)
    try:
        return parse_acl(data[offset : offset + size])
    except NtError:
        raise NtError(ntstatus.STATUS_INVALID_SECURITY_DESCR) from None


def _is_label(ace_type: int) -> bool:
    return ace_type == SYSTEM_MANDATORY_LABEL_ACE_TYPE


def access_to_query(information: int) -> int:
    """The right that a handle needs for the parts."""
    access = 0
    if information & (
        OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION
        | LABEL_SECURITY_INFORMATION
    ):  # fmt: skip
        access |= READ_CONTROL
    if information & SACL_SECURITY_INFORMATION:
        access |= ACCESS_SYSTEM_SECURITY
    return access


def access_to_change(information: int) -> int:
    """The right that a handle needs to set the parts."""
    access = 0
    if information & (
        OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION
    ):
        access |= WRITE_OWNER
    if information & (DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION
                      | UNPROTECTED_DACL_SECURITY_INFORMATION):  # fmt: skip
        access |= WRITE_DAC
    if information & (SACL_SECURITY_INFORMATION | PROTECTED_SACL_SECURITY_INFORMATION
                      | UNPROTECTED_SACL_SECURITY_INFORMATION):  # fmt: skip
        access |= ACCESS_SYSTEM_SECURITY
    return access
