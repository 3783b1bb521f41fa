"""A Twilio that is as strict as the real one about texts and calls, on a real socket."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "twilio-fake-token"
OURS = "+15550100"
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_TEXT_FIELDS = {"To", "From", "MessagingServiceSid", "Body", "StatusCallback"}
_CALL_FIELDS = {
    "To", "From", "Twiml", "MachineDetection", "Timeout", "StatusCallback", "StatusCallbackMethod",
}  # fmt: skip
_BY_EVERYBODY_READ = {"Say", "Pause", "Gather", "Response"}


@contextmanager
def twilio_fake() -> Iterator[VendorFake]:
    """A running fake; `accepted` holds the forms, with `kind` beside their fields."""
    with running(VendorFake(check, success=201)) as fake:
        yield fake


def check(request: Request) -> Refusal | Taken:
    """As the real one sorts it: authentication, resource, encoding, fields."""
    if request.headers.get("Authorization") != "Basic " + _basic():
        return _refusal(401, 20003, "Authenticate")
    base = f"/2010-04-01/Accounts/{ACCOUNT}"
    kinds = {f"{base}/Messages.json": "message", f"{base}/Calls.json": "call"}
    if request.path not in kinds:
        return _refusal(404, 20404, f"The requested resource {request.path} was not found")
    if request.headers.get("Content-Type") != "application/x-www-form-urlencoded":
        return _refusal(415, 20009, "Unsupported media type")
    fields = parse_qs(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    if any(len(values) != 1 for values in fields.values()):
        return _refusal(400, 20001, "a parameter was given twice")
    form = {name: values[0] for name, values in fields.items()}
    kind = kinds[request.path]
    wrong = _shared(form) or (_text(form) if kind == "message" else _call(form))
    if wrong:
        return wrong
    sid = ("SM" if kind == "message" else "CA") + "f" * 32
    answer = {"sid": sid, "status": "queued", "error_code": None, "error_message": None}
    return Taken({"kind": kind, **form}, json.dumps(answer))


def _shared(form: dict[str, str]) -> Refusal | None:
    to = form.get("To", "")
    if not _E164.fullmatch(to):
        return _refusal(400, 21211, f"The 'To' number {to} is not a valid phone number.")
    callback = form.get("StatusCallback")
    if callback is not None and not _is_url(callback):
        return _refusal(400, 21609, "The StatusCallback URL is not a valid URL.")
    return None


def _text(form: dict[str, str]) -> Refusal | None:
    if set(form) - _TEXT_FIELDS:
        return _refusal(400, 20001, f"unknown parameters {sorted(set(form) - _TEXT_FIELDS)}")
    senders = [name for name in ("From", "MessagingServiceSid") if name in form]
    if len(senders) != 1:
        return _refusal(400, 21603, "A 'From' or 'MessagingServiceSid' is required")
    if "From" in form and not re.fullmatch(r"\+[1-9][0-9]{6,14}|[0-9]{3,8}", form["From"]):
        return _refusal(400, 21212, "The 'From' number is not a valid phone number")
    if "MessagingServiceSid" in form and not _SERVICE.fullmatch(form["MessagingServiceSid"]):
        return _refusal(400, 21701, "The Messaging Service does not exist")
    body = form.get("Body", "")
    if not body.strip():
        return _refusal(400, 21602, "Message body is required.")
    if len(body) > 1600:
        return _refusal(
            400, 21617, "The concatenated message body exceeds the 1600 character limit."
        )
    if any(ord(char) < 32 and char != "\n" for char in body):
        return _refusal(400, 21615, "Body holds control characters")
    return None


def _call(form: dict[str, str]) -> Refusal | None:
    if set(form) - _CALL_FIELDS:
        return _refusal(400, 20001, f"unknown parameters {sorted(set(form) - _CALL_FIELDS)}")
    if not _E164.fullmatch(form.get("From", "")):
        return _refusal(400, 21212, "The 'From' number is not a valid phone number")
    if form.get("MachineDetection") not in (None, "Enable", "DetectMessageEnd"):
        return _refusal(400, 21260, "Invalid MachineDetection")
    if not re.fullmatch(r"[1-9][0-9]{0,2}", form.get("Timeout", "60")):
        return _refusal(400, 21208, "Invalid Timeout")
    return _twiml(form.get("Twiml", ""))


def _twiml(text: str) -> Refusal | None:
    if not text:
        return _refusal(400, 21205, "Url parameter is required.")
    if len(text) > 4000:
        return _refusal(400, 32018, "Twiml size exceeded maximum allowed value of 4000 characters")
    try:
        root = ET.fromstring(text)
    except ET.ParseError:
        return _refusal(400, 12100, "Document parse failure")
    parts = list(root.iter())
    if root.tag != "Response" or any(part.tag not in _BY_EVERYBODY_READ for part in parts):
        return _refusal(400, 12200, "Schema validation warning")
    if not any((part.text or "").strip() for part in root.iter("Say")):
        return _refusal(400, 13520, "Say: Invalid text")
    for gather in root.iter("Gather"):
        if gather.get("numDigits") != "1" or not _is_url(gather.get("action", "")):
            return _refusal(400, 13310, "Gather: wrong numDigits or action")
    return None


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _basic() -> str:
    return b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()


def _refusal(status: int, code: int, message: str) -> Refusal:
    answer = {"code": code, "message": message, "status": status}
    return Refusal(status, json.dumps(answer), f"{code} {message}")
