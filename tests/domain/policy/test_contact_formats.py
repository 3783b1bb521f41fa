"""Addresses of contacts: a typo is found when the policy is checked, not when somebody has to be woken."""

from __future__ import annotations

import pytest

from activities.channels import ALIASES, CHANNELS
from domain.policy.check import KNOWN_CONTACT_CHANNELS, find_problems
from domain.policy.contact_formats import FORMATS, format_problem


def _problems(channel: str, to: str) -> list[str]:
    people = {"alice": {"contacts": [{"channel": channel, "to": to}]}}
    return [str(problem) for problem in find_problems({"version": 1, "people": people})]


@pytest.mark.parametrize(
    ("channel", "to"),
    [
        ("email", "alice@example.com"),
        ("sms", "+4915550001"),
        ("voice", "+15550100"),
        ("ntfy", "alice-k7Qz_3w"),
        ("push", "a"),
        ("slack", "U02ABCDEF"),
        ("slack", "W0123"),
        ("apprise", "env:ALICE_DISCORD"),
        ("apprise", "file:/run/secrets/alice"),
        ("apprise", "discord://id/token"),
        ("outbox", "anything at all"),
    ],
)
def test_an_address_as_its_channel_writes_it_is_taken(channel: str, to: str) -> None:
    """What a vendor would take is no mistake."""
    assert _problems(channel, to) == []


@pytest.mark.parametrize(
    ("channel", "to", "example"),
    [
        ("email", "alice", "alice@example.com"),
        ("sms", "015550001", "+4915550001"),
        ("sms", "+49 155 50001", "+4915550001"),
        ("voice", "+0123456789", "+4915550001"),
        ("ntfy", "alice's phone", "alice-k7Qz3w"),
        ("push", "x" * 65, "alice-k7Qz3w"),
        ("ntfy", "https://ntfy.sh/alice", "alice-k7Qz3w"),
        ("slack", "@alice", "U02ABCDEF"),
        ("slack", "C02ABCDEF", "U02ABCDEF"),
        ("apprise", "discord", "env:ALICE_DISCORD"),
        ("apprise", "file:secrets/alice", "file:/run/secrets/alice"),
        ("apprise", "env:ALICE-DISCORD", "env:ALICE_DISCORD"),
    ],
)
def test_a_wrong_address_is_a_mistake_with_an_example(channel: str, to: str, example: str) -> None:
    """The mistake stands at its place and shows what a right one looks like."""
    (problem,) = _problems(channel, to)
    assert problem.startswith("people.alice.contacts.0.to: ")
    assert example in problem


def test_a_wrong_url_is_not_shown() -> None:
    """It may hold a password that only lacks its first word."""
    assert "hunter2" not in str(_problems("apprise", "bot:hunter2@host"))


def test_a_stakeholder_group_may_be_a_channel_of_slack() -> None:
    """People are written to directly; a group may read in a room."""
    assert format_problem("slack", "C02ABCDEF", is_person=False) is None
    assert "channel id" in (format_problem("slack", "#general", is_person=False) or "")


def test_every_channel_has_a_format() -> None:
    """A channel that is registered can stand in the policy, and its addresses are checked."""
    assert set(FORMATS) == {*CHANNELS, *ALIASES}
    assert set(KNOWN_CONTACT_CHANNELS) == {*FORMATS, "outbox"}
