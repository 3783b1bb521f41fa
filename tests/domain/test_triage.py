"""The desk: a new incident, part of an open one, or nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.alert import AlertBatch
from domain.open_ref import KEYS_KEPT, OpenRef
from domain.triage import (
    SETTLED_KEPT,
    Decision,
    DeskState,
    Fold,
    Ignore,
    Join,
    Raise,
    decide,
)
from tests.factories import T0, an_alert, cleared


def a_ref(number: int, *keys: str, priority: str = "P1", severity: str = "SEV1") -> OpenRef:
    """An open incident; a higher number is younger."""
    return OpenRef(
        id=f"checkout-{number}", severity=severity, priority=priority,
        raised_at=T0 + timedelta(minutes=number), keys=list(keys),
    )  # fmt: skip


def a_desk(*refs: OpenRef) -> DeskState:
    return DeskState(service="checkout", next_number=9, open={ref.id: ref for ref in refs})


KEY, SERVICE = "same key", "same service"


@pytest.mark.parametrize(
    ("refs", "fold", "decision"),
    [
        ([], "service", Raise()),
        ([], "key", Raise()),
        ([a_ref(1)], "service", Join(incident="checkout-1", reason=SERVICE)),
        ([a_ref(1)], "key", Raise(apart="checkout-1: another key")),
        ([a_ref(1, "cpu")], "key", Join(incident="checkout-1", reason=KEY)),
        (
            [a_ref(1, "disk"), a_ref(2, "cpu", priority="P3")],
            "service",
            Join(incident="checkout-2", reason=KEY),
        ),
        (
            [a_ref(1, "disk"), a_ref(2, "cpu")],
            "key",
            Join(incident="checkout-2", reason=KEY),
        ),
        (
            [a_ref(1, priority="P2"), a_ref(2)],
            "service",
            Join(incident="checkout-2", reason=SERVICE),
        ),
        (
            [a_ref(1, severity="SEV2"), a_ref(2)],
            "service",
            Join(incident="checkout-2", reason=SERVICE),
        ),
        ([a_ref(2), a_ref(1)], "service", Join(incident="checkout-1", reason=SERVICE)),
        (
            [a_ref(2, "cpu"), a_ref(1, "cpu", priority="P4")],
            "key",
            Join(incident="checkout-2", reason=KEY),
        ),
    ],
)
def test_where_a_firing_alert_goes(refs: list[OpenRef], fold: Fold, decision: Decision) -> None:
    """To the one that holds its key, else by `fold: service` to the first in rank, else a new one."""
    assert decide(a_desk(*refs), an_alert(), fold) == decision


@pytest.mark.parametrize("fold", ["service", "key"])
def test_an_alert_that_is_over_when_it_arrives_raises_nothing(fold: Fold) -> None:
    """It goes to the incident that holds its key, and otherwise nowhere."""
    assert decide(a_desk(), cleared(), fold) == Ignore()
    assert decide(a_desk(a_ref(1, "disk")), cleared(), fold) == Ignore()
    desk = a_desk(a_ref(1, "disk"), a_ref(2, "cpu"))
    assert decide(desk, cleared(), fold) == Join(incident="checkout-2", reason=KEY)


def test_the_all_clear_finds_an_incident_whose_keys_the_desk_has_forgotten() -> None:
    """After a storm of keys the incident itself knows: it is asked."""
    crowded = a_ref(1, *(f"k{i}" for i in range(KEYS_KEPT)))
    assert decide(a_desk(crowded), cleared(), "key") == Join(incident="checkout-1")


def test_an_alert_that_fires_again_after_the_end_is_related_to_the_latest() -> None:
    """A new incident, linked to the last one that held the same key, never attached to it."""
    desk = a_desk(a_ref(1, "cpu"), a_ref(2, "disk"))
    desk.settle("checkout-1", [])
    desk.settle("checkout-2", ["cpu"])
    assert decide(desk, an_alert(), "service") == Raise(related="checkout-2")
    assert decide(desk, an_alert(key="new"), "service") == Raise()


def test_settled_may_come_twice() -> None:
    """The second time changes nothing, and no key is lost."""
    desk = a_desk(a_ref(1, "cpu"))
    desk.settle("checkout-1", ["disk"])
    before = desk.model_dump()
    desk.settle("checkout-1", ["disk"])
    desk.settle("checkout-1", [])
    assert desk.model_dump() == before
    assert desk.settled == {"checkout-1": ["cpu", "disk"]}


def test_settled_may_come_early() -> None:
    """Before the desk knew that it was open: it is remembered as settled all the same."""
    desk = a_desk()
    desk.settle("checkout-1", ["cpu"])
    assert decide(desk, an_alert(), "key") == Raise(related="checkout-1")


def test_settled_may_come_late() -> None:
    """Alerts join what is resolved by now; it gives them back, and then they are decided anew."""
    desk = a_desk(a_ref(1, "cpu"))
    assert decide(desk, an_alert(), "service") == Join(incident="checkout-1", reason=KEY)
    desk.settle("checkout-1", [])
    assert decide(desk, an_alert(), "service") == Raise(related="checkout-1")


def test_a_reopened_incident_takes_alerts_again_and_knows_its_keys() -> None:
    """It is open, not settled, and what it told the desk before is still its own."""
    desk = a_desk(a_ref(1, "cpu"))
    desk.settle("checkout-1", [])
    desk.reopen(a_ref(1, "disk"))
    assert desk.settled == {}
    for key in ("cpu", "disk"):
        assert decide(desk, an_alert(key=key), "key") == Join(incident="checkout-1", reason=KEY)
    desk.reopen(a_ref(1))
    assert desk.open["checkout-1"].keys == ["cpu", "disk"]


def test_an_old_word_of_an_incident_changes_nothing() -> None:
    """A "settled" that was delayed until after the "reopened" behind it does not close the incident."""
    desk = a_desk(a_ref(1, "a"))
    assert desk.is_news("checkout-1", 20)
    assert not desk.is_news("checkout-1", 12)
    assert desk.is_news("checkout-1", 20), "the same word again is harmless"
    assert desk.is_news("checkout-2", 1)


def test_what_a_desk_remembers_is_bounded() -> None:
    """Keys, settled incidents, answers and batches: the oldest go first."""
    desk = a_desk(a_ref(1))
    desk.open["checkout-1"].remember(f"k{i}" for i in range(KEYS_KEPT + 10))
    assert len(desk.open["checkout-1"].keys) == KEYS_KEPT
    assert desk.open["checkout-1"].keys[0] == "k10"
    for number in range(SETTLED_KEPT + 5):
        desk.settle(f"checkout-{number}", [f"k{i}" for i in range(KEYS_KEPT + 1)])
    assert len(desk.settled) == SETTLED_KEPT
    assert all(len(keys) <= KEYS_KEPT for keys in desk.settled.values())
    for number in range(250):
        desk.remember_result(str(number), {"id": "x"})
        desk.has_seen(str(number))
    assert (len(desk.results), next(iter(desk.results))) == (200, "50")
    assert (len(desk.batches), desk.batches[0]) == (200, "50")


def test_a_batch_that_is_delivered_twice_counts_once() -> None:
    """The front end may repeat itself; the desk does not."""
    desk = a_desk()
    assert [desk.has_seen("b1"), desk.has_seen("b1"), desk.has_seen("b2")] == [False, True, False]


def test_numbers_are_taken_once_and_only_when_they_are_known() -> None:
    """A desk that has not learned which numbers are taken hands out none."""
    desk = a_desk()
    assert [desk.take_number(), desk.take_number()] == [9, 10]
    with pytest.raises(LookupError, match="next number"):
        DeskState(service="checkout").take_number()


def test_a_desk_travels_whole() -> None:
    """What it carries to its next run is what it was."""
    desk = a_desk(a_ref(1, "cpu"))
    desk.settle("checkout-7", ["disk"])
    desk.remember_result("k", {"id": "checkout-1"})
    desk.has_seen("b")
    assert DeskState.model_validate(desk.model_dump(mode="json")) == desk


WAIT = timedelta(seconds=0.25)


def test_what_pages_nobody_may_wait_a_moment_and_nothing_else_may() -> None:
    """Repeats and new alerts that are no worse go together; what is worse, or clears, goes at once."""
    ref, first = a_ref(1), an_alert(key="cpu", severity="SEV2")
    assert not ref.may_wait([first], T0, WAIT)  # it heard nothing yet
    ref.take_waiting(AlertBatch(key="b1", alerts=[first]), T0)
    soon = T0 + WAIT / 2
    assert ref.may_wait([an_alert(key="cpu", severity="SEV2")], soon, WAIT)
    assert not ref.may_wait([an_alert(key="cpu", severity="SEV2")], T0 + WAIT, WAIT)
    assert not ref.may_wait([an_alert(key="cpu", severity="SEV1")], soon, WAIT)
    assert ref.may_wait([an_alert(key="disk", severity=ref.severity)], soon, WAIT)
    assert not ref.may_wait([an_alert(key="disk", severity="SEV3")], soon, WAIT)
    assert not ref.may_wait([an_alert(key="disk", severity=None)], soon, WAIT)
    assert not ref.may_wait([cleared(key="cpu", severity="SEV2")], soon, WAIT)
    odd = an_alert(key="cpu", severity="SEV2").model_copy(update={"notes": ["unread"]})
    assert not ref.may_wait([odd], soon, WAIT)


def test_what_waits_goes_before_what_is_new() -> None:
    """A clearing does not overtake the repeats before it, and after it the alert is news again."""
    ref, firing = a_ref(1), an_alert(key="cpu", severity="SEV2")
    ref.take_waiting(AlertBatch(key="b1", alerts=[firing]), T0)
    ref.waiting.append(AlertBatch(key="b2", alerts=[firing]))
    going = ref.take_waiting(AlertBatch(key="b3", alerts=[cleared(key="cpu", severity="SEV2")]), T0)
    assert [batch.key for batch in going] == ["b2", "b3"]
    assert ref.waiting == []
    assert not ref.may_wait([firing], T0, WAIT)


def test_a_clearing_that_overtook_its_alert_follows_it() -> None:
    """An alert that an incident gave back after its clearing was passed over clears as well."""
    desk = a_desk()
    clearing = cleared(key="cpu").model_copy(update={"received_at": T0 + timedelta(seconds=1)})
    desk.pass_over(clearing)
    firing = an_alert(key="cpu").model_copy(update={"received_at": T0})
    assert desk.with_clearings([firing, an_alert(key="disk")])[:2] == [firing, clearing]
    assert desk.with_clearings([firing]) == [firing]  # once
    desk.pass_over(clearing)
    later = firing.model_copy(update={"received_at": T0 + timedelta(seconds=2)})
    assert desk.with_clearings([later]) == [later]  # it fired again since


def test_a_desk_that_learnt_of_an_incident_hands_it_any_clearing() -> None:
    """What the records say is open holds alerts that a new desk has never seen."""
    learnt = a_ref(1).model_copy(update={"knows_all_keys": False})
    assert decide(a_desk(learnt), cleared(key="cpu"), "service") == Join(incident="checkout-1")
    assert decide(a_desk(a_ref(1)), cleared(key="cpu"), "service") == Ignore()
