"""What a payload would become, and why: for `policy explain` and for the samples of `policy check`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.alert import Alert
from domain.mapping import Mapped
from domain.names import require_known
from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE
from domain.priority import default_priority
from starter.intake import FORMATS
from starter.intake.formats import NoAlert
from starter.intake.mapping import Sender
from starter.intake.received import Received

LEFT_OUT = {"id", "received_at", "raw", "count", "on_clear", "paged_directly"}
"""Of an alert: what is made at the door and afterwards."""


def integration_for(policy: Policy, name: object, format_name: object) -> tuple[str, str]:
    """By whose rules a payload is read: integration and format.

    The named integration; else the first of the format, as with the system's own token; else the
    policy's first; else the first format's own rules, under its name.

    Raises:
        UnknownNameError: there is no such integration or format.
    """
    if name is not None:
        require_known("integration", str(name), policy.integrations, "integration")
    if format_name is not None:
        require_known("format", str(format_name), FORMATS, "format")
    if name is not None:
        return str(name), str(format_name or policy.integrations[str(name)].format)
    for key, integration in policy.integrations.items():
        if format_name is None or integration.format == format_name:
            return key, integration.format
    fallback = str(format_name or next(iter(FORMATS)))
    return fallback, fallback


def explained(
    policy: Policy, name: str, format_name: str, received: Received, at: datetime
) -> dict[str, Any]:
    """What a payload would become: `alerts`, each with its fields and in `decided` what decided each.

    Where there is none, `no_alert` says why.

    Raises:
        IntakeError: its own service would refuse it too.
    """
    decided: dict[str, Mapped] = {}
    integration = policy.integrations.get(name)
    if integration is None:
        sender = Sender(name, policy, at, decided=decided)
    else:
        sender = Sender.of(name, integration, policy, at, decided)
    alerts = FORMATS[format_name].parse(received, sender)
    if not alerts:
        why = alerts.why if isinstance(alerts, NoAlert) else "it holds no alert"
        return {"alerts": [], "no_alert": why}
    return {"alerts": [_shown(alert, decided.get(alert.id), policy) for alert in alerts]}


def _shown(alert: Alert, mapped: Mapped | None, policy: Policy) -> dict[str, Any]:
    shown = alert.model_dump(mode="json", exclude=LEFT_OUT)
    if mapped is not None:
        shown["decided"] = _reasons(alert, mapped, policy)
    else:
        why = "it could not be read" if alert.service == UNKNOWN_SERVICE else "its format"
        shown["decided"] = [{"field": "service", "value": alert.service, "by": why}]
    return shown


def _reasons(alert: Alert, mapped: Mapped, policy: Policy) -> list[dict[str, str]]:
    severity = alert.severity or policy.organisation.default_severity
    tier = policy.service(alert.service).tier
    priority = default_priority(severity, list(policy.severities), tier)
    own = {
        "priority": alert.priority or priority,
        "type": alert.type or "default",
        "summary": alert.summary,
        "key": alert.key,
    }
    given = {"priority": alert.priority, "type": alert.type}
    reasons = []
    for field, value, by in mapped.reasons:
        if value is None and given.get(field):
            by = "the sender's own"
        reasons.append({"field": field, "value": value or own.get(field, ""), "by": by})
    return reasons
