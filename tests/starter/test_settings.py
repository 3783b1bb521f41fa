"""Settings: read whole, refused whole, documented whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from activities.channels import CHANNELS
from domain.policy.model import Policy
from starter.settings import (
    NAMES,
    SETTINGS,
    SettingsError,
    load_settings,
    with_files,
)
from starter.unknown_settings import referenced_settings, unknown_settings

ROOT = Path(__file__).parents[2]


def test_defaults_need_nothing():
    """An empty environment is a working one: the demo needs no credentials."""
    settings = load_settings({})
    assert settings.delivery == "outbox"
    assert settings.records_url() == f"sqlite:///{Path('var/records.db').absolute()}"
    assert settings.own_url() == "http://127.0.0.1:8080"


def test_an_empty_value_is_none():
    """`NAME=` in an env file means the default."""
    assert load_settings({"TOCSIN_API_PORT": " ", "TOCSIN_POLICY": ""}).api_port == 8080


def test_every_mistake_at_once_and_no_secret():
    """All wrong settings are named together, and what stands in them is not shown."""
    wrong = {"TOCSIN_API_PORT": "hunter2", "TOCSIN_DELIVERY": "mail", "TOCSIN_PUBLIC_URL": "x"}
    with pytest.raises(SettingsError) as caught:
        load_settings(wrong)
    assert {problem.where for problem in caught.value.problems} == set(wrong)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_not_shown():
    """A key never reaches a log by way of the settings."""
    settings = load_settings({"SENDGRID_API_KEY": "SG.secret", "SMTP_URL": "smtp://u:pw@mail"})
    assert "SG.secret" not in repr(settings)
    assert "pw" not in repr(settings)


def test_secret_from_a_file(tmp_path):
    """Mounted secrets: `<NAME>_FILE` names the file."""
    file = tmp_path / "key"
    file.write_text("SG.from-file\n")
    found = load_settings({"SENDGRID_API_KEY_FILE": str(file)})
    assert found.sendgrid_api_key is not None
    assert found.sendgrid_api_key.get_secret_value() == "SG.from-file"
    assert with_files({"SENDGRID_API_KEY_FILE": str(file)})["SENDGRID_API_KEY"] == "SG.from-file"


@pytest.mark.parametrize(
    "environ",
    [
        {"TOCSIN_API_TOKEN_FILE": "/nowhere/at/all"},
        {"TOCSIN_API_TOKEN_FILE": "/etc/hostname", "TOCSIN_API_TOKEN": "x"},
    ],
)
def test_secret_file_that_cannot_be_used(environ):
    """A file that is missing, or a secret given both ways, is told and not guessed around."""
    with pytest.raises(SettingsError, match="TOCSIN_API_TOKEN"):
        load_settings(environ)


def test_unknown_name_is_refused_with_what_was_meant():
    """A typo would otherwise change nothing in silence."""
    problems = unknown_settings({"TOCSIN_DELIVRY": "live", "PATH": "/bin"}, set())
    assert [problem.where for problem in problems] == ["TOCSIN_DELIVRY"]
    assert problems[0].near[0] == "TOCSIN_DELIVERY"


def test_names_of_the_policy_and_of_files_are_known():
    """What a policy reads as `env:` is not a typo, nor is a secret's file."""
    policy = Policy.model_validate(
        {"integrations": {"a": {"format": "alertmanager", "key": "env:TOCSIN_AM_KEY"}}}
    )
    environ = {"TOCSIN_AM_KEY": "k", "TOCSIN_API_TOKEN_FILE": "/f"}
    assert unknown_settings(environ, referenced_settings(policy)) == []


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_setting_is_in_the_example_file(setting):
    """`.env.example` holds every setting with its default."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert f"# {setting.name}={setting.default}" in lines
    assert setting.meaning


def test_example_file_holds_nothing_else():
    """A name that is not read must not be offered."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    listed = set(re.findall(r"^# ([A-Z_]+)=", text, re.MULTILINE))
    assert listed - set(NAMES) == {"AM_KEY"}


def test_channels_variables_are_settings():
    """A channel reads nothing that is not documented as a setting."""
    read = {name for channel in CHANNELS.values() for name in channel.settings.variables()}
    assert read <= set(NAMES)


def test_live_delivery_without_a_channel_is_said_aloud():
    """Whoever goes live and forgets the mail server is told that nobody is really paged."""
    assert "nobody is really paged" in (load_settings({}).delivery_notice() or "")
    live = {"TOCSIN_DELIVERY": "live"}
    assert "SMTP_URL" in (load_settings(live).delivery_notice() or "")
    assert load_settings(live | {"SMTP_URL": "smtp://localhost:2525"}).delivery_notice() is None
