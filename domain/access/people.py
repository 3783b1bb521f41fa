"""Who somebody is who has signed in: the person of the policy, and the roles that they have now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from domain.access.roles import AccessRole
from domain.policy.access import SignIn
from domain.policy.model import Policy


class NobodyError(Exception):
    """The provider knows them, and the policy does not; the text is for them and for an admin.

    Args:
        hint: what they can do.
    """

    def __init__(self, why: str, hint: str = "Whoever keeps the policy can add you.") -> None:
        self.hint = hint
        super().__init__(why)


def person_of(policy: Policy, oidc: SignIn, claims: Mapping[str, Any]) -> str:
    """The person of whom a provider speaks. Raises NobodyError."""
    value = claims.get(oidc.person_claim)
    if not isinstance(value, str) or not value.strip():
        raise NobodyError(
            f"the identity provider did not say your {oidc.person_claim}, by which you are known here"
        )
    if oidc.person_claim == "email" and claims.get("email_verified", True) not in (True, "true"):
        # Whoever may type any address there could be anybody.
        raise NobodyError(
            f"the identity provider has not verified that {value[:200]} is yours",
            "Confirm your address there, and sign in again.",
        )
    return person_named(policy, value)


def groups_of(oidc: SignIn, claims: Mapping[str, Any]) -> list[str]:
    """Those at the provider; first the ones that give a role now, should there be too many to keep."""
    value = claims.get(oidc.groups_claim)
    listed = [value] if isinstance(value, str) else value
    every = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    return sorted(dict.fromkeys(every), key=lambda group: group not in oidc.roles)


def person_named(policy: Policy, value: str) -> str:
    """The person whose key or mail address the provider has named.

    A key is compared to the letter; of an address upper and lower case count the same.

    Raises:
        NobodyError: nobody's, or several people's.
    """
    if value in policy.people:
        return value
    found = mail_addresses(policy).get(value.strip().casefold(), ())
    if not found:
        raise NobodyError(
            f"nobody in the policy has the key or the verified mail address {value[:200]}"
        )
    if len(found) > 1:
        raise NobodyError(
            f"{value[:200]} is the address of several people in the policy: {', '.join(found)}"
        )
    return found[0]


def mail_addresses(policy: Policy) -> Mapping[str, list[str]]:
    """Whose each mail address is. One that is not verified may be anybody's, and is left out."""
    found: dict[str, list[str]] = {}
    for key, person in policy.people.items():
        for address in {
            contact.to.strip().casefold()
            for contact in person.contacts
            if contact.channel == "email" and contact.verified
        }:
            found.setdefault(address, []).append(key)
    return found


def roles_of_person(policy: Policy, person: str, groups: Iterable[str]) -> frozenset[AccessRole]:
    """Everything that the policy in force gives to a person, of these groups at the provider."""
    oidc = policy.access.oidc
    if oidc is None or person not in policy.people:
        return frozenset()
    given = [*policy.access.people.get(person, []), *oidc.default_roles]
    for group in groups:
        given += oidc.roles.get(group, [])
    return frozenset(given)


def roles_in_chat(policy: Policy, person: str) -> frozenset[AccessRole]:
    """What a person may do by typing in a chat: what the policy gives them, else what a responder may.

    Whoever stands in the policy with a verified account is somebody who is paged; groups at an identity
    provider are not known there.
    """
    given = policy.access.people.get(person)
    oidc = policy.access.oidc
    default = oidc.default_roles if oidc is not None and given is None else []
    if given is None and not default:
        return frozenset({AccessRole.RESPONDER})
    return frozenset([*(given or []), *default])
