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
TIME = st.tuples(
    st.sampled_from(["wait", "wait", "outage"]), st.sampled_from([0, 1, 5, 6, 16, 45, 200])
)
BREAKAGE = st.tuples(st.just("break"), PEOPLE, st.sampled_from(["retryable", "permanent", ""]))
EMPTY = st.tuples(
    st.just("empty"), st.sampled_from(["schedule:payments", "team:payments", "catch_all"])
)
STEPS = st.lists(st.one_of(COMMAND, TIME, ALERT, BREAKAGE, EMPTY), max_size=14)

PLANS = st.sampled_from(
    [
        a_policy_slice().escalation,
        a_plan((["schedule:payments"], 0), repeat=0),
        a_plan((["person:bob"], 0), (["team:payments"], 0), repeat=1, repeat_after=0),
        a_plan(),
    ]
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
        case ("wait", length):
            story.wait(minutes(length))
        case ("outage", length):
            story.outage(minutes(length))
        case ("break", person, how):
            story.outside.broken.pop((person, "email"), None)
            if how:
                story.outside.broken[person, "email"] = how
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
    if incident.status is Status.RAISED:
        assert incident.active_pages(), "raised, and nobody is being paged"
    if not incident.is_open:
        assert not incident.active_pages()
        assert not incident.clocks
        assert not [e for e in incident.effects.values() if e.kind in ("send_page", "resolve_page")]
    if incident.status is Status.FIXING and incident.incident_manager is None:
        assert incident.active_pages(), "fixing, nobody in charge, and nobody is being paged"
    assert [e.seq for e in story.entries] == list(range(1, len(story.entries) + 1))
    assert len({h.person for h in incident.roles if h.role == "tech_lead"}) == len(
        [h for h in incident.roles if h.role == "tech_lead"]
    )


def test_the_walk_knows_every_command() -> None:
    """A command that is not in the walk is never tried in an odd moment."""
    assert set(BODIES) == set(COMMANDS)


@settings(deadline=None, max_examples=100)
@given(severity=SEVERITIES, plan=PLANS, steps=STEPS)
def test_whatever_happens_nobody_is_silently_un_paged(
    severity: str, plan: Any, steps: list[tuple[Any, ...]]
) -> None:
    """No error but refusals, a page that is wanted is on its way, numbers and keys never repeat.

    The story itself fails when a rule spins, or when one effect's key stands for two things.
    """
    story = Story(severity=severity, policy=a_policy_slice(escalation=plan), outside=Outside())
    status = story.incident.status
    for step in steps:
        take(story, step)
        check(story)
        assert story.incident.status in {status, *TRANSITIONS[status]} or step[0] != "do"
        status = story.incident.status
