"""Who is absent when: what the policy says of people's absences, as instants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.policy.model import Policy
from domain.policy.person import Person
from domain.wall_clock import EARLIEST, Span, instant_of, span_around


class Absences:
    """The absences of all people; each person's are worked out when they are first asked for.

    Args:
        people: by key.
        timezone: of the organisation, for people who have none of their own.
    """

    def __init__(self, people: Mapping[str, Person], timezone: str = "UTC") -> None:
        self._people, self._timezone = people, timezone
        self._spans: dict[str, dict[Span, str]] = {}

    @classmethod
    def of(cls, policy: Policy) -> Absences:
        """Those of a policy."""
        return cls(policy.people, policy.organisation.timezone)

    def around(self, person: str, at: datetime) -> tuple[Span, str | None]:
        """The time around `at` in which the person is present (None), or absent for one reason."""
        found = self._people.get(person)
        if found is None or not found.absences:
            return Span(), None
        spans = self.spans_of(person)
        span, is_absent = span_around(spans, at)
        return span, spans[span] if is_absent else None

    def spans_of(self, person: str) -> dict[Span, str]:
        """When a person is absent, in order and without overlaps, each with its reason."""
        if person not in self._spans:
            found = self._people.get(person)
            self._spans[person] = self._compile(found) if found else {}
        return self._spans[person]

    def _compile(self, person: Person) -> dict[Span, str]:
        zone = _zone(person.timezone or self._timezone)
        # Sorted by the instants: the same reason holds until it ends, whatever begins meanwhile.
        stated = sorted(
            (instant_of(one.start, zone), instant_of(one.end, zone), one.reason)
            for one in person.absences
        )
        spans: dict[Span, str] = {}
        reached = EARLIEST
        for start, end, reason in stated:
            span = Span(max(start, reached), end)
            if not span.is_empty():
                spans[span] = reason
                reached = end
        return spans


def _zone(name: str) -> ZoneInfo:
    """A zone that this machine lacks must not keep a page from anybody: UTC then."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


NO_ABSENCES = Absences({})
"""Everybody is present."""
