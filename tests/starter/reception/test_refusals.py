"""What was turned away: bounded, the latest first, and nothing of what it held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
        "status": 400, "code": "not_json", "why": "not JSON",
    }  # fmt: skip
