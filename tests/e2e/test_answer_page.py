"""The page behind a page's link, in a real browser on a real system: a thumb is enough."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from starter.security import ANSWER_SECRET_FILE, AnswerSigner, PageRef
from tests.e2e.test_browser import Page, browser
from tests.system import System, eventually

__all__ = ["browser"]
SUMMARY = "Cards are refused & <b>nobody</b> can pay, since-the-release-" + "of-the-afternoon-" * 12


def link_for(system: System, incident: str, person: str) -> str:
    """As the worker signs it: in delivery `outbox` no channel shows it."""
    key = f"{incident}/p1/r1/s1/{person}/email-0"
    signer = AnswerSigner(system.data / ANSWER_SECRET_FILE)
    return (
        f"{system.api_url}/answer/{signer.sign(PageRef(incident, person, key), datetime.now(UTC))}"
    )


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pressing_the_button_acknowledges(
    system: System, browser: Any, width: int, scheme: str
) -> None:
    """Open, reload, press: acknowledged once; the page fits, runs no script and breaks no rule of its own."""
    incident = system.declare("checkout", SUMMARY)
    eventually(lambda: system.outbox(incident, "page"), 30, "the page")
    page = Page(browser, link_for(system, incident, "ann"), width)
    page.tab.emulate_media(color_scheme=scheme)
    page.tab.reload()
    button = page.tab.get_by_role("button", name="Acknowledge", exact=True)
    assert button.bounding_box()["height"] >= 44
    assert page.overflowing() == []
    page.tab.get_by_role("button", name="Escalate").click()
    assert "Escalate this page?" in page.text
    page.tab.get_by_role("button", name="No, go back").click()
    assert system.view(incident)["status"] == "raised"
    button.click()
    assert f"You have {incident}." in page.text
    assert system.view(incident)["incident_manager"] == "ann"
    page.tab.reload()
    assert "Already acknowledged by you" in page.text
    assert page.overflowing() == []
    assert page.errors == []
    page.tab.close()
