"""Each verb sends the right request; each command of the domain has a verb for each of its fields."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from domain.commands import COMMANDS
from domain.postmortem.commands import POSTMORTEM_COMMANDS
from domain.raising import Declare
from starter.cli.app import run  # noqa: F401  importing it fills VERBS
from starter.cli.writing import VERBS
from tests.starter.cli.conftest import Tocsin
from tests.starter.cli.fake_api import FakeApi

ID = "checkout-17"
AT, WIRE = "2026-11-24T02:10:00+01:00", "2026-11-24T01:10:00Z"

COMMAND_CASES: list[tuple[str, str, dict[str, object]]] = [
    (f"ack {ID} --as alice", "acknowledge", {"actor": "alice", "via": "cli"}),
    (f"ack {ID} --page {ID}/p1/r1/s1/alice/sms-0 --as alice", "acknowledge",
     {"actor": "alice", "via": "cli", "page": f"{ID}/p1/r1/s1/alice/sms-0"}),
    (
        f"assess {ID} --customer-impact c --employee-impact e --symptoms s --affected some"
        f" --affected-count 7 --started-at {AT} --support-cases 3 --factor data-loss --factor heat"
        " --confirmed --severity SEV2 --priority P2",
        "assess",
        {
            "customer_impact": "c", "employee_impact": "e", "symptoms": "s", "affected": "some",
            "affected_count": 7, "started_at": WIRE, "support_cases": 3,
            "factors": ["data_loss", "heat"], "confirmed": True, "severity": "SEV2",
            "priority": "P2",
        },
    ),
    (f"assess {ID} --symptoms s", "assess", {"symptoms": "s"}),
    (f"severity {ID} SEV1 --reason r", "set_severity", {"severity": "SEV1", "reason": "r"}),
    (f"priority {ID} P2 --reason r", "set_priority", {"priority": "P2", "reason": "r"}),
    (f"escalate {ID} --to team:t --reason r", "escalate", {"to": "team:t", "reason": "r"}),
    (f"delegate {ID} tech-lead --to bob", "delegate", {"role": "tech_lead", "to": "bob"}),
    (f"accept {ID} tech_lead --as bob", "accept_role", {"role": "tech_lead", "actor": "bob"}),
    (
        f"decline {ID} scribe-2 --as bob --reason r",
        "decline_role",
        {"role": "scribe-2", "actor": "bob", "reason": "r"},
    ),
    (
        f"hand-over {ID} incident-manager --to bob --briefing b",
        "hand_over",
        {"role": "incident_manager", "to": "bob", "briefing": "b"},
    ),
    (f"join {ID} --as bob", "join", {"actor": "bob"}),
    (f"leave {ID} --as bob", "leave", {"actor": "bob"}),
    (
        f"update {ID} --audience external --text t --status identified --next 20",
        "publish_update",
        {"audience": "external", "text": "t", "status": "identified", "next_update_minutes": 20},
    ),
    (f"approve {ID} u1", "approve_update", {"update": "u1"}),
    (
        f"withdraw {ID} u1 --reason r",
        "withdraw_update",
        {"update": "u1", "reason": "r"},
    ),
    (
        f"release {ID} m3f9a2c --verdict send-again --reason r",
        "release_message",
        {"message": "m3f9a2c", "verdict": "send_again", "reason": "r"},
    ),
    (f"note {ID} n", "note", {"text": "n"}),
    (f"observe {ID} o", "observe", {"text": "o"}),
    (f"theory add {ID} why", "add_theory", {"text": "why"}),
    (
        f"theory support {ID} t1 --reason r",
        "resolve_theory",
        {"theory": "t1", "verdict": "supported", "reason": "r"},
    ),
    (f"theory refute {ID} t1", "resolve_theory", {"theory": "t1", "verdict": "refuted"}),
    (f"experiment add {ID} try --theory t1", "add_experiment", {"text": "try", "theory": "t1"}),
    (f"experiment result {ID} e1 saw", "record_result", {"experiment": "e1", "text": "saw"}),
    (f"link {ID} checkout-3", "link", {"target": "checkout-3", "kind": "related"}),
    (
        f"link {ID} https://x.example --kind support-case",
        "link",
        {"target": "https://x.example", "kind": "support_case"},
    ),
    (f"apply-policy {ID}", "apply_policy", {}),
    (
        f"resolve {ID} --summary s --ended-at {AT}",
        "resolve",
        {"summary": "s", "ended_at": WIRE},
    ),
    (f"reopen {ID} --reason r", "reopen", {"reason": "r"}),
    (f"cancel {ID} --reason r", "cancel", {"reason": "r"}),
]  # fmt: skip

POSTMORTEM_CASES: list[tuple[str, str, dict[str, object]]] = [
    (
        f"postmortem edit {ID} --field root-cause=why --owner bob --category change",
        "edit",
        {"fields": {"root_cause": "why"}, "owner": "bob", "category": "change"},
    ),
    (f"postmortem submit {ID} --as bob", "submit", {"actor": "bob"}),
    (f"postmortem approve {ID}", "approve", {}),
    (
        f"postmortem action {ID} fix --owner bob --due {AT} --kind priority --link https://x.example",
        "add_action",
        {"text": "fix", "owner": "bob", "due_at": WIRE, "kind": "priority",
         "link": "https://x.example"},
    ),
    (f"postmortem action {ID} --done a1", "complete_action", {"action": "a1"}),
    (f"postmortem close {ID}", "close", {}),
]  # fmt: skip

OTHER_CASES: list[tuple[str, str, str, object]] = [
    ("oncall override payments --person bob --from 2026-12-24T18:00Z --to 2026-12-25T09:00Z"
     " --instead-of alice --as alice",
     "POST", "/api/v1/oncall/payments/overrides",
     {"from": "2026-12-24T18:00:00Z", "to": "2026-12-25T09:00:00Z", "person": "bob",
      "instead_of": "alice", "actor": "alice"}),
    ("oncall override add payments --person bob --also --from 2026-12-24T18:00Z"
     " --to 2026-12-25T09:00Z",
     "POST", "/api/v1/oncall/payments/overrides",
     {"from": "2026-12-24T18:00:00Z", "to": "2026-12-25T09:00:00Z", "person": "bob",
      "also": True}),
    ("oncall override payments --person bob --from 2026-12-24T18:00 --to 2026-12-25T09:00",
     "POST", "/api/v1/oncall/payments/overrides",
     {"from": "2026-12-24T18:00", "to": "2026-12-25T09:00", "person": "bob"}),
    ("oncall override remove o7 --as bob", "POST", "/api/v1/oncall/overrides/o7/remove",
     {"actor": "bob"}),
    ("oncall swap payments alice bob --from 2026-12-24T18:00Z --to 2026-12-25T09:00Z"
     " --back-from 2026-12-31T18:00Z --back-to 2027-01-01T09:00Z",
     "POST", "/api/v1/oncall/payments/swaps",
     {"person": "alice", "with": "bob", "from": "2026-12-24T18:00:00Z",
      "to": "2026-12-25T09:00:00Z", "return_from": "2026-12-31T18:00:00Z",
      "return_to": "2027-01-01T09:00:00Z"}),
    ("oncall temporary payments --from 2026-12-24T18:00Z --to 2026-12-25T09:00Z"
     " --shift dana,,2026-12-24T23:00Z --shift bob",
     "POST", "/api/v1/oncall/payments/temporary",
     {"from": "2026-12-24T18:00:00Z", "to": "2026-12-25T09:00:00Z",
      "shifts": [
          {"person": "dana", "from": "2026-12-24T18:00:00Z", "to": "2026-12-24T23:00:00Z"},
          {"person": "bob", "from": "2026-12-24T18:00:00Z", "to": "2026-12-25T09:00:00Z"},
      ]}),
    ("oncall contact bob sms --off", "POST", "/api/v1/oncall/people/bob/contacts",
     {"channel": "sms", "enabled": False}),
    ("oncall test alice --as bob", "POST", "/api/v1/oncall/test",
     {"person": "alice", "actor": "bob"}),
    ("maintenance add checkout --reason r --from 2026-12-24T18:00Z --to 2026-12-24T19:00Z --as bob",
     "POST", "/api/v1/maintenance",
     {"service": "checkout", "from": "2026-12-24T18:00:00Z", "to": "2026-12-24T19:00:00Z",
      "reason": "r", "actor": "bob"}),
    ("maintenance remove checkout m1 --as bob", "DELETE", "/api/v1/maintenance/checkout/m1",
     {"actor": "bob"}),
    ("policy reload", "POST", "/api/v1/policy/reload", {}),
    ("status-page publish", "POST", "/api/v1/status-page/publish", {}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "command", "body"), COMMAND_CASES)
def test_a_verb_posts_its_command(
    line: str, command: str, body: dict[str, object], tocsin: Tocsin, api: FakeApi
) -> None:
    """One request, to the command's route, with exactly the fields that were given."""
    result = tocsin(*line.split(" "))
    assert result.code == 0, result.err
    (request,) = api.requests
    route = f"/api/v1/incidents/{ID}/{command.replace('_', '-')}"
    assert (request.method, request.path, request.body) == ("POST", route, body)
    assert request.headers["idempotency-key"].startswith("cli-")
    assert result.out.startswith(ID)
    assert result.err.startswith("done: ")


@pytest.mark.parametrize(("line", "command", "body"), POSTMORTEM_CASES)
def test_a_postmortem_verb_posts_its_command(
    line: str, command: str, body: dict[str, object], tocsin: Tocsin, api: FakeApi
) -> None:
    """One request, to the postmortem's route, with exactly the fields that were given."""
    result = tocsin(*line.split(" "), "--idempotency-key", "k-1")
    assert result.code == 0, result.err
    (request,) = api.requests
    route = f"/api/v1/incidents/{ID}/postmortem/{command.replace('_', '-')}"
    assert (request.method, request.path, request.body) == ("POST", route, body)
    assert request.headers["idempotency-key"] == "k-1"


@pytest.mark.parametrize(("line", "method", "path", "body"), OTHER_CASES)
def test_other_writes(
    line: str, method: str, path: str, body: object, tocsin: Tocsin, api: FakeApi
) -> None:
    """Writes that are not about one incident go to their own route."""
    result = tocsin(*line.split(" "))
    assert result.code == 0, result.err
    (request,) = api.requests
    assert (request.method, request.path, request.body) == (method, path, body)


WALL_CASES: list[tuple[str, list[str]]] = [
    ("oncall override payments --person bob --from 9:05 --to 23:00", ["from", "to"]),
    ("oncall swap payments alice bob --from 18:00 --to 19:00", ["from", "to"]),
    ("oncall temporary payments --from 18:00 --to 20:00 --shift dana,,19:00", ["from", "to"]),
    ("maintenance add checkout --reason r --from 18:00 --to 20:00", ["from", "to"]),
    ("maintenance add checkout --reason r --to 20:00", ["to"]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "fields"), WALL_CASES)
def test_a_time_of_day_of_a_plan_is_meant_where_the_plan_is(
    line: str, fields: list[str], tocsin: Tocsin, api: FakeApi
) -> None:
    """Today's 18:00 by the clock of the schedule, or of the organisation; the API knows the offset."""
    before = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    result = tocsin(*line.split(" "))
    after = datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    assert result.code == 0, result.err
    asked, sent = api.requests
    assert (asked.method, sent.method) == ("GET", "POST")
    days = {before.isoformat(), after.isoformat()}
    for field in fields:
        day, _, clock = sent.body[field].partition("T")
        assert day in days
        assert re.fullmatch(r"(18|19|20|23|09):(00|05)", clock)


def test_declare_posts_every_field(tocsin: Tocsin, api: FakeApi) -> None:
    """Everything that a declaration holds can be said on the command line."""
    result = tocsin(
        "declare", "Cards refused", "--service", "checkout", "--severity", "SEV1", "--priority", "P1",
        "--type", "security", "--description", "d", "--reporter", "eve", "--detected-by", "customer",
        "--as", "alice", "--idempotency-key", "k-1",
    )  # fmt: skip
    assert result.code == 0, result.err
    (request,) = api.requests
    assert (request.method, request.path) == ("POST", "/api/v1/incidents")
    assert set(request.body) == {*Declare.model_fields, "actor"}
    assert request.headers["idempotency-key"] == "k-1"
    assert result.out.startswith("checkout-18")


def test_every_command_has_a_verb() -> None:
    """A command that nobody can give from the command line is not finished."""
    missing = sorted(set(COMMANDS) - set(VERBS))
    assert not missing, (
        f"no CLI verb for {missing}: add a function with @verb(app, NAME, COMMAND) to the module of "
        "starter/cli/ that fits, and a line to COMMAND_CASES here"
    )
    assert not set(VERBS) - set(COMMANDS), "a verb sends a command that the domain does not have"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_field_can_be_given(command: str) -> None:
    """Each field of a command has an argument or an option."""
    said = {name for _, sent, body in COMMAND_CASES if sent == command for name in body}
    missing = set(COMMANDS[command].model_fields) - said
    assert not missing, f"{command}: no option of {VERBS[command]} is shown here to send {missing}"


@pytest.mark.parametrize("command", sorted(POSTMORTEM_COMMANDS))
def test_every_postmortem_field_can_be_given(command: str) -> None:
    """The same for the postmortem's commands."""
    said = {name for _, sent, body in POSTMORTEM_CASES if sent == command for name in body}
    assert command in [sent for _, sent, _ in POSTMORTEM_CASES], f"no verb sends {command}"
    assert not set(POSTMORTEM_COMMANDS[command].model_fields) - said


def test_text_from_stdin(tocsin: Tocsin, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads the text from stdin, so that a long one needs no quoting."""
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    assert tocsin("note", ID, "-").code == 0
    assert api.requests[0].body == {"text": "one\ntwo"}


def test_a_theory_is_named(tocsin: Tocsin, api: FakeApi) -> None:
    """Its number is what `theory support` wants next."""
    text = api.incidents[ID]["theories"][0]["text"]
    assert tocsin("theory", "add", ID, text).err == "done: added as t1\n"
