"""Subscribing on the status page, from the form to leaving, over HTTP."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from domain.status_page.ids import public_id
from domain.subscribers import Subscriber, SubscriberKind, SubscriberState
from records.subscribers import SubscriberBook
from starter.reports.form import TRAP
from starter.subscriber_links import SubscriberLinks

URL = "/status/subscribe"
CHECKOUT = public_id("component", "checkout")


@pytest.fixture
def token(app: Any) -> str:
    """Of a form that was opened a while ago."""
    return str(app.state.services.form_tokens.make(datetime.now(UTC) - timedelta(seconds=30)))


@pytest.fixture
def book(app: Any) -> SubscriberBook:
    return app.state.services.subscriptions.book  # type: ignore[no-any-return]


@pytest.fixture
def links(app: Any) -> SubscriberLinks:
    return app.state.services.subscriber_links  # type: ignore[no-any-return]


@pytest.fixture
def kim(book: SubscriberBook) -> Subscriber:
    """Somebody who has confirmed."""
    now = datetime.now(UTC)
    asked = book.ask("reader-kim", SubscriberKind.EMAIL, "kim@example.com", None, now)
    found = book.confirm(asked.id, now)
    assert found is not None
    return found


def fields(token: str, **changes: str) -> dict[str, str]:
    return {"kind": "email", "address": "kim@example.com", "token": token, **changes}


def path(url: str) -> str:
    return url[url.index(URL) :]


def test_the_form_is_for_everybody(stranger):
    """No account, no script; it offers public components only, and goes to nobody else."""
    answer = stranger.get(URL)
    assert answer.status_code == 200
    assert f'value="{CHECKOUT}"' in answer.text
    assert "database" not in answer.text.lower()
    assert "<script" not in answer.text
    assert 'value="sms"' not in answer.text, "text messages cost money: the policy has to name them"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy


def test_whoever_asks_is_asked_back(stranger, temporal, token, book):
    """The address is kept as pending, and a workflow asks it; it hears nothing before it confirms."""
    answer = stranger.post(URL, data=fields(token))
    assert answer.status_code == 202
    assert "kim@example.com" not in answer.text
    (id_,) = temporal.client.subscriptions
    found = book.find(id_)
    assert found is not None
    assert (found.address, found.state) == ("kim@example.com", SubscriberState.PENDING)


def test_the_answer_tells_nobody_who_has_subscribed(stranger, token, book, kim):
    """The same for an address that is known, unknown, or never written to again."""
    book.ask("gone", SubscriberKind.EMAIL, "gone@example.com", None, datetime.now(UTC))
    book.suppress(SubscriberKind.EMAIL, "gone@example.com", "complained")
    answers = [
        stranger.post(URL, data=fields(token, address=address))
        for address in ("kim@example.com", "gone@example.com", "new@example.com")
    ]
    assert len({(one.status_code, one.text) for one in answers}) == 1
    assert answers[0].status_code == 202


@pytest.mark.parametrize(
    "changes",
    [
        {"address": ""}, {"address": "kim"}, {"address": "kim@example.com\r\nBcc: x@example.com"},
        {"kind": "sms", "address": "+4915550001"}, {"kind": "pigeon"}, {"token": "x"}, {TRAP: "x"},
        {"which": "some"}, {"which": "some", "component": "nothing"},
        {"kind": "webhook", "address": "file:///etc/passwd"},
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_kept(stranger, temporal, token, book, changes):
    """422, with what was written still there; a way that the policy does not offer is none."""
    answer = stranger.post(URL, data={**fields(token), **changes})
    assert answer.status_code == 422
    assert 'class="wrong"' in answer.text
    assert temporal.client.subscriptions == []
    assert book.all()[0] == []


def test_a_link_confirms_by_its_button_only(stranger, book, links):
    """Opening it, as every mail scanner does, changes nothing."""
    now = datetime.now(UTC)
    asked = book.ask("reader-new", SubscriberKind.EMAIL, "kim@example.com", None, now)
    link = path(links.confirm(asked.id, now))
    opened = stranger.get(link)
    assert opened.status_code == 200
    assert "k…@example.com" in opened.text
    assert opened.headers["referrer-policy"] == "no-referrer"
    assert book.find(asked.id).state is SubscriberState.PENDING
    done = stranger.post(link)
    assert done.status_code == 200
    assert links.manage(asked.id) in done.text
    assert book.find(asked.id).state is SubscriberState.ACTIVE
    assert stranger.post(link).status_code == 200, "twice is once"


def test_a_link_is_over_after_48_hours(stranger, book, links):
    """Neither opened nor pressed it does anything."""
    then = datetime.now(UTC) - timedelta(hours=48)
    asked = book.ask("reader-new", SubscriberKind.EMAIL, "kim@example.com", None, then)
    link = path(links.confirm(asked.id, then))
    assert stranger.get(link).status_code == stranger.post(link).status_code == 410
    assert book.find(asked.id).state is SubscriberState.PENDING


def test_components_are_chosen(stranger, book, links, kim):
    """Everything, or some of it; what is marked is what is kept."""
    link = path(links.manage(kim.id))
    assert stranger.get(link).status_code == 200
    chosen = stranger.post(link, data={"which": "some", "component": CHECKOUT})
    assert chosen.status_code == 200
    assert book.find(kim.id).components == [CHECKOUT]
    assert re.search(f'value="{CHECKOUT}" checked', chosen.text)
    assert stranger.post(link, data={"which": "some"}).status_code == 422
    assert stranger.post(link, data={"which": "all"}).status_code == 200
    assert book.find(kim.id).components is None


def test_one_request_is_enough_to_leave(stranger, book, links, kim):
    """As mail programs send it: no cookie, no question. The address is deleted; twice is once."""
    link = path(links.leave(kim.id))
    for _ in range(2):
        answer = stranger.post(link, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert "location" not in answer.headers
    assert book.find(kim.id) is None
    assert stranger.get(path(links.manage(kim.id))).status_code == 410


def test_one_click_by_a_form_of_parts_from_anywhere(stranger, book, links, kim):
    """RFC 8058 allows either encoding; whoever asks for it is no browser of ours, and gets no cookie."""
    answer = stranger.post(
        path(links.leave(kim.id)),
        files={"List-Unsubscribe": (None, "One-Click")},
        headers={"Origin": "https://mail.example.net", "Sec-Fetch-Site": "cross-site"},
    )
    assert (answer.status_code, book.find(kim.id)) == (200, None)
    assert not {"set-cookie", "location"} & set(answer.headers)


def test_opening_the_link_for_leaving_asks_first(stranger, book, links, kim):
    """A person gets a button; a scanner that opens it takes nobody out."""
    answer = stranger.get(path(links.leave(kim.id)))
    assert answer.status_code == 200
    assert '<form method="post">' in answer.text
    assert book.find(kim.id) is not None


@pytest.mark.parametrize("kind", ["manage", "leave", "confirm"])
def test_a_forged_link_opens_nothing(stranger, links, book, kim, kind):
    """Another's signature, a cut one, that of another purpose, nonsense."""
    good = path(links.manage(kim.id)).rpartition("/")[2]
    said, _, mac = good.rpartition(".")
    for token in (
        f"other-one.{mac}",
        said,
        f"{said}.",
        "x",
        f"{said}.{mac[:-1]}",
        "a" * 5_000,
        "%00",
    ):
        for answer in (
            stranger.get(f"{URL}/{kind}/{token}"),
            stranger.post(f"{URL}/{kind}/{token}"),
        ):
            assert answer.status_code in (403, 404, 410), token
            assert "k…@" not in answer.text
    assert stranger.post(f"{URL}/confirm/{good}").status_code == 410
    assert book.find(kim.id).state is SubscriberState.ACTIVE


def test_there_is_an_end_to_asking(app, stranger, temporal, book):
    """Five from one client in ten minutes; three for one address a day, and nobody hears of that."""
    make, before = app.state.services.form_tokens.make, datetime.now(UTC) - timedelta(minutes=1)
    answers = [stranger.post(URL, data=fields(make(before))) for _ in range(7)]
    assert [one.status_code for one in answers] == [202] * 5 + [429] * 2
    assert answers[-1].headers["retry-after"] == "300"
    assert len(temporal.client.subscriptions) == 3
    assert len({one.text for one in answers[:5]}) == 1


def test_with_temporal_or_the_records_away_it_says_so(stranger, temporal, token, tmp_path):
    """503, and sent once more it is taken."""
    temporal.client.error = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
    for _ in range(3):
        answer = stranger.post(URL, data=fields(token))
        assert answer.status_code == 503
        assert "send it once more" in answer.text
    temporal.client.error = None
    assert stranger.post(URL, data=fields(token)).status_code == 202
    assert len(temporal.client.subscriptions) == 1, "what came to nothing does not count"
    (tmp_path / "records.db").unlink()
    assert stranger.post(URL, data=fields(token)).status_code == 503


def test_a_form_is_small(stranger, token):
    """Nobody fills the memory by it."""
    assert stranger.post(URL, content=b"a=" + b"x" * 40_000).status_code == 413
    assert stranger.post(URL, content=b"\xff\xfe").status_code in (415, 422)


def test_operators_see_how_many_and_take_one_out(api, book, kim):
    """Addresses in part; a bounced one that is removed may come again."""
    found = api.get("/api/v1/subscribers").json()
    assert found["counts"] == {"active": 1}
    (one,) = found["subscribers"]
    assert (one["address"], one["state"]) == ("k…@example.com", "active")
    assert "kim@example.com" not in str(found)
    assert api.post(f"/api/v1/subscribers/{kim.id}/remove").json() == {"removed": kim.id}
    assert api.post(f"/api/v1/subscribers/{kim.id}/remove").status_code == 404
    assert book.find(kim.id) is None
