"""Facts about messages of which nobody knows whether the public has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.aggregate import Fact
from domain.held import HeldMessage, Verdict
from domain.incident import Incident

_FOUND = {
    Verdict.IT_IS_OUT: "it is out",
    Verdict.SEND_AGAIN: "it is not out, and goes again",
    Verdict.DROP: "it is dropped",
}


class MessageHeld(Fact):
    """A message for the public may have gone out; it is not repeated before a person has looked."""

    message: str
    recipient: str
    channel: str
    what: str
    detail: str = ""
    delivery: str
    """Idempotency key of the message."""
    kind: str
    announcement: dict[str, Any]

    def sentence(self) -> str:
        why = f" ({self.detail})" if self.detail else ""
        return f"{self.what} to {self.recipient} by {self.channel} is held as {self.message}{why}"

    def data(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"announcement", "kind"})

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        fields = self.model_dump(exclude={"message"})
        incident.held.append(HeldMessage(id=self.message, at=at, **fields))


class MessageReleased(Fact):
    """A person has looked, and decided about a held message."""

    message: str
    verdict: Verdict
    what: str
    channel: str
    delivery: str
    reason: str = ""
    kind: str
    announcement: dict[str, Any]
    recipient: str

    def sentence(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        return (
            f"{self.what} by {self.channel} ({self.message}) released, {_FOUND[self.verdict]}{why}"
        )

    def data(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"announcement", "kind"})

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.held = [one for one in incident.held if one.id != self.message]
