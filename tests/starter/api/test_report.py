"""The report form and what responders do with reports, over HTTP."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from records.policy_file import read_policy
from starter.reports.form import TRAP
from tests.starter.conftest import ROOT


@pytest.fixture
def token(app: Any) -> str:
    """Of a form that was opened a while ago."""
    return str(app.state.services.form_tokens.make(datetime.now(UTC) - timedelta(seconds=30)))


def fields(token: str, **changes: str) -> dict[str, str]:
    return {
        "service": "checkout",
        "summary": "I cannot pay",
        "reported_by": "customer",
        "token": token,
        **changes,
    }


def reference(text: str) -> str:
    found = re.search(r"R-[0-9A-Z]{8}", text)
    assert found, text
    return found[0]


def test_the_form_can_be_opened_without_an_account(stranger):
    """It offers what customers know, runs no script, and may be sent to nobody else."""
    answer = stranger.get("/report")
    assert answer.status_code == 200
    assert '<option value="checkout">Checkout</option>' in answer.text
    assert "database" not in answer.text
    assert "<script" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy


def test_a_report_is_kept_and_has_a_reference(stranger, temporal, token):
    """201 once Temporal has it."""
    answer = stranger.post("/report", data=fields(token))
    assert answer.status_code == 201, answer.text
    ref = reference(answer.text)
    (report,) = temporal.client.reports.values()
    assert (report.ref, report.said.summary) == (ref, "I cannot pay")
    assert temporal.updates == []  # nothing is raised
    assert stranger.get(f"/report/{ref}").status_code == 200


def test_the_button_pressed_twice_is_one_report(stranger, temporal, token):
    """Both get the same reference."""
    first = stranger.post("/report", data=fields(token))
    second = stranger.post("/report", data=fields(token))
    assert reference(first.text) == reference(second.text)
    assert len(temporal.client.reports) == 1


def test_an_address_stands_in_a_file_and_nowhere_else(stranger, temporal, token, tmp_path: Path):
    """No history holds it."""
    answer = stranger.post("/report", data=fields(token, email="kim@example.com"))
    (report,) = temporal.client.reports.values()
    assert report.said.has_address
    assert "kim@example.com" not in report.model_dump_json()
    assert "kim@example.com" not in answer.text
    (file,) = (tmp_path / "reporters").iterdir()
    assert "kim@example.com" in file.read_text()


@pytest.mark.parametrize(
    "changes",
    [{"summary": ""}, {"email": "nobody"}, {"service": "nothing"}, {TRAP: "x"}, {"token": "x"}],
)
def test_a_form_with_a_mistake_comes_back_with_what_was_written(stranger, temporal, token, changes):
    """422, and nothing is kept; what was written is still there."""
    sent = {**fields(token, description="<b>Hello</b>"), **changes}
    answer = stranger.post("/report", data=sent)
    assert answer.status_code == 422
    assert 'class="wrong"' in answer.text
    assert "&lt;b&gt;Hello&lt;/b&gt;" in answer.text
    assert temporal.client.reports == {}


def test_with_temporal_away_the_form_says_so(stranger, temporal, token):
    """503, the text is still there, and sent once more it is one report."""
    temporal.client.error = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
    answer = stranger.post("/report", data=fields(token))
    assert answer.status_code == 503
    assert "could not be kept" in answer.text
    assert f'value="{token}"' in answer.text
    temporal.client.error = None
    assert stranger.post("/report", data=fields(token)).status_code == 201


def test_one_address_sends_five_in_ten_minutes(app, stranger, temporal):
    """Further ones are told to wait, and nothing of them is kept."""
    make, before = app.state.services.form_tokens.make, datetime.now(UTC) - timedelta(minutes=1)
    answers = [stranger.post("/report", data=fields(make(before))) for _ in range(6)]
    assert [one.status_code for one in answers] == [201] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "300"
    assert len(temporal.client.reports) == 5


def test_what_is_published_stands_beside_the_form(api, stranger, declared):
    """Whoever sees that it is known need not report it; what is internal is not shown."""
    url = f"/api/v1/incidents/{declared['id']}"
    assert "Known already" not in stranger.get("/report").text
    api.post(f"{url}/acknowledge", json={"actor": "alice"})
    said = {"audience": "external", "text": "Payments fail; we look into it.", "actor": "alice"}
    assert api.post(f"{url}/publish-update", json=said).status_code == 200
    text = stranger.get("/report").text
    assert "Payments fail; we look into it." in text
    assert "Cards are refused" not in text


def test_a_responder_confirms_a_report_and_it_pages(api, stranger, temporal, token):
    """The incident names the report; confirming twice raises one."""
    ref = reference(stranger.post("/report", data=fields(token)).text)
    (waiting,) = api.get("/api/v1/reports").json()["reports"]
    assert waiting["ref"] == ref
    body = {"actor": "alice", "severity": "SEV1"}
    answer = api.post(f"/api/v1/reports/{ref}/confirm", json=body)
    assert answer.status_code == 200, answer.text
    incident = answer.json()["incident"]
    view = api.get(f"/api/v1/incidents/{incident}").json()
    assert (view["severity"], view["summary"]) == ("SEV1", "I cannot pay")
    assert view["detected_by"] == "customer"
    assert view["links"] == [{"target": f"report/{ref}", "kind": "support_case"}]
    api.post(f"/api/v1/reports/{ref}/confirm", json=body)
    assert len(temporal.incidents) == 1
    assert api.get("/api/v1/reports").json()["reports"] == []
    assert len(api.get("/api/v1/reports?every=true").json()["reports"]) == 1


def test_a_report_is_shown_with_what_is_open_for_its_service(api, stranger, declared, token):
    """The duplicate check: it may be part of that, and can be joined to it."""
    ref = reference(stranger.post("/report", data=fields(token)).text)
    found = api.get(f"/api/v1/reports/{ref}").json()
    assert [one["id"] for one in found["open_incidents"]] == [declared["id"]]
    body = {"actor": "bob", "incident": declared["id"]}
    assert api.post(f"/api/v1/reports/{ref}/join", json=body).json()["state"] == "confirmed"
    links = api.get(f"/api/v1/incidents/{declared['id']}").json()["links"]
    assert links == [{"target": f"report/{ref}", "kind": "support_case"}]


def test_a_report_is_dismissed_with_a_reason(api, stranger, token):
    """Without one it is refused, naming the field."""
    ref = reference(stranger.post("/report", data=fields(token)).text)
    url = f"/api/v1/reports/{ref}/dismiss"
    assert api.post(url, json={"actor": "bob"}).status_code == 422
    answer = api.post(url, json={"actor": "bob", "reason": "planned work"})
    assert answer.json()["state"] == "dismissed"
    assert "found nothing wrong" in stranger.get(f"/report/{ref}").text
    assert "planned work" not in stranger.get(f"/report/{ref}").text


@pytest.mark.parametrize("ref", ["R-00000000", "R-1", "..%2f..%2ftoken", "x" * 300])
def test_an_unknown_reference(api, stranger, ref):
    """404 for people and for programs, whatever stands there."""
    assert stranger.get(f"/report/{ref}").status_code == 404
    assert api.get(f"/api/v1/reports/{ref}").status_code == 404


def test_a_report_that_an_ended_incident_does_not_take_raises_one(
    api, stranger, temporal, policies, declared, token, tmp_path: Path
):
    """Where nobody confirms, a report must not vanish in an incident that the records still call open."""
    file = tmp_path / "at-once.yaml"
    example = (ROOT / "policy" / "example.yaml").read_text()
    file.write_text(example + "\nreports: {lands_as: incident}\n")
    policies.adopt(read_policy(file))
    temporal.end(declared["id"])
    ref = reference(stranger.post("/report", data=fields(token)).text)
    (report,) = temporal.client.reports.values()
    assert report.incident in temporal.incidents
    assert temporal.incidents[report.incident].reporter == f"customer ({ref})"


def test_at_once_a_report_joins_the_open_incident_of_its_service(
    api, stranger, temporal, policies, declared, token, tmp_path: Path
):
    """Fifty customers who see the same are one incident."""
    file = tmp_path / "at-once.yaml"
    example = (ROOT / "policy" / "example.yaml").read_text()
    file.write_text(example + "\nreports: {lands_as: incident}\n")
    policies.adopt(read_policy(file))
    stranger.post("/report", data=fields(token))
    (report,) = temporal.client.reports.values()
    assert report.incident == declared["id"]
    assert len(temporal.incidents) == 1


def test_reports_are_for_responders(stranger):
    """Without a token nobody reads what others wrote."""
    assert stranger.get("/api/v1/reports").status_code == 401


def test_a_form_that_needs_an_account(stranger, api, policies, tmp_path: Path):
    """Closed by the policy: 401 for strangers, also when they send what they opened before."""
    file = tmp_path / "closed.yaml"
    example = (ROOT / "policy" / "example.yaml").read_text()
    file.write_text(example + "\nreports: {open: false}\n")
    policies.adopt(read_policy(file))
    assert stranger.get("/report").status_code == 401
    assert stranger.post("/report", data={}).status_code == 401
    assert api.get("/report").status_code == 200
