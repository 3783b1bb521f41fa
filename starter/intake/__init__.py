"""The alert formats that Tocsin takes. One file per format, one line here.

From the line follow the route `/hooks/<format>` and the row in the README's table; a test fails where a
format has no example payload.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.alert import Alert
from starter.intake import alertmanager
from starter.intake.mapping import Sender

Parser = Callable[[Any, Sender], list[Alert]]
"""Any JSON value in, alerts out. It never raises: what it cannot read becomes an alert that says so."""

FORMATS: dict[str, Parser] = {
    "alertmanager": alertmanager.parse,
}
