"""Resolving, reopening, cancelling, and following another version of the policy."""

from __future__ import annotations

import pytest

from domain import facts as f
from domain.aggregate import Effect
from domain.commands.lifecycle import ApplyPolicy
from domain.errors import CommandError
from domain.incident import Status
from domain.outcomes import composed
from tests.domain.story import Outside, Story
from tests.factories import DAY, HOUR, T0, a_plan, a_policy_slice, an_alert, minutes


def test_resolving_ends_pages_and_clocks() -> None:
    """Nothing is paged and nobody reminded of anything from then on, save what the postmortem does."""
    story = Story(outside=Outside(broken={("alice", "email"): "retryable"}))
    story.do("escalate", "dana", to="person:bob", reason="r")
    story.do("assess", "dana", confirmed=True)
    story.do("resolve", "dana", summary="it was the cache")
    incident = story.incident
    assert incident.status is Status.RESOLVED
    assert (incident.resolved_at, incident.impact_ended_at) == (T0, T0)
    assert incident.resolution == "it was the cache"
    assert not incident.active_pages()
    assert not incident.effects
    mark = len(story.facts)
    story.outside.broken.clear()
    story.wait(30 * DAY)
    assert story.facts[mark:] == []


def test_the_end_of_the_impact_may_lie_before() -> None:
    """People say when it really ended; it cannot have ended before it began."""
    story = Story()
    story.do("assess", "dana", started_at="2026-03-02T09:30:00Z")
    refused = story.refusal("resolve", "dana", summary="s", ended_at="2026-03-02T09:00:00Z")
    assert isinstance(refused, CommandError)
    assert refused.problems()[0].where == "/ended_at"
    story.do("resolve", "dana", summary="s", ended_at="2026-03-02T09:45:00Z")
    assert story.incident.impact_ended_at == T0 - minutes(15)
    assert story.incident.resolved_at == T0


@pytest.mark.parametrize(("severity", "owes"), [("SEV1", True), ("SEV2", True), ("SEV3", False)])
def test_a_major_incident_owes_a_postmortem(severity: str, owes: bool) -> None:
    """SEV1 and SEV2 by default; the severity at resolution counts."""
    story = Story(severity=severity)
    story.do("resolve", "dana", summary="s")
    assert story.incident.owes_postmortem is owes
    assert bool(story.of(f.PostmortemStarted)) is owes


def test_a_postmortem_that_runs_goes_on_though_the_severity_fell() -> None:
    """Reopened and lowered: the second resolution adds to the postmortem that exists."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("resolve", "alice", summary="s")
    story.do("reopen", "alice", reason="r")
    story.do("set_severity", "alice", severity="SEV3", reason="r")
    story.do("resolve", "alice", summary="s")
    assert story.incident.owes_postmortem
    story.wait(3 * DAY)
    assert story.incident.status is Status.RESOLVED


def test_reopening_goes_back_to_fixing() -> None:
    """Who was in charge is, what was known stays, the resolution is taken back."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("assess", "alice", symptoms="errors", confirmed=True)
    story.do("resolve", "alice", summary="s")
    story.do("reopen", "alice", reason="errors again")
    incident = story.incident
    assert incident.status is Status.FIXING
    assert incident.incident_manager == "alice"
    assert (incident.resolved_at, incident.impact_ended_at, incident.resolution) == (None,) * 3
    assert incident.assessment.symptoms == "errors"
    assert story.reminders("confirm") == []
    assert [e.kind for e in story.wanted.values()].count("tell_desk_reopened") == 1


def test_a_final_message_that_was_being_written_is_not_published_after_a_reopening() -> None:
    """Nobody reads "no more updates" of an incident that goes on."""
    story = Story()
    story.do("acknowledge", "alice")
    incident = story.incident
    effect = Effect(
        key="checkout-1/update/internal/final/9", kind="compose_update",
        input={"audience": "internal", "variant": "final", "draft": False},
    )  # fmt: skip
    assert composed(incident, effect, "over", T0) == []
    incident.record(f.Resolved(summary="s", ended_at=T0, owes_postmortem=False), T0)
    assert [x.name for x in composed(incident, effect, "over", T0)] == ["update_published"]
    incident.effects[effect.key] = effect
    incident.record(f.Reopened(reason="r"), T0)
    assert effect.key not in incident.effects


def test_cancelling_is_the_end() -> None:
    """A false alarm: no page, no clock, no postmortem, no way back."""
    story = Story()
    story.do("cancel", "dana", reason="a test")
    assert story.incident.status is Status.CANCELLED
    assert not story.of(f.PostmortemStarted)
    assert story.refusal("reopen", reason="r") is not None
    assert story.wait(30 * DAY) == []
    assert story.paged(minutes(1)) == []


def test_alerts_after_the_end_change_nothing() -> None:
    """What is over does not take alerts: they go back to the desk."""
    story = Story()
    story.do("resolve", "dana", summary="s")
    before = story.incident.model_dump()
    story.alert(an_alert())
    assert story.incident.model_dump() == before


# Another policy.


def apply(story: Story, **fields: object) -> None:
    """Follow a policy that differs in some fields."""
    current = story.incident.policy.model_copy(update={"version": "v2", **fields}, deep=True)
    story.record(*ApplyPolicy.apply(story.incident, current), actor="dana")
    story.settle_down()


def test_the_policy_that_is_followed_already_is_no_fact() -> None:
    """Applying it again pages nobody."""
    story = Story()
    assert ApplyPolicy.apply(story.incident, a_policy_slice()) == []


def test_another_policy_pages_at_once_and_the_old_one_nothing_more() -> None:
    """While nobody has acknowledged, the new plan begins; the old one's failing page is forgotten."""
    broken = {(person, "email"): "retryable" for person in ("alice", "bob", "carol")}
    story = Story(outside=Outside(broken=broken))
    story.wait(minutes(1))
    apply(story, escalation=a_plan((["person:dana"], 0)))
    story.outside.broken.clear()
    story.wait(minutes(4))
    assert story.paged() == ["dana"]
    assert story.incident.policy.version == "v2"
    assert "pinned" not in story.entries[-1].data


def test_another_policy_pages_nobody_once_acknowledged() -> None:
    """Somebody works on it: only the clocks are planned anew."""
    story = Story()
    story.do("acknowledge", "alice")
    story.wait(minutes(1))
    apply(story, escalation=a_plan((["person:dana"], 0)))
    story.wait(HOUR)
    assert story.paged(minutes(1)) == []


def test_an_escalation_by_hand_survives_another_policy() -> None:
    """A named expert is a named expert under any policy."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("escalate", "alice", to="person:bob", reason="r")
    apply(story, escalation=a_plan((["person:dana"], 0)))
    assert [run.paged for run in story.incident.active_pages()] == [["bob"]]


def test_a_policy_that_falls_silent_to_the_outside_stops_that_clock() -> None:
    """Nobody is reminded of an update that they may not publish."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("assess", "alice", confirmed=True)
    apply(story, external="never")
    assert story.incident.view()["next_update_due"]["external"] is None
    assert story.incident.view()["next_update_due"]["internal"] is not None
