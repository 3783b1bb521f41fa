"""Requests that another site makes with our visitor's cookie: every combination of what they can bring."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi.routing import APIRoute

from starter.records_access import RecordsAccess
from tests.fakes.identity_provider import IdentityProvider, identity_provider
from tests.security.test_role_matrix import calls, modules_routes
from tests.signed_in import BEARER, ORIGIN, Browser, House

PEOPLE = {"people": {"alice": ["manager", "comms", "admin"]}}
EVIL = "https://evil.example.com"
ORIGINS = {
    "": False,
    ORIGIN: True,
    "null": False,
    EVIL: False,
    "http://testserver.evil.example.com": False,
    "http://testserver:81": False,
    "https://testserver": False,
    "HTTP://TESTSERVER": False,
}
"""By itself; empty: the request does not say."""
SITES = {"": None, "same-origin": True, "same-site": False, "cross-site": False, "none": False}


class Case(NamedTuple):
    """What a request brings beside the cookie."""

    origin: str
    site: str
    token: str

    @property
    def is_ours(self) -> bool:
        """As docs/security.md says."""
        by_site = SITES[self.site]
        if by_site is False or self.token != "own":
            return False
        if by_site is None:
            return ORIGINS[self.origin]
        return ORIGINS[self.origin] or self.origin in ("", "null")


CASES = [Case(*one) for one in product(ORIGINS, SITES, ("own", "another's", "empty", "none"))]


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, records: RecordsAccess, provider: IdentityProvider) -> House:
    return House(tmp_path / "house", records, provider, access=PEOPLE)


@pytest.fixture
def browser(house: House) -> Browser:
    return house.browser().signed_in()


def headers(case: Case, tokens: dict[str, str]) -> dict[str, str]:
    said = {"Origin": case.origin, "Sec-Fetch-Site": case.site}
    said = {name: value for name, value in said.items() if value}
    return said if case.token == "none" else {**said, "X-CSRF-Token": tokens[case.token]}


def test_the_whole_matrix(house: House, browser: Browser) -> None:
    """Only our own pages, with the session's own token; all else is 403 `csrf`, and nothing is done."""
    other = house.browser().signed_in()
    tokens = {"own": browser.csrf_token, "another's": other.csrf_token, "empty": ""}
    assert tokens["own"] != tokens["another's"]
    wrong, done = [], 0
    for case in CASES:
        answer = browser.declare(headers(case, tokens))
        if (answer.status_code != 403) != case.is_ours:
            wrong.append(f"{case}: {answer.status_code}")
        if answer.status_code == 403:
            assert answer.json()["code"] == "csrf"
            assert tokens["own"] not in answer.text
        else:
            done += 1
    assert not wrong, "\n".join(wrong)
    assert done == sum(case.is_ours for case in CASES) > 0
    assert len(house.temporal.incidents) == done


def test_every_write_is_guarded(browser: Browser) -> None:
    """No route under /api/v1 that changes anything takes a cookie alone."""
    writes = [call for call in calls() if call.method != "GET"]
    assert len(writes) > 40
    for call in writes:
        answer = browser.http.request(call.method, call.path, json=call.body or {})
        assert answer.status_code == 403, f"{call.method} {call.path}"
        assert answer.json()["code"] == "csrf"
    routes = [one for one in modules_routes() if isinstance(one, APIRoute)]
    methods = {method for route in routes for method in route.methods or ()}
    assert methods <= {"GET", "POST", "PUT", "PATCH", "DELETE"}


def test_reading_needs_no_token(browser: Browser) -> None:
    """A page of ours may simply be opened; another site cannot read the answer, for nothing allows it."""
    cross = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    answer = browser.http.get("/api/v1/whoami", headers=cross)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = browser.http.options(
        "/api/v1/incidents",
        headers={**cross, "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_the_token_is_told_to_our_own_pages(browser: Browser) -> None:
    """In the page's form and by whoami, the same one for as long as the session lasts."""
    said = browser.http.get("/api/v1/whoami").json()
    assert said["csrf_token"] == browser.csrf_token
    assert "csrf_token" not in browser.http.get("/api/v1/whoami", headers=BEARER).json()


@pytest.mark.parametrize("origin", ["", EVIL, "null", ORIGIN])
def test_a_bearer_token_needs_none(browser: Browser, origin: str) -> None:
    """No browser adds one by itself, so whoever sends it means it; a cookie beside it changes nothing."""
    said = {"Origin": origin, "Sec-Fetch-Site": "cross-site"} if origin else {}
    assert browser.declare({**BEARER, **said}).status_code == 201


@pytest.mark.parametrize(
    ("said", "token", "status"),
    [
        ({"Origin": ORIGIN}, "own", 200),
        ({"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}, "own", 200),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, "own", 200),
        ({"Origin": "null"}, "own", 403),
        ({"Origin": EVIL}, "own", 403),
        ({"Sec-Fetch-Site": "cross-site"}, "own", 403),
        ({}, "own", 403),
        ({"Origin": ORIGIN}, "guessed", 403),
        ({"Origin": ORIGIN}, "", 403),
    ],
)
def test_signing_out_is_guarded_too(
    browser: Browser, said: dict[str, str], token: str, status: int
) -> None:
    """Nobody is signed out by a page of somebody else; the page that refuses says what was missing."""
    given = browser.csrf_token if token == "own" else token
    answer = browser.http.post("/logout", data={"csrf_token": given}, headers=said)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert browser.http.get("/me").status_code == (401 if status == 200 else 200)


def test_signing_out_twice_is_no_mistake(browser: Browser) -> None:
    """A second press, or one after the session has ended, finds what it wanted; odd bodies do not crash."""
    assert browser.house.browser().http.post("/logout").status_code == 200
    for content, status in ((b"\xff", 422), (b"x" * 5000, 413), (b"csrf_token", 403)):
        answer = browser.http.post("/logout", content=content, headers={"Origin": ORIGIN})
        assert answer.status_code == status
    assert browser.http.get("/logout").status_code == 405


def test_pages_that_hold_a_token_are_kept_by_nobody(browser: Browser) -> None:
    """No cache keeps it, no frame shows it, no form of it leaves the house."""
    answer: Any = browser.http.get("/me")
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    policy = answer.headers["content-security-policy"]
    for rule in ("default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "script" not in policy
    assert "<script" not in answer.text
