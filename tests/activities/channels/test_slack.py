"""Slack: what a post holds, that nobody is mentioned by it, and how its refusals are sorted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from activities.channels.slack import SlackChannel, SlackSettings, as_post
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from domain.status_page.ids import public_id
from tests.activities.channels.rigs import ANSWER, RIGS
from tests.fakes.organisation import an_outgoing
from tests.fakes.slack import slack_fake


def _blocks(**changes: Any) -> dict[str, Any]:
    post = as_post(an_outgoing(**{"answer": ANSWER} | changes))
    return {block["type"]: block for block in post["blocks"]}


def test_a_page_has_its_facts_and_its_buttons() -> None:
    """Acknowledge and Escalate carry the token of this page; the third button is a link."""
    blocks = _blocks()
    assert blocks["header"]["text"]["text"] == "checkout-17 SEV1 P1"
    assert blocks["section"]["text"]["text"] == "Card payments are refused"
    acknowledge, escalate, link = blocks["actions"]["elements"]
    assert (acknowledge["action_id"], acknowledge["value"]) == ("acknowledge", ANSWER.token)
    assert (escalate["action_id"], escalate["value"]) == ("escalate", ANSWER.token)
    assert (link["url"], "value" in link) == (ANSWER.url, False)
    assert "actions" not in _blocks(answer=None)


@pytest.mark.parametrize(
    "text", ["<!channel>", "<!here> now", "<@U02ABCDEF>", "<http://evil.test|ok>", "a & b > c"]
)
def test_text_of_people_mentions_nobody(text: str) -> None:
    """What an alert says is shown and not obeyed, in the facts and in the notification."""
    post = as_post(an_outgoing(subject=f"checkout-17 SEV1 {text}", text=text))
    section = post["blocks"][1]["text"]
    assert not {"<", ">"} & set(section["text"] + post["text"])
    assert section["verbatim"] is True
    assert (post["parse"], post["link_names"]) == ("none", False)


def test_our_key_travels_with_the_post() -> None:
    """Slack has no idempotency key: ours is in the metadata, by which a post can be found."""
    payload = as_post(an_outgoing())["metadata"]["event_payload"]
    assert payload == {"key": an_outgoing().key, "incident": "checkout-17"}


def test_the_outside_reads_no_name_of_ours_in_the_metadata() -> None:
    """A channel may be shared with another company, whose apps see it: neither our key nor id is there."""
    payload = as_post(an_outgoing(purpose=Purpose.EXTERNAL_UPDATE))["metadata"]["event_payload"]
    assert payload["incident"] == public_id("incident", "checkout-17")
    assert "checkout" not in str(payload)


async def _send(fake: Any) -> Any:
    channel = SlackChannel(SlackSettings.model_validate(RIGS["slack"].settings(fake.url)))
    try:
        return await channel.send(an_outgoing(to="U02ABCDEF"))
    finally:
        await channel.aclose()


async def test_a_receipt_names_the_post() -> None:
    """By channel and time a post can be changed later."""
    with slack_fake() as fake:
        assert (await _send(fake)).vendor_id == "D0123ABCD/1732457220.000100"


@pytest.mark.parametrize(
    ("error", "reason", "retryable"),
    [
        ("invalid_auth", DeliveryReason.UNAUTHORISED, False),
        ("token_revoked", DeliveryReason.UNAUTHORISED, False),
        ("missing_scope", DeliveryReason.UNAUTHORISED, False),
        ("ratelimited", DeliveryReason.RATE_LIMITED, True),
        ("internal_error", DeliveryReason.SERVER_ERROR, True),
        ("service_unavailable", DeliveryReason.SERVER_ERROR, True),
        ("channel_not_found", DeliveryReason.REJECTED, False),
        ("invalid_blocks", DeliveryReason.REJECTED, False),
        ("a_word_of_tomorrow", DeliveryReason.REJECTED, False),
    ],
)
async def test_slacks_words_are_sorted(error: str, reason: DeliveryReason, retryable: bool) -> None:
    """Slack refuses with status 200 and a word; what may pass is retried, what stays wrong is not."""
    with slack_fake() as fake:
        fake.status, fake.body = 200, json.dumps({"ok": False, "error": error})
        with pytest.raises(DeliveryError, match=error) as caught:
            await _send(fake)
    assert (caught.value.reason, caught.value.retryable) == (reason, retryable)
