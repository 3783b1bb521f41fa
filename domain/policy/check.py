"""Every mistake of a policy at once, and what is unwise in a policy without mistakes.

The checks are told apart by what they look at: `shape.py` (fields and types), `references.py`
(names), `plausible.py` (single values), `unwise.py` (warnings). Lines and files are added by
`records/policy_file.py`, which knows the text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from domain.errors import Problem
from domain.policy.plausible import value_problems
from domain.policy.publishing import publishing_problems
from domain.policy.references import reference_problems
from domain.policy.shape import shape_problems
from domain.policy.social import social_problems
from domain.policy.unwise import find_warnings, gap_problems

__all__ = ["KNOWN_CONTACT_CHANNELS", "find_problems", "find_warnings", "gap_problems"]

KNOWN_CONTACT_CHANNELS = (
    "email",
    "sms",
    "voice",
    "push",
    "ntfy",
    "slack",
    "apprise",
    "webhook",
    "mastodon",
    "bluesky",
    "x",
    "statuspage",
    "outbox",
)


def find_problems(
    raw: dict[str, Any],
    channels: Iterable[str] = KNOWN_CONTACT_CHANNELS,
    formats: Iterable[str] | None = None,
) -> list[Problem]:
    """Every mistake of a parsed policy; empty when it may be loaded.

    Args:
        raw: the policy file's mapping, whatever stands in it.
        channels: the channels that a contact may name.
        formats: the intake formats that an integration may name; None takes any. As a mapping it
            also says which of them can check a signature.
    """
    every = [
        *shape_problems(raw),
        *reference_problems(raw),
        *social_problems(raw),
        *publishing_problems(raw),
        *value_problems(raw, tuple(channels), _collected(formats)),
    ]
    return list({(problem.where, problem.detail): problem for problem in every}.values())


def _collected(formats: Iterable[str] | None) -> Collection[str] | None:
    return formats if formats is None or isinstance(formats, Mapping) else tuple(formats)
