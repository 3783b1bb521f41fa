"""Opsgenie's alert API, which lives on as Jira Service Management's: alerts, and what is done to them.

What is over a limit of Opsgenie is cut, not refused: an alert is worth more than its form. Refused is
only what says nothing at all.

Source: https://docs.opsgenie.com/docs/alert-api and the OpenAPI document that Opsgenie published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from domain.alert import Alert, AlertStatus
from domain.errors import IntakeError
from domain.mapping import CONTROL
from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE
from starter.intake.formats import Format
from starter.intake.mapping import (
    MAX_DESCRIPTION_CHARS,
    MAX_SUMMARY_CHARS,
    Sender,
    clean,
    short_key,
    shorten,
    web_link,
)
from starter.intake.received import Received, TooDeepError
from starter.unique import unique_id

PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
USUAL_PRIORITY = "P3"
WORDS = {"P1": "critical", "P2": "error"}
"""Severity by priority; every other one is a warning."""
MAX_ALIAS_CHARS = 512
MAX_NOTE_CHARS = 25_000  # as Opsgenie takes them
MAX_USER_CHARS = 100
NOT_PROCESSABLE = "Request body is not processable. Please check the errors."
RUNBOOKS = ("runbook", "runbook_url")

Body = dict[str, Any]


class Action(NamedTuple):
    """Something that is done to an alert."""

    name: str
    """As the status of its request calls it."""
    done: str
    """As that status says that it is done."""
    status: AlertStatus = AlertStatus.NOTED
    fields: tuple[str, ...] = ()
    """Of the body, which its note tells where it has no place of its own here."""


ACTIONS = {
    "acknowledge": Action("Acknowledge", "Acknowledged alert", AlertStatus.ACKNOWLEDGED),
    "close": Action("Close", "Closed alert", AlertStatus.RESOLVED),
    "delete": Action("Delete", "Deleted alert", AlertStatus.RESOLVED),
    "notes": Action("AddNote", "Added note to alert"),
    "unacknowledge": Action("UnAcknowledge", "Unacknowledged alert"),
    "snooze": Action("Snooze", "Snoozed alert", fields=("endTime",)),
    "escalate": Action("EscalateToNext", "Escalated alert", fields=("escalation",)),
    "assign": Action("Assign", "Assigned alert", fields=("owner",)),
    "responders": Action("AddResponder", "Added responder to alert", fields=("responder",)),
    "teams": Action("AddTeam", "Added team to alert", fields=("team",)),
    "tags": Action("AddTags", "Added tags to alert", fields=("tags",)),
    "details": Action("AddDetails", "Added details to alert", fields=("details",)),
    "message": Action("UpdateMessage", "Updated message of alert", fields=("message",)),
    "description": Action("UpdateDescription", "Updated description", fields=("description",)),
    "priority": Action("UpdatePriority", "Updated priority of alert", fields=("priority",)),
}
"""By the last part of the path. What Tocsin does not do itself is told on the incident's timeline."""


class InvalidAlertError(IntakeError):
    """A request that Opsgenie refuses too.

    Args:
        errors: what is wrong, by field.
    """

    def __init__(self, status: int, message: str, errors: Mapping[str, str] | None = None) -> None:
        self.status, self.message, self.errors = status, message, dict(errors or {})
        super().__init__(f"{message} {'; '.join(self.errors.values())}".strip())


def read(received: Received, *, may_be_empty: bool = False) -> Body:
    """The JSON object that a request holds.

    Raises:
        InvalidAlertError: it holds none.
    """
    if may_be_empty and not received.body.strip():
        return {}
    try:
        body = received.json()
    except (IntakeError, TooDeepError):
        raise InvalidAlertError(400, "Request body is not parsable. Please check it.") from None
    if body is None and may_be_empty:
        return {}
    if not isinstance(body, dict):
        raise InvalidAlertError(422, NOT_PROCESSABLE, {"body": "Request body must be an object."})
    return body


def alias_of(body: Body) -> str:
    """What the sender calls the same alert; empty where it leaves that to Opsgenie."""
    return CONTROL.sub("", _text(body.get("alias")))


def key_of_alias(integration: str, alias: str) -> str:
    """The key of an alert: of this integration, so that no other one's key reaches it."""
    return short_key(f"{integration}/{alias}")


def alert_of(body: Body, sender: Sender, alias: str) -> Alert:
    """The alert that a request creates.

    Raises:
        InvalidAlertError: it has no message.
    """
    message = clean(_text(body.get("message")), MAX_SUMMARY_CHARS)
    if not message:
        raise InvalidAlertError(422, NOT_PROCESSABLE, {"message": "Message can not be empty."})
    said, details = _text(body.get("priority")).upper(), _details(body)
    notes = []
    if said and said not in PRIORITIES:
        notes.append(f"priority {said[:50]!r} means nothing here: taken as {USUAL_PRIORITY}")
    texts = [_text(body.get("source")), *(_text(item) for item in details.values())]
    links = [link for text in texts if (link := web_link(text))]
    runbooks = [link for name in RUNBOOKS if (link := web_link(_text(details.get(name))))]
    links = [link for link in dict.fromkeys(links) if link not in runbooks]
    return sender.alert(
        labels_of(body, sender),
        key=key_of_alias(sender.integration, alias),
        status=AlertStatus.FIRING,
        summary=message,
        raw=body,
        notes=notes,
        description=_description(body, details),
        link=links[0] if links else None,
        links=links[1:],
        runbooks=runbooks[:5],
    )


def priority_of(body: Body) -> str:
    """P1 to P5, P3 where nothing that is known stands there."""
    said = _text(body.get("priority")).upper()
    return said if said in PRIORITIES else USUAL_PRIORITY


def labels_of(body: Body, sender: Sender) -> dict[str, Any]:
    """The labels of a request: its details, then its entity as service, and the other fields."""
    details, priority = _details(body), priority_of(body)
    labels: dict[str, Any] = {**details}
    for name in ("entity", "source"):
        if value := _text(body.get(name)):
            labels.setdefault(name, value)
    tags = body.get("tags")
    if isinstance(tags, list) and "tags" not in labels:
        labels["tags"] = ", ".join(text for tag in tags[:20] if (text := _text(tag)))
    labels["priority"] = priority
    if sender.map.severity is None or "severity" not in details:
        labels["severity"] = WORDS.get(priority, "warning")
    label = sender.map.service.label if sender.map.service else "service"
    if not _text(labels.get(label)) and (entity := _text(body.get("entity"))):
        labels[label] = entity
    return labels


def word_of(action: Action, body: Body, sender: Sender, alias: str) -> list[Alert]:
    """What is said of an alert: the action, and its note. The desk of its key has to be found.

    Args:
        alias: of the alert.
    """
    note = clean(_text(body.get("note")), MAX_NOTE_CHARS)
    named = _text(body.get("user")) or _text(body.get("source"))
    # Whoever is nobody of the policy is called as the sender calls them.
    by = person_of(sender.policy, named) or clean(named, 100) or sender.integration
    told = note if action.name == "AddNote" else _told(action, body)

    def word(status: AlertStatus, description: str) -> Alert:
        return Alert(
            id=unique_id(),
            key=key_of_alias(sender.integration, alias),
            status=status,
            integration=sender.integration,
            service=UNKNOWN_SERVICE,
            summary=f"{action.name} from {sender.integration}",
            description=description,
            by=by,
            received_at=sender.received_at,
        )

    if action.name == "AddNote":
        return [word(AlertStatus.NOTED, told)]
    words = [word(action.status, told if action.status is AlertStatus.NOTED else "")]
    if note:
        # Before a clearing: an incident that it resolves takes no more.
        words.insert(
            0 if action.status is AlertStatus.RESOLVED else 1, word(AlertStatus.NOTED, note)
        )
    return words


def check_word(action: Action, body: Body) -> None:
    """Raises InvalidAlertError: a note without a text."""
    if action.name == "AddNote" and not clean(_text(body.get("note")), 10):
        raise InvalidAlertError(422, NOT_PROCESSABLE, {"note": "Note can not be empty."})


def person_of(policy: Policy, said: str) -> str:
    """The person of the policy whom an address or a key names; else what was said, shortened."""
    if said in policy.people:
        return said
    for key, person in policy.people.items():
        for contact in person.contacts:
            if contact.channel == "email" and contact.to.lower() == said.lower():
                return key
    return clean(said, MAX_USER_CHARS)


def _told(action: Action, body: Body) -> str:
    """An action in words, with the fields that it is about."""
    about = [f"{name}: {_shown(body[name])}" for name in action.fields if body.get(name)]
    said = action.done.removesuffix(" alert")
    return clean(f"{said} at the sender" + (f" ({', '.join(about)})" if about else ""), 1_000)


def _details(body: Body) -> dict[str, Any]:
    details = body.get("details")
    return details if isinstance(details, dict) else {}


def _description(body: Body, details: Mapping[str, Any]) -> str:
    """What the request says besides its message, line by line."""
    message, lines = _text(body.get("message")), []
    if len(message) > MAX_SUMMARY_CHARS:
        lines.append(message)
    lines += [text] if (text := _text(body.get("description"))) else []
    for name in ("entity", "source", "user", "tags", "responders", "actions"):
        if body.get(name):
            lines.append(f"{name}: {_shown(body[name])}")
    lines += [f"{name}: {text}" for name, item in details.items() if (text := _shown(item))]
    return clean("\n".join(lines), MAX_DESCRIPTION_CHARS)


def _shown(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return "" if value is None else shorten(value).strip()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else ""


def parse(received: Received, sender: Sender) -> list[Alert]:
    """Read the request that creates an alert."""
    body = read(received)
    return [alert_of(body, sender, alias_of(body) or unique_id())]


FORMAT = Format("opsgenie", "Opsgenie and Jira Service Management", parse, is_hook=False)
