"""What was turned away: bounded, the latest first, and nothing of what it held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from starter.reception.refusals import KEPT, MAX_INTEGRATIONS, Refusal, Refusals

AT = datetime(2026, 11, 24, tzinfo=UTC)


def refusal(integration: str, second: int = 0) -> Refusal:
    at = AT + timedelta(seconds=second)
    return Refusal(at, integration, "generic", 400, "not_json", "not JSON")


def test_the_last_of_each_integration():
    """A noisy sender pushes out its own rows and nobody else's."""
    refusals = Refusals()
    refusals.add(refusal("quiet"))
    for second in range(1, 500):
        refusals.add(refusal("noisy", second))
    recent = refusals.recent()
    assert refusals.count == 500
    assert [one.integration for one in recent] == ["noisy"] * KEPT + ["quiet"]
    assert recent[0].at == AT + timedelta(seconds=499)


def test_many_integrations():
    """Whichever was refused longest ago is forgotten first."""
    refusals = Refusals()
    for number in range(MAX_INTEGRATIONS + 10):
        refusals.add(refusal(f"i{number}", number))
    assert len(refusals.recent()) == MAX_INTEGRATIONS
    assert refusals.recent()[-1].integration == "i10"


def test_a_row():
    """As the API shows it."""
    assert refusal("a").shown() == {
        "at": "2026-11-24T00:00:00Z", "integration": "a", "format": "generic",
        "status": 400, "code": "not_json", "why": "not JSON", "times": 1,
    }  # fmt: skip


def test_those_to_be_sent_again_are_one_row():
    """A storm at the door is told once, with how often; what it follows is not pushed out by it."""
    refusals = Refusals()
    refusals.add(refusal("a"))
    with structlog.testing.capture_logs() as logs:
        for second in range(1, 1000):
            at = AT + timedelta(seconds=second)
            why = f"{second} alerts are under way"
            refusals.add(Refusal(at, "a", "generic", 503, "unavailable", why))
    newest, before = refusals.recent()
    assert (newest.times, newest.status, before.status) == (999, 503, 400)
    assert newest.at == AT + timedelta(seconds=999)
    assert newest.why == "999 alerts are under way"
    assert (refusals.count, len(logs)) == (1000, 1)
