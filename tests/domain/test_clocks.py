"""What the process does by itself when time has passed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain import facts as f
from domain.clocks import INCIDENT_CLOCKS, Clock
from domain.incident import Status
from domain.policy.model import Cadence, Limits
from tests.domain.story import Story
from tests.factories import DAY, HOUR, T0, a_policy, a_policy_slice, minutes


def acknowledged(**how: object) -> Story:
    """An incident that alice took at once."""
    story = Story(**how)  # type: ignore[arg-type]
    story.do("acknowledge", "alice")
    return story


def confirmed(**how: object) -> Story:
    """An incident that alice took and confirmed at once; both initial messages are out."""
    story = acknowledged(**how)
    story.do("assess", "alice", confirmed=True)
    return story


def test_every_clock_of_the_module_is_registered() -> None:
    """A clock that is not in INCIDENT_CLOCKS never strikes: add it there."""
    modules = ("domain.clocks", "domain.paging_clocks", "domain.inactivity")
    ours = {clock for clock in Clock.__subclasses__() if clock.__module__ in modules}
    assert {type(clock) for clock in INCIDENT_CLOCKS} == ours


def test_every_clock_says_what_the_operator_reads_beside_the_timer() -> None:
    """No timer without words."""
    story = confirmed()
    story.do("delegate", "alice", role="tech_lead", to="bob")
    story.do("escalate", "alice", to="person:dana", reason="r")
    assert {d.summary for d in story.deadlines()} == {
        "Page step 1, round 2",
        "Internal update due: remind the owner",
        "Role tech_lead: answer of bob due",
        "Shift of alice: suggest a handover",
    }


# Confirmation.


def test_who_does_not_confirm_is_reminded_and_then_the_deputy() -> None:
    """15 minutes after the acknowledgement the incident manager, after 30 whoever would be paged next."""
    story = acknowledged()
    story.wait(3 * HOUR)
    assert story.reminders("confirm") == [
        (minutes(15), ["person:alice"]),
        (minutes(30), ["next_step"]),
    ]


def test_the_deputy_is_the_second_accepted_holder() -> None:
    """With a second incident manager the reminder goes there, not to the escalation policy."""
    story = acknowledged()
    story.do("delegate", "alice", role="incident_manager", to="dana")
    story.do("accept_role", "dana", role="incident_manager")
    story.wait(minutes(30))
    assert story.reminders("confirm")[-1] == (minutes(30), ["person:dana"])


@pytest.mark.parametrize("stop", ["confirm", "resolve", "cancel"])
def test_confirmation_reminders_stop(stop: str) -> None:
    """Confirmed or over: nobody is reminded to confirm."""
    story = acknowledged()
    story.wait(minutes(14))
    match stop:
        case "confirm":
            story.do("assess", "alice", confirmed=True)
        case "resolve":
            story.do("resolve", "alice", summary="s")
        case _:
            story.do("cancel", "alice", reason="r")
    story.wait(HOUR)
    assert story.reminders("confirm") == []


def test_nobody_is_reminded_to_confirm_what_nobody_has_taken() -> None:
    """While it is raised there is nobody to remind: the pages climb."""
    story = Story()
    story.wait(HOUR)
    assert story.reminders("confirm") == []


def test_after_an_outage_one_confirmation_reminder_goes() -> None:
    """Both reminders were overtaken: one goes, to the deputy."""
    story = acknowledged()
    story.outage(HOUR)
    assert story.reminders("confirm") == [(HOUR, ["next_step"])]
    story.wait(DAY)
    assert len(story.reminders("confirm")) == 1


# Communication.


def update_reminders(story: Story, audience: str) -> list[tuple[float, list[str]]]:
    return [
        ((at - T0) / minutes(1), m.recipients)
        for at, m in story.messages
        if m.context.get("topic") == "update_due" and m.context.get("audience") == audience
    ]


def test_a_due_update_climbs_to_the_incident_manager_and_goes_on() -> None:
    """Owner at 20, deputy at 30, incident manager at 40, and every 20 minutes from then on."""
    story = confirmed()
    story.do("delegate", "alice", role="communications_manager", to="bob")
    story.do("accept_role", "bob", role="communications_manager")
    story.do("delegate", "alice", role="communications_manager", to="dana")
    story.do("accept_role", "dana", role="communications_manager")
    story.wait(minutes(80))
    assert update_reminders(story, "internal") == [
        (20, ["person:bob"]),
        (30, ["person:dana"]),
        (40, ["person:alice"]),
        (60, ["person:alice"]),
        (80, ["person:alice"]),
    ]
    assert update_reminders(story, "external") == update_reminders(story, "internal")
    assert len(story.incident.updates) == 2, "it never posts filler by itself"


def test_without_a_deputy_of_another_role_the_incident_manager_hears() -> None:
    """One communications manager: at 1.5 times the interval the incident manager is reminded."""
    story = confirmed()
    story.do("delegate", "alice", role="communications_manager", to="bob")
    story.do("accept_role", "bob", role="communications_manager")
    story.wait(minutes(30))
    assert update_reminders(story, "internal") == [(20, ["person:bob"]), (30, ["person:alice"])]


def test_without_a_communications_manager_the_incident_manager_owns_the_updates() -> None:
    """An offer that nobody has accepted owns nothing."""
    story = confirmed()
    story.do("delegate", "alice", role="communications_manager", to="bob")
    story.wait(minutes(30))
    assert update_reminders(story, "internal") == [(20, ["person:alice"]), (30, ["next_step"])]


def test_an_update_begins_the_interval_anew() -> None:
    """Published at 19: nothing at 20, due at 39."""
    story = confirmed()
    story.wait(minutes(19))
    story.do("publish_update", "alice", audience="internal", text="t")
    story.wait(minutes(19))
    assert update_reminders(story, "internal") == []
    assert story.incident.view()["next_update_due"]["internal"] == "2026-03-02T10:39:00Z"


def test_a_person_may_promise_another_time() -> None:
    """`next_update_minutes` counts instead of the cadence, for that audience only."""
    story = confirmed()
    story.do("publish_update", "alice", audience="external", text="t", next_update_minutes=90)
    story.wait(minutes(89))
    assert update_reminders(story, "external") == []
    assert update_reminders(story, "internal")[0] == (20, ["person:alice"])
    story.wait(minutes(1))
    assert update_reminders(story, "external") == [(90, ["person:alice"])]


def test_the_first_update_is_owed_soon_after_confirmation() -> None:
    """Drafted and not published: five minutes later its owner is reminded."""
    story = confirmed(policy=a_policy_slice(external="draft"))
    story.wait(minutes(5))
    assert update_reminders(story, "external") == [(5, ["person:alice"])]
    assert update_reminders(story, "internal") == []


def test_a_process_that_never_speaks_to_the_outside_owes_it_nothing() -> None:
    """No external clock, no reminder, no external message."""
    story = confirmed(policy=a_policy_slice(kind="security"))
    story.wait(HOUR)
    assert update_reminders(story, "external") == []
    assert story.incident.view()["next_update_due"]["external"] is None


def test_a_severity_without_cadence_owes_nothing() -> None:
    """SEV3 has no rhythm of updates."""
    story = confirmed(severity="SEV3")
    story.wait(DAY)
    assert not story.of(f.UpdateDue)


def test_nothing_is_owed_before_confirmation() -> None:
    """Until it is known to be real, nobody owes anybody an update."""
    story = acknowledged()
    story.wait(HOUR)
    assert not story.of(f.UpdateDue)


def test_a_worse_severity_makes_the_next_update_due_sooner() -> None:
    """Promised in 30 minutes as SEV2; SEV1 after 15: due at 20."""
    story = confirmed(severity="SEV2")
    story.wait(minutes(15))
    story.do("set_severity", "alice", severity="SEV1", reason="r")
    story.wait(minutes(5))
    assert update_reminders(story, "internal") == [(20, ["person:alice"])]


def test_a_worse_severity_whose_time_has_passed_reminds_the_owner_now() -> None:
    """SEV1 at minute 25: the update was due at 20 by the new cadence, so its owner hears at once."""
    story = confirmed(severity="SEV2")
    story.wait(minutes(25))
    story.do("set_severity", "alice", severity="SEV1", reason="r")
    assert update_reminders(story, "internal") == [(25, ["person:alice"])]


def test_a_milder_severity_takes_no_promise_back() -> None:
    """The audience was told 20 minutes; SEV2 would allow 30, and SEV3 none at all."""
    for severity in ("SEV2", "SEV3"):
        story = confirmed()
        story.do("set_severity", "alice", severity=severity, reason="r")
        story.wait(minutes(20))
        assert update_reminders(story, "internal") == [(20, ["person:alice"])]


def test_a_milder_severity_does_not_hurry_a_persons_own_promise() -> None:
    """Somebody promised two hours; getting milder does not make it 30 minutes."""
    story = confirmed()
    story.do("publish_update", "alice", audience="internal", text="t", next_update_minutes=120)
    story.do("set_severity", "alice", severity="SEV2", reason="r")
    story.wait(minutes(119))
    assert update_reminders(story, "internal") == []


def test_a_severity_that_begins_a_cadence_begins_it_now() -> None:
    """Two hours as SEV3 owed nothing: nothing is overdue the moment it becomes SEV1."""
    story = confirmed(severity="SEV3")
    story.wait(2 * HOUR)
    story.do("set_severity", "alice", severity="SEV1", reason="r")
    assert not story.of(f.UpdateDue)
    story.wait(minutes(20))
    assert update_reminders(story, "internal") == [(140, ["person:alice"])]


def test_the_clocks_stop_at_resolution_and_begin_again_when_it_is_reopened() -> None:
    """Told that it is over, then it is not: an update is owed one interval after, not since before."""
    story = confirmed()
    story.wait(minutes(10))
    story.do("resolve", "alice", summary="s")
    assert story.incident.view()["next_update_due"] == {"internal": None, "external": None}
    story.wait(5 * HOUR)
    assert not story.of(f.UpdateDue)
    story.do("reopen", "alice", reason="r")
    story.wait(minutes(19))
    assert not story.of(f.UpdateDue)
    story.wait(minutes(1))
    assert len(story.of(f.UpdateDue)) == 2


def test_after_an_outage_one_reminder_per_audience_goes() -> None:
    """Eight reminders were overtaken: one goes, to the incident manager."""
    story = confirmed()
    facts = [x for x in story.outage(3 * HOUR) if isinstance(x, f.UpdateDue)]
    assert [(x.audience, x.overtaken) for x in facts] == [("internal", 9), ("external", 9)]


def test_a_tiny_first_update_does_not_spin() -> None:
    """A policy that owes the first update after a millisecond reminds and goes on."""
    levels = a_policy_slice().severities
    tiny = levels["SEV1"].model_copy(
        update={
            "first_update": timedelta(milliseconds=1),
            "update_every": Cadence(external=timedelta(seconds=1)),
        }
    )
    story = confirmed(policy=a_policy_slice(severities={"SEV1": tiny}, external="draft"))
    story.outage(30 * DAY)
    assert len(story.of(f.UpdateDue)) <= 2


# Roles, shifts, closing.


def test_an_unanswered_offer_goes_back_to_the_incident_manager_once() -> None:
    """Ten minutes without an answer: both hear, once."""
    story = acknowledged()
    story.do("delegate", "alice", role="tech_lead", to="bob")
    story.wait(2 * HOUR)
    assert story.reminders("role_unanswered") == [(minutes(10), ["person:bob", "person:alice"])]


@pytest.mark.parametrize("answer", ["accept_role", "decline_role"])
def test_an_answered_offer_is_not_reminded(answer: str) -> None:
    """Accepted or declined: settled."""
    story = acknowledged()
    story.do("delegate", "alice", role="tech_lead", to="bob")
    story.do(answer, "bob", role="tech_lead")
    story.wait(HOUR)
    assert story.reminders("role_unanswered") == []


def test_an_offer_made_again_waits_again() -> None:
    """Offered once more: ten more minutes."""
    story = acknowledged()
    story.do("delegate", "alice", role="tech_lead", to="bob")
    story.wait(minutes(15))
    story.do("delegate", "alice", role="tech_lead", to="bob")
    story.wait(minutes(15))
    assert [at for at, _ in story.reminders("role_unanswered")] == [minutes(10), minutes(25)]


def test_an_offer_of_a_role_that_left_the_policy_does_not_spin() -> None:
    """The role is gone when the answer is due: the reminder goes all the same, once."""
    story = acknowledged()
    story.do("delegate", "alice", role="tech_lead", to="bob")
    story.incident.policy.roles.pop("tech_lead")
    story.wait(HOUR)
    assert len(story.of(f.RoleUnanswered)) == 1


def test_a_long_shift_is_said_again_and_again() -> None:
    """After three hours in the chair the incident manager is asked to hand over, and every three hours."""
    story = acknowledged()
    story.do("assess", "alice", confirmed=True)
    story.wait(7 * HOUR)
    assert [x.hours for x in story.of(f.ShiftTooLong)] == [3, 6]


def test_a_handover_begins_a_new_shift() -> None:
    """Fresh eyes get three hours of their own."""
    story = acknowledged()
    story.wait(2 * HOUR)
    story.do("hand_over", "alice", role="incident_manager", to="bob", briefing="b")
    story.wait(2 * HOUR)
    assert not story.of(f.ShiftTooLong)
    story.wait(HOUR)
    assert [(x.person, x.hours) for x in story.of(f.ShiftTooLong)] == [("bob", 3)]


def test_a_deputy_who_gets_the_chair_begins_a_shift() -> None:
    """The incident manager leaves; the deputy's time in the chair begins then."""
    story = acknowledged()
    story.do("delegate", "alice", role="incident_manager", to="bob")
    story.do("accept_role", "bob", role="incident_manager")
    story.wait(2 * HOUR)
    story.do("leave", "alice")
    assert story.incident.incident_manager == "bob"
    story.wait(2 * HOUR)
    assert not story.of(f.ShiftTooLong)


def test_shifts_may_be_switched_off() -> None:
    """`shift: 0s` is no shift at all, and no spin."""
    limits = Limits(shift=timedelta(0))
    story = acknowledged(policy=a_policy_slice(limits=limits))
    story.wait(DAY)
    assert not story.of(f.ShiftTooLong)


def test_what_owes_no_postmortem_closes_when_it_can_no_longer_be_reopened() -> None:
    """A SEV3 closes 24 hours after its resolution, and takes nothing more."""
    story = acknowledged(severity="SEV3")
    story.do("resolve", "alice", summary="s")
    story.wait(DAY - timedelta(seconds=1))
    assert story.incident.status is Status.RESOLVED
    story.wait(timedelta(seconds=1))
    assert story.incident.status is Status.CLOSED
    assert story.incident.closed_at == T0 + DAY
    assert story.deadlines() == []


def test_what_owes_a_postmortem_waits_for_it() -> None:
    """A SEV1 stays resolved, and may be reopened, for weeks if need be."""
    story = acknowledged()
    story.do("resolve", "alice", summary="s")
    story.wait(60 * DAY)
    assert story.incident.status is Status.RESOLVED
    assert story.refusal("reopen", reason="r") is None


def test_the_time_to_reopen_is_policy() -> None:
    """`limits.reopen_window` counts from the resolution."""
    policy = a_policy_slice(policy=a_policy(limits={"reopen_window": "1h"}))
    story = acknowledged(severity="SEV3", policy=policy)
    story.do("resolve", "alice", summary="s")
    story.wait(HOUR)
    assert story.incident.status is Status.CLOSED


def test_the_window_begins_anew_after_a_reopening() -> None:
    """Resolved, reopened, resolved: the second resolution counts."""
    story = acknowledged(severity="SEV3")
    story.do("resolve", "alice", summary="s")
    story.wait(23 * HOUR)
    story.do("reopen", "alice", reason="r")
    story.do("resolve", "alice", summary="s")
    story.wait(23 * HOUR)
    assert story.incident.status is Status.RESOLVED
