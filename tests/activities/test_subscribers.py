"""An update for everybody who subscribed: each has it once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from activities.channels.email import EmailChannel, EmailSettings
from activities.channels.outbox import Outbox
from activities.channels.sms import as_sms
from activities.egress import Egress, EgressError, EgressLostError, Fetched
from activities.subscriber_sending import SubscriberSending
from activities.subscribers import SubscriberFanOut
from activities.subscribing import Subscribing
from domain.messages import Delivery, DeliveryState
from domain.spoken_update import SpokenUpdate
from domain.status_page.ids import public_id
from domain.subscribers import Subscriber, SubscriberKind, SubscriberState, Told
from domain.updates import Audience, UpdateStatus
from records.database import RecordsUnavailableError, migrate, open_database
from records.subscribers import SubscriberBook
from starter.security import LinkSigner
from starter.subscriber_links import SubscriberLinks
from templates.renderer import Renderer
from tests.fakes.organisation import NOW, FixedPolicy, RecordingChannel, a_policy
from tests.fakes.sendgrid import KEY, Manner, SendGridFake, sendgrid_fake

UPDATE_KEY = "checkout-17/update/external/3/subscribers/subscribers"
SERVICES = {
    "checkout": {"name": "Checkout", "escalation": "payments", "public": True},
    "ledger": {"name": "Ledger", "escalation": "payments", "public": False},
}
Mode = Any


class Hooks(Egress):
    """The webhooks of the world: what they answer, and what they got."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Fetched | Exception] = {}
        self.got: list[tuple[str, bytes, dict[str, str]]] = []
        self.echoes: set[str] = set()

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        reads_answer: bool = True,
    ) -> Fetched:
        self.got.append((url, body, dict(headers or {})))
        if url in self.echoes:
            challenge = json.loads(body)["data"].get("challenge")
            return Fetched(200, json.dumps({"challenge": challenge}).encode())
        answer = self.answers.get(url, Fetched(204, b""))
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Readers:
    """Subscribers, and what tells them."""

    book: SubscriberBook
    outbox: Outbox
    fan_out: SubscriberFanOut
    subscribing: Subscribing
    links: SubscriberLinks
    hooks: Hooks
    sms: RecordingChannel
    now: datetime = NOW
    ids: list[str] = field(default_factory=list)

    def subscribed(
        self, address: str, kind: str = "email", components: list[str] | None = None
    ) -> Subscriber:
        """Somebody who has confirmed."""
        wanted = SubscriberKind(kind)
        asked = self.book.ask(f"reader-{len(self.ids)}", wanted, address, components, self.now)
        self.ids.append(asked.id)
        confirmed = self.book.confirm(asked.id, self.now)
        assert confirmed is not None
        return confirmed

    async def tell(self, seconds: float = 60, **changes: Any) -> Delivery | None:
        return await self.fan_out.tell(an_update(**changes), UPDATE_KEY, seconds)

    def files(self) -> list[dict[str, Any]]:
        return [json.loads(one.read_text()) for one in self.outbox.folder.glob("*.json")]


def an_update(**changes: Any) -> SpokenUpdate:
    data = {
        "incident": "checkout-17", "number": 3, "side": Audience.EXTERNAL, "variant": "follow_up",
        "service": "checkout", "service_name": "Checkout", "title": "Working on issues with Checkout",
        "text": "Half of the **payments** work again.", "status": UpdateStatus.IDENTIFIED, "at": NOW,
        "severity": "SEV1", "url": "https://status.example.com",
        "next_update_at": NOW + timedelta(minutes=30),
    }  # fmt: skip
    return SpokenUpdate.model_validate(data | changes)


def build(tmp_path: Path, fake: SendGridFake | None, mode: Mode = "live") -> Readers:
    engine = open_database(f"sqlite:///{tmp_path / 'records.db'}", limit_seconds=30)
    migrate(engine)
    book, outbox, hooks = SubscriberBook(engine), Outbox(tmp_path / "outbox"), Hooks()
    links = SubscriberLinks(LinkSigner(tmp_path / "secret"), "https://tocsin.test/")
    given = {"sendgrid_api_key": KEY, "sendgrid_base_url": fake.url} if fake else {}
    mail = EmailChannel(EmailSettings.model_validate(given))
    sms = RecordingChannel("sms")
    policy = FixedPolicy(a_policy(services=SERVICES, organisation={"name": "Example"}))
    readers: Readers

    def clock() -> datetime:
        return readers.now

    sending = SubscriberSending(mode, {"email": mail, "sms": sms}, outbox, hooks, links, clock)
    subscribing = Subscribing(policy, Renderer(), book, sending, links, clock)
    readers = Readers(book, outbox, subscribing.telling, subscribing, links, hooks, sms)
    return readers


@pytest.fixture
def sendgrid() -> Iterator[SendGridFake]:
    with sendgrid_fake() as fake:
        yield fake


@pytest.fixture
def readers(tmp_path: Path, sendgrid: SendGridFake) -> Readers:
    return build(tmp_path, sendgrid)


async def test_nobody_subscribed_is_no_message(readers: Readers) -> None:
    """Nothing to report, and nothing sent; who has not confirmed is nobody."""
    readers.book.ask("pending", SubscriberKind.EMAIL, "kim@example.com", None, NOW)
    assert await readers.tell() is None


async def test_each_is_told_in_their_own_way(readers: Readers, sendgrid: SendGridFake) -> None:
    """By mail with the way out, by a short text message, by a signed post; one delivery for all."""
    readers.now = datetime.now(UTC)  # the reference library asks what time it is
    kim = readers.subscribed("kim@example.com")
    readers.subscribed("+4915550001", "sms")
    hook = readers.subscribed("https://hooks.example.com/a", "webhook")
    told = await readers.tell()
    assert told is not None
    assert (told.state, told.detail, told.key) == (DeliveryState.SENT, "3 sent", UPDATE_KEY)
    (mail,) = sendgrid.accepted
    assert mail["subject"] == "Example: Working on issues with Checkout"
    (person,) = mail["personalizations"]
    assert list(person["substitutions"].values()) == [readers.links.manage(kim.id)]
    assert person["headers"]["List-Unsubscribe"] == f"<{readers.links.leave(kim.id)}>"
    (sms,) = readers.sms.sent
    assert readers.links.manage("reader-1") in sms.text
    assert len(sms.text) <= 459
    ((url, body, headers),) = readers.hooks.got
    assert url == "https://hooks.example.com/a"
    said = json.loads(body)
    assert said["data"]["status"] == "identified"
    assert said["data"]["component"]["id"] == public_id("component", "checkout")
    Webhook(readers.links.secret(hook.id)).verify(body, headers)


async def test_nothing_of_ours_is_in_what_they_get(
    readers: Readers, sendgrid: SendGridFake
) -> None:
    """No id, no severity and no key of the incident: only what the status page shows."""
    readers.subscribed("kim@example.com")
    readers.subscribed("https://hooks.example.com/a", "webhook")
    await readers.tell()
    (mail,) = sendgrid.accepted
    for person in mail["personalizations"]:
        person.pop("custom_args")  # for SendGrid alone, and for its events
    said = json.dumps(mail) + readers.hooks.got[0][1].decode() + str(readers.hooks.got[0][2])
    assert "checkout-17" not in said
    assert "SEV1" not in said


async def test_only_public_services_are_told_of(readers: Readers, sendgrid: SendGridFake) -> None:
    """What is not on the status page is not in a mail; who chose other components hears nothing."""
    readers.subscribed("kim@example.com", components=[public_id("component", "search")])
    assert await readers.tell() is None
    readers.subscribed("all@example.com")
    assert await readers.tell(service="ledger") is None
    assert sendgrid.calls == 0


async def test_a_second_attempt_tells_only_who_is_left(
    readers: Readers, sendgrid: SendGridFake
) -> None:
    """Who has it is not told again; who failed for now is; the count is of all of them."""
    for number in range(3):
        readers.subscribed(f"r{number}@example.com")
    readers.subscribed("https://hooks.example.com/busy", "webhook")
    readers.hooks.answers["https://hooks.example.com/busy"] = EgressError("nobody is there")
    first = await readers.tell()
    assert first is not None
    assert (first.state, first.retryable, first.detail) == (
        DeliveryState.FAILED, True, "3 sent, 1 not yet",
    )  # fmt: skip
    readers.hooks.answers.clear()
    readers.now += timedelta(seconds=5)
    second = await readers.tell()
    assert second is not None
    assert (second.state, second.retryable, second.detail) == (DeliveryState.SENT, False, "4 sent")
    assert len(sendgrid.log) == 3
    third = await readers.tell()
    assert third is not None
    assert (third.detail, len(sendgrid.log), len(readers.hooks.got)) == ("4 sent", 3, 2)


async def test_one_bad_address_fails_alone(readers: Readers, sendgrid: SendGridFake) -> None:
    """The others have it, and the count says how many have not, and why."""
    for number in range(10):
        readers.subscribed(f"r{number}@example.com")
    sendgrid.bad = {"r3@example.com"}
    told = await readers.tell()
    assert told is not None
    assert (told.state, told.detail) == (DeliveryState.SENT, "9 sent, 1 failed (rejected 1)")
    assert readers.files() == [], "what became of each stands in the ledger"


async def test_a_lost_answer_is_never_repeated(readers: Readers, sendgrid: SendGridFake) -> None:
    """SendGrid may have taken them: they count as uncertain, and a later attempt leaves them alone."""
    readers.subscribed("kim@example.com")
    sendgrid.mood = "accept_then_drop"
    told = await readers.tell()
    assert told is not None
    assert (told.state, told.retryable) == (DeliveryState.UNCERTAIN, False)
    sendgrid.mood = "answer"
    again = await readers.tell()
    assert again is not None
    assert "1 uncertain" in again.detail
    assert sendgrid.calls == 1


async def test_a_webhook_that_does_not_answer_is_uncertain(readers: Readers) -> None:
    """Handed over, no answer: not repeated."""
    readers.subscribed("https://hooks.example.com/a", "webhook")
    readers.hooks.answers["https://hooks.example.com/a"] = EgressLostError("no answer")
    told = await readers.tell()
    assert told is not None
    assert told.state is DeliveryState.UNCERTAIN


async def test_a_worker_that_dies_has_told_nobody_twice(
    readers: Readers, sendgrid: SendGridFake
) -> None:
    """What it had begun is uncertain; the next one goes on with the rest."""
    for number in range(5):
        readers.subscribed(f"r{number}@example.com")
    readers.book.begin(UPDATE_KEY, public_id("component", "checkout"), NOW)
    begun = readers.book.claim(UPDATE_KEY, 2, 1, NOW)  # and then the worker is killed
    waiting = await readers.tell()
    assert waiting is not None
    assert (waiting.retryable, waiting.detail) == (True, "3 sent, 2 not yet")
    readers.now += timedelta(seconds=100)
    told = await readers.tell()
    assert told is not None
    assert told.detail.startswith("3 sent, 2 uncertain")
    assert not {one.address for one in begun} & {call.to for call in sendgrid.log}


async def test_two_attempts_at_once_tell_each_once(
    readers: Readers, sendgrid: SendGridFake
) -> None:
    """An attempt that was given up on and still runs takes nobody that the next one takes."""
    for number in range(250):
        readers.subscribed(f"r{number}@example.com")
    await asyncio.gather(readers.tell(), readers.tell(), readers.tell())
    assert sorted(call.to for call in sendgrid.log) == sorted(
        f"r{n}@example.com" for n in range(250)
    )


async def test_an_attempt_ends_in_its_time(readers: Readers, sendgrid: SendGridFake) -> None:
    """No chunk is begun that could not end in it; the rest has its turn later."""
    readers.subscribed("kim@example.com")
    told = await readers.tell(seconds=9)
    assert told is not None
    assert (told.retryable, told.detail) == (True, "0 sent, 1 not yet")
    assert sendgrid.calls == 0


async def test_records_that_are_away_are_said_aloud(readers: Readers, tmp_path: Path) -> None:
    """Nobody can be told; it is tried again, and nobody is left out in silence."""
    readers.subscribed("kim@example.com")
    (tmp_path / "records.db").unlink()
    told = await readers.tell()
    assert told is not None
    assert (told.state, told.retryable) == (DeliveryState.FAILED, True)
    assert "cannot be read" in told.detail


async def test_a_moment_without_records_makes_nobody_uncertain(
    readers: Readers, sendgrid: SendGridFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent is noted once they answer again: nobody is asked about in vain."""
    readers.subscribed("kim@example.com")
    settle, failures = readers.book.settle, iter([True, False])

    def sometimes(*args: Any) -> None:
        if next(failures):
            raise RecordsUnavailableError("locked")
        settle(*args)

    monkeypatch.setattr(readers.book, "settle", sometimes)
    told = await readers.tell()
    assert told is not None
    assert (told.state, told.detail) == (DeliveryState.SENT, "1 sent")


async def test_whoever_left_is_not_told(readers: Readers, sendgrid: SendGridFake) -> None:
    """Also between two attempts at the same update."""
    kim = readers.subscribed("kim@example.com")
    readers.subscribed("lee@example.com")
    await readers.tell(seconds=9)
    readers.book.forget(kim.id)
    told = await readers.tell()
    assert told is not None
    assert (told.detail, [call.to for call in sendgrid.log]) == ("1 sent", ["lee@example.com"])


async def test_in_outbox_mode_nothing_leaves(tmp_path: Path, sendgrid: SendGridFake) -> None:
    """Each message is a file with the reader's own link in it."""
    readers = build(tmp_path, sendgrid, "outbox")
    kim = readers.subscribed("kim@example.com")
    readers.subscribed("https://hooks.example.com/a", "webhook")
    told = await readers.tell()
    assert told is not None
    assert told.detail == "2 sent"
    mail = next(one for one in readers.files() if one["channel"] == "email")
    assert readers.links.manage(kim.id) in mail["text"]
    assert readers.links.manage(kim.id) in mail["html"]
    assert (sendgrid.calls, readers.hooks.got) == (0, [])


async def test_five_hundred_leave_in_half_a_minute(
    readers: Readers, sendgrid: SendGridFake
) -> None:
    """SendGrid takes 0.2 s over each call; each of them has it once, and it is counted."""
    sendgrid.seconds = 0.2
    for number in range(498):
        readers.subscribed(f"r{number}@example.com")
    for bad in ("bad1@example.com", "bad2@example.com"):
        readers.subscribed(bad)
    sendgrid.bad = {"bad1@example.com", "bad2@example.com"}
    started = time.monotonic()
    told = await readers.tell()
    assert time.monotonic() - started < 30
    assert told is not None
    assert told.detail == "498 sent, 2 failed (rejected 2)"
    assert len({call.to for call in sendgrid.log if call.is_accepted}) == 498
    assert len([call for call in sendgrid.log if call.is_accepted]) == 498


async def test_a_vendor_that_fails_half_way_is_gone_on_with(
    readers: Readers, sendgrid: SendGridFake
) -> None:
    """Who has it by then is left alone; the others have it when the vendor is back; nobody twice."""
    for number in range(500):
        readers.subscribed(f"r{number}@example.com")
    sendgrid.fails_after = 3
    first = await readers.tell()
    assert first is not None
    assert (first.retryable, first.detail) == (True, "300 sent, 200 not yet")
    sendgrid.fails_after = None
    second = await readers.tell()
    assert second is not None
    assert (second.retryable, second.detail) == (False, "500 sent")
    took = [call.to for call in sendgrid.log if call.is_accepted]
    assert len(took) == len(set(took)) == 500


# Asking.


async def test_an_address_is_asked_before_it_is_told(
    readers: Readers, sendgrid: SendGridFake
) -> None:
    """The mail holds a link that confirms; three at most, and nothing before it is opened."""
    asked = readers.book.ask("reader-a", SubscriberKind.EMAIL, "kim@example.com", None, NOW)
    for _ in range(5):
        invited = await readers.subscribing.invite(asked.id)
        assert invited.is_waiting
        readers.now += timedelta(minutes=1)
    assert len(sendgrid.log) == 3
    (part, *_) = sendgrid.accepted[0]["content"]
    link = next(word for word in part["value"].split() if "/confirm/" in word)
    token = link.rpartition("/")[2]
    assert readers.links.read_confirm(token, NOW) == asked.id
    assert readers.links.read_confirm(token, NOW + timedelta(hours=48)) is None


async def test_a_number_is_asked_by_a_text_message(readers: Readers) -> None:
    """Its last line is the link, whole."""
    asked = readers.book.ask("reader-a", SubscriberKind.SMS, "+4915550001", None, NOW)
    assert (await readers.subscribing.invite(asked.id)).is_waiting
    (message,) = readers.sms.sent
    assert as_sms(message).splitlines()[-1] == readers.links.confirm(asked.id, NOW)


async def test_who_has_subscribed_is_told_so(readers: Readers, sendgrid: SendGridFake) -> None:
    """Whoever types a known address learns nothing; its owner gets the link to manage it."""
    kim = readers.subscribed("kim@example.com")
    invited = await readers.subscribing.invite(kim.id)
    assert not invited.is_waiting
    assert readers.links.manage(kim.id) in sendgrid.accepted[0]["content"][0]["value"]


async def test_an_address_that_complained_is_not_even_asked(
    readers: Readers, sendgrid: SendGridFake
) -> None:
    """Never written to again, whoever types it."""
    kim = readers.subscribed("kim@example.com")
    readers.book.suppress(SubscriberKind.EMAIL, "kim@example.com", "complained")
    assert not (await readers.subscribing.invite(kim.id)).is_waiting
    assert sendgrid.calls == 0


async def test_a_webhook_answers_a_challenge(readers: Readers) -> None:
    """Who repeats what is in it is confirmed, and knows the secret that later posts are signed with."""
    url = "https://hooks.example.com/a"
    readers.hooks.echoes.add(url)
    asked = readers.book.ask("reader-a", SubscriberKind.WEBHOOK, url, None, NOW)
    await readers.subscribing.invite(asked.id)
    found = readers.book.find(asked.id)
    assert found is not None
    assert found.state is SubscriberState.ACTIVE
    data = json.loads(readers.hooks.got[0][1])["data"]
    assert data["secret"] == readers.links.secret(asked.id)
    assert len(base64.b64decode(data["secret"].removeprefix("whsec_"))) == 32


@pytest.mark.parametrize(
    "answer",
    [
        Fetched(200, b""), Fetched(200, b"{}"), Fetched(200, b'{"challenge": "x"}'),
        Fetched(200, b"[" * 9_999), Fetched(404, b""), Fetched(302, b""), EgressError("nobody"),
        Fetched(200, b'{"challenge": 1}'),
    ],
    ids=lambda answer: str(answer)[:30],
)  # fmt: skip
async def test_a_webhook_that_does_not_answer_it_is_not_confirmed(
    readers: Readers, answer: Fetched | Exception
) -> None:
    """An address that somebody else typed in gets a few riddles and nothing more."""
    url = "https://hooks.example.com/a"
    readers.hooks.answers[url] = answer
    asked = readers.book.ask("reader-a", SubscriberKind.WEBHOOK, url, None, NOW)
    invited = await readers.subscribing.invite(asked.id)
    assert invited.is_waiting
    found = readers.book.find(asked.id)
    assert found is not None
    assert found.state is SubscriberState.PENDING


async def test_sendgrid_that_is_away_is_asked_again(
    readers: Readers, sendgrid: SendGridFake
) -> None:
    """Worth another attempt, which is not counted against the address."""
    asked = readers.book.ask("reader-a", SubscriberKind.EMAIL, "kim@example.com", None, NOW)
    sendgrid.manners["kim@example.com"] = Manner(status=503, times=1)
    assert (await readers.subscribing.invite(asked.id)).retryable
    assert not (await readers.subscribing.invite(asked.id)).retryable
    found = readers.book.find(asked.id)
    assert found is not None
    assert found.invites == 1


async def test_unconfirmed_addresses_are_deleted(readers: Readers) -> None:
    """After 48 hours nothing of them is left."""
    asked = readers.book.ask("reader-a", SubscriberKind.EMAIL, "kim@example.com", None, NOW)
    readers.now += timedelta(hours=48)
    assert await readers.subscribing.forget_unconfirmed() == 1
    assert readers.book.find(asked.id) is None
    assert readers.book.tally(UPDATE_KEY, NOW).counts.get(Told.SENT, 0) == 0
