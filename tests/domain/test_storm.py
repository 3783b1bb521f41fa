"""Storms: when one begins, what it takes, when it is over; the same answer for the same cause."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.alert import AlertStatus
from domain.alerts import take_alert
from domain.heartbeat import INTEGRATION as HEARTBEAT
from domain.open_ref import FIRING_KEPT, OpenRef
from domain.raising import Origin, raise_incident
from domain.storm import (
    ANSWERS_KEPT,
    QUIET,
    Admit,
    Admitted,
    Arrival,
    Asked,
    StormOrder,
    StormState,
    storm_source,
)
from domain.triage import STORM, DeskState, Join, Raise, Tell, decide
from tests.factories import T0, a_policy_slice, an_alert, cleared, minutes

LIMIT = 3


def started(*numbers: int, at: datetime = T0) -> list[Arrival]:
    return [Arrival(cause=f"c{n}", service=f"s{n}", at=at) for n in numbers]


def asked(number: int, at: datetime = T0, **fields: Any) -> Asked:
    whole = {
        "cause": f"c{number}",
        "service": f"s{number}",
        "at": at,
        "severity": "SEV2",
        "rank": 1,
    }
    return Asked.model_validate(whole | fields)


class Entity:
    """The rules of an entity, with a desk that raises its incidents."""

    def __init__(self) -> None:
        self.state = StormState(integration="prometheus")
        self.orders: list[StormOrder] = []

    def admit(
        self, *asks: Asked, tells: list[Arrival] | None = None, at: datetime = T0
    ) -> Admitted:
        request = Admit(limit=LIMIT, started=tells or [], asked=list(asks))
        self.state.take(request, at)
        order = self.state.order()
        if order is not None:
            self.orders.append(order)
            self.state.has_raised(order.key, f"unknown-{len(self.orders)}")
        return self.state.answer(request)


def a_storm() -> Entity:
    entity = Entity()
    assert entity.admit(asked(4), tells=started(1, 2, 3)).into == {"c4": "unknown-1"}
    return entity


def test_up_to_the_limit_everything_is_raised_and_then_one_storm_takes_the_rest() -> None:
    """The fourth in a minute is folded where the limit is three, and the order names all four services."""
    entity = Entity()
    assert entity.admit(asked(1), asked(2), asked(3)) == Admitted(count=3)
    answer = entity.admit(asked(4), asked(5, severity="SEV1", rank=0))
    assert answer == Admitted(
        into={"c4": "unknown-1", "c5": "unknown-1"}, count=5, storm="unknown-1"
    )
    (order,) = entity.orders
    assert order.severity == "SEV1"  # the worst of those that asked together
    assert order.summary() == (
        "Alert storm from prometheus: 4 new incidents within a minute on 4 services: s1, s2, s3, s4"
    )


def test_what_is_told_counts_and_begins_no_storm() -> None:
    """Other processes raise past the limit: the next one that asks is folded."""
    entity = Entity()
    assert entity.admit(tells=started(1, 2, 3, 4, 5)) == Admitted(count=5)
    assert entity.orders == []
    assert entity.admit(asked(6)).into == {"c6": "unknown-1"}


def test_the_same_cause_gets_the_same_answer() -> None:
    """Asked again by a desk that was reset: before the storm, in it, and after it."""
    entity = Entity()
    assert entity.admit(asked(1)).into == {}
    entity.admit(asked(4), tells=started(2, 3))
    assert entity.admit(asked(1)).into == {}
    for at in (T0, T0 + minutes(3)):
        assert entity.admit(asked(4), at=at).into == {"c4": "unknown-1"}
    assert entity.state.storm is not None
    assert entity.state.storm.folded == 1
    entity.state.end(T0 + QUIET)
    assert entity.admit(asked(4), at=T0 + minutes(9)).into == {"c4": "unknown-1"}


def test_a_storm_lasts_until_the_rate_was_low_for_five_minutes() -> None:
    """One a minute is below the limit and still folded; then it is over, and its incident is told once."""
    entity = a_storm()
    for minute in (1, 2, 4):
        at = T0 + minutes(minute)
        assert entity.admit(asked(10 + minute, at), at=at).into
        assert entity.state.end(at) == ""
    assert entity.state.ends_at() == T0 + QUIET
    assert entity.state.end(T0 + QUIET) == "unknown-1"
    assert entity.state.end(T0 + QUIET) == ""
    later = T0 + minutes(6)
    assert entity.admit(asked(20, later), at=later).into == {}


def test_a_rate_past_the_limit_again_keeps_it_up() -> None:
    """The five minutes begin with the last instant past the limit."""
    entity = a_storm()
    at = T0 + minutes(4)
    entity.admit(*(asked(20 + n, at) for n in range(LIMIT + 1)), at=at)
    assert entity.state.ends_at() == at + QUIET
    assert len(entity.orders) == 1


def test_an_incident_that_gave_alerts_back_does_not_get_them_again() -> None:
    """Resolved in the storm: the same alert asks again and goes into the next one."""
    entity = a_storm()
    again = asked(4, not_into="unknown-1")
    assert entity.admit(again).into == {"c4": "unknown-2"}
    entity = a_storm()
    at = T0 + minutes(2)
    assert entity.admit(asked(4, at, not_into="unknown-1"), at=at).into == {}
    entity = a_storm()
    entity.state.forget("unknown-9")
    assert entity.state.incident == "unknown-1"
    entity.state.forget("unknown-1")
    assert entity.state.storm is None


def test_the_entity_forgets_what_is_long_gone() -> None:
    """Its state stays small, however long a storm."""
    entity = Entity()
    for number in range(ANSWERS_KEPT + 10):
        at = T0 + timedelta(seconds=number)
        entity.admit(asked(number, at), at=at)
    assert len(entity.state.folds) == ANSWERS_KEPT
    assert len(entity.state.arrivals) <= 60


# Whose.


def test_people_heartbeats_and_storms_are_never_folded() -> None:
    """Only what an alert of an integration raises."""
    assert storm_source(Origin(alerts=[an_alert()])) == "prometheus"
    assert storm_source(Origin(alerts=[an_alert(integration=HEARTBEAT)])) is None
    assert storm_source(Origin(declaration={"summary": "s"}, actor="alice")) is None
    assert storm_source(Origin(storm=_order())) is None


# The incident.


def _order(severity: str = "SEV2") -> StormOrder:
    return StormOrder(
        integration="prometheus", key="k", severity=severity, services=["checkout"], count=4
    )


def test_a_storm_incident_names_its_services_and_takes_the_worst_severity() -> None:
    """Alerts of two services under one key stay two; a worse one makes it worse."""
    policy = a_policy_slice(service="unknown")
    incident, facts = raise_incident("unknown-1", Origin(storm=_order("SEV3")), policy, "", T0)
    for fact in facts:
        incident.record(fact, T0)
    assert (incident.raised_by_alert, incident.detected_by) == (None, "technology")
    for service, severity in (("checkout", "SEV3"), ("search", "SEV1")):
        alert = an_alert(key="down", service=service, severity=severity)
        for fact in take_alert(incident, alert, T0):
            incident.record(fact, T0)
    assert incident.severity == "SEV1"
    assert (
        incident.summary == "Alert storm from prometheus: 2 alerts on 2 services: checkout, search"
    )
    for fact in take_alert(incident, cleared(key="down", service="search"), T0):
        incident.record(fact, T0)
    assert incident.firing() == ["checkout/down"]


def test_a_second_storm_counts_what_the_first_gave_back() -> None:
    """An alert that was handed on counts where it came in, yet it is one of the alerts of this storm."""
    policy = a_policy_slice(service="unknown")
    incident, facts = raise_incident("unknown-2", Origin(storm=_order()), policy, "", T0)
    alert = an_alert(key="down", service="search").model_copy(update={"count": 0})
    for fact in [*facts, *take_alert(incident, alert, T0)]:
        incident.record(fact, T0)
    assert incident.alert_count == 0
    assert incident.summary == "Alert storm from prometheus: 1 alert on 1 service: search"


# The desk.


def a_desk(**fields: Any) -> DeskState:
    ref = OpenRef(
        id="unknown-1", severity="SEV2", priority="P2", raised_at=T0, storm="prometheus",
        takes_until=T0 + minutes(1), keys=["cpu"],
    )  # fmt: skip
    return DeskState(service="checkout", next_number=4, open={ref.id: ref}, **fields)


def test_a_desk_in_a_storm_joins_what_the_same_integration_says_for_a_minute() -> None:
    """Its keys always; new keys of that integration for a while; nothing of anybody else."""
    desk = a_desk()
    assert decide(desk, an_alert(), "service") == Join(incident="unknown-1", reason="same key")
    assert decide(desk, cleared(), "service") == Join(incident="unknown-1", reason="same key")
    for fold in ("service", "key"):
        new = an_alert(key="new")
        assert decide(desk, new, fold) == Join(incident="unknown-1", reason=STORM)
        assert isinstance(decide(desk, an_alert(key="new", integration="datadog"), fold), Raise)
        late = an_alert(key="new", at=T0 + minutes(2))
        assert isinstance(decide(desk, late, fold), Raise)
    changed = an_alert(key="new", status="changed")
    assert decide(desk, changed, "service") == Tell(incidents=[])


def test_an_incident_of_the_service_itself_goes_before_the_storm() -> None:
    """What is open on the service takes its alerts, whatever ranks first."""
    desk = a_desk()
    desk.open["checkout-3"] = OpenRef(id="checkout-3", severity="SEV3", priority="P5", raised_at=T0)
    decision = decide(desk, an_alert(key="new"), "service")
    assert isinstance(decision, Join)
    assert decision.incident == "checkout-3"


def test_what_still_fires_comes_back_uncounted_and_what_cleared_does_not() -> None:
    """The desk keeps its own alerts of a storm, and not without end."""
    ref = a_desk().open["unknown-1"]
    ref.keep_firing([an_alert(key="a"), an_alert(key="b"), cleared(key="a")])
    assert [(one.key, one.count) for one in ref.still_firing()] == [("b", 0)]
    ref.keep_firing([an_alert(key=f"k{number}") for number in range(FIRING_KEPT + 50)])
    assert len(ref.firing) == FIRING_KEPT
    own = OpenRef(id="checkout-3", severity="SEV3", priority="P5", raised_at=T0)
    own.keep_firing([an_alert()])
    assert own.firing == {}


@pytest.mark.parametrize(("severity", "waits"), [("SEV2", True), ("SEV1", False)])
def test_in_a_storm_only_a_worse_alert_does_not_wait(severity: str, waits: bool) -> None:
    """New keys and clearings reach the storm's incident together with others."""
    ref = a_desk().open["unknown-1"]
    ref.handed_at, ref.said = T0, {"cpu": "SEV2"}
    alerts = [an_alert(key="new", severity=severity), cleared()]
    assert ref.may_wait(alerts, T0 + timedelta(seconds=1), timedelta(seconds=5)) is waits


def test_in_a_storm_an_acknowledgement_at_the_sender_does_not_wait() -> None:
    """Somebody has taken it: the pages to everybody else end now and not five seconds later."""
    ref = a_desk().open["unknown-1"]
    ref.handed_at, ref.said = T0, {"cpu": "SEV2"}
    taken = an_alert(key="cpu", status=AlertStatus.ACKNOWLEDGED, by="alice")
    assert not ref.may_wait([taken], T0 + timedelta(seconds=1), timedelta(seconds=5))


def test_a_number_that_was_not_used_is_given_back() -> None:
    """The next incident of the service has it."""
    desk = a_desk()
    desk.take_number()
    desk.give_number_back()
    assert desk.take_number() == 4
