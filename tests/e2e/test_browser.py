"""The pages for people, in a real browser, on a phone and on a desk."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system import System, eventually

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
WIDTHS = [390, 1280]
LONG = "https://grafana.example.com/d/" + "very-long-name-of-a-dashboard-" * 12


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by playwright."""
    try:
        playwright = importlib.import_module("playwright.sync_api")
    except ImportError:
        pytest.skip("playwright is not installed: make e2e sets it up")
    if CHROMIUM is None:
        pytest.skip("no chromium here (Debian: chromium)")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def incident(system: System) -> str:
    """One under way, with texts that would break a careless page."""
    made = system.declare("checkout", "Cards are refused & <b>nobody</b> can pay")
    eventually(lambda: system.outbox(made, "page"), 30, "the page")
    system.acknowledge(made, "ann")
    system.command(
        *(made, "assess", "ann"),
        customer_impact="38% of checkouts fail",
        confirmed=True,
    )
    system.command(made, "observe", "ann", text=f"Seen at {LONG}")
    system.command(made, "note", "ann", text="<script>document.title='broken'</script>")
    eventually(lambda: system.outbox(made, "external_update"), 30, "the external update")
    eventually(lambda: len(system.recorded(made)) >= 8, 30, "the records")
    return made


class Page:
    """An open page, and what was wrong with it.

    Args:
        routes: by pattern, what answers in place of the network.
        options: of the window, such as `color_scheme`.
    """

    def __init__(
        self, browser: Any, url: str, width: int, routes: Any = None, **options: Any
    ) -> None:
        self.tab = browser.new_page(viewport={"width": width, "height": 844}, **options)
        for pattern, answer in (routes or {}).items():
            self.tab.route(pattern, answer)
        self.errors: list[str] = []
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", self._hear)
        self.tab.on("requestfailed", lambda request: self.errors.append(request.url))
        self.answer = self.tab.goto(url, wait_until="load")

    def _hear(self, message: Any) -> None:
        # A browser asks for an icon by itself; that there is none is no error of the page.
        if message.type == "error" and "favicon" not in message.location.get("url", ""):
            self.errors.append(message.text)

    @property
    def text(self) -> str:
        return str(self.tab.inner_text("body"))

    def overflowing(self) -> list[str]:
        """Elements that reach beyond the window, and the page itself where it scrolls sideways."""
        found: list[str] = self.tab.evaluate(
            """() => {
                const width = document.documentElement.clientWidth;
                const wide = [...document.querySelectorAll('body *')]
                    .filter(one => one.getBoundingClientRect().right > width + 1)
                    .map(one => one.tagName + ': ' + one.textContent.slice(0, 60));
                if (document.documentElement.scrollWidth > width) wide.push('the page scrolls');
                return wide;
            }"""
        )
        return found


def link_of(system: System, incident: str) -> str:
    """The link that a responder finds in the page."""
    (message,) = system.outbox(incident, "page")
    found = re.search(r"http://\S+/i/\S+", message["text"])
    assert found, message["text"]
    return found.group().rstrip(".)>")


@pytest.mark.parametrize("width", WIDTHS)
def test_link_in_a_page_opens_the_incident(
    system: System, incident: str, browser: Any, width: int
) -> None:
    """Who leads, what happens and the timeline, readable without scrolling sideways, no script."""
    page = Page(browser, link_of(system, incident), width)
    assert page.answer.status == 200
    for expected in ("SEV1 fixing", "Cards are refused & <b>nobody</b> can pay", incident, LONG):
        assert expected in page.text
    assert "<script>document.title='broken'</script>" in page.text
    assert page.tab.title() == f"{incident} SEV1 fixing"
    assert page.errors == []
    assert page.overflowing() == []
    page.tab.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_status_page_says_what_was_published_and_nothing_else(
    system: System, incident: str, browser: Any, width: int
) -> None:
    """The public reads the external update; neither summary nor notes leave the house."""
    page = Page(browser, f"{system.api_url}/status", width)
    assert page.answer.status == 200
    assert "checkout" in page.text.lower()
    assert "investigating" in page.text.lower()
    for internal in ("Cards are refused", "grafana", incident, "38%"):
        assert internal not in page.text
    assert page.errors == []
    assert page.overflowing() == []
    page.tab.close()
