"""What the form holds, and the token in it by which one press of its button is one report."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE
from starter.security import LinkSigner

MAX_SUMMARY_CHARS = 200
MAX_DESCRIPTION_CHARS = 4_000
MAX_ADDRESS_CHARS = 254  # RFC 5321, with its two angle brackets taken off
FASTEST = timedelta(seconds=2)
"""Nobody fills in a form faster; programs do."""
LONGEST = timedelta(hours=24)
TRAP = "website"
"""A field that people do not see. A program fills in everything."""
_ADDRESS = re.compile(
    r"[^\s@<>()\[\],;:\\\"\x00-\x1f]+@[^\s@<>()\[\],;:\\\"]+\.[^\s@<>()\[\],;:\\\".]+"
)
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # without those that are read as one another
_REFERENCE = re.compile(rf"R-[{_LETTERS}]{{8}}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Filled(NamedTuple):
    """A form as it came, and what is wrong with it by field."""

    values: dict[str, str]
    problems: dict[str, str]
    ref: str
    """The report's reference; the same however often this very form is sent."""


class FormTokens:
    """Makes and reads the tokens that stand in forms.

    Args:
        signer: whose secret signs them.
    """

    def __init__(self, signer: LinkSigner) -> None:
        self._signer = signer

    def make(self, at: datetime) -> str:
        nonce = secrets.token_urlsafe(12)
        said = f"{nonce}.{int(at.timestamp())}"
        return f"{said}.{self._signer.sign(f'form/{said}')}"

    def age(self, token: str, at: datetime) -> timedelta | None:
        """How old the form is; None for a token that is not ours."""
        said, _, mac = token.rpartition(".")
        if not said or not self._signer.verify(f"form/{said}", mac):
            return None
        return timedelta(seconds=at.timestamp() - int(said.rpartition(".")[2]))


def reference(token: str) -> str:
    """The reference of the report that this form becomes: 40 bits, to be said on the phone."""
    number = int.from_bytes(hashlib.sha256(token.encode()).digest()[:5], "big")
    return "R-" + "".join(_LETTERS[(number >> shift) & 31] for shift in range(35, -1, -5))


def is_reference(text: str) -> bool:
    """Whether a report may have this reference."""
    return _REFERENCE.fullmatch(text) is not None


def services_offered(policy: Policy) -> dict[str, str]:
    """The services that the form offers, by key, with the names that people know."""
    keys = policy.reports.services
    if keys is None:
        keys = [key for key, service in policy.services.items() if service.public]
    return {key: policy.service(key).name or key for key in keys if key != UNKNOWN_SERVICE}


def read(
    fields: Sequence[tuple[str, str]] | Mapping[str, str],
    tokens: FormTokens,
    policy: Policy,
    at: datetime,
) -> Filled:
    """A form that was sent, with every mistake."""
    given = dict(fields)
    values = {name: _clean(given.get(name, "")) for name in ("service", "summary", "description")}
    values |= {name: _clean(given.get(name, "")) for name in ("reported_by", "email", "token")}
    problems: dict[str, str] = {}
    if values["reported_by"] not in ("customer", "staff"):
        values["reported_by"] = "customer"
    if values["service"] not in (*services_offered(policy), UNKNOWN_SERVICE):
        problems["service"] = "Choose what is affected, or that you do not know."
    if not values["summary"]:
        problems["summary"] = "Say in a few words what does not work."
    elif len(values["summary"]) > MAX_SUMMARY_CHARS:
        problems["summary"] = f"At most {MAX_SUMMARY_CHARS} characters; the rest goes below."
    if len(values["description"]) > MAX_DESCRIPTION_CHARS:
        problems["description"] = f"At most {MAX_DESCRIPTION_CHARS} characters."
    email = values["email"]
    if email and (len(email) > MAX_ADDRESS_CHARS or not _ADDRESS.fullmatch(email)):
        problems["email"] = "This is no mail address; leave it out if you want no answer."
    age = tokens.age(values["token"], at)
    if given.get(TRAP, ""):
        problems["form"] = "A field that must stay empty was filled in. Send the form once more."
    elif age is None or age > LONGEST:
        problems["form"] = "This form is too old. What you wrote is still here: send it once more."
    elif age < FASTEST:
        problems["form"] = "That was faster than anybody writes. Send the form once more."
    return Filled(values, problems, reference(values["token"]))


def _clean(text: str) -> str:
    return _CONTROL.sub("", text).replace("\r\n", "\n").strip()
