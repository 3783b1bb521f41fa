"""Which command is possible in which state, and what every command refuses alike."""

from __future__ import annotations

from typing import Any

import pytest

from domain import facts as f
from domain.aggregate import Fact
from domain.commands import COMMANDS
from domain.commands.base import (
    MAX_KEY_CHARS,
    MAX_NOTE_BYTES,
    allowed_commands,
    check_request,
    parse_body,
)
from domain.errors import (
    REFUSALS,
    ActorRequiredError,
    CommandError,
    IncidentError,
    TransitionError,
    UnknownNameError,
)
from domain.incident import Incident, Status
from domain.updates import Audience
from tests.factories import T0, an_incident

BODIES: dict[str, dict[str, Any]] = {
    "acknowledge": {},
    "assess": {"confirmed": True},
    "set_severity": {"severity": "SEV2", "reason": "r"},
    "set_priority": {"priority": "P4", "reason": "r"},
    "escalate": {"to": "person:bob", "reason": "r"},
    "delegate": {"role": "tech_lead", "to": "bob"},
    "accept_role": {"role": "communications_manager"},
    "decline_role": {"role": "communications_manager"},
    "hand_over": {"role": "incident_manager", "to": "bob", "briefing": "b"},
    "join": {},
    "leave": {},
    "publish_update": {"audience": "internal", "text": "t"},
    "approve_update": {"update": "u1"},
    "withdraw_update": {"update": "u1"},
    "release_message": {"message": "m1", "verdict": "it_is_out"},
    "note": {"text": "t"},
    "observe": {"text": "t"},
    "add_theory": {"text": "t"},
    "resolve_theory": {"theory": "t1", "verdict": "refuted"},
    "add_experiment": {"text": "t"},
    "record_result": {"experiment": "e1", "text": "t"},
    "link": {"target": "T-1", "kind": "ticket"},
    "apply_policy": {},
    "resolve": {"summary": "s"},
    "reopen": {"reason": "r"},
    "cancel": {"reason": "r"},
}
"""A valid body of every command, for an incident as `an_incident_that_is` makes it."""

HELD = f.MessageHeld(
    message="m1", recipient="audience:customers/0", channel="statuspage", what="Update",
    delivery="k/audience:customers/0/statuspage", kind="publish_update", announcement={"key": "k"},
)  # fmt: skip
RESOLVED_TAKES = {
    "assess", "note", "observe", "link", "join", "leave", "delegate", "accept_role", "decline_role",
    "hand_over", "apply_policy", "publish_update", "approve_update", "withdraw_update", "release_message",
    "reopen",
}  # fmt: skip
TAKES = {
    Status.RAISED: set(BODIES) - {"reopen"},
    Status.FIXING: set(BODIES) - {"reopen"},
    Status.RESOLVED: RESOLVED_TAKES,
    Status.CLOSED: set(),
    Status.CANCELLED: set(),
}


def an_incident_that_is(status: Status) -> Incident:
    """An incident in a state, in which dana has a role, carol was offered one, and a theory stands."""
    incident = an_incident()
    facts: list[Fact] = []
    if status is not Status.RAISED:
        facts.append(f.Acknowledged(person="alice", first=True, after_seconds=1, ended_runs=["p1"]))
    title = "Communications manager"
    facts += [
        f.RoleAccepted(role="incident_manager", title="Incident manager", person="dana"),
        f.Delegated(role="communications_manager", title=title, to="carol"),
        f.TheoryAdded(theory="t1", text="t"),
        f.ExperimentAdded(experiment="e1", text="t"),
        f.UpdateProposed(
            update="u1", audience=Audience.INTERNAL, audiences=["company"], text="t", by="dana"
        ),
        HELD,
    ]
    if status in (Status.RESOLVED, Status.CLOSED):
        facts.append(f.Resolved(summary="s", ended_at=T0, owes_postmortem=False))
    if status is Status.CLOSED:
        facts.append(f.Closed(reason="r"))
    if status is Status.CANCELLED:
        facts.append(f.Cancelled(reason="r"))
    for fact in facts:
        incident.record(fact, T0)
    assert incident.status is status
    return incident


def test_every_command_has_a_row_here() -> None:
    """A command without a row in these tables is tested by nobody: add its body and its states."""
    assert set(BODIES) == set(COMMANDS)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("name", sorted(BODIES))
def test_the_state_decides_what_is_possible(name: str, status: Status) -> None:
    """Each state takes the commands of the contract; a refusal names the state and what it takes."""
    incident = an_incident_that_is(status)
    request = parse_body(COMMANDS[name], BODIES[name] | {"actor": "carol"})
    if name in TAKES[status]:
        check_request(request, incident, COMMANDS)
        request.command.decide(incident, "carol", T0)
        return
    with pytest.raises(TransitionError) as caught:
        check_request(request, incident, COMMANDS)
    assert caught.value.status == status
    assert set(caught.value.allowed) == TAKES[status]
    assert status.value in str(caught.value)


@pytest.mark.parametrize("status", list(Status))
def test_what_is_allowed_is_told_as_it_is_enforced(status: Status) -> None:
    """The list of possible commands and the check agree."""
    assert set(allowed_commands(status, COMMANDS)) == TAKES[status]


@pytest.mark.parametrize("name", sorted(BODIES))
def test_deciding_changes_nothing_by_itself(name: str) -> None:
    """Checking and deciding leave the incident as it was: only facts change it."""
    incident = an_incident_that_is(Status.RESOLVED if name == "reopen" else Status.FIXING)
    before = incident.model_dump(mode="json")
    request = parse_body(COMMANDS[name], BODIES[name] | {"actor": "carol"})
    check_request(request, incident, COMMANDS)
    request.command.decide(incident, "carol", T0)
    assert incident.model_dump(mode="json") == before


@pytest.mark.parametrize("name", sorted(BODIES))
def test_an_unknown_field_is_refused_by_name(name: str) -> None:
    """A field that the command does not have is a mistake and is named, not dropped."""
    with pytest.raises(CommandError) as caught:
        parse_body(COMMANDS[name], BODIES[name] | {"actor": "carol", "serverity": "SEV1"})
    assert [p.where for p in caught.value.problems()] == ["/serverity"]


@pytest.mark.parametrize("body", [None, [], "text", 3, [{}]])
def test_only_one_json_object_is_a_body(body: Any) -> None:
    """Whatever is no object is refused by every command, and nothing else happens."""
    for command in COMMANDS.values():
        with pytest.raises(CommandError, match="expected one JSON object"):
            parse_body(command, body)


@pytest.mark.parametrize("name", sorted(n for n, b in BODIES.items() if b and n != "assess"))
def test_required_fields_are_named_all_at_once(name: str) -> None:
    """An empty body is told every field that it lacks."""
    needed = {n for n, field in COMMANDS[name].model_fields.items() if field.is_required()}
    with pytest.raises(CommandError) as caught:
        parse_body(COMMANDS[name], {"actor": "carol"})
    assert {p.where.strip("/") for p in caught.value.problems()} == needed


NEEDS_PERSON = {"acknowledge", "accept_role", "decline_role", "join", "leave"}


@pytest.mark.parametrize("said", [{}, {"actor": None}, {"actor": "operator"}])
def test_only_what_is_about_the_actor_needs_one(said: dict[str, Any]) -> None:
    """Without an actor the operator acts, save where the command is about the actor themself."""
    refused = set()
    for name, body in BODIES.items():
        try:
            assert parse_body(COMMANDS[name], body | said).actor == "operator"
        except ActorRequiredError:
            refused.add(name)
    assert refused == NEEDS_PERSON


@pytest.mark.parametrize("actor", [3, ["alice"], "", "  ", "al\x00ice", "\ud800", "a" * 501])
def test_an_actor_of_the_wrong_shape_is_refused(actor: Any) -> None:
    """An actor is the key of a person."""
    with pytest.raises(CommandError) as caught:
        parse_body(COMMANDS["note"], {"text": "t", "actor": actor})
    assert [p.where for p in caught.value.problems()] == ["/actor"]


def test_an_actor_whom_the_policy_does_not_have_is_refused_with_near_names() -> None:
    """Nobody acts under a name that is not in the policy; a slip of the pen is told the right one."""
    request = parse_body(COMMANDS["note"], {"text": "t", "actor": "alicia"})
    with pytest.raises(UnknownNameError) as caught:
        check_request(request, an_incident(), COMMANDS)
    assert caught.value.problems()[0].where == "/actor"
    assert "alice" in caught.value.problems()[0].near


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("set_severity", {"severity": "SEV9", "reason": "r"}, "severity"),
        ("assess", {"severity": "SEV9"}, "severity"),
        ("escalate", {"to": "person:nobody", "reason": "r"}, "to"),
        ("escalate", {"to": "team:nobody", "reason": "r"}, "to"),
        ("escalate", {"to": "schedule:nobody", "reason": "r"}, "to"),
        ("escalate", {"to": "alice", "reason": "r"}, "to"),
        ("escalate", {"to": "person:", "reason": "r"}, "to"),
        ("delegate", {"role": "boss", "to": "bob"}, "role"),
        ("delegate", {"role": "tech_lead", "to": "nobody"}, "to"),
        ("hand_over", {"role": "boss", "to": "bob", "briefing": "b"}, "role"),
        ("hand_over", {"role": "incident_manager", "to": "nobody", "briefing": "b"}, "to"),
        ("accept_role", {"role": "boss"}, "role"),
        ("decline_role", {"role": "boss"}, "role"),
        ("resolve_theory", {"theory": "t9", "verdict": "refuted"}, "theory"),
        ("add_experiment", {"theory": "t9", "text": "t"}, "theory"),
        ("record_result", {"experiment": "e9", "text": "t"}, "experiment"),
    ],
)
def test_a_name_that_does_not_exist_is_refused(name: str, body: dict[str, Any], field: str) -> None:
    """Persons, teams, schedules, roles, severities, theories and experiments must exist."""
    incident = an_incident_that_is(Status.FIXING)
    request = parse_body(COMMANDS[name], body | {"actor": "alice"})
    with pytest.raises(UnknownNameError) as caught:
        check_request(request, incident, COMMANDS)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("set_priority", {"priority": "P6", "reason": "r"}),
        ("assess", {"affected": "many"}),
        ("assess", {"affected_count": -1}),
        ("assess", {"support_cases": -1}),
        ("assess", {"started_at": "yesterday"}),
        ("assess", {"started_at": "0001-01-01T00:00:00+14:00"}),
        ("assess", {"started_at": "9999-12-31T23:59:59-14:00"}),
        ("assess", {"affected_count": 10**30}),
        ("assess", {"factors": "security"}),
        ("publish_update", {"audience": "everybody", "text": "t"}),
        ("publish_update", {"audience": "internal", "text": "t", "status": "resolved"}),
        ("publish_update", {"audience": "internal", "text": "t", "next_update_minutes": 0}),
        ("publish_update", {"audience": "internal", "text": "   "}),
        ("resolve_theory", {"theory": "t1", "verdict": "open"}),
        ("link", {"target": "T-1", "kind": "friend"}),
        ("note", {"text": ""}),
        ("note", {"text": "nul \x00 character"}),
        ("note", {"text": "ä" * (MAX_NOTE_BYTES // 2 + 1)}),
        ("resolve", {"summary": "s", "ended_at": "soon"}),
    ],
)
def test_a_value_of_the_wrong_shape_is_refused(name: str, body: dict[str, Any]) -> None:
    """What cannot be meant is a wrong body, found before anything happens."""
    with pytest.raises(CommandError):
        parse_body(COMMANDS[name], body)


def test_a_long_text_within_the_limit_is_taken() -> None:
    """Sixteen KiB of text are a note."""
    text = "a" * MAX_NOTE_BYTES
    assert parse_body(COMMANDS["note"], {"text": text}).command.model_dump()["text"] == text


def test_a_key_travels_with_the_request() -> None:
    """The caller's key makes asking twice answer once; it is no field of the command."""
    assert parse_body(COMMANDS["note"], {"text": "t", "key": "k-1"}).key == "k-1"
    for odd in (1, "k" * (MAX_KEY_CHARS + 1), "nul \x00", "half a pair \ud800"):
        with pytest.raises(CommandError) as caught:
            parse_body(COMMANDS["note"], {"text": "t", "key": odd})
        assert [p.where for p in caught.value.problems()] == ["/key"]


def test_refusals_are_the_errors_that_callers_know() -> None:
    """Every refusal is one of the names that Temporal and the API match."""
    for kind in (ActorRequiredError, CommandError, TransitionError, UnknownNameError):
        assert issubclass(kind, IncidentError)
        assert kind.__name__ in REFUSALS
