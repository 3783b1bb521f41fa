"""Amazon SNS: alarms and texts, the handshake, and who may sign."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from domain.errors import IntakeError
from starter.egress import EgressError, Fetched
from starter.intake import sns_signature
from starter.intake.formats import ForgedError, NoAlert
from starter.intake.received import Received
from starter.intake.sns import FORMAT, delivery_id, meet
from tests.starter.intake.examples import AT, payload, sender, usual_sender

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HOST = "https://sns.eu-west-1.amazonaws.com"
CERTIFICATE = f"{HOST}/SimpleNotificationService-test.pem"
SUBSCRIBE = f"{HOST}/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:1:t&Token=2336"


def certificate(
    start: timedelta = timedelta(days=-1), end: timedelta = timedelta(days=30)
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder(
        name, name, KEY.public_key(), x509.random_serial_number(), AT + start, AT + end
    )
    return made.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


class Amazon:
    """What is asked outside, and what it answers."""

    def __init__(
        self, pem: bytes | None = None, status: int = 200, *, is_away: bool = False
    ) -> None:
        self.pem, self.status, self.is_away = pem or certificate(), status, is_away
        self.asked: list[str] = []

    async def get(self, url: str, headers: Any = None) -> Fetched:
        self.asked.append(url)
        if self.is_away:
            raise EgressError("sns.eu-west-1.amazonaws.com cannot be reached")
        return Fetched(self.status, self.pem)


@pytest.fixture(autouse=True)
def _forget() -> None:
    sns_signature._certificates.clear()


def signed(message: dict[str, Any] | None = None, version: str = "2", **change: Any) -> Received:
    said = (message or payload("sns", "alarm")) | {"SigningCertURL": CERTIFICATE} | change
    said["SignatureVersion"] = version
    algorithm = {"1": hashes.SHA1(), "2": hashes.SHA256()}.get(version, hashes.SHA256())
    signature = KEY.sign(sns_signature.canonical(said), padding.PKCS1v15(), algorithm)
    return Received(json.dumps(said | {"Signature": base64.b64encode(signature).decode()}).encode())


def subscription(**change: Any) -> dict[str, Any]:
    return {
        "Type": "SubscriptionConfirmation", "MessageId": "165545c9", "Token": "2336",
        "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "You have chosen to subscribe …",
        "SubscribeURL": SUBSCRIBE, "Timestamp": "2026-11-23T14:07:27.123Z", **change,
    }  # fmt: skip


def read(name: str, **change: Any):
    (alert,) = FORMAT.parse(
        Received(json.dumps(payload("sns", name) | change).encode()), usual_sender("sns")
    )
    return alert


def test_alarm():
    """An alarm is one thing by its ARN; its topic says the service where the policy says so."""
    alert = read("alarm")
    assert (alert.service, alert.severity, alert.status) == ("checkout", "SEV2", "firing")
    assert (alert.summary, alert.key) == (
        "Checkout 5xx", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:Checkout 5xx",
    )  # fmt: skip
    assert alert.description.startswith("More than 5% of requests fail\nThreshold Crossed")
    assert "eu-west-1.console.aws.amazon.com" in (alert.link or "")
    assert alert.starts_at is not None


def test_alarm_states():
    """OK clears; missing data fires and says so."""
    assert (read("ok").status, read("ok").key) == ("resolved", read("alarm").key)
    assert (read("insufficient_data").status, read("insufficient_data").summary) == (
        "firing", "No data: Checkout 5xx",
    )  # fmt: skip


def test_plain_text():
    """A text is an alert too; the message's attributes are labels."""
    alert = read("plain_text")
    assert (alert.summary, alert.severity) == ("Settlement failed", "SEV1")
    assert alert.description == "The nightly settlement did not finish."
    over = read("plain_text", Subject="RESOLVED: Settlement failed")
    assert (over.status, over.key) == ("resolved", alert.key)


def test_json_of_somebodys_own():
    """It is read by its usual names."""
    said = json.dumps({"title": "Queue grows", "service": "search", "severity": "low", "key": "q"})
    alert = read("plain_text", Message=said)
    assert (alert.service, alert.summary, alert.key) == ("checkout", "Queue grows", "q")
    assert alert.severity == "SEV3"


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_handshakes_are_no_alert(kind):
    """And why is told."""
    found = FORMAT.parse(Received(json.dumps({"Type": kind}).encode()), sender())
    assert isinstance(found, NoAlert)


@pytest.mark.parametrize("body", [{}, [], 7, {"Type": "Other"}, {"Type": "Notification"}])
def test_what_is_no_message_is_shown(body):
    """It was signed by Amazon, so it is not dropped."""
    (alert,) = FORMAT.parse(Received(json.dumps(body).encode()), sender())
    assert alert.service == "unknown"


@pytest.mark.parametrize("version", ["1", "2"])
async def test_signed(version):
    """Both versions of the signature; the certificate is asked for once."""
    amazon = Amazon()
    await meet(signed(version=version), amazon, AT)
    await meet(signed(version=version), amazon, AT)
    assert amazon.asked == [CERTIFICATE]


@pytest.mark.parametrize(
    "field", ["Message", "Subject", "Timestamp", "TopicArn", "MessageId", "Type"]
)
async def test_every_field_is_signed(field):
    """A message that was changed on the way is refused."""
    said = json.loads(signed().body)
    said[field] = "2026-11-23T14:07:28.123Z" if field == "Timestamp" else f"{said[field]} "
    with pytest.raises(ForgedError):
        await meet(Received(json.dumps(said).encode()), Amazon(), AT)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/x.pem", "https://evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://bucket.s3.amazonaws.com/x.pem", "https://sns.a.b.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://evil.example/https://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem", "https://snsXeu-west-1.amazonaws.com/x.pem",
        "https://SNS.eu-west-1.amazonaws.com/x.pem\n", "", None, 7,
        "https://sns.eu-west-1.amazonaws.com/?Action=x&a=.pem", "https://sns.eu-west-1.amazonaws.com/x",
    ],
)  # fmt: skip
async def test_certificates_from_elsewhere_are_not_even_asked_for(url):
    """Only SNS itself publishes them."""
    amazon = Amazon()
    with pytest.raises(ForgedError):
        await meet(signed(SigningCertURL=url), amazon, AT)
    assert amazon.asked == []


@pytest.mark.parametrize(
    "url",
    ["https://sns.us-west-2.amazonaws.com/a.pem", "https://sns.cn-north-1.amazonaws.com.cn/a.pem"],
)
def test_addresses_of_sns(url):
    """Every region, those of China too."""
    assert sns_signature.is_amazon(url)


@pytest.mark.parametrize(
    ("seconds", "is_taken"),
    [(-3901, False), (-3900, True), (-3600, True), (0, True), (300, True), (301, False)],
)
async def test_window(seconds, is_taken):
    """SNS repeats for an hour under the first time: its window is that hour and five minutes."""
    received = signed(Timestamp=(AT + timedelta(seconds=seconds)).isoformat())
    if is_taken:
        await meet(received, Amazon(), AT)
        return
    with pytest.raises(ForgedError):
        await meet(received, Amazon(), AT)


@pytest.mark.parametrize("change", [{"Timestamp": "soon"}, {"Timestamp": None}])
async def test_a_time_that_is_none(change):
    """It is refused, however well it is signed."""
    with pytest.raises(ForgedError):
        await meet(signed(**change), Amazon(), AT)


@pytest.mark.parametrize("version", ["3", "", "0"])
async def test_other_versions(version):
    """A signature that nobody knows is none."""
    with pytest.raises(ForgedError):
        await meet(signed(version=version), Amazon(), AT)


@pytest.mark.parametrize("signature", ["", "!!", "AAAA", None, 7])
async def test_no_signature(signature):
    """Neither missing nor broken ones will do."""
    said = json.loads(signed().body) | {"Signature": signature}
    with pytest.raises(ForgedError):
        await meet(Received(json.dumps(said).encode()), Amazon(), AT)


async def test_a_certificate_out_of_its_dates():
    """An old one signs nothing any more."""
    pem = certificate(timedelta(days=-30), timedelta(days=-1))
    with pytest.raises(ForgedError):
        await meet(signed(), Amazon(pem), AT)


@pytest.mark.parametrize("pem", [b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
async def test_no_certificate_at_its_address(pem):
    """What is there instead signs nothing."""
    with pytest.raises(ForgedError):
        await meet(signed(), Amazon(pem), AT)


@pytest.mark.parametrize("amazon", [Amazon(is_away=True), Amazon(status=503)])
async def test_amazon_away(amazon):
    """Nothing is known of the message, so that SNS has to send it again."""
    with pytest.raises(EgressError):
        await meet(signed(), amazon, AT)


async def test_a_subscription_confirms_itself():
    """One request to the address in the message, after its signature was checked."""
    amazon = Amazon()
    await meet(signed(subscription()), amazon, AT)
    assert amazon.asked == [CERTIFICATE, SUBSCRIBE]


async def test_a_forged_subscription_asks_nobody():
    """The address is part of what is signed."""
    said = json.loads(signed(subscription()).body) | {"SubscribeURL": f"{SUBSCRIBE}&x=1"}
    amazon = Amazon()
    with pytest.raises(ForgedError):
        await meet(Received(json.dumps(said).encode()), amazon, AT)
    assert SUBSCRIBE not in amazon.asked


async def test_a_subscription_to_elsewhere():
    """Even signed, it is confirmed at SNS only."""
    amazon = Amazon()
    with pytest.raises(ForgedError):
        await meet(signed(subscription(SubscribeURL="https://169.254.169.254/")), amazon, AT)
    assert amazon.asked == [CERTIFICATE]


async def test_the_end_of_a_subscription_asks_nobody():
    """Its address would begin the subscription again."""
    amazon = Amazon()
    await meet(signed(subscription(Type="UnsubscribeConfirmation")), amazon, AT)
    assert amazon.asked == [CERTIFICATE]


@pytest.mark.parametrize("body", [b"[]", b"7", b"[" * 50_000 + b"]" * 50_000])
async def test_what_nobody_signed(body):
    """It is refused."""
    with pytest.raises(ForgedError):
        await meet(Received(body), Amazon(), AT)


async def test_not_json():
    """The sender is told."""
    with pytest.raises(IntakeError):
        await meet(Received(b"x"), Amazon(), AT)


def test_delivery_id():
    """The signed id, the same when SNS sends it again; not the header's."""
    received = Received(signed().body, {"x-amz-sns-message-id": "other"})
    assert delivery_id(received) == "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"
    assert delivery_id(Received(b"x")) is None
