"""Sessions against whoever steals, plants, changes or keeps a cookie, or turns a way in into a way out."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from domain.access.roles import AccessRole
from starter.access.ended import FILE as ENDED
from starter.access.seals import SECRET
from starter.access.store import FOLDER
from starter.api.signing_in import ROLES, own_path
from starter.records_access import RecordsAccess
from tests.fakes.identity_provider import IdentityProvider, identity_provider
from tests.signed_in import BEARER, Browser, Clock, House

WHOAMI = "/api/v1/whoami"
HOUR = 3600


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def house(
    tmp_path: Path, records: RecordsAccess, provider: IdentityProvider, clock: Clock
) -> House:
    return House(tmp_path / "house", records, provider, clock=clock)


def is_in(browser: Browser) -> bool:
    """Whether the API and the page agree that somebody is signed in."""
    statuses = {browser.http.get(path).status_code for path in (WHOAMI, "/me")}
    assert statuses in ({200}, {401}), statuses
    return statuses == {200}


# Cookies.


def test_flags_over_http(house: House) -> None:
    """No script reads it, and no other site's form sends it."""
    answer = house.browser().sign_in()
    (cookie,) = [
        one for one in answer.headers.get_list("set-cookie") if one.startswith("tocsin-session=")
    ]
    flags = {part.strip() for part in cookie.split(";")[1:]}
    assert flags == {"Path=/", "HttpOnly", "SameSite=Lax", f"Max-Age={8 * HOUR}"}


def test_flags_over_https(tmp_path: Path, records: RecordsAccess) -> None:
    """Where people come over https it never leaves otherwise, and no neighbouring host can plant it."""
    url = "https://tocsin.example.com"
    with identity_provider(redirect_uri=f"{url}/login/callback") as provider:
        house = House(tmp_path / "house", records, provider, public_url=url)
        browser = house.browser()
        begun = browser.begin()
        cookies = begun.headers.get_list("set-cookie")
        back = browser.http.get(browser.at_the_provider(begun))
        cookies += back.headers.get_list("set-cookie")
        assert {one.name for one in browser.http.cookies.jar} == {"__Host-tocsin-session"}
        assert len(cookies) == 3
        for cookie in cookies:
            assert cookie.startswith("__Host-")
            assert {"Secure", "HttpOnly", "Path=/"} <= {p.strip() for p in cookie.split(";")}
            assert "Domain" not in cookie
        assert is_in(browser)
        planted = house.browser()
        planted.http.cookies.set("tocsin-session", browser.cookie)
        assert not is_in(planted)


def test_a_cookie_that_was_changed(house: House) -> None:
    """Every other text is nobody's: changed by a character, cut, longer, of another purpose, not ours."""
    browser = house.browser().signed_in()
    good = browser.cookie
    said, _, mark = good.partition(".")
    raw = json.loads(base64.urlsafe_b64decode(said + "=="))
    promoted = base64.urlsafe_b64encode(json.dumps({**raw, "person": "ann"}).encode()).decode()
    sessions = house.app.state.services.sessions
    attempt = sessions.sealed_attempt(sessions.attempt("/me"))
    changed = [
        good[:i] + ("A" if good[i] != "A" else "B") + good[i + 1 :] for i in range(0, len(good), 7)
    ]
    changed += [
        good[:-1],
        good + "A",
        good + "=",
        f"{said}.",
        f".{mark}",
        said,
        "",
        "." * 50,
        "x" * 5000,
    ]
    changed += [f"{promoted.rstrip('=')}.{mark}", attempt, f"{said}.{attempt.partition('.')[2]}"]
    for text in changed:
        assert not is_in(browser.with_cookie(text)), text
    assert is_in(browser.with_cookie(good))


def test_absolute_and_idle_end(house: House, clock: Clock) -> None:
    """An hour without a request ends it, eight hours do in any case; to the second."""
    browser = house.browser().signed_in()
    first = browser.cookie
    clock.at += HOUR - 1
    assert is_in(browser.with_cookie(first))
    clock.at += 1
    assert not is_in(browser.with_cookie(first))
    browser = house.browser().signed_in()
    began = clock.at
    while clock.at < began + 8 * HOUR - 1800:
        clock.at += 1800
        assert is_in(browser)
    assert browser.cookie != first
    clock.at = began + 8 * HOUR - 1
    assert is_in(browser)
    clock.at += 1
    assert not is_in(browser)
    assert "8 hours" in browser.http.get("/me").text


def test_a_cookie_from_the_future(house: House, clock: Clock) -> None:
    """A host whose clock is wrong by more than a minute makes nothing that lasts longer."""
    browser = house.browser().signed_in()
    clock.at -= 61
    assert not is_in(browser)


def test_signing_out_ends_every_copy(
    tmp_path: Path, house: House, provider: IdentityProvider, records: RecordsAccess, clock: Clock
) -> None:
    """Whoever copied the cookie before is out as well, in every API process; other sessions go on."""
    second = House(house.folder, records, provider, clock=clock)
    browser, other = house.browser().signed_in(), house.browser().signed_in()
    copy = second.browser().with_cookie(browser.cookie)
    assert is_in(copy)
    answer = browser.http.post(
        "/logout", data={"csrf_token": browser.csrf_token}, headers={"Origin": "http://testserver"}
    )
    assert answer.status_code == 200
    assert "signed out" in answer.text
    assert browser.cookie == ""
    assert not is_in(copy)
    assert is_in(other)
    restarted = House(house.folder, records, provider, clock=clock)
    assert not is_in(restarted.browser().with_cookie(copy.cookie))


def test_what_has_ended_is_forgotten_when_it_would_have_ended(house: House, clock: Clock) -> None:
    """The list does not grow for ever."""
    sessions, file = house.app.state.services.sessions, house.folder / FOLDER / ENDED
    for _ in range(3):
        sessions.end(sessions.begin("alice", "i", "c"))
    assert len(json.loads(file.read_text())["ended"]) == 3
    clock.at += 9 * HOUR
    sessions.end(sessions.begin("alice", "i", "c"))
    assert len(json.loads(file.read_text())["ended"]) == 1


def test_no_fixation(house: House) -> None:
    """A session that somebody planted is not the one that its victim goes on with; it ends, even."""
    attacker = house.browser().signed_in()
    planted = attacker.cookie
    victim = house.browser().with_cookie(planted)
    victim.http.cookies.clear()
    victim.http.cookies.set("tocsin-session", planted, domain="testserver.local", path="/")
    victim.signed_in()
    assert victim.cookie != planted
    assert not is_in(attacker)
    assert is_in(victim)


def test_removing_the_secret_ends_all(house: House) -> None:
    """What an operator does after a theft of the data folder: every session is over at once."""
    browser = house.browser().signed_in()
    (house.folder / FOLDER / SECRET).unlink()
    assert not is_in(browser)
    assert is_in(house.browser().signed_in())
    assert (house.folder / FOLDER / SECRET).stat().st_mode & 0o077 == 0


def test_where_nobody_can_say_nobody_gets_in(house: House) -> None:
    """A damaged list of what has ended: 503 for sessions, with tokens as before; mended, it goes on."""
    browser = house.browser().signed_in()
    file = house.folder / FOLDER / ENDED
    good = file.read_text()
    file.write_text('{"ended": ')
    assert browser.http.get(WHOAMI).status_code == 503
    assert browser.http.get("/me").status_code == 503
    assert house.browser().sign_in().status_code == 503
    assert browser.http.get(WHOAMI, headers=BEARER).status_code == 200
    file.write_text(good)
    assert is_in(browser)


# Who it is, and what they may do.


def test_roles_are_those_of_now(house: House) -> None:
    """A policy that takes a role away, or the person, counts at the next request; so does one that gives."""
    browser = house.browser().signed_in()
    assert browser.http.get(WHOAMI).json()["roles"] == ["comms"]
    assert browser.declare(browser.own()).status_code == 403
    house.adopt(access={"people": {"alice": ["responder"]}})
    assert browser.declare(browser.own()).status_code == 201
    house.adopt({"roles": {}}, access={"people": {}})
    refused = browser.http.get("/api/v1/incidents")
    assert refused.status_code == 403
    assert "this session has no role" in refused.json()["detail"]
    assert "You have none yet" in browser.http.get("/me").text
    house.adopt({"client_id": "another"})
    assert not is_in(browser)


def test_people_act_as_themselves(house: House) -> None:
    """Whoever is named, it is they; naming another is refused and says so. Claims say how they were known."""
    house.adopt(access={"people": {"alice": ["responder"]}})
    browser = house.browser().signed_in()
    made = browser.declare(browser.own())
    assert made.status_code == 201
    incident = made.json()["id"]
    path = f"/api/v1/incidents/{incident}/acknowledge"
    other = browser.http.post(path, content='{"actor": "ann"}', headers=browser.own())
    assert other.status_code == 403
    assert other.json()["detail"].startswith("this session acts for alice")
    assert browser.http.post(path, content="{}", headers=browser.own()).status_code == 200
    said = browser.http.get(WHOAMI).json()
    assert (said["acts_as"], said["act_as_any"], said["token"]) == ("alice", False, None)
    assert said["name"].startswith("oidc, session ")


def test_a_token_counts_before_a_cookie(house: House) -> None:
    """A request with both is the token's, and a bad token is not saved by a good cookie."""
    browser = house.browser().signed_in()
    assert browser.http.get(WHOAMI, headers=BEARER).json()["act_as_any"] is True
    for header in ("Bearer guessed", "Basic eDp5", ""):
        assert browser.http.get(WHOAMI, headers={"Authorization": header}).status_code == 401


def test_no_network_after_signing_in(
    house: House, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who somebody is, and may do, is known here: not one connection is made for it."""
    house.adopt(access={"people": {"alice": ["responder"]}})
    browser = house.browser().signed_in()
    seen = list(provider.calls)

    def forbidden(*_: object, **__: object) -> Any:
        raise AssertionError("a session asked the network")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr(house.app.state.services.provider, "_egress", None)
    assert browser.declare(browser.own()).status_code == 201
    assert is_in(browser)
    assert browser.http.get("/report").status_code == 200
    assert provider.calls == seen


def test_a_form_that_is_closed_opens_for_whoever_is_signed_in(house: House) -> None:
    """`reports.open: false`: strangers are sent to sign in; a form of another site is not taken."""
    house.adopt(reports={"open": False})
    stranger = house.browser()
    closed = stranger.http.get("/report")
    assert closed.status_code == 401
    assert 'href="/login?next=%2Freport"' in closed.text
    browser = house.browser().signed_in()
    page = browser.http.get("/report")
    assert page.status_code == 200
    token = browser.csrf_token
    assert f'name="csrf_token" value="{token}"' in page.text
    form = {"service": "checkout", "summary": "Nothing works"}
    own = {"Origin": "http://testserver"}
    assert browser.http.post("/report", data=form, headers=own).status_code == 403
    foreign = browser.http.post(
        "/report",
        data={**form, "csrf_token": token},
        headers={"Origin": "https://evil.example.com"},
    )
    assert foreign.status_code == 403
    good = browser.http.post("/report", data={**form, "csrf_token": token}, headers=own)
    assert good.status_code == 422  # it is read: only the form's own token is missing
    assert stranger.http.post("/report", data=form).status_code == 401


def test_every_role_is_explained() -> None:
    """A role without a word would be a broken page."""
    assert set(ROLES) == set(AccessRole)


# The way through the provider.


def test_the_answer_belongs_to_whoever_asked(house: House) -> None:
    """A link with somebody else's code signs nobody in: not without a cookie, nor with another's."""
    attacker, victim = house.browser(), house.browser()
    link = attacker.at_the_provider(attacker.begin())
    for browser in (victim, house.browser()):
        answer = browser.http.get(link)
        assert answer.status_code == 400
        assert "has not begun" in answer.text
        assert "http://testserver/login" in answer.text
    victim.begin()
    answer = victim.http.get(link)
    assert answer.status_code == 400
    assert "another attempt" in answer.text
    assert not is_in(victim)
    assert attacker.http.get(link).status_code == 303


def test_an_answer_counts_once(house: House, provider: IdentityProvider) -> None:
    """Played again, with the cookies of then, it signs nobody in, even if its code counts twice."""
    browser = house.browser()
    begun = browser.begin()
    cookies = dict(browser.http.cookies)
    link = browser.at_the_provider(begun)
    codes = dict(provider.codes)
    assert browser.http.get(link).status_code == 303
    again = house.browser()
    again.http.cookies.update(cookies)
    provider.codes.update(codes)
    answer = again.http.get(link)
    assert answer.status_code == 400
    assert "used already" in answer.text
    assert again.cookie == ""


def test_an_attempt_ends(house: House, clock: Clock) -> None:
    """Ten minutes for password and second factor, and then once more."""
    browser = house.browser()
    link = browser.at_the_provider(browser.begin())
    clock.at += 600
    answer = browser.http.get(link)
    assert answer.status_code == 400
    assert "ten minutes" in answer.text


def test_a_code_that_was_used(house: House, provider: IdentityProvider) -> None:
    """The provider refuses it, and the page says what it is."""
    browser = house.browser()
    link = browser.at_the_provider(browser.begin())
    provider.codes.clear()
    answer = browser.http.get(link)
    assert answer.status_code == 403
    assert "used or is too old" in answer.text


@pytest.mark.parametrize("query", ["", "?state=", "?state=x&code=y", "?code=%00&state=%ff"])
def test_a_callback_out_of_nowhere(house: House, provider: IdentityProvider, query: str) -> None:
    """Nobody is asked anything, whatever stands in the address."""
    browser = house.browser()
    assert browser.http.get(f"/login/callback{query}").status_code == 400
    assert provider.calls == []


def test_a_flood_of_callbacks_does_not_reach_the_provider(
    house: House, provider: IdentityProvider
) -> None:
    """Made-up codes with a good attempt: from one address so many a minute, and no more."""
    house.app.state.services.sign_in_limit._clock = lambda: 0.0  # no minute passes meanwhile
    browser = house.browser()
    state = parse_qs(urlsplit(browser.begin().headers["location"]).query)["state"][0]
    cookies = dict(browser.http.cookies)
    statuses = []
    for number in range(70):
        browser.http.cookies.update(cookies)
        path = f"/login/callback?state={state}&code=c{number}&iss={provider.url}"
        statuses.append(browser.http.get(path).status_code)
    assert statuses.count(429) == 10
    assert provider.calls.count("/token") == 60


ELSEWHERE = [
    "https://evil.example.com", "//evil.example.com", "///evil.example.com", "/\\evil.example.com",
    "\\\\evil.example.com", "/\\/evil.example.com", "http:evil.example.com", "javascript:alert(1)",
    "/%0d%0aSet-Cookie:a=b\r\nx", "/\tevil", " /me", "/me\n", "me", "", "?x=1", "@evil.example.com",
    "/\u2215evil.example.com", "/\uff0f/evil", "data:text/html,x", "/" + "a" * 600, "/login", "/logout",
    "/login/callback?code=x", "/login?next=/login", "/\x00", "/é",
]  # fmt: skip


@pytest.mark.parametrize("place", ELSEWHERE)
def test_nobody_is_sent_elsewhere(house: House, place: str) -> None:
    """A link to our sign-in page never leads to another site, whatever it says."""
    browser = house.browser()
    answer = browser.sign_in(f"?next={quote(place, safe='')}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/me"


@pytest.mark.parametrize("place", ["/report", "/status", "/api/v1/incidents?status=open", "/a/b~c"])
def test_pages_of_ours_are_returned_to(house: House, place: str) -> None:
    """Whoever wanted a page has it after signing in."""
    assert own_path(place) == place
    answer = house.browser().sign_in(f"?next={quote(place, safe='')}")
    assert answer.headers["location"] == place


def test_where_nobody_can_sign_in(tmp_path: Path, records: RecordsAccess) -> None:
    """Without a provider in the policy the pages say so; tokens are all there is."""
    house = House(tmp_path / "house", records, None)
    browser = house.browser()
    for path in ("/login", "/login/callback?code=x"):
        answer = browser.http.get(path)
        assert answer.status_code == 404
        assert "access.oidc" in answer.text
        assert "tocsin token create" in answer.text
    assert not is_in(browser)
    assert browser.http.get(WHOAMI, headers=BEARER).status_code == 200
    wrong = browser.http.get("/login?nxt=/me")
    assert wrong.status_code == 422
