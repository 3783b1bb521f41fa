"""How a person is reached: which of their contacts, in which order and with which waits.

Pure: the person, what the page is about, and the instant go in; the plan comes out. Which contacts this
installation can use, and which of them cost money, is data that the caller brings.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from domain.messages import PlannedContact
from domain.policy.person import Contact, ContactRule, Hours, Person, RuleContact
from domain.wall_clock import Span, as_utc, dates_around, windows

ALIASES = {"push": "ntfy"}
"""Names that people write, and the channel that is meant."""
LONGEST_QUIET = timedelta(days=7)
"""Quiet hours without an end are none: a page must not wait for ever."""
_DAYS_BEFORE, _DAYS_AHEAD = 3, 15

Numbered = tuple[int, Contact]
"""A contact with its number in the person's list."""


class ContactPlan(BaseModel):
    """The contacts to page over, or until when nobody is to be woken."""

    contacts: list[PlannedContact] = []
    quiet_until: datetime | None = None
    gaps: list[str] = []
    """What a person should know: no rule fits, a rule names a method that cannot be used."""


def real_channel(name: str) -> str:
    """The channel that a contact or a rule means."""
    return ALIASES.get(name, name)


def quiet_until(person: Person, zone: str, at: datetime) -> datetime | None:
    """When the person's quiet hours end, where `at` is inside of them.

    Args:
        zone: of the person, else of the organisation.

    Raises:
        ValueError, ZoneInfoNotFoundError: `at` is naive, or this machine does not know the zone.
    """
    if person.quiet_hours is None:
        return None
    span = _span_at(person.quiet_hours, zone, at)
    if span is None or span.until - span.start > LONGEST_QUIET:
        return None
    return span.until


def plan_contacts(
    who: str, person: Person, usable: Sequence[Numbered], severity: str, zone: str, at: datetime,
    paid: Collection[str],
) -> ContactPlan:  # fmt: skip
    """The plan for one page.

    The first rule that fits decides. Without rules: the first usable contact, the next when that one
    fails. Rules of which none fits: every usable contact at once, of the paid ones only the first.

    Args:
        usable: the contacts that can be used now, in the order of the policy.
        paid: channels whose messages cost money.

    Raises:
        ValueError, ZoneInfoNotFoundError: as `quiet_until`.
    """
    if not person.contact_rules:
        plan = [
            PlannedContact(channel=contact.channel, contact=index)
            for index, (_, contact) in enumerate(usable)
        ]
        return ContactPlan(contacts=plan)
    gaps: list[str] = []
    rule = next((r for r in person.contact_rules if _fits(r, severity, zone, at)), None)
    if rule is not None:
        chosen = _by_rule(who, person, usable, rule, gaps)
        if chosen:
            return ContactPlan(contacts=chosen, gaps=gaps)
        gaps.append(f"the contact rule of {who} leaves no method: every one is used")
    else:
        gaps.append(f"no contact rule of {who} fits {severity} now: every verified method is used")
    return ContactPlan(contacts=_every_method(usable, paid), gaps=gaps)


def _fits(rule: ContactRule, severity: str, zone: str, at: datetime) -> bool:
    if rule.severities is not None and severity not in rule.severities:
        return False
    return rule.hours is None or _span_at(rule.hours, zone, at) is not None


def _span_at(hours: Hours, zone: str, at: datetime) -> Span | None:
    """The window of the hours that holds `at`."""
    place, instant = ZoneInfo(zone), as_utc(at)
    dates = dates_around(instant, place, _DAYS_BEFORE, _DAYS_AHEAD)
    found = windows(hours.days, hours.start, hours.end, place, dates)
    return next((span for span in found if instant in span), None)


def _by_rule(
    who: str, person: Person, usable: Sequence[Numbered], rule: ContactRule, gaps: list[str]
) -> list[PlannedContact]:
    chosen: list[PlannedContact] = []
    is_first_missing = False
    for entry in rule.contacts:
        index = _meant(person, usable, entry)
        if index is None:
            gaps.append(f"{who} has no usable contact for `{entry.use}` of their contact rule")
            is_first_missing = is_first_missing or not chosen
            continue
        # What stood before it cannot go out at all: there is nothing to wait for.
        wait = timedelta(0) if is_first_missing and not chosen else entry.after
        chosen.append(
            PlannedContact(
                channel=usable[index][1].channel, contact=index, after_seconds=wait.total_seconds()
            )
        )
    return chosen


def _meant(person: Person, usable: Sequence[Numbered], entry: RuleContact) -> int | None:
    """Index among the usable contacts of the one that an entry names; None when it cannot be used."""
    name, _, number = entry.use.partition(":")
    channel = real_channel(name)
    of_channel = [n for n, c in enumerate(person.contacts) if real_channel(c.channel) == channel]
    indices = [i for i, (_, c) in enumerate(usable) if real_channel(c.channel) == channel]
    if not number:
        return indices[0] if indices else None
    if not number.isdigit() or not 1 <= int(number) <= len(of_channel):
        return None
    wanted = of_channel[int(number) - 1]
    return next((i for i in indices if usable[i][0] == wanted), None)


def _every_method(usable: Sequence[Numbered], paid: Collection[str]) -> list[PlannedContact]:
    """All free methods and one paid one, together: nobody said what could wait."""
    costly = {real_channel(channel) for channel in paid}
    is_paid = [real_channel(contact.channel) in costly for _, contact in usable]
    free = [index for index, costs in enumerate(is_paid) if not costs]
    order = free + [index for index, costs in enumerate(is_paid) if costs][:1]
    return [
        PlannedContact(channel=usable[index][1].channel, contact=index, after_seconds=0.0)
        for index in order
    ]
