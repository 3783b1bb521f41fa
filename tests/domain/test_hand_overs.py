"""An incident takes each hand-over of a desk once, whatever others hand over meanwhile."""

from __future__ import annotations

from domain.alert import AlertBatch
from domain.hand_overs import KEPT_AT_LEAST, KEPT_OF_ALL, KEPT_OF_ONE, HandOvers
from tests.factories import an_alert, an_incident


def test_a_batch_is_still_known_after_a_thousand_others() -> None:
    """In a storm of hundreds of desks, what one of them hands over again after seconds counts once."""
    incident = an_incident()
    mine = AlertBatch(key="unknown-1/report/abc", alerts=[an_alert(service="checkout")])
    assert incident.is_new_batch(mine)
    for number in range(1_000):
        other = an_alert(service=f"shop-{number % 250}")
        assert incident.is_new_batch(AlertBatch(key=f"unknown-1/{number}/abc", alerts=[other]))
    assert not incident.is_new_batch(mine)


def test_one_desk_is_remembered_for_its_last_200() -> None:
    """Its own hand-overs push out the oldest of them, and no others."""
    taken = HandOvers()
    for number in range(KEPT_OF_ONE + 1):
        assert taken.is_new("checkout", str(number))
    assert not taken.is_new("checkout", "1")
    assert taken.is_new("checkout", "0")


def test_the_last_ones_of_each_desk_are_kept_however_many_there_are() -> None:
    """Past 500 desks each still has its last ten, and nobody has more than that."""
    taken, desks = HandOvers(), 600
    for number in range(KEPT_AT_LEAST + 2):
        for desk in range(desks):
            assert taken.is_new(f"shop-{desk}", f"{number}")
    assert {len(keys) for keys in taken.taken.values()} == {KEPT_AT_LEAST}
    for desk in range(desks):
        assert not taken.is_new(f"shop-{desk}", "2")


def test_what_is_kept_stays_small() -> None:
    """Few desks with endless hand-overs, then many: the state that rolls over stays below 150 kB."""
    taken = HandOvers()
    for desk in range(400):
        for number in range(KEPT_OF_ONE):
            taken.is_new(f"shop-{desk}", f"unknown-1/{number}/abc")
    assert sum(map(len, taken.taken.values())) <= KEPT_OF_ALL
    assert len(taken.model_dump_json()) < 150_000


def test_what_an_incident_of_the_first_version_took_is_known() -> None:
    """It carries whole keys: they count until it has ended."""
    incident = an_incident()
    incident.alert_batches = ["checkout-1/report/abc"]
    assert not incident.is_new_batch(AlertBatch(key="checkout-1/report/abc", alerts=[an_alert()]))


def test_without_a_key_every_batch_is_new() -> None:
    """People and the first version send alerts without one."""
    incident = an_incident()
    batch = AlertBatch(alerts=[an_alert()])
    assert incident.is_new_batch(batch)
    assert incident.is_new_batch(batch)
