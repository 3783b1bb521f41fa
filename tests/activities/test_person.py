"""A bundle leaves as one message, is noted for each of its incidents, and a failure is told for each."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from activities.channels.base import Capabilities
from activities.channels.outbox import Outbox
from activities.delivery import Postman
from activities.looking_up import RecordsLookUp
from activities.page import PageSending
from activities.person import BundleSending
from domain.bundling import HandedPage
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import DeliveryState, PageText, SendPage
from domain.person_pages import SendBundle
from domain.priority import OpenIncident
from templates.renderer import Renderer
from tests.fakes.organisation import (
    NOW,
    FixedPolicy,
    FixedRecords,
    RecordingChannel,
    a_clock,
    a_policy,
)


def a_page(number: int, **fields: Any) -> HandedPage:
    """A later page of checkout-N to bob."""
    incident = f"checkout-{number}"
    page = SendPage(
        key=f"{incident}/p1/r2/s1/bob/email-0",
        incident_id=incident,
        severity="SEV1",
        person="bob",
        channel="email",
        contact=0,
        text=PageText(subject=f"page of {incident}", text="its own text"),
        is_first=False,
    )
    given = {"priority": "P1", "raised_at": NOW + timedelta(minutes=number), "summary": "Down"}
    return HandedPage(page=page, **(given | fields))


def a_bundle(*pages: HandedPage, **fields: Any) -> SendBundle:
    whole = {"bundle": "bob/1", "person": "bob", "channel": "email", "contact": 0, "pages": pages}
    return SendBundle.model_validate(whole | fields)


class Sending:
    """The activity with a channel of our own, and what is in the outbox."""

    def __init__(self, folder: Path, records: FixedRecords | None = None, **how: Any) -> None:
        records = records or FixedRecords()
        self.channel = RecordingChannel()
        self.channel.capabilities = Capabilities(pages=True, max_chars=how.get("max_chars"))
        self.outbox = Outbox(folder / "outbox")
        postman = Postman("live", {"email": self.channel}, self.outbox, a_clock)
        policy = FixedPolicy(None if how.get("no_policy") else a_policy())
        templates = [how["templates"]] if "templates" in how else []
        self.activity = BundleSending(
            PageSending(policy, postman, a_clock),
            RecordsLookUp(records, 0.2) if records.hang_seconds else RecordsLookUp(records, 30.0),
            Renderer(templates),
            postman,
            a_clock,
        )

    def files(self) -> list[dict[str, Any]]:
        found = [json.loads(path.read_text()) for path in self.outbox.folder.glob("*.json")]
        return sorted(found, key=lambda one: one["incident"])


async def test_a_bundle_is_one_message_and_a_file_for_each_incident(tmp_path: Path) -> None:
    """One mail to bob; each incident has its own key, the bundle's id and who else is in it."""
    sending = Sending(tmp_path)
    request = a_bundle(a_page(1), a_page(2), a_page(3))
    done = await sending.activity.send_bundle(request)
    (mail,) = sending.channel.sent
    assert mail.to == "bob@example.com"
    assert mail.subject.startswith("3 incidents wait for you, checkout-1 SEV1 first")
    assert [d.key for d in done.deliveries] == [page.page.key for page in request.pages]
    assert {(d.state, d.bundle) for d in done.deliveries} == {(DeliveryState.SENT, "bob/1")}
    files = sending.files()
    assert [f["incident"] for f in files] == ["checkout-1", "checkout-2", "checkout-3"]
    assert [f["idempotency_key"] for f in files] == [d.key for d in done.deliveries]
    assert {(f["bundle"], f["state"], f["text"]) for f in files} == {("bob/1", "sent", mail.text)}
    assert {tuple(f["bundle_incidents"]) for f in files} == {
        ("checkout-1", "checkout-2", "checkout-3")
    }


async def test_the_order_is_that_of_now(tmp_path: Path) -> None:
    """The records know a newer priority: it decides, and each line says its place."""
    now = [
        OpenIncident(id="checkout-1", priority="P4", severity="SEV2", raised_at=NOW),
        OpenIncident(id="checkout-2", priority="P2", severity="SEV1", raised_at=NOW),
    ]
    sending = Sending(tmp_path, FixedRecords(*now))
    await sending.activity.send_bundle(a_bundle(a_page(1), a_page(2)))
    (mail,) = sending.channel.sent
    first, second = mail.text.index("checkout-2 is SEV1"), mail.text.index("checkout-1 is SEV2")
    assert first < second
    assert "checkout-2 is SEV1, priority P2, #1 of 2 open." in mail.text
    assert mail.incident == "checkout-2"


async def test_records_that_are_away_hold_nothing_up(tmp_path: Path) -> None:
    """No ranks then: the message leaves with what the incidents said when they handed over."""
    records = FixedRecords(hang_seconds=20)
    sending = Sending(tmp_path, records)
    done = await sending.activity.send_bundle(a_bundle(a_page(1), a_page(2)))
    records.over.set()
    assert {d.state for d in done.deliveries} == {DeliveryState.SENT}
    assert len(sending.channel.sent) == 1
    assert "open." not in sending.channel.sent[0].text


async def test_a_short_channel_gets_the_short_form(tmp_path: Path) -> None:
    """A text message names the incidents and how to take all of them, and is no page long."""
    sending = Sending(tmp_path, max_chars=459)
    await sending.activity.send_bundle(a_bundle(*(a_page(n) for n in range(1, 10))))
    (message,) = sending.channel.sent
    assert message.html is None
    assert "Reply ack all" in message.text
    assert "… and 3 more" in message.text
    assert len(message.text) < 600


async def test_a_failure_is_told_for_each_page(tmp_path: Path) -> None:
    """The vendor refuses: nobody has it, and every incident hears so under its own key."""
    sending = Sending(tmp_path)
    sending.channel.fails["bob@example.com"] = DeliveryError(
        DeliveryReason.RATE_LIMITED, "slow down", retryable=True, retry_after_seconds=7
    )
    done = await sending.activity.send_bundle(a_bundle(a_page(1), a_page(2)))
    assert [(d.state, d.retryable, d.retry_after_seconds) for d in done.deliveries] == [
        (DeliveryState.FAILED, True, 7)
    ] * 2
    assert {f["state"] for f in sending.files()} == {"failed"}


async def test_a_message_that_left_is_not_sent_again_and_half_a_one_is(tmp_path: Path) -> None:
    """Tried again after a crash: all noted as sent is sent; with one page more it leaves."""
    sending = Sending(tmp_path)
    await sending.activity.send_bundle(a_bundle(a_page(1), a_page(2)))
    again = await sending.activity.send_bundle(a_bundle(a_page(1), a_page(2), bundle="bob/2"))
    assert {d.state for d in again.deliveries} == {DeliveryState.SENT}
    assert len(sending.channel.sent) == 1
    await sending.activity.send_bundle(a_bundle(a_page(1), a_page(3), bundle="bob/3"))
    assert len(sending.channel.sent) == 2


async def test_a_single_page_is_sent_as_it_was_written(tmp_path: Path) -> None:
    """Nobody else paged: its own text, no bundle."""
    sending = Sending(tmp_path)
    done = await sending.activity.send_bundle(a_bundle(a_page(1)))
    (mail,) = sending.channel.sent
    assert (mail.subject, mail.bundle) == ("page of checkout-1", None)
    assert [d.bundle for d in done.deliveries] == [None]


async def test_a_person_without_that_contact_and_a_policy_that_is_gone(tmp_path: Path) -> None:
    """For good, so that the incident goes on with another contact; and for now, to be tried again."""
    sending = Sending(tmp_path)
    pages = [
        page.model_copy(update={"page": page.page.model_copy(update={"person": "dana"})})
        for page in (a_page(1), a_page(2))
    ]
    done = await sending.activity.send_bundle(a_bundle(*pages, person="dana"))
    assert {(d.reason, d.retryable) for d in done.deliveries} == {("no_contact", False)}
    gone = Sending(tmp_path, no_policy=True)
    done = await gone.activity.send_bundle(a_bundle(a_page(1), a_page(2)))
    assert {(d.reason, d.retryable) for d in done.deliveries} == {("server_error", True)}
    assert sending.channel.sent == gone.channel.sent == []


async def test_a_broken_template_stops_no_bundle(tmp_path: Path) -> None:
    """The built-in text names every incident, and the fault stands in the outcome."""
    own = tmp_path / "own" / "page_bundle"
    own.mkdir(parents=True)
    (own / "body.txt.j2").write_text("{{ nothing }}")
    sending = Sending(tmp_path, templates=tmp_path / "own")
    done = await sending.activity.send_bundle(a_bundle(a_page(1), a_page(2)))
    assert all("sent as plain text" in d.detail for d in done.deliveries)
    assert "checkout-1 SEV1" in sending.channel.sent[0].text
    assert "checkout-2 SEV1" in sending.channel.sent[0].text
