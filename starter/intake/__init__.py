"""The alert formats that Tocsin takes. One file per format, one line here.

From the line follow the route `/hooks/<format>` and the row in the README's table; a test fails where a
format has no example payload.
"""

from __future__ import annotations

from starter.intake import (
    alertmanager,
    cloudevents,
    datadog,
    email,
    generic,
    grafana,
    opsgenie,
    pagerduty,
    sentry,
    sns,
)
from starter.intake.formats import Format

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        alertmanager.FORMAT,
        pagerduty.FORMAT,
        opsgenie.FORMAT,
        grafana.FORMAT,
        cloudevents.FORMAT,
        sentry.FORMAT,
        datadog.FORMAT,
        sns.FORMAT,
        email.FORMAT,
        generic.FORMAT,
    )
}  # fmt: skip

CAN_SIGN: dict[str, bool] = {name: one.verify is not None for name, one in FORMATS.items()}
"""Every format by name, with whether a signature of its senders can be checked."""
