"""X, as strict about who posts and what: OAuth 1.0a by the reference library, and weighted lengths."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from oauthlib.oauth1 import Client

from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

KEYS = {
    "x_consumer_key": "FAKEconsumerKey",
    "x_consumer_secret": "FAKE+consumer/secret",
    "x_access_token": "1234-FAKEaccessToken",
    "x_access_secret": "FAKEaccess%secret",
}
MAX_WEIGHT = 280
_LINK = re.compile(r"https?://[^\s]+")
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


def check(request: Request) -> Refusal | Taken:
    """Signature, then the text."""
    if request.path != "/2/tweets":
        return _no(404, f"nothing is at {request.path}")
    said = dict(_PARAMETER.findall(request.headers.get("Authorization", "")))
    if said.get("oauth_signature") != _signature(request, said):
        return _no(401, "Unauthorized")
    post = json.loads(request.body)
    if set(post) != {"text"} or not post["text"].strip():
        return _no(400, f"text is missing, or something is beside it: {sorted(post)}")
    weight = sum(1 if ord(char) <= 4351 else 2 for char in _LINK.sub("x" * 23, post["text"]))
    if weight > MAX_WEIGHT:
        return _no(400, f"the text weighs {weight}")
    return Taken(post, json.dumps({"data": {"id": "1790000000000000001", "text": post["text"]}}))


def _signature(request: Request, said: dict[str, str]) -> str:
    client = Client(
        KEYS["x_consumer_key"],
        client_secret=KEYS["x_consumer_secret"],
        resource_owner_key=KEYS["x_access_token"],
        resource_owner_secret=KEYS["x_access_secret"],
        nonce=said.get("oauth_nonce", ""),
        timestamp=said.get("oauth_timestamp", ""),
    )
    url = f"http://{request.headers['Host']}{request.path}"
    _, headers, _ = client.sign(url, "POST", headers={"Content-Type": "application/json"})
    return dict(_PARAMETER.findall(headers["Authorization"]))["oauth_signature"]


@contextmanager
def x_fake() -> Iterator[VendorFake]:
    """A running fake; `accepted` holds the posts."""
    with running(VendorFake(check, success=201)) as fake:
        yield fake


def _no(status: int, message: str) -> Refusal:
    return Refusal(status, json.dumps({"title": message, "detail": message}), message)
