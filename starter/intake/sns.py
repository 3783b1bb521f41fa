"""Amazon SNS, and what comes over it: alarms of CloudWatch, other JSON, and plain text.

Every message must be signed by Amazon (`sns_signature.py`). A subscription confirms itself.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

import structlog

from domain.alert import Alert, AlertStatus
from domain.errors import IntakeError
from domain.mapping import shown
from starter.egress import Egress, EgressError
from starter.intake import sns_signature
from starter.intake.formats import ForgedError, Format, NoAlert, first_text, from_json
from starter.intake.generic import USUAL, read_one
from starter.intake.mapping import MAX_DESCRIPTION_CHARS, Sender, clean, instant, key_of
from starter.intake.received import Received, TooDeepError
from starter.intake.wording import bare_subject, is_resolved_subject

HANDSHAKES = {
    "SubscriptionConfirmation": "the subscription is confirmed",
    "UnsubscribeConfirmation": "the subscription has ended: nothing more will come from this topic",
}
STATES = {
    "ALARM": AlertStatus.FIRING,
    "OK": AlertStatus.RESOLVED,
    "INSUFFICIENT_DATA": AlertStatus.FIRING,
}
MAX_ATTRIBUTES = 20
log = structlog.get_logger(__name__)


async def meet(received: Received, egress: Egress, now: datetime) -> None:
    """Check Amazon's signature, and confirm a subscription.

    Raises:
        ForgedError: it is not from SNS.
        EgressError: Amazon could not be asked; SNS comes again.
        IntakeError: not JSON.
    """
    try:
        message = received.json()
    except TooDeepError:
        raise ForgedError("SNS: nested too deeply") from None
    if not isinstance(message, dict):
        raise ForgedError("SNS: not an object")
    await sns_signature.check(message, egress, now)
    kind, topic = message.get("Type"), str(message.get("TopicArn"))[:300]
    if kind == "SubscriptionConfirmation":
        url = message.get("SubscribeURL")
        if not sns_signature.is_amazon(url):
            raise ForgedError("SNS: the subscription is confirmed at no address of SNS")
        answer = await egress.get(str(url))
        if answer.status >= 300:
            raise EgressError(f"SNS did not confirm the subscription: answer {answer.status}")
        log.info("intake.sns_subscribed", topic=topic)
    elif kind == "UnsubscribeConfirmation":
        log.warning("intake.sns_unsubscribed", topic=topic)


def parse(payload: Any, sender: Sender) -> list[Alert]:
    """Read one message."""
    if not isinstance(payload, dict) or not isinstance(payload.get("Type"), str):
        return [sender.unreadable(payload, "not a message of SNS: it has no type")]
    kind = payload["Type"]
    if kind in HANDSHAKES:
        return NoAlert(HANDSHAKES[kind])
    if kind != "Notification":
        return [sender.unreadable(payload, f"type {shown(kind)} is none of SNS")]
    labels = _labels(payload)
    text = payload.get("Message")
    said = _as_json(text)
    if isinstance(said, dict) and isinstance(said.get("AlarmName"), str):
        return [_alarm(said, labels, payload, sender)]
    subject = first_text(payload.get("Subject"))
    if isinstance(said, dict):
        return [_data(said, labels, subject, payload, sender)]
    text = text if isinstance(text, str) else ""
    summary = subject or first_text(text[:300])
    if not summary:
        return [sender.unreadable(payload, "a notification of SNS without a message")]
    over = is_resolved_subject(summary)
    return [
        sender.alert(
            labels,
            key=key_of({"topic": payload.get("TopicArn"), "subject": bare_subject(summary)}),
            status=AlertStatus.RESOLVED if over else AlertStatus.FIRING,
            summary=summary,
            raw=payload,
            description=clean(text, MAX_DESCRIPTION_CHARS),
            starts_at=instant(payload.get("Timestamp")),
        )
    ]


def _data(
    said: dict[str, Any],
    labels: dict[str, Any],
    subject: str,
    payload: dict[str, Any],
    sender: Sender,
) -> Alert:
    """JSON of somebody's own, read by its usual names."""
    topic = first_text(payload.get("TopicArn"))
    return read_one(
        said,
        sender,
        raw=payload,
        names=USUAL,
        labels=labels,
        key=f"{topic}|{bare_subject(subject)}" if subject else "",
        status="resolved" if is_resolved_subject(subject) else "",
        summary=subject or first_text(labels.get("topic")),
    )


def _alarm(
    alarm: dict[str, Any], labels: dict[str, Any], payload: dict[str, Any], sender: Sender
) -> Alert:
    """An alarm of CloudWatch changed its state."""
    name, state = first_text(alarm["AlarmName"]), first_text(alarm.get("NewStateValue"))
    notes = []
    if state not in STATES:
        notes.append(f"state {shown(state)} means nothing here: taken as firing")
    arn = first_text(alarm.get("AlarmArn"))
    parts = arn.split(":")
    region = parts[3] if len(parts) > 6 else ""
    labels |= {
        "alarm": name,
        "account": first_text(alarm.get("AWSAccountId")),
        "region": region or first_text(alarm.get("Region")),
        **_trigger(alarm.get("Trigger")),
    }
    texts = (alarm.get("AlarmDescription"), alarm.get("NewStateReason"))
    console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
    return sender.alert(
        {label: value for label, value in labels.items() if value not in (None, "")},
        key=arn or f"{labels['account']}/{labels['region']}/{name}",
        status=STATES.get(state, AlertStatus.FIRING),
        summary=f"No data: {name}" if state == "INSUFFICIENT_DATA" else name,
        raw=payload,
        notes=notes,
        description=clean(
            "\n".join(text for text in texts if isinstance(text, str)), MAX_DESCRIPTION_CHARS
        ),
        starts_at=instant(alarm.get("StateChangeTime")),
        link=f"{console}#alarmsV2:alarm/{quote(name, safe='')}"
        if region.replace("-", "").isalnum()
        else None,
    )


def _trigger(trigger: Any) -> dict[str, Any]:
    """What is measured, and its dimensions under their own names."""
    if not isinstance(trigger, dict):
        return {}
    labels = {"metric": trigger.get("MetricName"), "namespace": trigger.get("Namespace")}
    dimensions = trigger.get("Dimensions")
    for one in dimensions[:MAX_ATTRIBUTES] if isinstance(dimensions, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            labels[one["name"]] = one.get("value")
    return labels


def _labels(payload: dict[str, Any]) -> dict[str, Any]:
    """The topic's name, the subject, and the message's attributes under their own names."""
    topic = first_text(payload.get("TopicArn")).rpartition(":")[2]
    labels: dict[str, Any] = {"topic": topic, "subject": first_text(payload.get("Subject"))}
    attributes = payload.get("MessageAttributes")
    if isinstance(attributes, dict):
        for name, one in list(attributes.items())[:MAX_ATTRIBUTES]:
            labels[name] = one.get("Value") if isinstance(one, dict) else one
    return labels


def _as_json(text: Any) -> Any:
    """The message, where it is JSON as CloudWatch writes it."""
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return None
    try:
        return Received(text.encode(errors="replace")).json()
    except (IntakeError, TooDeepError):
        return None


def delivery_id(received: Received) -> str | None:
    """SNS's id of the message, the same when it is sent again; the signed one, not the header's."""
    try:
        message = received.json()
    except (IntakeError, TooDeepError):
        return None
    return first_text(message.get("MessageId")) or None if isinstance(message, dict) else None


FORMAT = Format(
    "sns",
    "Amazon SNS and CloudWatch alarms",
    from_json(parse),
    meet=meet,
    delivery_id=delivery_id,
    media_types=("text/plain", "application/json"),
    status=200,
)
