"""The security reference monitor of one machine: LUIDs, tokens of processes and threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ntgate.errors import NtError
from ntgate.executive.io.open_file import OpenFile
from ntgate.executive.ob import UNNAMED, ObjectAttributes
from ntgate.executive.se import privileges as p
from ntgate.executive.se import sids, token
from ntgate.executive.se.acl import allow, make_acl
from ntgate.executive.se.assign import assign
from ntgate.executive.se.descriptor import parse_descriptor
from ntgate.executive.se.descriptors import Descriptors, mapping_of
from ntgate.executive.se.sids import Sid
from ntgate.executive.se.token import (
    MANDATORY,
    SE_GROUP_ENABLED,
    SE_GROUP_ENABLED_BY_DEFAULT,
    SE_GROUP_LOGON_ID,
    SE_GROUP_OWNER,
    Group,
    Privilege,
    Token,
    TokenContents,
    TokenExtra,
)
from ntgate.layout import ntstatus
from ntgate.layout.access import GENERIC_ALL, GENERIC_EXECUTE, GENERIC_READ, READ_CONTROL
from ntgate.layout.ps import EPROCESS, ETHREAD
from ntgate.layout.se import FAST_REF_MASK, PS_IMPERSONATION_INFORMATION

if TYPE_CHECKING:
    from ntgate.executive.executive import Executive

SYSTEM_LUID = 0x3E7
ANONYMOUS_LUID = 0x3E6
FIRST_LUID = 0x3E9
DOMAIN_USERS_RID = 513
# Directories that everybody makes objects in.
EVERYBODY_S = (r"\BaseNamedObjects", r"\RPC Control")
DIRECTORY_USE = 0x2000F  # query, traverse, create objects and directories, READ_CONTROL


class Security:
    """Made once at boot, before the System process.

    user: the SID of the administrator whose programs the machine runs.
    """

    def __init__(self, executive: Executive, user: Sid) -> None:
        self.executive = executive
        self.user = user
        self.objects = executive.objects
        self._luid = FIRST_LUID
        # The body that a process may have in place of a token's, with a reference: jobs say.
        self.limit_token: Callable[[EPROCESS, int], int] = self._any_token
        self.descriptors = Descriptors(self.objects)
        self.kind = self.objects.types["Token"]
        self.kind.delete = self._delete_token
        self.system_token = self.create_token(self._system_contents())
        self.user_token = self.create_token(self._user_contents())
        self.anonymous_token = self.create_token(self._anonymous_contents())
        system = self.token(self.system_token)
        for body in (self.system_token, self.user_token, self.anonymous_token):
            self.descriptors.assign(body, b"", 0, system)
        self._file_group = sids.in_domain_of(user, DOMAIN_USERS_RID)
        files = self.objects.types["File"]
        files.get_security = self._get_file_security
        files.set_security = self._set_file_security
        self._guard_namespace(self.objects.root)
        for path in EVERYBODY_S:
            self.descriptors.assign_public(self.objects.lookup(path)[0], DIRECTORY_USE)
        self.objects.assign_security = self._assign_security
        self.objects.check_access = self._check_access
        self.objects.check_permanent = self._check_permanent

    def allocate_luid(self) -> int:
        """A number that no other LUID of this boot has."""
        luid = self._luid
        self._luid += 1
        return luid

    # Objects

    @property
    def subject(self) -> Token:
        """The token that the current thread acts with; the system's while there is no thread."""
        executive = self.executive
        current = executive.scheduler.prcb.CurrentThread
        if not current:
            return self.token(self.system_token)
        return self.effective(ETHREAD(executive.kernel, current))

    def _assign_security(self, body: int, explicit: bytes, kernel: bool) -> None:
        kind = self.objects.type_of(body)
        info = self.objects.name_info(body)
        parent = info.Directory if info is not None else 0
        if kind.set_security is not None:
            return
        if kernel:
            self.descriptors.assign_public(body)
        elif explicit or parent or kind.row.needs_security:
            self.descriptors.assign(body, explicit, parent, self.subject)

    def _check_access(self, body: int, desired: int) -> int:
        return self.descriptors.check(body, desired, self._acting())

    def _acting(self) -> Token:
        """The subject of a check; STATUS_BAD_IMPERSONATION_LEVEL for one who may not act."""
        subject = self.subject
        passive = subject.view.ImpersonationLevel < token.SecurityImpersonation
        if not subject.is_primary and passive:
            raise NtError(ntstatus.STATUS_BAD_IMPERSONATION_LEVEL)
        return subject

    def _check_permanent(self) -> None:
        if not self.subject.has_privilege(p.SE_CREATE_PERMANENT):
            raise NtError(ntstatus.STATUS_PRIVILEGE_NOT_HELD)

    def _guard_namespace(self, directory: int) -> None:
        """What was there before there was anybody to guard it."""
        self.descriptors.assign_public(directory)
        for _name, body in self.objects.entries(directory):
            if self.objects.type_of(body).name == "Directory":
                self._guard_namespace(body)
            else:
                self.descriptors.assign_public(body)

    def secure(self, body: int, explicit: bytes = b"") -> None:
        """Give a new object without a name its descriptor: the explicit one, or the default."""
        self.descriptors.assign(body, explicit, 0, self.subject)

    # Files keep their descriptors beside their contents.

    def _get_file_security(self, body: int) -> bytes:
        file = self.objects.companion(body, OpenFile)
        return file.security or self.descriptors.default_file(
            self.user, self._file_group, directory=file.is_directory
        )

    def _set_file_security(self, body: int, descriptor: bytes) -> None:
        self.objects.companion(body, OpenFile).security = descriptor

    def check_file(self, descriptor: bytes, access: int) -> int:
        """The rights that an open of a file with a descriptor gets; raises NtError."""
        kind = self.objects.types["File"]
        return self.descriptors.check_descriptor(kind, descriptor, access, self._acting())

    def new_file_security(self, explicit: bytes, parent: bytes, *, directory: bool) -> bytes:
        """The descriptor of a file that is made with one, or below a directory with one."""
        given = parse_descriptor(explicit) if explicit else None
        above = parse_descriptor(parent) if parent else None
        mapping = mapping_of(self.objects.types["File"])
        return assign(given, above, self.subject, mapping, container=directory).pack()

    def restores_files(self) -> bool:
        return self.subject.has_privilege(p.SE_RESTORE)

    def manages_volumes(self) -> bool:
        return self.subject.has_privilege(p.SE_MANAGE_VOLUME)

    def new_pipe_security(self, explicit: bytes) -> bytes:
        """The descriptor of a new pipe: the given one, or its maker's default."""
        given = parse_descriptor(explicit) if explicit else None
        mapping = mapping_of(self.objects.types["File"])
        return assign(given, None, self.subject, mapping, container=False).pack()

    def check_key(self, descriptor: bytes, access: int) -> int:
        """The rights that a handle to a key with a descriptor gets; raises NtError."""
        kind = self.objects.types["Key"]
        return self.descriptors.check_descriptor(kind, descriptor, access, self._acting())

    def new_key_security(self, explicit: bytes, parent: bytes) -> bytes:
        """The descriptor of a key that is made with one, below a key with one."""
        mapping = mapping_of(self.objects.types["Key"])
        given, above = parse_descriptor(explicit), parse_descriptor(parent)
        return assign(given, above, self.subject, mapping, container=True).pack()

    # Tokens

    def token(self, body: int) -> Token:
        """Raises STATUS_OBJECT_TYPE_MISMATCH for an object that is no token."""
        extra = self.objects.companion(body, TokenExtra)
        return Token(self.objects.blocks, body, extra)

    def duplicate(
        self,
        source: Token,
        kind: int,
        level: int,
        attributes: ObjectAttributes = UNNAMED,
        *,
        effective_only: bool = False,
    ) -> int:
        """A copy as a primary or an impersonation token of that level.

        Raises STATUS_BAD_IMPERSONATION_LEVEL for a level above the source's, and for a primary
        token of a source that may not act.
        """
        view = source.view
        if not source.is_primary:
            too_much = kind == token.TokenImpersonation and level > view.ImpersonationLevel
            passive = view.ImpersonationLevel < token.SecurityImpersonation
            if too_much or (kind == token.TokenPrimary and passive):
                raise NtError(ntstatus.STATUS_BAD_IMPERSONATION_LEVEL)
        contents = source.contents()
        if effective_only:
            contents = token.effective_only(contents)
        own_level = level if kind == token.TokenImpersonation else token.SecurityAnonymous
        return self.create_token(replace(contents, type=kind, level=own_level), attributes)

    def modified(self, changed: Token) -> None:
        """A token has been changed: its ModifiedId says so."""
        changed.view.ModifiedId = self.allocate_luid()

    def create_token(
        self, contents: TokenContents, attributes: ObjectAttributes = UNNAMED
    ) -> int:
        """A token object that isn't inserted yet, with one reference."""
        if not contents.modified:
            contents = replace(contents, modified=self.allocate_luid())
        body = self.objects.create(self.kind, token.body_size(contents), attributes)
        extra = TokenExtra(contents.label)
        self.objects.set_companion(body, extra)
        try:
            Token(self.objects.blocks, body, extra).fill(contents, self.allocate_luid())
        except NtError:
            self.objects.dereference(body)
            raise
        return body

    def _delete_token(self, body: int) -> None:
        self.token(body).free_dynamic()

    # Processes

    def assign_primary(self, eprocess: EPROCESS, body: int) -> None:
        """Make a primary token the process's own, in place of the one that it had."""
        self._drop_primary(eprocess)
        for _ in range(FAST_REF_MASK + 1):
            self.objects.reference(body)
        eprocess.Token = body | FAST_REF_MASK
        self.token(body).view.TokenInUse = 1

    def inherit_primary(self, eprocess: EPROCESS, parent: EPROCESS | None) -> None:
        """Give a new process a copy of its parent's token; the user's where it has none."""
        source = self.primary(parent) if parent is not None else self.token(self.user_token)
        body = self.duplicate(source, token.TokenPrimary, token.SecurityAnonymous)
        self.assign_primary(eprocess, body)
        self.objects.dereference(body)
        self.descriptors.assign(body, b"", 0, source)
        self.descriptors.assign(eprocess.address, b"", 0, self._creator(eprocess))

    def secure_thread(self, body: int, eprocess: EPROCESS) -> None:
        """Give a new thread of a process its descriptor, the default one."""
        self.descriptors.assign(body, b"", 0, self._creator(eprocess))

    def _creator(self, eprocess: EPROCESS) -> Token:
        """Whose default a new process gets: a program that the host starts makes itself."""
        current = self.subject
        is_system = current.body == self.system_token
        return self.primary(eprocess) if is_system else current

    def primary(self, eprocess: EPROCESS) -> Token:
        """The primary token of a process; raises STATUS_NO_TOKEN where it has lost it."""
        body = eprocess.Token & ~FAST_REF_MASK
        if not body:
            raise NtError(ntstatus.STATUS_NO_TOKEN)
        return self.token(body)

    def _drop_primary(self, eprocess: EPROCESS) -> None:
        value = eprocess.Token
        eprocess.Token = 0
        body = value & ~FAST_REF_MASK
        if body:
            self.token(body).view.TokenInUse = 0
            for _ in range((value & FAST_REF_MASK) + 1):
                self.objects.dereference(body)

    def release_process(self, body: int) -> None:
        """A process object goes: its token goes with it."""
        self._drop_primary(EPROCESS(self.executive.kernel, body))

    # Threads

    def impersonation(self, ethread: ETHREAD) -> PS_IMPERSONATION_INFORMATION | None:
        """What a thread impersonates with; None for one that acts as its process."""
        if not ethread.ActiveImpersonationInfo or not ethread.ImpersonationInfo:
            return None
        return PS_IMPERSONATION_INFORMATION(self.executive.kernel, ethread.ImpersonationInfo)

    def effective(self, ethread: ETHREAD) -> Token:
        """The token that a thread acts with: its own, else its process's."""
        info = self.impersonation(ethread)
        if info is not None:
            return self.token(info.Token)
        return self.primary(EPROCESS(self.executive.kernel, ethread.ThreadsProcess))

    def impersonate(
        self, ethread: ETHREAD, body: int, level: int, *, effective_only: bool = False
    ) -> None:
        """Let a thread act with a token, at a level of the token's or below.

        Raises STATUS_ACCESS_DENIED for a token that the limits of its job exclude.
        """
        body = self.limit_token(EPROCESS(self.executive.kernel, ethread.ThreadsProcess), body)
        self.revert(ethread)
        kernel = self.executive.kernel
        at = ethread.ImpersonationInfo or self.objects.blocks.allocate(
            PS_IMPERSONATION_INFORMATION.SIZE, b"PsIm"
        )
        info = PS_IMPERSONATION_INFORMATION(kernel, at)
        info.Token, info.ImpersonationLevel = body, level
        info.CopyOnOpen, info.EffectiveOnly = 0, int(effective_only)
        ethread.ImpersonationInfo = at
        ethread.ActiveImpersonationInfo = 1

    def client_token(self, ethread: ETHREAD, level: int, *, effective_only: bool) -> int:
        """A token with one reference for a server that acts as this thread's.

        Raises STATUS_BAD_IMPERSONATION_LEVEL.
        """
        source = self.effective(ethread)
        if level > token.SecurityDelegation:
            raise NtError(ntstatus.STATUS_BAD_IMPERSONATION_LEVEL)
        if not source.is_primary:
            level = min(level, source.view.ImpersonationLevel)
        return self.duplicate(
            source, token.TokenImpersonation, level, effective_only=effective_only
        )

    def _any_token(self, _eprocess: EPROCESS, body: int) -> int:
        self.objects.reference(body)
        return body

    def revert(self, ethread: ETHREAD) -> None:
        """End a thread's impersonation."""
        info = self.impersonation(ethread)
        if info is None:
            return
        ethread.ActiveImpersonationInfo = 0
        body, info.Token = info.Token, 0
        self.objects.dereference(body)

    def release_thread(self, body: int) -> None:
        """A thread object goes, and what it impersonated with."""
        ethread = ETHREAD(self.executive.kernel, body)
        self.revert(ethread)
        if ethread.ImpersonationInfo:
            self.objects.blocks.free(ethread.ImpersonationInfo)
            ethread.ImpersonationInfo = 0

    # The tokens that are there from the start

    def _system_contents(self) -> TokenContents:
        standard = SE_GROUP_ENABLED_BY_DEFAULT | SE_GROUP_ENABLED | SE_GROUP_OWNER
        read = GENERIC_READ | GENERIC_EXECUTE | READ_CONTROL
        return TokenContents(
            groups=(
                Group(sids.LOCAL_SYSTEM, 0),
                Group(sids.ADMINISTRATORS, standard),
                Group(sids.WORLD),
                Group(sids.AUTHENTICATED_USERS),
            ),
            privileges=tuple(Privilege(*held) for held in p.LOCAL_SYSTEM),
            primary_group=sids.LOCAL_SYSTEM,
            default_dacl=make_acl(
                (allow(sids.LOCAL_SYSTEM, GENERIC_ALL), allow(sids.ADMINISTRATORS, read))
            ),
            authentication_id=SYSTEM_LUID,
            owner=1,
            source_name=b"*SYSTEM*",
        )

    def _user_contents(self) -> TokenContents:
        """An administrator at the machine's console, the owner of what he makes."""
        session = self.allocate_luid()
        primary_group = sids.in_domain_of(self.user, DOMAIN_USERS_RID)
        return TokenContents(
            groups=(
                Group(self.user, 0),
                Group(primary_group),
                Group(sids.WORLD),
                Group(sids.ADMINISTRATORS, MANDATORY | SE_GROUP_OWNER),
                Group(sids.USERS),
                Group(sids.INTERACTIVE),
                Group(sids.AUTHENTICATED_USERS),
                Group(sids.logon_session(session), MANDATORY | SE_GROUP_LOGON_ID),
                Group(sids.LOCAL),
            ),
            privileges=tuple(Privilege(*held) for held in p.ADMINISTRATOR),
            primary_group=primary_group,
            default_dacl=make_acl(
                (allow(self.user, GENERIC_ALL), allow(sids.LOCAL_SYSTEM, GENERIC_ALL))
            ),
            authentication_id=self.allocate_luid(),
            source_name=b"User32 ",
            source_id=self.allocate_luid(),
            origin=SYSTEM_LUID,
        )

    def _anonymous_contents(self) -> TokenContents:
        return TokenContents(
            groups=(Group(sids.ANONYMOUS_LOGON, 0), Group(sids.WORLD)),
            privileges=(),
            primary_group=sids.ANONYMOUS_LOGON,
            default_dacl=make_acl((allow(sids.WORLD, GENERIC_ALL),)),
            authentication_id=ANONYMOUS_LUID,
            type=token.TokenImpersonation,
            level=token.SecurityImpersonation,
            source_name=b"*SYSTEM*",
        )
