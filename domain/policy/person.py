"""People as the policy knows them: how each is reached, and when."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from domain.policy.base import Strict
from domain.policy.rota import Absence
from domain.policy.value import Days, Duration, EndTime, WallTime


class Contact(Strict):
    channel: str
    to: str = Field(min_length=1, max_length=320)
    verified: bool = True
    """Whether the person has shown that this reaches them; without, it is never used to page."""
    enabled: bool = True


class Hours(Strict):
    """Times of day on some days, wall time of the person's zone; over midnight they belong to the
    day on which they begin."""

    days: Days = frozenset(range(7))
    start: WallTime = Field("00:00", alias="from")
    end: EndTime = Field("24:00", alias="to")


class RuleContact(Strict):
    """One method of a rule, and how long after the one before it goes out."""

    use: str = Field(min_length=1, max_length=80)
    """A channel, or `channel:N` for the person's N-th contact of that channel."""
    after: Duration = timedelta(0)


class ContactRule(Strict):
    """Which methods are used when. The first rule that fits decides."""

    severities: list[str] | None = None
    """None is every severity."""
    hours: Hours | None = None
    """None is always."""
    contacts: list[RuleContact] = Field(min_length=1)


class Person(Strict):
    name: str = ""
    timezone: str | None = None
    contacts: list[Contact] = []
    contact_rules: list[ContactRule] = []
    quiet_hours: Hours | None = None
    """Pages of a severity that is not major wait until they end."""
    absences: list[Absence] = []
