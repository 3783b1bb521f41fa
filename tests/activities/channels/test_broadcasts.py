"""An audience in other chats, by Apprise: what reaches each vendor, and that nobody is called by it.

Where a vendor's host can be chosen the fake is that host. The others' addresses are Apprise's own: the
request is turned to the fake at the last moment, so that all before it is real.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests.adapters

from activities.channels.apprise import AppriseChannel, AppriseSettings, calling_nobody
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from tests.fakes.organisation import an_outgoing
from tests.fakes.vendor import Refusal, Request, Taken, VendorFake, running

TOKEN = "3ccdd113474722377935511fc85d3dd4"


class Chat(NamedTuple):
    """One vendor."""

    url: Callable[[str], str]
    """The contact's URL, where the fake is at an address."""
    path: str
    """A pattern of where it posts."""
    text_of: Callable[[dict[str, Any]], str]
    host: str = ""
    """Where Apprise itself would post; empty where the contact names the host."""


def _at(url: str) -> str:
    return urlsplit(url).netloc


def _cards(post: dict[str, Any]) -> str:
    (card,) = post["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    return "\n".join(str(block.get("text")) for block in card["content"]["body"])


CHATS: dict[str, Chat] = {
    "mmost": Chat(
        lambda url: f"mmost://{_at(url)}/{TOKEN}", rf"/hooks/{TOKEN}", lambda post: post["text"]
    ),
    "rocket": Chat(
        lambda url: f"rocket://{'a' * 17}/{'b' * 43}@{_at(url)}/#incidents",
        rf"/hooks/{'a' * 17}/{'b' * 43}",
        lambda post: post["text"],
    ),
    "discord": Chat(
        lambda url: f"discord://4174216298/{TOKEN}",
        rf"/api/webhooks/4174216298/{TOKEN}",
        lambda post: post["content"],
        "discord.com",
    ),
    "gchat": Chat(
        lambda url: f"gchat://space/key/{TOKEN}",
        rf"/v1/spaces/space/messages\?.*token={TOKEN}.*",
        lambda post: post["text"],
        "chat.googleapis.com",
    ),
    "workflows": Chat(
        lambda url: f"workflows://prod-1.westeurope.logic.azure.com:443/WORKFLOW/{TOKEN}/",
        rf"/workflows/WORKFLOW/triggers/manual/paths/invoke\?.*sig={TOKEN}.*",
        _cards,
        "prod-1.westeurope.logic.azure.com",
    ),
}
HOSTILE = (
    "@everyone", "@here now", "@channel", "@all", "hey@everyone", "<!channel>", "<@U0BOB>", "<@&1234>",
    "<users/all>", "<at>Bob</at>", "[your bank](http://evil.example)", "<http://evil.example|your bank>",
    "<https://evil.example|x>", "@bob please", "@user:server.example", "@Everyone", "<#C0GENERAL>",
    "![x](http://evil.example/pixel.png)", "<mailto:a@b.example|mail>", "@\u200beveryone @here",
)  # fmt: skip
_CALLS = re.compile(
    r"@(everyone|here|channel|all)\b|<[@!#]|<users/|<at>|\]\(\s*http|<https?:[^>]*\||<mailto:|(^|\s)@\w",
    re.IGNORECASE,
)


class Bench(NamedTuple):
    name: str
    fake: VendorFake
    channel: AppriseChannel

    async def send(self, text: str, subject: str = "Working on it") -> None:
        to = CHATS[self.name].url(self.fake.url)
        await self.channel.send(
            an_outgoing(
                channel="apprise",
                to=to,
                subject=subject,
                text=text,
                purpose=Purpose.INTERNAL_UPDATE,
            )
        )

    def said(self) -> str:
        return "\n".join(CHATS[self.name].text_of(post) for post in self.fake.accepted)


@pytest.fixture(params=sorted(CHATS))
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """One vendor's fake, strict about address, encoding and size."""
    chat = CHATS[request.param]

    def check(got: Request) -> Refusal | Taken:
        if not re.fullmatch(chat.path, got.path):
            return Refusal(404, "{}", f"nothing is at {got.path}")
        if not got.headers.get("Content-Type", "").startswith("application/json"):
            return Refusal(415, "{}", "not JSON")
        post = json.loads(got.body)
        if not 1 <= len(chat.text_of(post)) <= 2000:
            return Refusal(400, "{}", "too long, or nothing at all")
        return Taken(post, "{}")

    original = requests.adapters.HTTPAdapter.send
    with running(VendorFake(check)) as fake:

        def turned(self: Any, prepared: Any, **options: Any) -> Any:
            asked = urlsplit(prepared.url)
            if chat.host:
                assert (asked.scheme, asked.hostname) == ("https", chat.host)
                rest = asked.path + (f"?{asked.query}" if asked.query else "")
                prepared.url = fake.url + rest
            assert _at(prepared.url) == _at(fake.url), "nothing leaves this machine"
            return original(self, prepared, **options)

        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", turned)
        variables = {"APPRISE_SCHEMAS": ",".join(CHATS), "APPRISE_TIMEOUT": "10"}
        yield Bench(
            request.param, fake, AppriseChannel(AppriseSettings.from_environment(variables))
        )


async def test_an_update_reaches_the_chat(bench: Bench) -> None:
    """Title and text are there, in the form that the vendor takes."""
    await bench.send("Some payments by card fail.", subject="checkout-17 SEV1: Working on it")
    assert "Working on it" in bench.said()
    assert "Some payments by card fail" in bench.said()
    assert bench.fake.refused == []


async def test_nobody_is_called_by_it(bench: Bench) -> None:
    """Whatever people wrote, in title and text: no mention, and no link behind other words."""
    for text in HOSTILE:
        await bench.send(f"Before {text} after", subject=f"Title {text}")
    assert len(bench.fake.accepted) >= len(HOSTILE)
    found = _CALLS.search(bench.said())
    assert found is None, found
    assert bench.fake.refused == []


async def test_a_long_text_is_cut_to_fit(bench: Bench) -> None:
    """One message, within what the vendor takes."""
    await bench.send("The database is slow. " * 500)
    assert len(bench.fake.accepted) == 1
    assert "The database is slow" in bench.said()
    assert bench.fake.refused == []


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (401, DeliveryReason.UNAUTHORISED, False), (404, DeliveryReason.REJECTED, False),
        (429, DeliveryReason.RATE_LIMITED, True), (503, DeliveryReason.SERVER_ERROR, True),
    ],
)  # fmt: skip
async def test_refusals_are_sorted(
    bench: Bench, status: int, reason: DeliveryReason, retryable: bool
) -> None:
    """What may pass is retried, what stays wrong is not; the address, which is a secret, is not told."""
    bench.fake.status = status
    with pytest.raises(DeliveryError) as caught:
        await bench.send("text")
    assert (caught.value.reason, caught.value.retryable) == (reason, retryable)
    assert TOKEN not in caught.value.detail


@pytest.mark.parametrize(
    "text", ["alice@example.com", "5 < 6 and a > b", "see https://a.example/b", "[x]"]
)
def test_what_calls_nobody_stays_as_it_is(text: str) -> None:
    """Mail addresses, comparisons and plain addresses are text."""
    assert calling_nobody(text) == text
