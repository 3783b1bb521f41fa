"""Signing in at a provider that is strict, and at one that lies, is slow, or is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog

from starter.records_access import RecordsAccess
from tests.fakes.identity_provider import (
    NEXT,
    RSA,
    STRANGERS,
    IdentityProvider,
    a_key,
    identity_provider,
    signed_with_the_public_key,
    unsigned,
)
from tests.signed_in import BEARER, Clock, House


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, records: RecordsAccess, provider: IdentityProvider) -> House:
    return House(tmp_path / "house", records, provider)


def test_a_person_signs_in(house: House, provider: IdentityProvider) -> None:
    """Code flow with PKCE, client secret, state and nonce, as a strict provider wants them."""
    browser = house.browser()
    begun = browser.begin()
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    back = browser.http.get(browser.at_the_provider(begun))
    assert (back.status_code, back.headers["location"]) == (303, "/me")
    page = browser.http.get("/me")
    assert page.status_code == 200
    assert "alice" in page.text
    assert "comms" in page.text
    assert provider.refused == []


def test_what_goes_over_the_browser_gives_nothing_away(house: House) -> None:
    """Neither the verifier of PKCE nor the client secret is in an address, a cookie or a page."""
    browser = house.browser()
    begun = browser.begin()
    services = house.app.state.services
    held = next(one for one in browser.http.cookies.jar if one.name == "tocsin-attempt").value
    attempt = services.sessions.read_attempt(
        held, parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    )
    secrets = (services.sessions.verifier(attempt), "canary of the client")
    shown = f"{begun.headers} {held} {begun.text}"
    assert not [secret for secret in secrets if secret in shown]


@pytest.mark.parametrize(
    ("methods", "secret", "oidc"),
    [
        (("client_secret_post",), "canary of the client: +%", {}),
        (("client_secret_basic", "client_secret_post"), "canary of the client: +%", {}),
        (("none",), None, {"client_secret": None}),
    ],
)
def test_how_the_client_shows_who_it_is(
    house: House,
    provider: IdentityProvider,
    methods: tuple[str, ...],
    secret: str | None,
    oidc: dict[str, Any],
) -> None:
    """As the provider says it takes it; a public client has PKCE alone."""
    provider.methods, provider.client_secret = methods, secret
    house.adopt(oidc)
    house.browser().signed_in()
    assert provider.refused == []


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("RSA", "RS512"), ("RSA", "PS256"), ("EC", "ES256"), ("OKP", "EdDSA"), ("OKP", "Ed25519")],
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_signatures_that_hold(
    house: House, provider: IdentityProvider, kind: str, algorithm: str
) -> None:
    """Every asymmetric algorithm that providers use, the old name of one too."""
    key = a_key(kind)
    provider.key, provider.algorithm, provider.published = key, algorithm, [NEXT, key]
    house.browser().signed_in()


def _with(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Other claims; None takes one out, and a timedelta is so long from now."""

    def change(claims: dict[str, Any]) -> dict[str, Any]:
        now = int(time.time())
        made = {
            name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
            for name, value in {**claims, **changes}.items()
        }
        return {name: value for name, value in made.items() if value is not None}

    return change


def _from_now(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)


LIES: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "another nonce": (_with(nonce="x" * 43), "nonce"),
    "no nonce": (_with(nonce=None), "nonce"),
    "another audience": (_with(aud="another"), "aud"),
    "no audience": (_with(aud=None), "aud"),
    "an audience that is no text": (_with(aud={"tocsin": 1}), "aud"),
    "several, issued to nobody": (_with(aud=["tocsin", "another"]), "azp"),
    "issued to another": (_with(aud=["tocsin", "another"], azp="another"), "azp"),
    "issued to another alone": (_with(azp="another"), "azp"),
    "another issuer": (_with(iss="https://evil.example.com"), "issuer"),
    "expired": (_with(iat=_from_now(-4000), exp=_from_now(-61)), "expired"),
    "no end": (_with(exp=None), "ends"),
    "never ends": (_with(exp=float("inf")), "no time"),
    "an end that is no number": (_with(exp="4000000000"), "no time"),
    "an end that is true": (_with(exp=True), "no time"),
    "from the future": (_with(iat=_from_now(600), exp=_from_now(900)), "future"),
    "not before long": (_with(nbf=_from_now(600)), "future"),
    "no start": (_with(iat=None), "issued"),
    "years old": (_with(iat=_from_now(-100_000)), "too long ago"),
    "of nobody": (_with(sub=None), "sub"),
    "of nobody in particular": (_with(sub=""), "sub"),
}


@pytest.mark.parametrize("name", LIES)
def test_claims_that_do_not_hold(house: House, provider: IdentityProvider, name: str) -> None:
    """Nobody is signed in; the page says what was wrong, in a word."""
    provider.lie, said = LIES[name]
    browser = house.browser()
    answer = browser.sign_in()
    assert answer.status_code == 403, answer.text
    assert said in answer.text
    assert browser.cookie == ""
    assert browser.http.get("/me").status_code == 401


@pytest.mark.parametrize(
    "lie",
    [
        _with(iat=_from_now(-300), exp=_from_now(-30)),
        _with(iat=_from_now(40)),
        _with(aud=["tocsin"], azp="tocsin"),
        _with(aud=["another", "tocsin"], azp="tocsin"),
    ],
    ids=["just expired", "a clock that is fast", "one of one", "one of several"],
)
def test_claims_that_hold(house: House, provider: IdentityProvider, lie: Any) -> None:
    """Clocks may differ by a minute; an ID token may be for several, when it was issued to us."""
    provider.lie = lie
    house.browser().signed_in()


def _by(key: Any, **headers: Any) -> Callable[[IdentityProvider], None]:
    def change(provider: IdentityProvider) -> None:
        provider.key, provider.extra_headers = key, headers

    return change


def _forging(forge: Any) -> Callable[[IdentityProvider], None]:
    return lambda provider: setattr(provider, "forge", forge)


FORGERIES: dict[str, Callable[[IdentityProvider], None]] = {
    "alg none": _forging(unsigned),
    "HS256 with the public key": _forging(signed_with_the_public_key),
    "another's key of the same name": _by(STRANGERS),
    "a key that it brings along": _by(STRANGERS, jwk=STRANGERS.as_dict(private=False)),
    "a key that nobody publishes": _by(NEXT),
    "no token at all": _forging(lambda *_: "x.y.z"),
    "no text": _forging(lambda *_: "\xe4.\xe4.\xe4"),
    "a huge one": _forging(lambda *_: "a." * 50_000),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_signatures_that_do_not_hold(house: House, provider: IdentityProvider, name: str) -> None:
    """Whoever can forge an ID token is everybody: none of these comes in."""
    FORGERIES[name](provider)
    browser = house.browser()
    assert browser.sign_in().status_code == 403
    assert browser.cookie == ""


def test_a_key_for_something_else_signs_nothing(house: House, provider: IdentityProvider) -> None:
    """A key that the provider keeps for encryption, or for another algorithm, is none for ID tokens."""
    for published in ({"use": "enc"}, {"alg": "PS256"}, {"key_ops": ["encrypt"]}, {"kty": "oct"}):
        raw = {**RSA.as_dict(private=False), **published}
        provider.jwks = lambda raw=raw: {"keys": [raw]}  # type: ignore[misc]
        house.egress(30)
        browser = house.browser()
        assert browser.sign_in().status_code in (403, 503), published
        assert browser.cookie == ""


def test_new_keys_are_found(house: House, provider: IdentityProvider) -> None:
    """After a rotation the next person signs in; made-up names of keys do not become a flood."""
    steady = Clock(1000.0)
    house.egress(30, steady)
    house.browser().signed_in()
    provider.key, provider.published = NEXT, [RSA, NEXT]
    steady.at += 61
    house.browser().signed_in()
    asked = provider.calls.count("/jwks")
    assert asked == 2
    provider.key = a_key("EC", "made-up")
    provider.algorithm = "ES256"
    for _ in range(5):
        assert house.browser().sign_in().status_code == 403
    assert provider.calls.count("/jwks") == asked
    steady.at += 61
    for _ in range(5):
        assert house.browser().sign_in().status_code == 403
    assert provider.calls.count("/jwks") == asked + 1


def test_keys_that_cannot_be_read_are_not_asked_for_over_and_over(
    house: House, provider: IdentityProvider
) -> None:
    """An unknown key while the provider shows none: one look a minute, and the known keys go on."""
    steady = Clock(1000.0)
    house.egress(30, steady)
    house.browser().signed_in()
    steady.at += 61
    provider.moods["/jwks"] = "500"
    provider.key = NEXT
    for _ in range(4):
        assert house.browser().sign_in().status_code == 403
    assert provider.calls.count("/jwks") == 2
    provider.key = RSA
    house.browser().signed_in()


@pytest.mark.parametrize("mood", ["500", "302", "hang", "drop", "huge", "nonsense"])
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks"])
def test_a_provider_that_is_away(
    house: House, provider: IdentityProvider, path: str, mood: str
) -> None:
    """A page that says so, in time, without what the provider said; tokens go on working."""
    house.egress(0.4)
    provider.moods[path] = mood
    browser = house.browser()
    began = time.monotonic()
    begun = browser.begin()
    answer = begun if begun.status_code != 303 else browser.http.get(browser.at_the_provider(begun))
    assert time.monotonic() - began < 9
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "tokens go on working" in answer.text
    assert "canary" not in answer.text
    assert browser.cookie == ""
    assert browser.http.get("/api/v1/incidents", headers=BEARER).status_code == 200


def test_people_do_not_wait_in_a_row(house: House, provider: IdentityProvider) -> None:
    """A provider that hangs is waited for once: whoever comes right after is told at once."""
    house.egress(2, Clock(1000.0))
    provider.moods["/.well-known/openid-configuration"] = "hang"
    assert house.browser().begin().status_code == 503
    began = time.monotonic()
    for _ in range(10):
        assert house.browser().begin().status_code == 503
    assert time.monotonic() - began < 15, "in a row they wait for 20 s"
    assert len(provider.calls) == 1


def test_once_known_a_provider_may_be_away_for_a_while(
    house: House, provider: IdentityProvider
) -> None:
    """Its description and keys are kept: after an hour they are looked at again, and used meanwhile."""
    steady = Clock(1000.0)
    house.egress(30, steady)
    house.browser().signed_in()
    provider.moods |= {"/.well-known/openid-configuration": "500", "/jwks": "500"}
    steady.at += 3601
    house.browser().signed_in()


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://evil.example.com"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": ""},
        {"token_endpoint": None},
    ],
)
def test_a_description_that_cannot_be_right(
    house: House, provider: IdentityProvider, description: dict[str, Any]
) -> None:
    """Nobody is sent anywhere; the log says what does not agree."""
    provider.description = description
    with structlog.testing.capture_logs() as logs:
        assert house.browser().begin().status_code == 503
    assert [one for one in logs if one["event"] == "sign_in.away"]


def test_addresses_of_a_provider_are_guarded(house: House, provider: IdentityProvider) -> None:
    """A provider cannot have us ask the metadata service of a cloud: every address goes by the egress."""
    provider.description = {"token_endpoint": "http://169.254.169.254/latest"}
    browser = house.browser()
    assert browser.sign_in().status_code == 503


def test_claims_that_only_the_userinfo_endpoint_tells(
    house: House, provider: IdentityProvider
) -> None:
    """Some providers say the address only when asked again; of somebody else nothing is taken."""
    provider.only_by_userinfo = ("email", "email_verified", "groups")
    browser = house.browser().signed_in()
    assert "comms" in browser.http.get("/me").text
    provider.lie = _with(sub="u-2")
    assert house.browser().sign_in().status_code == 503


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"email": "mallory@example.com"}, "nobody in the policy"),
        ({"email": None}, "did not say your email"),
        ({"email": ["alice@example.com"]}, "did not say your email"),
        ({"email": "  "}, "did not say your email"),
        ({"email_verified": False}, "not verified"),
        ({"email_verified": "false"}, "not verified"),
        ({"email": "<script>alert(1)</script>"}, "&lt;script&gt;"),
    ],
)
def test_people_who_are_not_known(
    house: House, provider: IdentityProvider, user: dict[str, Any], said: str
) -> None:
    """The provider knows them, the policy does not: told so, with what to do, and not signed in."""
    provider.user |= user
    browser = house.browser()
    answer = browser.sign_in()
    assert answer.status_code == 403
    assert said in answer.text.replace("Nobody", "nobody")
    assert "<script>" not in answer.text
    assert browser.cookie == ""


def test_an_address_counts_in_either_case(house: House, provider: IdentityProvider) -> None:
    """And a claim may hold the key that the person has in the policy."""
    provider.user["email"] = "Alice@Example.COM"
    house.browser().signed_in()
    provider.user["nick"] = "ann"
    house.adopt({"person_claim": "nick"})
    browser = house.browser().signed_in()
    assert "responder" in browser.http.get("/me").text


def test_a_refusal_of_the_provider_is_told(house: House, provider: IdentityProvider) -> None:
    """Its word for it, and nothing else that came with the address."""
    browser = house.browser()
    state = parse_qs(urlsplit(browser.begin().headers["location"]).query)["state"][0]
    more = f"&iss={provider.url}&error_description=<b>canary</b>"
    answer = browser.http.get(f"/login/callback?state={state}&error=access_denied{more}")
    assert answer.status_code == 403
    assert "access_denied" in answer.text
    assert "canary" not in answer.text
    state = parse_qs(urlsplit(browser.begin().headers["location"]).query)["state"][0]
    answer = browser.http.get(f"/login/callback?state={state}&error=<b>&iss={provider.url}")
    assert "<b>" not in answer.text


@pytest.mark.parametrize("iss", ["", "&iss=https://evil.example.com"])
def test_an_answer_of_another_provider(house: House, provider: IdentityProvider, iss: str) -> None:
    """A provider that promises to name itself, and does not, is another one: no code goes anywhere."""
    browser = house.browser()
    state = parse_qs(urlsplit(browser.begin().headers["location"]).query)["state"][0]
    answer = browser.http.get(f"/login/callback?state={state}&code=abc{iss}")
    assert answer.status_code == 403
    assert "/token" not in provider.calls


def test_without_its_secret_nobody_is_sent_away(house: House) -> None:
    """Before anybody types a password: the page says that it does not work, the log what is missing."""
    house.adopt({"client_secret": "env:NOT_SET"})
    with structlog.testing.capture_logs() as logs:
        assert house.browser().begin().status_code == 503
    assert "env:NOT_SET is not set" in str(logs)


def test_a_wrong_secret_is_the_operators_mistake(house: House, provider: IdentityProvider) -> None:
    """503, with the provider's word for it in the log."""
    provider.client_secret = "another"
    with structlog.testing.capture_logs() as logs:
        assert house.browser().sign_in().status_code == 503
    assert "invalid_client" in str(logs)
