"""Twilio's side of an answer: its signature, its form fields, and the TwiML that it is answered with.

Source: Twilio's security page: HMAC-SHA1 with the account's auth token over the URL that Twilio called,
followed by every form field sorted by name, name and value without anything between; base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit, urlunsplit
from xml.sax.saxutils import escape, quoteattr

from starter.security import same
from templates.filters import line

MAX_FIELDS = 200
EMPTY = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
MEDIA_TYPE = "application/xml"
MAX_TEXT_CHARS = 480
"""Three parts of a text message."""

MESSAGE_STATES = {"delivered": "delivered", "read": "delivered", "undelivered": "failed",
                  "failed": "failed"}  # fmt: skip
CALL_STATES = {"completed": "delivered", "busy": "failed", "no-answer": "failed", "failed": "failed",
               "canceled": "failed"}  # fmt: skip
"""Final states only; what is still under way says nothing yet."""

Fields = Mapping[str, str]


class Verdict(NamedTuple):
    """What a vendor says became of a message or a call."""

    state: str
    """`delivered` or `failed`."""
    detail: str


def read_form(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form, in order.

    Raises:
        ValueError: it is none, or has more than `MAX_FIELDS` fields.
    """
    return parse_qsl(
        body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
    )


def signature_of(auth_token: str, url: str, form: Iterable[tuple[str, str]]) -> str:
    """What Twilio sends as `X-Twilio-Signature`."""
    said = url + "".join(name + value for name, value in sorted(set(form)))
    digest = hmac.new(auth_token.encode(), said.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def is_signed(auth_token: str, url: str, form: list[tuple[str, str]], given: str) -> bool:
    """Whether the request came from the owner of the auth token; without a token nothing did."""
    if not auth_token:
        return False
    # Twilio may leave out a port that it was given, or name the usual one.
    return any([same(given, signature_of(auth_token, one, form)) for one in _spellings(url)])


def _spellings(url: str) -> list[str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme == "https" else 80)
    places = (parts.netloc, host, f"{host}:{port}")
    return list(dict.fromkeys(urlunsplit(parts._replace(netloc=place)) for place in places))


def is_machine(fields: Fields) -> bool:
    """Whether a mailbox or a fax answered the call: nobody has heard anything."""
    return fields.get("AnsweredBy", "").startswith(("machine", "fax"))


def verdict_on(fields: Fields) -> Verdict | None:
    """What a status callback says; None while the message or the call is still under way."""
    if "MessageStatus" in fields or "SmsStatus" in fields:
        said = fields.get("MessageStatus") or fields.get("SmsStatus", "")
        state = MESSAGE_STATES.get(said)
    else:
        said = fields.get("CallStatus", "")
        state = CALL_STATES.get(said)
        if state == "delivered" and is_machine(fields):
            return Verdict("failed", "answered by a mailbox, not by a person")
    if state is None:
        return None
    code = fields.get("ErrorCode", "")
    detail = f"{said}, error {code}" if code and code.isalnum() else said
    return Verdict(state, detail if state == "failed" else "")


def message(text: str) -> str:
    """TwiML that answers a text message with another."""
    if not text:
        return EMPTY
    shown = text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…"
    return _response(f"<Message>{_text(shown)}</Message>")


def hang_up(text: str) -> str:
    """TwiML that says something and ends the call."""
    return _response(f"<Say>{_text(text)}</Say><Hangup/>")


def ask(text: str, action: str) -> str:
    """TwiML that says something and waits for one key; without a key it goes to the action as well."""
    gather = (
        f'<Gather input="dtmf" numDigits="1" timeout="6" actionOnEmptyResult="true" method="POST" '
        f"action={quoteattr(action)}>"
    )
    return _response(f"{gather}<Say>{_text(text)}</Say></Gather><Hangup/>")


def _response(inner: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'


def _text(text: str) -> str:
    return escape("\n".join(line(part) for part in text.split("\n")))
