"""The climb of a page that nobody answers: delays, rounds, exhaustion, outages, dead contacts."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain import facts as f
from domain.escalation import Cause, PageRun, due
from domain.policy.model import PageWhen
from domain.policy.slice import EscalationPlan
from tests.domain.story import Outside, Story
from tests.factories import DAY, HOUR, T0, a_plan, a_policy_slice, minutes

EVERY = minutes(15)


def times(story: Story) -> list[float]:
    """Minutes after raising at which a step was paged."""
    at = [e.at for e in story.entries if e.fact == "step_paged"]
    return [(moment - T0) / minutes(1) for moment in at]


def a_story(plan: EscalationPlan, outside: Outside | None = None) -> Story:
    """An incident that climbs a plan."""
    return Story(policy=a_policy_slice(escalation=plan), outside=outside)


def test_each_step_is_paged_once_after_its_wait() -> None:
    """Nobody answers: the next step is paged after its delay, and only once."""
    story = Story()
    story.wait(minutes(19))
    assert times(story) == [0, 5, 15]
    assert story.paged() == ["alice", "alice", "bob", "carol"]


def test_the_rounds_repeat_exactly_as_often_as_the_policy_says() -> None:
    """Repeat 2 is two further rounds, each five minutes after the last step; then it is exhausted."""
    story = Story()
    story.wait(minutes(59))
    assert times(story) == [0, 5, 15, 20, 25, 35, 40, 45, 55]
    assert not story.of(f.PolicyExhausted)
    story.wait(minutes(1))
    assert len(story.of(f.PolicyExhausted)) == 1
    assert story.of(f.PolicyExhausted)[0].rounds == 3


def test_an_exhausted_policy_is_loud_once_and_goes_on_every_fifteen_minutes() -> None:
    """The catch-all and the operator hear of it once; rounds go on every 15 minutes for ever."""
    story = Story(policy=a_policy_slice(escalation=a_plan((["person:bob"], 0), repeat=0)))
    story.wait(3 * HOUR)
    assert times(story)[:5] == [0, 5, 20, 35, 50]
    assert story.paged()[:4] == ["bob", "carol", "bob", "bob"]
    assert len(story.of(f.PolicyExhausted)) == 1
    assert [m.recipients for _, m in story.messages] == [["operator"]]
    assert story.incident.active_pages()[0].due_at is not None


@pytest.mark.parametrize("repeat", [0, 1, 5])
def test_repeat_counts_further_rounds(repeat: int) -> None:
    """N repeats are N + 1 rounds before the catch-all."""
    story = a_story(a_plan((["person:bob"], 0), repeat=repeat))
    story.wait(minutes(5 * (repeat + 1)) - timedelta(seconds=1))
    assert story.paged() == ["bob"] * (repeat + 1)
    story.wait(timedelta(seconds=1))
    assert story.paged()[-1] == "carol"


def test_a_first_step_with_a_wait_waits() -> None:
    """A plan may leave a moment before the first page."""
    story = a_story(a_plan((["person:bob"], 3)))
    assert story.paged() == []
    story.wait(minutes(3))
    assert story.paged() == ["bob"]


def test_an_empty_step_falls_through_at_once() -> None:
    """Nobody on call behind the first step: the second is paged now, and the timeline says why."""
    story = a_story(a_plan((["schedule:empty"], 0), (["person:bob"], 10)))
    assert story.paged() == ["bob"]
    skipped = story.of(f.StepSkipped)
    assert [(s.step, s.empty) for s in skipped] == [(1, True)]
    assert not story.of(f.PolicyExhausted)


def test_an_empty_step_in_the_middle_does_not_cost_its_wait_twice() -> None:
    """Step two is empty when its time comes: step three is paged then, not ten minutes later."""
    story = a_story(a_plan((["person:bob"], 0), (["team:empty"], 5), (["person:dana"], 10)))
    story.wait(minutes(5))
    assert story.paged() == ["bob", "dana"]


def test_an_empty_last_step_waits_for_the_next_round() -> None:
    """Somebody was reached in the round: the next one comes after the usual wait."""
    story = a_story(a_plan((["person:bob"], 0), (["team:empty"], 5)))
    story.wait(minutes(9))
    assert story.paged() == ["bob"]
    story.wait(minutes(1))
    assert story.paged() == ["bob", "bob"]


def test_when_nobody_is_behind_any_step_the_catch_all_is_paged_at_once() -> None:
    """Not after the rounds of an empty policy: now, and the operator hears why."""
    story = a_story(a_plan((["schedule:empty"], 0), (["team:empty"], 5), (["team:empty"], 10)))
    assert story.paged() == ["carol"]
    assert [s.step for s in story.of(f.StepSkipped)] == [1, 2, 3]
    assert len(story.of(f.PolicyExhausted)) == 1
    assert story.of(f.PolicyExhausted)[0].rounds == 1
    story.wait(minutes(31))
    assert story.paged() == ["carol"] * 3
    assert len(story.of(f.PolicyExhausted)) == 1


def test_a_policy_without_steps_pages_the_catch_all() -> None:
    """A service with an empty plan is not a service that nobody hears of."""
    story = a_story(EscalationPlan())
    assert story.paged() == ["carol"]
    story.wait(minutes(15))
    assert story.paged() == ["carol", "carol"]


def test_when_not_even_the_catch_all_is_reachable_rounds_go_on() -> None:
    """No target at all: skipped steps every 15 minutes, without end and without a spin."""
    story = a_story(a_plan((["team:empty"], 0)), Outside(behind={"catch_all": []}))
    story.wait(minutes(46))
    assert story.paged() == []
    assert len(story.of(f.StepSkipped)) == 2 * 4
    assert story.incident.active_pages()[0].due_at == T0 + minutes(60)


def test_an_acknowledgement_between_due_and_paged_stops_the_step() -> None:
    """The step was being looked up when somebody answered: it is not paged."""
    story = Story()
    story.wait(minutes(4))
    story.do("acknowledge", "alice")
    story.wait(DAY)
    assert story.paged() == ["alice"]


# An outage.


def test_after_an_outage_only_the_step_that_is_due_now_is_paged_and_says_so() -> None:
    """Down from minute 1 to minute 16: step two is overtaken, step three is paged, late."""
    story = Story()
    story.wait(minutes(1))
    facts = story.outage(minutes(16))
    assert [(s.round, s.step, s.reason) for s in facts if isinstance(s, f.StepSkipped)] == [
        (1, 2, "overtaken")
    ]
    paged = [x for x in facts if isinstance(x, f.StepPaged)]
    assert [(p.step, p.late) for p in paged] == [(3, True)]
    assert story.paged(minutes(1)) == ["carol"]


def test_after_a_short_hiccup_a_page_is_not_late() -> None:
    """A restart of a few seconds is no outage."""
    story = Story()
    facts = story.outage(minutes(5) + timedelta(seconds=5))
    assert [p.late for p in facts if isinstance(p, f.StepPaged)] == [False]


def test_an_outage_over_the_end_of_a_round_pages_the_place_that_is_due_now() -> None:
    """Down for 22 minutes: round two's first step is due, once."""
    story = Story()
    facts = story.outage(minutes(22))
    assert [(p.round, p.step) for p in facts if isinstance(p, f.StepPaged)] == [(2, 1)]
    assert [(s.round, s.step) for s in facts if isinstance(s, f.StepSkipped)] == [(1, 2), (1, 3)]


@pytest.mark.parametrize("length", [2 * HOUR, DAY, 30 * DAY])
def test_an_outage_beyond_the_last_round_is_exhaustion_and_one_page(length: timedelta) -> None:
    """The catch-all hears of the exhausted policy, however late, and nobody gets a burst."""
    story = Story()
    facts = story.outage(length)
    assert [p.step for p in facts if isinstance(p, f.StepPaged)] == [0]
    assert len([x for x in facts if isinstance(x, f.PolicyExhausted)]) == 1
    assert len([x for x in facts if isinstance(x, f.StepSkipped)]) <= 11
    assert story.paged(minutes(1)) == ["carol"]
    assert story.incident.active_pages()[0].due_at == T0 + length + minutes(15)


def test_an_outage_of_a_day_after_exhaustion_pages_one_step() -> None:
    """A hundred rounds were overtaken: one page, and one fact that sums the rest up."""
    story = Story()
    story.wait(2 * HOUR + minutes(1))
    before = len(story.pages)
    facts = story.outage(DAY + minutes(7))
    paged = [x for x in facts if isinstance(x, f.StepPaged)]
    assert [(p.step, p.late) for p in paged] == [(2, True)]
    assert paged[0].round > 90
    assert len([x for x in facts if isinstance(x, f.StepSkipped)]) == 11
    assert [person for _, person, _ in story.pages[before:]] == ["alice", "bob"]


def test_a_round_that_began_in_an_outage_starts_from_nothing() -> None:
    """Whom an earlier round reached does not count for this one: empty now is the catch-all now."""
    plan = a_plan((["person:bob"], 0), (["team:payments"], 5), repeat=3)
    story = a_story(plan)
    story.wait(minutes(6))
    story.outside.behind["team:payments"] = []
    facts = story.outage(minutes(9))  # round two, step two
    assert [(s.round, s.step) for s in facts if isinstance(s, f.StepSkipped)][-1] == (2, 2)
    assert story.paged(minutes(7)) == ["carol"]


def test_no_time_no_step() -> None:
    """What is not due is not due."""
    run = PageRun(id="p1", cause=Cause.RAISED, plan=a_plan((["x"], 0)), round_started_at=T0)
    assert due(run, T0, EVERY) is None
    run.due_at = T0 + minutes(1)
    assert due(run, T0, EVERY) is None
    assert due(run, T0 + minutes(1), EVERY) is not None


# Contacts that do not work.


def broken(**how: str) -> Outside:
    """An outside in which some people's email fails."""
    return Outside(broken={(person, "email"): kind for person, kind in how.items()})


def test_a_step_whose_contacts_are_all_dead_makes_way_at_once() -> None:
    """Waiting five minutes for somebody who cannot be reached helps nobody: the next step goes now."""
    story = a_story(a_plan((["person:bob"], 0), (["person:dana"], 5)), broken(bob="permanent"))
    assert story.paged() == ["dana"]
    assert len(story.of(f.PageFailed)) == 1


def test_a_step_with_one_living_contact_keeps_its_time() -> None:
    """One of two was reached: the next step waits its turn."""
    story = a_story(a_plan((["team:payments"], 0), (["person:dana"], 5)), broken(alice="permanent"))
    assert story.paged() == ["bob"]
    story.wait(minutes(5))
    assert story.paged() == ["bob", "dana"]


def test_when_every_contact_of_a_round_is_dead_the_catch_all_is_paged_at_once() -> None:
    """More rounds would reach nobody either."""
    story = a_story(
        a_plan((["person:bob"], 0), (["person:dana"], 5)),
        broken(bob="permanent", dana="permanent"),
    )
    assert story.paged() == ["carol"]
    assert [x.rounds for x in story.of(f.PolicyExhausted)] == [1]


def test_dead_contacts_after_exhaustion_still_bring_the_catch_all() -> None:
    """Every further round that reaches nobody ends with the catch-all, so that it is never silent."""
    story = a_story(a_plan((["person:bob"], 0)), broken(bob="permanent"))
    story.wait(minutes(31))
    assert story.paged() == ["carol"] * 3
    assert len(story.of(f.PolicyExhausted)) == 1


@pytest.mark.parametrize("repeat", [0, 2])
def test_when_everybody_is_dead_nothing_spins(repeat: int) -> None:
    """Every contact there is fails for good: one try of each in 15 minutes, for ever."""
    story = a_story(
        a_plan((["person:bob"], 0), (["person:dana"], 5), repeat=repeat),
        broken(bob="permanent", dana="permanent", carol="permanent"),
    )
    story.wait(minutes(44))
    assert story.paged() == []
    assert len(story.of(f.PageFailed)) == 3 * 3
    assert story.incident.active_pages()[0].due_at == T0 + minutes(45)


def test_a_dead_last_step_does_not_cut_short_the_time_of_somebody_who_was_reached() -> None:
    """Bob has his page and five minutes; that dana is unreachable does not exhaust the policy now."""
    story = a_story(
        a_plan((["person:bob"], 0), (["person:dana"], 5), repeat=0), broken(dana="permanent")
    )
    story.wait(minutes(9))
    assert not story.of(f.PolicyExhausted)
    story.wait(minutes(1))
    assert len(story.of(f.PolicyExhausted)) == 1
    assert story.paged() == ["bob", "carol"]


def test_a_failing_contact_is_retried_while_the_climb_goes_on() -> None:
    """A provider that hiccups costs no time: the climb is not held up, and the try is repeated."""
    outside = broken(bob="retryable")
    story = a_story(a_plan((["person:bob"], 0), (["person:dana"], 5)), outside)
    story.wait(minutes(5))
    assert story.paged() == ["dana"]
    outside.broken.clear()
    story.wait(timedelta(seconds=16))
    assert story.paged() == ["dana", "bob"]


def test_a_provider_that_comes_back_does_not_bring_a_burst() -> None:
    """An hour of failing pages to one person becomes one page when it works again."""
    outside = broken(alice="retryable", bob="retryable", carol="retryable")
    story = Story(outside=outside)
    story.wait(2 * HOUR - timedelta(minutes=2))
    assert story.paged() == []
    outside.broken.clear()
    story.wait(timedelta(seconds=20))
    assert sorted(story.paged()) == ["alice", "bob", "carol"]


def test_pages_of_a_superseded_run_are_not_sent_any_more() -> None:
    """The severity became major: the new run pages, and the old one's failing page is forgotten."""
    outside = broken(alice="retryable")
    story = Story(severity="SEV3", outside=outside)
    story.do("set_severity", severity="SEV1", reason="r")
    outside.broken.clear()
    story.wait(minutes(1))
    assert story.paged() == ["alice"]


# Working hours.


def night(at: datetime) -> datetime | None:
    """Working hours from 12:00 to 15:00 UTC."""
    begins = at.replace(hour=12, minute=0, second=0)
    if at < begins:
        return begins
    return None if at.hour < 15 else begins + DAY


def test_a_minor_incident_waits_for_working_hours() -> None:
    """SEV3 wakes nobody: held, said once, and paged when working hours begin."""
    story = Story(severity="SEV3", outside=Outside(hold=night))
    assert story.paged() == []
    assert len(story.of(f.PageHeld)) == 1
    story.wait(2 * HOUR)
    assert story.paged() == ["alice"]
    assert [p.late for p in story.of(f.StepPaged)] == [False]


def test_a_minor_incident_that_becomes_major_is_paged_at_once() -> None:
    """The held page is released by the severity, and the night's hold is forgotten."""
    story = Story(severity="SEV3", outside=Outside(hold=night))
    story.do("set_severity", severity="SEV2", reason="r")
    assert story.paged() == ["alice"]
    story.wait(2 * HOUR)
    assert len([run for run in story.incident.pages if run.is_active]) == 1


def test_a_major_incident_that_becomes_minor_wakes_nobody_else() -> None:
    """Who has a page has it; the next step waits for working hours."""
    story = Story(severity="SEV1", outside=Outside(hold=night))
    story.do("set_severity", severity="SEV3", reason="r")
    story.wait(minutes(119))
    assert story.paged() == ["alice"]
    assert len(story.of(f.PageHeld)) == 1
    story.wait(minutes(1))
    assert story.paged() == ["alice", "alice", "bob"]


def test_an_acknowledged_incident_that_waits_is_not_paged_in_the_morning() -> None:
    """Taken at night by somebody who was awake: the held page is answered."""
    story = Story(severity="SEV3", outside=Outside(hold=night))
    story.do("acknowledge", "dana")
    story.wait(DAY)
    assert story.paged() == []


def test_a_severity_that_never_pages_does_not() -> None:
    """Policy may say that a severity pages nobody."""
    levels = a_policy_slice().severities
    never = levels["SEV3"].model_copy(update={"page": PageWhen.NEVER})
    policy = a_policy_slice(severities=levels | {"SEV3": never})
    story = Story(severity="SEV3", policy=policy)
    story.wait(DAY)
    assert story.paged() == []
    assert not story.incident.pages
