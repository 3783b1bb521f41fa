"""How much one person is paged: pages, at night, and incidents per shift. Counted from the ledger.

Source of the numbers: Google's SRE book, chapter 11: handling an incident takes about six hours, so that
one person can handle at most two in a shift of twelve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel

SHIFT = timedelta(hours=12)
SAID_WITHIN = timedelta(minutes=5)
"""Whoever went over the limit has said so by then, and the records know of it."""
NIGHT_FROM, NIGHT_TO = time(22), time(7)
"""Wall time of the person's zone."""


class SentPage(BaseModel):
    """One page that left, as the ledger has it."""

    person: str
    incident: str
    at: AwareDatetime
    bundle: str | None = None
    """Pages of one message have the same."""


class PersonLoad(BaseModel):
    """What one person had to bear in a span of time."""

    person: str
    pages: int
    """Messages: a bundled one counts once."""
    at_night: int
    incidents: int
    per_shift: int
    """Incidents in the worst twelve hours."""
    pages_per_shift: int
    """Messages in the worst twelve hours."""
    is_over: bool
    """Whether that is more than one person can handle well."""


class RecentLoad(BaseModel):
    """What the ledger knows of one person's last shift, when a page to them has just been noted."""

    person: str
    incidents: dict[str, AwareDatetime]
    """When each incident first paged them in the last twelve hours; oldest first."""
    told_at: AwareDatetime | None = None
    """When it was last said that they carry too much."""


def loads(
    pages: Iterable[SentPage], limit: int, zones: Mapping[str, str], default_zone: str
) -> list[PersonLoad]:
    """The load of everybody who was paged, the heaviest first.

    Args:
        limit: incidents per twelve hours that are not too many.
        zones: IANA zone of each person who has one of their own.
    """
    by_person: dict[str, list[SentPage]] = {}
    for page in pages:
        by_person.setdefault(page.person, []).append(page)
    found = []
    for person, theirs in by_person.items():
        theirs.sort(key=lambda page: page.at)
        messages = _messages(theirs)
        zone = zones.get(person, default_zone)
        worst = _most(theirs, lambda window: len({page.incident for page in window}))
        found.append(
            PersonLoad(
                person=person,
                pages=len(messages),
                at_night=sum(is_night(page.at, zone) for page in messages),
                incidents=len({page.incident for page in theirs}),
                per_shift=worst,
                pages_per_shift=_most(messages, len),
                is_over=worst > limit,
            )
        )
    return sorted(found, key=lambda load: (-load.per_shift, -load.pages, load.person))


def is_night(at: datetime, zone: str) -> bool:
    """Whether it is night where the person is."""
    wall = at.astimezone(_zone(zone)).time()
    return wall >= NIGHT_FROM or wall < NIGHT_TO


def is_too_much(load: RecentLoad, incident: str, limit: int, at: datetime) -> bool:
    """Whether it is this incident that has to say it: the one whose page went over the limit.

    It is said once in a shift. Of many that page within seconds only one says it; where that was a
    shift ago, the next one does.
    """
    was_told = load.told_at is not None and at - load.told_at < SHIFT
    if incident not in load.incidents or len(load.incidents) <= limit or was_told:
        return False
    over, since = list(load.incidents.items())[limit]
    return incident == over or at - since > SAID_WITHIN


def _messages(pages: Sequence[SentPage]) -> list[SentPage]:
    """One entry for each message, oldest first."""
    seen: set[str] = set()
    kept = []
    for page in pages:
        if page.bundle is None or page.bundle not in seen:
            kept.append(page)
        if page.bundle is not None:
            seen.add(page.bundle)
    return kept


def _most(pages: Sequence[SentPage], count: Callable[[Sequence[SentPage]], int]) -> int:
    """The most in any twelve hours; the window begins with each page in turn."""
    most, end = 0, 0
    for start, first in enumerate(pages):
        while end < len(pages) and pages[end].at - first.at < SHIFT:
            end += 1
        most = max(most, count(pages[start:end]))
    return most


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
