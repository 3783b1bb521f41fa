"""Where the status page is written to, and Atlassian's: every mistake is told where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from domain.policy.check import find_problems

ATLASSIAN = {"channel": "statuspage", "to": "kctbh9vrtdwd"}


def _found(raw: dict[str, Any]) -> dict[str, str]:
    return {problem.where: problem.detail for problem in find_problems(raw)}


def _page(*places: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"status_page": {"publish_to": list(places), **fields}}


@pytest.mark.parametrize(
    "place",
    [
        {"folder": "/srv/status"},
        {"folder": "www"},
        {"store": "s3://status-example"},
        {
            "store": "s3://status/www/site",
            "endpoint": "https://minio.example:9000",
            "region": "eu-1",
        },
        {"store": "s3://status", "endpoint": "http://minio:9000/"},
    ],
)
def test_a_folder_or_a_storage_is_a_place(place: dict[str, Any]) -> None:
    """Each as it is usually written."""
    assert _found(_page(place)) == {}


@pytest.mark.parametrize(
    ("place", "field", "said"),
    [
        ({}, "", "either a folder: or a store:"),
        ({"folder": "www", "store": "s3://status"}, "", "either a folder: or a store:"),
        ({"store": "status"}, ".store", "s3://bucket"),
        ({"store": "https://status.s3.example"}, ".store", "s3://bucket"),
        ({"store": "s3://B/x"}, ".store", "s3://bucket"),
        ({"store": "s3://status", "endpoint": "minio:9000"}, ".endpoint", "https://"),
        ({"store": "s3://status", "endpoint": "https://me:pw@minio"}, ".endpoint", "without a user"),
        ({"store": "s3://status", "endpoint": "https://minio/?a=b"}, ".endpoint", "a query"),
        ({"folder": "www", "endpoint": "https://minio"}, "", "belong to a store"),
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_is_a_mistake(place: dict[str, Any], field: str, said: str) -> None:
    """Told at the check, not at the first outage."""
    found = _found(_page(place))
    assert said in found[f"status_page.publish_to.0{field}"]
    assert "pw" not in str(found)


def test_only_an_audience_outside_may_have_atlassians_page() -> None:
    """Everybody reads it: neither a person, nor stakeholders, nor an audience inside is told there."""
    assert _found({"audiences": {"page": {"hears": "external", "to": [ATLASSIAN]}}}) == {}
    for raw in (
        {"audiences": {"page": {"hears": "internal", "to": [ATLASSIAN]}}},
        {"audiences": {"responders": {"to": [ATLASSIAN]}}},
        {"people": {"alice": {"contacts": [ATLASSIAN]}}},
        {"stakeholders": {"board": {"to": [ATLASSIAN]}}},
    ):
        ((where, said),) = _found(raw).items()
        assert where.endswith(".channel")
        assert "external" in said


@pytest.mark.parametrize("to", ["", "https://status.example.com", "Page 1", "x" * 41])
def test_a_page_is_named_by_its_id(to: str) -> None:
    """An address of the page is no id of it."""
    contact = ATLASSIAN | {"to": to}
    found = _found({"audiences": {"page": {"hears": "external", "to": [contact]}}})
    assert "page id" in found["audiences.page.to.0.to"]


def test_components_belong_to_services() -> None:
    """A service that the policy does not have is named with the nearest; so is what is no id."""
    raw = _page(statuspage_components={"chekout": "8kbf7d35c070", "checkout": "the shop"})
    raw["services"] = {"checkout": {}}
    found = {problem.where: problem for problem in find_problems(raw)}
    assert found["status_page.statuspage_components.chekout"].near == ("checkout",)
    assert "no component id" in found["status_page.statuspage_components.checkout"].detail


@pytest.mark.parametrize("page", [None, [], {"publish_to": "x"}, {"publish_to": [1]},
                                  {"statuspage_components": {1: 2}}])  # fmt: skip
def test_a_page_of_another_shape_is_no_crash(page: Any) -> None:
    """Whatever stands there, the check goes on and says what it found."""
    assert isinstance(_found({"status_page": page}), dict)


@pytest.mark.parametrize(
    ("audience", "where"),
    [
        ({"staff": {"hears": "internal", "places": ["subscribers"]}}, "audiences.staff.places"),
        ({"staff": {"hears": "internal", "places": ["status_page"]}}, "audiences.staff.places"),
        ({"responders": {"places": ["room", "status_page"]}}, "audiences.responders.places"),
        ({"customers": {"hears": "internal"}}, "audiences.customers.hears"),
    ],
)
def test_nothing_internal_stands_in_public_places(audience: dict[str, Any], where: str) -> None:
    """Subscribers and the page hear what is said outside, whoever the audience is called."""
    ((at, said),) = _found({"audiences": audience}).items()
    assert at == where
    assert "everybody reads there" in said


@pytest.mark.parametrize("places", [5, "room", {"room": True}, None])
def test_places_of_another_shape_are_no_crash(places: Any) -> None:
    """One run shows every mistake, whatever a single one looks like."""
    find_problems({"audiences": {"all": {"hears": "internal", "places": places}}})


def test_an_endpoint_that_is_no_address_is_a_mistake() -> None:
    """A bracket that is never closed is told where it stands."""
    (where,) = _found(_page({"store": "s3://status", "endpoint": "https://["}))
    assert where == "status_page.publish_to.0.endpoint"


def test_the_usual_places_are_no_mistake() -> None:
    """Colleagues in the room, everybody on the page."""
    audiences = {
        "company": {"hears": "internal", "places": ["room"]},
        "press": {"hears": "external", "places": ["status_page", "subscribers"]},
    }
    assert _found({"audiences": audiences}) == {}
