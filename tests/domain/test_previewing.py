"""What publishing an update would do: the view's answers are those that the command itself gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.commands.communication import PublishUpdate
from domain.errors import TransitionError
from domain.incident import Incident, Status
from domain.policy.model import Policy
from domain.policy.slice import slice_for
from domain.previewing import following_at, hearers, refusals, stage_of
from domain.updates import Audience, Update, UpdateStatus

AT = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
POLICY = Policy.model_validate(
    {
        "organisation": {"name": "Example"},
        "people": {"alice": {"name": "Alice"}},
        "teams": {"payments": {"members": ["alice"]}},
        "services": {"checkout": {"team": "payments"}},
        "stakeholders": {
            "leadership": {
                "severities": ["SEV1"],
                "to": [
                    {"channel": "email", "to": "a@example.com"},
                    {"channel": "email", "to": "b@example.com"},
                ],
            },
            "sales": {"severities": ["SEV3"], "to": [{"channel": "email", "to": "c@example.com"}]},
        },
        "audiences": {
            "press": {
                "hears": "external",
                "severities": ["SEV1"],
                "to": [
                    {"channel": "mastodon", "to": "us"},
                    {"channel": "sms", "to": "+491701234567"},
                ],
                "approval": True,
                "template": "press",
            },
        },
        "processes": {"security": {"external": "never"}},
    }
)


def an_incident(**changes: Any) -> Incident:
    pinned = slice_for(POLICY, "checkout", changes.get("type", "default"))
    fields = {"severity": "SEV1", "status": Status.FIXING, **changes}
    return Incident(id="checkout-1", service="checkout", policy=pinned, raised_at=AT, **fields)


def test_who_hears_it_with_how_many_and_who_must_agree() -> None:
    """Audiences and groups with their places, their contacts counted and never named."""
    incident = an_incident()
    outside = hearers(incident.policy, POLICY, incident.view(), Audience.EXTERNAL)
    assert {one.name: (one.places, one.contacts, one.needs_approval) for one in outside} == {
        "customers": (["status_page"], {}, False),
        "subscribers": (["subscribers"], {}, False),
        "press": ([], {"mastodon": 1, "sms": 1}, True),
    }
    assert {one.template for one in outside} == {None, "press"}
    inside = hearers(incident.policy, POLICY, incident.view(), Audience.INTERNAL)
    assert [(one.name, one.places, one.contacts) for one in inside] == [
        ("responders", ["room"], {}),
        ("stakeholders leadership", [], {"email": 2}),
    ]


def test_an_audience_of_another_severity_hears_nothing() -> None:
    """The press hears of SEV1 only; groups hear of theirs."""
    incident = an_incident(severity="SEV3")
    names = {
        one.name for one in hearers(incident.policy, POLICY, incident.view(), Audience.EXTERNAL)
    }
    assert "press" not in names
    inside = hearers(incident.policy, POLICY, incident.view(), Audience.INTERNAL)
    assert [one.name for one in inside] == ["responders", "stakeholders sales"]


@pytest.mark.parametrize("side", list(Audience))
@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("kind", ["default", "security"])
def test_what_is_refused_is_what_the_command_refuses(
    side: Audience, status: Status, kind: str
) -> None:
    """In every state, on both sides: a preview that says yes is followed by a yes."""
    incident = an_incident(status=status, type=kind)
    command = PublishUpdate(audience=side, text="x")
    try:
        if status not in command.allowed:
            raise TransitionError(command.name, status, [])
        command.check(incident, "alice")
        is_refused = False
    except TransitionError:
        is_refused = True
    assert bool(refusals(incident.policy, incident.view(), side)) is is_refused


def test_the_stage_stays_what_the_side_was_told() -> None:
    """What is said counts; else the last stage of that side; after a resolution it begins anew."""
    told = Update(
        at=AT, audience=Audience.EXTERNAL, text="x", status=UpdateStatus.MONITORING, actor="alice"
    )
    view = an_incident(updates=[told]).view()
    assert stage_of(view, Audience.EXTERNAL, "identified") is UpdateStatus.IDENTIFIED
    assert stage_of(view, Audience.EXTERNAL, None) is UpdateStatus.MONITORING
    assert stage_of(view, Audience.INTERNAL, None) is None
    over = told.model_copy(update={"status": UpdateStatus.RESOLVED})
    view = an_incident(updates=[told, over]).view()
    assert stage_of(view, Audience.EXTERNAL, None) is UpdateStatus.INVESTIGATING


def test_when_they_hear_next() -> None:
    """After the minutes that were said, else after the cadence; never after the incident."""
    incident = an_incident()
    view, pinned = incident.view(), incident.policy
    soon = following_at(pinned, view, Audience.EXTERNAL, AT, 7)
    assert soon == AT + timedelta(minutes=7)
    cadence = pinned.cadence("SEV1", Audience.EXTERNAL)
    assert cadence is not None
    assert following_at(pinned, view, Audience.EXTERNAL, AT, None) == AT + cadence
    over = an_incident(status=Status.RESOLVED).view()
    assert following_at(pinned, over, Audience.EXTERNAL, AT, 7) is None
