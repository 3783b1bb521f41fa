"""Prometheus Alertmanager's webhook, version 4: a group of alerts, some firing, some resolved.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from typing import Any

from domain.alert import Alert
from starter.intake.formats import Format, from_json
from starter.intake.group import alert_of, read_group
from starter.intake.mapping import Sender


def parse(payload: Any, sender: Sender) -> list[Alert]:
    """Read a group."""
    return read_group(payload, sender, "Alertmanager", alert_of)


FORMAT = Format("alertmanager", "Prometheus Alertmanager", from_json(parse))
