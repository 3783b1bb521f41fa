"""What a policy says of signing in: names that must exist, secrets that must not stand in it, idle rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.errors import PolicyError
from domain.policy.check import find_problems, find_warnings
from domain.policy.model import Policy
from records.policy_file import read_policy
from tests.domain.policy.test_check import a_policy

OIDC = {"issuer": "https://login.example.com", "client_id": "tocsin"}


def with_access(oidc: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {**a_policy(), "access": fields | ({"oidc": OIDC | oidc} if oidc is not None else {})}


def test_names_have_their_line_and_near_ones(tmp_path: Path) -> None:
    """A person or a role that does not exist is a mistake at its line, with what was probably meant."""
    file = tmp_path / "policy.yaml"
    file.write_text(
        "version: 1\n"
        "people:\n"
        "  alice: {contacts: [{channel: email, to: alice@example.com}]}\n"
        "access:\n"
        "  people:\n"
        "    alise: [responder]\n"
        "    alice: [respondr]\n"
        "  oidc:\n"
        "    issuer: https://login.example.com\n"
        "    client_id: tocsin\n"
        "    client_secret: hunter2-canary\n"
        "    roles:\n"
        "      sre: [managr]\n"
        "    default_roles: [everything]\n",
        encoding="utf-8",
    )
    with pytest.raises(PolicyError) as caught:
        read_policy(file)
    found = {problem.where: problem for problem in caught.value.problems}
    assert found["access.people.alise"].near == ("alice",)
    assert found["access.people.alise"].line == 6
    assert found["access.people.alice.0"].near == ("responder",)
    assert found["access.people.alice.0"].line == 7
    assert "env:NAME or file:PATH" in found["access.oidc.client_secret"].detail
    assert found["access.oidc.roles.sre.0"].near == ("manager",)
    assert found["access.oidc.roles.sre.0"].line == 13
    assert "ingest or viewer" in found["access.oidc.default_roles.0"].detail
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("oidc", "where"),
    [
        ({"issuer": "login.example.com"}, "issuer"),
        ({"issuer": "ftp://login.example.com"}, "issuer"),
        ({"issuer": "https://"}, "issuer"),
        ({"issuer": "https://login.example.com?x=1"}, "issuer"),
        ({"issuer": "https://user:pass@login.example.com"}, "issuer"),
        ({"issuer": "https://login.example.com:port"}, "issuer"),
        ({"issuer": "https://l\u00f6gin.example.com"}, "issuer"),
        ({"issuer": "https://login.example.com/" + "a" * 500}, "issuer"),
        ({"issuer": 7}, "issuer"),
        ({"client_id": ""}, "client_id"),
        ({"scopes": ["email"]}, "scopes"),
        ({"scopes": ["openid", "two words"]}, "scopes"),
        ({"roles": {"sre": "manager"}}, "roles.sre"),
        ({"client_sceret": "env:X"}, "client_sceret"),
    ],
)
def test_what_cannot_be_meant_is_a_mistake_at_its_place(oidc: dict[str, Any], where: str) -> None:
    """A provider that could never be asked, or would never say who signs in."""
    assert f"access.oidc.{where}" in [one.where for one in find_problems(with_access(oidc))]


@pytest.mark.parametrize("issuer", ["https://a.example.com/realms/x/", "http://127.0.0.1:8080"])
def test_issuers_of_every_kind(issuer: str) -> None:
    """With a path, with a slash at its end, on a port: as the provider spells itself."""
    assert find_problems(with_access({"issuer": issuer, "default_roles": ["viewer"]})) == []


@pytest.mark.parametrize(
    ("access", "where", "said"),
    [
        (with_access(people={"alice": ["viewer"]}), "access.people", "without access.oidc"),
        (with_access({}), "access.oidc", "no role to anybody"),
        (with_access({"roles": {"sre": []}}, people={"alice": []}), "access.oidc", "no role"),
    ],
)
def test_what_changes_nothing_is_a_warning(access: dict[str, Any], where: str, said: str) -> None:
    """It loads, and its owner hears of it before their people do."""
    assert find_problems(access) == []
    found = {one.where: one.detail for one in find_warnings(Policy.model_validate(access))}
    assert said in found[where]


def test_one_address_of_two_people_is_a_warning() -> None:
    """Neither could sign in by it."""
    raw = with_access({"default_roles": ["viewer"]})
    first, second = list(raw["people"])[:2]
    for name, address in ((first, "team@example.com"), (second, "Team@Example.com")):
        raw["people"][name]["contacts"] = [{"channel": "email", "to": address}]
    found = {one.where: one.detail for one in find_warnings(Policy.model_validate(raw))}
    assert "team@example.com is an address of" in found[f"people.{second}"]
