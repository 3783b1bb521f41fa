"""What leaves by itself: for each fact exactly these effects, under keys that are stable and its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from domain import facts as f
from domain.aggregate import Fact
from domain.escalation import Position
from domain.incident import Incident
from domain.messages import Announcement, PageTarget, PageText, Purpose
from domain.reactions import follows
from domain.room_card import wanted
from domain.rooms import RoomState, RoomTrouble
from domain.updates import Audience, Stage, UpdateStatus
from tests.domain.story import Story
from tests.factories import HOUR, T0, a_policy_slice, an_incident, minutes

TEXT = PageText(subject="s", text="t")
ACK = f.Acknowledged(person="alice", first=True, takes_charge=True, after_seconds=1)


def fixing(*facts: Fact) -> Incident:
    """An incident that alice manages, with more facts on top."""
    incident = an_incident()
    incident.effects.clear()
    for fact in (ACK, *facts):
        incident.record(fact, T0)
    return incident


def paged(*facts: Fact) -> Incident:
    """An incident whose first step pages alice, over two contacts."""
    incident = an_incident()
    target = PageTarget(person="alice", channels=["sms", "email"])
    step = f.StepPaged(run="p1", round=1, step=1, text=TEXT, targets=[target])
    for fact in (step, *facts):
        incident.record(fact, T0)
    return incident


def with_room() -> Incident:
    """An incident with a room that shows everything."""
    incident = fixing(f.CommsOpened(room="r", chat="slack"))
    shown = wanted(incident, "closed").fingerprint()
    state = RoomState(chat="slack", name="r", ref="C1", made=1, shown=shown)
    incident.record(f.RoomKept(state=state), T0)
    return incident


def held() -> Incident:
    """An incident whose page waits for the end of another."""
    incident = an_incident()
    cause = {"cause": "database-1", "service": "database", "severity": "SEV1", "why": "w"}
    incident.record(f.HeldForCause(run="p1", **cause), T0)
    return incident


def published(audience: Audience, variant: str = "initial") -> f.UpdatePublished:
    return f.UpdatePublished(audience=audience, text="t", by="alice", variant=variant)


INTERNAL, EXTERNAL = published(Audience.INTERNAL), published(Audience.EXTERNAL)
RESOLVED = f.Resolved(summary="s", ended_at=T0, owes_postmortem=True)
OVER = f.UpdatePublished(
    audience=Audience.EXTERNAL, text="t", status=UpdateStatus.RESOLVED, by="tocsin", variant="final"
)
PROPOSED = f.UpdateProposed(
    update="u1", audience=Audience.EXTERNAL, audiences=["customers"], text="t", by="alice"
)
ROLE = {"role": "tech_lead", "title": "Tech lead"}
RELEASED: dict[str, Any] = {
    "message": "m1", "recipient": "audience:customers/0", "channel": "statuspage", "what": "w",
    "delivery": "k/audience:customers/0/statuspage", "kind": "publish_update",
    "announcement": Announcement(
        key="checkout-1/update/external/1", purpose=Purpose.EXTERNAL_UPDATE,
        template="external_update", recipients=["audience:customers"],
    ).model_dump(mode="json"),
}  # fmt: skip
HELD = f.MessageHeld(**RELEASED)

TABLE: list[tuple[str, Callable[[], Incident], Fact, list[str]]] = [
    ("raised", an_incident, f.Raised(summary="s", severity="SEV1", priority="P1", service="checkout",
                                     detected_by="staff"), []),
    ("step due", an_incident, f.StepDue(run="p1", place=Position(
        round=1, step=0, due_at=T0, round_started_at=T0)), ["resolve_page"]),
    ("step paged", an_incident, f.StepPaged(run="p1", round=1, step=1, text=TEXT, targets=[
        PageTarget(person="alice", channels=["sms", "email"]),
        PageTarget(person="bob", channels=["email"])]), ["send_page", "send_page"]),
    ("step skipped", an_incident, f.StepSkipped(run="p1", round=1, step=1, reason="r"), []),
    ("page held", an_incident, f.PageHeld(run="p1", until=T0, severity="SEV3"), []),
    ("page sent", an_incident, f.PageSent(run="p1", person="alice", channel="sms", deliveries=[]), []),
    ("page failed, another contact", an_incident, f.PageFailed(
        run="p1", person="alice", channel="sms", reason="r", will_retry=True, next_contact=1,
        step="s1", channels=["sms", "email"], text=TEXT, deliveries=[]), ["send_page"]),
    ("page failed, no other contact", an_incident, f.PageFailed(
        run="p1", person="alice", channel="sms", reason="r", will_retry=True, step="s1",
        channels=["sms"], text=TEXT, deliveries=[]), []),
    ("page failed, acknowledged meanwhile", lambda: fixing(f.Joined(person="x")), f.PageFailed(
        run="p1", person="alice", channel="sms", reason="r", will_retry=False, step="s1",
        channels=["sms"], text=TEXT, deliveries=[]), []),
    ("page failed, the vendor does not know us", an_incident, f.PageFailed(
        run="p1", person="alice", channel="sms", reason="unauthorised", will_retry=False, step="s1",
        channels=["sms", "email"], text=TEXT, next_contact=1, tells_operator=True, deliveries=[]),
     ["tell_operator", "send_page"]),
    ("page delivered", paged, f.PageDelivered(
        run="p1", person="alice", channel="sms", step="s1", deliveries=[]), []),
    ("page unconfirmed", paged, f.PageUnconfirmed(
        run="p1", person="alice", channel="sms", step="s1", key="k", next_contact=1), ["send_page"]),
    ("page unconfirmed, no other contact", paged, f.PageUnconfirmed(
        run="p1", person="alice", channel="sms", step="s1", key="k"), []),
    ("contact due", paged, f.ContactDue(
        run="p1", person="alice", channel="email", contact=1, step="s1", waited_seconds=120),
     ["send_page"]),
    ("contact due, acknowledged meanwhile", lambda: paged(ACK.model_copy(
        update={"ended_runs": ["p1"]})), f.ContactDue(
        run="p1", person="alice", channel="email", contact=1, step="s1", waited_seconds=120), []),
    ("paging failed", paged, f.PagingFailed(run="p1", since=T0, people=["alice"]), ["tell_operator"]),
    ("exhausted", an_incident, f.PolicyExhausted(run="p1", rounds=3), ["tell_operator"]),
    ("fault", an_incident, f.Faulted(what="w"), ["tell_operator"]),
    ("operator told", an_incident, f.OperatorTold(what="w"), []),
    ("first acknowledgement", an_incident, ACK, ["open_comms", "assess"]),
    ("first acknowledgement, others paged", an_incident,
     ACK.model_copy(update={"told": ["bob"]}), ["tell_paged", "open_comms", "assess"]),
    ("acknowledged again after it was taken back", fixing,
     ACK.model_copy(update={"again": True}), []),
    ("taken back", fixing, f.Unacknowledged(person="alice", reason="r"), []),
    ("sign of life asked", fixing, f.SignOfLifeAsked(person="alice", silent_seconds=60), ["remind"]),
    ("still working", fixing, f.StillWorking(person="alice"), []),
    ("later acknowledgement", fixing,
     f.Acknowledged(person="bob", first=False, after_seconds=1), []),
    ("comms opened", fixing, f.CommsOpened(room="r"), []),
    ("assessment asked", fixing, f.AssessmentAsked(questions=["q"], known={}), ["delegate"]),
    ("assessment asked, nobody in charge", an_incident,
     f.AssessmentAsked(questions=["q"], known={}), []),
    ("assessed", fixing, f.Assessed(answers={"symptoms": "s"}), []),
    ("confirmed", fixing, f.Confirmed(severity="SEV1"), ["compose_update", "compose_update"]),
    ("confirmed, told already", lambda: fixing(INTERNAL, EXTERNAL), f.Confirmed(severity="SEV1"), []),
    ("confirmed after resolution", lambda: fixing(RESOLVED), f.Confirmed(severity="SEV1"), []),
    ("confirmation due", fixing, f.ConfirmationDue(stage=Stage.OWNER), ["remind"]),
    ("severity changed", fixing, f.SeverityChanged(old="SEV1", new="SEV2", reason="r"), ["review_rank"]),
    ("severity of a resolved one owes a postmortem", fixing, f.SeverityChanged(
        old="SEV3", new="SEV2", reason="r", starts_postmortem=True), ["start_postmortem", "review_rank"]),
    ("priority changed", fixing, f.PriorityChanged(old="P1", new="P2", reason="r"), ["review_rank"]),
    ("priority before anybody was paged", an_incident, f.PriorityChanged(
        old="P1", new="P2", reason="r"), []),
    ("overloaded", fixing, f.Overloaded(
        person="alice", incidents=["a-1", "b-1", "c-1"], limit=2), ["remind"]),
    ("overloaded, nobody in charge", an_incident, f.Overloaded(
        person="alice", incidents=["a-1", "b-1", "c-1"], limit=2), []),
    ("page throttled", fixing, f.PageThrottled(
        run="p1", person="alice", channel="sms", until=T0), []),
    ("paged directly", fixing, f.PagedDirectly(
        run="p1", person="alice", channel="sms", why="no word"), []),
    ("escalated", fixing, f.Escalated(to="person:bob", reason="r", run="p2"), []),
    ("delegated", fixing, f.Delegated(**ROLE, to="bob"), ["delegate"]),
    ("accepted", fixing, f.RoleAccepted(**ROLE, person="bob"), []),
    ("declined", fixing, f.RoleDeclined(**ROLE, person="bob"), ["remind"]),
    ("unanswered", fixing, f.RoleUnanswered(**ROLE, person="bob"), ["remind"]),
    ("handed over", fixing, f.HandedOver(**ROLE, old="alice", to="bob", briefing="b"), ["delegate"]),
    ("joined", fixing, f.Joined(person="bob"), []),
    ("left", fixing, f.Left(person="bob"), []),
    ("shift", fixing, f.ShiftTooLong(person="alice", hours=3), ["remind"]),
    ("update published", fixing, published(Audience.INTERNAL, "follow_up"), ["publish_update"]),
    ("final update", lambda: fixing(RESOLVED), published(Audience.INTERNAL, "final"), ["send_final"]),
    ("update drafted", fixing, f.UpdateDrafted(audience=Audience.EXTERNAL, text="t"), ["remind"]),
    ("update due", fixing, f.UpdateDue(audience=Audience.EXTERNAL, stage=Stage.OWNER, due_at=T0),
     ["remind"]),
    ("message sent", fixing, f.MessageSent(purpose=Purpose.ROLE, what="w", deliveries=[]), []),
    ("message failed", fixing, f.MessageFailed(
        purpose=Purpose.ROLE, what="w", will_retry=False, deliveries=[]), []),
    ("update proposed", fixing, PROPOSED, ["remind"]),
    ("approval due", lambda: fixing(PROPOSED), f.ApprovalDue(
        update="u1", audience=Audience.EXTERNAL, by="alice"), ["remind"]),
    ("approval due, gone meanwhile", fixing, f.ApprovalDue(
        update="u1", audience=Audience.EXTERNAL, by="alice"), []),
    ("message held", fixing, HELD, ["remind"]),
    ("held message is out", lambda: fixing(HELD), f.MessageReleased(**RELEASED, verdict="it_is_out"), []),
    ("held message goes again", lambda: fixing(HELD), f.MessageReleased(**RELEASED, verdict="send_again"),
     ["publish_update"]),
    ("held message is dropped", lambda: fixing(HELD), f.MessageReleased(**RELEASED, verdict="drop"), []),
    ("update withdrawn", lambda: fixing(PROPOSED), f.UpdateWithdrawn(
        update="u1", audience=Audience.EXTERNAL), []),
    ("reopened, outside told that it is over", lambda: fixing(RESOLVED, OVER), f.Reopened(reason="r"),
     ["tell_desk_reopened", "compose_update"]),
    ("alert joined", fixing, f.AlertFolded(key="k", severity="SEV1", summary="s"), []),
    ("alert partly cleared", fixing, f.AlertPartlyCleared(key="k", remaining=1), []),
    ("alert cleared", fixing, f.AlertCleared(key="k"), ["remind"]),
    ("alert cleared, nobody in charge", an_incident, f.AlertCleared(key="k"), []),
    ("alerts folded", fixing, f.AlertsFolded(count=37, reason="same service"), []),
    ("raised apart", an_incident, f.RaisedApart(reason="checkout-3: 10 min window over"), []),
    ("alert acknowledged at its sender", an_incident, f.AlertAcknowledged(
        key="k", by="somebody", integration="pd"), []),
    ("change noted", an_incident, f.ChangeNoted(
        summary="s", changed_at=T0, integration="pd", before_seconds=60), []),
    ("paged while Tocsin was away", an_incident, f.PagedWhileAway(text="t"), []),
    ("alert unreadable", fixing, f.AlertUnreadable(note="n"), []),
    ("resolved", fixing, RESOLVED, ["settle", "compose_update", "start_postmortem"]),
    ("resolved, outside told", lambda: fixing(EXTERNAL), RESOLVED,
     ["settle", "compose_update", "compose_update", "start_postmortem"]),
    ("resolved, no postmortem due", fixing, RESOLVED.model_copy(update={"owes_postmortem": False}),
     ["settle", "compose_update"]),
    ("cancelled", fixing, f.Cancelled(reason="r"), ["settle"]),
    ("cancelled, both told", lambda: fixing(INTERNAL, EXTERNAL), f.Cancelled(reason="r"),
     ["settle", "compose_update", "compose_update"]),
    ("reopened", lambda: fixing(RESOLVED), f.Reopened(reason="r"), ["tell_desk_reopened"]),
    ("postmortem started", fixing, f.PostmortemStarted(owner="alice"), []),
    ("closed", lambda: fixing(RESOLVED), f.Closed(reason="r"), []),
    ("refused", fixing, f.CommandRefused(command="c", why="w"), []),
    ("policy applied", fixing, f.PolicyApplied(old="1", new="2", pinned=a_policy_slice()), []),
    ("names refreshed", fixing, f.NamesRefreshed(people=[], teams=[], schedules=[]), []),
    ("noted", fixing, f.Noted(text="t"), []),
    ("observed", fixing, f.Observed(text="t"), []),
    ("theory", fixing, f.TheoryAdded(theory="t1", text="t"), []),
    ("theory resolved", fixing, f.TheoryResolved(theory="t1", verdict="refuted"), []),
    ("experiment", fixing, f.ExperimentAdded(experiment="e1", text="t"), []),
    ("result", fixing, f.ResultRecorded(experiment="e1", text="t"), []),
    ("in maintenance", an_incident, f.InMaintenance(
        window="m1", reason="r", until=T0, run="p1"), []),
    ("maintenance ended", an_incident, f.MaintenanceEnded(window="m1", run="p1"), []),
    ("windows told", an_incident, f.WindowsTold(windows=[]), []),
    ("held for its likely cause", an_incident, f.HeldForCause(
        run="p1", cause="database-1", service="database", severity="SEV1", why="w"), ["tell_cause"]),
    ("cause to be checked", held, f.CauseCheckDue(run="p1"), ["check_cause"]),
    ("cause to be checked, nothing is held", an_incident, f.CauseCheckDue(run="p1"), []),
    ("cause still open", held, f.CauseStillOpen(severity="SEV1"), []),
    ("cause ended", held, f.CauseEnded(run="p1", cause="database-1", reason="r", pages=True), []),
    ("dependent held", an_incident, f.DependentCollected(incident="search-1", service="search"), []),
    ("dependent that was there first", an_incident, f.DependentCollected(
        incident="search-1", service="search", held=False), ["tell_dependents"]),
    ("resolved, others wait for it", lambda: fixing(f.DependentCollected(
        incident="search-1", service="search")), RESOLVED,
     ["settle", "tell_dependents", "compose_update", "start_postmortem"]),
    ("cancelled, others wait for it", lambda: fixing(f.DependentCollected(
        incident="search-1", service="search")), f.Cancelled(reason="r"),
     ["settle", "tell_dependents"]),
    ("storm ended", an_incident, f.StormEnded(), []),
    ("alert cleared, resolves", fixing, f.AlertCleared(key="k", resolves=True), []),
    ("linked", fixing, f.Linked(target="t", kind="ticket"), []),
    ("comms opened, room to be made", fixing, f.CommsOpened(room="r", chat="slack"), ["keep_room"]),
    ("note in a room that shows everything", with_room, f.Noted(text="t"), []),
    ("joined, room to be kept", with_room, f.Joined(person="bob"), ["keep_room"]),
    ("room opened", fixing, f.RoomOpened(room="r", ref="C1", chat="slack"), []),
    ("room kept", fixing, f.RoomKept(state=RoomState(chat="slack", name="r")), ["keep_room"]),
    ("room replaced", fixing, f.RoomReplaced(room="r-2", ref="C2", old="r"), []),
    ("room archived", fixing, f.RoomArchived(room="r"), []),
    ("room unarchived", fixing, f.RoomUnarchived(room="r"), []),
    ("not invited", fixing, f.NotInvited(people={"bob": "no contact"}), []),
    ("channel degraded", fixing, f.ChannelDegraded(
        channel="room", reason=RoomTrouble.ARCHIVED), ["tell_operator"]),
    ("channel restored", fixing, f.ChannelRestored(channel="room"), []),
]  # fmt: skip
"""Case, the incident before, the fact, and the kinds of the effects that follow: no other ones."""


def kinds_after(incident: Incident, fact: Fact) -> dict[str, Any]:
    incident.effects.clear()
    incident.record(fact, T0 + minutes(1), "alice", follows)
    return incident.effects


@pytest.mark.parametrize(
    ("before", "fact", "kinds"), [r[1:] for r in TABLE], ids=[r[0] for r in TABLE]
)
def test_what_follows_from_a_fact(
    before: Callable[[], Incident], fact: Fact, kinds: list[str]
) -> None:
    """Exactly these effects follow, and nothing else leaves."""
    assert [effect.kind for effect in kinds_after(before(), fact).values()] == kinds


def test_every_fact_has_a_row_here() -> None:
    """A new fact says in the table what follows from it, even if that is nothing."""
    classes = {c for _, c in inspect.getmembers(f, inspect.isclass) if issubclass(c, Fact)}
    assert {type(row[2]) for row in TABLE} == classes
    assert {c.__name__ for c in classes} == set(f.__all__)


@pytest.mark.parametrize(("before", "fact"), [r[1:3] for r in TABLE], ids=[r[0] for r in TABLE])
def test_keys_are_stable(before: Callable[[], Incident], fact: Fact) -> None:
    """A replay, a reset and a second worker ask for the same thing under the same name."""
    first, second = kinds_after(before(), fact), kinds_after(before(), fact)
    assert {k: e.input for k, e in first.items()} == {k: e.input for k, e in second.items()}
    assert all(key.startswith("checkout-1/") for key in first)


AGAIN = ["fault", "delegated", "declined", "handed over", "update published", "update drafted",
         "update due", "alert cleared", "shift", "unanswered", "assessment asked", "resolved",
         "reopened"]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "fact"),
    [r[1:3] for r in TABLE if r[0] in AGAIN],
    ids=[r[0] for r in TABLE if r[0] in AGAIN],
)
def test_what_happens_twice_has_two_keys(before: Callable[[], Incident], fact: Fact) -> None:
    """The second reminder is another message than the first, and is not taken for a repeat of it."""
    incident = before()
    first = set(kinds_after(incident, fact))
    assert first
    assert not first & set(kinds_after(incident, fact))


def to(incident: Incident, fact: Fact) -> list[list[str]]:
    """Recipients of each announcement that follows."""
    found = kinds_after(incident, fact).values()
    return [
        Announcement.model_validate(e.input).recipients for e in found if "recipients" in e.input
    ]


def test_a_page_names_everything_about_itself_in_its_key() -> None:
    """Run, round, step, person and contact: a page is sent once under its name."""
    incident = an_incident()
    fact = next(r[2] for r in TABLE if r[0] == "step paged")
    assert list(kinds_after(incident, fact)) == [
        "checkout-1/p1/r1/s1/alice/sms-0",
        "checkout-1/p1/r1/s1/bob/email-0",
    ]
    fact = next(r[2] for r in TABLE if r[0] == "page failed, another contact")
    assert list(kinds_after(incident, fact)) == ["checkout-1/p1/r1/s1/alice/email-1"]


def test_who_hears_what() -> None:
    """Each message goes to whom it concerns, and to nobody else."""
    assert to(fixing(), f.Delegated(**ROLE, to="bob")) == [["person:bob"]]
    assert to(fixing(), f.HandedOver(**ROLE, old="alice", to="bob", briefing="b")) == [
        ["person:bob"]
    ]
    assert to(fixing(), f.RoleDeclined(**ROLE, person="bob")) == [["person:alice"]]
    assert to(fixing(), f.RoleUnanswered(**ROLE, person="bob")) == [["person:bob", "person:alice"]]
    assert to(fixing(), f.RoleUnanswered(**ROLE, person="alice")) == [["person:alice"]]
    assert to(fixing(), f.ShiftTooLong(person="alice", hours=3)) == [["person:alice"]]
    assert to(fixing(), INTERNAL) == [["stakeholders"]]
    assert to(fixing(), EXTERNAL) == [["status_page"]]
    assert to(fixing(), f.AssessmentAsked(questions=[], known={})) == [["person:alice"]]
    assert to(an_incident(), f.Faulted(what="w")) == [["operator"]]


def test_a_reminder_with_nobody_to_remind_goes_to_the_catch_all() -> None:
    """The incident manager left after resolution: what is due is still heard by somebody."""
    incident = fixing(RESOLVED, f.Left(person="alice", roles=["incident_manager"]))
    assert to(incident, f.RoleDeclined(**ROLE, person="bob")) == [["catch_all"]]


def test_duties_come_with_the_role() -> None:
    """Who is offered or handed a role reads its written duties, who gave it, and the briefing."""
    effects = kinds_after(
        fixing(), f.HandedOver(**ROLE, old="alice", to="bob", briefing="all of it")
    )
    context = Announcement.model_validate(next(iter(effects.values())).input).context
    assert context["duties"] == a_policy_slice().roles["tech_lead"].duties
    assert (context["by"], context["briefing"], context["how"]) == (
        "alice",
        "all of it",
        "handed_over",
    )


# Communication, as a story.


def variants(story: Story) -> list[tuple[str, str]]:
    """(audience, variant) of each update that was published."""
    return [(x.audience.value, x.variant) for x in story.of(f.UpdatePublished)]


def confirmed(**policy: Any) -> Story:
    story = Story(policy=a_policy_slice(**policy))
    story.do("acknowledge", "alice")
    story.do("assess", "alice", confirmed=True)
    return story


def test_confirmation_sends_both_initial_messages_once() -> None:
    """Internal and external, and confirming again sends nothing."""
    story = confirmed()
    assert variants(story) == [("internal", "initial"), ("external", "initial")]
    assert story.do("assess", "alice", confirmed=True) == []
    story.wait(minutes(5))
    assert len(variants(story)) == 2
    assert story.incident.updates[1].status == "investigating"


def test_no_message_leaves_before_confirmation() -> None:
    """Acknowledged and assessed in pieces: stakeholders and customers hear nothing yet."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("assess", "alice", symptoms="errors")
    story.wait(HOUR)
    assert variants(story) == []


@pytest.mark.parametrize("policy", [{"external": "draft"}, {"external": "auto", "public": False}])
def test_where_a_person_decides_the_external_message_is_a_draft(policy: dict[str, Any]) -> None:
    """Nothing goes out by itself; its owner is reminded that it waits."""
    story = confirmed(**policy)
    assert variants(story) == [("internal", "initial")]
    assert len(story.of(f.UpdateDrafted)) == 1
    assert [to for _, to in story.reminders("draft")] == [["person:alice"]]
    story.do("publish_update", "alice", audience="external", text="We look into it")
    assert variants(story)[-1] == ("external", "initial")


def test_a_process_that_never_speaks_to_the_outside_does_not() -> None:
    """Security incidents: no draft, no message, and a person is refused too."""
    story = confirmed(kind="security")
    assert variants(story) == [("internal", "initial")]
    assert not story.of(f.UpdateDrafted)
    refused = story.refusal("publish_update", "alice", audience="external", text="t")
    assert "never speaks to the outside" in str(refused)


def test_what_a_person_published_first_is_not_published_again() -> None:
    """An update by hand before confirmation is the initial one; ours does not follow it."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("publish_update", "alice", audience="external", text="t")
    story.do("assess", "alice", confirmed=True)
    assert variants(story) == [("external", "initial"), ("internal", "initial")]


def test_resolution_says_that_it_is_over_where_something_was_said() -> None:
    """The final internal message always, the external one only after an external one, without the summary."""
    story = confirmed(external="draft")
    story.do("resolve", "alice", summary="root password leaked")
    assert variants(story)[1:] == [("internal", "final")]
    story = confirmed()
    story.do("resolve", "alice", summary="root password leaked")
    assert variants(story)[2:] == [("internal", "final"), ("external", "final")]
    final = [m for _, m in story.messages if m.purpose is Purpose.EXTERNAL_UPDATE][-1]
    assert "root password" not in final.model_dump_json()
    assert all(u.next_update_at is None for u in story.incident.updates[2:])


def test_a_cancelled_incident_tells_only_whom_it_told_before() -> None:
    """A false alarm that nobody heard of stays so."""
    story = Story()
    story.do("acknowledge", "alice")
    story.do("cancel", "alice", reason="false alarm")
    assert variants(story) == []
    story = confirmed()
    story.do("cancel", "alice", reason="duplicate")
    assert variants(story)[2:] == [("internal", "final"), ("external", "final")]


def test_a_second_resolution_says_so_once_more() -> None:
    """Resolved, reopened, resolved: two finals for each audience, and a postmortem that goes on."""
    story = confirmed()
    story.do("resolve", "alice", summary="s")
    story.do("reopen", "alice", reason="r")
    story.do("resolve", "alice", summary="s")
    assert variants(story).count(("external", "final")) == 2
    starts = [e for e in story.wanted.values() if e.kind == "start_postmortem"]
    assert len(starts) == 2
    assert len(story.of(f.PostmortemStarted)) == 1
