"""What an open incident makes of alerts: counts, severity, clearing; and alerts that ride together."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain import facts as f
from domain.alert import MAX_ALERT_BYTES, AlertStatus, combine_repeats
from domain.alerts import take_alert
from domain.incident import Status
from domain.raising import Origin
from tests.domain.story import Story
from tests.factories import HOUR, T0, a_policy_slice, an_alert, cleared, minutes


def from_alerts(*keys: str, **how: object) -> Story:
    """An incident raised by alerts."""
    origin = Origin(alerts=[an_alert(key=key) for key in keys], received_at=T0)
    return Story(origin=origin, **how)  # type: ignore[arg-type]


def test_repeats_are_counted_and_page_nobody() -> None:
    """The same alert four times is one incident, one page and a count."""
    story = from_alerts("cpu")
    for _ in range(3):
        story.alert(an_alert())
    assert story.incident.alert_count == 4
    assert story.incident.alerts["cpu"].count == 4
    assert story.paged() == ["alice"]
    assert [x.is_new for x in story.of(f.AlertFolded)] == [True, False, False, False]


def test_an_alert_that_stands_for_many_counts_as_many() -> None:
    """Repeats that arrived together ride as one and lose nothing."""
    story = from_alerts("cpu")
    story.alert(an_alert(count=5))
    assert story.incident.alert_count == 6
    assert story.of(f.AlertFolded)[-1].sentence() == "5 alerts folded, same key: Checkout fails"


@pytest.mark.parametrize(
    ("said", "becomes"),
    [("SEV1", "SEV1"), ("SEV2", "SEV2"), ("SEV3", "SEV2"), (None, "SEV2"), ("odd", "SEV2")],
)
def test_an_alert_may_raise_the_severity_and_never_lowers_it(
    said: str | None, becomes: str
) -> None:
    """A worse alert makes it worse; a milder one, or one that says nothing known, changes nothing."""
    story = from_alerts("cpu")
    story.alert(an_alert(key="disk", severity=said))
    assert story.incident.severity == becomes


def test_an_alert_that_says_no_severity_counts_as_the_default() -> None:
    """A minor incident that an alert without severity joins becomes what the policy assumes."""
    story = Story(severity="SEV3")
    story.alert(an_alert(severity=None))
    assert story.incident.severity == "SEV2"


def test_an_alert_that_gets_worse_is_heard() -> None:
    """The same key at a higher severity is news."""
    story = from_alerts("cpu")
    story.alert(an_alert(severity="SEV1"))
    assert story.incident.severity == "SEV1"


def test_the_last_alert_that_clears_ends_nothing_by_itself() -> None:
    """The incident stays, the incident manager is told, and somebody still has to look."""
    story = from_alerts("cpu", "disk")
    story.do("acknowledge", "alice")
    story.alert(cleared(key="cpu"))
    assert story.reminders("alert_cleared") == []
    story.alert(cleared(key="disk"))
    assert [to for _, to in story.reminders("alert_cleared")] == [["person:alice"]]
    assert story.incident.status is Status.FIXING
    assert [x.remaining for x in story.of(f.AlertPartlyCleared)] == [1]


def test_pages_go_on_while_nobody_has_acknowledged_though_all_is_clear() -> None:
    """A problem that vanished by itself still wants a human."""
    story = from_alerts("cpu")
    story.alert(cleared())
    story.wait(minutes(5))
    assert story.paged() == ["alice", "alice", "bob"]
    assert story.reminders("alert_cleared") == []


def test_where_the_policy_says_so_the_last_alert_that_clears_resolves() -> None:
    """`on_clear: resolve`: pages stop, and nobody is told twice."""
    story = from_alerts("cpu", "disk", policy=a_policy_slice(on_clear="resolve"))
    story.wait(minutes(1))
    story.alert(cleared(key="cpu"))
    assert story.incident.status is Status.RAISED
    story.alert(cleared(key="disk", at=T0 + minutes(1)))
    assert story.incident.status is Status.RESOLVED
    assert story.incident.owes_postmortem
    assert story.reminders("alert_cleared") == []
    story.wait(HOUR)
    assert story.paged(minutes(1)) == []


@pytest.mark.parametrize("key", ["cpu", "disk"])
def test_what_is_clear_or_unknown_clears_without_a_fact(key: str) -> None:
    """A second all-clear, or one for an alert that is not held, says nothing."""
    story = from_alerts("cpu")
    story.alert(cleared())
    assert story.alert(cleared(key=key)) == []


def test_an_alert_that_fires_again_is_held_again() -> None:
    """Flapping: counted, and it must clear again."""
    story = from_alerts("cpu")
    story.alert(cleared())
    story.alert(an_alert())
    assert story.incident.firing() == ["cpu"]
    assert [x.name for x in story.alert(cleared())] == ["alert_cleared"]


def test_what_could_not_be_read_is_on_the_timeline() -> None:
    """Each note of intake is a fact with the payload as it came."""
    story = from_alerts("cpu")
    story.alert(an_alert(key="odd", notes=["severity 'bad' is unknown: SEV2"], raw="{...}"))
    assert [(x.note, x.raw) for x in story.of(f.AlertUnreadable)] == [
        ("severity 'bad' is unknown: SEV2", "{...}")
    ]


def test_a_flood_of_distinct_alerts_stays_bounded_and_is_never_taken_for_clear() -> None:
    """Beyond what is kept alerts are counted; the incident does not think that all is well."""
    story = from_alerts("k0")
    at_most = story.incident.ALERTS_KEPT
    for number in range(1, at_most + 3):
        story.record(*take_alert(story.incident, an_alert(key=f"k{number}"), T0))
    assert len(story.incident.alerts) == at_most
    assert story.incident.alert_count == at_most + 3
    for number in range(at_most + 3):
        story.record(*take_alert(story.incident, cleared(key=f"k{number}"), T0))
    assert not story.of(f.AlertCleared)
    assert story.of(f.AlertPartlyCleared)[-1].remaining == 3
    story.alert(an_alert(key="new"))
    assert len(story.incident.alerts) == at_most
    assert story.incident.firing() == ["new"]


def test_an_alert_that_no_payload_can_hold_is_refused() -> None:
    """A signal made by hand cannot park the incident."""
    with pytest.raises(ValidationError, match="bytes in one alert"):
        an_alert(description="x" * (MAX_ALERT_BYTES + 1))


# Alerts that arrive together.


def test_repeats_ride_as_one_and_order_is_kept() -> None:
    """Firing, cleared, firing of one key stay three; equal neighbours become one with their count."""
    together = [
        an_alert(),
        an_alert(),
        an_alert(key="disk"),
        cleared(),
        an_alert(),
        an_alert(count=3),
    ]
    assert [(a.key, a.status.value, a.count) for a in combine_repeats(together)] == [
        ("cpu", "firing", 2),
        ("disk", "firing", 1),
        ("cpu", "resolved", 1),
        ("cpu", "firing", 4),
    ]


def test_what_says_something_of_its_own_is_not_folded_away() -> None:
    """Another severity, or a note for the timeline, stays an alert of its own."""
    together = [an_alert(), an_alert(severity="SEV1"), an_alert(severity="SEV1", notes=["n"])]
    assert len(combine_repeats(together)) == 3
    assert combine_repeats([]) == []
    assert AlertStatus.FIRING == "firing"
