"""Who somebody is who has signed in, and what the policy gives them."""

from __future__ import annotations

from typing import Any

import pytest

from domain.access.people import (
    NobodyError,
    groups_of,
    person_named,
    person_of,
    roles_of_person,
)
from domain.access.roles import AccessRole
from domain.policy.access import SignIn
from tests.factories import a_policy

OIDC = {
    "issuer": "https://login.example.com",
    "client_id": "tocsin",
    "roles": {"sre": ["responder"], "press": ["comms"]},
}
VIEWER, RESPONDER, COMMS = AccessRole.VIEWER, AccessRole.RESPONDER, AccessRole.COMMS


def house(**fields: Any) -> Any:
    people = {
        "alice": {"contacts": [{"channel": "email", "to": "Alice@x.test"}]},
        "bob": {
            "contacts": [
                {"channel": "email", "to": "bob@x.test", "verified": False},
                {"channel": "email", "to": "both@x.test"},
                {"channel": "slack", "to": "bob@slack.test"},
            ]
        },
        "carol": {"contacts": [{"channel": "email", "to": "both@x.test"}]},
        "dana": {},
    }
    return a_policy(people=people, access={"oidc": OIDC, **fields})


@pytest.mark.parametrize(
    ("value", "person"),
    [("alice", "alice"), ("alice@x.test", "alice"), (" ALICE@X.TEST ", "alice"), ("dana", "dana")],
)
def test_people_are_known_by_key_or_address(value: str, person: str) -> None:
    """A key to the letter, an address in either case."""
    assert person_named(house(), value) == person


@pytest.mark.parametrize(
    "value", ["Alice", "bob@x.test", "bob@slack.test", "eve@x.test", "both@x.test"]
)
def test_nobody_is_guessed(value: str) -> None:
    """Not by an address that nobody has verified, one of two people, one of another channel, or nearly."""
    with pytest.raises(NobodyError):
        person_named(house(), value)


@pytest.mark.parametrize(
    ("people", "groups", "roles"),
    [
        ({}, [], set()),
        ({"alice": ["viewer"]}, [], {VIEWER}),
        ({"alice": ["viewer"]}, ["sre", "press", "none"], {VIEWER, RESPONDER, COMMS}),
        ({"bob": ["viewer"]}, ["press"], {COMMS}),
    ],
)
def test_roles_add_up(people: Any, groups: list[str], roles: set[AccessRole]) -> None:
    """Those of the person and of each group, and no other person's."""
    assert roles_of_person(house(people=people), "alice", groups) == roles


def test_default_roles_are_of_everybody_in_the_policy() -> None:
    """And of nobody else; without a provider there are no roles by signing in at all."""
    policy = house(oidc={**OIDC, "default_roles": ["viewer"]})
    assert roles_of_person(policy, "dana", []) == {VIEWER}
    assert roles_of_person(policy, "eve", ["sre"]) == frozenset()
    assert (
        roles_of_person(house(oidc=None, people={"alice": ["admin"]}), "alice", []) == frozenset()
    )


@pytest.mark.parametrize(
    ("claims", "hint"),
    [
        ({}, "Whoever keeps the policy"),
        ({"email": 7}, "Whoever keeps the policy"),
        ({"email": "alice@x.test", "email_verified": False}, "Confirm your address"),
        ({"email": "alice@x.test", "email_verified": None}, "Confirm your address"),
    ],
)
def test_claims_that_name_nobody(claims: dict[str, Any], hint: str) -> None:
    """Each refusal says what its reader can do."""
    policy = house()
    with pytest.raises(NobodyError) as caught:
        person_of(policy, policy.access.oidc, claims)
    assert hint in caught.value.hint


@pytest.mark.parametrize("verified", [True, "true"])
def test_an_address_that_the_provider_has_verified(verified: Any) -> None:
    """Some providers write it as a word."""
    policy = house()
    claims = {"email": "alice@x.test", "email_verified": verified}
    assert person_of(policy, policy.access.oidc, claims) == "alice"


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        (["a", "sre", "sre", "b"], ["sre", "a", "b"]),
        ("press", ["press"]),
        ([1, None, "sre"], ["sre"]),
        ({"sre": 1}, []),
        (None, []),
    ],
)
def test_groups_however_a_provider_says_them(value: Any, groups: list[str]) -> None:
    """A list or one text; those that count come first, and what is no text counts not."""
    assert groups_of(SignIn.model_validate(OIDC), {"groups": value}) == groups
