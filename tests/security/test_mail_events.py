"""SendGrid's events: only signed, fresh ones count, each once; junk among them hurts nobody."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from domain.subscribers import SubscriberKind, SubscriberState, Told
from records.database import RecordsUnavailableError
from records.subscribers import Outcome, SubscriberBook
from starter.answering.mail_desk import MailEventDesk
from starter.answering.sendgrid import Fate, public_key, read_events
from tests.starter.answering.conftest import Switchboard

URL = "/answer/sendgrid"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
UPDATE = "checkout-1/update/external/1/subscribers/subscribers"


class Vendor:
    """SendGrid with its private key, posting to us."""

    def __init__(self, board: Switchboard) -> None:
        self.board, self.key = board, ec.generate_private_key(ec.SECP256R1())
        self.services: Any = board.api.app.state.services  # type: ignore[attr-defined]
        self.use(self.public)
        self.book: SubscriberBook = self.services.subscriptions.book
        self.posted = 0

    @property
    def public(self) -> str:
        raw = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(raw).decode()

    def use(self, key: str | None) -> None:
        object.__setattr__(self.services, "mail_events", MailEventDesk(key))

    def stamp(self) -> str:
        return str(int(self.board.clock.now.timestamp()))

    def sign(self, body: bytes, stamp: str) -> str:
        made = self.key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(made).decode()

    def post(self, body: bytes, signature: str | None = None, stamp: str | None = None) -> Any:
        stamp = self.stamp() if stamp is None else stamp
        headers = {
            "X-Twilio-Email-Event-Webhook-Signature": signature or self.sign(body, stamp),
            "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
            "Content-Type": "application/json",
        }
        return self.board.api.post(URL, content=body, headers=headers)

    def event(self, name: str, **fields: Any) -> dict[str, Any]:
        self.posted += 1
        return {
            "event": name, "email": "kim@example.com", "sg_event_id": f"e{self.posted}",
            "timestamp": 1, "sg_message_id": "m1", **fields,
        }  # fmt: skip

    def tell(self, *events: Any) -> Any:
        return self.post(json.dumps(list(events)).encode())

    def signals(self) -> list[Any]:
        return [one for one in self.board.temporal.signals if one[1] == "delivery_receipt"]

    def subscriber(self) -> str:
        """Kim, who was told an update."""
        now = self.board.clock.now
        self.book.ask("reader-kim", SubscriberKind.EMAIL, "kim@example.com", None, now)
        self.book.confirm("reader-kim", now)
        self.book.begin(UPDATE, "c1", now)
        self.book.claim(UPDATE, 9, 1, now)
        self.book.settle(UPDATE, {"reader-kim": Outcome(Told.SENT)}, now)
        return f"{UPDATE}/reader-kim"


@pytest.fixture
def vendor(board: Switchboard) -> Vendor:
    return Vendor(board)


def a_page(board: Switchboard) -> dict[str, str]:
    page = board.paged("alice", "", "email")
    return {"incident": page.incident, "idempotency_key": page.key}


def test_a_bounced_page_is_a_receipt(vendor: Vendor, board: Switchboard) -> None:
    """It goes to the incident, which tries the next contact; its address is in no history."""
    page = a_page(board)
    said = vendor.event(
        "bounce", email="alice@example.com", reason="550 no alice@example.com", **page
    )
    assert vendor.tell(said).status_code == 204
    ((incident, _, body),) = vendor.signals()
    assert incident == page["incident"]
    assert (body["key"], body["state"]) == (page["idempotency_key"], "failed")
    assert "alice@example.com" not in str(body)


def test_a_page_that_arrived_is_a_receipt_and_an_update_is_not(
    vendor: Vendor, board: Switchboard
) -> None:
    """Hundreds of updates that arrived would be hundreds of signals that change nothing."""
    page = a_page(board)
    update = {
        "incident": page["incident"],
        "idempotency_key": f"{page['incident']}/update/internal/1/x/email",
    }
    vendor.tell(vendor.event("delivered", **page), vendor.event("delivered", **update))
    ((_, _, body),) = vendor.signals()
    assert (body["key"], body["state"]) == (page["idempotency_key"], "delivered")


def test_a_subscriber_that_bounced_is_not_written_to_again(vendor: Vendor) -> None:
    """The ledger says that it did not arrive, and the address is silent from now on."""
    key = vendor.subscriber()
    vendor.tell(vendor.event("bounce", idempotency_key=key, incident="checkout-1"))
    found = vendor.book.find("reader-kim")
    assert found is not None
    assert (found.state, found.reason) == (SubscriberState.GONE, "bounced")
    assert vendor.book.tally(UPDATE, vendor.board.clock.now).reasons == {"bounced": 1}
    assert vendor.signals() == []


def test_a_full_mailbox_is_no_reason_to_fall_silent(vendor: Vendor) -> None:
    """Blocked is for this time; what arrived is noted as such."""
    key = vendor.subscriber()
    vendor.tell(vendor.event("bounce", type="blocked", idempotency_key=key))
    found = vendor.book.find("reader-kim")
    assert found is not None
    assert found.state is SubscriberState.ACTIVE
    assert vendor.book.tally(UPDATE, vendor.board.clock.now).reasons == {"refused": 1}


def test_a_mail_that_arrived_is_noted_as_such(vendor: Vendor) -> None:
    """In the ledger, and nowhere else."""
    vendor.tell(vendor.event("delivered", idempotency_key=vendor.subscriber()))
    assert vendor.book.tally(UPDATE, vendor.board.clock.now).counts == {Told.DELIVERED: 1}
    assert vendor.signals() == []


@pytest.mark.parametrize("name", ["unsubscribe", "group_unsubscribe"])
def test_who_leaves_by_sendgrids_link_is_forgotten(vendor: Vendor, name: str) -> None:
    """As by ours: nothing of them is kept, whatever message it was."""
    vendor.subscriber()
    vendor.tell(vendor.event(name, email="KIM@example.com"))
    assert vendor.book.find("reader-kim") is None


def test_who_complains_is_never_written_to_again(vendor: Vendor) -> None:
    """Not even to ask."""
    vendor.subscriber()
    vendor.tell(vendor.event("spamreport"))
    found = vendor.book.find("reader-kim")
    assert found is not None
    assert (found.state, found.reason) == (SubscriberState.GONE, "complained")


def test_a_person_who_complains_is_paged_all_the_same(vendor: Vendor, board: Switchboard) -> None:
    """What they think of one mail is no receipt of it."""
    page = a_page(board)
    assert (
        vendor.tell(vendor.event("spamreport", email="alice@example.com", **page)).status_code
        == 204
    )
    assert vendor.signals() == []


def test_a_post_counts_once(vendor: Vendor, board: Switchboard) -> None:
    """The same bytes again, under the old signature or another one of the same key; the same event later."""
    said = vendor.event("bounce", **a_page(board))
    body, stamp = json.dumps([said]).encode(), vendor.stamp()
    signature = vendor.sign(body, stamp)
    r, s = decode_dss_signature(base64.b64decode(signature))
    other = base64.b64encode(encode_dss_signature(r, P256_ORDER - s)).decode()
    assert [vendor.post(body, one, stamp).status_code for one in (signature, signature, other)] == [
        204
    ] * 3
    board.clock.skip(seconds=30)
    assert vendor.tell(said).status_code == 204
    assert len(vendor.signals()) == 1


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_post_is_refused(vendor: Vendor, board: Switchboard, seconds: int) -> None:
    """Five minutes behind or ahead of our clock are enough."""
    body = json.dumps([vendor.event("bounce", **a_page(board))]).encode()
    at = board.clock.now + timedelta(seconds=seconds)
    stamp = str(int(at.timestamp()))
    assert vendor.post(body, stamp=stamp).status_code == 403
    assert vendor.signals() == []


def test_forged_signatures_are_refused(vendor: Vendor, board: Switchboard) -> None:
    """Another key, another body, another time, malformed in every way; and whatever comes without a key."""
    body = json.dumps([vendor.event("bounce", **a_page(board))]).encode()
    stamp = vendor.stamp()
    good = vendor.sign(body, stamp)
    raw = base64.b64decode(good)
    stranger = ec.generate_private_key(ec.SECP256R1()).sign(
        stamp.encode() + body, ec.ECDSA(hashes.SHA256())
    )
    forged = [
        base64.b64encode(stranger).decode(), good[:-4], good + "AAAA", "A" * 96, "AAAA", "=", "!!!!",
        base64.b64encode(raw[:-1]).decode(), base64.b64encode(b"\x30\x00").decode(), "x" * 100_000,
        base64.b64encode(encode_dss_signature(0, 0)).decode(), raw.hex(), f"v1,{good}",
        base64.b64encode(encode_dss_signature(P256_ORDER, 1)).decode(),
    ]  # fmt: skip
    for signature in forged:
        assert vendor.post(body, signature, stamp).status_code == 403, signature[:50]
    assert vendor.post(body + b" ", good, stamp).status_code == 403
    for other in (
        "",
        "0",
        f"{stamp}0",
        f" {stamp}",
        "1e9",
        "-1",
    ):
        assert vendor.post(body, good, other).status_code == 403, other
    assert board.api.post(URL, content=body).status_code == 403
    vendor.use(None)
    assert vendor.post(body, good, stamp).status_code == 403
    assert vendor.signals() == []


def test_junk_is_skipped(vendor: Vendor, board: Switchboard) -> None:
    """What means nothing here is counted; what stands beside it counts."""
    page = a_page(board)
    junk: list[Any] = [
        None, 1, "x", [], {}, {"event": "open"}, vendor.event("click"), vendor.event("processed"),
        vendor.event("bounce", email=None), vendor.event("bounce", sg_event_id=7), {"event": ["bounce"]},
        vendor.event("bounce", email="kim@example.com\r\nx"), vendor.event("deferred"),
        vendor.event("bounce", incident="../desk/checkout", idempotency_key="x"),
        vendor.event("bounce", incident="roster", idempotency_key="x/p1/r1/s1/alice/email-0"),
        vendor.event("bounce", incident="checkout-999", idempotency_key="checkout-999/p1/x"),
    ]  # fmt: skip
    answer = vendor.tell(*junk, vendor.event("bounce", **page))
    assert answer.status_code == 204
    assert page["incident"] in {incident for incident, _, _ in vendor.signals()}
    assert not [one for one in vendor.signals() if one[0] in ("roster", "desk/checkout")]


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[" * 100_000, b"\xff\xfe", b"[1"])
def test_what_is_no_list_is_refused(vendor: Vendor, body: bytes) -> None:
    """400, though it was signed."""
    assert vendor.post(body).status_code == 400


def test_a_post_is_bounded(vendor: Vendor) -> None:
    """413 above a megabyte, before anybody looks at the signature."""
    assert vendor.post(b"[" + b" " * 1_100_000 + b"]").status_code == 413


def test_what_could_not_be_kept_is_asked_for_again(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 while the records are away; the same post counts when they are back."""
    key = vendor.subscriber()
    body = json.dumps([vendor.event("bounce", idempotency_key=key)]).encode()
    stamp = vendor.stamp()

    def away(*args: Any) -> None:
        raise RecordsUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(vendor.book, "hear", away)
        assert vendor.post(body, stamp=stamp).status_code == 503
    vendor.services.gateway.records._rests_until = 0.0
    assert vendor.post(body, stamp=stamp).status_code == 204
    found = vendor.book.find("reader-kim")
    assert found is not None
    assert found.state is SubscriberState.GONE


def test_a_key_is_one_of_sendgrids(vendor: Vendor) -> None:
    """With or without the lines around it; another curve or nonsense is refused at the start."""
    framed = f"-----BEGIN PUBLIC KEY-----\n{vendor.public}\n-----END PUBLIC KEY-----\n"
    assert public_key(framed) == public_key(vendor.public)
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    wrong = base64.b64encode(
        other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()
    for text in (wrong, "nonsense", "", "AAAA"):
        with pytest.raises(ValueError, match="must be"):
            public_key(text)
    with pytest.raises(ValueError, match="SENDGRID_EVENT_KEY"):
        MailEventDesk("nonsense")


@pytest.mark.parametrize(
    ("raw", "fate"),
    [
        ({"event": "dropped", "reason": "Bounced Address"}, Fate.BOUNCED),
        ({"event": "dropped", "reason": "Spam Content"}, Fate.REFUSED),
        ({"event": "bounce", "type": "bounce"}, Fate.BOUNCED),
        ({"event": "bounce", "type": "blocked"}, Fate.REFUSED),
        ({"event": "spamreport"}, Fate.COMPLAINED),
    ],
)
def test_events_are_sorted_by_what_follows(raw: dict[str, str], fate: Fate) -> None:
    """For good, for this time, or by the person."""
    event = {"email": "kim@example.com", "sg_event_id": "e1", **raw}
    ((found,), others) = read_events(json.dumps([event]).encode())
    assert (found.fate, others) == (fate, 0)
