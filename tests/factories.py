"""Valid things to test with: keyword-only, complete by default, and the same every time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.alert import Alert, AlertStatus
from domain.incident import Incident
from domain.policy.model import Policy
from domain.policy.slice import EscalationPlan, PlanStep, PolicySlice, slice_for
from domain.raising import Origin, raise_incident
from domain.reactions import follows

T0 = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
"""A Monday morning inside working hours."""

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def minutes(count: float) -> timedelta:
    """A length, from minutes."""
    return timedelta(minutes=count)


def a_policy(**sections: Any) -> Policy:
    """A small organisation: payments pages alice, then the team, then carol."""
    whole: dict[str, Any] = {
        "organisation": {"name": "Example", "catch_all": ["person:carol"]},
        "people": {
            key: {
                "name": key.capitalize(),
                "contacts": [{"channel": "email", "to": f"{key}@x.test"}],
            }
            for key in ("alice", "bob", "carol", "dana")
        },
        "teams": {"payments": {"members": ["alice", "bob"]}},
        "schedules": {
            "payments": {"rotations": [{"people": ["alice", "bob"], "starts": "2026-01-05"}]}
        },
        "escalation_policies": {
            "payments": {
                "repeat": 2,
                "steps": [
                    {"page": ["schedule:payments"]},
                    {"page": ["team:payments"], "after": "5m"},
                    {"page": ["person:carol"], "after": "10m"},
                ],
            }
        },
        "services": {
            "checkout": {"name": "Checkout", "team": "payments", "escalation": "payments"}
        },
        "processes": {"default": {"external": "auto"}, "security": {"external": "never"}},
    }
    return Policy.model_validate(whole | sections)


def a_policy_slice(
    *, kind: str = "default", policy: Policy | None = None, **fields: Any
) -> PolicySlice:
    """What an incident on checkout pins; `fields` replace single ones of the slice."""
    pinned = slice_for(policy or a_policy(), "checkout", kind, version="v1")
    return pinned.model_copy(update=fields, deep=True)


def a_plan(
    *steps: tuple[list[str], float], repeat: int = 2, repeat_after: float = 5,
    acknowledgements: int = 1,
) -> EscalationPlan:  # fmt: skip
    """An escalation plan from `(targets, minutes to wait)`."""
    return EscalationPlan(
        steps=[
            PlanStep(targets=targets, after=minutes(wait), acknowledgements=acknowledgements)
            for targets, wait in steps
        ],
        repeat=repeat,
        repeat_after=minutes(repeat_after),
    )


def an_alert(*, key: str = "cpu", at: datetime = T0, **fields: Any) -> Alert:
    """A firing alert of SEV2 on checkout."""
    whole: dict[str, Any] = {
        "id": f"alert-{key}", "key": key, "status": AlertStatus.FIRING, "integration": "prometheus",
        "service": "checkout", "severity": "SEV2", "summary": "Checkout fails", "received_at": at,
    }  # fmt: skip
    return Alert.model_validate(whole | fields)


def cleared(*, key: str = "cpu", at: datetime = T0, **fields: Any) -> Alert:
    """The same alert, resolved."""
    return an_alert(key=key, at=at, status=AlertStatus.RESOLVED, **fields)


def a_declaration(**fields: Any) -> Origin:
    """What a person said when raising."""
    said = {"service": "checkout", "severity": "SEV1", "summary": "Checkout is down"} | fields
    return Origin(declaration=said, actor="dana", received_at=T0)


def an_incident(
    *,
    severity: str = "SEV1",
    policy: PolicySlice | None = None,
    origin: Origin | None = None,
    at: datetime = T0,
) -> Incident:
    """An incident that has just been raised, its first facts folded and their effects wanted."""
    origin = origin or a_declaration(severity=severity)
    incident, facts = raise_incident(
        "checkout-1", origin, policy or a_policy_slice(), "https://tocsin.test/i/checkout-1", at
    )
    for fact in facts:
        incident.record(fact, at, "tocsin", follows)
    return incident
