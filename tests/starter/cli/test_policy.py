"""`policy check`, `policy schema` and `doctor` work without a running system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from records.policy_file import read_policy
from tests.starter.cli.conftest import Tocsin
from tests.starter.cli.fake_api import FakeApi

BROKEN = """\
version: 1
people:
  alice: {name: Alice, contacts: [{channel: email, to: alice@example.com}]}
teams: {payments: {members: [alicia]}}
services: {checkout: {team: paymens}}
"""
UNWISE = """\
version: 1
organisation: {name: Example}
people:
  alice: {name: Alice, contacts: [{channel: email, to: alice@example.com}]}
  bob: {name: Bob}
teams: {payments: {members: [alice]}}
escalation_policies: {payments: {steps: [{page: [team:payments]}]}}
services: {checkout: {team: payments, escalation: payments}}
"""


def test_the_example_is_right(call: Tocsin) -> None:
    """The policy that everybody starts from has no mistake and no warning."""
    result = call("policy", "check")
    assert (result.code, result.out) == (0, "")


def test_every_mistake_has_its_line(call: Tocsin, tmp_path: Path) -> None:
    """All at once, each with file, line, place, and what was probably meant."""
    file = tmp_path / "policy.yaml"
    file.write_text(BROKEN)
    result = call("policy", "check", str(file))
    assert result.code == 2
    rows = result.out.splitlines()
    assert any(row.startswith(f"{file}:4: teams.payments.members") for row in rows), rows
    assert any(row.startswith(f"{file}:5: services.checkout.team: ") for row in rows), rows
    assert any("did you mean" in row for row in rows)


def test_warnings_fail_unless_allowed(call: Tocsin, tmp_path: Path) -> None:
    """What is unwise is for a person to decide."""
    file = tmp_path / "policy.yaml"
    file.write_text(UNWISE)
    result = call("policy", "check", str(file))
    assert result.code == 2
    assert ": warning: " in result.out
    assert call("policy", "check", str(file), "--allow-warnings").code == 0
    listed = json.loads(call("policy", "check", str(file), "-o", "json").out)["problems"]
    assert all(one["warning"] for one in listed)


SAMPLED = """\
version: 1
organisation: {name: Example}
people:
  alice: {name: Alice, contacts: [{channel: email, to: alice@example.com}]}
teams: {payments: {members: [alice]}}
services: {checkout: {team: payments}}
integrations:
  prometheus:
    format: alertmanager
    key: env:AM_KEY
    rules: [{name: staging, when: {env: staging}, set: {severity: SEV3}}]
    samples: [staging.json, sub/raw.http]
"""
SAMPLE = {"alerts": [{"labels": {"service": "checkout", "severity": "critical", "env": "staging"}}]}


def test_check_shows_what_samples_become(call: Tocsin, tmp_path: Path) -> None:
    """Of each alert of each sample: service, severity, priority, and what decided them."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "staging.json").write_text(json.dumps(SAMPLE))
    (tmp_path / "sub" / "raw.http").write_bytes(b"Content-Type: text/plain\r\n\r\nnot json")
    file = tmp_path / "policy.yaml"
    file.write_text(SAMPLED)
    result = call("policy", "check", str(file))
    assert result.code == 0, result.err
    _, row, broken = result.out.splitlines()
    assert row.split()[:5] == ["prometheus", "staging.json", "checkout", "SEV3", "P3"]
    assert "service: label service is 'checkout'; severity: rules[0] \"staging\"" in row
    assert "not JSON" in broken
    samples = json.loads(call("policy", "check", str(file), "-o", "json").out)["samples"]
    assert samples[0]["alerts"][0]["severity"] == "SEV3"


def test_a_sample_that_is_not_there(call: Tocsin, tmp_path: Path) -> None:
    """A mistake with its line for whoever checks; what runs does without samples."""
    (tmp_path / "staging.json").write_text("{}")
    file = tmp_path / "policy.yaml"
    file.write_text(SAMPLED)
    result = call("policy", "check", str(file))
    assert result.code == 2
    assert result.out.startswith(f"{file}:12: integrations.prometheus.samples.1: 'sub/raw.http'")
    assert read_policy(file).policy.integrations["prometheus"].samples


def test_a_format_that_there_is_not(call: Tocsin, tmp_path: Path) -> None:
    """The check knows the formats, without a running system."""
    file = tmp_path / "policy.yaml"
    file.write_text(SAMPLED.replace("alertmanager", "alertmanagr"))
    result = call("policy", "check", str(file))
    assert "unknown format 'alertmanagr'; did you mean alertmanager" in result.out


def test_a_policy_that_is_not_there(call: Tocsin, tmp_path: Path) -> None:
    """A missing file is a mistake like any other."""
    result = call("policy", "check", str(tmp_path / "none.yaml"))
    assert result.code == 2
    assert "none.yaml" in result.out


def test_the_schema_is_json(call: Tocsin) -> None:
    """An editor can be pointed at it."""
    assert json.loads(call("policy", "schema").out)["title"] == "Policy"


def test_doctor_where_nothing_runs(call: Tocsin, alone: Path) -> None:
    """Not running is no illness; that nobody is really paged is said."""
    result = call("doctor")
    assert result.code == 0, result.out
    assert "start `tocsin up`" in result.out
    assert "NOBODY IS REALLY PAGED" in result.out


def test_doctor_where_all_is_well(tocsin: Tocsin, api: FakeApi) -> None:
    """The API answers and takes our token."""
    checks = json.loads(tocsin("doctor", "-o", "json").out)["checks"]
    assert {c["check"]: c["state"] for c in checks}["API"] == "ok"


def test_doctor_shows_what_waits_on_disk(call: Tocsin, alone: Path) -> None:
    """An API that is down has left alerts: no illness of this machine, and nothing to overlook."""
    checks = {c["check"]: c for c in json.loads(call("doctor", "-o", "json").out)["checks"]}
    assert checks["journal"]["state"] == "ok"
    journal = alone / "journal"
    journal.mkdir(parents=True)
    (journal / "1.journal").write_bytes(b"x" * 1_500_000)
    checks = {c["check"]: c for c in json.loads(call("doctor", "-o", "json").out)["checks"]}
    assert checks["journal"]["state"] == "warning"
    assert "1.4 MB of alerts wait" in checks["journal"]["detail"]


def test_doctor_shows_what_intake_refused(tocsin: Tocsin, api: FakeApi) -> None:
    """An alert may have been in what a known sender brought: the operator hears of it."""
    row = {"at": "2026-11-24T12:00:00Z", "integration": "grafana", "format": "grafana",
           "status": 401, "code": "forged", "why": "not signed"}  # fmt: skip
    api.refused = [row]
    checks = json.loads(tocsin("doctor", "-o", "json").out)["checks"]
    (found,) = [check for check in checks if check["check"] == "intake"]
    assert found["state"] == "warning"
    assert "grafana (grafana): 401 not signed" in found["detail"]
    api.refused = []
    checks = json.loads(tocsin("doctor", "-o", "json").out)["checks"]
    assert {check["check"]: check["state"] for check in checks}["intake"] == "ok"
    api.strangers = [{"format": "sentry", "count": 3, "last_at": "2026-11-24T12:00:00Z"}]
    checks = json.loads(tocsin("doctor", "-o", "json").out)["checks"]
    (found,) = [check for check in checks if check["check"] == "intake"]
    assert found["state"] == "warning"
    assert "without a valid key: sentry 3" in found["detail"]
    api.closed = ["integration pd is closed: its key env:PD_KEY is not set"]
    checks = json.loads(tocsin("doctor", "-o", "json").out)["checks"]
    (found,) = [check for check in checks if check["check"] == "intake"]
    assert "integration pd is closed" in found["detail"]


@pytest.mark.parametrize("broken", ["token", "policy"])
def test_doctor_finds_what_is_wrong(
    broken: str, tocsin: Tocsin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1 and the check that failed."""
    if broken == "token":
        monkeypatch.setenv("TOCSIN_API_TOKEN", "wrong")
    else:
        (tmp_path / "p.yaml").write_text(BROKEN)
        monkeypatch.setenv("TOCSIN_POLICY", str(tmp_path / "p.yaml"))
    result = tocsin("doctor", "-o", "json")
    assert result.code == 1
    failed = [c["check"] for c in json.loads(result.out)["checks"] if c["state"] == "failed"]
    assert failed == ["API" if broken == "token" else "policy"]


def test_version(call: Tocsin) -> None:
    """Without any server."""
    assert call("version").out.startswith("tocsin ")


def test_mistakes_in_templates_of_ones_own(
    call: Tocsin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Syntax, names, file names and frames, each with its file; the policy's own texts with their line."""
    own = tmp_path / "own"
    (own / "external_update").mkdir(parents=True)
    (own / "external_update" / "body.txt.j2").write_text("\n{{ txt }}")
    (own / "external_update" / "subjct.j2").write_text("x")
    monkeypatch.setenv("TOCSIN_TEMPLATES", str(own))
    file = tmp_path / "policy.yaml"
    whole = UNWISE + 'channels:\n  room: "{{ id }}-{{ servce }}"\n'
    whole += "audiences: {board: {hears: internal, template: bord}}\n"
    file.write_text(whole)
    result = call("policy", "check", str(file))
    assert result.code == 2
    rows = result.out.splitlines()
    for start, said in (
        (
            f"{file}:10: channels.room: ",
            "'servce' is not given to this template; it has id, service",
        ),
        (f"{own}/external_update/body.txt.j2:2: ", "'txt' is not given"),
        (f"{own}/external_update/subjct.j2: ", "did you mean external_update/subject.j2"),
        (
            f"{own}/bord: ",
            "is named as the frame of an audience and lacks subject.j2 and body.txt.j2",
        ),
    ):
        assert any(row.startswith(start) and said in row for row in rows), rows


def test_a_folder_of_templates_that_is_not_there(
    call: Tocsin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistyped path would change nothing in silence."""
    monkeypatch.setenv("TOCSIN_TEMPLATES", str(tmp_path / "gone"))
    result = call("policy", "check")
    assert result.code == 2
    assert "TOCSIN_TEMPLATES: is no folder" in result.out
