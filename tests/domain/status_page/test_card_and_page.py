"""The card inside and the page outside: whatever happens, they never say two things of one incident."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.incident import Status
from domain.policy.slice import slice_for
from domain.status_page.incidents import public_incident
from domain.status_page.states import impact_of
from domain.updates import UpdateStatus
from tests.domain.story import Story
from tests.domain.test_random_walk import STEPS, take
from tests.factories import a_policy

OVER = (Status.CLOSED, Status.CANCELLED)
STAYS_OFF = {"processes": {"default": {"channels": ["room"]}}}
READ_FIRST = {
    "audiences": {"customers": {"hears": "external", "places": ["status_page"], "approval": True}}
}
AUTOMATIC = {"processes": {"default": {"external": "auto"}}}


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, how=st.sampled_from([{}, STAYS_OFF, READ_FIRST, AUTOMATIC]))
def test_they_say_the_same(steps: list[tuple[Any, ...]], how: dict[str, Any]) -> None:
    """Reopened, cancelled, of another severity, approved late: status and badness agree.

    What is over ends on the page, also without a last word; where the card names no public status there is
    nothing on the page.
    """
    policy = a_policy(**how)
    story = Story(policy=slice_for(policy, "checkout"))
    story.do("acknowledge", "alice")
    for step in [("do", "publish_update", "alice", {"audience": "external", "text": "t"}), *steps]:
        take(story, step)
        incident = story.incident
        page = public_incident(policy, incident.view())
        if page is None:
            assert incident.public_status is None
            continue
        over = incident.status in OVER
        assert page.status is (UpdateStatus.RESOLVED if over else incident.public_status)
        assert page.is_open is (not over and incident.public_status is not UpdateStatus.RESOLVED)
        assert page.impact is impact_of(policy, incident.severity)
