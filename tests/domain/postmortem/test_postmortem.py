"""The postmortem: due date, owner, document, review, approval, actions, reminders, closing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.aggregate import Effect, Fact
from domain.errors import CommandError, TransitionError, UnknownNameError
from domain.facts import Faulted
from domain.messages import Announcement
from domain.postmortem import document as d
from domain.postmortem.commands import (
    POSTMORTEM_COMMANDS,
    check_postmortem,
    parse_postmortem_command,
)
from domain.postmortem.document import FIELDS, Postmortem, PostmortemStatus
from domain.postmortem.process import POSTMORTEM_CLOCKS, begin, postmortem_follows
from tests.factories import DAY, T0, a_policy_slice, an_incident, minutes


class Review:
    """A postmortem played out without Temporal."""

    def __init__(self, *, severity: str = "SEV1", owner: str = "alice", at: datetime = T0) -> None:
        view = an_incident(severity=severity).view() | {"resolved_at": "2026-03-02T10:00:00Z"}
        self.now, self.facts, self.effects = at, [], []
        self.keys: set[str] = set()
        self.postmortem, first = begin(view, owner, a_policy_slice(), at)
        self.record(*first)

    def record(self, *facts: Fact, actor: str = "tocsin") -> None:
        for fact in facts:
            self.postmortem.record(fact, self.now, actor, postmortem_follows)
            self.facts.append(fact)
            for effect in list(self.postmortem.effects.values()):
                assert effect.key not in self.keys, f"{effect.key} is wanted twice"
                self.keys.add(effect.key)
                self.effects.append(effect)
                self.postmortem.settle(effect.key)

    def do(self, name: str, actor: str = "operator", **body: Any) -> list[Fact]:
        command, who = parse_postmortem_command(name, {"actor": actor, **body})
        check_postmortem(command, self.postmortem, who)
        facts = command.decide(self.postmortem, who, self.now)
        self.record(*facts, actor=who)
        return facts

    def wait(self, length: timedelta) -> list[Fact]:
        """Time goes on with every clock; the facts of that time."""
        mark, until = len(self.facts), self.now + length
        for _ in range(500):
            due = [(x.at, c) for c in POSTMORTEM_CLOCKS if (x := c.deadline(self.postmortem))]
            at, clock = min(due, key=lambda item: item[0], default=(until + DAY, None))
            if clock is None or at > until:
                self.now = until
                return self.facts[mark:]
            self.now = max(at, self.now)
            self.record(*clock.strike(self.postmortem, self.now))
        raise AssertionError("a clock of the postmortem spins")

    def told(self) -> list[tuple[str, list[str]]]:
        """(topic, recipients) of each message."""
        found = [
            Announcement.model_validate(e.input) for e in self.effects if "recipients" in e.input
        ]
        return [(a.context.get("topic", ""), a.recipients) for a in found]

    def kinds(self) -> list[str]:
        return [effect.kind for effect in self.effects]


def approved(**how: Any) -> Review:
    review = Review(**how)
    review.do("submit", "alice")
    review.do("approve", "bob")
    return review


def test_the_owner_is_told_at_once_and_a_draft_is_written() -> None:
    """The postmortem begins with a due date, a message to its owner and a first draft; nothing else."""
    review = Review()
    assert review.told() == [("started", ["person:alice"])]
    assert review.kinds() == ["draft_postmortem", "tell_owner"]
    assert review.postmortem.status is PostmortemStatus.DRAFT


@pytest.mark.parametrize(
    ("severity", "due"), [("SEV1", 3 * DAY), ("SEV2", 5 * DAY), ("SEV3", None)]
)
def test_the_due_date_follows_the_severity(severity: str, due: timedelta | None) -> None:
    """Counted from the resolution, not from when the postmortem began."""
    review = Review(severity=severity, at=T0 + DAY)
    assert review.postmortem.due_at == (T0 + due if due else None)


def test_an_owner_who_is_not_in_the_policy_is_the_catch_alls_matter() -> None:
    """Resolved by the operator with nobody in charge: somebody hears of it all the same."""
    assert Review(owner="operator").told() == [("started", ["catch_all"])]


STATES: dict[str, set[str]] = {
    "draft": {"edit", "submit", "add_action", "complete_action"},
    "in_review": {"edit", "approve", "add_action", "complete_action"},
    "approved": {"edit", "add_action", "complete_action", "close"},
    "closed": {"close"},
}
BODIES: dict[str, dict[str, Any]] = {
    "edit": {"fields": {"summary": "s"}},
    "submit": {},
    "approve": {},
    "add_action": {"text": "t"},
    "complete_action": {"action": "a1"},
    "close": {},
}


def in_state(state: str) -> Review:
    """A postmortem in a state, with one action that is done."""
    review = Review()
    review.do("add_action", "alice", text="t")
    review.do("complete_action", "alice", action="a1")
    for name in {"draft": [], "in_review": ["submit"], "approved": ["submit", "approve"],
                 "closed": ["submit", "approve", "close"]}[state]:  # fmt: skip
        review.do(name)
    assert review.postmortem.status == state
    return review


def test_every_command_has_a_row_here() -> None:
    """A command without a body here is tested by nobody."""
    assert set(BODIES) == set(POSTMORTEM_COMMANDS)


@pytest.mark.parametrize("state", sorted(STATES))
@pytest.mark.parametrize("name", sorted(BODIES))
def test_the_state_decides_what_is_possible(name: str, state: str) -> None:
    """draft, in_review, approved, closed: each takes its commands, and a refusal names them."""
    review = in_state(state)
    if name in STATES[state]:
        review.do(name, **BODIES[name])
        return
    with pytest.raises(TransitionError) as caught:
        review.do(name, **BODIES[name])
    assert set(caught.value.allowed) == STATES[state]
    assert state in str(caught.value)


@pytest.mark.parametrize(
    ("name", "body", "where"),
    [
        ("edit", {"fields": {"sumary": "s"}}, "/fields"),
        ("edit", {"fields": {"summary": ""}}, "/fields/summary"),
        ("edit", {"ownr": "bob"}, "/ownr"),
        ("add_action", {}, "/text"),
        ("add_action", {"text": "t", "kind": "wish"}, "/kind"),
        ("add_action", {"text": "t", "due_at": "soon"}, "/due_at"),
        ("complete_action", {}, "/action"),
    ],
)
def test_mistakes_in_a_body_are_named(name: str, body: dict[str, Any], where: str) -> None:
    """Where it is wrong, before anything happens."""
    with pytest.raises(CommandError) as caught:
        parse_postmortem_command(name, body)
    assert caught.value.problems()[0].where == where


@pytest.mark.parametrize("body", [None, [], "x", {"actor": 3}, {"actor": "\x00"}, {"key": 3}])
def test_a_body_that_is_no_object_or_has_an_odd_actor_is_refused(body: Any) -> None:
    """As for the incident's commands."""
    with pytest.raises(CommandError):
        parse_postmortem_command("submit", body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("submit", {"actor": "nobody"}),
        ("edit", {"owner": "nobody"}),
        ("add_action", {"text": "t", "owner": "nobody"}),
        ("complete_action", {"action": "a9"}),
    ],
)
def test_names_must_exist(name: str, body: dict[str, Any]) -> None:
    """Persons of the policy, actions of the document."""
    with pytest.raises(UnknownNameError):
        Review().do(name, **{"actor": "alice"} | body)


# The document.


def test_what_people_wrote_is_not_overwritten_by_the_draft() -> None:
    """The draft fills only what is empty."""
    review = Review()
    review.do("edit", "alice", fields={"summary": "ours"})
    review.record(d.Drafted(fields={"summary": "theirs", "impact": "drafted"}))
    assert review.postmortem.fields == {"summary": "ours", "impact": "drafted"}


def test_an_empty_edit_is_no_fact() -> None:
    """Nothing written, nothing on the timeline."""
    assert Review().do("edit", "alice") == []


def test_owner_and_category_may_change() -> None:
    """Reminders go to the new owner from then on."""
    review = Review()
    review.do("edit", "alice", owner="bob", category="change")
    assert (review.postmortem.owner, review.postmortem.category) == ("bob", "change")
    review.wait(3 * DAY)
    assert review.told()[-1] == ("due", ["person:bob"])


def test_an_edit_after_approval_wants_approval_again() -> None:
    """What was approved is what stands there; a new owner changes no text."""
    review = approved()
    review.do("edit", "alice", owner="bob")
    assert review.postmortem.status is PostmortemStatus.APPROVED
    review.do("edit", "alice", fields={"root_cause": "another"})
    assert review.postmortem.status is PostmortemStatus.IN_REVIEW
    assert review.postmortem.approvers == []
    assert review.wait(minutes(5)) == []
    review.do("approve", "bob")
    assert review.postmortem.approvers == ["bob"]


def test_approval_exports_and_closing_exports_and_tells_the_incident() -> None:
    """Each export has a key of its own; the incident hears once."""
    review = approved()
    review.wait(minutes(1))
    assert review.postmortem.status is PostmortemStatus.CLOSED
    assert review.kinds()[2:] == ["export_postmortem", "export_postmortem", "tell_incident_closed"]


# Due.


def test_the_owner_is_reminded_at_the_due_date_and_each_day_until_approval() -> None:
    """Loud until it is done, once a day, never a burst."""
    review = Review()
    review.do("submit", "alice")
    review.wait(5 * DAY)
    assert [x.overdue_days for x in review.facts if isinstance(x, d.PostmortemDue)] == [0, 1, 2]
    assert review.told()[1:] == [
        (topic, ["person:alice"]) for topic in ("due", "overdue", "overdue")
    ]
    review.do("approve", "bob")
    assert not [x for x in review.wait(30 * DAY) if isinstance(x, d.PostmortemDue)]


def test_after_an_outage_one_reminder_goes() -> None:
    """Two weeks late: one message that says so."""
    review = Review()
    review.now += 17 * DAY
    facts = review.wait(timedelta(0))
    assert [(x.name, x.overdue_days) for x in facts] == [("postmortem_due", 14)]


def test_without_a_due_date_nobody_is_reminded() -> None:
    """A severity that owes none may have one all the same, without pressure."""
    review = Review(severity="SEV3")
    assert review.wait(60 * DAY) == []


# Actions.


def test_an_action_has_an_owner_and_a_date() -> None:
    """Those that were named, else the document's owner and the policy's time."""
    review = Review()
    review.do("add_action", "alice", text="alarm earlier")
    review.do(
        "add_action", "alice", text="t", owner="bob", due_at="2026-03-05T00:00:00", kind="priority"
    )
    first, second = review.postmortem.actions
    assert (first.id, first.owner, first.due_at) == ("a1", "alice", T0 + timedelta(weeks=4))
    assert (second.id, second.owner, second.kind) == ("a2", "bob", "priority")
    assert second.due_at.tzinfo is not None
    assert review.told()[1:] == [
        ("action_added", ["person:alice"]),
        ("action_added", ["person:bob"]),
    ]


def test_the_owner_of_an_action_is_reminded_until_it_is_done() -> None:
    """At its date and each day after, those that are due and no other."""
    review = approved()
    review.do("add_action", "alice", text="t", owner="bob", due_at="2026-03-04T10:00:00Z")
    review.do("add_action", "alice", text="t", owner="carol", due_at="2026-06-01T10:00:00Z")
    review.wait(4 * DAY)
    due = [x for x in review.facts if isinstance(x, d.ActionDue)]
    assert [(x.action, x.owner, x.overdue_days) for x in due] == [
        ("a1", "bob", 0), ("a1", "bob", 1), ("a1", "bob", 2),
    ]  # fmt: skip
    review.do("complete_action", "bob", action="a1")
    assert review.wait(4 * DAY) == []


def test_closing_what_closed_by_itself_is_answered() -> None:
    """Asking for what is so is no mistake, and no second fact."""
    review = in_state("closed")
    assert review.do("close", "alice") == []
    assert review.kinds().count("tell_incident_closed") == 1


def test_completing_twice_is_answered_once() -> None:
    """Done is done, with the time at which it was."""
    review = Review()
    review.do("add_action", "alice", text="t")
    review.do("complete_action", "alice", action="a1")
    review.now += DAY
    assert review.do("complete_action", "alice", action="a1") == []
    assert review.postmortem.actions[0].done_at == T0


# Closing.


def test_approved_with_nothing_open_closes_by_itself_after_a_moment() -> None:
    """The moment leaves room to add an action; then it is closed, once."""
    review = approved()
    assert review.wait(timedelta(seconds=4)) == []
    review.do("add_action", "alice", text="t")
    assert review.wait(minutes(10)) == []
    review.do("complete_action", "alice", action="a1")
    facts = review.wait(timedelta(seconds=5))
    assert [x.name for x in facts] == ["postmortem_closed"]
    assert review.postmortem.closed_at == review.now
    assert review.wait(60 * DAY) == []


def test_an_open_action_keeps_it_open() -> None:
    """Closing by hand is refused and names what is open."""
    review = approved()
    review.do("add_action", "alice", text="t")
    with pytest.raises(TransitionError, match="a1") as caught:
        review.do("close", "alice")
    assert caught.value.allowed == ["complete_action"]
    assert review.wait(DAY) == []


def test_what_is_not_approved_does_not_close() -> None:
    """However long it takes, and though no action is open."""
    review = Review()
    review.do("submit", "alice")
    review.wait(60 * DAY)
    assert review.postmortem.status is PostmortemStatus.IN_REVIEW


def test_a_second_resolution_adds_to_it() -> None:
    """The incident was reopened and resolved again: a new draft, the same document, the same state."""
    review = Review()
    review.do("edit", "alice", fields={"summary": "ours"})
    review.record(d.ResolvedAgain(incident={"id": "checkout-1", "resolution": "again"}))
    assert review.kinds().count("draft_postmortem") == 2
    assert review.postmortem.fields == {"summary": "ours"}
    assert review.postmortem.incident["resolution"] == "again"


def test_a_fault_of_our_own_reaches_the_operator() -> None:
    """And leaves the document alone."""
    review = Review()
    review.record(Faulted(what="w"))
    assert review.told()[-1] == ("", ["operator"])


def test_the_view_is_json_and_the_state_survives_being_carried() -> None:
    """Weeks and many runs: nothing is lost."""
    review = in_state("approved")
    view = review.postmortem.view()
    assert json.loads(json.dumps(view)) == view
    assert {"status", "owner", "due_at", "fields", "actions", "incident_id", "open_actions"} <= set(
        view
    )
    data = json.loads(json.dumps(review.postmortem.model_dump(mode="json")))
    assert Postmortem.model_validate(data) == review.postmortem


def test_every_fact_has_words() -> None:
    """Each entry of the timeline reads as a sentence."""
    facts: list[Fact] = [
        d.Begun(owner="a", due_at=T0), d.Drafted(fields={"summary": "s"}), d.Submitted(),
        d.Edited(fields={"summary": "s"}, owner="b", category="c"), d.Approved(by="a"),
        d.ActionAdded(action="a1", text="t", owner="a", due_at=T0, kind="priority"),
        d.ActionCompleted(action="a1"), d.PostmortemDue(owner="a", overdue_days=2),
        d.ActionDue(action="a1", owner="a", text="t", overdue_days=0), d.PostmortemClosed(),
        d.ResolvedAgain(incident={"resolution": "r"}), d.Exported(files=["f"]),
    ]  # fmt: skip
    assert {type(x) for x in facts} == set(d.PostmortemFact.__subclasses__())
    for fact in facts:
        assert fact.sentence(), fact.name
        assert json.dumps(fact.data())
    assert all(FIELDS.values())
    assert Effect(key="k", kind="x").attempt == 0
