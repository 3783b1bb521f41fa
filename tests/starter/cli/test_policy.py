"""`policy check`, `policy schema` and `doctor` work without a running system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
