"""The secret of a webhook's address, over HTTP: for those who run Tocsin, and in no log."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from domain.webhook_signing import endpoint_secret
from starter.api.services import Services

PATH = "/api/v1/webhooks/secret"
KEY = "a-signing-key-of-32-characters-and-more"
URL = "https://hooks.example.com/tocsin?token=hunter2"


@pytest.fixture
def signing(app: Any) -> None:
    services: Services = app.state.services
    wanted = services.settings.model_copy(update={"webhook_signing_key": SecretStr(KEY)})
    object.__setattr__(services, "settings", wanted)


@pytest.mark.usefixtures("signing")
def test_a_secret_is_what_the_channel_signs_with(api: TestClient) -> None:
    """The same at every call, and one that the reference library takes."""
    first, again = (api.post(PATH, json={"url": URL}).json() for _ in range(2))
    assert first == again == {"secret": endpoint_secret(KEY, URL)}
    Webhook(first["secret"])


def test_without_a_key_there_is_none(api: TestClient) -> None:
    """409 that says what to set, rather than a secret that nothing is signed with."""
    answer = api.post(PATH, json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "WEBHOOK_SIGNING_KEY" in answer.json()["detail"]


@pytest.mark.usefixtures("signing")
@pytest.mark.parametrize(
    "body",
    [{}, {"url": 7}, {"url": ""}, {"url": "env:HOOK"}, {"url": "ftp://h/"}, {"url": URL, "x": 1}],
)
def test_what_is_no_address_is_refused(api: TestClient, body: dict[str, Any]) -> None:
    """422: a reference has no secret, only the address behind it; nothing of it is repeated."""
    answer = api.post(PATH, json=body)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


@pytest.mark.usefixtures("signing")
def test_the_address_is_not_in_the_path(
    api: TestClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may hold a token: it is in the body, and no log tells it."""
    caplog.set_level("DEBUG")
    assert api.get(PATH, params={"url": URL}).status_code == 405
    caplog.clear()
    capsys.readouterr()
    api.post(PATH, json={"url": URL})
    told = caplog.text + str(capsys.readouterr())
    assert "hunter2" not in told
    assert "whsec_" not in told
