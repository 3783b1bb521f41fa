"""Grafana Alerting's webhook: Alertmanager's group with values, dashboards and pictures in it.

People may write the payload's template themselves, so that anything can arrive: what holds a title and
a state is read as one alert, the rest becomes an alert on `unknown`, whatever it is.

Source: https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.alert import Alert
from starter.intake.formats import Format, first_text, from_json, links_of
from starter.intake.group import Parts, alert_of, read_group
from starter.intake.mapping import MAX_DESCRIPTION_CHARS, Sender, clean, key_of, web_link
from starter.intake.received import Received
from starter.intake.wording import status_of
from starter.signatures import hmac_hex, is_fresh, same, timestamp_of

SIGNATURE = "x-grafana-alerting-signature"
TIMESTAMP = "x-grafana-alerting-signature-timestamp"
"""Has no name by default; the manual tells people to write this one."""
NO_VALUE = {"DatasourceNoData": "No data", "DatasourceError": "Error in the query"}
"""Alerts that Grafana makes itself, with the labels of the rule that could not be evaluated."""
LINKS = ("dashboardURL", "panelURL", "silenceURL", "imageURL")
MAX_VALUES = 20


def parse(payload: Any, sender: Sender) -> list[Alert]:
    """Read a group, or what somebody's own template has made of it."""
    if isinstance(payload, dict) and not isinstance(payload.get("alerts"), list):
        if _title(payload) and first_text(payload.get("state"), payload.get("status")):
            return [_from_template(payload, sender)]
        return [sender.unreadable(payload, "not a Grafana group: it holds no list of alerts")]
    title = _title(payload) if isinstance(payload, dict) else ""
    message = payload.get("message") if isinstance(payload, dict) else None

    def make(parts: Parts, sender: Sender) -> Alert:
        return _one(parts, sender, title, message)

    return read_group(payload, sender, "Grafana", make)


def _one(parts: Parts, sender: Sender, title: str, message: Any) -> Alert:
    name = parts.labels.get("alertname")
    own = NO_VALUE.get(name) if isinstance(name, str) else None
    rule = first_text(parts.labels.get("rulename"), parts.annotations.get("summary"), title)
    annotations = parts.annotations
    if own and not first_text(annotations.get("summary")):
        annotations = annotations | {"summary": f"{own}: {rule}" if rule else own}
    if not first_text(annotations.get("description"), annotations.get("message")) and message:
        annotations = annotations | {"message": message}
    return alert_of(
        parts._replace(annotations=annotations),
        sender,
        summary=title,
        more=_values(parts.item),
        links=links_of(*(parts.item.get(one) for one in LINKS)),
    )


def _values(item: dict[str, Any]) -> str:
    """The measured values as text: `B=22, C=1`."""
    values = item.get("values")
    if isinstance(values, dict) and values:
        pairs = list(values.items())[:MAX_VALUES]
        return "Values: " + ", ".join(f"{name}={str(value)[:50]}" for name, value in pairs)
    return clean(item.get("valueString"), 1000)


def _title(payload: dict[str, Any]) -> str:
    return first_text(payload.get("title"), payload.get("ruleName"))


def _from_template(payload: dict[str, Any], sender: Sender) -> Alert:
    """One alert out of what a template, or Grafana's alerting before version 9, has left."""
    notes: list[str] = []
    status = status_of(payload.get("state") or payload.get("status"), notes)
    labels: dict[str, Any] = {
        name: value for name, value in payload.items() if not isinstance(value, dict | list)
    }
    for part in ("commonLabels", "tags", "labels"):
        found = payload.get(part)
        labels |= found if isinstance(found, dict) else {}
    key = first_text(payload.get("groupKey"), payload.get("ruleId"))
    return sender.alert(
        labels,
        key=f"rule/{key}" if key else key_of({"title": _title(payload)}),
        status=status,
        summary=first_text(payload.get("ruleName"), payload.get("title")),
        raw=payload,
        notes=notes,
        description=clean(payload.get("message"), MAX_DESCRIPTION_CHARS),
        link=web_link(payload.get("ruleUrl")) or web_link(payload.get("externalURL")),
        links=links_of(payload.get("imageUrl")),
    )


def is_genuine(received: Received, secret: str, now: datetime) -> bool:
    """Grafana's HMAC over the body, or over time and body where a header holds the time."""
    stamp = received.headers.get(TIMESTAMP)
    said = received.body
    if stamp is not None:
        seconds = timestamp_of(stamp)
        if seconds is None or not is_fresh(seconds, now.timestamp()):
            return False
        said = stamp.encode() + b":" + received.body
    return same(received.headers.get(SIGNATURE, ""), hmac_hex(secret, said))


FORMAT = Format(
    "grafana",
    "Grafana Alerting",
    from_json(parse, or_text=True),
    verify=is_genuine,
    methods=("POST", "PUT"),
)
