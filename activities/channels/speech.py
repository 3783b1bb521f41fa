"""What is read out on the phone: words that a voice can say, as the XML that Twilio follows."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from activities.channels.base import Answer, Outgoing
from activities.channels.shortening import head_of, shorten
from templates.filters import line

MAX_CHARS = 400
"""About half a minute, and it is said twice."""
KEY_SECONDS = 8
_LINK = re.compile(r"\bhttps?://\S+")
_SEVERITY = re.compile(r"\bSEV-?([0-9])\b", re.IGNORECASE)
_PRIORITY = re.compile(r"\bP([0-9])\b")
_NUMBER = re.compile(r"#(\d+)")
_JOINED = re.compile(r"(?<=\w)[-_/](?=\w)")
_UNSPEAKABLE = re.compile(r"[^\w\s.,:;!?%'()-]+")


def speakable(text: str) -> str:
    """The text as one would read it out: `checkout-17 SEV1` is "checkout 17 severity 1,"."""
    text = _LINK.sub("a link", line(text)).replace("&", " and ")
    text = _SEVERITY.sub(r"severity \1,", text)
    text = _PRIORITY.sub(r"priority \1,", text)
    text = _NUMBER.sub(r"number \1", text)
    text = _JOINED.sub(" ", text)
    said = " ".join(_UNSPEAKABLE.sub(" ", text).split())
    return re.sub(r",(?=[.,:;!?])|,$", "", said)


def as_twiml(message: Outgoing) -> str:
    """What the call says: the message, twice, and which key does what.

    A key only means something while `Gather` listens; what it means is decided by whoever is asked at
    `voice_url`, who also hears whether a machine has picked up.
    """
    said = shorten(speakable(head_of(message)), MAX_CHARS, mark=".")
    answer = message.answer
    if answer is None or answer.voice_url is None:
        spoken = " ".join([f"This is Tocsin. {_ended(said)}", *_other_ways(answer)])
        twice = f'{_say(spoken)}<Pause length="1"/>{_say(spoken)}'
        return f"{_HEAD}<Response>{twice}</Response>"
    keys = "Press 1 to acknowledge. Press 2 to escalate."
    spoken = f"This is Tocsin. {_ended(said)} {keys}"
    twice = f'{_say(spoken)}<Pause length="1"/>{_say(spoken)}'
    action = quoteattr(answer.voice_url)
    gather = (
        f'<Gather input="dtmf" numDigits="1" timeout="{KEY_SECONDS}" method="POST" action={action}>'
    )
    end = _say("No key was pressed. Nobody has acknowledged. Goodbye.")
    return f"{_HEAD}<Response>{gather}{twice}</Gather>{end}</Response>"


_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


def _say(text: str) -> str:
    return f"<Say>{escape(text)}</Say>"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _other_ways(answer: Answer | None) -> list[str]:
    """Without an address for keys the call can only tell; it is not acknowledged by listening."""
    return ["Acknowledge it with Tocsin or by the link in your other messages."] if answer else []
