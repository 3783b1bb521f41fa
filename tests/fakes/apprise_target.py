"""What an Apprise URL of the kind `json://` leads to: a service that checks what Apprise posts."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

USER, PASSWORD = "tocsin", "apprise-fake-password"
PATH = "/notify"


@contextmanager
def apprise_target() -> Iterator[VendorFake]:
    """A running target; `accepted` holds the notes."""
    with running(VendorFake(check)) as fake:
        yield fake


def contact_url(url: str) -> str:
    """The contact's Apprise URL for a target at an address."""
    return url.replace("http://", f"json://{USER}:{PASSWORD}@") + PATH


def check(request: Request) -> Refusal | Taken:
    """Authentication, path, encoding, fields."""
    wanted = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    if request.headers.get("Authorization") != f"Basic {wanted}":
        return Refusal(401, "{}", "wrong password")
    if request.path.rstrip("/") != PATH:
        return Refusal(404, "{}", f"nothing is at {request.path}")
    if request.headers.get("Content-Type") != "application/json":
        return Refusal(415, "{}", "not JSON")
    note = json.loads(request.body)
    if not note.get("title") or not note.get("message") or note.get("type") != "failure":
        return Refusal(400, "{}", f"title, message or type is missing: {sorted(note)}")
    return Taken(note, "{}")
