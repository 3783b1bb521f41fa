"""An alert: a machine's statement that something looks wrong, in the one shape that all formats become."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, model_validator

from domain.wall_clock import Instant

MAX_KEY_CHARS = 512
MAX_ALERT_BYTES = 128 * 1024
"""Far above what intake lets through; it guards against signals made by hand."""


class AlertStatus(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    """Somebody said at the sender that they have seen it; who is in `by`."""
    NOTED = "noted"
    """Somebody wrote something about it at the sender: the description."""
    CHANGED = "changed"
    """No alert at all: something was changed, such as a deployment. Context for incidents."""


class Alert(BaseModel):
    """One alert as intake hands it to the desk."""

    id: str
    """Given at the door, unique for each accepted delivery; the same alert repeated has another."""
    key: str
    """What the sender calls the same thing: fingerprint or deduplication key."""
    status: AlertStatus
    integration: str
    service: str
    severity: str | None = None
    """None where the payload says none that is known: the policy's default counts."""
    priority: str | None = None
    """Of the incident that it raises; None is the default of its severity."""
    type: str | None = None
    """Process of the incident that it raises; None is `default`."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Those labels by which the service's alerts are grouped."""
    by: str | None = None
    """Who acknowledged or noted: a person of the policy, or how the sender calls them."""
    summary: str
    description: str = ""
    starts_at: Instant | None = None
    received_at: Instant
    link: str | None = None
    links: list[str] = Field(default_factory=list)
    """Further addresses that the policy's map names."""
    runbooks: list[str] = Field(default_factory=list)
    paged_directly: list[str] = Field(default_factory=list)
    """Who was paged past the orchestrator while it was away, each a sentence."""
    notes: list[str] = Field(default_factory=list)
    """What could not be read and what was done instead; each becomes a fact."""
    raw: str | None = None
    """The payload as it came, shortened, where it could not be read whole."""
    count: int = 1
    """How many deliveries this one stands for: repeats that arrived together ride as one."""
    on_clear: Literal["stay", "resolve"] | None = None
    """What its clearing does to the incident that it raised; None is the service's own rule."""

    _size: int = PrivateAttr(0)

    @property
    def size(self) -> int:
        """Its length on the wire. Units: bytes. Measured once, when it is made."""
        return self._size

    @model_validator(mode="after")
    def _fits_into_a_payload(self) -> Alert:
        self._size = len(self.model_dump_json().encode())
        if self._size > MAX_ALERT_BYTES:
            raise ValueError(f"at most {MAX_ALERT_BYTES} bytes in one alert, got {self._size}")
        return self


class AlertBatch(BaseModel):
    """Alerts of one report for one incident."""

    key: str = ""
    """Of this handing over: an incident takes each once. Empty: nobody says that it could come twice."""
    alerts: list[Alert]
    reasons: dict[str, str] = {}
    """Why the desk gave them to this incident, in words, by the alert's id."""
    reopens: str = ""
    """Why a resolved incident is to be reopened by them; empty: it gives them back."""

    @property
    def service(self) -> str:
        """Whose desk hands them over: all alerts of a report are of one service."""
        return self.alerts[0].service if self.alerts else ""


class AlertState(BaseModel):
    """What the incident keeps of each alert that it holds."""

    status: AlertStatus
    severity: str
    count: int = 1


def alert_batches(sent: Any) -> list[AlertBatch]:
    """What an incident was sent: batches, or plain alerts as people and the first version send them.

    Raises:
        ValidationError: it is neither.
        TypeError: it is no list.
    """
    if isinstance(sent, list) and all(isinstance(item, dict) and "alerts" in item for item in sent):
        return [AlertBatch.model_validate(item) for item in sent]
    return [AlertBatch(alerts=[Alert.model_validate(item) for item in sent])]


def _is_repeat(alert: Alert, later: Alert) -> bool:
    if later.notes or later.paged_directly:
        return False  # each of them is told
    return alert.status == later.status and alert.severity == later.severity


def combine_repeats(alerts: list[Alert]) -> list[Alert]:
    """Fold repeats of one key and status that arrived together into one with their count.

    Order is kept: firing, resolved, firing of one key stay three. What people said stays as it is.
    """
    if len(alerts) == 1:
        return alerts
    out: list[Alert] = []
    counts: list[int] = []
    latest: dict[str, int] = {}
    for alert in alerts:
        if alert.status not in (AlertStatus.FIRING, AlertStatus.RESOLVED):
            out.append(alert)
            counts.append(alert.count)
            continue
        index = latest.get(alert.key)
        if index is not None and _is_repeat(out[index], alert):
            counts[index] += alert.count
            continue
        latest[alert.key] = len(out)
        out.append(alert)
        counts.append(alert.count)
    return [
        alert if alert.count == count else alert.model_copy(update={"count": count})
        for alert, count in zip(out, counts, strict=True)
    ]
