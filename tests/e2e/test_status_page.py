"""The status page and its widget in a real browser: two widths, light and dark, live, and for everybody."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.e2e.test_browser import WIDTHS, Page, browser
from tests.system import System, eventually

__all__ = ["browser"]

SCHEMES = ["light", "dark"]
SERIOUS = ("serious", "critical")
TEXT = "We have **found the cause** and are deploying a fix. <b>No</b> data is lost."


@pytest.fixture(scope="module")
def incident(system: System) -> str:
    """An open incident that the public has heard of twice."""
    made = system.declare("billing", "SECRET: invoices are wrong")
    eventually(lambda: system.outbox(made, "page"), 30, "the page")
    system.acknowledge(made, "dot")
    system.command(made, "assess", "dot", confirmed=True)
    eventually(lambda: system.outbox(made, "external_update"), 30, "the first update")
    publish(system, made, TEXT, status="identified")
    return made


def publish(system: System, incident: str, text: str, **more: Any) -> None:
    system.command(incident, "publish_update", "dot", audience="external", text=text, **more)


@contextmanager
def opened(browser: Any, url: str, width: int, scheme: str) -> Iterator[Page]:
    """A page in a window of its own."""
    page = Page(browser, url, width, color_scheme=scheme)
    try:
        yield page
    finally:
        page.tab.close()


def violations(page: Page) -> list[str]:
    """What axe finds that keeps somebody from reading."""
    axe = importlib.import_module("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page.tab).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_read_it(
    system: System, incident: str, browser: Any, width: int, scheme: str
) -> None:
    """The first page, the incident and the history: nothing serious for axe, nothing sideways, no error."""
    with opened(browser, f"{system.api_url}/status", width, scheme) as page:
        assert "Major Service Outage" in page.text
        assert "found the cause" in page.text
        assert "SECRET" not in page.text
        for _ in range(3):
            assert violations(page) == []
            assert page.overflowing() == []
            page.tab.click("a:has-text('Issues with billing'), a:has-text('History')")
        # Whoever goes to another page stops listening on this one, and that is no error.
        assert [one for one in page.errors if not one.endswith("/status/events")] == []


def test_it_is_readable_without_a_script(system: System, incident: str, browser: Any) -> None:
    """All that was published, also what is folded away."""
    page = Page(browser, f"{system.api_url}/status", 390, java_script_enabled=False)
    assert "Issues with billing" in page.text
    assert "Identified" in page.text
    requests: list[str] = []
    page.tab.on("request", lambda request: requests.append(request.resource_type))
    page.tab.reload(wait_until="networkidle")
    assert set(requests) <= {"document", "stylesheet", "script"}
    page.tab.close()


def test_an_update_is_there_within_two_seconds(system: System, incident: str, browser: Any) -> None:
    """Nobody reloads: from the answer to whoever published, to the reader's page."""
    with opened(browser, f"{system.api_url}/status", 1280, "light") as page:
        for number in range(3):
            page.tab.wait_for_timeout(700 + 330 * number)  # at any moment between two looks
            publish(system, incident, f"News number {number}", status="monitoring")
            began = time.monotonic()
            page.tab.get_by_text(f"News number {number}").wait_for(timeout=2000)
            assert time.monotonic() - began < 2.0
        assert "The page has changed" in str(page.tab.text_content("#news"))
        assert page.errors == []


class Copy(SimpleHTTPRequestHandler):
    """A folder as any host of files serves it."""

    def log_message(self, *_: Any) -> None:
        """Nothing of it is worth a line."""


@contextmanager
def served(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server that is not ours; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def another_site(body: str, policy: str = "") -> Iterator[str]:
    """A site of somebody else's; its address."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if policy:
                self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(f"<!doctype html><html lang=en><title>Shop</title>{body}".encode())

        def log_message(self, *_: Any) -> None:
            """Nothing of it is worth a line."""

    with served(Site) as address:
        yield address


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_widget_on_a_strict_site(
    system: System, incident: str, browser: Any, width: int, scheme: str
) -> None:
    """It says how things stand and what is open, in the site's own page, and breaks none of its rules."""
    ours = system.api_url
    policy = f"default-src 'none'; script-src {ours}; connect-src {ours}; "
    policy += "require-trusted-types-for 'script'"
    body = f"<main><h1>Shop</h1><script src={ours}/status/widget.js async></script></main>"
    with another_site(body, policy) as address, opened(browser, address, width, scheme) as page:
        widget = page.tab.locator("tocsin-status")
        widget.get_by_text("Major Service Outage").wait_for(timeout=5000)
        assert "Issues with billing" in widget.locator(".box").inner_text()
        assert violations(page) == []
        assert widget.locator(".box").get_attribute("aria-live") == "polite"
        assert str(widget.locator("a").first.get_attribute("href")).startswith(f"{ours}/status")
        assert page.overflowing() == []
        assert page.errors == []


@pytest.mark.parametrize(("more", "is_shown"), [("", True), ("data-show=trouble", False)])
def test_widget_says_that_it_knows_nothing(
    system: System, browser: Any, more: str, is_shown: bool
) -> None:
    """With the page away; one that is shown only in trouble stays hidden then."""
    body = f"<body><script src={system.api_url}/status/widget.js {more}></script>"
    away = {"**/summary.json": lambda route: route.abort()}
    with another_site(body) as address:
        page = Page(browser, address, 390, away)
        box = page.tab.locator("tocsin-status .box")
        box.get_by_text("cannot be reached").wait_for(state="attached", timeout=5000)
        assert box.is_visible() is is_shown
        page.tab.close()


def test_a_static_copy_stands_by_itself(system: System, incident: str, browser: Any) -> None:
    """Under an address of its own, with pages that lead to each other, and without anything of ours."""
    system.ok("POST", "/api/v1/status-page/publish", {})
    folder = str(system.data / "status-page")
    with served(partial(Copy, directory=folder)) as address:
        page = Page(browser, f"{address}index.html", 1280)
        asked: list[str] = []
        page.tab.on("request", lambda request: asked.append(request.url))
        page.tab.click("a:has-text('Issues with billing')")
        assert "found the cause" in page.text
        page.tab.click("a:has-text('History')")
        assert "Issues with billing" in page.text
        assert asked
        assert all(url.startswith((address, "data:")) for url in asked)
        assert page.errors == []
        page.tab.close()
