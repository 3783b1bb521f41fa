"""What an address looks like on each channel, so that a typo is a mistake of the policy and not a page
that fails at night. Works on single values of the parsed file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from domain.policy.shape import found
from domain.text_limits import SOCIAL

EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
NTFY_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
SLACK_USER = re.compile(r"[UW][A-Z0-9]{2,20}")
SLACK_PLACE = re.compile(r"[UWCG][A-Z0-9]{2,20}")
APPRISE = re.compile(
    r"[A-Za-z][A-Za-z0-9]*://\S+"  # the URL itself
    r"|env:[A-Za-z_][A-Za-z0-9_]*"
    r"|file:/\S+"
)
WEBHOOK = re.compile(r"https?://[^\s@/]+(/\S*)?|env:[A-Za-z_][A-Za-z0-9_]*|file:/\S+")
STATUSPAGE = re.compile(r"[a-z0-9]{4,40}")
ACCOUNT = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9@._-]{0,200}")


class Format(NamedTuple):
    """How an address of one channel is written."""

    pattern: re.Pattern[str]
    wanted: str
    """What it is, with an example."""
    shown: Callable[[str], str] = found
    """How a wrong one is named: not at all where it may hold a secret."""


_NUMBER = Format(E164, 'number in international form such as "+4915550001"')
_TOPIC = Format(NTFY_TOPIC, "ntfy topic such as alice-k7Qz3w: letters, digits, - and _, 64 at most")
FORMATS: dict[str, Format] = {
    "email": Format(EMAIL, "mail address such as alice@example.com"),
    "sms": _NUMBER,
    "voice": _NUMBER,
    "ntfy": _TOPIC,
    "push": _TOPIC,
    "slack": Format(
        SLACK_USER, "Slack member id such as U02ABCDEF (in the profile: Copy member ID)"
    ),
    "apprise": Format(
        APPRISE,
        "Apprise URL, and no reference to one such as env:ALICE_DISCORD or file:/run/secrets/alice",
        shown=lambda value: "this",
    ),
}
_ACCOUNT = Format(
    ACCOUNT, "name of our account there such as @status@social.example: letters, digits, @ . _ -"
)
FORMATS |= {
    "webhook": Format(
        WEBHOOK,
        "https:// address, and no reference to one such as env:PARTNER_WEBHOOK",
        shown=lambda value: "this",
    ),
    **dict.fromkeys(SOCIAL, _ACCOUNT),
    "statuspage": Format(STATUSPAGE, "page id of Atlassian Statuspage such as kctbh9vrtdwd"),
}
_SLACK_OF_GROUP = Format(SLACK_PLACE, "Slack member or channel id such as U02ABCDEF or C02ABCDEF")


def format_problem(channel: object, to: str, *, is_person: bool) -> str | None:
    """Why an address cannot be one of its channel; None where it can, or the channel is not known.

    Args:
        is_person: a person is written to directly; a stakeholder group may be a channel.
    """
    if not isinstance(channel, str) or channel not in FORMATS:
        return None
    wanted = _SLACK_OF_GROUP if channel == "slack" and not is_person else FORMATS[channel]
    if wanted.pattern.fullmatch(to):
        return None
    return f"{wanted.shown(to)} is no {wanted.wanted}"
