"""Naming an incident: exactly, or by a beginning that only it has."""

from __future__ import annotations

from tests.starter.cli.conftest import Tocsin
from tests.starter.cli.fake_api import FakeApi, an_incident


def test_a_unique_prefix_is_enough(tocsin: Tocsin, api: FakeApi) -> None:
    """For a read and for a write alike, closed ones included."""
    api.incidents["search-2"] = an_incident("search-2", status="closed")
    assert tocsin("show", "sea", "-o", "id").out == "search-2\n"
    api.requests.clear()
    assert tocsin("note", "sea", "x", "-o", "id").out == "search-2\n"
    looked_up = api.requests[1]
    assert (looked_up.path, looked_up.query["prefix"]) == ("/api/v1/incidents", "sea")
    assert looked_up.query["status"] == "all"
    keys = {r.headers["idempotency-key"] for r in api.requests if r.method == "POST"}
    assert len(keys) == 1


def test_an_exact_id_wins_over_longer_ones(tocsin: Tocsin, api: FakeApi) -> None:
    """checkout-1 is not ambiguous because checkout-17 exists."""
    api.incidents["checkout-1"] = an_incident("checkout-1")
    assert tocsin("show", "checkout-1", "-o", "id").out == "checkout-1\n"


def test_an_ambiguous_prefix_names_the_candidates(tocsin: Tocsin, api: FakeApi) -> None:
    """Nothing is done to either; the person sees which there are."""
    api.incidents["checkout-18"] = an_incident("checkout-18", summary="Slow")
    result = tocsin("ack", "checkout", "--as", "bob")
    assert result.code == 2
    assert result.out == ""
    assert "2 incidents begin with 'checkout'" in result.err
    assert "checkout-17  fixing" in result.err
    assert "checkout-18  fixing  Slow" in result.err


def test_an_unknown_id_is_not_found(tocsin: Tocsin) -> None:
    """The answer is the API's own."""
    result = tocsin("show", "nope-1")
    assert result.code == 4
    assert "there is no incident 'nope-1'" in result.err


def test_an_id_cannot_walk_to_another_route(tocsin: Tocsin, api: FakeApi) -> None:
    """What stands in an id is data, also a slash and two dots."""
    tocsin("show", "../policy")
    assert api.requests[0].path == "/api/v1/incidents/..%2Fpolicy"
