"""Security structures: SIDs and descriptors, access tokens, impersonation."""

from __future__ import annotations

from ntgate.memory.structs import Struct, embed, raw, u8, u32, u64

SID_REVISION = 1
SID_MAX_SUB_AUTHORITIES = 15
SID_FIXED_SIZE = 8  # up to SubAuthority

SECURITY_DESCRIPTOR_REVISION = 1
# SECURITY_DESCRIPTOR.Control.
SE_OWNER_DEFAULTED     = 0x0001
SE_GROUP_DEFAULTED     = 0x0002
SE_DACL_PRESENT        = 0x0004
SE_DACL_DEFAULTED      = 0x0008
SE_SACL_PRESENT        = 0x0010
SE_SACL_DEFAULTED      = 0x0020
SE_DACL_AUTO_INHERITED = 0x0400
SE_SACL_AUTO_INHERITED = 0x0800
SE_DACL_PROTECTED      = 0x1000
SE_SACL_PROTECTED      = 0x2000
SE_SELF_RELATIVE       = 0x8000

FAST_REF_MASK = 7  # of EX_FAST_REF: references that the pointer holds in advance


class TOKEN_SOURCE(Struct, size=0x10):
    SourceName       = raw(0x00, 8)
    SourceIdentifier = u64(0x08)  # a LUID


class SID_AND_ATTRIBUTES(Struct, size=0x08):
    Sid        = u32(0x00)
    Attributes = u32(0x04)


class LUID_AND_ATTRIBUTES(Struct, size=0x0C):
    Luid       = u64(0x00)
    Attributes = u32(0x08)


class TOKEN(Struct, size=0xA8):
    TokenSource             = embed(0x00, TOKEN_SOURCE)
    TokenId                 = u64(0x10)
    AuthenticationId        = u64(0x18)
    ParentTokenId           = u64(0x20)
    ExpirationTime          = u64(0x28)
    AuditPolicy             = u64(0x38)
    ModifiedId              = u64(0x40)
    SessionId               = u32(0x48)
    UserAndGroupCount       = u32(0x4C)
    RestrictedSidCount      = u32(0x50)
    PrivilegeCount          = u32(0x54)
    VariableLength          = u32(0x58)
    DynamicCharged          = u32(0x5C)
    DynamicAvailable        = u32(0x60)
    DefaultOwnerIndex       = u32(0x64)
    UserAndGroups           = u32(0x68)
    RestrictedSids          = u32(0x6C)
    PrimaryGroup            = u32(0x70)
    Privileges              = u32(0x74)
    DynamicPart             = u32(0x78)
    DefaultDacl             = u32(0x7C)
    TokenType               = u32(0x80)
    ImpersonationLevel      = u32(0x84)
    TokenFlags              = u32(0x88)
    TokenInUse              = u8(0x8C)
    OriginatingLogonSession = u64(0x98)
    VariablePart            = u32(0xA0)


class PS_IMPERSONATION_INFORMATION(Struct, size=0x0C):
    Token              = u32(0x00)
    CopyOnOpen         = u8(0x04)
    EffectiveOnly      = u8(0x05)
    ImpersonationLevel = u32(0x08)
