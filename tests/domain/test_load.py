"""How much one person was paged: messages, at night, incidents per twelve hours, and when it is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.load import RecentLoad, SentPage, is_night, is_too_much, loads
from tests.factories import HOUR, T0, minutes

BERLIN = "Europe/Berlin"


def pages(
    *told: tuple[str, float], person: str = "alice", bundle: str | None = None
) -> list[SentPage]:
    """Pages by incident and hours after ten in the morning, UTC."""
    return [
        SentPage(person=person, incident=incident, at=T0 + hours * HOUR, bundle=bundle)
        for incident, hours in told
    ]


def test_two_incidents_in_a_shift_are_not_too_many_and_three_are() -> None:
    """The count is of incidents in the worst twelve hours, however often each of them paged."""
    two = pages(("a-1", 0), ("a-1", 0.05), ("b-1", 2), ("c-1", 12.1))
    (load,) = loads(two, 2, {}, BERLIN)
    assert (load.per_shift, load.is_over, load.incidents, load.pages) == (2, False, 3, 4)
    (load,) = loads([*two, *pages(("d-1", 11))], 2, {}, BERLIN)
    assert (load.per_shift, load.is_over) == (3, True)


def test_a_bundled_message_is_one_page_of_all_its_incidents() -> None:
    """Four incidents in one message wake a person once, and are four incidents."""
    (load,) = loads(pages(*((f"a-{n}", 0) for n in range(4)), bundle="alice/1"), 2, {}, BERLIN)
    assert (load.pages, load.pages_per_shift, load.incidents, load.per_shift) == (1, 1, 4, 4)


@pytest.mark.parametrize(
    ("zone", "utc", "night"),
    [(BERLIN, "20:59", False), (BERLIN, "21:00", True), (BERLIN, "05:59", True),
     (BERLIN, "06:00", False), ("America/New_York", "06:00", True), ("Asia/Kolkata", "21:00", True),
     ("Pacific/Auckland", "21:00", False)],
)  # fmt: skip
def test_night_is_where_the_person_is(zone: str, utc: str, night: bool) -> None:
    """From ten in the evening to seven in the morning, on the person's own clock."""
    at = datetime.fromisoformat(f"2026-01-14T{utc}").replace(tzinfo=UTC)
    assert is_night(at, zone) is night


def test_each_person_has_their_own_night() -> None:
    """One message at 22:30 in Berlin: night for bob, afternoon for carol in New York."""
    at = [("a-1", 11.5)]
    found = loads(
        [*pages(*at, person="bob"), *pages(*at, person="carol")],
        2,
        {"carol": "America/New_York"},
        BERLIN,
    )
    assert {load.person: load.at_night for load in found} == {"bob": 1, "carol": 0}


def test_the_heaviest_load_stands_first() -> None:
    """Whoever had the most at once is seen first; a person without pages is not listed."""
    found = loads(
        [*pages(("a-1", 0), ("b-1", 1), person="bob"), *pages(("a-1", 0), person="alice")], 2, {}, BERLIN
    )  # fmt: skip
    assert [load.person for load in found] == ["bob", "alice"]
    assert loads([], 2, {}, BERLIN) == []


def a_load(*hours: float, told_at: float | None = None) -> RecentLoad:
    """Incidents a-0, a-1, … that first paged alice so many hours after ten."""
    return RecentLoad(
        person="alice",
        incidents={f"a-{n}": T0 + at * HOUR for n, at in enumerate(hours)},
        told_at=None if told_at is None else T0 + told_at * HOUR,
    )


def test_the_incident_that_goes_over_says_it_and_no_other() -> None:
    """Four at once for one person: the third says it, whichever of them is written down when."""
    load = a_load(0, 0.001, 0.002, 0.003)
    said = [n for n in range(4) if is_too_much(load, f"a-{n}", 2, T0 + minutes(1))]
    assert said == [2]
    assert not is_too_much(a_load(0, 1), "a-1", 2, T0 + 2 * HOUR)
    assert not is_too_much(load, "elsewhere-1", 2, T0 + minutes(1))


def test_it_is_said_once_in_a_shift_and_again_in_the_next() -> None:
    """Within twelve hours of the last word nothing is said; load that goes on is said again after."""
    busy = a_load(1, 2, 3, 12.5, told_at=0.5)
    assert not is_too_much(busy, "a-3", 2, T0 + 12.4 * HOUR)
    assert is_too_much(busy, "a-3", 2, T0 + 12.5 * HOUR)
    assert is_too_much(a_load(1, 2, 3, 4), "a-3", 2, T0 + 4 * HOUR + timedelta(seconds=1))
