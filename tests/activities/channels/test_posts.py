"""An update as a post: the fullest form that fits, nothing cut, nothing internal, nobody called."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.channels.base import Outgoing
from activities.channels.posts import post_of
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from domain.text_limits import NETWORKS, SOCIAL, fits
from tests.activities.channels.rigs import an_update
from tests.fakes.organisation import an_outgoing

LINK = "https://status.example.com"


def _message(short: str = "", purpose: Purpose = Purpose.EXTERNAL_UPDATE, **said: Any) -> Outgoing:
    return an_outgoing(text=short, purpose=purpose, update=an_update(**said))


def test_the_short_form_of_the_templates_comes_first() -> None:
    """An organisation's own wording is posted as it is, with the link behind it."""
    post = post_of(_message("Checkout: cause found."), "mastodon")
    assert (post.whole, post.note) == (f"Checkout: cause found.\n{LINK}", "")


def test_a_link_stands_there_once() -> None:
    """A wording that names the status page itself is not given the link again."""
    said = f"Checkout: cause found, see {LINK}"
    assert post_of(_message(said), "x").whole == said


@pytest.mark.parametrize(
    ("length", "missing", "note"),
    [
        (150, [], ""),
        (200, ["Next update"], "posted without when the next one comes"),
        (
            250,
            ["Next update", "Working on"],
            "posted without the title and when the next one comes",
        ),
    ],
)
def test_what_does_not_fit_is_left_out_whole(length: int, missing: list[str], note: str) -> None:
    """The next update gives way first, then the title; the author's text stays whole, and that is told."""
    text = "x" * length
    post = post_of(_message("y" * 999, text=text), "x")
    assert text in post.whole
    assert post.whole.endswith(LINK)
    assert post.note == note
    for part in ("Next update", "Working on"):
        assert (part in post.whole) is (part not in missing)


@pytest.mark.parametrize("network", sorted(SOCIAL))
def test_a_text_that_fits_in_no_form_is_refused(network: str) -> None:
    """Nothing is cut in public: it fails for good, and says why."""
    with pytest.raises(DeliveryError, match="too long") as caught:
        post_of(_message("y" * 999, text="x" * 600), network)
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.REJECTED, False)


@pytest.mark.parametrize("network", sorted(SOCIAL))
@given(text=st.text(max_size=320).filter(lambda text: text.strip()))
def test_what_was_let_through_is_posted(network: str, text: str) -> None:
    """A text that the check before publishing lets through fits in some form, whatever its characters."""
    if fits(network, text) is not None:
        return
    post = post_of(_message("y" * 999, text=text), network)
    room = NETWORKS[network]
    link = room.link if post.link and post.link not in post.text else 0
    assert room.length(post.text) + link <= room.most


@pytest.mark.parametrize("purpose", [one for one in Purpose if one != Purpose.EXTERNAL_UPDATE])
def test_nothing_but_an_external_update_is_posted(purpose: Purpose) -> None:
    """Whatever else is addressed to a network is refused for good: everybody reads there."""
    with pytest.raises(DeliveryError, match="external updates only") as caught:
        post_of(_message("SEV1, alice is paged", purpose), "mastodon")
    assert not caught.value.retryable


def test_nobody_is_called_by_a_post() -> None:
    """A name behind an @ in somebody's text calls nobody."""
    post = post_of(_message(text="Thanks to @everyone and @bob@social.example"), "mastodon")
    assert "@everyone" not in post.whole
    assert "@bob" not in post.whole


def test_markdown_is_written_out() -> None:
    """Networks know no Markdown: links stand with their address, stars are gone."""
    post = post_of(_message(text="**Card** payments, see [status](https://e.com/s)"), "mastodon")
    assert "Card payments, see status (https://e.com/s)" in post.whole
