"""Names in the environment that begin like ours and mean nothing: no typo changes nothing in silence."""

from __future__ import annotations

from collections.abc import Mapping

from domain.errors import Problem
from domain.names import nearest
from domain.policy.model import Policy
from starter.settings import FROM_FILE, NAMES, SECRETS, SettingsError

PREFIX = "TOCSIN_"
REFERRING = ("apprise", "webhook")
"""Channels whose contacts may be references such as `env:NAME`."""


def unknown_settings(environ: Mapping[str, str], referenced: set[str]) -> list[Problem]:
    """Names that begin like ours and mean nothing: a typo would otherwise change nothing in silence.

    Args:
        referenced: names that the policy reads as `env:NAME`.
    """
    known = {*NAMES, *(name + FROM_FILE for name in SECRETS)}
    return [
        Problem(where=name, detail="is no setting of Tocsin", near=nearest(name, known))
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known | referenced
    ]


def referenced_settings(policy: Policy) -> set[str]:
    """The environment variables that a policy reads."""
    senders = policy.integrations.values()
    read = [integration.key for integration in senders]
    read += [one.signing_secret for one in senders if one.signing_secret is not None]
    people = (contact for person in policy.people.values() for contact in person.contacts)
    groups = (contact for group in policy.stakeholders.values() for contact in group.to)
    audiences = (contact for audience in policy.audiences.values() for contact in audience.to)
    contacts = (*people, *groups, *audiences)
    read += [contact.to for contact in contacts if contact.channel in REFERRING]
    calendars = (schedule.calendar for schedule in policy.schedules.values())
    read += [calendar.url for calendar in calendars if calendar and calendar.url]
    if policy.access.oidc is not None and policy.access.oidc.client_secret is not None:
        read.append(policy.access.oidc.client_secret)
    return {name.removeprefix("env:") for name in read if name.startswith("env:")}


def refuse_unknown_settings(environ: Mapping[str, str], policy: Policy) -> None:
    """Refuse a `TOCSIN_*` that means nothing: a typo would change nothing, in silence.

    Raises:
        SettingsError: naming each with the nearest valid one.
    """
    unknown = unknown_settings(environ, referenced_settings(policy))
    if unknown:
        raise SettingsError(unknown)
