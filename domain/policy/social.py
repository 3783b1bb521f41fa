"""Networks on which everybody reads: only for audiences outside, and only with a second person's word.

A post cannot be taken back. Works on the parsed file, whatever its shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from domain.errors import Problem
from domain.policy.audiences import default_audiences
from domain.policy.tolerant import Raw, entries, mappings, text
from domain.text_limits import SOCIAL
from domain.updates import Audience


def social_problems(raw: Raw) -> Iterator[Problem]:
    """Contacts of social networks where something internal, or something unread, could leave by them."""
    for where, audience in entries(raw, "audiences"):
        named = _networks(audience, "to", where)
        if not named:
            continue
        if audience.get("approval") is not True:
            detail = (
                f"{' and '.join(named.values())} cannot be taken back: "
                "set approval: true, so that a second person reads each update first"
            )
            at = f"{where}.approval" if "approval" in audience else next(iter(named))
            yield Problem(where=at, detail=detail)
        known = default_audiences().get(where.partition(".")[2])
        hears = audience.get("hears", known.hears.value if known else None)
        if hears == Audience.INTERNAL.value:
            for place, network in named.items():
                detail = f"everybody reads on {network}: only an audience that hears external may have it"
                yield Problem(where=place, detail=detail)
    for where, entry, field in chain(
        ((at, one, "contacts") for at, one in entries(raw, "people")),
        ((at, one, "to") for at, one in entries(raw, "stakeholders")),
    ):
        for place, network in _networks(entry, field, where).items():
            detail = (
                f"everybody reads on {network}: it is for an audience that hears external updates"
            )
            yield Problem(where=place, detail=detail)


def _networks(entry: Raw, field: str, where: str) -> dict[str, str]:
    """The social networks among an entry's contacts, by where they stand."""
    return {
        at: channel
        for place, contact in mappings(entry, field, where)
        for at, channel in text(contact, "channel", place)
        if channel in SOCIAL
    }
