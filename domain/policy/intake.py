"""What a policy says of alert senders: who may come in, and how their payloads are read.

How a rule is applied is `domain/mapping.py`; how a format is read is `starter/intake/`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from domain.policy.base import Strict
from domain.policy.matching import Condition, parse_matching

REFERENCE = r"^(env|file):.+"
"""Secrets never stand in a policy: `env:NAME` or `file:PATH`."""


FIELDS = (
    "alerts", "labels", "service", "severity", "priority", "type", "summary", "description", "key",
    "status", "resolved", "link", "links", "starts_at",
)  # fmt: skip
"""What an expression of the format `generic` may give."""


class LabelMap(Strict):
    """Which label says it, what its values mean, and what counts where it says nothing that is known."""

    label: str
    values: dict[str, str] = {}
    default: str | None = None


class AlertMap(Strict):
    """Where the fields of an alert come from, where it is not the usual labels."""

    service: LabelMap | None = None
    severity: LabelMap | None = None
    priority: LabelMap | None = None
    type: LabelMap | None = None
    summary: LabelMap | None = None
    key: list[str] | None = None
    """Labels whose values together are the deduplication key; None is what the sender calls the same."""
    links: list[str] = []
    """Labels or annotations that hold addresses to show."""


class Chosen(Strict):
    """What a rule decides; a field left out is left to later rules, then to the map."""

    service: str | None = None
    severity: str | None = None
    priority: str | None = None
    type: str | None = None
    summary: str | None = Field(None, max_length=300)


class MappingRule(Strict):
    """Where every label matches, these fields are decided."""

    name: str = ""
    when: dict[str, Annotated[str | list[str], BeforeValidator(parse_matching)]] = {}
    """Value, list of values, or `/regular expression/` by label; empty matches every alert."""
    set: Chosen = Chosen()

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """`when`, its patterns compiled: once for each version of a policy, not for each alert."""
        return tuple(Condition.of(label, wanted) for label, wanted in self.when.items())

    @cached_property
    def sets(self) -> tuple[tuple[str, str], ...]:
        """The fields that it decides, with their values."""
        chosen: dict[str, Any] = self.set.model_dump(exclude_none=True)
        return tuple(chosen.items())


class Rate(Strict):
    """How much one sender may bring. The first alert of the worst severity is never turned away by it."""

    per_minute: int = Field(120_000, ge=1, le=10_000_000)
    """Requests that it may send for ever."""
    burst: int = Field(20_000, ge=1, le=10_000_000)
    """Requests that it may send at once, after it has been quiet."""


class Integration(Strict):
    """One sender of alerts."""

    format: str
    key: str = Field(pattern=REFERENCE)
    signing_secret: str | None = Field(None, pattern=REFERENCE)
    """With it every request must be signed as its format says."""
    map: AlertMap = AlertMap()
    rules: list[MappingRule] = []
    """In order; for each field the first that matches decides."""
    fields: dict[str, str] = {}
    """JMESPath by field, for the format `generic`."""
    rate: Rate | None = None
    """None: the usual one, which only a sender that has gone wild ever meets."""
    samples: list[str] = []
    """Files with payloads of this sender, beside the policy: `policy check` shows what each becomes."""
