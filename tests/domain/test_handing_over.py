"""Which pages go through the entity of their person, and what the incident makes of its words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain import facts as f
from domain.aggregate import Effect
from domain.bundling import PagingLimits
from domain.handing_over import (
    HANDED_KEPT,
    PATIENCE,
    go_directly,
    goes_through_person,
    hand_over,
    handed_page,
    outcome_heard,
    withdrawals,
    withdrawn,
)
from domain.incident import Incident
from domain.messages import Delivery, DeliveryState, PageTarget, PageText, SendPage
from domain.person_pages import PageOutcome
from domain.reactions import follows
from tests.factories import T0, an_incident, minutes

TEXT = PageText(subject="checkout-1 SEV1", text="long " * 100, html="<p>long</p>")


def paged(round_: int = 1, *, late: bool = False, channels: tuple[str, ...] = ("sms",)) -> Incident:
    """An incident whose first step pages alice; in the second round she has had a page."""
    incident = an_incident()
    for number in range(1, round_ + 1):
        if number > 1:
            incident.reached.append("alice")
            incident.pages[0].reached.append("alice")
        target = PageTarget(person="alice", channels=list(channels))
        fact = f.StepPaged(run="p1", round=number, step=1, targets=[target], text=TEXT, late=late)
        incident.record(fact, T0 + minutes(number), "tocsin", follows)
    return incident


def the_page(incident: Incident) -> Effect:
    return [e for e in incident.effects.values() if e.kind == "send_page"][-1]


def handed(incident: Incident) -> Effect:
    """Its page, handed over a moment ago."""
    effect = the_page(incident)
    hand_over(incident, effect, T0)
    return effect


def an_outcome(effect: Effect, state: str | None = "sent", **fields: object) -> PageOutcome:
    delivery = state and Delivery(
        key=effect.key, recipient="person:alice", channel="sms", state=DeliveryState(state),
        retryable=state == "failed", reason="server_error" if state == "failed" else None,
    )  # fmt: skip
    return PageOutcome.model_validate({"key": effect.key, "delivery": delivery or None, **fields})


@pytest.mark.parametrize(
    ("round_", "late", "reached", "attempt", "through"),
    [
        (1, False, [], 0, False),  # the first page of the incident
        (1, True, [], 0, False),  # the first of all, however late
        (1, False, ["bob"], 0, False),  # the first to alice
        (1, True, ["bob"], 0, True),  # late: after an outage each person gets one message
        (2, False, [], 0, True),
        (2, False, [], 1, False),  # an attempt of the incident's own goes on as one
    ],
)
def test_which_pages_may_wait_for_others(
    round_: int, late: bool, reached: list[str], attempt: int, through: bool
) -> None:
    """Never the first page of an incident to a person; a late one once anybody was paged."""
    incident = paged(round_, late=late)
    incident.reached += reached
    effect = the_page(incident)
    effect.attempt = attempt
    assert goes_through_person(incident, effect) is through


def test_whoever_is_called_in_again_is_paged_at_once() -> None:
    """A severity that became major, an escalation by hand: its first page waits for nobody."""
    incident = paged(2)
    assert goes_through_person(incident, the_page(incident))
    incident.pages[0].reached.clear()  # as for a run that has only begun
    assert not goes_through_person(incident, the_page(incident))


def test_what_is_handed_over() -> None:
    """Everything that the bundle says, the policy's limits, and whether another contact failed."""
    incident = paged(2, channels=("sms", "email"))
    effect = the_page(incident)
    page = SendPage(
        key=effect.key, incident_id=incident.id, severity="SEV1", person="alice", channel="sms",
        contact=0, text=TEXT, is_first=False,
    )  # fmt: skip
    given = handed_page(incident, effect, page, T0)
    assert (given.priority, given.service_name, given.summary) == (
        "P1",
        "Checkout",
        incident.summary,
    )
    assert given.limits == PagingLimits(throttles=incident.policy.limits.throttles)
    assert not given.at_once
    incident.pages[0].current[0].failed = 1
    assert handed_page(incident, effect, page, T0).at_once


def test_the_wish_stays_until_the_outcome() -> None:
    """Handed over is not sent: the page is wanted until the entity says that it left."""
    incident = paged(2)
    effect = handed(incident)
    assert effect.next_try == T0 + PATIENCE
    assert effect.key in incident.effects
    assert incident.handed[effect.key].input["text"] == {
        "subject": TEXT.subject,
        "text": "",
        "html": None,
    }
    (fact,) = outcome_heard(incident, an_outcome(effect, together_with=["search-3"]), T0)
    assert isinstance(fact, f.PageSent)
    assert fact.sentence() == "Paged alice by sms, in one message with search-3"
    assert effect.key not in incident.effects
    assert incident.handed == {}
    assert outcome_heard(incident, an_outcome(effect), T0) == []


def test_a_promise_moves_the_time_at_which_the_incident_pages_by_itself() -> None:
    """It waits until then and a little longer; a throttle is told once, a plain wait not at all."""
    incident = paged(2)
    effect = handed(incident)
    until = T0 + minutes(10)
    assert outcome_heard(incident, an_outcome(effect, None, holds_until=until), T0) == []
    assert effect.next_try == until + PATIENCE
    told = an_outcome(effect, None, holds_until=until, is_throttled=True)
    (fact,) = outcome_heard(incident, told, T0)
    assert isinstance(fact, f.PageThrottled)
    assert "has had its limit" in fact.sentence()
    assert outcome_heard(incident, told, T0) == []


def test_a_failure_starts_the_next_contact_and_the_entity_goes_on() -> None:
    """The mail is tried beside the retries of the text message, which stay with the entity."""
    incident = paged(2, channels=("sms", "email"))
    effect = handed(incident)
    until = T0 + timedelta(seconds=2)
    (fact,) = outcome_heard(incident, an_outcome(effect, "failed", holds_until=until), T0)
    assert isinstance(fact, f.PageFailed)
    assert (fact.will_retry, fact.next_contact) == (True, 1)
    assert effect.next_try == until + PATIENCE
    incident.record(fact, T0, "tocsin", follows)
    assert the_page(incident).input["channel"] == "email"
    assert effect.key in incident.handed


def test_without_a_word_it_goes_directly_and_is_taken_back() -> None:
    """The fact says why; if the entity wakes up later, it finds the page withdrawn."""
    incident = paged(2)
    effect = handed(incident)
    fact = go_directly(effect, "no word of it within 25s")
    assert fact.sentence() == "Page to alice by sms goes directly: no word of it within 25s"
    incident.record(fact, T0, "tocsin", follows)
    wish = incident.effects[f"{effect.key}/withdraw"]
    assert (wish.kind, wish.input) == ("withdraw_page", {"page": effect.key, "person": "alice"})
    assert not goes_through_person(incident, effect)
    # A failure that the entity tells of now is not the incident's own attempt.
    late = an_outcome(effect, "failed", holds_until=T0 + minutes(1))
    assert outcome_heard(incident, late, T0) == []
    # And if it left all the same, that is told, and nothing is tried any more.
    (sent,) = outcome_heard(incident, an_outcome(effect), T0)
    assert isinstance(sent, f.PageSent)
    assert effect.key not in incident.effects


def test_an_acknowledgement_takes_every_handed_page_back() -> None:
    """One wish for each page, once; what left meanwhile is told after it, and starts nothing."""
    incident = paged(2)
    effect = handed(incident)
    acknowledged = f.Acknowledged(
        person="alice", first=True, after_seconds=60, ended_runs=["p1"], told=[]
    )
    incident.record(acknowledged, T0, "alice", follows)
    assert [e.key for e in withdrawals(incident)] == [f"{effect.key}/withdraw"]
    withdrawn(incident, effect.key)
    incident.settle(f"{effect.key}/withdraw")
    incident.record(f.Noted(text="on it"), T0, "alice", follows)
    assert f"{effect.key}/withdraw" not in incident.effects
    (fact,) = outcome_heard(incident, an_outcome(effect), T0)
    assert isinstance(fact, f.PageSent)
    incident.record(fact, T0, "tocsin", follows)
    assert not [e for e in incident.effects.values() if e.kind in ("send_page", "resolve_page")]


def test_a_failed_page_of_an_acknowledged_incident_starts_no_other() -> None:
    """Its outcome comes after the acknowledgement: told, and that is all."""
    incident = paged(2, channels=("sms", "email"))
    effect = handed(incident)
    incident.record(f.Resolved(summary="s", ended_at=T0, owes_postmortem=False), T0, "bob", follows)
    (fact,) = outcome_heard(incident, an_outcome(effect, "failed"), T0)
    assert isinstance(fact, f.PageFailed)
    assert (fact.will_retry, fact.next_contact) == (False, None)


def test_a_long_incident_forgets_the_oldest_of_what_it_handed_over() -> None:
    """Days of rounds do not grow the state without end."""
    incident = paged(2)
    effect = the_page(incident)
    for number in range(HANDED_KEPT + 50):
        hand_over(incident, effect.model_copy(update={"key": f"k{number}"}, deep=True), T0)
    assert len(incident.handed) == HANDED_KEPT


def test_an_incident_survives_its_roll_over_with_what_it_handed_over() -> None:
    """State as JSON and back: the outcome of the page finds its wish."""
    incident = paged(2)
    effect = handed(incident)
    again = Incident.model_validate(incident.model_dump(mode="json"))
    (fact,) = outcome_heard(again, an_outcome(effect), T0)
    assert isinstance(fact, f.PageSent)
    assert effect.key not in again.effects
