"""Somebody else's calendar as shifts: who an event means, when it is, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from domain.errors import PolicyError
from domain.policy.model import Policy
from records.calendar_feeds import MAX_BYTES, ReadCalendar, names_for, read_calendar
from records.policy_file import read_policy
from records.policy_store import PolicyStore

BERLIN = ZoneInfo("Europe/Berlin")
YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
POLICY = Policy.model_validate(
    {
        "people": {
            "alice": {"name": "Alice Ng"},
            "bob": {"contacts": [{"channel": "email", "to": "bob@example.com"}]},
            "al": {},
        }
    }
)
EVENT = "DTSTART:20260302T080000Z\nDTEND:20260302T100000Z"


def calendar(*events: str) -> bytes:
    """An iCalendar text with these events."""
    listed = "".join(f"BEGIN:VEVENT\nUID:{n}\n{one}\nEND:VEVENT\n" for n, one in enumerate(events))
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{listed}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def read(*events: str, mapping: dict[str, str] | None = None) -> ReadCalendar:
    names = names_for(POLICY, mapping or {})
    return read_calendar(calendar(*events), names, BERLIN, *YEAR)


@pytest.mark.parametrize(
    ("event", "people"),
    [
        ("SUMMARY:alice", ["alice"]),
        ("SUMMARY:ALICE NG", ["alice"]),
        ("SUMMARY:On-call: Alice Ng (payments)", ["alice"]),
        ("SUMMARY:Bob & Alice Ng", ["bob", "alice"]),
        ("SUMMARY:bob@example.com", ["bob"]),
        ("SUMMARY:Primary", ["bob"]),
        ("SUMMARY:Malice in wonderland", []),
        ("SUMMARY:al and others", []),
        ("SUMMARY:shift\nATTENDEE;CN=Alice Ng:mailto:x@example.com", ["alice"]),
        ("SUMMARY:shift\nATTENDEE:mailto:BOB@example.com", ["bob"]),
        ("SUMMARY:shift\nATTENDEE;PARTSTAT=DECLINED:mailto:bob@example.com", []),
        ("SUMMARY:shift\nORGANIZER:mailto:bob@example.com", ["bob"]),
        ("SUMMARY:alice\nATTENDEE:mailto:bob@example.com", ["alice"]),
        ("SUMMARY:alice\nSTATUS:CANCELLED", []),
        ("DESCRIPTION:nothing", []),
    ],
)
def test_whom_an_event_means(event: str, people: list[str]) -> None:
    """By title, then attendees, then organizer; by key, name or mail address; a short key only whole."""
    found = read(f"{EVENT}\n{event}", mapping={"primary": "bob"})
    named = [one.person for shift in found.shifts for one in shift.people]
    assert named == people


def test_strangers_are_told() -> None:
    """An event that names nobody of the policy puts nobody on call, and is told by its title."""
    found = read(f"{EVENT}\nSUMMARY:Team lunch", f"{EVENT}\nSUMMARY:alice")
    assert found.strangers == ["Team lunch"]
    assert len(found.shifts) == 1


def test_times_follow_the_wall_clock() -> None:
    """A weekly shift at nine stays at nine over the change of clocks; days are those of the zone."""
    weekly = (
        "SUMMARY:alice\nDTSTART;TZID=Europe/Berlin:20260323T090000\n"
        "DTEND;TZID=Europe/Berlin:20260323T170000\nRRULE:FREQ=WEEKLY;COUNT=2"
    )
    found = read(weekly, "SUMMARY:bob\nDTSTART;VALUE=DATE:20260328\nDTEND;VALUE=DATE:20260330")
    assert [(shift.start.isoformat(), shift.end.isoformat()) for shift in found.shifts] == [
        ("2026-03-23T08:00:00+00:00", "2026-03-23T16:00:00+00:00"),
        ("2026-03-27T23:00:00+00:00", "2026-03-29T22:00:00+00:00"),
        ("2026-03-30T07:00:00+00:00", "2026-03-30T15:00:00+00:00"),
    ]
    floating = read("SUMMARY:alice\nDTSTART:20260302T090000\nDTEND:20260302T100000")
    assert floating.shifts[0].start == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_events_side_by_side_do_not_overlap() -> None:
    """Two people at once are one shift of two; who began first is named first."""
    found = read(
        "SUMMARY:bob\nDTSTART:20260302T090000Z\nDTEND:20260302T110000Z",
        "SUMMARY:alice\nDTSTART:20260302T080000Z\nDTEND:20260302T100000Z",
    )
    assert [[one.person for one in shift.people] for shift in found.shifts] == [
        ["alice"],
        ["alice", "bob"],
        ["bob"],
    ]
    assert all(one.end == two.start for one, two in pairwise(found.shifts))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not iCalendar"),
        (b"<html>", "not iCalendar"),
        (b"\xff\xfe\x00", "not iCalendar"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "not iCalendar"),
        (b"BEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\n", "not a calendar"),
        (calendar("DTSTART:nonsense"), "cannot be read"),
        (calendar(f"{EVENT}\nRRULE:FREQ=NEVER"), "cannot be read"),
        (calendar(f"{EVENT}\nRRULE:FREQ=SECONDLY"), "every few minutes"),
        (calendar(f"{EVENT}\nRRULE:FREQ=HOURLY;BYMINUTE=1,2,3,4,5"), "every few minutes"),
        (b" " * (MAX_BYTES + 1), "larger than 5 MiB"),
    ],
)
def test_what_is_no_calendar_is_refused_in_words(data: bytes, said: str) -> None:
    """Whatever comes, there is one sentence and no stack trace."""
    with pytest.raises(ValueError, match=said):
        read_calendar(data, {}, BERLIN, *YEAR)


TEXT = """
people:
  alice: {contacts: [{channel: email, to: a@example.com}]}
  bob: {contacts: [{channel: email, to: b@example.com}]}
schedules:
  pay: {calendar: CALENDAR}
"""
AT = datetime(2026, 3, 1, tzinfo=UTC)
ALWAYS = "SUMMARY:alice\nDTSTART:20260101T000000Z\nDTEND:20280101T000000Z"


def written(tmp_path: Path, calendar_text: str) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(TEXT.replace("CALENDAR", calendar_text), encoding="utf-8")
    return file


def test_a_calendar_file_is_part_of_the_policy(tmp_path: Path) -> None:
    """It is read from beside the policy's file, counts for coverage, and travels with the version."""
    (tmp_path / "shifts.ics").write_bytes(calendar(ALWAYS))
    loaded = read_policy(written(tmp_path, "{file: shifts.ics}"), at=AT)
    assert loaded.warnings == []
    store = PolicyStore(tmp_path / "data")
    store.adopt(loaded)
    (tmp_path / "shifts.ics").unlink()
    found = store.current()[1].schedules["pay"].calendar
    assert found is not None
    assert [one.person for one in found.shifts[0].people] == ["alice"]


def test_what_is_unwise_in_a_calendar_file(tmp_path: Path) -> None:
    """A hole in it and an event that names nobody are warnings, with their place."""
    events = (
        "SUMMARY:alice\nDTSTART:20260101T000000Z\nDTEND:20260310T000000Z",
        f"{EVENT}\nSUMMARY:x",
    )
    (tmp_path / "shifts.ics").write_bytes(calendar(*events))
    warnings = read_policy(written(tmp_path, "{file: shifts.ics}"), at=AT).warnings
    assert [one.where for one in warnings] == ["schedules.pay", "schedules.pay.calendar.people"]
    assert "nobody is on call from 2026-03-10 00:00" in warnings[0].detail
    assert "'x'" in warnings[1].detail


@pytest.mark.parametrize(
    ("said", "where", "detail"),
    [
        ("{file: missing.ics}", "schedules.pay.calendar.file", "cannot be read: No such file"),
        ("{file: broken.ics}", "schedules.pay.calendar.file", "it is not iCalendar"),
        ("{file: .}", "schedules.pay.calendar.file", "not a regular file"),
        ("{}", "schedules.pay", "either a url: or a file:"),
        ("{url: 'https://x.example/a', file: b}", "schedules.pay", "either a url: or a file:"),
        ("{url: 'webcal://x.example/a'}", "schedules.pay.calendar.url", "write https://"),
        ("{url: 'ftp://x.example/a'}", "schedules.pay.calendar.url", "http:// or https://"),
        ("{url: 'https://x.example/a', people: {A: zed}}", "schedules.pay", "unknown person 'zed'"),
        ("{url: 'https://x.example/a', shifts: []}", "schedules.pay", "leave it out"),
    ],
)
def test_mistakes_of_a_calendar_are_those_of_the_policy(
    tmp_path: Path, said: str, where: str, detail: str
) -> None:
    """Each with file, line and what to do, like any other mistake."""
    (tmp_path / "broken.ics").write_text("nonsense")
    with pytest.raises(PolicyError) as refused:
        read_policy(written(tmp_path, said), at=AT)
    [problem, *_] = [one for one in refused.value.problems if detail in one.detail]
    assert problem.where.startswith(where)
    assert detail in problem.detail
    assert problem.line == 6


@pytest.mark.parametrize(
    ("schedule", "where", "detail"),
    [
        ("overrides: [{from: 2026-01-01T00:00, to: 2026-01-02T00:00, person: null, also: true}]",
         "schedules.pay.overrides.0", "name the person"),
        ("overrides: [{from: 2026-01-01T00:00, to: 2026-01-02T00:00, person: bob, also: true, "
         "instead_of: alice}]", "schedules.pay.overrides.0", "leave out instead_of"),
        ("temporary: [{from: 2026-01-02T00:00, to: 2026-01-01T00:00}]",
         "schedules.pay.temporary.0.to", "ends before it begins"),
        ("temporary: [{from: 2026-01-01T00:00, to: 2026-01-02T00:00, shifts: "
         "[{from: 2026-01-01T00:00, to: 2026-01-03T00:00, person: bob}]}]",
         "schedules.pay.temporary.0.shifts.0.to", "after its temporary schedule"),
        ("temporary: [{from: 2026-01-01T00:00, to: 2026-01-02T00:00, shifts: "
         "[{from: 2026-01-01T00:00, to: 2026-01-02T00:00, person: zed}]}]",
         "schedules.pay.temporary.0.shifts.0.person", "unknown person"),
        ("holidays: {people: [bob]}", "schedules.pay.holidays", "which days?"),
        ("holidays: {people: [bob], subdivision: BE, dates: [2026-01-01]}",
         "schedules.pay.holidays.subdivision", "of which country"),
    ],
)  # fmt: skip
def test_mistakes_of_exceptions(tmp_path: Path, schedule: str, where: str, detail: str) -> None:
    """What cannot be meant is a mistake with its place."""
    file = tmp_path / "policy.yaml"
    file.write_text(TEXT.replace("calendar: CALENDAR", schedule), encoding="utf-8")
    with pytest.raises(PolicyError) as refused:
        read_policy(file, at=AT)
    [problem] = refused.value.problems
    assert problem.where == where
    assert detail in problem.detail


def test_absences_and_temporary_schedules_count_for_coverage(tmp_path: Path) -> None:
    """`policy check` sees the hole that an absence, or a temporary schedule, will leave."""
    rota = "rotations: [{people: [alice], starts: 2026-01-05}]"
    away = "absences: [{from: 2026-03-03, to: 2026-03-04}], contacts"
    file = tmp_path / "policy.yaml"
    text = TEXT.replace("calendar: CALENDAR", rota)
    file.write_text(text.replace("contacts", away, 1), encoding="utf-8")
    [warning] = read_policy(file, at=AT).warnings
    assert "nobody is on call from 2026-03-02 23:00 to 2026-03-04 23:00 UTC" in warning.detail
    window = "temporary: [{from: 2026-03-03T00:00, to: 2026-03-03T12:00}]"
    file.write_text(TEXT.replace("calendar: CALENDAR", f"{rota}, {window}"), encoding="utf-8")
    [warning] = read_policy(file, at=AT).warnings
    assert "nobody is on call from 2026-03-02 23:00 to 2026-03-03 11:00 UTC" in warning.detail
    file.write_text(text.replace("contacts", away.replace("-04}", "-02}"), 1), encoding="utf-8")
    with pytest.raises(PolicyError, match="absence ends before"):
        read_policy(file, at=AT)


def test_holidays_by_a_list_of_dates(tmp_path: Path) -> None:
    """Dates alone are enough; no country's holidays are filled in."""
    days = "rotations: [{people: [alice], starts: 2026-01-05}], "
    days += "holidays: {people: [bob], dates: [2026-03-03]}"
    file = tmp_path / "policy.yaml"
    file.write_text(TEXT.replace("calendar: CALENDAR", days), encoding="utf-8")
    found = read_policy(file, at=AT).policy.schedules["pay"].holidays
    assert found is not None
    assert len(found.dates) == 1
