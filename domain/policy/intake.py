"""What a policy says of alert senders: who may come in, and how their payloads are read.

How a rule is applied is `domain/mapping.py`; how a format is read is `starter/intake/`.
"""

from __future__ import annotations

from pydantic import Field

from domain.policy.base import Strict

REFERENCE = r"^(env|file):.+"
"""Secrets never stand in a policy: `env:NAME` or `file:PATH`."""


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
    when: dict[str, str | list[str]] = {}
    """Value, list of values, or `/regular expression/` by label; empty matches every alert."""
    set: Chosen = Chosen()


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
    samples: list[str] = []
    """Files with payloads of this sender, beside the policy: `policy check` shows what each becomes."""
