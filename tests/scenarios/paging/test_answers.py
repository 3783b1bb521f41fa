"""Answers from outside on the real server: by the link in a mail, by a reply to a text message."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from records.database import open_database
from records.policy_store import PolicyStore
from records.reads import RecordsReader
from records.writes import RecordsWriter
from starter.api.app import create_app
from starter.gateway import Gateway
from starter.records_access import RecordsAccess
from starter.settings import load_settings
from tests.fakes.smtp import SmtpFake, smtp_fake
from tests.fakes.twilio import ACCOUNT, OURS, TOKEN, twilio_fake
from tests.patience import STARTER, patient
from tests.world import EXAMPLE, World, a_world

PUBLIC = "http://127.0.0.1:8099"
ALICE = "+4915550001"
LINK = re.compile(rf"{re.escape(PUBLIC)}(/answer/[\w-]+)")
BOTH_FIRST = (
    EXAMPLE.read_text()
    .replace("- {page: [schedule:payments]}", "- {page: [person:alice, person:bob]}")
    .replace("- {page: [team:payments], after: 5m}", "- {page: [person:carol], after: 30s}")
)
"""Alice and bob are paged together, carol half a minute later."""


@pytest.fixture(autouse=True)
def patient_front() -> Iterator[None]:
    """What is not answered at once is waited for, and not left as a signal."""
    names = ("ANSWER_WITHIN", "DELIVER_WITHIN", "QUERY_WITHIN")
    link: dict[str, timedelta | float] = {
        f"starter.temporal_link.{name}": timedelta(seconds=20) for name in names
    }
    with patient(STARTER, link):
        yield


@asynccontextmanager
async def a_front(world: World, environment: dict[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
    """The API beside a running world, spoken to without a token."""
    settings = load_settings({"TOCSIN_DATA_DIR": str(world.data), **environment})
    engine = open_database(settings.records_url())
    records = RecordsAccess(RecordsReader(engine), RecordsWriter(engine))
    gateway = Gateway(world.link, records, PolicyStore(world.data))
    app = create_app(settings, gateway, {})
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC) as client:
        yield client
    records.close()
    engine.dispose()


def mails_to(mail: SmtpFake, who: str) -> list[Any]:
    return [one for one in mail.taken if one["To"] == f"{who}@example.com"]


def link_in(mail: Any) -> str:
    found = LINK.search(mail.get_body(("plain",)).get_content())
    assert found is not None
    return found[1]


async def test_the_link_in_a_mail_acknowledges_and_the_others_are_told(tmp_path: Path) -> None:
    """Page, scanner, press: acknowledged once, by the link; bob hears who took it, carol is never paged."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        BOTH_FIRST.replace('{channel: sms, to: "+4915550001"}, ', ""), encoding="utf-8"
    )
    async with smtp_fake() as mail:
        environment = {
            "TOCSIN_DELIVERY": "live",
            "TOCSIN_PUBLIC_URL": PUBLIC,
            "SMTP_URL": f"{mail.url}?starttls=never",
        }
        async with (
            a_world(
                tmp_path / "data", skipping=False, policy=policy, environment=environment
            ) as world,
            a_front(world, environment) as front,
        ):
            began = time.monotonic()
            incident = await world.declare()
            await world.eventually(lambda: mails_to(mail, "alice") and mails_to(mail, "bob"))
            mine, bobs = link_in(mails_to(mail, "alice")[0]), link_in(mails_to(mail, "bob")[0])
            assert mine != bobs

            async def names_both() -> bool:
                # Bob's mail has arrived; that it did may reach the incident a moment later.
                shown = await front.get(mine)
                assert shown.status_code == 200
                return "Alice Ng, Bob Ito" in shown.text

            await world.eventually(names_both)
            for _ in range(50):
                assert (await front.get(mine)).status_code == 200
                assert (await front.head(bobs)).status_code == 200
            assert (await world.status(incident))["status"] == "raised"

            pressed, twice = await asyncio.gather(front.post(mine), front.post(mine))
            assert (pressed.status_code, twice.status_code) == (200, 200)
            assert "You have checkout-1" in pressed.text

            (fact,) = await world.facts(incident, "acknowledged")
            assert (fact["actor"], fact["data"]["via"]) == ("alice", "link")
            assert fact["data"]["page"].startswith(f"{incident}/p1/r1/s1/alice/email")
            assert "by the link in the message" in fact["text"]
            assert (await world.status(incident))["incident_manager"] == "alice"
            again = await front.post(mine)
            assert again.status_code == 200
            assert "Already acknowledged by you at" in again.text
            stale = await front.post(bobs)
            assert stale.status_code == 409
            assert "alice has acknowledged" in stale.text

            await world.eventually(lambda: len(mails_to(mail, "bob")) == 2)
            await asyncio.sleep(began + 32 - time.monotonic())  # carol's turn would have come
            assert len(await world.facts(incident, "acknowledged")) == 1
            assert mails_to(mail, "carol") == []
            assert len(mails_to(mail, "bob")) == 2
            pages = [m for m in world.outbox("page") if m["incident"] == incident]
            assert sorted(m["person"] for m in pages) == ["alice", "bob"]
            (told,) = world.outbox("page_update")
            assert told["person"] == "bob"
            assert await world.failed_tasks(incident) == []


async def test_a_reply_to_a_text_message_acknowledges(tmp_path: Path) -> None:
    """`ack 1` from the number that was paged; a receipt that it came in vain before that is heard, too."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(BOTH_FIRST.replace("person:alice, person:bob", "person:alice"))
    with twilio_fake() as twilio:
        environment = {
            "TOCSIN_DELIVERY": "live",
            "TOCSIN_PUBLIC_URL": PUBLIC,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_FROM": OURS,
            "TWILIO_BASE_URL": twilio.url,
        }
        async with (
            a_world(
                tmp_path / "data", skipping=False, policy=policy, environment=environment
            ) as world,
            a_front(world, environment) as front,
        ):
            incident = await world.declare()
            (sent,) = await world.eventually(lambda: list(twilio.accepted))
            assert sent["To"] == ALICE
            assert LINK.search(sent["Body"])
            path = sent["StatusCallback"].removeprefix(PUBLIC)
            receipt = await post_signed(front, path, MessageStatus="delivered")
            assert receipt.status_code == 204

            async def is_recorded() -> bool:
                rows = await asyncio.to_thread(world.records.messages, incident)
                return any(row["purpose"] == "page" for row in rows)

            await world.eventually(is_recorded)
            reply = await post_signed(
                front, "/answer/sms", From=ALICE, To=OURS, Body="Ack 1", MessageSid="SM1"
            )
            assert "Acknowledged checkout-1" in reply.text
            (fact,) = await world.facts(incident, "acknowledged")
            assert (fact["actor"], fact["data"]["via"]) == ("alice", "sms")
            assert await world.facts(incident, "command_refused") == []
            pages = [one for one in twilio.accepted if "Reply ack" in one["Body"]]
            assert pages == [sent]  # what else left is the role message of who took it
            (arrived,) = await world.facts(incident, "page_delivered")
            assert "alice" in arrived["text"]

            for word, enabled in (("STOP", False), ("Start", True)):
                said = await post_signed(
                    front, "/answer/sms", From=ALICE, To=OURS, Body=word, MessageSid=word
                )
                assert "Not done" not in said.text
                people = PolicyStore(world.data).current()[1].people
                assert [(c.channel, c.enabled) for c in people["alice"].contacts] == [
                    ("sms", enabled), ("email", True),
                ]  # fmt: skip
            assert await world.failed_tasks(incident) == []


SEVERAL = """version: 1
organisation: {name: Example, catch_all: [person:carol]}
people:
  alice: {contacts: [{channel: sms, to: "+4915550001"}]}
  carol: {contacts: [{channel: sms, to: "+4915550003"}]}
escalation_policies: {alice: {repeat: 50, repeat_after: 12s, steps: [{page: [person:alice]}]}}
services:
  checkout: {escalation: alice}
  search: {escalation: alice}
  cart: {escalation: alice}
  api: {escalation: alice}
limits: {bundle_window: 6s, throttles: {sms: []}}
"""
"""Everything pages alice by text message, and again twelve seconds later, together."""


async def test_ack_all_takes_every_incident_of_a_bundled_text_message(
    tmp_path: Path, gathering: None
) -> None:
    """Four pages, then one message about four: a bare ack is not clear, ack all takes all; then silence."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(SEVERAL)
    with twilio_fake() as twilio:
        environment = {
            "TOCSIN_DELIVERY": "live",
            "TOCSIN_PUBLIC_URL": PUBLIC,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_FROM": OURS,
            "TWILIO_BASE_URL": twilio.url,
        }
        async with (
            a_world(
                tmp_path / "data", skipping=False, policy=policy, environment=environment
            ) as world,
            a_front(world, environment) as front,
        ):
            declared = [
                world.declare(service=name) for name in ("checkout", "search", "cart", "api")
            ]
            incidents = sorted(await asyncio.gather(*declared))

            async def of_bundle() -> list[str]:
                """The incidents of one message about all, once the records know of it."""
                bundles = {m["bundle"] for m in world.outbox("page")} - {None}
                for bundle in bundles:
                    found = await asyncio.to_thread(world.records.incidents_of_bundle, bundle)
                    if sorted(found) == incidents:
                        return [bundle]
                return []

            (bundle,) = await world.eventually(of_bundle, within=60)
            first = [m for m in world.outbox("page") if m["bundle"] is None]
            assert sorted(m["incident"] for m in first) == incidents, "each first page by itself"
            (text,) = {m["text"] for m in world.outbox("page") if m["bundle"] == bundle}
            assert all(incident in text for incident in incidents)

            async def reply(words: str, sid: str) -> str:
                fields = {"From": ALICE, "To": OURS, "Body": words, "MessageSid": sid}
                return (await post_signed(front, "/answer/sms", **fields)).text

            assert "That page named several" in await reply("ack", "SM1")
            link = LINK.search(twilio.accepted[-1]["Body"])
            assert link is not None
            offered = await front.get(link[1])
            assert "Acknowledge all 4 of this message" in offered.text
            for incident in incidents:
                assert await world.facts(incident, "acknowledged") == []

            said = await reply("Ack all", "SM2")
            assert [f"Acknowledged {incident}" in said for incident in incidents] == [True] * 4
            for incident in incidents:
                (fact,) = await world.facts(incident, "acknowledged")
                assert (fact["actor"], fact["data"]["via"]) == ("alice", "sms")
                assert await world.facts(incident, "command_refused") == []
            await asyncio.sleep(3)  # what was leaving that moment has arrived
            before = len(world.outbox("page"))
            await asyncio.sleep(12)  # the next round would have come
            assert len(world.outbox("page")) == before
            assert {m["person"] for m in world.outbox("page")} == {"alice"}
            assert [await world.failed_tasks(incident) for incident in incidents] == [[]] * 4


KEYS_TO = re.compile(rf'action="{re.escape(PUBLIC)}(/answer/voice/[^"]+)"')


async def test_a_key_on_the_telephone_acknowledges_and_a_mailbox_does_not(tmp_path: Path) -> None:
    """Two calls: a mailbox whose greeting has a 1 takes nothing; alice presses 1 and has it; then silence."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        SEVERAL.replace("channel: sms", "channel: voice").replace("sms: []", "voice: []")
    )
    with twilio_fake() as twilio:
        environment = {
            "TOCSIN_DELIVERY": "live",
            "TOCSIN_PUBLIC_URL": PUBLIC,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_FROM": OURS,
            "TWILIO_BASE_URL": twilio.url,
        }
        async with (
            a_world(
                tmp_path / "data", skipping=False, policy=policy, environment=environment
            ) as world,
            a_front(world, environment) as front,
        ):
            incident = await world.declare()

            async def call(number: int) -> str:
                """Where the keys of a call are posted."""
                await world.eventually(lambda: len(twilio.accepted) >= number, within=60)
                made = twilio.accepted[number - 1]
                assert (made["To"], made["MachineDetection"]) == (ALICE, "Enable")
                found = KEYS_TO.search(made["Twiml"])
                assert found is not None
                return found[1]

            by_machine = {"AnsweredBy": "machine_end_beep", "Digits": "1"}
            said = await post_signed(front, await call(1), CallSid="CA1", **by_machine)
            assert "A mailbox acknowledges nothing" in said.text
            assert await world.facts(incident, "acknowledged") == []
            fields = {"AnsweredBy": "human", "Digits": "1"}
            said = await post_signed(front, await call(2), CallSid="CA2", **fields)
            assert "Acknowledged. You have incident checkout 1." in said.text
            (fact,) = await world.facts(incident, "acknowledged")
            assert (fact["actor"], fact["data"]["via"]) == ("alice", "keypress")
            await asyncio.sleep(3)  # what was leaving that moment has arrived
            pages = len(world.outbox("page"))
            await asyncio.sleep(12)  # the next round would have come
            assert len(world.outbox("page")) == pages
            assert {m["person"] for m in world.outbox("page")} == {"alice"}
            assert await world.failed_tasks(incident) == []


async def post_signed(front: httpx2.AsyncClient, path: str, **fields: str) -> httpx2.Response:
    """A form as Twilio signs it."""
    said = PUBLIC + path + "".join(name + fields[name] for name in sorted(fields))
    mac = hmac.new(TOKEN.encode(), said.encode(), hashlib.sha1).digest()
    headers = {"X-Twilio-Signature": base64.b64encode(mac).decode()}
    return await front.post(path, data=fields, headers=headers)
