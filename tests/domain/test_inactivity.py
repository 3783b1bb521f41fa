"""An incident of which nobody has spoken for days: closed by itself, only where policy says so."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domain import facts as f
from domain.incident import Status
from domain.policy.model import Limits
from tests.domain.story import Story
from tests.domain.test_sender_words import from_alert
from tests.factories import DAY, HOUR, a_policy_slice, an_alert, minutes


def closing(**how: Any) -> Story:
    limits = Limits.model_validate({"close_inactive": "14d", "exhausted_every": "12h"})
    return from_alert(policy=a_policy_slice(limits=limits), **how)


def test_configured_inactivity_days_pass_and_the_stale_incident_closes_and_says_so() -> None:
    """To the minute after the last alert or command; pages end with it, and it is on the timeline."""
    story = closing()
    story.wait(3 * DAY)
    story.alert(an_alert(at=story.now))
    story.wait(DAY)
    story.do("note", "carol", text="seen")
    story.wait(14 * DAY - minutes(1))
    assert story.incident.status is Status.RAISED
    story.wait(minutes(1))
    assert story.incident.status is Status.CLOSED
    said = "nothing has happened for 14 d, and the policy closes what is inactive"
    assert story.of(f.Resolved)[0].sentence() == f"Resolved: By itself: {said}"
    assert story.of(f.Closed)[0].sentence() == f"Closed: {said}"
    mark = len(story.pages)
    story.wait(3 * DAY)
    assert len(story.pages) == mark
    assert not story.incident.owes_postmortem


def test_nothing_goes_stale_where_the_policy_does_not_say_so() -> None:
    """An incident that nobody takes stays open and loud."""
    story = from_alert()
    story.wait(9 * DAY)
    assert story.incident.status is Status.RAISED
    assert story.paged(9 * DAY - HOUR) != []


def test_a_stale_incident_with_a_postmortem_closes_with_it() -> None:
    """Reopened and forgotten: it is resolved, and the postmortem that runs ends it."""
    story = closing()
    story.do("acknowledge", "alice")
    story.do("resolve", "alice", summary="gone")
    story.do("reopen", "alice", reason="it is back")
    story.wait(14 * DAY)
    assert story.incident.status is Status.RESOLVED
    assert story.incident.owes_postmortem


def test_closing_by_itself_is_a_matter_of_days() -> None:
    """A policy that would silence an unanswered page within hours is refused."""
    with pytest.raises(ValidationError, match="at least 1d"):
        Limits.model_validate({"close_inactive": "23h"})
    assert Limits.model_validate({"close_inactive": "1d"}).close_inactive == DAY
