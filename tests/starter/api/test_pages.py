"""The pages for people: escaped, without scripts, and each shows what its reader may see."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from domain.facts import AlertFolded
from starter.temporal_link import NotAnsweredError

API = "/api/v1/incidents"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def link(api, declared):
    return api.app.state.services.signer.url_for("", "checkout-1")


def test_one_incident(api, stranger, link):
    """Status, severity, rank, who leads, who responds, updates and timeline; no token needed."""
    api.post(f"{API}/checkout-1/acknowledge", json={"actor": "alice"})
    api.post(f"{API}/checkout-1/join", json={"actor": "dana"})
    said = {"audience": "internal", "text": "We look", "actor": "alice"}
    api.post(f"{API}/checkout-1/publish-update", json=said)
    page = stranger.get(link)
    assert page.status_code == 200
    for text in (
        "SEV1",
        "fixing",
        "number 1 of 1 open",
        "Alice Ng",
        "Dana Roy",
        "We look",
        "raised by",
    ):
        assert text in page.text, text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "<script" not in page.text
    assert 'name="viewport"' in page.text


def test_texts_are_escaped(api, stranger, link):
    """Texts come from people and machines outside."""
    api.post(f"{API}/checkout-1/note", json={"text": EVIL, "actor": "bob"})
    body = {"service": "search", "severity": "SEV1", "summary": EVIL, "description": EVIL}
    api.post(API, json=body)
    other = api.app.state.services.signer.url_for("", "search-1")
    for url in (link, other):
        page = stranger.get(url).text
        assert "<script" not in page
        assert "&lt;script&gt;" in page


def test_addresses_of_alerts_can_be_followed(stranger, temporal, link):
    """Where an alert came from, its runbooks and links; what is no address of the web is no link."""
    evil = "javascript:alert(1)"
    fact = AlertFolded(
        key="k", severity="SEV1", summary="s", link="https://g.example", links=["https://r.x", evil]
    )
    temporal._record(temporal.incidents["checkout-1"], [fact], "tocsin")
    page = stranger.get(link).text
    for address in ("https://g.example", "https://r.x"):
        assert f'<a href="{address}" rel="noopener noreferrer">{address}</a>' in page
    assert evil not in page


def test_style_is_allowed_by_its_hash(stranger, link):
    """The policy of the page lets its own style through and nothing else."""
    page = stranger.get(link)
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "style=" not in page.text


def test_wrong_link(stranger, link):
    """404, and it does not tell whether there is such an incident."""
    for url in ("/i/checkout-1/wrong", "/i/checkout-99/wrong", "/i/x/y", link[:-1], link + "x"):
        answer = stranger.get(url)
        assert (answer.status_code, answer.json()["detail"]) == (404, "this link opens nothing")
    token = link.rpartition("/")[2]
    assert stranger.get(f"/i/checkout-2/{token}").status_code == 404


def test_from_the_records(stranger, link, temporal):
    """Without a worker it still shows what is known."""
    temporal.query_error = NotAnsweredError("no worker")
    assert "Cards are refused" in stranger.get(link).text
