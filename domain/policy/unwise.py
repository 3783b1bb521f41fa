"""What a valid policy does that its owner may regret. Warnings only: the policy loads with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations

from domain.access.people import mail_addresses
from domain.durations import format_duration
from domain.errors import Problem
from domain.exceptions import contradict
from domain.policy.integrations import integration_warnings
from domain.policy.model import Policy
from domain.policy.reachable import reach_warnings
from domain.policy.rota import Schedule

GAPS_SHOWN = 3


def find_warnings(
    policy: Policy, gaps: Mapping[str, Sequence[tuple[datetime, datetime]]] | None = None
) -> list[Problem]:
    """Everything unwise in a valid policy.

    Args:
        policy: a policy without mistakes.
        gaps: per schedule, when nobody is on call, where the caller has worked that out.
    """
    found = [*_people(policy), *_schedules(policy), *_paging(policy), *_severities(policy)]
    found += [*integration_warnings(policy), *_grouping(policy), *_signing_in(policy)]
    return found + gap_problems(gaps or {})


def gap_problems(gaps: Mapping[str, Sequence[tuple[datetime, datetime]]]) -> list[Problem]:
    """One warning for each schedule that leaves somebody's pages to nobody; times are UTC."""
    problems = []
    for schedule, spans in gaps.items():
        if not spans:
            continue
        shown = [f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}" for start, end in spans]
        more = f" and {len(shown) - GAPS_SHOWN} more times" if len(shown) > GAPS_SHOWN else ""
        detail = f"nobody is on call from {', '.join(shown[:GAPS_SHOWN])} UTC{more}"
        problems.append(_warning(f"schedules.{schedule}", detail))
    return problems


def _warning(where: str, detail: str) -> Problem:
    return Problem(where=where, detail=detail, warning=True)


def _grouping(policy: Policy) -> Iterator[Problem]:
    """Rules for alerts that belong together, and never decide anything."""
    for key, service in policy.services.items():
        rule, where = service.grouping, f"services.{key}"
        if rule is not None and service.fold == "key":
            yield _warning(f"{where}.grouping", "has no effect with fold: key")
        elif rule is not None and rule.window is not None and rule.window > rule.at_most:
            bound = format_duration(rule.at_most)
            yield _warning(f"{where}.grouping.window", f"is longer than at_most ({bound})")
        window = policy.limits.reopen_window
        if service.reopen_within is not None and service.reopen_within > window:
            bound = format_duration(window)
            detail = (
                f"is longer than limits.reopen_window ({bound}): the incident may be closed by then"
            )
            yield _warning(f"{where}.reopen_within", detail)


def _people(policy: Policy) -> Iterator[Problem]:
    for key, person in policy.people.items():
        if not person.contacts:
            yield _warning(f"people.{key}", "has no contacts, so nothing can reach them")
    yield from reach_warnings(policy)
    if not policy.catch_all():
        yield _warning("organisation.catch_all", "is empty: a page that fails reaches nobody")
    for key, team in policy.teams.items():
        if not team.members:
            yield _warning(f"teams.{key}", "has no members")


def _schedules(policy: Policy) -> Iterator[Problem]:
    for key, schedule in policy.schedules.items():
        where = f"schedules.{key}"
        if not schedule.rotations and schedule.calendar is None:
            yield _warning(where, "has no rotations, so nobody is on call by it")
        if schedule.calendar is not None and schedule.calendar.fault:
            yield _warning(f"{where}.calendar", schedule.calendar.fault)
        yield from _rotations(where, schedule)
        numbered = [(i, one) for i, one in enumerate(schedule.overrides) if not one.also]
        for (_, first), (index, second) in combinations(numbered, 2):
            if contradict(first, second):
                yield _warning(f"{where}.overrides.{index}", "overlaps an earlier override")
        yield from _temporary(where, schedule)


def _temporary(where: str, schedule: Schedule) -> Iterator[Problem]:
    for (_, first), (index, second) in combinations(enumerate(schedule.temporary), 2):
        if first.start < second.end and second.start < first.end:
            yield _warning(f"{where}.temporary.{index}", "overlaps an earlier temporary schedule")


def _rotations(where: str, schedule: Schedule) -> Iterator[Problem]:
    for index, rotation in enumerate(schedule.rotations):
        place = f"{where}.rotations.{index}"
        if len(set(rotation.people)) < len(rotation.people):
            yield _warning(f"{place}.people", "names a person twice, who then has more turns")
        window = rotation.restrict
        if window and not window.days:
            yield _warning(f"{place}.restrict", "has no days, so it is never active")
        elif window and window.start == window.end:
            yield _warning(f"{place}.restrict", "begins and ends at the same time of day")


def _paging(policy: Policy) -> Iterator[Problem]:
    for key, escalation in policy.escalation_policies.items():
        if not escalation.steps:
            yield _warning(f"escalation_policies.{key}", "has no steps, so it pages nobody")
        for index, step in enumerate(escalation.steps):
            if not step.page:
                where = f"escalation_policies.{key}.steps.{index}"
                yield _warning(where, "pages nobody")
    for key, service in policy.services.items():
        if service.team is None and service.escalation is None:
            detail = "has neither a team nor an escalation policy, so its pages go to the catch-all"
            yield _warning(f"services.{key}", detail)


def _signing_in(policy: Policy) -> Iterator[Problem]:
    """People who could sign in, and then could do nothing, or could not be told apart."""
    access, oidc = policy.access, policy.access.oidc
    if oidc is None:
        if access.people:
            yield _warning(
                "access.people", "changes nothing: nobody can sign in without access.oidc"
            )
        return
    if not (any(access.people.values()) or any(oidc.roles.values()) or oidc.default_roles):
        yield _warning(
            "access.oidc", "gives no role to anybody, so whoever signs in can do nothing"
        )
    for address, people in mail_addresses(policy).items():
        if len(people) > 1:
            detail = f"{address} is an address of {' and '.join(people)}: nobody can sign in by it"
            yield _warning(f"people.{people[-1]}", detail)


def _severities(policy: Policy) -> Iterator[Problem]:
    if not any(level.major for level in policy.severities.values()):
        yield _warning("severities", "none is major, so no incident is ever a major one")
    for key, group in policy.stakeholders.items():
        if not group.to:
            yield _warning(f"stakeholders.{key}", "has nobody in it")
    for key, audience in policy.audiences.items():
        if not audience.to and not audience.places:
            yield _warning(f"audiences.{key}", "has nobody in it")
