"""What a policy says of planned silence and of expected signs of life: maintenance windows, heartbeats.

Which window counts at an instant is `domain/maintenance.py`; when a monitor is late is
`domain/heartbeat.py`. Windows made at run time are held by the service's desk.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from domain.policy.base import Strict
from domain.policy.value import Interval, Moment

ALL = "all"


def _every_service(value: Any) -> Any:
    """`all`, without a list around it, means every service."""
    return None if value == ALL else value


ServiceNames = Annotated[
    list[str] | None,
    BeforeValidator(_every_service),
    PlainSerializer(lambda names: ALL if names is None else names, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "array", "items": {"type": "string"}}, {"const": ALL}],
            "examples": [["checkout"], ALL],
        }
    ),
]
"""Names of services; None, written `all`, is every one of them."""


class MaintenanceWindow(Strict):
    """While it lasts, alerts on its services are recorded and page nobody."""

    services: ServiceNames
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    timezone: str | None = None
    """Of the two times; None is the organisation's."""
    reason: str = Field(min_length=1, max_length=500)
    public_text: str = Field("", max_length=2000)
    """What the status page says of it. Left out: only that there is maintenance, never the reason."""


class Maintenance(Strict):
    windows: dict[str, MaintenanceWindow] = {}


class OnReturn(StrEnum):
    RESOLVE = "resolve"
    STAY = "stay"


class Monitor(Strict):
    """A job that has to call in, such as a backup."""

    every: Interval
    grace: Interval = timedelta(minutes=1)
    """How much later than `every` a beat may come."""
    service: str
    severity: str | None = None
    """Of the incident when it is late; None is the organisation's default."""
    summary: str | None = Field(None, min_length=1, max_length=300)
    on_return: OnReturn = OnReturn.RESOLVE
    """Whether a beat resolves the incident that its absence raised."""
    enabled: bool = True
