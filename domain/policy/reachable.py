"""How people are reached: what of their contact rules cannot be meant, and what is unwise."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from domain.contact_rules import ALIASES, real_channel
from domain.errors import Problem
from domain.policy.model import Policy
from domain.policy.person import ContactRule, Person
from domain.policy.references import unknown
from domain.policy.shape import found
from domain.policy.throttle import OTHERS
from domain.policy.tolerant import Raw, entries, mappings, section, text


def rule_problems(raw: Raw, channels: Collection[str]) -> Iterator[Problem]:
    """Methods of contact rules that no channel knows, or that are written wrong."""
    known = [*channels, *(name for name in ALIASES if name not in channels)]
    for where, person in entries(raw, "people"):
        for place, rule in mappings(person, "contact_rules", where):
            for inner, entry in mappings(rule, "contacts", place):
                for at, use in text(entry, "use", inner):
                    name, colon, number = use.partition(":")
                    yield from unknown("channel", iter([(at, name)]), known)
                    if colon and not (number.isdigit() and int(number) > 0):
                        detail = (
                            f"{found(use)} is no method: write sms, or sms:2 for the second one"
                        )
                        yield Problem(where=at, detail=detail)


def throttle_problems(raw: Raw, channels: Collection[str]) -> Iterator[Problem]:
    """Throttles of channels that nobody knows: they would hold back nothing."""
    names = section(raw, "limits", "throttles")
    known = [*channels, *(name for name in ALIASES if name not in channels), OTHERS]
    yield from unknown("channel", ((f"limits.throttles.{one}", str(one)) for one in names), known)


def reach_warnings(policy: Policy) -> Iterator[Problem]:
    """Who cannot be reached, or not as their rules say."""
    for key, person in policy.people.items():
        where = f"people.{key}"
        usable = [c for c in person.contacts if c.verified and c.enabled]
        if person.contacts and not usable:
            detail = "has no contact that is verified and enabled, so no page can reach them"
            yield Problem(where=where, detail=detail, warning=True)
        for index, rule in enumerate(person.contact_rules):
            yield from _missing(person, rule, f"{where}.contact_rules.{index}")
        missing = [name for name in policy.severities if not _is_covered(person, name)]
        if person.contact_rules and missing:
            detail = f"no rule fits {', '.join(missing)} at every hour: every verified method is used then"
            yield Problem(where=f"{where}.contact_rules", detail=detail, warning=True)


def _missing(person: Person, rule: ContactRule, where: str) -> Iterator[Problem]:
    """Methods of a rule for which the person has no contact that may be used."""
    for index, entry in enumerate(rule.contacts):
        name, _, number = entry.use.partition(":")
        channel = real_channel(name)
        of_channel = [c for c in person.contacts if real_channel(c.channel) == channel]
        chosen = of_channel[int(number) - 1 : int(number)] if number.isdigit() else of_channel
        if not any(c.verified and c.enabled for c in chosen):
            detail = f"names {entry.use}, of which the person has no verified and enabled contact"
            yield Problem(where=f"{where}.contacts.{index}.use", detail=detail, warning=True)


def _is_covered(person: Person, severity: str) -> bool:
    return any(
        rule.hours is None and (rule.severities is None or severity in rule.severities)
        for rule in person.contact_rules
    )
