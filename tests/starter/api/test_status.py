"""The status page as it is served: public, kept by its tag, fresh at once, up when the records are not."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from xml.etree import ElementTree

import pytest
from structlog.testing import capture_logs

from domain.policy.communications import PublishTarget
from records.database import RecordsUnavailableError
from starter.api import live_status
from starter.api.live_status import LiveStatus

API = "/api/v1/incidents"
EVIL = "<script>alert(1)</script>"
PAGES = ("/status", "/status/history", "/status/index.html", "/status/history.html")
DOCUMENTS = (
    *("summary", "status", "components", "incidents", "incidents/unresolved"),
    *("scheduled-maintenances", "scheduled-maintenances/upcoming", "scheduled-maintenances/active"),
)


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if half a second lay between any two requests of a test."""
    monkeypatch.setattr(live_status, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(live_status, "MAX_LOOK_SECONDS", 0.0)


def publish(
    api: Any, text: str = "We look into it", incident: str = "checkout-1", **more: Any
) -> None:
    said = {"audience": "external", "text": text, "actor": "alice", **more}
    answer = api.post(f"{API}/{incident}/publish-update", json=said)
    assert answer.status_code == 200, answer.text


def summary(client: Any) -> Any:
    return client.get("/status/api/v2/summary.json").json()


def test_it_shows_only_what_was_published(api, stranger, declared):
    """The external updates, and nothing else of the incident; its end when that is published."""
    assert "No incident is reported" in stranger.get("/status").text
    api.post(
        f"{API}/checkout-1/publish-update",
        json={"audience": "internal", "text": "It was Bob", "actor": "alice"},
    )
    api.post(f"{API}/checkout-1/note", json={"text": "a note", "actor": "alice"})
    assert "No incident is reported" in stranger.get("/status").text
    publish(api, "We look into it")
    publish(api, f"Found {EVIL}", status="identified")
    page = stranger.get("/status").text
    for public in ("Issues with Checkout", "Identified", "We look into it", "Major outage"):
        assert public in page
    assert "Found &lt;script&gt;" in page
    for internal in ("It was Bob", "a note", "Cards are refused", "checkout-1", "Alice"):
        assert internal not in page
    assert [one["status"] for one in summary(stranger)["incidents"]] == ["identified"]


def test_it_is_open_until_its_end_is_published(api, stranger, declared):
    """Cancelled, nothing can follow: it leaves the open ones and stays in the history."""
    publish(api)
    api.post(f"{API}/checkout-1/cancel", json={"reason": "x"})
    page = stranger.get("/status").text
    assert "No incident is reported" in page
    assert summary(stranger)["incidents"] == []
    assert "Issues with Checkout" in stranger.get("/status/history").text


def test_services_that_are_not_public_stay_off(api, stranger):
    """Also when somebody published something to the outside."""
    api.post(API, json={"service": "database", "severity": "SEV1", "summary": "x"})
    publish(api, "Hello", "database-1")
    for path in (*PAGES, "/status/history.atom", "/status/api/v2/summary.json"):
        assert "Hello" not in stranger.get(path).text
        assert "database" not in stranger.get(path).text.lower()


def test_a_published_update_is_there_at_once(api, stranger, declared, monkeypatch):
    """Within two seconds of its answer, whatever was kept."""
    monkeypatch.undo()
    assert "We look" not in stranger.get("/status").text
    publish(api)
    asyncio.run(asyncio.sleep(live_status.MAX_LOOK_SECONDS))
    assert "We look" in stranger.get("/status").text


def test_every_file_is_served(api, stranger, declared):
    """Without a token: pages with and without `.html`, documents, feeds, style and scripts."""
    publish(api)
    incident = summary(stranger)["incidents"][0]["id"]
    html = (*PAGES, f"/status/incidents/{incident}", f"/status/incidents/{incident}.html")
    kinds = {path: "text/html" for path in html}
    kinds |= {f"/status/api/v2/{name}.json": "application/json" for name in DOCUMENTS}
    kinds |= {
        "/status/history.atom": "application/atom+xml",
        "/status/history.rss": "application/rss+xml",
        "/status/style.css": "text/css",
        "/status/live.js": "text/javascript",
        "/status/widget.js": "text/javascript",
    }
    for path, kind in kinds.items():
        answer = stranger.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith(kind), path
        assert answer.headers["x-content-type-options"] == "nosniff"
        head = stranger.head(path)
        assert (head.status_code, head.content) == (200, b""), path
    ElementTree.fromstring(stranger.get("/status/history.atom").content)
    assert stranger.get("/status?utm_source=mail").status_code == 200


def test_what_is_not_there(stranger):
    """404 as everywhere, and no path leads out of the site."""
    for path in ("/status/nothing", "/status/incidents/x", "/status/../../etc/passwd", "/status//"):
        answer = stranger.get(path)
        assert answer.status_code == 404, path
    assert stranger.post("/status").status_code == 405


def test_copies_are_asked_for_and_not_sent_again(api, stranger, declared):
    """A tag for each state: 304 while it is the same, another one after an update."""
    publish(api)
    for path in ("/status", "/status/api/v2/summary.json", "/status/widget.js"):
        first = stranger.get(path)
        tag = first.headers["etag"]
        for sent in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            same = stranger.get(path, headers={"If-None-Match": sent})
            assert (same.status_code, same.content) == (304, b""), path
            assert same.headers["etag"] == tag
        assert stranger.get(path, headers={"If-None-Match": '"x"'}).status_code == 200
        assert "public" in first.headers["cache-control"]
    old = stranger.get("/status").headers["etag"]
    publish(api, "More")
    assert stranger.get("/status", headers={"If-None-Match": old}).status_code == 200


def test_pages_allow_nothing_foreign(stranger):
    """No inline script or style, no frame around it, and no other site is loaded."""
    page = stranger.get("/status")
    policy = page.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'"):
        assert part in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<style" not in page.text


def test_other_sites_may_read_the_documents(stranger):
    """From any site where the policy names none."""
    for path in ("api/v2/summary.json", "api/v2/incidents/unresolved.json", "widget.js"):
        answer = stranger.get(f"/status/{path}", headers={"Origin": "https://shop.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "access-control-allow-origin" not in stranger.get("/status").headers


def test_only_the_sites_that_the_policy_names(api, stranger, monkeypatch):
    """Each of them by its own name, and no other one."""
    services = api.app.state.services
    policy = services.policy()
    page = policy.status_page.model_copy(update={"widget_origins": ["https://shop.example"]})
    named = policy.model_copy(update={"status_page": page})
    monkeypatch.setattr(services.policies, "current", lambda: ("v2", named))
    path = "/status/api/v2/summary.json"
    own = stranger.get(path, headers={"Origin": "https://shop.example"})
    assert own.headers["access-control-allow-origin"] == "https://shop.example"
    assert own.headers["vary"] == "Origin"
    for headers in ({"Origin": "https://evil.example"}, {}):
        other = stranger.get(path, headers=headers)
        assert "access-control-allow-origin" not in other.headers


def test_it_stands_while_the_records_are_away(api, stranger, declared, monkeypatch):
    """As it was last; a process that has never seen them says so."""
    publish(api)
    before = stranger.get("/status").text
    services = api.app.state.services

    def away(*_: object) -> None:
        raise RecordsUnavailableError("the records are away")

    for name in ("mark", "page"):
        monkeypatch.setattr(services.status._reader, name, away)
    assert stranger.get("/status").text == before
    services.status._site = None
    services.gateway.records._rests_until = 0.0
    assert stranger.get("/status").status_code == 503


def test_it_stands_when_it_cannot_be_made(api, stranger, declared, monkeypatch):
    """A fault of ours leaves the page as it was, and is in the log."""
    publish(api)
    before = stranger.get("/status").text

    def broken(*_: object) -> None:
        raise ValueError("a view that nobody understands")

    monkeypatch.setattr(api.app.state.services.status._reader, "page", broken)
    publish(api, "More")
    with capture_logs() as logs:
        assert stranger.get("/status").text == before
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["status_page.not_made"]


def test_planned_work_made_here_is_there_at_once(api, stranger, temporal):
    """A window that covers now, and not why; gone when it is ended."""
    made = {"service": "checkout", "minutes": 60, "reason": "SECRET disk"}
    answer = api.post("/api/v1/maintenance", json=made)
    assert answer.status_code == 201, answer.text
    found = summary(stranger)
    assert found["status"]["description"] == "Service Under Maintenance"
    assert [one["status"] for one in found["scheduled_maintenances"]] == ["in_progress"]
    assert "SECRET" not in json.dumps(found)
    gone = api.request("DELETE", f"/api/v1/maintenance/checkout/{answer.json()['id']}", json={})
    assert gone.status_code == 200, gone.text
    assert summary(stranger)["scheduled_maintenances"] == []


async def test_readers_are_told_of_a_change(app, gateway) -> None:
    """By a new tag, once for each change; at the end everybody is let go."""
    status: LiveStatus = app.state.services.status
    tags = ['"a"', '"a"', '"b"', '"b"', '"c"']

    async def show(path: str) -> Any:
        assert path == "index.html"
        tag = tags.pop(0) if len(tags) > 1 else tags[0]
        return live_status.Shown(live_status.File(b"", ""), tag)

    status.show = show  # type: ignore[method-assign]
    changes = status.listen()
    assert changes is not None
    async with asyncio.timeout(30):
        told = [await anext(changes)]
        while told[-1] != '"c"':
            told.append(await anext(changes))
        assert told in (['"b"', '"c"'], ['"c"'])
        status.close()
        assert [tag async for tag in changes] == []


def with_places(api, *places):
    """The policy in force, with other places to publish to."""
    services = api.app.state.services
    version, policy = services.policies.current()
    page = policy.status_page.model_copy(
        update={"publish_to": [PublishTarget.model_validate(one) for one in places]}
    )
    return lambda *_: (version, policy.model_copy(update={"status_page": page}))


def test_publishing_goes_to_the_places_of_the_policy(api, declared, tmp_path, monkeypatch):
    """Each place is named with what changed there; a second time nothing does."""
    publish(api)
    monkeypatch.setattr(
        type(api.app.state.services.policies), "current",
        with_places(api, {"folder": "www"}, {"folder": str(tmp_path / "mirror")}),
    )  # fmt: skip
    answer = api.post("/api/v1/status-page/publish", json={}).json()
    assert [one["target"] for one in answer["targets"]] == [
        f"folder:{tmp_path}/www", f"folder:{tmp_path}/mirror",
    ]  # fmt: skip
    assert f"{tmp_path}/www/index.html" in answer["files"]
    assert (tmp_path / "www/index.html").read_text() == (tmp_path / "mirror/index.html").read_text()
    assert not (tmp_path / "status-page").exists()
    again = api.post("/api/v1/status-page/publish", json={}).json()
    assert [one["changed"] for one in again["targets"]] == [0, 0]


def test_a_place_that_cannot_be_written_is_named(api, declared, tmp_path, monkeypatch):
    """502 with the place and why; the others are written all the same."""
    (tmp_path / "broken").write_text("a file")
    monkeypatch.setattr(
        type(api.app.state.services.policies), "current",
        with_places(api, {"folder": "www"}, {"folder": "broken"}),
    )  # fmt: skip
    answer = api.post("/api/v1/status-page/publish", json={})
    said = answer.json()
    assert (answer.status_code, said["code"]) == (502, "not_published")
    assert "broken" in said["errors"][0]["detail"]
    assert [one["target"] for one in said["targets"]] == [f"folder:{tmp_path}/www"]
    assert (tmp_path / "www" / "index.html").exists()


def test_too_many_readers_look_by_themselves(api, stranger, monkeypatch):
    """A browser that is refused does not come back to listen."""
    monkeypatch.setattr(live_status, "MAX_LISTENERS", 0)
    assert stranger.get("/status/events").status_code == 503


def test_publishing_writes_the_same_site(api, stranger, declared, tmp_path):
    """As files with relative links, the first page among them."""
    publish(api)
    answer = api.post("/api/v1/status-page/publish", json={})
    assert answer.status_code == 200, answer.text
    written = {path.name for path in (tmp_path / "status-page").rglob("*") if path.is_file()}
    assert {"index.html", "history.atom", "summary.json", "style.css", "widget.js"} <= written
    index = (tmp_path / "status-page" / "index.html").read_text()
    assert "We look into it" in index
    assert 'href="history.html"' in index
