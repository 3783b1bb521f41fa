"""One text for many addresses: few calls, an outcome for each, and nobody has it twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from activities.channels.base import AnswerLostError, Receipt
from activities.channels.email import EmailChannel, EmailSettings
from activities.channels.mail_headers import BulkMail
from activities.mailing import A_CALL, send_to_many
from domain.errors import DeliveryError, DeliveryReason
from domain.messages import Purpose
from tests.fakes.organisation import an_outgoing
from tests.fakes.sendgrid import KEY, SendGridFake, sendgrid_fake
from tests.fakes.smtp import SmtpFake, smtp_fake


@pytest.fixture
def sendgrid() -> Iterator[SendGridFake]:
    with sendgrid_fake() as fake:
        yield fake


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpFake]:
    async with smtp_fake() as fake:
        yield fake


def mailer(fake: SendGridFake | None, **settings: Any) -> EmailChannel:
    mine = {"sendgrid_api_key": KEY, "sendgrid_base_url": fake.url} if fake else {}
    return EmailChannel(EmailSettings.model_validate({"sendgrid_timeout": 10, **mine, **settings}))


def mails(count: int, **changes: Any) -> list[BulkMail]:
    """The same text for so many, each with a link of their own."""
    return [
        BulkMail.model_validate(
            an_outgoing(
                key=f"checkout-17/update/external/3/s{n}",
                to=f"reader{n}@example.com",
                purpose=Purpose.EXTERNAL_UPDATE,
                text="We look into it. Leave: %leave%",
                html="<p>We look into it. <a href='%leave%'>Leave</a></p>",
            ).model_dump()
            | {
                "unsubscribe_url": f"https://tocsin.test/out/{n}",
                "marks": {"%leave%": f"https://tocsin.test/manage/{n}"},
            }
            | changes
        )
        for n in range(count)
    ]


def sent(outcomes: dict[str, Any]) -> list[str]:
    return [key for key, one in outcomes.items() if isinstance(one, Receipt)]


async def test_many_leave_in_a_few_calls(sendgrid: SendGridFake) -> None:
    """Each has their own link, their own way out and their own key; nobody sees the others."""
    outcomes = await send_to_many(mailer(sendgrid), mails(250))
    assert len(sent(outcomes)) == 250
    assert sendgrid.calls == -(-250 // A_CALL)
    assert sendgrid.refused == []
    people = [one for body in sendgrid.accepted for one in body["personalizations"]]
    assert all(len(one["to"]) == 1 for one in people)
    seven = next(one for one in people if one["to"][0]["email"] == "reader7@example.com")
    assert seven["substitutions"] == {"%leave%": "https://tocsin.test/manage/7"}
    assert seven["headers"]["List-Unsubscribe"] == "<https://tocsin.test/out/7>"
    assert seven["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert seven["custom_args"]["idempotency_key"] == "checkout-17/update/external/3/s7"
    assert len({one["headers"]["References"] for one in people}) == 1
    assert len({one["headers"]["Message-ID"] for one in people}) == 250


@pytest.mark.parametrize("speechless", [False, True])
async def test_a_bad_address_does_not_take_the_others_with_it(
    sendgrid: SendGridFake, speechless: bool
) -> None:
    """Those that SendGrid refuses a call for fail, whether it names them or not; all others have it once."""
    sendgrid.bad, sendgrid.speechless = {"reader17@example.com", "reader63@example.com"}, speechless
    outcomes = await send_to_many(mailer(sendgrid), mails(100))
    failed = {key for key, one in outcomes.items() if isinstance(one, DeliveryError)}
    assert failed == {f"checkout-17/update/external/3/s{n}" for n in (17, 63)}
    assert sorted(call.to for call in sendgrid.log if call.is_accepted) == sorted(
        f"reader{n}@example.com" for n in range(100) if n not in (17, 63)
    )


async def test_what_would_smuggle_something_in_is_sorted_out_before(sendgrid: SendGridFake) -> None:
    """A second recipient or a line end fails by itself, and the vendor never sees it."""
    hostile = [
        one.model_copy(update={"to": to})
        for one, to in zip(
            mails(5),
            ["a@example.com\r\nBcc: x@example.com", "a@example.com, b@example.com", "A <a@example.com>",
             "a\u202e@example.com", "a@example.com\u200b"],
            strict=True,
        )
    ]  # fmt: skip
    fine = mails(6)[5:]
    outcomes = await send_to_many(mailer(sendgrid), [*hostile, *fine])
    assert sent(outcomes) == ["checkout-17/update/external/3/s5"]
    assert [call.to for call in sendgrid.log] == ["reader5@example.com"]


async def test_a_lost_answer_is_told_and_nothing_is_repeated(sendgrid: SendGridFake) -> None:
    """Taken, and nobody heard: all of that call may have it, and none gets it again."""
    sendgrid.mood = "accept_then_drop"
    outcomes = await send_to_many(mailer(sendgrid), mails(30))
    assert all(isinstance(one, AnswerLostError) for one in outcomes.values())
    assert sendgrid.calls == 1


async def test_smtp_stands_by(sendgrid: SendGridFake, smtp: SmtpFake) -> None:
    """While SendGrid certainly takes nothing, each mail goes by SMTP, with its links filled in."""
    sendgrid.status = 503
    outcomes = await send_to_many(mailer(sendgrid, smtp_url=smtp.url), mails(5))
    assert len(sent(outcomes)) == 5
    assert sorted(smtp.recipients) == [f"reader{n}@example.com" for n in range(5)]
    first = next(mail for mail in smtp.taken if mail["To"] == "reader0@example.com")
    assert first["List-Unsubscribe"] == "<https://tocsin.test/out/0>"
    body = first.get_body(("plain",))
    assert body is not None
    assert "https://tocsin.test/manage/0" in body.get_content()


async def test_smtp_alone_takes_them_one_by_one(smtp: SmtpFake) -> None:
    """Without SendGrid each is a mail of its own, and one that is refused fails by itself."""
    outcomes = await send_to_many(mailer(None, smtp_url=smtp.url), mails(25))
    assert len(sent(outcomes)) == len(smtp.taken) == 25


async def test_a_vendor_that_points_at_nobody_is_not_asked_for_ever() -> None:
    """A refusal about a place that the call does not have ends, with an outcome for each."""

    class Confused:
        takes_many, has_second_way = True, False
        calls = 0

        def check(self, message: BulkMail) -> None:
            """Nothing is wrong with it."""

        async def send(self, message: BulkMail) -> Receipt:
            raise AssertionError

        async def send_many(self, messages: Sequence[BulkMail]) -> Receipt:
            from activities.channels.sendgrid_client import RefusedPartError

            self.calls += 1
            raise RefusedPartError("no", [999])

    confused = Confused()
    outcomes = await send_to_many(confused, mails(8))
    assert all(one.reason is DeliveryReason.REJECTED for one in outcomes.values())  # type: ignore[union-attr]
    assert confused.calls == 15
