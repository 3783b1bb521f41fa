"""Integrations that cannot work as they stand: formats, keys, signatures, and names that rules lead to.

Works on the parsed file, whatever its shape. Services and severities that a map or a rule names are
referred in `references.py`, like all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from domain.errors import Problem
from domain.policy.intake import FIELDS
from domain.policy.model import Policy
from domain.policy.references import mapped, names, unknown
from domain.policy.shape import found
from domain.policy.tolerant import Raw, entries, section, text
from domain.priority import PRIORITIES

GENERIC = "generic"
BY_THEIR_KEY = ("pagerduty", "opsgenie")
"""Formats of which later requests name the alert by the sender's key alone."""


def integration_problems(raw: Raw, formats: Collection[str] | None) -> Iterator[Problem]:
    """Every mistake of an integration that is more than shape.

    Args:
        formats: those that there are; as a mapping it also says which can check a signature. None
            takes any.
    """
    for where, integration in entries(raw, "integrations"):
        yield from unknown("format", text(integration, "format", where), formats)
        yield from _signing(integration, where, formats)
        yield from _fields(integration, where)
        yield from _own_key(integration, where)
    yield from _shared_keys(raw)
    yield from unknown("priority", mapped(raw, "priority"), PRIORITIES)
    processes = names(raw, "processes")
    types = None if processes is None else list(dict.fromkeys(["default", *processes]))
    yield from unknown("type", mapped(raw, "type"), types)


def integration_warnings(policy: Policy) -> Iterator[Problem]:
    """Rules that change nothing."""
    for name, integration in policy.integrations.items():
        decided: set[str] = set()
        for index, rule in enumerate(integration.rules):
            fields = {field for field, _ in rule.sets}
            detail = ""
            if not fields:
                detail = "sets nothing, so it changes nothing"
            elif fields <= decided:
                detail = "is never reached: earlier rules match every alert and set what it sets"
            if detail:
                where = f"integrations.{name}.rules.{index}"
                yield Problem(where=where, detail=detail, warning=True)
            decided |= fields if not rule.when else set()


def _signing(integration: Raw, where: str, formats: Collection[str] | None) -> Iterator[Problem]:
    """A secret for a format that has no signatures would let everybody believe that they are checked."""
    name = integration.get("format")
    if not isinstance(formats, Mapping) or not isinstance(name, str):
        return
    if integration.get("signing_secret") is not None and formats.get(name) is False:
        able = ", ".join(key for key, can_sign in formats.items() if can_sign) or "none"
        detail = f"the format {name} has no signatures that could be checked; these have: {able}"
        yield Problem(where=f"{where}.signing_secret", detail=detail)


def _fields(integration: Raw, where: str) -> Iterator[Problem]:
    """Expressions are read by one format only, and for fields that there are."""
    fields = section(integration, "fields")
    if not fields:
        return
    if integration.get("format") != GENERIC:
        detail = (
            f"only the format {GENERIC} reads them, and this is {found(integration.get('format'))}"
        )
        yield Problem(where=f"{where}.fields", detail=detail)
        return
    named = ((f"{where}.fields.{key}", str(key)) for key in fields)
    yield from unknown("field", named, FIELDS)


def _own_key(integration: Raw, where: str) -> Iterator[Problem]:
    """Whoever acknowledges or resolves there says the key and nothing else: no label to make one from."""
    if integration.get("format") in BY_THEIR_KEY and "key" in section(integration, "map"):
        detail = (
            "its senders resolve an alert by their own key, without labels, so that no other key "
            "would ever clear: leave it out"
        )
        yield Problem(where=f"{where}.map.key", detail=detail)


def _shared_keys(raw: Raw) -> Iterator[Problem]:
    """Two integrations of one format with one key cannot be told apart."""
    holders: dict[tuple[str, str], str] = {}
    for where, integration in entries(raw, "integrations"):
        key, name = integration.get("key"), integration.get("format")
        if not (isinstance(key, str) and isinstance(name, str)):
            continue
        first = holders.setdefault((name, key), where)
        if first != where:
            # The key itself is left out on purpose: somebody may have written the secret there.
            detail = (
                f"is the same as that of {first}, of the same format: nobody could tell whose "
                "alerts they are; give each a key of its own"
            )
            yield Problem(where=f"{where}.key", detail=detail)
