"""Working the problem, and telling an audience."""

from __future__ import annotations

import pytest

from domain import facts as f
from domain.errors import TransitionError
from tests.domain.story import Story
from tests.factories import T0, minutes


def fixing(**how: str) -> Story:
    """An incident that alice manages."""
    story = Story(**how)  # type: ignore[arg-type]
    story.do("acknowledge", "alice")
    return story


def test_theories_and_experiments_get_short_names() -> None:
    """t1, t2, e1: short enough to say in a call."""
    story = fixing()
    story.do("add_theory", "bob", text="the cache")
    story.do("add_theory", "bob", text="the disk")
    story.do("add_experiment", "bob", theory="t2", text="swap the disk")
    story.do("record_result", "bob", experiment="e1", text="no change")
    story.do("resolve_theory", "bob", theory="t2", verdict="refuted", reason="no change")
    view = story.incident.view()
    assert [(t["id"], t["state"]) for t in view["theories"]] == [("t1", "open"), ("t2", "refuted")]
    assert view["experiments"] == [
        {"id": "e1", "theory": "t2", "text": "swap the disk", "result": "no change"}
    ]


def test_everything_is_on_the_timeline_with_who_and_when() -> None:
    """A note is there as it was written, under the name of who wrote it."""
    story = fixing()
    story.wait(minutes(2))
    story.do("note", "bob", text="restarted pod 7")
    story.do("observe", text="latency falls")
    note, seen = story.entries[-2:]
    assert (note.at, note.fact, note.actor, note.text) == (
        T0 + minutes(2), "noted", "bob", "restarted pod 7",
    )  # fmt: skip
    assert (seen.actor, seen.text) == ("operator", "Observed: latency falls")


def test_a_link_is_made_once_per_kind() -> None:
    """Linking twice is answered and is no second link; another kind is another link."""
    story = fixing()
    story.do("link", "bob", target="checkout-7", kind="duplicate")
    assert story.do("link", "bob", target="checkout-7", kind="duplicate") == []
    story.do("link", "bob", target="checkout-7", kind="related")
    assert [link.kind for link in story.incident.links] == ["duplicate", "related"]


def test_an_update_says_when_the_next_one_comes() -> None:
    """By the cadence of the severity, or when the person says."""
    story = fixing()
    story.do("publish_update", "bob", audience="external", text="t")
    story.do("publish_update", "bob", audience="internal", text="t", next_update_minutes=7)
    assert [u.next_update_at for u in story.incident.updates] == [T0 + minutes(20), T0 + minutes(7)]
    assert [u.actor for u in story.incident.updates] == ["bob", "bob"]


def test_without_a_cadence_an_update_promises_nothing() -> None:
    """SEV3 has no rhythm; a person may still promise."""
    story = fixing(severity="SEV3")
    story.do("publish_update", "bob", audience="internal", text="t")
    assert story.incident.updates[-1].next_update_at is None
    story.do("publish_update", "bob", audience="internal", text="t", next_update_minutes=60)
    assert story.incident.updates[-1].next_update_at == T0 + minutes(60)


def test_the_stage_stays_until_somebody_says_another() -> None:
    """The status page goes on showing what the audience was last told, per audience."""
    story = fixing()
    story.do("publish_update", "bob", audience="external", text="t")
    story.do("publish_update", "bob", audience="external", text="t", status="identified")
    story.do("publish_update", "bob", audience="external", text="t")
    story.do("publish_update", "bob", audience="internal", text="t")
    stages = [(u.audience.value, u.status) for u in story.incident.updates]
    assert stages == [
        ("external", "investigating"),
        ("external", "identified"),
        ("external", "identified"),
        ("internal", None),
    ]


def test_after_a_reopening_the_stage_begins_anew() -> None:
    """It was resolved, now it is looked into again."""
    story = fixing()
    story.do("publish_update", "bob", audience="external", text="t", status="monitoring")
    story.do("resolve", "alice", summary="s")
    assert story.incident.updates[-1].status == "resolved"
    story.do("reopen", "alice", reason="r")
    story.do("publish_update", "bob", audience="external", text="t")
    assert story.incident.updates[-1].status == "investigating"


def test_after_resolution_only_the_inside_is_told_more() -> None:
    """An internal update, with no next one; the outside had its final message."""
    story = fixing()
    story.do("resolve", "alice", summary="s")
    refused = story.refusal("publish_update", "bob", audience="external", text="t")
    assert isinstance(refused, TransitionError)
    assert "publish_update {audience: internal}" in refused.allowed
    story.do("publish_update", "bob", audience="internal", text="t", next_update_minutes=30)
    assert story.incident.updates[-1].next_update_at is None
    story.wait(minutes(60))
    assert not story.of(f.UpdateDue)


@pytest.mark.parametrize("audience", ["internal", "external"])
def test_an_update_before_confirmation_is_taken(audience: str) -> None:
    """People may speak before they are sure; the first is the initial one, the next a follow-up."""
    story = fixing()
    story.do("publish_update", "bob", audience=audience, text="t")
    story.do("publish_update", "bob", audience=audience, text="t")
    assert [x.variant for x in story.of(f.UpdatePublished)] == ["initial", "follow_up"]
