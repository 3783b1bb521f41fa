"""The whole page: components, groups, how all stands together, planned work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.maintenance import Window
from domain.policy.check import find_problems
from domain.status_page.page import HISTORY, StatusPageModel, build_page
from tests.domain.status_page.stories import T0, a_policy, a_view, said

MINUTE = timedelta(minutes=1)
OPEN = said(0, "investigating")


def a_page(
    *views: Any, policy: Any = None, windows: Any = None, minute: float = 30
) -> StatusPageModel:
    return build_page(policy or a_policy(), views, windows or {}, T0 + minute * MINUTE)


def states(page: StatusPageModel) -> dict[str, str]:
    return {one.service: one.status.value for one in page.components}


def test_public_services_are_components_in_the_policys_order() -> None:
    """What is not public is not there."""
    page = a_page()
    assert states(page) == dict.fromkeys(("checkout", "search", "api"), "operational")
    assert (page.indicator, page.description) == ("none", "All Systems Operational")
    assert page.title == "Acme status"


@pytest.mark.parametrize(
    ("severities", "state", "indicator", "description"),
    [
        (["SEV3"], "degraded_performance", "minor", "Partially Degraded Service"),
        (["SEV2"], "partial_outage", "major", "Partial System Outage"),
        (["SEV1"], "major_outage", "critical", "Major Service Outage"),
        (["SEV3", "SEV1", "SEV2"], "major_outage", "critical", "Major Service Outage"),
    ],
)
def test_open_incidents_take_their_component_down(
    severities: list[str], state: str, indicator: str, description: str
) -> None:
    """The worst of several wins, and the page's words are Statuspage's."""
    views = [a_view(OPEN, id=f"checkout-{n}", severity=s) for n, s in enumerate(severities)]
    page = a_page(*views)
    assert states(page) == {"checkout": state, "search": "operational", "api": "operational"}
    assert (page.indicator, page.description) == (indicator, description)
    impacts = [one.component_status.badness for one in page.open]
    assert impacts == sorted(impacts, reverse=True)


def test_what_is_over_degrades_nothing() -> None:
    """It stands in the history, and in the uptime of its day."""
    page = a_page(a_view(OPEN, said(20, "resolved"), status="closed"))
    assert (page.description, len(page.open), len(page.ended)) == ("All Systems Operational", 0, 1)
    assert [one.minutes for one in page.components[0].uptime.days] == [20]


def test_a_silent_incident_leaves_the_page_as_it_is() -> None:
    """Nothing published, and what was said of private ones: operational."""
    hidden = [a_view(id="search-1"), a_view(OPEN, type="security"), a_view(OPEN, id="database-2")]
    page = a_page(*hidden)
    assert set(states(page).values()) == {"operational"}
    assert page.incidents == []


def test_an_open_incident_shows_in_todays_uptime_at_once() -> None:
    """Also within the step in which uptime is counted."""
    page = build_page(a_policy(), [a_view(said(3, "investigating"))], {}, T0 + 3.1 * MINUTE)
    assert [one.status for one in page.components[0].uptime.days] == ["major_outage"]


def test_a_page_without_news_stays_the_same() -> None:
    """Minutes later nothing but its time differs: no file is written for that."""
    view = a_view(said(2, "investigating"))
    first, second = (
        build_page(a_policy(), [view], {}, T0 + minute * MINUTE).model_dump(exclude={"at"})
        for minute in (11, 19)
    )
    assert first == second
    assert first["updated_at"] == T0 + 2 * MINUTE


def test_old_history_ends() -> None:
    """After a year, counted from the end; an open one stays however old it is."""
    old = a_view(OPEN, said(10, "resolved"), id="checkout-1", status="closed")
    long = a_view(OPEN, id="search-1")
    at = T0 + HISTORY + 11 * MINUTE
    page = build_page(a_policy(), [old, long], {}, at)
    assert [one.service for one in page.incidents] == ["search"]


def test_groups() -> None:
    """In their order, with the worst of what is in them; a service stands in one group."""
    groups = {"Shop": ["search", "checkout", "database"], "Rest": ["checkout"], "None": []}
    page = a_page(
        a_view(OPEN, id="search-1", severity="SEV2"),
        policy=a_policy(status_page={"groups": groups}),
    )
    (shop,) = page.groups
    assert (shop.name, shop.status) == ("Shop", "partial_outage")
    inside = [one.service for one in page.components if one.group == shop.id]
    assert inside == ["checkout", "search"]
    assert len(shop.components) == 2


WINDOW = {"from": "2026-11-24 15:00", "to": "2026-11-24 16:00", "timezone": "UTC"}


def test_planned_work_of_the_policy() -> None:
    """One piece for all its public services; the reason stays inside, the public text does not."""
    window = WINDOW | {"services": ["checkout", "search", "database"], "reason": "SECRET disk"}
    plain = a_policy(maintenance={"windows": {"disks": window}})
    told = a_policy(maintenance={"windows": {"disks": window | {"public_text": "New disks."}}})
    for minute, status in ((59, "scheduled"), (60, "in_progress"), (119, "in_progress")):
        page = a_page(policy=plain, minute=minute)
        (work,) = page.maintenances
        assert work.status(page.at) == status
        assert work.name == "Maintenance of Checkout and Search"
        assert "SECRET" not in page.model_dump_json()
        assert "database" not in work.model_dump_json()
        is_running = status == "in_progress"
        assert states(page)["search"] == ("under_maintenance" if is_running else "operational")
        assert page.indicator == ("maintenance" if is_running else "none")
        assert len(page.active()) == is_running
    over = a_page(policy=plain, minute=120)
    assert [one.status(over.at) for one in over.maintenances] == ["completed"]
    assert states(over)["search"] == "operational"
    assert a_page(policy=told).maintenances[0].text == "New disks."


def test_planned_work_made_at_run_time() -> None:
    """By service; an incident on the same component is worse."""
    window = Window(id="m3", start=T0, end=T0 + 60 * MINUTE, reason="SECRET", by="alice")
    windows = {"api": [window], "database": [window]}
    page = a_page(windows=windows)
    assert [one.name for one in page.active()] == ["Maintenance of Public API"]
    assert "alice" not in page.model_dump_json()
    told = window.model_copy(update={"public_text": "We move house."})
    assert a_page(windows={"api": [told]}).active()[0].text == "We move house."
    page = a_page(a_view(OPEN, id="api-1"), windows=windows)
    assert states(page)["api"] == "major_outage"


def test_work_that_is_long_over_is_gone() -> None:
    """As old as the days shown."""
    policy = a_policy(
        maintenance={"windows": {"x": WINDOW | {"services": "all", "reason": "x"}}},
        status_page={"history_days": 3},
    )
    assert len(a_page(policy=policy, minute=60 * 24 * 2).maintenances) == 1
    assert a_page(policy=policy, minute=60 * 24 * 4).maintenances == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"groups": {"Shop": ["chekout"]}},
        {"widget_origins": ["https://shop.example/path"]},
        {"widget_origins": ["*"]},
        {"url": "status.example.com"},
        {"url": "javascript:alert(1)"},
    ],
)
def test_a_wrong_policy_is_refused(wrong: dict[str, Any]) -> None:
    """A group of a service that does not exist, a site with a path, an address that is none."""
    raw = {"version": 1, "services": {"checkout": {}}, "status_page": wrong}
    places = [problem.where for problem in find_problems(raw)]
    assert any(where.startswith(f"status_page.{next(iter(wrong))}") for where in places), places
