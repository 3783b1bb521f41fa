"""Mail, as SendGrid's Inbound Parse posts it: a form of the mail's parts.

A subject says whether it is over and how bad it is. The receiving address says the service by its tag:
mail to `alerts+checkout@parse.example.com` is about `checkout`.

Source: https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook
"""

from __future__ import annotations

import json
import re
from email.utils import getaddresses, parseaddr
from typing import Any

from domain.alert import Alert, AlertStatus
from starter.intake.form import MULTIPART, URLENCODED, Form, read_form
from starter.intake.formats import Format, first_text
from starter.intake.html_text import text_of_html
from starter.intake.mapping import MAX_DESCRIPTION_CHARS, Sender, clean, key_of
from starter.intake.mime import parts_of_mail
from starter.intake.received import Received
from starter.intake.wording import bare_subject, is_resolved_subject, severity_word

FIELDS = ("subject", "text", "html", "from", "to", "envelope", "headers", "email")
"""A form that holds none of them is no mail."""
MAX_ADDRESS_CHARS = 320
MAX_HEADER_CHARS = 2_000
MAX_HEADERS_CHARS = 30_000
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,900}>")
_THREAD = ("references", "in-reply-to", "message-id")
"""In this order, the first id names the thread: the mail that it began with."""


def parse(received: Received, sender: Sender) -> list[Alert]:
    """Read one mail. Raises IntakeError where it is no form."""
    form = read_form(received)
    said = form.fields
    if not any(said.get(name) for name in FIELDS):
        return [sender.unreadable(dict(said) or received.text, "the form holds no mail")]
    if said.get("email"):
        said = {**parts_of_mail(said["email"]), **said}
    subject = first_text(said.get("subject"))
    text = said.get("text", "").strip() or text_of_html(said.get("html", ""))
    labels = _labels(said, _headers(said.get("headers", "")), subject, sender)
    thread = labels.get("thread", "")
    about = bare_subject(subject)
    notes = [] if subject or text else ["the mail has neither subject nor text"]
    return [
        sender.alert(
            labels,
            key=f"subject/{about}"
            if about
            else f"thread/{thread}"
            if thread
            else key_of({"text": text}),
            status=AlertStatus.RESOLVED if is_resolved_subject(subject) else AlertStatus.FIRING,
            summary=subject or first_text(text[:300]),
            raw={name: said[name] for name in FIELDS if name in said},
            notes=notes,
            description=clean(_described(text, form), MAX_DESCRIPTION_CHARS),
        )
    ]


def _labels(
    said: dict[str, str], headers: dict[str, str], subject: str, sender: Sender
) -> dict[str, Any]:
    """What rules and map see: addresses, subject, thread, and a severity out of the subject's words."""
    to = _receiver(said)
    mailbox, _, _ = to.partition("@")
    box, _, tag = mailbox.partition("+")
    labels = {
        "from": _address(said.get("from", "")),
        "to": to,
        "mailbox": box,
        "service": tag,
        "subject": subject,
        "thread": next((id_ for name in _THREAD if (id_ := _first_id(headers.get(name, "")))), ""),
        "spf": first_text(said.get("SPF")),
        "dkim": first_text(said.get("dkim")),
        "spam_score": first_text(said.get("spam_score")),
    }
    own = sender.map.severity.values if sender.map.severity is not None else {}
    labels["severity"] = severity_word(subject, own) or ""
    return {name: clean(value, 1000) for name, value in labels.items() if value}


def _receiver(said: dict[str, str]) -> str:
    """The address that the mail really went to; the header `To` may name others."""
    try:
        envelope = json.loads(said.get("envelope", ""))
        to = envelope["to"][0]
    except (ValueError, TypeError, LookupError, RecursionError):
        to = ""
    return _address(to if isinstance(to, str) and to else said.get("to", ""))


def _address(text: str) -> str:
    """The bare address out of a header; small letters."""
    line = " ".join(text[:MAX_HEADER_CHARS].split())
    try:
        found = parseaddr(line)[1] or next((one for _, one in getaddresses([line]) if one), "")
    except RecursionError:  # of a thousand open brackets
        found = ""
    return found[:MAX_ADDRESS_CHARS].lower()


def _headers(text: str) -> dict[str, str]:
    """The mail's own headers, by name in small letters; of several the first."""
    found: dict[str, str] = {}
    last = ""
    for line in text[:MAX_HEADERS_CHARS].splitlines():
        if line[:1] in (" ", "\t") and last:
            found[last] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        last = name.strip().lower() if colon else ""
        if last in found:
            last = ""
        elif last:
            found[last] = value.strip()
    return found


def _first_id(value: str) -> str:
    found = _MESSAGE_ID.search(value)
    return found.group() if found else ""


def _described(text: str, form: Form) -> str:
    if not form.files:
        return text
    count = len(form.files)
    names = ", ".join(" ".join(name.split())[:100] for name in form.files[:10])
    what = "attachments" if count > 1 else "attachment"
    return f"{text[: MAX_DESCRIPTION_CHARS - 1200]}\n\n{count} {what} left out: {names}"


FORMAT = Format(
    "email",
    "Mail, by SendGrid's Inbound Parse",
    parse,
    media_types=(MULTIPART, URLENCODED),
)
