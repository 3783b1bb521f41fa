"""iCalendar files and feeds as plain shifts: who is on call by somebody else's calendar.

An event names its people by its title, its attendees or its organizer. Text in, data out; fetching is
`activities/roster.py`. The copies of feeds that are in force are `roster_files.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from domain.policy.model import Policy
from domain.policy.person import Person
from domain.policy.rota import CalendarShift, Listed
from domain.wall_clock import instant_of

MAX_BYTES = 5 * 1024 * 1024
MAX_EVENTS = 20_000
"""Occurrences that one calendar may have in the time that is read."""
MAX_TITLE = 120
_TOO_OFTEN = ("SECONDLY", "MINUTELY")
_SHORTEST_WORD = 3
"""A name that stands somewhere within a title has at least so many letters."""


@dataclass(frozen=True)
class ReadCalendar:
    """What a calendar holds for the time that was asked for."""

    shifts: list[CalendarShift] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    """Titles of events that name nobody of the policy."""
    events: int = 0


@dataclass(frozen=True)
class _Event:
    start: datetime
    end: datetime
    people: tuple[str, ...]
    title: str


def read_calendar(
    data: bytes, names: Mapping[str, str], zone: ZoneInfo, start: datetime, end: datetime
) -> ReadCalendar:
    """Whom a calendar puts on call between two instants.

    Args:
        data: the iCalendar text.
        names: person by what an event may say, as `names_for` makes it.
        zone: of times that have none, and of whole days.

    Raises:
        ValueError: it cannot be read as a calendar, in words for people. Not retried.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 1024 // 1024} MiB")
    found: list[_Event] = []
    strangers: dict[str, None] = {}
    events = _occurrences(data, start, end)
    for event in events:
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            continue
        title = " ".join(str(event.get("SUMMARY", "")).split())[:MAX_TITLE]
        people = tuple(_people(event, title, names))
        if not people:
            strangers[title or "an event without a title"] = None
            continue
        begins, ends = _span(event, zone)
        if begins < ends:
            found.append(_Event(begins, ends, people, title))
    return ReadCalendar(_pieces(found), list(strangers), len(events))


def names_for(policy: Policy, mapping: Mapping[str, str]) -> dict[str, str]:
    """Person by everything that an event may call them, in small letters: the mapping has the last word."""
    names: dict[str, str] = {}
    for key, person in policy.people.items():
        for word in _words_of(key, person):
            names.setdefault(word.strip().lower(), key)
    names.update({said.strip().lower(): person for said, person in mapping.items()})
    names.pop("", None)
    return names


def _words_of(key: str, person: Person) -> Iterator[str]:
    yield key
    yield person.name
    yield from (contact.to for contact in person.contacts if contact.channel == "email")


def _occurrences(data: bytes, start: datetime, end: datetime) -> Sequence[Any]:
    try:
        calendar = icalendar.Calendar.from_ical(data)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not iCalendar: {_short(error)}") from error
    if calendar.name != "VCALENDAR":
        raise ValueError(f"it is not a calendar but a {calendar.name}")
    try:
        for event in calendar.walk("VEVENT"):
            _require_calm(event)
        found = recurring_ical_events.of(calendar, skip_bad_series=False).between(start, end)
    except _TooOftenError:
        raise
    except Exception as error:  # whatever a broken event makes the libraries raise
        raise ValueError(f"an event in it cannot be read: {_short(error)}") from error
    if len(found) > MAX_EVENTS:
        raise ValueError(f"it has {len(found)} events; at most {MAX_EVENTS} are taken")
    return list(found)


class _TooOftenError(ValueError):
    """A rule that would have millions of occurrences."""


def _require_calm(event: Any) -> None:
    """Refuse what is repeated so often that reading it would take minutes."""
    rules = event.get("RRULE") or []
    for rule in rules if isinstance(rules, list) else [rules]:
        often = str(rule.get("FREQ", [""])[0]).upper()
        an_hour = len(rule.get("BYMINUTE", [0])) * len(rule.get("BYSECOND", [0]))
        if often in _TOO_OFTEN or an_hour > 4:
            raise _TooOftenError("an event is repeated every few minutes: that is no shift")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _people(event: Any, title: str, names: Mapping[str, str]) -> list[str]:
    """Whom an event names: by its whole title, by words of it, by attendees, by its organizer."""
    whole = names.get(title.lower())
    if whole is not None:
        return [whole]
    for found in (
        _within(title, names),
        _addressed(event.get("ATTENDEE"), names),
        _addressed(event.get("ORGANIZER"), names),
    ):
        if found:
            return found
    return []


def _within(title: str, names: Mapping[str, str]) -> list[str]:
    """People whose names stand in a title as whole words, in their order; the longest name counts."""
    left, found = title.lower(), {}
    for name in sorted(names, key=len, reverse=True):
        if len(name) < _SHORTEST_WORD or name not in left:
            continue
        match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", left)
        if match is not None:
            found[match.start()] = names[name]
            left = left[: match.start()] + " " * len(name) + left[match.end() :]
    return list(dict.fromkeys(found[place] for place in sorted(found)))


def _addressed(value: Any, names: Mapping[str, str]) -> list[str]:
    listed = value if isinstance(value, list) else [] if value is None else [value]
    found: dict[str, None] = {}
    for address in listed:
        mail = re.sub(r"^mailto:", "", str(address).strip(), flags=re.IGNORECASE).lower()
        called = str(getattr(address, "params", {}).get("CN", "")).strip().lower()
        if str(getattr(address, "params", {}).get("PARTSTAT", "")).upper() == "DECLINED":
            continue
        person = names.get(mail) or names.get(called)
        if person is not None:
            found[person] = None
    return list(found)


def _span(event: Any, zone: ZoneInfo) -> tuple[datetime, datetime]:
    begins, ends = event["DTSTART"].dt, event["DTEND"].dt
    return _instant(begins, zone), _instant(ends, zone)


def _instant(value: date, zone: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        return instant_of(datetime.combine(value, time()), zone)
    return instant_of(value, zone) if value.tzinfo is None else value.astimezone(UTC)


def _pieces(events: Iterable[_Event]) -> list[CalendarShift]:
    """The events side by side, as spans that do not overlap; who began first is named first."""
    in_order = sorted(events, key=lambda one: (one.start, one.title, one.end))
    edges = sorted({at for event in in_order for at in (event.start, event.end)})
    found: list[CalendarShift] = []
    active: list[_Event] = []
    waiting = iter([*in_order, None])
    coming = next(waiting)
    for start, end in pairwise(edges):
        active = [event for event in active if event.end > start]
        while coming is not None and coming.start <= start:
            active.append(coming)
            coming = next(waiting)
        people = {
            name: event.title for event in reversed(active) for name in reversed(event.people)
        }
        if people:
            listed = [Listed(person=name, title=said) for name, said in reversed(people.items())]
            found.append(CalendarShift(start=start, end=end, people=listed))
    return found


def span_of_years(years: range) -> tuple[datetime, datetime]:
    """From the first day of the first year to the end of the last one, in UTC."""
    return datetime(years[0], 1, 1, tzinfo=UTC), datetime(years[-1] + 1, 1, 1, tzinfo=UTC)


def span_of_feed(at: datetime) -> tuple[datetime, datetime]:
    """What is read of a feed: two months back, thirteen ahead; it is read again soon."""
    return at - timedelta(days=60), at + timedelta(days=400)
