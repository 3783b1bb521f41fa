"""Any sequence of commands, alerts, outages and broken providers: what must hold all the same."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.commands import COMMANDS
from domain.errors import IncidentError
from domain.incident import TRANSITIONS, Status
from domain.policy.model import Limits, SignOfLife
from tests.domain.story import Outside, Story
from tests.factories import a_plan, a_policy_slice, an_alert, cleared, minutes

PEOPLE = st.sampled_from(["alice", "bob", "carol", "dana"])
ROLES = st.sampled_from(["incident_manager", "tech_lead", "communications_manager"])
TEXT = st.just("t")
SEVERITIES = st.sampled_from(["SEV1", "SEV2", "SEV3"])
TARGETS = st.sampled_from(["person:bob", "team:payments", "schedule:payments"])
AUDIENCES = st.sampled_from(["internal", "external"])

BODIES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "acknowledge": {},
    "assess": {"confirmed": st.booleans(), "severity": SEVERITIES, "symptoms": TEXT},
    "set_severity": {"severity": SEVERITIES, "reason": TEXT},
    "set_priority": {"priority": st.sampled_from(["P1", "P5"]), "reason": TEXT},
    "escalate": {"to": TARGETS, "reason": TEXT},
    "delegate": {"role": ROLES, "to": PEOPLE},
    "accept_role": {"role": ROLES},
    "decline_role": {"role": ROLES},
    "hand_over": {"role": ROLES, "to": PEOPLE, "briefing": TEXT},
    "join": {},
    "leave": {},
    "publish_update": {"audience": AUDIENCES, "text": TEXT, "next_update_minutes": st.just(7)},
    "approve_update": {"update": st.sampled_from(["u1", "u2"])},
    "release_message": {
        "message": st.just("m1"),
        "verdict": st.sampled_from(["it_is_out", "drop"]),
    },
    "withdraw_update": {"update": st.sampled_from(["u1", "u2"]), "reason": TEXT},
    "note": {"text": TEXT},
    "observe": {"text": TEXT},
    "add_theory": {"text": TEXT},
    "resolve_theory": {"theory": st.just("t1"), "verdict": st.just("refuted")},
    "add_experiment": {"text": TEXT, "theory": st.just("t1")},
    "record_result": {"experiment": st.just("e1"), "text": TEXT},
    "link": {"target": TEXT, "kind": st.just("ticket")},
    "apply_policy": {},
    "resolve": {"summary": TEXT},
    "reopen": {"reason": TEXT},
    "cancel": {"reason": TEXT},
}
RARE = {"resolve", "cancel"}

COMMAND = st.sampled_from([n for n in BODIES if n not in RARE] * 2 + sorted(RARE)).flatmap(
    lambda name: st.tuples(
        st.just("do"), st.just(name), PEOPLE, st.fixed_dictionaries({}, optional=BODIES[name])
    )
)
ALERT = st.tuples(
    st.just("alert"), st.sampled_from(["cpu", "disk"]), st.booleans(), st.none() | SEVERITIES
)
WORD = st.tuples(
    st.just("word"),
    st.sampled_from(["cpu", "disk"]),
    st.sampled_from(["acknowledged", "noted", "changed", "firing"]),
    PEOPLE | st.just("somebody else"),
)
"""What senders say beside that an alert fires; firing: so soon that the desk wants it reopened."""
TIME = st.tuples(
    st.sampled_from(["wait", "wait", "outage"]), st.sampled_from([0, 1, 5, 6, 16, 45, 200])
)
BREAKAGE = st.tuples(
    st.just("break"),
    PEOPLE,
    st.sampled_from(["email", "sms"]),
    st.sampled_from(["retryable", "permanent", "unauthorised", ""]),
)
RECEIPT = st.tuples(
    st.just("receipt"), st.integers(0, 5), st.sampled_from(["delivered", "failed", "queued"])
)
EMPTY = st.tuples(
    st.just("empty"), st.sampled_from(["schedule:payments", "team:payments", "catch_all"])
)
STEPS = st.lists(st.one_of(COMMAND, TIME, ALERT, WORD, BREAKAGE, EMPTY, RECEIPT), max_size=14)

PLANS = st.sampled_from(
    [
        a_policy_slice().escalation,
        a_plan((["schedule:payments"], 0), repeat=0),
        a_plan((["person:bob"], 0), (["team:payments"], 0), repeat=1, repeat_after=0),
        a_plan(),
        a_plan(
            (["team:payments"], 0), (["person:dana"], 6), repeat=1, acknowledgements=2
        ).model_copy(update={"escalating_unacknowledges": True}),
    ]
)
CONTACTS = st.sampled_from(
    [
        {},
        {"alice": [("sms", 0.0), ("email", 0.0)], "bob": [("sms", 60.0), ("email", 120.0)]},
        {name: [("sms", None), ("email", None)] for name in ("alice", "bob", "carol")},
    ]
)
AWAITS = st.sampled_from([set(), {("alice", "sms"), ("bob", "sms"), ("carol", "email")}])
WATCHED = Limits(
    sign_of_life=SignOfLife(remind_after=minutes(20), unacknowledge_after=minutes(10)),
    close_inactive=timedelta(days=1),
)


def take(story: Story, step: tuple[Any, ...]) -> None:
    """One thing that happens; only a refusal may come of it."""
    match step:
        case ("do", name, actor, body):
            with suppress(IncidentError):
                story.do(name, actor, **body)
        case ("alert", key, is_clear, severity):
            story.alert(
                (cleared if is_clear else an_alert)(key=key, severity=severity, at=story.now)
            )
        case ("word", key, status, by):
            story.alert(an_alert(key=key, status=status, by=by, at=story.now), reopens="again")
        case ("wait", length):
            story.wait(minutes(length))
        case ("outage", length):
            story.outage(minutes(length))
        case ("break", person, channel, how):
            story.outside.broken.pop((person, channel), None)
            if how:
                story.outside.broken[person, channel] = how
        case ("receipt", number, state):
            keys = [*story.incident.awaited, "unknown"]
            story.receipt(keys[number % len(keys)], state)
        case ("empty", target):
            story.outside.behind[target] = []


def check(story: Story) -> None:
    """What holds at every point of every story."""
    incident = story.incident
    for run in incident.active_pages():
        is_looked_up = any(
            e.kind == "resolve_page" and e.input["run"] == run.id for e in incident.effects.values()
        )
        assert run.due_at is not None or is_looked_up, f"{run.id}: somebody is silently un-paged"
        assert run.due_at is None or run.due_at >= story.now - timedelta(hours=4)
        for person in run.people():
            assert not person.is_quiet or person.next_at is None
            assert person.next_at is None or person.next_at > story.now
    if incident.status is Status.RAISED:
        assert incident.active_pages(), "raised, and nobody is being paged"
    if not incident.is_open:
        assert not incident.active_pages()
        assert not incident.clocks
        assert not [e for e in incident.effects.values() if e.kind in ("send_page", "resolve_page")]
    quiet = {(run.id, who) for run in incident.active_pages() for who in run.acknowledged_by}
    wanted = {(e.input.get("run"), e.input.get("person")) for e in incident.effects.values()}
    assert not quiet & wanted, "somebody who has acknowledged is paged on"
    if incident.status is Status.FIXING and incident.incident_manager is None:
        assert incident.active_pages(), "fixing, nobody in charge, and nobody is being paged"
    assert [e.seq for e in story.entries] == list(range(1, len(story.entries) + 1))
    assert len({h.person for h in incident.roles if h.role == "tech_lead"}) == len(
        [h for h in incident.roles if h.role == "tech_lead"]
    )


def test_the_walk_knows_every_command() -> None:
    """A command that is not in the walk is never tried in an odd moment."""
    assert set(BODIES) == set(COMMANDS)


@settings(deadline=None, max_examples=150)
@given(
    severity=SEVERITIES,
    plan=PLANS,
    contacts=CONTACTS,
    awaits=AWAITS,
    watched=st.booleans(),
    steps=STEPS,
)
def test_whatever_happens_nobody_is_silently_un_paged(
    severity: str, plan: Any, contacts: Any, awaits: Any, watched: bool,
    steps: list[tuple[Any, ...]],
) -> None:  # fmt: skip
    """No error but refusals, a page that is wanted is on its way, numbers and keys never repeat.

    The story itself fails when a rule spins, or when one effect's key stands for two things.
    """
    policy = a_policy_slice(escalation=plan, limits=WATCHED if watched else Limits())
    outside = Outside(plans=dict(contacts), awaits=set(awaits))
    story = Story(severity=severity, policy=policy, outside=outside)
    status = story.incident.status
    for step in steps:
        take(story, step)
        check(story)
        assert story.incident.status in {status, *TRANSITIONS[status]} or step[0] != "do"
        status = story.incident.status
