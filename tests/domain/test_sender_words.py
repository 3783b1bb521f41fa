"""What senders say of alerts beside that they fire: acknowledged, noted, changed; and paged past us."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain import facts as f
from domain.access.claims import Trust
from domain.alert import Alert, AlertStatus, combine_repeats
from domain.alerts import MAX_NOTE_CHARS, takes
from domain.changes import KEPT, KEPT_FOR, TOLD_WITHIN, Change, change_of, told_at, with_change
from domain.incident import Status
from domain.raising import Origin
from domain.triage import DeskState, Ignore, Join, Tell, decide
from tests.domain.story import Story
from tests.domain.test_grouping import a_desk, raised_by
from tests.factories import HOUR, T0, a_policy_slice, an_alert, minutes


def from_alert(**how: object) -> Story:
    origin = Origin(alerts=[an_alert()], received_at=T0)
    return Story(origin=origin, **how)  # type: ignore[arg-type]


def acknowledged(by: str | None, key: str = "cpu") -> Alert:
    return an_alert(key=key, status=AlertStatus.ACKNOWLEDGED, by=by, integration="opsgenie")


def noted(text: str, by: str | None = "Jane Doe", key: str = "cpu") -> Alert:
    return an_alert(
        key=key, status=AlertStatus.NOTED, by=by, description=text, integration="opsgenie"
    )


def changed(summary: str = "Deploy 1.2.3", at: timedelta = timedelta(0), **fields: object) -> Alert:
    return an_alert(
        key=f"change/{summary}", status=AlertStatus.CHANGED, summary=summary, at=T0 + at, **fields
    )


# Where they go.


@pytest.mark.parametrize("status", [AlertStatus.ACKNOWLEDGED, AlertStatus.NOTED])
@pytest.mark.parametrize("fold", ["service", "key"])
def test_a_word_about_an_alert_goes_to_whoever_holds_it_and_raises_nothing(
    status: AlertStatus, fold: str
) -> None:
    """Acknowledging or noting what nobody holds is no reason to page anybody."""
    held, other = an_alert(status=status), an_alert(key="other", status=status)
    desk = a_desk(raised_by(an_alert(key="disk"), 1), raised_by(an_alert(), 2))
    assert decide(desk, held, fold) == Join(incident="checkout-2", reason="same key")  # type: ignore[arg-type]
    assert decide(desk, other, fold) == Ignore()  # type: ignore[arg-type]
    assert decide(a_desk(), held, fold) == Ignore()  # type: ignore[arg-type]


def test_a_change_is_told_to_everything_open_and_raises_nothing() -> None:
    """Whichever of them it caused, responders of each want to know."""
    desk = a_desk(raised_by(an_alert(key="disk"), 1), raised_by(an_alert(), 2))
    assert decide(desk, changed(), "key") == Tell(incidents=["checkout-1", "checkout-2"])
    assert decide(a_desk(), changed(), "service") == Tell(incidents=[])


def test_what_people_said_is_never_folded_away() -> None:
    """Two notes of one alert are two notes; repeats of the alert around them still ride as one."""
    together = [an_alert(), noted("a"), noted("b"), an_alert(), acknowledged("alice")]
    assert [(a.status.value, a.count) for a in combine_repeats(together)] == [
        ("firing", 2),
        ("noted", 1),
        ("noted", 1),
        ("acknowledged", 1),
    ]
    away = an_alert(paged_directly=["alice was paged"])
    assert len(combine_repeats([an_alert(), away])) == 2


# Acknowledged.


def test_an_acknowledgement_at_the_sender_by_one_of_ours_is_that_persons_own() -> None:
    """Pages end, alice leads, and the timeline says how it was given."""
    story = from_alert()
    story.wait(minutes(6))
    story.alert(acknowledged("alice"))
    twin = from_alert()
    twin.wait(minutes(6))
    twin.do("acknowledge", "alice", via="sender")
    assert story.names() == twin.names()
    assert story.incident.status is Status.FIXING
    assert story.incident.incident_manager == "alice"
    (fact,) = story.of(f.Acknowledged)
    assert fact.sentence() == (
        "alice acknowledged after 6m by the sender of the alert, now incident manager"
    )
    assert [e.actor for e in story.entries if e.fact == "acknowledged"] == ["alice"]
    story.wait(HOUR)
    assert story.paged(minutes(6)) == []


def test_an_acknowledgement_by_somebody_unknown_stops_no_page() -> None:
    """Until one of ours acknowledges somebody of ours is paged; nobody is told anything anew."""
    story = from_alert()
    before = len(story.messages)
    story.alert(acknowledged("Jane Doe"))
    (fact,) = story.of(f.AlertAcknowledged)
    assert fact.sentence() == (
        "Acknowledged at opsgenie by Jane Doe: pages go on until somebody of ours acknowledges here"
    )
    assert [e.actor for e in story.entries if e.fact == fact.name] == ["alert:opsgenie"]
    assert story.incident.status is Status.RAISED
    story.wait(minutes(5))
    assert story.paged() == ["alice", "alice", "bob"]
    assert len(story.messages) == before
    for nobody in (None, "opsgenie"):  # where the sender names nobody but itself
        story.alert(acknowledged(nobody))
        assert "by somebody" in story.of(f.AlertAcknowledged)[-1].sentence()
    story.alert(noted("pool is full", by="opsgenie"))
    assert story.entries[-1].text == "opsgenie: pool is full"


def test_where_commands_must_be_signed_a_senders_word_is_only_a_word() -> None:
    """`unsigned: refuse`: nobody acknowledges in alice's name without her signature."""
    story = from_alert(policy=a_policy_slice(trust=Trust(unsigned="refuse")))
    story.alert(acknowledged("alice"))
    assert story.incident.status is Status.RAISED
    assert len(story.of(f.AlertAcknowledged)) == 1


def test_a_word_about_an_alert_that_is_not_held_changes_nothing() -> None:
    """The desk asks an incident that may hold it; if it does not, nothing has happened."""
    story = from_alert()
    assert story.alert(acknowledged("alice", key="other")) == []
    assert story.alert(noted("text", key="other")) == []


# Noted.


def test_a_note_at_the_sender_stands_on_the_timeline_with_its_author() -> None:
    """Also after the resolution; not after the end."""
    story = from_alert()
    story.alert(noted("pool is full"))
    assert story.entries[-1].text == "Jane Doe at opsgenie: pool is full"
    assert (story.entries[-1].fact, story.entries[-1].actor) == ("noted", "alert:opsgenie")
    story.alert(noted("mine", by="alice"))
    assert story.entries[-1].actor == "alice"
    story.do("acknowledge", "alice")
    story.do("resolve", "alice", summary="gone")
    assert takes(story.incident, noted("late"))
    assert not takes(story.incident, acknowledged("alice"))
    story.alert(noted("late"))
    assert story.entries[-1].text == "Jane Doe at opsgenie: late"
    story.record(f.Closed(reason="done"))
    assert not takes(story.incident, noted("too late"))


def test_a_note_may_be_as_long_as_the_sender_allows() -> None:
    """25,000 characters are kept; what is longer is cut and does not stop anything."""
    story = from_alert()
    story.alert(noted("x" * (MAX_NOTE_CHARS + 10)))
    assert len(story.of(f.Noted)[0].text) == MAX_NOTE_CHARS


# Changed.


def test_an_open_incident_is_told_of_a_change() -> None:
    """How long before the first alert, or after it, and where to read more; nobody is paged or reminded."""
    story = from_alert()
    before = (len(story.messages), len(story.pages))
    story.alert(
        changed("Deploy 1.2.3", starts_at=T0 - minutes(4), link="https://ci.test/7", by="bob")
    )
    (fact,) = story.of(f.ChangeNoted)
    assert fact.sentence() == "Change by bob: Deploy 1.2.3, 4 min before the first alert"
    assert fact.link == "https://ci.test/7"
    story.alert(changed("Rollback", starts_at=T0 + minutes(12)))
    assert story.entries[-1].text == "Change: Rollback, 12 min after the first alert"
    assert (len(story.messages), len(story.pages)) == before
    assert story.incident.alert_count == 1


def test_an_incident_begins_with_the_changes_of_the_last_hour() -> None:
    """Before anything else on its timeline but that it was raised; the same for one that a person raises."""
    changes = [change_of(changed("Deploy 1.2.3", -minutes(4)))]
    story = from_alert()
    origin = Origin(alerts=[an_alert()], received_at=T0, changes=changes)
    told = Story(origin=origin)
    assert told.names()[:3] == ["raised", "change_noted", "alert_folded"]
    assert told.entries[1].text == "Change: Deploy 1.2.3, 4 min before the first alert"
    assert "change_noted" not in story.names()
    said = {"service": "checkout", "severity": "SEV1", "summary": "down"}
    by_hand = Story(origin=Origin(declaration=said, received_at=T0, changes=changes))
    assert by_hand.entries[1].text == "Change: Deploy 1.2.3, 4 min before it was raised"


def test_a_change_that_comes_too_late_goes_nowhere() -> None:
    """An incident that is over neither shows it nor gives it back: the desk remembers it."""
    story = from_alert()
    story.do("acknowledge", "alice")
    story.do("resolve", "alice", summary="gone")
    assert takes(story.incident, changed())
    assert story.alert(changed()) == []


def test_a_desk_remembers_the_last_changes_of_a_day() -> None:
    """Twenty at most, none older than a day, each once; told are those of the last hour, to the instant."""
    changes: list[Change] = []
    for number in range(KEPT + 5):
        changes = with_change(changes, change_of(changed(f"c{number}", minutes(number))))
    assert [one.summary for one in changes] == [f"c{n}" for n in range(5, KEPT + 5)]
    again = with_change(changes, change_of(changed("c10", minutes(40))))
    assert [one.summary for one in again if one.summary == "c10"] == ["c10"]
    last = change_of(changed("last", KEPT_FOR + minutes(KEPT)))
    assert [one.summary for one in with_change(changes, last)][:2] == ["c20", "c21"]
    desk = DeskState(service="checkout")
    desk.note_change(changed("x" * 5000))
    assert len(desk.changes[0].summary) <= 300
    assert desk.changes_before(T0 + TOLD_WITHIN) == desk.changes
    assert desk.changes_before(T0 + TOLD_WITHIN + timedelta(microseconds=1)) == []
    assert told_at([], T0) == []
    assert DeskState.model_validate(desk.model_dump(mode="json")) == desk


# Paged past the orchestrator.


def test_who_was_paged_while_tocsin_was_away_stands_on_the_timeline() -> None:
    """Each of them a sentence, on the incident that the alert raises or joins."""
    said = "alice was paged by SMS at 10:01: orchestrator down, possible duplicate"
    story = Story(origin=Origin(alerts=[an_alert(paged_directly=[said])], received_at=T0))
    assert [fact.sentence() for fact in story.of(f.PagedWhileAway)] == [said]
    story.alert(an_alert(paged_directly=["bob was paged"]))
    assert story.entries[-1].text == "bob was paged"
