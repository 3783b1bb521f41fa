"""Social networks in a policy: outside only, and never without a second person."""

from __future__ import annotations

from typing import Any

import pytest

from domain.policy.check import find_problems

POST = {"channel": "mastodon", "to": "@status@social.example"}


def _found(raw: dict[str, Any]) -> dict[str, str]:
    return {problem.where: problem.detail for problem in find_problems(raw)}


def _audience(**fields: Any) -> dict[str, Any]:
    return {"audiences": {"public": {"hears": "external", "to": [POST], **fields}}}


def test_an_approved_audience_outside_may_have_one() -> None:
    """With a second person's word a post may leave."""
    assert _found(_audience(approval=True)) == {}


@pytest.mark.parametrize("network", ["mastodon", "bluesky", "x"])
def test_without_approval_it_is_refused(network: str) -> None:
    """A post cannot be taken back: the mistake is told where it stands, with what to write."""
    contact = {**POST, "channel": network}
    (missing,) = _found(_audience(to=[contact])).items()
    assert missing[0] == "audiences.public.to.0.channel"
    assert "approval: true" in missing[1]
    assert network in missing[1]
    assert list(_found(_audience(to=[contact], approval=False))) == ["audiences.public.approval"]


@pytest.mark.parametrize(
    "raw",
    [
        _audience(hears="internal", approval=True),
        {"audiences": {"responders": {"to": [POST], "approval": True}}},
        {"stakeholders": {"leadership": {"to": [POST]}}},
        {"people": {"alice": {"contacts": [POST]}}},
    ],
)
def test_nothing_internal_can_reach_one(raw: dict[str, Any]) -> None:
    """Responders, stakeholders and people hear what is internal: none of them is on a network."""
    (detail,) = _found(raw).values()
    assert "everybody reads on mastodon" in detail


@pytest.mark.parametrize("to", ["https://x.com/us", "two words", "", "@"])
def test_an_account_looks_like_one(to: str) -> None:
    """What is no account's name is told before anything is sent."""
    assert any(
        "to.0" in where for where in _found(_audience(approval=True, to=[{**POST, "to": to}]))
    )


@pytest.mark.parametrize("to", ["https://hooks.example.com/x?y=1", "env:HOOK", "file:/run/hook"])
def test_a_webhook_is_an_address_or_a_reference(to: str) -> None:
    """Where the address holds a secret, the policy names where it stands."""
    assert _found(_audience(to=[{"channel": "webhook", "to": to}])) == {}


@pytest.mark.parametrize("to", ["hooks.example.com", "https://u:hunter2@h/x", "ftp://h/x", "env:"])
def test_a_wrong_webhook_is_told_without_being_shown(to: str) -> None:
    """It may hold a secret."""
    found = _found(_audience(to=[{"channel": "webhook", "to": to}]))
    assert list(found) == ["audiences.public.to.0.to"]
    assert "hunter2" not in str(found)
