"""Effects that tell people something: a message, a reminder.

An effect's key is made from business facts only, so that a retry, a replay, a reset and a second
worker all ask for the same thing under the same name.
"""

from __future__ import annotations

from typing import Any

from domain.aggregate import Effect
from domain.incident import Incident
from domain.messages import Announcement, Purpose


def announce(
    incident: Incident, kind: str, key: str, purpose: Purpose, template: str,
    recipients: list[str], **context: Any,
) -> Effect:  # fmt: skip
    """A message of one text.

    Args:
        kind: the effect, which is the activity that carries it.
        key: below the incident's id; the same for the same business fact.
        template: folder of its words.
        recipients: names that the activity looks up (`domain/messages.py`).
        context: what the template needs beside the incident.
    """
    full_key = f"{incident.id}/{key}"
    announcement = Announcement(
        key=full_key, purpose=purpose, template=template, recipients=recipients, context=context
    )
    return Effect(key=full_key, kind=kind, input=announcement.model_dump(mode="json"))


def remind(incident: Incident, key: str, to: list[str], topic: str, **context: Any) -> Effect:
    """A reminder of `topic` (`templates/reminder/`); see `announce`."""
    return announce(
        incident,
        "remind",
        f"remind/{key}",
        Purpose.REMINDER,
        "reminder",
        to,
        topic=topic,
        **context,
    )
