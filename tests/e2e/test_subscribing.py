"""Subscribing in a real browser, whole: the form, the mail, the button, an update, and out again."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.test_browser import WIDTHS, Page, browser
from tests.e2e.test_status_page import SCHEMES, violations
from tests.system import System, eventually

__all__ = ["browser"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_reader_subscribes_is_told_and_leaves(
    system: System, browser: Any, width: int, scheme: str
) -> None:
    """Every page fits its window and can be read by everybody; one update is one message."""
    address = f"kim-{width}-{scheme}@example.com"
    page = Page(browser, f"{system.api_url}/status/subscribe", width, color_scheme=scheme)
    tab = page.tab
    seen = [page.overflowing(), violations(page)]
    tab.wait_for_timeout(2100)  # nobody is faster
    tab.fill("#address", "no address")
    tab.click("button")
    assert "This is no mail address" in page.text
    seen += [page.overflowing(), violations(page)]
    tab.fill("#address", address)
    tab.wait_for_timeout(2100)
    tab.click("button")
    assert "One more step" in page.text
    seen += [page.overflowing(), violations(page)]

    (mail,) = eventually(lambda: mails(system, "subscription", address), 30, "the question")
    tab.goto(link_in(mail["text"], "confirm"))
    assert "k…@example.com" in page.text
    seen += [page.overflowing(), violations(page)]
    tab.click("button")
    assert "You have subscribed" in page.text
    seen += [page.overflowing(), violations(page)]

    incident = system.declare("checkout", f"SECRET of {width} {scheme}")
    eventually(lambda: system.outbox(incident, "page"), 30, "the page")
    system.acknowledge(incident, "ann")
    said = {"audience": "external", "text": "We look into **it**.", "status": "investigating"}
    system.command(incident, "publish_update", "ann", **said)
    (told,) = eventually(lambda: mails(system, "external_update", address), 30, "the update")
    assert "SECRET" not in told["text"] + told["html"]
    assert "We look into it." in told["text"]

    tab.goto(link_in(told["text"], "manage"))
    seen += [page.overflowing(), violations(page)]
    tab.check("input[value=some]")
    tab.click("text=Save")
    assert "Choose at least one" in page.text
    tab.check("input[value=all]")
    tab.click("text=Save")
    assert "Saved." in page.text
    tab.click("text=Unsubscribe from everything")
    assert "You have unsubscribed" in page.text
    seen += [page.overflowing(), violations(page)]
    assert seen == [[]] * len(seen)

    system.command(incident, "publish_update", "ann", **said | {"text": "It works again."})
    eventually(
        lambda: "It works again" in str(system.outbox(incident, "external_update")), 30, "it"
    )
    assert len(mails(system, "external_update", address)) == 1, "who left hears no more"
    system.command(incident, "resolve", "ann", summary="mended")
    assert [one for one in page.errors if "422" not in one] == []
    tab.close()


def mails(system: System, purpose: str, address: str) -> list[dict[str, Any]]:
    """The messages of a purpose to an address, whatever incident they are of."""
    return [one for one in system.outbox("", purpose) if one["to"] == address]


def link_in(text: str, kind: str) -> str:
    found = re.search(rf"http://\S+/status/subscribe/{kind}/\S+", text)
    assert found, text
    return found[0]
