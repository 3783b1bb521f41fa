"""On call, policy, postmortems, events, operations."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from starter.api.events import events
from starter.api.export import export
from starter.api.feed import MAX_LISTENERS, Feed, TooManyListenersError
from starter.temporal_link import GatewayUnavailableError
from templates.renderer import Renderer, examples
from tests.patience import until
from tests.starter.conftest import ROOT

ONCALL = "/api/v1/oncall"


def test_who_is_on_call(api):
    """Step by step, whom it means at that time."""
    answer = api.get(ONCALL, params={"service": "checkout", "at": "2026-01-07T12:00:00+01:00"})
    body = answer.json()
    assert body["at"] == "2026-01-07T11:00:00Z"
    assert [step["after"] for step in body["steps"]] == ["0s", "5m", "10m"]
    first = body["steps"][0]["targets"][0]
    assert (first["person"], first["schedule"]) == ("alice", "payments")
    assert first["until"] == "2026-01-12T08:00:00Z"
    assert (
        api.get(f"{ONCALL}?service=unknown").json()["steps"][0]["targets"][0]["person"] == "carol"
    )


def test_an_unquoted_plus(api):
    """A `+` in a query is a blank to a server; it was meant as one."""
    url = f"{ONCALL}?service=checkout&at=2026-01-07T12:00:00+01:00"
    assert api.get(url).json()["at"] == "2026-01-07T11:00:00Z"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "service=chekout",
        "service=checkout&at=yesterday",
        "service=checkout&at=9999-12-31T00:00:00Z",
    ],
)
def test_wrong_questions(api, query):
    """422."""
    assert api.get(f"{ONCALL}?{query}").status_code == 422


def test_override(api):
    """From then on the other person is on call; a time with an offset means that instant."""
    body = {
        "from": "2026-01-07T10:00:00Z",
        "to": "2026-01-07T18:00",
        "person": "carol",
        "actor": "bob",
    }
    answer = api.post(f"{ONCALL}/payments/overrides", json=body)
    assert answer.status_code == 201
    assert answer.json()["override"]["from"] == "2026-01-07T11:00:00"
    asked = {"service": "checkout", "at": "2026-01-07T12:00:00+01:00"}
    steps = api.get(ONCALL, params=asked).json()["steps"]
    assert steps[0]["targets"][0]["person"] == "carol"


@pytest.mark.parametrize(
    ("schedule", "change", "status"),
    [
        ("paymnts", {}, 404),
        ("payments", {"person": "carrol"}, 422),
        ("payments", {"actor": "carrol"}, 422),
        ("payments", {"to": "2026-01-01T00:00"}, 422),
        ("payments", {"to": "soon"}, 422),
        ("payments", {"to": None}, 422),
        ("payments", {"nonsense": 1}, 422),
    ],
)
def test_wrong_override(api, schedule, change, status):
    """Named, and nothing changed."""
    body = {"from": "2026-01-07T10:00", "to": "2026-01-07T18:00", "person": "carol"} | change
    answer = api.post(f"{ONCALL}/{schedule}/overrides", json=body)
    assert answer.status_code == status
    assert answer.json()["errors"]


def test_shifts_and_gaps(api):
    """The shifts of a schedule, and when nobody is on call."""
    asked = {"from": "2026-01-05T09:00:00Z", "to": "2026-01-20T00:00:00Z"}
    shifts = api.get(f"{ONCALL}/payments", params=asked).json()["shifts"]
    assert [shift["person"] for shift in shifts] == ["alice", "bob", "alice"]
    assert api.get(f"{ONCALL}/gaps?days=30").json()["gaps"] == []
    assert api.get(f"{ONCALL}/nobody").status_code == 404
    assert api.get(f"{ONCALL}/payments", params={"to": "2020-01-01T00:00:00Z"}).status_code == 422


def test_policy_is_shown_without_contacts(api):
    """Who can be reached how stays inside."""
    body = api.get("/api/v1/policy").json()
    assert len(body["version"]) == 12
    assert "alice@example.com" not in str(body)
    assert body["policy"]["people"]["alice"]["contacts"] == [
        {"channel": "sms"},
        {"channel": "email"},
    ]


def test_policy_reload(api, app, tmp_path):
    """A good one is followed at once; a broken one leaves the last good one, with every mistake."""
    file = tmp_path / "policy.yaml"
    shutil.copy(ROOT / "policy" / "example.yaml", file)
    services = app.state.services
    object.__setattr__(services, "settings", services.settings.model_copy(update={"policy": file}))
    answer = api.post("/api/v1/policy/reload")
    assert answer.json()["is_changed"] is False
    text = file.read_text()
    file.write_text(text.replace("name: Example\n", "name: Renamed\n", 1))
    assert api.post("/api/v1/policy/reload", json={}).json()["is_changed"] is True
    assert services.policy().organisation.name == "Renamed"
    file.write_text(text.replace("team: payments", "team: paymnts"))
    answer = api.post("/api/v1/policy/reload", json={"actor": "alice"})
    assert (answer.status_code, answer.json()["code"]) == (422, "policy_invalid")
    error = answer.json()["errors"][0]
    assert "payments" in error["near"]
    assert error["line"]
    assert services.policy().organisation.name == "Renamed"


@pytest.fixture
def postmortem(declared, temporal):
    view = examples("postmortem")[0]["postmortem"] | {"version": 1, "incident": declared}
    temporal.postmortems["checkout-1/postmortem"] = view
    return "/api/v1/incidents/checkout-1/postmortem"


def test_postmortem(api, postmortem, temporal):
    """Read, edit, and one route for each command."""
    assert api.get(postmortem).json()["status"] == "draft"
    for name, body in (
        ("edit", {"fields": {"summary": "x"}}),
        ("submit", {}),
        ("approve", {"actor": "bob"}),
        ("add-action", {"text": "Alert on certificates"}),
        ("complete-action", {"action": "a1"}),
        ("close", {}),
    ):
        answer = api.post(f"{postmortem}/{name}", json=body)
        assert answer.status_code == 200, answer.text
        assert temporal.updates[-1][:2] == ("checkout-1/postmortem", name.replace("-", "_"))
    assert api.post(f"{postmortem}/approve", json={"actor": "bobb"}).status_code == 422
    assert api.post(f"{postmortem}/add-action", json={"txt": "x"}).status_code == 422


def test_no_postmortem(api, declared):
    """404, for reads and commands."""
    url = "/api/v1/incidents/checkout-1/postmortem"
    assert api.get(url).status_code == 404
    assert api.post(f"{url}/submit").status_code == 404
    assert api.get(f"{url}/export").status_code == 404


def test_export(api, postmortem):
    """As Markdown and as HTML, with its timeline."""
    text = api.get(f"{postmortem}/export")
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "Cards are refused" in text.text
    assert "`raised`" in text.text
    html = api.get(f"{postmortem}/export?format=html")
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in html.headers["content-security-policy"]
    assert html.text.startswith("<!doctype html>")
    assert api.get(f"{postmortem}/export?format=pdf").status_code == 422
    assert api.post(f"{postmortem}/export").text == text.text


def test_export_of_an_empty_timeline():
    """The document does not depend on there being facts."""
    example = examples("postmortem")[0]
    view = example["postmortem"] | {"incident": example["incident"]}
    for fmt in ("md", "html"):
        assert "checkout-17" in export(view, [], fmt, Renderer(), "Example")


async def test_feed_tells_changes(gateway, temporal):
    """Whoever listens hears of what changes from then on."""
    feed = Feed(gateway.records, every_seconds=0.02)
    await gateway.declare({"service": "checkout", "severity": "SEV1", "summary": "x"})
    changes = feed.listen()
    await until(lambda: feed._versions is not None)
    await gateway.command("checkout-1", "acknowledge", {"actor": "alice"})
    view = await asyncio.wait_for(anext(changes), 30)
    assert (view["id"], view["status"]) == ("checkout-1", "fixing")
    await gateway.declare({"service": "search", "severity": "SEV1", "summary": "y"})
    assert (await asyncio.wait_for(anext(changes), 30))["id"] == "search-1"
    await changes.aclose()
    await until(lambda: feed._task is None)


async def test_feed_is_bounded(gateway):
    """One listener too many is told so; one that does not read is let go."""
    feed = Feed(gateway.records, every_seconds=0.01)
    listeners = [feed.listen() for _ in range(MAX_LISTENERS)]
    with pytest.raises(TooManyListenersError):
        feed.listen()
    feed._tell([{"id": f"a-{n}", "version": 1} for n in range(1000)])
    assert not feed._listeners
    seen = [view async for view in listeners[0]]
    assert 0 < len(seen) < 1000
    await asyncio.sleep(0.05)


async def test_feed_lets_go(gateway):
    """At the end of the process no stream holds it up."""
    feed = Feed(gateway.records, every_seconds=0.01)
    listeners = [feed.listen() for _ in range(3)]
    feed.close()
    assert [[view async for view in one] for one in listeners] == [[], [], []]
    await until(lambda: feed._task is None)


async def test_events_are_server_sent_events(gateway):
    """A first line at once, then each change with its version as the id."""

    async def changed():
        yield {"id": "checkout-1", "version": 4}

    sent = [event async for event in events(changed())]
    assert sent[0].comment == "listening"
    assert (sent[1].event, sent[1].id) == ("incident", "checkout-1.4")


def test_operations(stranger, temporal):
    """No token needed; it says that nobody is really paged."""
    assert stranger.get("/livez").json() == {"status": "alive"}
    assert stranger.get("/version").json()["version"]
    ready = stranger.get("/readyz").json()
    assert (ready["status"], ready["delivery"]) == ("ready", "outbox")
    assert "nobody is really paged" in ready["notice"]
    assert stranger.get("/readyz?verbose").json()["checks"]["temporal"] == "ok"
    assert "tocsin_http_requests_total" in stranger.get("/metrics").text
    temporal.query_error = GatewayUnavailableError("away")
    answer = stranger.get("/readyz?verbose=1")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["checks"]["temporal"] == "does not answer"
    assert "nobody is really paged" in answer.json()["notice"]


def test_ready_without_records(stranger, tmp_path):
    """Pages and alerts go on without them."""
    (tmp_path / "records.db").rename(tmp_path / "moved.db")
    (tmp_path / "records.db").mkdir()
    answer = stranger.get("/readyz?verbose")
    assert answer.status_code == 200
    assert answer.json()["checks"]["records"] != "ok"
