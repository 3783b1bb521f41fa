"""The API's client: routes, paging, ids, and which error stands for what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from starter.client import AmbiguousIdError, ApiError, TocsinClient, UnreachableError
from tests.starter.cli.fake_api import TOKEN, FakeApi, FakeServer, an_incident, problem


@pytest.fixture
def api() -> Iterator[FakeApi]:
    api = FakeApi(incidents={"checkout-1": an_incident("checkout-1")})
    server = FakeServer(api)
    yield api
    server.stop()


@pytest.fixture
def client(api: FakeApi) -> Iterator[TocsinClient]:
    with TocsinClient(api.url + "/", TOKEN, timeout=30) as client:
        yield client


def test_ids_are_resolved_exactly_or_by_prefix(client: TocsinClient, api: FakeApi) -> None:
    """The exact id first, else the only one that begins so."""
    api.incidents["checkout-17"] = an_incident("checkout-17")
    api.incidents["search-2"] = an_incident("search-2")
    assert client.resolve_id("checkout-1") == "checkout-1"
    assert client.resolve_id("s") == "search-2"
    with pytest.raises(AmbiguousIdError) as caught:
        client.resolve_id("check")
    assert [one["id"] for one in caught.value.candidates] == ["checkout-1", "checkout-17"]
    with pytest.raises(ApiError) as missing:
        client.resolve_id("nope")
    assert missing.value.status == 404


def test_a_prefix_that_the_api_does_not_know_of(client: TocsinClient, api: FakeApi) -> None:
    """An API that ignores the filter does not make us act on the wrong incident."""
    listed = {"incidents": [an_incident("other-1"), an_incident("checkout-1")]}
    answers = iter([problem(404, "no"), (200, listed)])
    api.answer = lambda request: next(answers, (200, an_incident("checkout-1")))  # type: ignore[method-assign]
    assert client.resolve_id("check") == "checkout-1"


def test_a_long_timeline_is_read_whole(client: TocsinClient, api: FakeApi) -> None:
    """Page by page, in order, and no further than asked."""
    api.page_size = 3
    assert [entry["seq"] for entry in client.timeline("checkout-1")] == list(range(1, 9))
    assert [entry["seq"] for entry in client.timeline("checkout-1", 4)] == [1, 2, 3, 4]


def test_an_error_carries_its_document(client: TocsinClient, api: FakeApi) -> None:
    """Status, problem and request."""
    api.next_answer = problem(409, "not now", allowed=["reopen"])
    with pytest.raises(ApiError, match="not now") as caught:
        client.command("checkout-1", "publish_update", {"text": "t"}, "k")
    assert (caught.value.status, caught.value.problem["allowed"]) == (409, ["reopen"])
    assert caught.value.request == "POST /api/v1/incidents/checkout-1/publish-update"


@pytest.mark.parametrize("answer", ["hello", [1, 2]])
def test_an_answer_that_is_not_ours(answer: object, client: TocsinClient, api: FakeApi) -> None:
    """Something else listens there."""
    api.next_answer = (200, answer)
    with pytest.raises(UnreachableError, match="is not Tocsin's API"):
        client.policy()


def test_events_come_line_by_line(client: TocsinClient, api: FakeApi) -> None:
    """The stream of server-sent events, and its errors."""
    api.next_answer = (200, "event: incident\ndata: {}\n\n")
    assert list(client.events()) == ["event: incident", "data: {}", ""]
    api.next_answer = problem(503, "too many listeners")
    with pytest.raises(ApiError, match="too many"):
        list(client.events())


def test_not_ready_is_an_answer(client: TocsinClient, api: FakeApi) -> None:
    """503 of /readyz tells why."""
    api.next_answer = problem(503, "temporal: does not answer")
    assert client.readyz()["detail"] == "temporal: does not answer"


def test_nothing_listens() -> None:
    """No connection is an error of its own."""
    with TocsinClient("http://127.0.0.1:9", "t", 1) as client, pytest.raises(UnreachableError):
        client.policy()
