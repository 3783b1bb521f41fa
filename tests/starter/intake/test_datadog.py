"""Datadog's webhook: by the manual's payload and by Datadog's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from starter.intake.datadog import parse
from tests.starter.intake.examples import payload, sender

MANUAL = (Path(__file__).parents[3] / "docs" / "intake.md").read_text(encoding="utf-8")


def read(**change):
    (alert,) = parse(payload("datadog", "triggered") | change, sender())
    return alert


def test_triggered():
    """Tags are labels; the summary is the monitor's name without state and scope."""
    alert = read()
    assert (alert.service, alert.severity, alert.status) == ("checkout", "SEV2", "firing")
    assert alert.summary == "Error rate is high on checkout"
    assert alert.key == "9bd4ac313a4d1e8fae2482df7b77628"
    assert alert.link == "https://app.datadoghq.com/monitors/1234?to_ts=1795442846000"
    assert alert.starts_at is not None


@pytest.mark.parametrize(
    ("transition", "status"),
    [
        ("Triggered", "firing"), ("Re-Triggered", "firing"), ("No Data", "firing"),
        ("Re-No Data", "firing"), ("Warn", "firing"), ("Re-Warn", "firing"), ("Renotify", "firing"),
        ("Recovered", "resolved"),
    ],
)  # fmt: skip
def test_transitions(transition, status):
    """Every transition of Datadog's is known, and only `Recovered` clears."""
    alert = read(transition=transition)
    assert (alert.status, alert.notes) == (status, [])


def test_recovered_has_the_key_of_what_it_clears():
    """Datadog's aggregation key stays over the transitions."""
    assert read(transition="Recovered").key == read().key


def test_severity_of_a_tag_wins():
    """A monitor's own tag says more than Datadog's type of alert."""
    assert read(tags="service:checkout,severity:critical").severity == "SEV1"
    assert read(alert_type="warning").severity == "SEV3"


def test_datadogs_own_payload():
    """Without our payload the state stands in the title only."""
    own = {
        "id": "7", "last_updated": "1795442846000", "event_type": "query_alert_monitor",
        "title": "[Recovered on {service:checkout}] CPU is high", "date": "1795442846000",
        "org": {"id": "1", "name": "Example"}, "body": "%%% over %%%",
    }  # fmt: skip
    (over,) = parse(own, sender())
    (fires,) = parse(own | {"title": "[Triggered on {service:checkout}] CPU is high"}, sender())
    assert (over.status, fires.status) == ("resolved", "firing")
    assert over.key == fires.key


def test_variables_that_datadog_did_not_fill():
    """`$HOSTNAME` stays as it is where there is no host: it is no value."""
    assert read(aggreg_key="$AGGREG_KEY", cycle_key="17").key == "17"


@pytest.mark.parametrize("body", [7, "x", [], {}, {"body": "x"}])
def test_not_datadog(body):
    """It came with the key, so it is shown."""
    (alert,) = parse(body, sender())
    assert alert.service == "unknown"


def test_the_manuals_payload_is_what_is_read():
    """Each name of the payload that people paste into Datadog is one that the examples have."""
    (template,) = re.findall(r"```json\n(\{[^`]*\$ALERT_TRANSITION[^`]*\})\n```", MANUAL)
    assert set(re.findall(r'"(\w+)":', template)) == set(payload("datadog", "triggered"))
