"""What the outside may read of an incident."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.status_page.ids import public_id
from domain.status_page.incidents import public_incident
from domain.status_page.states import Impact
from tests.domain.status_page.stories import T0, a_policy, a_view, said

MINUTE = timedelta(minutes=1)


def test_nothing_but_external_updates_is_read() -> None:
    """Neither summary nor internal words, and not the id that says how many incidents there were."""
    inside = said(1, None, "SECRET words", audience="internal")
    shown = public_incident(a_policy(), a_view(said(0, "investigating"), inside))
    assert shown is not None
    assert [one.text for one in shown.updates] == ["We look into it"]
    written = shown.model_dump_json(exclude={"service"})
    assert "SECRET" not in written
    assert "checkout-17" not in written
    assert shown.name == "Issues with Checkout"


@pytest.mark.parametrize(
    "view",
    [
        a_view(),
        a_view(said(0, None, audience="internal")),
        a_view(said(0, "investigating", on_status_page=False)),
        a_view(said(0, "investigating"), type="security"),
        a_view(said(0, "investigating"), type="quiet"),
        a_view(said(0, "investigating"), id="database-1"),
        a_view(said(0, "investigating"), id="gone-1"),
    ],
    ids=[
        "silent",
        "internal",
        "other audiences",
        "private process",
        "no page",
        "private service",
        "unknown",
    ],
)
def test_what_was_not_said_in_public_is_no_incident(view: dict[str, object]) -> None:
    """Nothing at all is shown: not even that there is something."""
    assert public_incident(a_policy(), view) is None


def test_a_policy_without_the_page_shows_no_incident() -> None:
    """`channels.status_page: false` keeps all of them off it."""
    policy = a_policy(channels={"status_page": False})
    assert public_incident(policy, a_view(said(0, None))) is None


def test_an_update_without_status_goes_on_with_the_one_before() -> None:
    """The first without one says that it is looked into."""
    shown = public_incident(a_policy(), a_view(said(0, None), said(5, "monitoring"), said(9, None)))
    assert shown is not None
    assert [one.status for one in shown.updates] == ["investigating", "monitoring", "monitoring"]
    assert shown.monitoring_at == T0 + 5 * MINUTE


def test_it_is_open_until_the_public_hears_of_its_end() -> None:
    """Resolved inside and not yet outside: the page says what was published."""
    shown = public_incident(a_policy(), a_view(said(0, "identified"), status="resolved"))
    assert shown is not None
    assert shown.is_open
    assert shown.status == "identified"
    assert shown.ended_at is None


@pytest.mark.parametrize("status", ["closed", "cancelled"])
def test_over_without_a_last_word_it_ends(status: str) -> None:
    """Nothing can be published any more, so the page does not show it as open for ever."""
    closed_at = (T0 + 90 * MINUTE).isoformat()
    view = a_view(said(0, "identified"), status=status, closed_at=closed_at)
    shown = public_incident(a_policy(), view)
    assert shown is not None
    assert not shown.is_open
    assert shown.status == "resolved"
    assert shown.ended_at == T0 + 90 * MINUTE


def test_it_comes_back() -> None:
    """Reopened and resolved again: two spans, and the second end is its end."""
    steps = [(0, "investigating"), (30, "resolved"), (40, "investigating"), (60, "resolved")]
    shown = public_incident(a_policy(), a_view(*(said(m, s) for m, s in steps)))
    assert shown is not None
    assert [((a - T0) / MINUTE, (b - T0) / MINUTE) for a, b in shown.spans() if b] == [
        (0, 30),
        (40, 60),
    ]
    assert shown.ended_at == T0 + 60 * MINUTE
    again = public_incident(a_policy(), a_view(*(said(m, s) for m, s in steps[:3])))
    assert again is not None
    assert again.is_open
    assert [end for _, end in again.spans()] == [T0 + 30 * MINUTE, None]


def test_words_after_the_end_change_no_span() -> None:
    """A correction after the end, and one that only tells of what is over."""
    late = public_incident(
        a_policy(), a_view(said(0, "investigating"), said(9, "resolved"), said(50, "resolved"))
    )
    assert late is not None
    assert late.ended_at == T0 + 9 * MINUTE
    told = public_incident(a_policy(), a_view(said(5, "resolved")))
    assert told is not None
    assert list(told.spans()) == [(T0 + 5 * MINUTE, T0 + 5 * MINUTE)]
    assert told.ended_at == T0 + 5 * MINUTE


@pytest.mark.parametrize(
    ("severity", "impact", "component"),
    [
        ("SEV1", Impact.CRITICAL, "major_outage"),
        ("SEV2", Impact.MAJOR, "partial_outage"),
        ("SEV3", Impact.MINOR, "degraded_performance"),
        ("gone", Impact.MINOR, "degraded_performance"),
    ],
)
def test_how_bad_it_is_outside(severity: str, impact: Impact, component: str) -> None:
    """The worst major severity takes the component down, another major one a part of it."""
    shown = public_incident(a_policy(), a_view(said(0, None), severity=severity))
    assert shown is not None
    assert (shown.impact, shown.component_status) == (impact, component)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Investigating issues with Checkout\n\nWe look into it.", "We look into it."),
        ("Resolved: issues with Checkout\nIt works.", "It works."),
        ("Investigating issues with Checkout", "Investigating issues with Checkout"),
        ("We look into it.\n\nMore later.", "We look into it.\n\nMore later."),
    ],
)
def test_a_heading_is_not_said_twice(text: str, shown: str) -> None:
    """A drafted text begins with one; what a person wrote stays, and no text becomes empty."""
    incident = public_incident(a_policy(), a_view(said(0, None, text)))
    assert incident is not None
    assert incident.last.text == shown


def test_public_ids_stay_and_differ() -> None:
    """Readers keep them, and feeds know by them what they have shown."""
    assert public_id("incident", "checkout-17") == "tixv2rrgtohc"
    kinds = {public_id(kind, "checkout") for kind in ("incident", "component", "page", "update")}
    assert len(kinds) == 4
    assert all(one.isalnum() and one.islower() and len(one) == 12 for one in kinds)
