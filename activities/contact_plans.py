"""Who of a step is paged, over which contacts and with which waits, as policy and channels are now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import structlog

from activities.delivery import Postman
from activities.looking_up import why
from domain.contact_rules import ContactPlan, plan_contacts, quiet_until
from domain.messages import PageTarget, PlannedContact
from domain.on_call import OnCall
from domain.policy.model import Policy

log = structlog.get_logger(__name__)


class About(NamedTuple):
    """What of an incident the plans depend on."""

    severity: str
    is_major: bool
    follows_rules: bool = True
    """A test page tries the contacts themselves, whatever the rules say."""


class Planned(NamedTuple):
    """Whom to page and how; who is quiet until when; and a sentence for whatever is left out."""

    targets: list[PageTarget]
    quiet: dict[str, datetime]
    skipped: list[str]


def plan_targets(
    policy: Policy, postman: Postman, people: Iterable[OnCall], about: About, at: datetime
) -> Planned:
    """Plan the page of each person; whoever cannot be reached is said, not dropped in silence."""
    targets: list[PageTarget] = []
    quiet: dict[str, datetime] = {}
    skipped: list[str] = []
    for entry in people:
        until = _quiet_until(policy, entry.person, about, at, skipped)
        if until is not None:
            quiet[entry.person] = until
            skipped.append(f"{entry.person} has quiet hours until {until:%a %H:%M} UTC")
            continue
        plan = _plan(policy, postman, entry.person, about, at, skipped)
        if plan.contacts:
            targets.append(_target(entry, plan.contacts))
        else:
            skipped.append(f"{entry.person} has no usable contact")
    return Planned(targets, quiet, skipped)


def _quiet_until(
    policy: Policy, person: str, about: About, at: datetime, skipped: list[str]
) -> datetime | None:
    """When the person's quiet hours end; hours that cannot be computed hold nothing up."""
    if about.is_major or not about.follows_rules:
        return None
    try:
        return quiet_until(policy.people[person], _zone(policy, person), at)
    except Exception as error:
        log.warning("quiet hours failed", person=person, exc_info=True)
        skipped.append(
            f"quiet hours of {person} could not be computed: {why(error)}; paged at once"
        )
        return None


def _plan(
    policy: Policy, postman: Postman, name: str, about: About, at: datetime, skipped: list[str]
) -> ContactPlan:
    person = policy.people[name]
    usable = postman.usable_contacts(name, person.contacts)
    skipped += usable.skipped
    if not about.follows_rules:
        person = person.model_copy(update={"contact_rules": []})
    paid = {channel for channel, can in postman.capabilities().items() if can.is_paid}
    try:
        plan = plan_contacts(
            name, person, usable.contacts, about.severity, _zone(policy, name), at, paid
        )
    except Exception as error:
        log.warning("contact rules failed", person=name, exc_info=True)
        skipped.append(f"contact rules of {name} could not be followed: {why(error)}")
        person = person.model_copy(update={"contact_rules": []})
        plan = plan_contacts(name, person, usable.contacts, about.severity, "UTC", at, paid)
    skipped += plan.gaps
    return plan


def _zone(policy: Policy, person: str) -> str:
    return policy.people[person].timezone or policy.organisation.timezone


def _target(entry: OnCall, plan: list[PlannedContact]) -> PageTarget:
    return PageTarget(
        person=entry.person,
        channels=[planned.channel for planned in plan],
        plan=plan,
        schedule=entry.schedule,
        until=entry.until,
        why=entry.why,
    )
