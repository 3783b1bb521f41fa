"""Secrets show nowhere: in no repr of an object, no error, no log, no answer, no public document."""

from __future__ import annotations

import dataclasses
import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from domain.policy.intake import Integration
from starter import logs
from starter.intake import FORMATS
from starter.records_access import RecordsAccess
from starter.settings import SETTINGS, SettingsError, load_settings
from tests.security.doors import SECRETS, TOKEN, Door, group, sign, signable

PROXY = "http://canary-user:canary-password@proxy:3128"
SETTING_SECRETS = {one.name: f"canary-{one.name.lower()}" for one in SETTINGS if one.is_secret} | {
    "SMTP_URL": "smtp://canary-user:canary-password@mail:25",
    "TOCSIN_DATABASE_URL": "sqlite:////tmp/canary-database",
    "TOCSIN_CHANNEL_PROXY": PROXY,
    "TOCSIN_EGRESS_PROXY": PROXY,
}


@pytest.fixture
def door(tmp_path: Path, records: RecordsAccess) -> Iterator[Door]:
    given = {
        name: value
        for name, value in SETTING_SECRETS.items()
        if name not in ("TOCSIN_API_TOKEN", "TOCSIN_DATABASE_URL")
    }
    made = Door(tmp_path / "door", records, **given)
    with made.api:
        yield made


def objects(value: Any, seen: set[int], depth: int = 6) -> Iterator[Any]:
    """An object of ours and those that it holds."""
    if depth == 0 or id(value) in seen:
        return
    seen.add(id(value))
    yield value
    if dataclasses.is_dataclass(value) or type(value).__module__.startswith(("starter", "records")):
        held = getattr(value, "__dict__", {})
        for one in list(held.values()):
            yield from objects(one, seen, depth - 1)


def test_what_services_say_of_themselves(door: Door) -> None:
    """A service in a log line or a traceback tells no token, key or secret."""
    door.post(group())
    found = list(objects(door.app.state.services, set()))
    assert len(found) > 30
    for one in found:
        if isinstance(one, dict | str | bytes | list | tuple):
            continue  # what an object holds, and not what it says
        assert "canary" not in f"{one!r} {one}", type(one)


def test_what_settings_say_of_themselves() -> None:
    """However they are written out, a secret is stars."""
    settings = load_settings(SETTING_SECRETS)
    said = [repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()]
    said += [repr(vars(settings)), json.dumps(settings.model_dump(mode="json"), default=str)]
    for text in said:
        assert "canary" not in text
        assert "****" in text


@pytest.mark.parametrize("name", sorted(SETTING_SECRETS))
def test_a_wrong_setting_is_named_without_its_value(name: str) -> None:
    """The error says which one it is; what it holds may be half right and secret."""
    wrong = {**SETTING_SECRETS, name: "canary wrong\nvalue", "TOCSIN_API_PORT": "canary-port"}
    with pytest.raises(SettingsError) as caught:
        load_settings(wrong)
    assert (
        "canary"
        not in f"{caught.value} {caught.value!r} {traceback.format_exception(caught.value)}"
    )


def test_every_setting_that_is_one_is_marked() -> None:
    """A name that says secret, token, key, password or sign is a secret."""
    words = ("SECRET", "TOKEN", "_KEY", "PASSWORD", "PROXY", "DATABASE_URL")
    # A path, a public key, and the name under which a secret key is known.
    public = {"TOCSIN_API_TOKEN_FILE", "SENDGRID_EVENT_KEY", "STATUS_STORE_ACCESS_KEY_ID"}
    for one in SETTINGS:
        if any(word in one.name for word in words) and one.name not in public:
            assert one.is_secret, one.name


def test_a_policy_holds_no_secret() -> None:
    """It names where they stand; a value in their place is refused without being shown."""
    for field in ("key", "signing_secret"):
        with pytest.raises(ValueError, match=field) as caught:
            Integration.model_validate({"format": "x", "key": "env:K", field: "canary-plain"})
        assert "canary" not in str(caught.value).replace("input_value='canary-plain'", "")


def test_the_documents_hold_none(door: Door) -> None:
    """OpenAPI, metrics and health are public."""
    door.post(group())
    door.post(group(), "wrong")
    for path in ("/openapi.json", "/metrics", "/readyz", "/version", "/livez"):
        answer = door.api.get(path)
        assert "canary" not in f"{answer.text} {answer.headers}", path


def test_nothing_is_logged_of_what_comes_in(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Accepted, refused, unreadable, broken: neither keys and headers nor texts of alerts are in the log."""
    monkeypatch.setitem(FORMATS, "alertmanager", signable(FORMATS["alertmanager"]))
    body = group(summary="canary-label", key="canary-fingerprint")
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with structlog.testing.capture_logs() as logged, caplog.at_level(logging.DEBUG):
        door.post(body)
        door.post(body, SECRETS["SIGNED_KEY"], **sign(body))
        door.post(b"canary {", cookie="canary=1")
        door.post(b'{"canary": 1}')
        door.post(body, "canary-wrong")
        door.post(b"x" * 1_100_000 + b"canary")
        door.api.get("/api/v1/incidents/canary-id", headers=bearer)
        door.api.get("/i/canary-1/canary-link")
        door.api.get("/answer/canary-answer")
        door.api.get("/report/canary-ref")
        door.api.get("/hooks/alertmanager/canary-in-the-path")

        async def broken(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(door.app.state.services.reception, "deliver", broken)
        assert door.post(body).status_code == 500
        door.api.post(f"/hooks/alertmanager/{SECRETS['AM_KEY']}", content=body)
    own = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    for line in [*(str(one) for one in logged), *(record.getMessage() for record in own)]:
        assert "canary" not in line, line
    assert logged


def test_a_traceback_in_the_log_shows_no_variables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where something breaks, the log says where, and not with what."""
    structlog.reset_defaults()
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        logs.configure_logs()
        secret = "canary-local"
        try:
            raise ZeroDivisionError(len(secret))
        except ZeroDivisionError:
            structlog.get_logger("t").exception("broken")
            logging.getLogger("x").exception("broken as well")
        logging.getLogger("httpx2").info("GET https://canary.example/?token=canary")
        logging.getLogger("httpcore2").info("canary")
    finally:
        root.handlers[:], root.level = before, level
        structlog.reset_defaults()
    said = capsys.readouterr().out
    assert said.count("Traceback") == 2
    assert "canary" not in said.replace('secret = "canary-local"', "")
