"""`tocsin webhook secret`: what is sent, what is printed."""

from __future__ import annotations

from tests.starter.cli.conftest import Tocsin
from tests.starter.cli.fake_api import FakeApi, problem

URL = "https://hooks.example.com/tocsin"


def test_a_secret_is_printed_alone(tocsin: Tocsin, api: FakeApi) -> None:
    """stdout is the secret and nothing else, so that it can go straight to where it is needed."""
    api.next_answer = (200, {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    result = tocsin("webhook", "secret", URL)
    assert (result.code, result.out) == (0, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    sent = api.requests[-1]
    assert (sent.method, sent.path) == ("POST", "/api/v1/webhooks/secret")
    assert sent.body == {"url": URL}


def test_a_key_that_is_not_set_is_told(tocsin: Tocsin, api: FakeApi) -> None:
    """The refusal names the setting, and the exit code is that of a conflict."""
    api.next_answer = problem(409, "WEBHOOK_SIGNING_KEY is not set")
    result = tocsin("webhook", "secret", URL)
    assert result.code == 5
    assert "WEBHOOK_SIGNING_KEY" in result.err
