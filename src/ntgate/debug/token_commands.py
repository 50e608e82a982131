"""`!token`: an access token as it lies in guest memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ntgate.debug import peek
from ntgate.debug.arguments import Arguments
from ntgate.debug.commands import command
from ntgate.debug.errors import KdError
from ntgate.debug.object_commands import GuestObject
from ntgate.debug.processes import implicit_process, record
from ntgate.debug.records import Record
from ntgate.debug.session import Session
from ntgate.layout.se import FAST_REF_MASK

_LARGEST_SID = 15  # sub-authorities
_MOST_ROWS = 0x400
_GROUP_ATTRIBUTES = (
    (0x1, "Mandatory"), (0x2, "Default"), (0x4, "Enabled"), (0x8, "Owner"),
    (0x10, "UseForDenyOnly"), (0x20000000, "Resource"), (0xC0000000, "LogonId"),
)  # fmt: skip
_PRIVILEGE_ATTRIBUTES = ((0x2, "Enabled"), (0x1, "Default"), (0x80000000, "UsedForAccess"))
_PRIVILEGES = {
    2: "CreateToken", 3: "AssignPrimaryToken", 4: "LockMemory", 5: "IncreaseQuota",
    6: "UnsolicitedInput", 7: "Tcb", 8: "Security", 9: "TakeOwnership", 10: "LoadDriver",
    11: "SystemProfile", 12: "Systemtime", 13: "ProfileSingleProcess",
    14: "IncreaseBasePriority", 15: "CreatePagefile", 16: "CreatePermanent", 17: "Backup",
    18: "Restore", 19: "Shutdown", 20: "Debug", 21: "Audit", 22: "SystemEnvironment",
    23: "ChangeNotify", 24: "RemoteShutdown", 25: "Undock", 26: "SyncAgent",
    27: "EnableDelegation", 28: "ManageVolume", 29: "Impersonate", 30: "CreateGlobal",
}  # fmt: skip
_LEVELS = ("Anonymous", "Identification", "Impersonation", "Delegation")
_TYPES = {1: "Primary", 2: "Impersonation"}


@command(
    "!token",
    help="Show an access token",
    usage="!token [ADDRESS]\nwithout: that of the process that is looked at",
)
def show_token(session: Session, args: Arguments) -> Iterable[str]:
    if args:
        address = args.take_address() & ~FAST_REF_MASK
        args.finish()
    else:
        process = implicit_process(session)
        address = process["Token"] & ~FAST_REF_MASK
    token = GuestObject(session, address)
    token.check()
    if token.type_name != "Token":
        raise KdError(f"{address:08x} is a {token.type_name}, no token")
    return _rows(record(session, "_TOKEN", address))


def _rows(token: Record) -> Iterator[str]:
    yield f"_TOKEN {token.address:08x}"
    yield f"TS Session ID: {token['SessionId']:#x}"
    sids = list(_sids(token, token["UserAndGroups"], token["UserAndGroupCount"]))
    yield f"User: {sids[0][0] if sids else '<none>'}"
    yield "Groups:"
    for number, (sid, attributes) in enumerate(sids[1:]):
        yield f" {number:02} {sid}"
        yield f"    Attributes - {_names(attributes, _GROUP_ATTRIBUTES)}"
    yield f"Primary Group: {sid_text(token, token['PrimaryGroup'])}"
    yield "Privs:"
    for number, (luid, attributes) in enumerate(_privileges(token)):
        name = f"Se{_PRIVILEGES[luid]}Privilege" if luid in _PRIVILEGES else "Unknown Privilege"
        shown = _names(attributes, _PRIVILEGE_ATTRIBUTES)
        yield f" {number:02} {luid:#011x} {name:<33} Attributes - {shown}".rstrip()
    yield f"Authentication ID:         {_luid(token, 'AuthenticationId')}"
    level = token["ImpersonationLevel"]
    yield f"Impersonation Level:       {_LEVELS[level] if level < len(_LEVELS) else level}"
    yield f"TokenType:                 {_TYPES.get(token['TokenType'], token['TokenType'])}"
    source = peek.readable(token.target, token.at("TokenSource.SourceName"), 8).split(b"\0")[0]
    in_use = " ( Token in use )" if token["TokenInUse"] else ""
    yield f"Source: {source.decode('latin-1'):<18} TokenFlags: {token['TokenFlags']:#x}{in_use}"
    own, parent = (token[f"{name}.LowPart"] for name in ("TokenId", "ParentTokenId"))
    yield f"Token ID: {own:<16x} ParentToken ID: {parent:x}"
    yield f"Modified ID:               {_luid(token, 'ModifiedId')}"
    count, restricted = token["RestrictedSidCount"], token["RestrictedSids"]
    yield f"RestrictedSidCount: {count:<6} RestrictedSids: {restricted:08x}"
    for number, (sid, attributes) in enumerate(_sids(token, restricted, count)):
        yield f" {number:02} {sid}"
        yield f"    Attributes - {_names(attributes, _GROUP_ATTRIBUTES)}"


def _luid(token: Record, path: str) -> str:
    return f"({token[f'{path}.HighPart']:x}, {token[f'{path}.LowPart']:x})"


def _sids(token: Record, array: int, count: int) -> Iterator[tuple[str, int]]:
    """Text and attributes of each SID_AND_ATTRIBUTES."""
    for index in range(min(count, _MOST_ROWS)):
        sid, attributes = (
            peek.number(token.target, array + 8 * index + offset) for offset in (0, 4)
        )
        yield sid_text(token, sid), attributes


def _privileges(token: Record) -> Iterator[tuple[int, int]]:
    """LUID and attributes of each LUID_AND_ATTRIBUTES."""
    for index in range(min(token["PrivilegeCount"], _MOST_ROWS)):
        entry = token["Privileges"] + 12 * index
        yield peek.number(token.target, entry, 8), peek.number(token.target, entry + 8)


def sid_text(token: Record, address: int) -> str:
    """`S-1-5-32-544` of the SID at an address."""
    if not address:
        return "<none>"
    head = token.target.read(address, 8)
    count = min(head[1], _LARGEST_SID)
    subs = (peek.number(token.target, address + 8 + 4 * index) for index in range(count))
    return "-".join(["S", str(head[0]), str(int.from_bytes(head[2:8], "big")), *map(str, subs)])


def _names(value: int, table: tuple[tuple[int, str], ...]) -> str:
    return " ".join(name for bits, name in table if value & bits == bits)
