"""The words of -e: families, names, injections."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ntgate.services.all  # noqa: F401
from ntgate.dispatch.tables import NT, service_table, services_by_name
from ntgate.errors import UsageError
from ntgate.layout import ntstatus
from ntgate.trace.families import family, family_names
from ntgate.trace.filters import (
    EVENTS,
    Filter,
    parse_events,
    parse_names,
    parse_status,
    parse_trace,
)
from ntgate.trace.injections import Injection, parse_injection
from ntgate.trace.places import Site

NAMES = sorted(services_by_name())


def test_every_service_is_of_a_family() -> None:
    left = {row.name for row in service_table(NT)}
    for name in family_names():
        left -= family(name)
    assert left == set()


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("file", "NtWriteFile", "NtCreateKey"),
        ("memory", "NtMapViewOfSection", "NtReadFile"),
        ("process", "NtCreateUserProcess", "NtOpenProcessToken"),
        ("registry", "NtSetValueKey", "NtCreateKeyedEvent"),
        ("sync", "NtCreateKeyedEvent", "NtSetInformationDebugObject"),
        ("object", "NtDuplicateObject", "NtCreateFile"),
        ("security", "NtOpenThreadToken", "NtOpenThread"),
        ("thread", "NtCreateThreadEx", "NtOpenThreadToken"),
        ("win32k", "NtUserGetMessage", "NtGetTickCount"),
    ],
)
def test_families_hold_what_their_name_says(name: str, inside: str, outside: str) -> None:
    assert inside in family(name)
    assert outside not in family(name)


@given(st.lists(st.sampled_from(NAMES), min_size=1, unique=True), st.booleans())
def test_a_list_of_names_shows_those_alone(names: list[str], inverted: bool) -> None:
    shown, gates = parse_trace("!" * inverted + ",".join(names))
    chosen = Filter(shown, gates)
    assert {name for name in NAMES if chosen.may_show(name)} == (
        set(NAMES) - set(names) if inverted else set(names)
    )


def test_names_in_other_spellings() -> None:
    assert parse_names("zwclose,writefile,NTREADFILE") == {"NtClose", "NtWriteFile", "NtReadFile"}
    assert parse_names("/^NtQuery.*Locale$/") == {"NtQueryDefaultLocale"}
    assert parse_names("all") == set(NAMES)
    assert parse_names("none") == set()


def test_direct_and_indirect_calls_alone() -> None:
    assert parse_trace("%direct") == (None, {"direct"})
    chosen = Filter(*parse_trace("%direct,NtClose"))
    direct, indirect = Site("int2e", direct=True), Site("sysenter", through="ntdll!NtClose+0xc")
    assert chosen.shows("NtClose", direct)
    assert not chosen.shows("NtClose", indirect) and not chosen.shows("NtClose", Site("int2e"))
    assert not chosen.shows("NtReadFile", direct)
    both = Filter(*parse_trace("%direct,%indirect"))
    assert both.shows("NtClose", direct) and both.shows("NtReadFile", indirect)
    assert not both.shows("NtClose", Site("sysenter"))


def test_a_comma_within_an_expression() -> None:
    assert parse_names("/^NtC.{3,3}e$/,NtReadFile") == {"NtClose", "NtReadFile"}


def test_events_and_statuses() -> None:
    assert parse_events("none") == set()
    assert parse_events("!module") == set(EVENTS) - {"module"}
    assert Filter(events=parse_events("module,exception")).shows_event("module load")
    failed = Filter(statuses=parse_status("failed,unfinished"))
    assert failed.is_by_end and not Filter().is_by_end
    assert failed.shows_end(0x80000005, failed=True) and failed.shows_end(None, failed=False)
    assert not failed.shows_end(0, failed=False)
    assert parse_status("!failed") == {"successful", "unfinished"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NtWritFile", "did you mean NtWriteFile"),
        ("%coffee", "no service family is %coffee"),
        ("/(/", "missing"),
        ("/^Coffee/", "no service is named like"),
        ("!%direct", "can't be inverted"),
        ("", "no service is named ''"),
    ],
)
def test_a_wrong_name_says_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_trace(text)


def answered(injection: Injection, calls: int) -> list[int]:
    return [call for call in range(1, calls + 1) if injection.applies()]


@given(st.integers(1, 9), st.none() | st.integers(0, 9), st.none() | st.integers(1, 4))
def test_when_counts_as_strace_does(first: int, more: int | None, step: int | None) -> None:
    when = f"{first}"
    last = first + more if more is not None else None
    if last is not None:
        when += f"..{last}"
    if step is not None:
        when += f"+{step}" if step > 1 else "+"
    injection = parse_injection(f"NtClose:status=0xc0000022:when={when}")
    if last is None:
        last = 20 if step is not None else first
    assert answered(injection, 20) == list(range(first, last + 1, step or 1))


def test_an_expression_of_an_injection_may_have_colons() -> None:
    injection = parse_injection("/^Nt(?:Open|Create)Key$/,NtClose:status=STATUS_NO_MEMORY:when=2")
    assert injection.names == {"NtOpenKey", "NtCreateKey", "NtClose"}
    assert (injection.status, injection.first) == (ntstatus.STATUS_NO_MEMORY, 2)


def test_gates_choose_what_is_shown_alone() -> None:
    with pytest.raises(UsageError, match="no service family is %direct") as refused:
        parse_injection("%direct:status=5")
    assert ", %win32k" in str(refused.value)
    assert ", %direct" not in str(refused.value)


def test_an_injection_without_when_answers_always() -> None:
    injection = parse_injection("%registry,NtClose:retval=STATUS_NO_MEMORY")
    assert injection.names == family("registry") | {"NtClose"}
    assert injection.status == ntstatus.STATUS_NO_MEMORY
    assert answered(injection, 3) == [1, 2, 3]
    assert parse_injection("NtClose:error=-1073741790").status == 0xC0000022


@pytest.mark.parametrize(
    "text",
    [
        "NtClose:when=0", "NtClose:when=x", "NtClose:when=3..2", "NtClose:when=1+0",
        "NtClose:status=STATUS_COFFEE", "NtClose:status=0x100000000", "NtClose:coffee=1",
        "NtClose:status", "NtClose:status=__doc__", "NtClose:status=is_error",
    ],
)  # fmt: skip
def test_a_wrong_injection_is_one_clear_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not understood"):
        parse_injection(text)


@given(st.text(max_size=30))
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (parse_trace, parse_events, parse_status, parse_injection):
        try:
            parse(text)
        except UsageError as error:
            assert "\n" not in str(error) or "\n" in text
