"""`status-page show` and `publish`, and what the doctor says of the places that it is written to."""

from __future__ import annotations

import json
from pathlib import Path

from tests.starter.cli.conftest import Tocsin
from tests.starter.cli.fake_api import FakeApi, problem

FINE = {
    "published_at": "2026-11-24T14:07:00+00:00",
    "failures": 0,
    "failing_since": None,
    "why": "",
}
BROKEN = FINE | {
    "failures": 7, "failing_since": "2026-11-24T14:00:00+00:00", "why": "refuses our keys",
}  # fmt: skip


def test_show_says_what_the_public_reads(tocsin: Tocsin, api: FakeApi) -> None:
    """Components by their state, open incidents with the last word, planned work; no heading of a group."""
    said = tocsin("status-page", "show").out
    for shown in ("Partial System Outage", "Checkout", "partial outage", "Search", "operational",
                  "Issues with Checkout [identified]", "Maintenance of Search: scheduled"):  # fmt: skip
        assert shown in said
    assert "Shop" not in said


def test_show_lets_nothing_control_the_terminal(tocsin: Tocsin, api: FakeApi) -> None:
    """A text that holds control characters is shown with them written out."""
    said = tocsin("status-page", "show").out
    assert "\x1b[31m" not in said
    assert "fail" in said


def test_show_in_json_is_the_page(tocsin: Tocsin, api: FakeApi) -> None:
    """Programs get the public document as it is."""
    assert json.loads(tocsin("status-page", "show", "-o", "json").out)["page"]["name"] == "Example"


def test_publish_says_what_was_written_where(tocsin: Tocsin, api: FakeApi) -> None:
    """One line for each place, with what changed there."""
    said = tocsin("status-page", "publish").out
    assert "folder:/srv/www" in said
    assert "95,123" in said


def test_publish_that_failed_ends_in_failure(tocsin: Tocsin, api: FakeApi) -> None:
    """A script hears of a place that could not be written, by name."""
    api.next_answer = problem(502, "1 of 2 places could not be written: s3://b refuses our keys")
    result = tocsin("status-page", "publish")
    assert result.code != 0
    assert "s3://b refuses our keys" in result.err


def test_the_doctor_names_a_place_that_fails(tocsin: Tocsin, api: FakeApi, alone: Path) -> None:
    """Which place, since when, how often, and why; all well where each is right."""
    noted = alone / "run" / "status-page.json"
    noted.parent.mkdir(parents=True, exist_ok=True)

    def found() -> dict[str, str]:
        checks = json.loads(tocsin("doctor", "-o", "json").out)["checks"]
        return next(check for check in checks if check["check"] == "status page")

    assert found()["state"] == "ok"
    noted.write_text(json.dumps({"folder:/srv/www": FINE, "s3://b": BROKEN}))
    assert found()["state"] == "failed"
    assert "s3://b since 2026-11-24T14:00:00+00:00 (7 times): refuses our keys" in found()["detail"]
    noted.write_text(json.dumps({"folder:/srv/www": FINE}))
    assert "folder:/srv/www" in found()["detail"]
