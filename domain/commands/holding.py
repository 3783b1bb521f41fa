"""The command that decides about a message of which nobody knew whether the public has it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Fact
from domain.commands.base import OPEN_OR_RESOLVED, Command
from domain.commands.texts import ShortText, Text
from domain.errors import TransitionError
from domain.facts import MessageReleased
from domain.held import HeldMessage, Verdict
from domain.incident import Incident
from domain.names import require_known
from domain.updates import Audience


class ReleaseMessage(Command):
    """Say what a look at the public place has shown: it is out, send it again, drop it."""

    name: ClassVar[str] = "release_message"
    description: ClassVar[str] = "Decide about a held message, after a look at where it may stand"
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED

    message: ShortText
    verdict: Verdict
    reason: Text | None = None

    def check(self, incident: Incident, actor: str) -> None:
        held = held_message(incident, self.message)
        if self.verdict is Verdict.SEND_AGAIN and _is_overtaken(incident, held):
            raise TransitionError(
                self.name, incident.status,
                ["release_message {verdict: it_is_out}", "release_message {verdict: drop}"],
                why=f"{self.message} is no longer true: the outside has been told something newer since",
            )  # fmt: skip

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        held = held_message(incident, self.message)
        return [
            MessageReleased(
                message=held.id,
                verdict=self.verdict,
                reason=self.reason or "",
                **held.model_dump(
                    include={
                        "what", "channel", "delivery", "kind", "announcement", "recipient"
                    }
                ),
            )
        ]  # fmt: skip


def held_message(incident: Incident, message: str) -> HeldMessage:
    """The held message of that id.

    Raises:
        UnknownNameError: none is held under it, or no longer.
    """
    known = {one.id: one for one in incident.held}
    require_known("held message", message, list(known), "message")
    return known[message]


def _is_overtaken(incident: Incident, held: HeldMessage) -> bool:
    """Whether the outside was told something newer: the old text must not be the last word."""
    if held.number is None:
        return False
    return any(update.audience is Audience.EXTERNAL for update in incident.updates[held.number :])
