"""Email: what the mail holds, the fallback from SendGrid to SMTP, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from activities.channels import ChannelSettingsError, build_channels
from activities.channels.base import AnswerLostError
from activities.channels.email import EmailChannel, EmailSettings, smtp_options, with_answer
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from tests.activities.channels.rigs import ANSWER
from tests.fakes.organisation import an_outgoing
from tests.fakes.sendgrid import KEY, Manner, SendGridFake, sendgrid_fake
from tests.fakes.smtp import SmtpFake, smtp_fake
from tests.patience import a_closed_port, until


@pytest.fixture
def sendgrid() -> Iterator[SendGridFake]:
    with sendgrid_fake() as fake:
        yield fake


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpFake]:
    async with smtp_fake() as fake:
        yield fake


def _channel(**settings: Any) -> EmailChannel:
    return EmailChannel(EmailSettings.model_validate({"sendgrid_timeout": 10, **settings}))


def _both(sendgrid: SendGridFake, smtp: SmtpFake, **more: Any) -> EmailChannel:
    where = {"sendgrid_base_url": sendgrid.url, "smtp_url": smtp.url}
    return _channel(sendgrid_api_key=KEY, **where, **more)


async def test_sendgrid_holds_key_text_and_html(sendgrid: SendGridFake) -> None:
    """The request holds our key and incident, text before HTML, and a sender with a name."""
    channel = _channel(
        sendgrid_api_key=KEY,
        sendgrid_base_url=sendgrid.url + "/",
        email_from="Tocsin <tocsin@example.com>",
    )
    await channel.send(an_outgoing())
    (body,) = sendgrid.accepted
    assert body["from"] == {"email": "tocsin@example.com", "name": "Tocsin"}
    assert [part["type"] for part in body["content"]] == ["text/plain", "text/html"]
    assert body["personalizations"] == [
        {
            "to": [{"email": "alice@example.com"}],
            "custom_args": {"idempotency_key": an_outgoing().key, "incident": "checkout-17"},
        }
    ]


async def test_a_page_by_mail_has_its_link_in_text_and_html(
    sendgrid: SendGridFake, smtp: SmtpFake
) -> None:
    """Both ways and both parts carry the link for acknowledging, escaped where it stands."""
    answer = ANSWER.model_copy(update={"url": "http://tocsin.test/answer/a?b=1&c=2"})
    html = "<html><body><p>Card payments are refused</p></body></html>"
    message = an_outgoing(answer=answer, html=html)
    await _channel(sendgrid_api_key=KEY, sendgrid_base_url=sendgrid.url).send(message)
    await _channel(smtp_url=smtp.url).send(message)
    text, page = (part["value"] for part in sendgrid.accepted[0]["content"])
    assert text.startswith("Card payments are refused\n")
    assert "Acknowledge checkout-17: http://tocsin.test/answer/a?b=1&c=2\n" in text
    assert '<a href="http://tocsin.test/answer/a?b=1&amp;c=2"' in page
    assert page.endswith("</body></html>")
    body = smtp.taken[0].get_body(("plain",))
    assert body is not None
    assert "http://tocsin.test/answer/a?b=1&c=2" in body.get_content()


def test_a_mail_without_an_answer_is_as_it_was() -> None:
    """Nothing is added to a message that nobody has to acknowledge."""
    assert with_answer(an_outgoing()) == an_outgoing()


async def test_a_wrong_key_is_unauthorised(sendgrid: SendGridFake) -> None:
    """A vendor that does not know us is not asked again."""
    channel = _channel(sendgrid_api_key="SG.wrong", sendgrid_base_url=sendgrid.url)
    with pytest.raises(DeliveryError) as caught:
        await channel.send(an_outgoing())
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.UNAUTHORISED, False)


async def test_smtp_carries_key_text_and_html(smtp: SmtpFake) -> None:
    """Without SendGrid the mail goes by SMTP, with our key in a header."""
    await _channel(smtp_url=smtp.url).send(an_outgoing(subject="Zahlung gestört 🔥"))
    (mail,) = smtp.taken
    assert mail["X-Tocsin-Key"] == an_outgoing().key
    assert mail["Subject"] == "Zahlung gestört 🔥"
    assert mail["Auto-Submitted"] == "auto-generated"
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip() == "Card payments are refused"
    assert mail.get_body(("html",)) is not None
    assert smtp.recipients == ["alice@example.com"]


@pytest.mark.parametrize("status", [429, 500, 401])
async def test_smtp_takes_over_when_sendgrid_cannot(
    sendgrid: SendGridFake, smtp: SmtpFake, status: int
) -> None:
    """A page goes out by SMTP while SendGrid is full, down or does not know us; the receipt says so."""
    sendgrid.status = status
    receipt = await _both(sendgrid, smtp).send(an_outgoing())
    assert "SendGrid failed" in receipt.detail
    assert len(smtp.taken) == 1


async def test_what_sendgrid_rejects_is_not_tried_elsewhere(
    sendgrid: SendGridFake, smtp: SmtpFake
) -> None:
    """A message that is wrong stays wrong."""
    sendgrid.status = 400
    with pytest.raises(DeliveryError, match="rejected"):
        await _both(sendgrid, smtp).send(an_outgoing())
    assert smtp.taken == []


async def test_a_hung_sendgrid_leaves_time_for_smtp(sendgrid: SendGridFake, smtp: SmtpFake) -> None:
    """A page whose SendGrid call hangs goes out by SMTP: a duplicate beats a miss."""
    sendgrid.mood = "hang"
    await _both(sendgrid, smtp, sendgrid_timeout=0.4).send(an_outgoing())
    assert len(smtp.taken) == 1


async def test_a_hundred_mails_that_hang_leave_room_for_the_next(
    sendgrid: SendGridFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SendGrid hangs over a hundred pages: the next one reaches it at once, not after their time."""
    monkeypatch.setattr("activities.channels.call_threads.LONGEST_SECONDS", 60.0)
    sendgrid.hang_seconds = 60.0
    sendgrid.manners["hangs@example.com"] = Manner(mood="hang")
    channel = _channel(sendgrid_api_key=KEY, sendgrid_base_url=sendgrid.url, sendgrid_timeout=60)
    hanging = [
        asyncio.create_task(channel.send(an_outgoing(to="hangs@example.com"))) for _ in range(100)
    ]
    await until(lambda: sendgrid.calls == 100)
    async with asyncio.timeout(30):
        await channel.send(an_outgoing())
    assert [call.to for call in sendgrid.log if call.is_accepted] == ["alice@example.com"]
    assert not any(task.done() for task in hanging), "they hang all the while"
    sendgrid.over.set()
    await asyncio.gather(*hanging, return_exceptions=True)
    await channel.aclose()


async def test_a_public_update_is_not_sent_a_second_way(
    sendgrid: SendGridFake, smtp: SmtpFake
) -> None:
    """Where SendGrid may have taken a public update, SMTP does not repeat it."""
    sendgrid.mood = "drop"
    with pytest.raises(AnswerLostError):
        await _both(sendgrid, smtp).send(an_outgoing(purpose=Purpose.EXTERNAL_UPDATE))
    assert smtp.taken == []


async def test_both_ways_down_is_told_of_both(sendgrid: SendGridFake) -> None:
    """The detail names both failures, and what may still succeed decides about the retry."""
    sendgrid.status, sendgrid.headers = 429, {"Retry-After": "5"}
    with a_closed_port() as port, pytest.raises(DeliveryError) as caught:
        await _channel(
            sendgrid_api_key=KEY,
            sendgrid_base_url=sendgrid.url,
            smtp_url=f"smtp://127.0.0.1:{port}",
        ).send(an_outgoing())
    assert caught.value.retryable
    assert "SendGrid" in caught.value.detail
    assert "SMTP" in caught.value.detail


@pytest.mark.parametrize(
    ("recipient", "data", "reason", "retryable"),
    [
        ("550 no such user", "250 OK", DeliveryReason.REJECTED, False),
        ("450 mailbox busy", "250 OK", DeliveryReason.SERVER_ERROR, True),
        ("250 OK", "554 spam", DeliveryReason.REJECTED, False),
        ("250 OK", "421 closing", DeliveryReason.SERVER_ERROR, True),
    ],
)
async def test_smtp_codes_are_sorted(
    smtp: SmtpFake, recipient: str, data: str, reason: DeliveryReason, retryable: bool
) -> None:
    """4xx may pass later, 5xx stays."""
    smtp.to_recipient, smtp.to_data = recipient, data
    with pytest.raises(DeliveryError) as caught:
        await _channel(smtp_url=smtp.url).send(an_outgoing())
    assert (caught.value.reason, caught.value.retryable) == (reason, retryable)


async def test_an_smtp_server_that_drops_may_have_delivered(smtp: SmtpFake) -> None:
    """A connection that ends after the text was handed over is uncertain."""
    smtp.mood = "drop"
    with pytest.raises(AnswerLostError) as caught:
        await _channel(smtp_url=smtp.url).send(an_outgoing())
    assert caught.value.reason is DeliveryReason.UNREACHABLE


async def test_an_smtp_server_that_hangs_is_given_up(
    smtp: SmtpFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hung SMTP server costs the timeout."""
    monkeypatch.setattr("activities.channels.email.SMTP_TIMEOUT_SECONDS", 0.3)
    smtp.mood = "hang"
    with pytest.raises(AnswerLostError) as caught:
        await _channel(smtp_url=smtp.url).send(an_outgoing())
    assert caught.value.reason is DeliveryReason.TIMED_OUT


async def test_a_refused_smtp_connection_is_unreachable() -> None:
    """Nobody listens: retried, and certainly not delivered."""
    with a_closed_port() as port, pytest.raises(DeliveryError) as caught:
        await _channel(smtp_url=f"smtp://127.0.0.1:{port}").send(an_outgoing())
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.UNREACHABLE, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "down\r\nBcc: everybody@example.com"},
        {"to": "alice@example.com\nBcc: everybody@example.com"},
        {"to": "alice@example.com, bob@example.com"},
        {"to": "alice"},
    ],
)
async def test_no_header_and_no_recipient_is_smuggled_in(
    smtp: SmtpFake, changes: dict[str, str]
) -> None:
    """A line end in a subject or an address is refused for good, and nothing leaves."""
    with pytest.raises(DeliveryError) as caught:
        await _channel(smtp_url=smtp.url).send(an_outgoing(**changes))
    assert (caught.value.reason, caught.value.retryable) == (DeliveryReason.REJECTED, False)
    assert smtp.taken == []


async def test_without_settings_nothing_is_configured() -> None:
    """A channel without settings says so instead of failing in the vendor's way."""
    channel = _channel()
    assert not channel.is_configured
    with pytest.raises(DeliveryError) as caught:
        await channel.send(an_outgoing())
    assert caught.value.reason is DeliveryReason.NOT_CONFIGURED


def test_channels_are_built_from_their_own_variables() -> None:
    """An empty variable counts as not set."""
    channels = build_channels({"SENDGRID_API_KEY": KEY, "SMTP_URL": "  ", "HOME": "/root"})
    assert channels["email"].is_configured
    assert not build_channels({"SENDGRID_API_KEY": ""})["email"].is_configured


def test_wrong_settings_are_named_without_their_values() -> None:
    """Every wrong variable is named, and no secret is in the message."""
    with pytest.raises(ChannelSettingsError) as caught:
        build_channels(
            {"SMTP_URL": "http://user:hunter2@host", "SENDGRID_TIMEOUT": "-1", "EMAIL_FROM": "a@b"}
        )
    assert "SMTP_URL" in str(caught.value)
    assert "SENDGRID_TIMEOUT" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.test", {"port": 25, "use_tls": False, "start_tls": None, "username": None}),
        ("smtp://a%40b:p%3Aw@mail.test", {"port": 587, "start_tls": True, "password": "p:w"}),
        ("smtps://a:p@mail.test", {"port": 465, "use_tls": True, "start_tls": False}),
        ("smtp://a:p@mail.test:25?starttls=never", {"port": 25, "start_tls": False}),
    ],
)
def test_a_password_is_not_sent_in_the_clear(url: str, expected: dict[str, Any]) -> None:
    """With a user, TLS is demanded unless it is turned off by name."""
    assert expected.items() <= smtp_options(url).items()


async def test_sendgrids_lists_hold_no_page_back(sendgrid: SendGridFake) -> None:
    """Who once bounced is paged all the same; an update obeys the lists. No link is led elsewhere."""
    channel = _channel(sendgrid_api_key=KEY, sendgrid_base_url=sendgrid.url)
    await channel.send(an_outgoing())
    await channel.send(an_outgoing(purpose=Purpose.INTERNAL_UPDATE))
    page, update = sendgrid.accepted
    assert page["mail_settings"] == {"bypass_list_management": {"enable": True}}
    assert "mail_settings" not in update
    assert page["tracking_settings"]["click_tracking"] == {"enable": False, "enable_text": False}
    assert sendgrid.refused == []


async def test_a_page_waits_for_its_receipt_where_sendgrid_posts_them(
    sendgrid: SendGridFake, smtp: SmtpFake
) -> None:
    """A bounce then brings the next contact; SMTP posts nothing, so nothing is waited for."""
    events = {"sendgrid_event_key": "MFkw"}
    assert (await _both(sendgrid, smtp, **events).send(an_outgoing())).awaits_receipt
    update = an_outgoing(purpose=Purpose.INTERNAL_UPDATE)
    assert not (await _both(sendgrid, smtp, **events).send(update)).awaits_receipt
    sendgrid.status = 503
    assert not (await _both(sendgrid, smtp, **events).send(an_outgoing())).awaits_receipt
