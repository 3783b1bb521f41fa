"""Assessing, and judging severity and priority anew."""

from __future__ import annotations

import pytest

from domain import facts as f
from domain.incident import Status
from domain.policy.model import PageWhen
from tests.domain.story import Story
from tests.factories import T0, a_policy_slice, an_alert, minutes


def fixing(severity: str = "SEV2") -> Story:
    """An incident that alice manages."""
    story = Story(severity=severity)
    story.do("acknowledge", "alice")
    return story


def test_answers_come_in_pieces_and_are_revised() -> None:
    """Each piece adds to what is known; a later answer replaces, factors add up, the rest stays unknown."""
    story = fixing()
    story.do("assess", "alice", symptoms="errors", factors=["security"])
    story.do(
        "assess", "bob", symptoms="timeouts", affected="some", factors=["data_loss", "security"]
    )
    assert story.incident.view()["assessment"] == {
        "symptoms": "timeouts",
        "affected": "some",
        "factors": ["security", "data_loss"],
    }
    assert len(story.incident.view()["open_questions"]) == 3


def test_an_empty_assessment_is_no_fact() -> None:
    """Nothing said, nothing on the timeline."""
    assert fixing().do("assess", "alice") == []
    assert fixing().do("assess", "alice", confirmed=False) == []


def test_only_what_was_said_now_stands_in_the_fact() -> None:
    """The timeline tells who answered what, not the whole assessment each time."""
    story = fixing()
    story.do("assess", "alice", symptoms="errors")
    story.do("assess", "bob", affected_count=0)
    assert [x.answers for x in story.of(f.Assessed)] == [
        {"symptoms": "errors"},
        {"affected_count": 0},
    ]


def test_the_start_of_the_impact_is_taken_over() -> None:
    """When it started is a field of the incident, revised as often as people learn more."""
    story = fixing()
    story.do("assess", "alice", started_at="2026-03-02T09:30:00")
    assert story.incident.impact_started_at == T0 - minutes(30)
    story.do("assess", "alice", started_at="2026-03-02T10:15:00+01:00")
    assert story.incident.impact_started_at == T0 - minutes(45)


def test_one_assessment_may_say_everything() -> None:
    """Answers, severity, priority and confirmation in one, in this order."""
    story = fixing()
    facts = story.do(
        "assess", "alice", symptoms="errors", severity="SEV1", priority="P3", confirmed=True
    )
    assert [x.name for x in facts] == [
        "assessed",
        "severity_changed",
        "priority_changed",
        "confirmed",
    ]
    assert facts[-1].severity == "SEV1"
    assert (story.incident.severity, story.incident.priority) == ("SEV1", "P3")


def test_a_priority_that_was_named_counts_though_the_severity_would_change_it() -> None:
    """P2 is asked for together with SEV1, which by itself would be P1: P2 it is."""
    story = fixing()
    assert story.incident.priority == "P2"
    story.do("assess", "alice", severity="SEV1", priority="P2")
    assert story.incident.priority == "P2"
    story.do("set_severity", "alice", severity="SEV3", reason="r")
    assert story.incident.priority == "P2"


def test_the_priority_goes_along_with_the_severity_until_a_person_chooses() -> None:
    """By default the priority follows; one that a person set stays."""
    story = fixing()
    story.do("set_severity", "alice", severity="SEV1", reason="r")
    assert story.incident.priority == "P1"
    story.do("set_priority", "alice", priority="P5", reason="r")
    story.do("set_severity", "alice", severity="SEV3", reason="r")
    assert story.incident.priority == "P5"


@pytest.mark.parametrize(
    ("command", "body"),
    [("set_severity", {"severity": "SEV2"}), ("set_priority", {"priority": "P2"})],
)
def test_what_is_so_already_is_no_fact(command: str, body: dict[str, str]) -> None:
    """Setting the value that stands is answered and pages nobody."""
    assert fixing().do(command, "alice", reason="r", **body) == []


@pytest.mark.parametrize(
    ("old", "new", "pages"),
    [
        ("SEV3", "SEV2", True),
        ("SEV3", "SEV1", True),
        ("SEV2", "SEV1", False),
        ("SEV1", "SEV2", False),
        ("SEV1", "SEV3", False),
    ],
)
@pytest.mark.parametrize("is_acknowledged", [True, False])
def test_becoming_major_pages_and_nothing_else_does(
    old: str, new: str, pages: bool, is_acknowledged: bool
) -> None:
    """A page at once when it becomes major, whether or not somebody works on it; otherwise none."""
    story = Story(severity=old)
    if is_acknowledged:
        story.do("acknowledge", "dana")
    story.wait(minutes(1))
    story.do("set_severity", "dana", severity=new, reason="r")
    assert story.paged(minutes(1)) == (["alice"] if pages else [])
    assert story.incident.status is (Status.FIXING if is_acknowledged else Status.RAISED)
    assert len(story.incident.active_pages()) == (1 if pages or not is_acknowledged else 0)


def test_a_severity_that_never_pages_pages_nobody_though_it_is_major() -> None:
    """The policy says never, and means it."""
    levels = a_policy_slice().severities
    quiet = levels["SEV1"].model_copy(update={"page": PageWhen.NEVER})
    story = Story(severity="SEV3", policy=a_policy_slice(severities=levels | {"SEV1": quiet}))
    story.do("acknowledge", "alice")
    story.do("set_severity", "alice", severity="SEV1", reason="r")
    assert story.paged() == ["alice"]


def test_an_escalation_goes_on_when_the_severity_changes() -> None:
    """The expert who was called in is still called."""
    story = fixing("SEV3")
    story.do("escalate", "alice", to="person:bob", reason="r")
    story.do("set_severity", "alice", severity="SEV1", reason="r")
    assert {run.cause.value for run in story.incident.active_pages()} == {"escalated", "severity"}


def test_a_resolved_incident_whose_severity_rises_owes_a_postmortem() -> None:
    """It turns out afterwards that it was major: the postmortem is started, and nobody is paged."""
    story = fixing("SEV3")
    story.do("resolve", "alice", summary="s")
    story.wait(minutes(1))
    story.do("assess", "alice", severity="SEV1")
    assert story.incident.owes_postmortem
    assert len(story.of(f.PostmortemStarted)) == 1
    assert story.paged(minutes(1)) == []
    story.do("assess", "alice", severity="SEV2")
    assert len([e for e in story.wanted.values() if e.kind == "start_postmortem"]) == 1


def test_a_milder_severity_afterwards_does_not_take_the_postmortem_back() -> None:
    """It runs already."""
    story = fixing("SEV1")
    story.do("resolve", "alice", summary="s")
    story.do("assess", "alice", severity="SEV3")
    story.wait(minutes(60 * 48))
    assert story.incident.status is Status.RESOLVED


def test_confirming_after_resolution_sends_nothing() -> None:
    """It is over: the initial messages make no sense any more."""
    story = fixing()
    story.do("resolve", "alice", summary="s")
    count = len(story.of(f.UpdatePublished))
    story.do("assess", "alice", confirmed=True)
    assert story.incident.confirmed_at is not None
    assert len(story.of(f.UpdatePublished)) == count


def test_a_repeated_alert_does_not_overrule_a_person() -> None:
    """Somebody judged it SEV3; the same alert once more does not page the world again."""
    story = fixing("SEV3")
    story.alert(an_alert(severity="SEV1"))
    assert story.incident.severity == "SEV1"
    story.do("set_severity", "alice", severity="SEV3", reason="a test system")
    story.alert(an_alert(severity="SEV1"))
    assert story.incident.severity == "SEV3"
    story.alert(an_alert(key="disk", severity="SEV2"))
    assert story.incident.severity == "SEV2"
