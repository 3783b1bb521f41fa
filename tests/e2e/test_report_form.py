"""The report form in a real browser: filled in by hand, answered, and followed to its end."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.test_browser import WIDTHS, Page, browser
from tests.system import System, eventually

__all__ = ["browser"]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_customer_reports_and_hears_what_came_of_it(
    system: System, browser: Any, width: int
) -> None:
    """A mistake is shown where it is, a good form has a reference, and confirming it pages."""
    page = Page(browser, f"{system.api_url}/report", width)
    tab = page.tab
    assert page.overflowing() == []
    tab.select_option("#service", "search")
    tab.fill("#summary", f"Nothing is found at {width} pixels")
    tab.wait_for_timeout(2100)  # nobody is faster
    tab.evaluate("document.querySelector('#email').type = 'text'")
    tab.fill("#email", "not an address")
    tab.click("button")
    assert "This is no mail address" in page.text
    assert tab.input_value("#summary") == f"Nothing is found at {width} pixels"
    assert page.overflowing() == []
    tab.fill("#email", "kim@example.com")
    tab.click("button")
    found = re.search(r"R-[0-9A-Z]{8}", page.text)
    assert found, page.text
    ref = found[0]
    assert page.overflowing() == []
    tab.click("text=See what becomes of it")
    assert "nobody has answered it yet" in page.text
    told = eventually(lambda: _told(system, ref), 30, "the receipt")
    assert told[0]["to"] == "kim@example.com"
    done = system.ok("POST", f"/api/v1/reports/{ref}/confirm", {"actor": "cyd"})
    incident = str(done["incident"])
    eventually(lambda: system.outbox(incident, "page"), 30, "the page")
    tab.reload()
    assert "We know of the problem" in page.text
    tab.close()


def _told(system: System, ref: str) -> list[dict[str, Any]]:
    return [
        one
        for one in system.outbox("", "report")
        if ref in str(one["subject"]) and one["recipient"] == "reporter"
    ]
