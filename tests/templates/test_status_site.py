"""The site as files: pages that hold together, JSON for Statuspage's readers, feeds, no active node."""

from __future__ import annotations

import json
import posixpath
import re
import time
from collections.abc import Mapping
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from activities.publishing.folder import FolderTarget
from domain.maintenance import Window
from domain.status_page.page import StatusPageModel, build_page
from templates.renderer import Renderer
from templates.status_addresses import Addresses
from templates.status_site import File, build_site
from tests.domain.status_page.stories import T0, a_policy, a_view, said

MINUTE = timedelta(minutes=1)
RENDERER = Renderer()
EVIL = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1)) ![b](https://x/y.png)"
    " <https://ok.example> [c](http://plain.example) [d](data:text/html,x) </p></li></main>"
    ' "><svg onload=alert(1)> {{7*7}} ]]> &#106;avascript: \x00\x1b[2J\u202e\ufffe\ud800 @everyone'
)
ATOM = "{http://www.w3.org/2005/Atom}"
UPDATE_FIELDS = {
    *("id", "status", "body", "incident_id", "created_at", "updated_at", "display_at"),
    *("affected_components", "deliver_notifications", "custom_tweet", "tweet_id"),
}
INCIDENT_FIELDS = {
    *("id", "name", "status", "created_at", "updated_at", "monitoring_at", "resolved_at", "impact"),
    *("shortlink", "started_at", "page_id", "incident_updates", "components"),
}
COMPONENT_FIELDS = {
    *("id", "name", "status", "created_at", "updated_at", "position", "description", "showcase"),
    *("start_date", "group_id", "page_id", "group", "only_show_if_degraded"),
}


class Nodes(HTMLParser):
    """Every tag of a page with its attributes, as a parser sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def a_model(text: str = "We look into it", name: str = "Checkout", **page: Any) -> StatusPageModel:
    """An open incident with several updates, an ended one of last month, planned work in both states."""
    policy = a_policy(
        services={
            "checkout": {"name": name},
            "search": {"name": "Search"},
            "database": {"public": False},
        },
        status_page={"title": page.pop("title", ""), "groups": {name: ["search"]}, **page},
    )
    steps = [(n, "identified" if n else "investigating") for n in range(0, 50, 10)]
    now = a_view(
        *(said(m, s, text, next_update_at=(T0 + (m + 20) * MINUTE).isoformat()) for m, s in steps)
    )
    past = -60 * 24 * 31
    old = a_view(
        *(said(past, None, text), said(past + 90, "resolved", text)), id="search-3", status="closed"
    )
    windows = {
        "search": [
            Window(id="m1", start=T0, end=T0 + 90 * MINUTE, reason="SECRET"),
            Window(id="m2", start=T0 + 900 * MINUTE, end=T0 + 990 * MINUTE, reason="SECRET"),
        ]
    }
    return build_page(policy, [now, old], windows, T0 + 60 * MINUTE)


def site_of(**changes: Any) -> dict[str, File]:
    return build_site(a_model(**changes), RENDERER)


def pages(site: Mapping[str, File]) -> dict[str, str]:
    return {path: file.body.decode() for path, file in site.items() if path.endswith(".html")}


def document(site: Mapping[str, File], name: str) -> Any:
    file = site[f"api/v2/{name}.json"]
    assert file.media_type == "application/json"
    return json.loads(file.body)


def test_every_link_leads_to_a_file_of_the_site() -> None:
    """Under whatever address the files lie: links are relative, and nothing is loaded from elsewhere."""
    site = site_of()
    assert len(pages(site)) == 5
    for path, html in pages(site).items():
        nodes = Nodes(html)
        targets = [one["href"] for tag in ("a", "link") for one in nodes.of(tag)]
        targets += [one["src"] for one in nodes.of("script")]
        for target in targets:
            assert target is not None
            if target in ("data:,", "#main"):
                continue
            assert not re.match(r"[a-z]+:|/", target), (path, target)
            resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            assert resolved in site, (path, target)


def test_served_pages_link_to_routes() -> None:
    """And listen for changes; a static copy has nobody to listen to."""
    served = build_site(a_model(), RENDERER, Addresses(is_served=True))
    index = Nodes(served["index.html"].body.decode())
    assert {one["href"] for one in index.of("a")} >= {
        "/status",
        "/status/history",
        "/status/history.atom",
        "/status/subscribe",
    }
    copy = build_site(a_model(), RENDERER, Addresses(live="https://t.example"))
    assert 'href="https://t.example/status/subscribe"' in copy["index.html"].body.decode()
    assert index.of("script")[0]["data-events"] == "/status/events"
    assert "data-events" not in Nodes(site_of()["index.html"].body.decode()).of("script")[0]


def test_pages_can_be_read_by_everybody() -> None:
    """Language, title, landmarks, one main heading; bars say in words what they show."""
    for html in pages(site_of()).values():
        nodes = Nodes(html)
        assert nodes.of("html") == [{"lang": "en"}]
        for landmark in ("main", "header", "footer", "title", "h1"):
            assert len(nodes.of(landmark)) >= 1, landmark
        assert len(nodes.of("h1")) == len(nodes.of("main")) == 1
        assert nodes.of("a")[0] == {"class": "skip", "href": "#main"}
        assert all(one.get("aria-label") for one in nodes.of("nav"))
        assert all("aria-label" in one or "aria-hidden" in one for one in nodes.of("svg"))
    index = site_of()["index.html"].body.decode()
    assert 'aria-label="Checkout, last 90 days: 99.95 % uptime, trouble on 24 Nov"' in index
    assert "<title>24 Nov: major outage, 1 h</title>" in index


def test_the_first_page_has_every_update_of_what_is_open() -> None:
    """The latest first; the earlier ones behind a click that needs no script."""
    index = site_of()["index.html"].body.decode()
    assert index.index("24 Nov 2026, 14:40 UTC") < index.index("24 Nov 2026, 14:30 UTC")
    assert "2 earlier updates" in index
    assert index.count("We look into it") == 5
    assert "Next update by" in index
    assert "No other incident reported." in index
    assert "No incident reported." not in index, "one is open"
    assert "Maintenance in progress" in index
    assert "Scheduled maintenance" in index


def test_nothing_internal_is_in_any_file() -> None:
    """Not in a page, a feed, a document: summary, reason of a window, private services, ids of ours."""
    for path, file in site_of().items():
        for word in ("SECRET", "checkout-17", "search-3", "database", "alice"):
            assert word not in file.body.decode(), (path, word)


@pytest.mark.parametrize("where", ["text", "name", "title"])
def test_hostile_words_stay_words(where: str) -> None:
    """Whatever an author writes or a service is called: no script, no handler, no image, no foreign link."""
    site = site_of(**{where: EVIL})
    allowed = {
        *("html", "head", "meta", "title", "link", "script", "body", "a", "header", "p", "nav"),
        *("main", "footer", "time", "section", "h1", "h2", "h3", "h4", "div", "span", "article"),
        *("ol", "ul", "li", "details", "summary", "svg", "defs", "pattern", "path", "circle"),
        *("symbol", "use", "rect"),
        *("br", "strong", "em", "code"),
    }
    for path, html in pages(site).items():
        nodes = Nodes(html)
        assert {tag for tag, _ in nodes.tags} <= allowed, path
        assert len(nodes.of("script")) == 1
        for tag, attrs in nodes.tags:
            assert not [name for name in attrs if name.startswith(("on", "style", "srcdoc"))]
            address = attrs.get("href") or attrs.get("src") or ""
            if re.match(r"[a-z]+:", address) and address != "data:,":
                assert (tag, attrs["rel"]) == ("a", "nofollow noopener noreferrer")
                assert address in ("https://ok.example", "https://x/y.png")
        assert "\x1b" not in html
        assert "\u202e" not in html
    assert "{{7*7}}" in site["index.html"].body.decode()
    for feed in ("history.atom", "history.rss"):
        root = ElementTree.fromstring(site[feed].body)
        for node in root.iter():
            if node.tag.endswith(("content", "description")):
                inside = Nodes(node.text or "")
                assert {tag for tag, _ in inside.tags} <= (allowed | {"small"}) - {"script", "svg"}
            assert not (node.tag.endswith("link") and "javascript" in (node.text or ""))
    for path, file in site.items():
        if path.endswith(".json"):
            json.loads(file.body)


def test_summary_in_statuspages_shape() -> None:
    """Every field that its readers know, with its values; open incidents and work that is not over."""
    summary = document(site_of(url="https://status.acme.example/"), "summary")
    assert set(summary) == {
        *("page", "status", "components", "incidents", "scheduled_maintenances"),
    }
    assert set(summary["page"]) == {"id", "name", "url", "time_zone", "updated_at"}
    assert summary["page"]["url"] == "https://status.acme.example/"
    assert summary["page"]["updated_at"] == "2026-11-24T14:40:00.000Z"
    assert summary["status"] == {"indicator": "critical", "description": "Major Service Outage"}
    for component in summary["components"]:
        assert set(component) - {"components"} == COMPONENT_FIELDS
    checkout, search, group = summary["components"]
    assert (checkout["name"], checkout["status"], checkout["position"]) == (
        *("Checkout", "major_outage", 1),
    )
    assert (search["status"], search["group_id"]) == ("under_maintenance", group["id"])
    assert (group["group"], group["components"]) == (True, [search["id"]])
    (incident,) = summary["incidents"]
    assert set(incident) == INCIDENT_FIELDS
    assert (incident["status"], incident["impact"]) == ("identified", "critical")
    assert incident["started_at"] == "2026-11-24T14:00:00.000Z"
    assert incident["shortlink"] == f"https://status.acme.example/incidents/{incident['id']}.html"
    assert [one["id"] for one in incident["components"]] == [checkout["id"]]
    assert len(incident["incident_updates"]) == 5
    latest, *_, first = incident["incident_updates"]
    assert set(latest) == UPDATE_FIELDS
    assert latest["created_at"] > first["created_at"]
    assert first["affected_components"] == [
        {
            "code": checkout["id"],
            "name": "Checkout",
            "old_status": "operational",
            "new_status": "major_outage",
        }
    ]
    works = summary["scheduled_maintenances"]
    assert [one["status"] for one in works] == ["in_progress", "scheduled"]
    for work in works:
        assert set(work) == INCIDENT_FIELDS | {"scheduled_for", "scheduled_until"}
        assert set(work["incident_updates"][0]) == UPDATE_FIELDS


def test_the_other_documents() -> None:
    """Each says whose page it is; the lists hold what their name says."""
    site = site_of()
    names = [path for path in site if path.startswith("api/v2/")]
    assert len(names) == 8
    for path in names:
        assert "page" in json.loads(site[path].body), path
    assert [one["status"] for one in document(site, "incidents")["incidents"]] == [
        *("identified", "resolved"),
    ]
    assert len(document(site, "incidents/unresolved")["incidents"]) == 1
    assert document(site, "status")["status"]["indicator"] == "critical"
    assert len(document(site, "components")["components"]) == 3
    works = "scheduled_maintenances"
    assert len(document(site, "scheduled-maintenances")[works]) == 2
    for name, status in (("upcoming", "scheduled"), ("active", "in_progress")):
        (work,) = document(site, f"scheduled-maintenances/{name}")[works]
        assert work["status"] == status


def test_feeds() -> None:
    """An entry for each incident and piece of work, latest change first, with ids that stay."""
    site = site_of(url="https://status.acme.example")
    atom = ElementTree.fromstring(site["history.atom"].body)
    titles = [one.findtext(f"{ATOM}title") for one in atom.iter(f"{ATOM}entry")]
    assert titles == ["Issues with Checkout", *["Maintenance of Search"] * 2, "Issues with Search"]
    first = next(atom.iter(f"{ATOM}entry"))
    assert first.findtext(f"{ATOM}updated") == "2026-11-24T14:40:00Z"
    content = first.findtext(f"{ATOM}content") or ""
    assert content.index("14:40 UTC") < content.index("14:00 UTC")
    assert "<strong>Identified</strong>" in content
    links = {one.attrib["rel"]: one.attrib["href"] for one in atom.findall(f"{ATOM}link")}
    assert links == {
        "alternate": "https://status.acme.example/",
        "self": "https://status.acme.example/history.atom",
    }
    rss = ElementTree.fromstring(site["history.rss"].body)
    assert [one.findtext("title") for one in rss.iter("item")] == titles
    assert next(rss.iter("item")).findtext("pubDate") == "Tue, 24 Nov 2026 14:40:00 +0000"
    ids = [one.findtext("guid") for one in rss.iter("item")]
    assert len(set(ids)) == 4
    assert all(one and one.startswith("urn:uuid:") for one in ids)


def test_history_by_month() -> None:
    """The current month first, and a page for each other one that has incidents."""
    site = site_of()
    assert "Incidents in November 2026" in site["history.html"].body.decode()
    october = site["history/2026-10.html"].body.decode()
    assert "24 Oct 2026" in october
    assert "Issues with Search" in october
    assert "lasted 1 h 30 min" in october


def a_large_page() -> StatusPageModel:
    """Fifty components, five hundred incidents, three of them open."""
    services = {f"s{n}": {"name": f"Service number {n}"} for n in range(50)}
    views = []
    for n in range(500):
        begin, is_open = -240 * n - 30, n < 3
        updates = [
            said(begin + 10 * k, status, "We know more, and this is what it is. " * 5)
            for k, status in enumerate(("investigating", "identified", "monitoring", "resolved"))
        ][: 2 if is_open else 4]
        status = "fixing" if is_open else "closed"
        severity = f"SEV{n % 3 + 1}"
        views.append(a_view(*updates, id=f"s{n % 50}-{n}", status=status, severity=severity))
    return build_page(a_policy(services=services), views, {}, T0)


def test_fifty_components_and_five_hundred_incidents_stay_small() -> None:
    """The first page is under 100 kB, style and script included; the widget under 8 kB."""
    page = a_large_page()
    assert len(page.incidents) == 500
    site = build_site(page, RENDERER)
    assert sum(len(site[name].body) for name in ("index.html", "style.css", "live.js")) < 100_000
    assert len(site["widget.js"].body) < 8_000
    assert len([path for path in site if path.startswith("incidents/")]) == 500


async def test_fifty_components_and_five_hundred_incidents_are_published_in_a_second(
    tmp_path: Path,
) -> None:
    """From the data to every file in its place; the best of three counts, for a machine may be busy."""
    page, took = a_large_page(), []
    for attempt in range(3):
        started = time.process_time()
        written = await FolderTarget(tmp_path / str(attempt)).write(build_site(page, RENDERER))
        took.append(time.process_time() - started)
        assert written.changed == written.files > 500
    assert min(took) < 1.0, "without a load about a third of a second"


def test_nothing_is_inline() -> None:
    """A strict policy stands in each page, and the page keeps to it: no inline script, style or handler."""
    for html in pages(site_of()).values():
        nodes = Nodes(html)
        (policy,) = [m["content"] for m in nodes.of("meta") if "http-equiv" in m]
        assert policy is not None
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not nodes.of("style")
        assert all("src" in one for one in nodes.of("script"))
    for name in ("live.js", "widget.js"):
        script = site_of()[name].body.decode()
        for word in ("eval(", "new Function", "insertAdjacentHTML", "document.write", ".style"):
            assert word not in script, (name, word)
    assert "innerHTML" not in site_of()["widget.js"].body.decode()
