"""Flapping: an incident that the desk asks to reopen, because its alert fires again so soon."""

from __future__ import annotations

from domain import facts as f
from domain.alert import AlertStatus
from domain.incident import Status
from domain.maintenance import Window
from domain.policy.model import PageWhen
from domain.raising import Origin
from tests.domain.story import Story
from tests.factories import HOUR, T0, a_policy_slice, an_alert, cleared, minutes

WHY = "Checkout fails fires again 4 min after the resolution"


def resolved(**how: object) -> Story:
    """Raised by an alert, taken and resolved by alice."""
    story = Story(origin=Origin(alerts=[an_alert()], received_at=T0), **how)  # type: ignore[arg-type]
    story.do("acknowledge", "alice")
    story.alert(cleared())
    story.do("resolve", "alice", summary="gone")
    story.wait(minutes(4))
    return story


def test_a_flapping_alert_reopens_its_incident_and_pages_from_the_start() -> None:
    """Whoever led it believes that it is over: somebody is paged as at the beginning, until they take it."""
    story = resolved()
    mark = len(story.pages)
    story.alert(an_alert(), reopens=WHY)
    assert story.incident.status is Status.FIXING
    assert story.of(f.Reopened)[0].sentence() == f"Reopened: {WHY}; flapped once"
    assert story.incident.firing() == ["cpu"]
    story.wait(minutes(5))
    assert [person for _, person, _ in story.pages[mark:]] == ["alice", "alice", "bob"]
    story.do("acknowledge", "bob")
    story.wait(HOUR)
    assert [person for _, person, _ in story.pages[mark:]] == ["alice", "alice", "bob"]
    assert story.incident.incident_manager == "alice"


def test_what_resolved_by_itself_and_was_never_taken_pages_again() -> None:
    """`on_clear: resolve` while nobody had acknowledged: the next round is not silent."""
    origin = Origin(alerts=[an_alert()], received_at=T0)
    story = Story(origin=origin, policy=a_policy_slice(on_clear="resolve"))
    for times in ("once", "2 times"):
        story.wait(minutes(1))
        story.alert(cleared(at=story.now))
        assert story.incident.status is Status.RESOLVED
        mark = len(story.pages)
        story.wait(minutes(1))
        story.alert(an_alert(at=story.now), reopens=WHY)
        assert [person for _, person, _ in story.pages[mark:]] == ["alice"]
        assert story.of(f.Reopened)[-1].sentence().endswith(f"flapped {times}")
    story.do("acknowledge", "bob")
    assert story.incident.incident_manager == "bob"
    assert story.incident.flaps == 2
    assert story.incident.alert_count == 3


def test_what_keeps_flapping_stays_open_and_wakes_nobody_again() -> None:
    """Three pages for one alert are enough: then a person says when it is over."""
    origin = Origin(alerts=[an_alert()], received_at=T0)
    story = Story(origin=origin, policy=a_policy_slice(on_clear="resolve"))
    for _ in range(2):
        story.wait(minutes(1))
        story.alert(cleared(at=story.now))
        story.wait(minutes(1))
        story.alert(an_alert(at=story.now), reopens=WHY)
    story.do("acknowledge", "bob")
    mark = len(story.pages)
    for _ in range(5):
        story.alert(cleared(at=story.now))
        assert story.incident.is_open
        assert "come back 2 times" in story.of(f.AlertCleared)[-1].sentence()
        story.wait(minutes(1))
        story.alert(an_alert(at=story.now), reopens=WHY)
    assert story.pages[mark:] == []
    story.alert(cleared(at=story.now))
    story.do("resolve", "bob", summary="the threshold was wrong")
    assert story.incident.status is Status.RESOLVED


def test_only_a_firing_alert_reopens_and_only_what_is_resolved() -> None:
    """Open: it joins. Closed or cancelled: it is not taken, so that the desk raises a related one."""
    story = resolved()
    assert story.alert(cleared(), reopens=WHY) == []
    assert story.alert(an_alert(), reopens="") == []
    assert story.alert(an_alert(status=AlertStatus.ACKNOWLEDGED, by="alice"), reopens=WHY) == []
    assert story.incident.status is Status.RESOLVED
    story.alert(an_alert(), reopens=WHY)
    assert [fact.name for fact in story.alert(an_alert(), reopens=WHY)] == ["alert_folded"]
    story.do("resolve", "alice", summary="gone")
    story.record(f.Closed(reason="the time for reopening is over"))
    assert story.alert(an_alert(), reopens=WHY) == []
    assert story.incident.status is Status.CLOSED


def test_a_flap_in_maintenance_pages_at_its_end() -> None:
    """A machine asked for it: the window holds the page, and what still fires pages afterwards."""
    window = Window(
        id="w1", services=["checkout"], start=T0 + minutes(2), end=T0 + minutes(30), reason="move"
    )
    story = resolved(windows=[window])
    mark = len(story.pages)
    story.alert(an_alert(), reopens=WHY)
    story.wait(minutes(10))
    assert story.pages[mark:] == []
    story.wait(minutes(20))
    assert [person for _, person, _ in story.pages[mark:]][:1] == ["alice"]


def test_a_flap_pages_nobody_where_the_severity_pages_nobody() -> None:
    """`page: never` holds for reopening too."""
    policy = a_policy_slice()
    quiet = policy.severities["SEV2"].model_copy(update={"page": PageWhen.NEVER})
    policy.severities["SEV2"] = quiet
    story = Story(origin=Origin(alerts=[an_alert()], received_at=T0), policy=policy)
    story.do("resolve", "alice", summary="gone")
    story.alert(an_alert(), reopens=WHY)
    story.wait(HOUR)
    assert story.pages == []
    assert story.incident.status is Status.FIXING


def test_a_person_who_reopens_does_not_count_as_flapping() -> None:
    """They are there: whoever leads it goes on without a page."""
    story = resolved()
    mark = len(story.pages)
    story.do("reopen", "alice", reason="it is back")
    story.wait(minutes(5))
    assert story.pages[mark:] == []
    assert story.incident.flaps == 0
    assert story.of(f.Reopened)[0].sentence() == "Reopened: it is back"
