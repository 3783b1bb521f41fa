"""What somebody asks in a text message: a small grammar, read without regard to case."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple


class Wish(StrEnum):
    """What is asked for."""

    ACK = "ack"
    ACK_ALL = "ack_all"
    ESCALATE = "escalate"
    STATUS = "status"
    HELP = "help"
    STOP = "stop"
    START = "start"
    JUNK = "junk"
    """Nothing that means anything here."""


class Asked(NamedTuple):
    """A wish, and of which incident: its number, its whole id, or empty for the last page."""

    wish: Wish
    which: str = ""


HELP_TEXT = (
    "Tocsin: reply ACK (last page), ACK 17 or ACK checkout-17, ACK ALL, ESCALATE 17, STATUS, "
    "STOP to get no more texts, START to get them again."
)
_ALONE = {
    "ack": Wish.ACK, "acknowledge": Wish.ACK, "yes": Wish.ACK, "1": Wish.ACK,
    "escalate": Wish.ESCALATE, "status": Wish.STATUS, "help": Wish.HELP, "info": Wish.HELP,
    # The vendor's own words: whoever sends one is blocked or unblocked there, so we must not disagree.
    "stop": Wish.STOP, "stopall": Wish.STOP, "unsubscribe": Wish.STOP, "cancel": Wish.STOP,
    "end": Wish.STOP, "quit": Wish.STOP, "revoke": Wish.STOP, "optout": Wish.STOP,
    "start": Wish.START, "unstop": Wish.START,
}  # fmt: skip
_WITH_ONE = {"ack": Wish.ACK, "acknowledge": Wish.ACK, "escalate": Wish.ESCALATE}
_WHICH = re.compile(r"#?([1-9][0-9]{0,17}|[a-z0-9][a-z0-9-]{0,99}-[1-9][0-9]{0,17})")
_AROUND = " \t\r\n.,;:!?'\"()"
MAX_CHARS = 200
"""Longer than any wish; the vendor joins up to ten parts."""


def read_wish(text: str) -> Asked:
    """What a message asks for; what cannot be read is junk, never an error."""
    if len(text) > MAX_CHARS:
        return Asked(Wish.JUNK)
    words = [word.strip(_AROUND) for word in text.casefold().split()]
    words = [word for word in words if word]
    if len(words) == 1:
        return Asked(_ALONE.get(words[0], Wish.JUNK))
    if len(words) != 2 or words[0] not in _WITH_ONE:
        return Asked(Wish.JUNK)
    wish, which = _WITH_ONE[words[0]], words[1]
    if which == "all" and wish is Wish.ACK:
        return Asked(Wish.ACK_ALL)
    found = _WHICH.fullmatch(which)
    return Asked(wish, found[1]) if found else Asked(Wish.JUNK)
