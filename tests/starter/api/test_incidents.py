"""Incidents over HTTP: declare, list, read, command."""

from __future__ import annotations

import pytest

from domain.commands import COMMANDS
from starter.temporal_link import NotAnsweredError

API = "/api/v1/incidents"


def test_declare(api, temporal):
    """201 with the incident and where it is."""
    body = {"service": "checkout", "severity": "SEV2", "summary": "Slow", "actor": "bob"}
    answer = api.post(API, json=body, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{API}/checkout-1"
    assert answer.json()["severity"] == "SEV2"
    again = api.post(API, json=body, headers={"Idempotency-Key": "one"})
    assert again.json()["id"] == "checkout-1"
    assert len(temporal.incidents) == 1
    assert api.post(API, json=body | {"key": "two"}).json()["id"] == "checkout-2"
    assert temporal.updates[-1][3] == "two"


def test_declare_on_the_service_unknown(api):
    """People may name it too."""
    answer = api.post(API, json={"service": "unknown", "severity": "SEV1", "summary": "What?"})
    assert answer.json()["id"] == "unknown-1"


def test_declare_without_a_worker(api, temporal):
    """202: kept, and raised as soon as a worker is up."""
    temporal.update_error = NotAnsweredError("no worker")
    answer = api.post(API, json={"service": "checkout", "severity": "SEV1", "summary": "x"})
    assert (answer.status_code, answer.json()) == (202, {"accepted": True})


def test_list_and_read_show_what_was_answered(api, declared):
    """A read that follows an answered write shows it."""
    listed = api.get(API).json()
    assert [one["id"] for one in listed["incidents"]] == ["checkout-1"]
    assert listed["next_cursor"] is None
    assert api.get(f"{API}/checkout-1").json()["rank"] == {"position": 1, "of": 1}
    api.post(f"{API}/checkout-1/cancel", json={"reason": "a test"})
    assert api.get(API).json()["incidents"] == []
    assert len(api.get(f"{API}?status=cancelled").json()["incidents"]) == 1
    assert len(api.get(f"{API}?status=all&service=checkout&severity=SEV1").json()["incidents"]) == 1
    assert len(api.get(f"{API}?status=all&prefix=chec").json()["incidents"]) == 1


def test_list_in_pages(api):
    """A larger limit is lowered, and the cursor goes on."""
    for number in range(5):
        api.post(API, json={"service": "checkout", "severity": "SEV1", "summary": f"{number}"})
    seen, cursor = [], None
    while True:
        page = api.get(API, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [one["id"] for one in page["incidents"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == [f"checkout-{n}" for n in range(1, 6)]
    assert len(api.get(f"{API}?limit=99999999999999999999999").json()["incidents"]) == 5


def test_timeline(api, declared):
    """Facts in order, with a cursor while there are more."""
    api.post(f"{API}/checkout-1/note", json={"text": "one", "actor": "bob"})
    page = api.get(f"{API}/checkout-1/timeline?limit=1").json()
    assert [entry["fact"] for entry in page["entries"]] == ["raised"]
    rest = api.get(f"{API}/checkout-1/timeline", params={"cursor": page["next_cursor"]}).json()
    assert [entry["fact"] for entry in rest["entries"]] == ["noted"]
    assert rest["next_cursor"] is None
    assert set(rest["entries"][0]) >= {"at", "fact", "actor", "text", "data"}


def test_command(api, declared):
    """200 and the incident."""
    answer = api.post(f"{API}/checkout-1/acknowledge", json={"actor": "alice"})
    assert answer.status_code == 200
    assert answer.json()["incident_manager"] == "alice"


def test_command_is_done_once_per_key(api, declared):
    """The same key does the same thing once."""
    for _ in range(3):
        answer = api.post(
            f"{API}/checkout-1/note", json={"text": "x"}, headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 200
    assert answer.json()["version"] == 2


def test_command_without_a_worker(api, declared, temporal):
    """202, and a read comes from the records."""
    temporal.update_error = temporal.query_error = NotAnsweredError("no worker")
    answer = api.post(f"{API}/checkout-1/note", json={"text": "x"})
    assert (answer.status_code, answer.json()) == (202, {"accepted": True})
    assert api.get(f"{API}/checkout-1").json()["status"] == "raised"


def test_state_forbids(api, declared):
    """409 with the state and what is allowed."""
    answer = api.post(f"{API}/checkout-1/reopen", json={"reason": "x"})
    problem = answer.json()
    assert answer.status_code == 409
    assert problem["code"] == "wrong_state"
    assert problem["incident_status"] == "raised"
    assert "resolve" in problem["allowed"]
    assert "raised" in problem["detail"]


@pytest.mark.parametrize(
    ("command", "body", "pointer", "near"),
    [
        ("acknowledge", {"actor": "alicia"}, "/actor", "alice"),
        ("set-severity", {"severity": "SEV11", "reason": "x"}, "/severity", "SEV1"),
        ("assess", {"severity": "SVE1"}, "/severity", "SEV1"),
        ("delegate", {"role": "tech_leed", "to": "bob"}, "/role", "tech_lead"),
        ("delegate", {"role": "tech_lead", "to": "bobb"}, "/to", "bob"),
        ("hand-over", {"role": "tech_lead", "to": "bobb", "briefing": "x"}, "/to", "bob"),
        ("escalate", {"to": "team:paymnts", "reason": "x"}, "/to", "payments"),
        ("escalate", {"to": "payments", "reason": "x"}, "/to", "team:payments"),
        ("escalate", {"to": "person:bobb", "reason": "x"}, "/to", "bob"),
    ],
)
def test_unknown_names(api, declared, temporal, command, body, pointer, near):
    """422 with what was meant, and nothing was sent."""
    before = len(temporal.updates)
    answer = api.post(f"{API}/checkout-1/{command}", json=body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert near in error["near"]
    assert len(temporal.updates) == before


@pytest.mark.parametrize(
    ("body", "near"),
    [
        ({"service": "chekout", "severity": "SEV1", "summary": "x"}, "checkout"),
        ({"service": "checkout", "severity": "SEV9", "summary": "x"}, "SEV1"),
        ({"service": "checkout", "severity": "SEV1", "summary": "x", "actor": "alic"}, "alice"),
    ],
)
def test_unknown_names_in_a_declaration(api, temporal, body, near):
    """The same, and no desk was started."""
    answer = api.post(API, json=body)
    assert answer.status_code == 422
    assert near in answer.json()["errors"][0]["near"]
    assert temporal.updates == []


@pytest.mark.parametrize("command", ["acknowledge", "accept-role", "decline-role", "join", "leave"])
def test_commands_about_the_actor_need_one(api, declared, command):
    """The operator is nobody in particular."""
    body = {"role": "tech_lead"} if "role" in command else {}
    answer = api.post(f"{API}/checkout-1/{command}", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/actor"


def test_wrong_body_names_every_field(api, declared):
    """All mistakes at once, each with its place."""
    answer = api.post(f"{API}/checkout-1/escalate", json={"too": "x", "reason": 7})
    assert answer.status_code == 422
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/to", "/reason", "/too"}


def test_note_over_its_limit(api, declared):
    """16 KiB of a note are taken, one byte more is not."""
    url = f"{API}/checkout-1/note"
    assert api.post(url, json={"text": "x" * 16 * 1024}).status_code == 200
    assert api.post(url, json={"text": "x" * (16 * 1024 + 1)}).status_code == 422


def test_unknown_incident(api):
    """404, whatever is asked of it."""
    assert api.get(f"{API}/checkout-9").status_code == 404
    assert api.get(f"{API}/checkout-9/timeline").status_code == 404
    assert api.get(f"{API}/checkout-9/postmortem").status_code == 404
    assert api.post(f"{API}/checkout-9/note", json={"text": "x"}).status_code == 404
    assert api.get(f"{API}/desk%2Fcheckout").status_code == 404
    assert api.post(f"{API}/desk%2Fcheckout/note", json={"text": "x"}).status_code == 404


def test_command_after_the_end(api, declared, temporal):
    """409 also when the workflow is gone."""
    api.post(f"{API}/checkout-1/cancel", json={"reason": "x"})
    assert api.post(f"{API}/checkout-1/note", json={"text": "x"}).status_code == 409
    temporal.end("checkout-1")
    answer = api.post(f"{API}/checkout-1/note", json={"text": "x"})
    assert answer.status_code == 409
    assert answer.json()["incident_status"] == "cancelled"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_route(api, name):
    """Its own, in kebab-case."""
    paths = api.get("/openapi.json").json()["paths"]
    route = paths[f"{API}/{{incident_id}}/{name.replace('_', '-')}"]["post"]
    schema = route["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {*COMMANDS[name].model_fields, "actor"}


@pytest.mark.parametrize(
    ("query", "near"),
    [
        ("status=opn", "open"),
        ("statuss=open", "status"),
        ("limit=0", None),
        ("limit=x", None),
        ("cursor=nonsense", None),
        ("service=chekout", "checkout"),
    ],
)
def test_wrong_queries(api, query, near):
    """422 with what was meant; nothing is silently ignored."""
    answer = api.get(f"{API}?{query}")
    assert answer.status_code == 422
    if near:
        assert near in answer.json()["errors"][0]["near"]


def test_an_unknown_incident_names_the_open_ones_that_look_like_it(api, declared):
    """A mistyped id at 2 a.m. is answered with the one that was meant."""
    problem = api.post(f"{API}/chekout-1/note", json={"text": "x"}).json()
    assert problem["status"] == 404
    assert problem["errors"][0]["near"] == [declared["id"]]
    assert "did you mean checkout-1?" in problem["detail"]
