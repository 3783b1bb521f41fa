"""How long a text may be on each network, counted as the network counts it: pure, and never too low.

A text that does not fit is refused before anything is sent. What is counted is an upper bound: a text
that fits here is never refused there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import NamedTuple

from domain.errors import Problem
from domain.updates import Audience

SOCIAL = frozenset({"mastodon", "bluesky", "x"})
"""Networks on which everybody reads: for external updates that a second person has approved."""
URL_CHARS = 23
"""A link's length on Mastodon and X, however long it is.
Source: https://docs.joinmastodon.org/user/posting/ and https://docs.x.com/fundamentals/counting-characters"""
BLUESKY_LINK = 40
"""Of the link at the end: there it is a text of its own, and what is beyond is not shown."""
BLUESKY_BYTES = 3_000
SMS_PARTS = 6
"""Of one update. Each part is paid for, and phones show about as many as one message."""

_URL = re.compile(r"https?://[^\s<>\"]+")
_HOST = re.compile(r"(?<![\w@./-])[\w-]+(?:\.[\w-]+)+(?![\w-])")
"""X makes links of names as well: `example.com` counts as a link."""
_MENTION = re.compile(r"(?<![\w/=.])([@\uff20])(?=\w)")
_LIGHT = ((0, 4_351), (8_192, 8_205), (8_208, 8_223), (8_242, 8_247))
"""Characters that count once on X, the others twice. Source: twitter-text's configuration, version 3."""
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""GSM 03.38's alphabet; one character outside of it, and the whole message is UCS-2."""
_GSM_TWICE = frozenset("\f^{}\\[~]|€")
_CUT = "\N{ZERO WIDTH SPACE}"


class Network(NamedTuple):
    """What one network takes."""

    title: str
    most: int
    unit: str
    length: Callable[[str], int]
    link: int
    """How much of it the link to the status page takes, with the line break before it."""

    def has_room(self, text: str) -> bool:
        """Whether a text fits as it is."""
        return self.length(text) <= self.most


def quiet(text: str) -> str:
    """A text that calls nobody: a name behind an @ is no mention any more. Mail addresses stay."""
    return _MENTION.sub(rf"\1{_CUT}", text)


def mastodon_length(text: str) -> int:
    """Characters, with each link as 23."""
    return len(_URL.sub("x" * URL_CHARS, text))


def bluesky_length(text: str) -> int:
    """Graphemes, or as many of 300 as the bytes take of 3,000. Joined emoji count each."""
    graphemes, is_open = 0, False
    for char in text:
        is_mark = unicodedata.category(char) in ("Mn", "Me")
        graphemes += not (is_mark and is_open)
        is_open = unicodedata.category(char) not in ("Cc", "Cf", "Zl", "Zp") or is_mark
    size = len(text.encode("utf-8", "surrogatepass"))
    return max(graphemes, -(-size * 300 // BLUESKY_BYTES))


def x_length(text: str) -> int:
    """Weighted characters: a link counts 23, letters of most alphabets 1, all else 2."""
    rest = _URL.sub("x" * URL_CHARS, unicodedata.normalize("NFC", text))
    named = sum(max(0, URL_CHARS - len(found.group())) for found in _HOST.finditer(rest))
    weights = (1 if any(a <= ord(char) <= b for a, b in _LIGHT) else 2 for char in rest)
    return named + sum(weights)


def sms_parts(text: str) -> int:
    """Parts that a text message is sent, and paid for, in. Source: GSM 03.38 and 03.40."""
    if all(char in _GSM or char in _GSM_TWICE for char in text):
        units, one, each = [1 + (char in _GSM_TWICE) for char in text], 160, 153
    else:
        units, one, each = [1 + (char > "\uffff") for char in text], 70, 67
    if sum(units) <= one:
        return 1
    parts, room = 1, each
    for unit in units:  # a character of two units is not torn apart
        if unit > room:
            parts, room = parts + 1, each
        room -= unit
    return parts


NETWORKS: dict[str, Network] = {
    "mastodon": Network("Mastodon", 500, "characters", mastodon_length, URL_CHARS + 1),
    "bluesky": Network("Bluesky", 300, "characters", bluesky_length, BLUESKY_LINK + 1),
    "x": Network("X", 280, "characters", x_length, URL_CHARS + 1),
    "sms": Network("SMS", SMS_PARTS, "parts", sms_parts, 0),
}


def fits(channel: str, text: str) -> Problem | None:
    """Why a text is too long for a channel, with room for the link that is sent with it; None where it
    fits, or the channel has no limit of its own."""
    network = NETWORKS.get(channel)
    if network is None:
        return None
    length, most = network.length(quiet(text)) + network.link, network.most
    if length <= most:
        return None
    room = f" (with the link to the status page, {network.link})" if network.link else ""
    detail = (
        f"the text is too long for {network.title}: {length} {network.unit}{room} of at most {most}; "
        "shorten it"
    )
    return Problem(where="/text", detail=detail)


def problems(text: str, side: Audience, channels: Iterable[str]) -> list[Problem]:
    """What is wrong with a text for each channel that it is too long for; empty where it may be sent.

    Args:
        side: internal texts never reach a network where everybody reads.
        channels: names of the channels that it goes to.
    """
    wanted = dict.fromkeys(channels)
    if side is Audience.INTERNAL:
        wanted = {name: None for name in wanted if name not in SOCIAL}
    found = (fits(name, text) for name in wanted)
    return [problem for problem in found if problem is not None]
