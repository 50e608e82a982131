"""Locale and language of the user and of the system."""

from __future__ import annotations

from typing import Annotated

from ntgate.dispatch.outcome import Outcome
from ntgate.dispatch.service import service
from ntgate.dispatch.types import BOOLEAN, Out, Scalar
from ntgate.executive.ps.thread import Thread
from ntgate.layout import ntstatus

LCID = Annotated[int, Scalar("LCID", kind="hex")]
LANGID = Annotated[int, Scalar("LANGID", 2, kind="hex")]
VALID_LCID = 0x000F_FFFF  # language, sublanguage and sort order


@service()
def NtQueryDefaultLocale(
    caller: Thread, UserProfile: BOOLEAN, DefaultLocaleId: Out[LCID]
) -> Outcome:
    """The user's locale, or the system's."""
    locale = caller.executive.locale
    DefaultLocaleId.write(locale.user if UserProfile else locale.system)
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetDefaultLocale(caller: Thread, UserProfile: BOOLEAN, DefaultLocaleId: LCID) -> Outcome:
    """Set it until the machine ends."""
    if DefaultLocaleId & ~VALID_LCID:
        return ntstatus.STATUS_INVALID_PARAMETER
    if UserProfile:
        caller.executive.locale.user = DefaultLocaleId
    else:
        caller.executive.locale.system = DefaultLocaleId
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryDefaultUILanguage(caller: Thread, DefaultUILanguageId: Out[LANGID]) -> Outcome:
    """The language of the user's menus and messages."""
    DefaultUILanguageId.write(caller.executive.locale.language)
    return ntstatus.STATUS_SUCCESS


@service()
def NtSetDefaultUILanguage(caller: Thread, DefaultUILanguageId: LANGID) -> Outcome:
    """Set it; 0 goes back to the one that was installed."""
    locale = caller.executive.locale
    locale.language = DefaultUILanguageId or locale.installed_language
    return ntstatus.STATUS_SUCCESS


@service()
def NtQueryInstallUILanguage(caller: Thread, InstallUILanguageId: Out[LANGID]) -> Outcome:
    """The language of the installation."""
    InstallUILanguageId.write(caller.executive.locale.installed_language)
    return ntstatus.STATUS_SUCCESS
