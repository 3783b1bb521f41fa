"""The likely cause: what is held for an incident below it, for how long, and what never is."""

from __future__ import annotations

from typing import Any

import pytest

from domain import facts as f
from domain.crossing import as_suspect
from domain.facts.crossing import cause_checked, cause_ended
from domain.likely_cause import (
    LikelyCause,
    Suspect,
    dependents_of,
    direct_dependents,
    holds,
    paths_to_causes,
    why,
)
from domain.maintenance import Window
from domain.raising import Origin
from tests.domain.story import Story
from tests.factories import (
    HOUR,
    T0,
    a_policy,
    a_policy_slice,
    an_alert,
    an_incident,
    cleared,
    minutes,
)

CAUSE = LikelyCause(
    incident="database-1", service="database", severity="SEV1", why="checkout depends on database"
)


def a_suspect(**fields: Any) -> Suspect:
    whole = {"id": "database-1", "service": "database", "summary": "s", "severity": "SEV1"}
    return Suspect.model_validate(whole | {"is_open": True, "pages": True} | fields)


def a_held(cause: Suspect | None = None, *, severity: str = "SEV2", **how: Any) -> Story:
    """An incident that an alert raised at T0, put down to database-1."""
    origin = Origin(alerts=[an_alert(severity=severity)], received_at=T0)
    held_for = CAUSE.model_copy(update={"severity": cause.severity}) if cause else CAUSE
    return Story(origin=origin, held_for=held_for, cause=cause or a_suspect(), **how)


# Which one it is.


def services(**depends: list[str]) -> Any:
    named = {name: {"team": "payments", "depends_on": on} for name, on in depends.items()}
    return a_policy(services=named)


def test_what_a_service_depends_on_is_found_nearest_first_and_in_circles_once() -> None:
    """Directly, then through others, each by its shortest way; a circle ends."""
    policy = services(
        shop=["cart", "database"], cart=["cache"], cache=["database", "shop"], database=[]
    )
    paths = paths_to_causes(policy, "shop")
    assert list(paths) == ["cart", "database", "cache"]
    assert why(paths["cache"]) == "shop depends on cart, cart depends on cache"
    assert paths_to_causes(policy, "database") == paths_to_causes(policy, "nothing") == {}
    direct = direct_dependents(policy)
    assert set(dependents_of(direct, "database")) == {"cache", "shop", "cart"}
    assert dependents_of(direct, "nothing") == []


@pytest.mark.parametrize(
    ("suspect", "severity", "is_held"),
    [
        ({}, "SEV1", True),
        ({}, "SEV3", True),
        ({"severity": "SEV2"}, "SEV1", False),
        ({"is_open": False}, "SEV2", False),
        ({"pages": False}, "SEV2", False),
        ({"severity": "SEV9"}, "SEV3", False),
    ],
)
def test_only_an_open_incident_that_pages_and_is_as_bad_holds(
    suspect: dict[str, Any], severity: str, is_held: bool
) -> None:
    """Somebody has to hear of the cause, and of nothing worse than it nobody is kept in the dark."""
    assert holds(a_suspect(**suspect), severity, a_policy_slice()) is is_held


def test_an_incident_that_is_held_itself_holds_nobody() -> None:
    """For a maintenance, for its own cause, or because nothing of it ever paged."""
    assert as_suspect(an_incident()).pages
    assert not as_suspect(a_held().incident).pages
    window = Window(id="m1", reason="r", start=T0 - HOUR, end=T0 + HOUR)
    origin = Origin(alerts=[an_alert()], received_at=T0)
    assert not as_suspect(Story(origin=origin, windows=[window]).incident).pages
    story = a_held()
    story.alert(cleared())
    story.record(*cause_ended(story.incident, "database-1", "over"))
    assert not as_suspect(story.incident).pages


# How long it waits.


def test_a_held_page_waits_for_as_long_as_its_cause_lasts_and_asks_every_five_minutes() -> None:
    """Hours go by, the policy does not climb, and the timeline says it once."""
    story = a_held()
    story.wait(2 * HOUR)
    assert story.pages == []
    assert story.checks == 24
    assert len(story.of(f.HeldForCause)) == 1
    (link,) = story.of(f.Linked)
    assert (link.target, link.kind) == ("database-1", "related")


def test_the_word_of_its_end_pages_at_once_and_climbs_from_there() -> None:
    """Not late, from the first step, and the second one comes when it is due from then on."""
    story = a_held()
    story.wait(minutes(42))
    story.record(*cause_ended(story.incident, "database-1", "database-1 is resolved"))
    story.wait(minutes(6))
    assert [at for at, *_ in story.pages][:2] == [T0 + minutes(42), T0 + minutes(47)]
    assert [(fact.step, fact.late) for fact in story.of(f.StepPaged)] == [(1, False), (2, False)]
    assert cause_ended(story.incident, "database-1", "again") == []


@pytest.mark.parametrize(
    "found", [None, {"is_open": False}, {"severity": "SEV3"}, {"pages": False}]
)
def test_a_check_that_finds_no_cause_any_more_lets_the_page_go(
    found: dict[str, Any] | None,
) -> None:
    """Gone, over, milder by now or silent itself: five minutes are the longest that this takes."""
    story = a_held()
    story.cause = None if found is None else a_suspect(**found)
    story.wait(minutes(4.9))
    assert story.pages == []
    story.wait(minutes(0.2))
    assert story.paged() == ["alice"]
    assert len(story.of(f.CauseEnded)) == 1


def test_what_has_cleared_is_not_paged_until_it_comes_back() -> None:
    """Nothing fired when the cause ended: silence, and at the next alert the page."""
    story = a_held()
    story.alert(cleared())
    story.record(*cause_ended(story.incident, "database-1", "database-1 is resolved"))
    story.wait(HOUR)
    assert story.pages == []
    story.alert(an_alert(at=story.now))
    story.wait(minutes(1))
    assert story.paged() == ["alice"]


def test_an_acknowledgement_ends_the_wait() -> None:
    """Somebody saw it in the list and took it: the end of the cause pages nobody."""
    story = a_held()
    story.do("acknowledge", "bob")
    story.record(*cause_ended(story.incident, "database-1", "over"))
    story.wait(HOUR)
    assert story.pages == []


def test_worse_than_its_cause_it_pages_at_once() -> None:
    """A severity that rises above the cause's; one that reaches it waits on."""
    story = a_held(a_suspect(severity="SEV2"), severity="SEV2")
    story.alert(an_alert(key="k2", severity="SEV1"))
    story.wait(minutes(1))
    assert story.paged() == ["alice"]
    (ended,) = story.of(f.CauseEnded)
    assert ended.sentence() == "SEV1 is worse than database-1: the page goes out"
    # From minor to major is a page of its own, and is held like the first.
    story = a_held(a_suspect(severity="SEV2"), severity="SEV3")
    story.alert(an_alert(key="k2", severity="SEV2"))
    story.wait(HOUR)
    assert story.pages == []
    assert [run.held_for for run in story.incident.active_pages()] == ["database-1"]
    story.do("set_severity", "bob", severity="SEV3", reason="r")
    story.do("set_severity", "bob", severity="SEV1", reason="a person has judged")
    story.wait(minutes(1))
    assert story.paged() == ["alice"]


def test_a_window_that_began_meanwhile_holds_what_its_cause_lets_go() -> None:
    """Put down to its cause, then maintenance: nobody is paged before both are over."""
    story = a_held()
    window = Window(id="m1", reason="r", start=T0 + minutes(1), end=T0 + minutes(30))
    story.wait(minutes(2))
    story.record(f.WindowsTold(windows=[window]))
    story.wait(minutes(3))
    story.record(*cause_ended(story.incident, "database-1", "over"))
    story.wait(minutes(24))
    assert story.pages == []
    story.wait(minutes(2))
    assert [at for at, *_ in story.pages] == [T0 + minutes(30)]


def test_a_check_without_a_held_page_changes_nothing() -> None:
    """Acknowledged while it was being asked."""
    story = a_held()
    story.do("acknowledge", "bob")
    assert cause_checked(story.incident, "database-1", None) == []
