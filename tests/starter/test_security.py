"""Tokens, keys and links."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.policy.model import Policy
from starter.security import (
    LinkSigner,
    bearer,
    closed_integrations,
    ensure_token,
    resolve_key,
    same,
)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", ""),
        ("Bearer", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_bearer(header, value):
    """Only a bearer header holds a token."""
    assert bearer(header) == value


def test_comparison_of_secrets():
    """Equal is equal; an empty secret opens nothing, and odd characters do no harm."""
    assert same("a", "a")
    assert not same("", "")
    assert not same("é\ud800", "a")


def test_token_is_made_once_and_private(tmp_path):
    """The file is the owner's alone, and the next start finds the same token."""
    first = ensure_token(tmp_path / "new")
    file = tmp_path / "new" / "token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(first) > 40
    assert ensure_token(tmp_path / "new") == first


def test_processes_that_start_together_agree(tmp_path):
    """API, worker and CLI may all come first."""
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: ensure_token(tmp_path), range(40)))
    assert len(tokens) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["token"]


def test_empty_token_file_is_replaced(tmp_path):
    """A crash may leave an empty file, and an empty token would open the door."""
    (tmp_path / "token").write_text("\n")
    assert len(ensure_token(tmp_path)) > 40


def test_link_opens_one_incident_only(tmp_path):
    """A link is for one incident; it is short, and another secret makes another one."""
    signer = LinkSigner(tmp_path / "secret")
    token = signer.sign("checkout-1")
    assert len(token) == 22
    assert signer.verify("checkout-1", token)
    assert not signer.verify("checkout-2", token)
    assert not signer.verify("checkout-1", token[:-1])
    assert not signer.verify("checkout-1", "")
    assert LinkSigner(tmp_path / "secret").sign("checkout-1") == token
    assert LinkSigner(tmp_path / "other").sign("checkout-1") != token
    url = signer.url_for("https://tocsin.example.com/", "checkout-1")
    assert url == f"https://tocsin.example.com/i/checkout-1/{token}"


def test_keys_of_integrations(tmp_path):
    """A key stands in the environment or in a file; one that is missing closes the integration."""
    file = tmp_path / "key"
    file.write_text(" from-file\n")
    assert resolve_key("env:AM", {"AM": " x "}) == "x"
    assert resolve_key("env:AM", {}) == ""
    assert resolve_key(f"file:{file}", {}) == "from-file"
    assert resolve_key(f"file:{tmp_path / 'none'}", {}) == ""
    policy = Policy.model_validate(
        {"integrations": {"prometheus": {"format": "alertmanager", "key": "env:AM"}}}
    )
    assert closed_integrations(policy, {"AM": "x"}) == []
    assert "prometheus is closed" in closed_integrations(policy, {})[0]
