"""What an alert's fields become, and which rule, label or default decided each: the policy applied to labels.

For each field in this order: the first of the integration's rules that matches and sets it, the
integration's `map`, the usual label, the policy's default. Whatever is sent, there is a decision:
a name that the policy does not have becomes the default, and a note says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from domain.names import nearest
from domain.policy.intake import AlertMap, LabelMap, MappingRule
from domain.policy.matching import MAX_VALUE_CHARS
from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE
from domain.priority import PRIORITIES

MAX_SUMMARY_CHARS = 300
MAX_LINK_CHARS = 2_000
MAX_LINKS = 10
MAX_LABELS = 20
MAX_LABEL_CHARS = 200
MAX_SHOWN_CHARS = 100
"""Of a value that a note or a reason quotes."""

WORDS = (
    ("critical", "page", "fatal", "emergency"),
    ("error", "high", "major"),
    ("warning", "warn", "info", "low", "minor", "none", "debug"),
)
"""What senders call the worst, the second and the third severity."""

_USUAL_SERVICE = LabelMap(label="service")
_USUAL_SEVERITY = LabelMap(label="severity")
_NOTHING: Mapping[str, Any] = {}
_LINK = re.compile(r"https?://\S+")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Reason(NamedTuple):
    """What decided one field."""

    field: str
    value: str | None
    """None where it is what the sender itself gave."""
    by: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the policy makes of an alert's labels."""

    service: str
    """One of the policy's, or `unknown`."""
    severity: str | None
    """None: the policy's default counts."""
    priority: str | None
    """None: by severity and the service's tier."""
    type: str | None
    """A process of the policy; None is `default`."""
    summary: str | None
    """None: the sender's own, and so with the key."""
    key: str | None
    links: list[str]
    labels: dict[str, str]
    """Those by which the service's alerts are grouped."""
    reasons: list[Reason]
    notes: list[str]
    """What could not be used and what was done instead."""


class _Chosen(NamedTuple):
    value: str
    by: str


@dataclass(frozen=True, slots=True)
class _Read:
    """The labels and annotations of one alert, read as text."""

    labels: Mapping[str, Any]
    annotations: Mapping[str, Any]

    def label(self, name: str) -> str:
        return as_text(self.labels.get(name))

    def either(self, name: str) -> str:
        """A label, or else an annotation: a policy may name both. Missing is the same as empty."""
        return as_text(self.labels.get(name)) or as_text(self.annotations.get(name))


def decide_fields(
    labels: Mapping[str, Any],
    policy: Policy,
    map_: AlertMap,
    rules: Sequence[MappingRule] = (),
    annotations: Mapping[str, Any] = _NOTHING,
) -> Mapped:
    """Decide every field of an alert. Never raises, whatever the labels hold.

    Args:
        labels: what the sender said, by name; values of any JSON type.
        map_: the integration's.
        rules: the integration's, in their order.
        annotations: further texts of senders that tell them apart from labels.
    """
    read = _Read(labels, annotations)
    reasons: list[Reason] = []
    notes: list[str] = []
    chosen = _by_rules(rules, read) if rules else {}
    service, reason = _service(chosen.get("service"), map_.service, read, policy, notes)
    reasons.append(reason)
    severity, reason = _severity(chosen.get("severity"), map_.severity, read, policy, notes)
    reasons.append(reason)
    priority, reason = _one_of(
        "priority", chosen.get("priority"), map_.priority, read, PRIORITIES, notes
    )
    reasons.append(reason)
    kind = None
    if "type" in chosen or map_.type is not None:
        types = ("default", *policy.processes)
        kind, reason = _one_of("type", chosen.get("type"), map_.type, read, types, notes)
    else:
        reason = _USUAL["type"]
    reasons.append(reason)
    summary, reason = _summary(chosen.get("summary"), map_.summary, read)
    reasons.append(reason)
    key, reason = _key(map_.key, read)
    reasons.append(reason)
    links = _links(map_.links, read) if map_.links else []
    reasons += [Reason("links", link, f"map.links: {name}") for name, link in links]
    return Mapped(
        service=service,
        severity=severity,
        priority=priority,
        type=kind,
        summary=summary,
        key=key,
        links=list(dict.fromkeys(link for _, link in links)),
        labels=_grouping_labels(service, policy, read),
        reasons=reasons,
        notes=notes,
    )


_USUAL = {
    "priority": Reason("priority", None, "severity and tier"),
    "type": Reason("type", None, "the usual type"),
    "summary": Reason("summary", None, "the sender's own"),
    "key": Reason("key", None, "the sender's own"),
}
"""What decides where neither a rule nor the map does."""


def _by_rules(rules: Sequence[MappingRule], read: _Read) -> dict[str, _Chosen]:
    """What the rules set: for each field the first that matches."""
    chosen: dict[str, _Chosen] = {}
    for index, rule in enumerate(rules):
        wanted = [(field, value) for field, value in rule.sets if field not in chosen]
        if wanted and all(one.holds(read.either(one.label)) for one in rule.conditions):
            by = f'rules[{index}] "{rule.name}"' if rule.name else f"rules[{index}]"
            chosen |= {field: _Chosen(value, by) for field, value in wanted}
    return chosen


def _service(
    chosen: _Chosen | None, mapped: LabelMap | None, read: _Read, policy: Policy, notes: list[str]
) -> tuple[str, Reason]:
    services = policy.services
    if chosen is not None:
        if chosen.value in services or chosen.value == UNKNOWN_SERVICE:
            return chosen.value, Reason("service", *chosen)
        notes.append(f"{chosen.by} sets service {shown(chosen.value)}, which is no service")
    rule = mapped or _USUAL_SERVICE
    value = read.either(rule.label) if mapped else read.label(rule.label)
    says = _says(rule.label, value)
    by = f"map.service: {says}" if mapped else says
    named = rule.values.get(value, value)
    if named in services:
        return named, Reason("service", named, by)
    if rule.default is not None and (rule.default in services or rule.default == UNKNOWN_SERVICE):
        return rule.default, Reason("service", rule.default, f"map.service.default: {says}")
    if not value:
        notes.append(f"label {rule.label} is missing: service {UNKNOWN_SERVICE}")
    elif value != UNKNOWN_SERVICE:
        near = nearest(value, services, 1)
        hint = f" (the nearest is {near[0]})" if near else ""
        wrong = f"label {rule.label} names {shown(value)}, which is no service of the policy{hint}"
        notes.append(f"{wrong}: service {UNKNOWN_SERVICE}")
    return UNKNOWN_SERVICE, Reason("service", UNKNOWN_SERVICE, f"no service: {says}")


def _severity(
    chosen: _Chosen | None, mapped: LabelMap | None, read: _Read, policy: Policy, notes: list[str]
) -> tuple[str | None, Reason]:
    levels = policy.severities
    if chosen is not None:
        if chosen.value in levels:
            return chosen.value, Reason("severity", *chosen)
        notes.append(f"{chosen.by} sets severity {shown(chosen.value)}, which is none")
    rule = mapped or _USUAL_SEVERITY
    value = read.either(rule.label) if mapped else read.label(rule.label)
    says, low = _says(rule.label, value), value.lower()
    by = f"map.severity: {says}" if mapped else says
    for named in (rule.values.get(value), rule.values.get(low), value, value.upper()):
        if named in levels:
            return named, Reason("severity", named, by)
    for index, words in enumerate(WORDS):
        if low in words:
            ours, every = f"SEV{index + 1}", list(levels)
            named = ours if ours in levels else every[min(index, len(every) - 1)]
            return named, Reason("severity", named, by)
    if rule.default in levels:
        return rule.default, Reason("severity", rule.default, f"map.severity.default: {says}")
    default = policy.organisation.default_severity
    if not value:
        notes.append(f"label {rule.label} is missing: severity {default}")
    else:
        notes.append(f"label {rule.label} says {shown(value)}, which means nothing here: {default}")
    return None, Reason("severity", default, f"organisation.default_severity: {says}")


def _one_of(
    field: str,
    chosen: _Chosen | None,
    mapped: LabelMap | None,
    read: _Read,
    known: Collection[str],
    notes: list[str],
) -> tuple[str | None, Reason]:
    """A field that nothing decides unless the policy says so: a priority or a type."""
    if chosen is not None:
        if chosen.value in known:
            return chosen.value, Reason(field, *chosen)
        notes.append(f"{chosen.by} sets {field} {shown(chosen.value)}, which is none")
    if mapped is None:
        return None, _USUAL[field]
    value = read.either(mapped.label)
    says = _says(mapped.label, value)
    for named in (mapped.values.get(value), value, value.upper()):
        if named in known:
            return named, Reason(field, named, f"map.{field}: {says}")
    if mapped.default in known:
        return mapped.default, Reason(field, mapped.default, f"map.{field}.default: {says}")
    usual = _USUAL[field]
    if value:
        notes.append(f"label {mapped.label} says {shown(value)}, which is no {field}: {usual.by}")
    return None, Reason(field, None, f"{usual.by}: {says}")


def _summary(
    chosen: _Chosen | None, mapped: LabelMap | None, read: _Read
) -> tuple[str | None, Reason]:
    if chosen is not None:
        return chosen.value, Reason("summary", *chosen)
    if mapped is None:
        return None, _USUAL["summary"]
    value = read.either(mapped.label)
    text = clean(mapped.values.get(value, value), MAX_SUMMARY_CHARS)
    if text:
        return text, Reason("summary", text, f"map.summary: {_says(mapped.label, value)}")
    if mapped.default is not None:
        return mapped.default, Reason(
            "summary", mapped.default, f"map.summary.default: {_says(mapped.label, value)}"
        )
    return None, Reason("summary", None, f"the sender's own: {_says(mapped.label, value)}")


def _key(names: Sequence[str] | None, read: _Read) -> tuple[str | None, Reason]:
    """The values of the labels together; with all of them missing it is still the sender's own."""
    if not names:
        return None, _USUAL["key"]
    values = [read.either(name) for name in names]
    if not any(values):
        return None, Reason("key", None, f"the sender's own: {', '.join(names)} missing")
    # Not just joined: `a` and `b/c` must not be the same thing as `a/b` and `c`.
    key = values[0] if len(values) == 1 else json.dumps(values, ensure_ascii=False)
    return key, Reason("key", key, f"map.key: {', '.join(names)}")


def _links(names: Sequence[str], read: _Read) -> list[tuple[str, str]]:
    """The addresses that stand in these labels, each with its label."""
    found = [
        (name, web_link(read.labels.get(name) or read.annotations.get(name))) for name in names
    ]
    return [(name, link) for name, link in found if link is not None][:MAX_LINKS]


def _grouping_labels(service: str, policy: Policy, read: _Read) -> dict[str, str]:
    ours = policy.services.get(service)
    if ours is None or ours.grouping is None:
        return {}
    values = {name: read.either(name) for name in ours.grouping.labels[:MAX_LABELS]}
    return {name: clean(value, MAX_LABEL_CHARS) for name, value in values.items() if value}


def _says(label: str, value: str) -> str:
    """The label that was read, as a reason tells it."""
    return f"label {label} is {shown(value)}" if value else f"label {label} is missing"


def as_text(value: Any) -> str:
    """A label's value as the text that rules see; missing is empty."""
    if isinstance(value, str):
        return clean(value, MAX_VALUE_CHARS)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return clean(str(value), MAX_VALUE_CHARS)
    except (RecursionError, ValueError):  # nested for ever, or a number with thousands of digits
        return ""


def shown(value: str) -> str:
    """A value as a note quotes it."""
    return repr(clean(value, MAX_SHOWN_CHARS))


def clean(value: Any, limit: int) -> str:
    """Text that can be stored anywhere: no control characters, no half characters, not too long."""
    text = CONTROL.sub("", value if isinstance(value, str) else "").strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def web_link(value: Any) -> str | None:
    """An address that may be shown as a link; anything else is none."""
    if not value:
        return None
    text = clean(value, MAX_LINK_CHARS + 1)
    return text if _LINK.fullmatch(text) and len(text) <= MAX_LINK_CHARS else None
