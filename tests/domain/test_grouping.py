"""Grouping by rule: which alerts of other keys join, to the instant, and in which words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alert import Alert
from domain.durations import in_words
from domain.grouping import Rule, rule_of
from domain.open_ref import OpenRef
from domain.policy.grouping import Grouping
from domain.policy.model import Service
from domain.triage import DeskState, Join, Raise, Reopen, belongs_with, decide
from tests.factories import DAY, HOUR, T0, an_alert, cleared, minutes

TICK = timedelta(microseconds=1)
lengths = st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=2))


def a_rule(**grouping: Any) -> Rule:
    return Rule(grouping=Grouping(**grouping))


def raised_by(alert: Alert, number: int = 1, **fields: Any) -> OpenRef:
    """The open incident that an alert has raised."""
    ref = OpenRef(
        id=f"checkout-{number}", severity="SEV2", priority="P2", raised_at=alert.received_at,
        began_at=alert.received_at, **fields,
    )  # fmt: skip
    ref.join(alert)
    return ref


def a_desk(*refs: OpenRef) -> DeskState:
    return DeskState(service="checkout", next_number=9, open={ref.id: ref for ref in refs})


def labelled(key: str, at: timedelta = timedelta(0), **labels: str) -> Alert:
    return an_alert(key=key, at=T0 + at, labels=labels)


@given(window=lengths, joined=lengths)
def test_the_window_is_kept_to_the_instant(window: timedelta, joined: timedelta) -> None:
    """A new key joins up to and with the end of the window after the last new key, and never after it."""
    ref, rule = raised_by(an_alert(key="a")), a_rule(window=window, at_most=timedelta(days=9))
    ref.join(an_alert(key="b", at=T0 + joined))
    last = T0 + joined + window
    in_time = decide(a_desk(ref), an_alert(key="c", at=last), "service", rule)
    assert isinstance(in_time, Join)
    assert isinstance(
        decide(a_desk(ref), an_alert(key="c", at=last + TICK), "service", rule), Raise
    )


@given(at_most=lengths, count=st.integers(min_value=1, max_value=20))
def test_a_trickle_cannot_keep_an_incident_open_for_ever(at_most: timedelta, count: int) -> None:
    """However often new keys joined: past the upper bound the next one raises an incident of its own."""
    ref, rule = raised_by(an_alert(key="a")), a_rule(window=at_most, at_most=at_most)
    for number in range(1, count + 1):
        ref.join(an_alert(key=f"k{number}", at=T0 + at_most * number / count))
    assert isinstance(
        decide(a_desk(ref), an_alert(key="z", at=T0 + at_most), "service", rule), Join
    )
    late = decide(a_desk(ref), an_alert(key="z", at=T0 + at_most + TICK), "service", rule)
    assert late == Raise(apart=f"checkout-1: raised more than {in_words(at_most)} before")


@given(gap=st.timedeltas(min_value=-timedelta(days=1), max_value=timedelta(days=30)))
def test_repeats_of_a_held_key_always_join(gap: timedelta) -> None:
    """However late, and whatever its labels: the same alert is the same incident."""
    ref, rule = raised_by(labelled("a", cluster="eu1")), a_rule(window="1s", labels=["cluster"])
    again = labelled("a", gap, cluster="eu2")
    assert decide(a_desk(ref), again, "service", rule) == Join(
        incident="checkout-1", reason="same key"
    )


def test_a_repeat_does_not_move_the_window() -> None:
    """Only an alert of a new key counts as the last that joined; an older one that comes late neither."""
    ref, rule = raised_by(an_alert(key="a")), a_rule(window="10m")
    ref.join(an_alert(key="a", at=T0 + minutes(9)))
    assert isinstance(
        decide(a_desk(ref), an_alert(key="b", at=T0 + minutes(11)), "service", rule), Raise
    )
    ref.join(an_alert(key="c", at=T0 + minutes(8)))
    ref.join(an_alert(key="d", at=T0 + minutes(2)))
    assert isinstance(
        decide(a_desk(ref), an_alert(key="b", at=T0 + minutes(18)), "service", rule), Join
    )


@pytest.mark.parametrize(
    ("theirs", "ours", "why"),
    [
        ({"cluster": "eu1"}, {"cluster": "eu1"}, ""),
        ({"cluster": "eu1"}, {"cluster": "eu2"}, "cluster=eu2 here, cluster=eu1 there"),
        ({"cluster": "eu1"}, {}, "no cluster here, cluster=eu1 there"),
        ({}, {"cluster": "eu1"}, "cluster=eu1 here, no cluster there"),
        ({}, {}, ""),
        ({"cluster": "eu1", "rack": "1"}, {"cluster": "eu1", "rack": "2"}, ""),
    ],
)
def test_only_alerts_with_the_same_labels_join(
    theirs: dict[str, str], ours: dict[str, str], why: str
) -> None:
    """The labels that the policy names must be those of the alert that raised it; others do not count."""
    ref, rule = raised_by(labelled("a", **theirs)), a_rule(labels=["cluster"])
    ref.join(labelled("b", cluster="elsewhere"))  # who joined by its key says nothing
    decision = decide(a_desk(ref), labelled("c", **ours), "service", rule)
    assert decision == Raise(apart=f"checkout-1: {why}") if why else isinstance(decision, Join)


def test_what_a_person_raised_takes_the_labels_of_the_first_alert_that_joins() -> None:
    """A declaration has no labels to differ from; afterwards it is that alert's incident."""
    ref = OpenRef(id="checkout-1", severity="SEV1", priority="P1", raised_at=T0)
    rule, desk = a_rule(labels=["cluster"]), a_desk(ref)
    first = labelled("a", minutes(1), cluster="eu1")
    assert isinstance(decide(desk, first, "service", rule), Join)
    ref.join(first)
    assert isinstance(
        decide(desk, labelled("b", minutes(1), cluster="eu2"), "service", rule), Raise
    )


def test_a_lost_desk_does_not_guess_labels() -> None:
    """Of what the records say is open nobody knows the labels: two incidents are better than a wrong one."""
    ref = OpenRef(
        id="checkout-1", severity="SEV1", priority="P1", raised_at=T0, knows_all_keys=False
    )
    apart = decide(a_desk(ref), labelled("a", cluster="eu1"), "service", a_rule(labels=["cluster"]))
    assert apart == Raise(apart="checkout-1: its labels are not known any more")
    assert isinstance(decide(a_desk(ref), labelled("a"), "service", a_rule(window="10m")), Join)


def test_of_several_the_holder_then_the_first_in_rank_that_may_take_it() -> None:
    """The one that has the key, whatever the rule; else by rank, passing over those that stay apart."""
    eu = raised_by(labelled("a", cluster="eu1"), 1)
    us = raised_by(labelled("b", minutes(1), cluster="us1"), 2)
    desk, rule = a_desk(eu, us), a_rule(labels=["cluster"])
    to = decide(desk, labelled("c", minutes(5), cluster="us1"), "service", rule)
    assert to == Join(incident="checkout-2", reason="same cluster=us1, 4 min after the last")
    held = decide(desk, labelled("b", minutes(5), cluster="eu1"), "service", rule)
    assert held == Join(incident="checkout-2", reason="same key")
    none = decide(desk, labelled("c", minutes(5), cluster="ap1"), "service", rule)
    assert none == Raise(apart="checkout-1: cluster=ap1 here, cluster=eu1 there")
    both = decide(desk, labelled("c", minutes(5)), "service", a_rule())
    assert both == Join(incident="checkout-1", reason="same service, 5 min after the last")


def test_without_a_rule_everything_of_the_service_joins() -> None:
    """As ever: whatever the age, the labels and the key; and `fold: key` goes before any rule."""
    ref = raised_by(labelled("a", cluster="eu1"))
    late = labelled("b", 40 * DAY, cluster="eu2")
    assert decide(a_desk(ref), late, "service") == Join(
        incident="checkout-1", reason="same service, 40 d after the last"
    )
    same = labelled("b", cluster="eu1")
    assert isinstance(decide(a_desk(ref), same, "key", a_rule(window="1h")), Raise)


def test_alerts_of_one_report_are_grouped_by_the_same_rule() -> None:
    """A report may hold what was received hours apart, or of two clusters: it is no reason to belong."""
    group, rule = raised_by(labelled("a", cluster="eu1")), a_rule(window="10m", labels=["cluster"])
    assert belongs_with(group, labelled("b", cluster="eu1"), "service", rule) == "same cluster=eu1"
    assert belongs_with(group, labelled("a", HOUR, cluster="eu1"), "service", rule) == "same key"
    assert not belongs_with(group, labelled("b", cluster="eu2"), "service", rule)
    assert not belongs_with(group, labelled("b", minutes(11), cluster="eu1"), "service", rule)
    assert not belongs_with(group, labelled("b", cluster="eu1"), "key", rule)


# Flapping.


def resolved(at: timedelta = timedelta(0)) -> DeskState:
    """A desk whose one incident was resolved at an offset."""
    desk = a_desk(raised_by(an_alert(key="cpu")))
    desk.settle("checkout-1", ["cpu"], T0 + at)
    return desk


@given(within=lengths)
def test_the_time_for_flapping_is_kept_to_the_instant(within: timedelta) -> None:
    """Up to and with its end the incident is reopened; after it a new one is raised, linked to the old."""
    rule = Rule(reopen_within=within)
    again = decide(resolved(), an_alert(at=T0 + within), "service", rule)
    assert isinstance(again, Reopen)
    assert again.incident == "checkout-1"
    late = decide(resolved(), an_alert(at=T0 + within + TICK), "service", rule)
    assert late == Raise(related="checkout-1")


def test_flapping_reopens_nothing_where_the_policy_does_not_say_so() -> None:
    """Incident resolved, the alert fires again: a new incident, linked to the old, never attached to it."""
    assert decide(resolved(), an_alert(at=T0 + TICK), "service") == Raise(related="checkout-1")


def test_flapping_is_only_of_the_same_key_and_of_what_was_resolved() -> None:
    """Another alert is another incident, and one that was cancelled or closed stays so."""
    rule = Rule(reopen_within=HOUR)
    assert decide(resolved(), an_alert(key="disk"), "service", rule) == Raise()
    desk = a_desk(raised_by(an_alert()))
    desk.settle("checkout-1", [])
    assert decide(desk, an_alert(), "service", rule) == Raise(related="checkout-1")
    assert decide(resolved(), cleared(), "service", rule).__class__.__name__ == "Ignore"


def test_what_is_open_goes_before_what_could_be_reopened() -> None:
    """A service has one open incident by `fold: service`: flapping does not make it two."""
    desk = resolved()
    desk.open["checkout-2"] = raised_by(an_alert(key="disk"), 2)
    to = decide(desk, an_alert(at=T0 + minutes(1)), "service", Rule(reopen_within=HOUR))
    assert to == Join(incident="checkout-2", reason="same service, 1 min after the last")


def test_the_wish_is_given_once_and_the_incident_counts_as_open() -> None:
    """What follows joins it; if it takes nothing any more it says so, and then a new one is raised."""
    desk, rule = resolved(), Rule(reopen_within=HOUR)
    wish = decide(desk, an_alert(at=T0 + minutes(4)), "service", rule)
    assert wish == Reopen(
        incident="checkout-1", reason="Checkout fails fires again 4 min after the resolution"
    )
    desk.wish_open(wish)
    assert isinstance(decide(desk, an_alert(at=T0 + minutes(5)), "service", rule), Join)
    desk.settle("checkout-1", ["cpu"])  # closed: it hands back
    assert decide(desk, an_alert(at=T0 + minutes(5)), "service", rule) == Raise(
        related="checkout-1"
    )


def test_a_desk_that_was_lost_knows_what_was_resolved_from_the_incident_itself() -> None:
    """Resolved after the desk was lost: its word says everything that reopening needs."""
    desk = DeskState(service="checkout", next_number=3)
    ref = OpenRef(id="checkout-2", severity="SEV1", priority="P1", raised_at=T0 - HOUR)
    desk.settle("checkout-2", ["cpu"], T0, ref)
    again = decide(desk, an_alert(at=T0 + TICK), "service", Rule(reopen_within=HOUR))
    assert isinstance(again, Reopen)
    desk.wish_open(again)
    assert desk.open["checkout-2"].keys == ["cpu"]


def test_reopening_forgets_nothing_of_how_it_began() -> None:
    """The desk's own knowledge of labels and times outlives the incident's word that it is open again."""
    alert = labelled("a", cluster="eu1")
    desk = a_desk(raised_by(alert))
    desk.settle("checkout-1", [], T0)
    desk.reopen(OpenRef(id="checkout-1", severity="SEV1", priority="P1", raised_at=T0))
    ref = desk.open["checkout-1"]
    assert (ref.labels, ref.began_at, ref.keys) == ({"cluster": "eu1"}, T0, ["a"])
    assert (ref.severity, desk.ended) == ("SEV1", {})


def test_the_rule_travels_with_the_report_as_the_policy_has_it() -> None:
    """What the front knows of the policy reaches the desk whole."""
    service = Service.model_validate(
        {"grouping": {"window": "90s", "labels": ["cluster"]}, "reopen_within": "15m"}
    )
    rule = rule_of(service)
    assert Rule.model_validate(rule.model_dump(mode="json")) == rule
    assert (rule.grouping, rule.reopen_within) == (service.grouping, minutes(15))
    assert rule.grouping is not None
    assert rule.grouping.at_most == 24 * HOUR
    assert rule_of(Service()) == Rule()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (90, "90 s"), (120, "2 min"),
        (7199, "119 min"), (7200, "2 h"), (11_100, "3 h 5 min"), (90_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_lengths_are_said_as_people_say_them(seconds: float, said: str) -> None:
    """Down to the minute, and never more exact than anybody reads."""
    assert in_words(timedelta(seconds=seconds)) == said
