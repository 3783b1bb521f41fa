"""The headers of a mail: one thread for each incident, and nothing that somebody smuggled in."""

from __future__ import annotations

from email.policy import SMTP
from typing import Any

import pytest

from activities.channels.base import Outgoing
from activities.channels.email import EmailSettings, as_mail
from activities.channels.mail_headers import BulkMail, check_headers, headers_of
from domain.errors import DeliveryError
from domain.messages import Purpose
from tests.fakes.organisation import an_outgoing

SENDER = "Tocsin <tocsin@example.com>"
OUTSIDE = Purpose.EXTERNAL_UPDATE


def bulk(message: Outgoing, **changes: Any) -> BulkMail:
    data = message.model_dump() | {"unsubscribe_url": "https://tocsin.test/out/1"} | changes
    return BulkMail.model_validate(data)


def test_mails_of_an_incident_are_one_thread() -> None:
    """They refer to the same first one; each has an id of its own, and a repeat has the same."""
    first, second = (an_outgoing(key=f"checkout-17/update/internal/{n}") for n in (1, 2))
    other = an_outgoing(incident="search-3", key="search-3/update/internal/1")
    said, then, elsewhere = (headers_of(one, SENDER) for one in (first, second, other))
    assert said["References"] == said["In-Reply-To"] == then["References"]
    assert said["References"] != elsewhere["References"]
    assert said["Message-ID"] != then["Message-ID"]
    assert said["Message-ID"] == headers_of(first, SENDER)["Message-ID"]
    assert said["Message-ID"].endswith("@example.com>")


def test_outside_nothing_tells_what_it_is_called_inside() -> None:
    """No id, no key and no number of ours stands in a mail for the public."""
    key = "checkout-17/update/external/3/audience:press/0"
    message = an_outgoing(purpose=OUTSIDE, key=key, subject="Issues with payments")
    mail = as_mail(message, SENDER)
    assert "checkout" not in str(mail).lower()
    assert "checkout-17" in str(headers_of(an_outgoing(), SENDER))


def test_a_text_for_many_says_how_to_leave() -> None:
    """RFC 8058: one request without asking back; a mail to a colleague has no such header."""
    headers = headers_of(bulk(an_outgoing(purpose=OUTSIDE)), SENDER)
    assert headers["List-Unsubscribe"] == "<https://tocsin.test/out/1>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe" not in headers_of(an_outgoing(), SENDER)
    with pytest.raises(DeliveryError):
        headers_of(bulk(an_outgoing(), unsubscribe_url="https://x/>\r\nBcc: a@example.com"), SENDER)


def test_long_links_and_ids_are_sent_as_they_are() -> None:
    """Longer than a line they are no encoded words: nobody could leave, and no thread would hold together."""
    link = f"https://status.example.com/status/subscribe/leave/{'a' * 60}.{'b' * 40}"
    sender = f"tocsin@{'incidents.' * 6}example.com"
    message = bulk(an_outgoing(key="checkout-17/" + "k" * 90), unsubscribe_url=link)
    sent = as_mail(message, sender).as_bytes(policy=SMTP).decode("ascii")
    for name, value in headers_of(message, sender).items():
        assert f"\r\n{name}: {value}\r\n" in f"\r\n{sent}"
    assert "=?" not in sent


def test_marks_become_the_readers_own_links() -> None:
    """In text and HTML; a mark that nobody fills stays what it is."""
    mail = bulk(
        an_outgoing(text="Go %a%", html="<a href='%a%'>%b%</a>"), marks={"%a%": "https://x"}
    )
    assert (mail.filled().text, mail.filled().html) == (
        "Go https://x",
        "<a href='https://x'>%b%</a>",
    )


HOSTILE = (
    "\r\nBcc: all@example.com", "\nBcc: all@example.com", "\rX-Evil: 1", "\x00", "\x0b", "\x0c", "\x1b[2J",
    "\x85Bcc: all@example.com", "\u2028Bcc: all@example.com", "\u2029", "\x7f", "\x1f", "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("field", ["subject", "to", "sender"])
def test_no_header_is_smuggled_in(text: str, field: str) -> None:
    """A line end of any kind in a subject, an address or the sender: refused for good."""
    message, sender = an_outgoing(), SENDER
    if field == "sender":
        sender = f"Tocsin{text} <tocsin@example.com>"
    else:
        message = message.model_copy(update={field: f"{getattr(message, field)}{text}x"})
    with pytest.raises(DeliveryError) as caught:
        check_headers(message, sender)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "to",
    [
        '"boss@example.com" <evil@example.com>', "boss@example.com <evil@example.com>",
        "a@example.com,b@x.org", "a@example.com;b@x.org", "a@example.com b@x.org", "<a@example.com>",
        "a@b@example.com", "a\u202eb@example.com", "a@example.com\u200b", "a@exa\u00a0mple.com",
        "(x)a@example.com", "a@[127.0.0.1]", 'a"b@example.com', "",
    ],
    ids=ascii,
)  # fmt: skip
def test_an_address_is_one_and_poses_as_no_other(to: str) -> None:
    """No name beside it, no second one, nothing that is not seen."""
    with pytest.raises(DeliveryError, match="address"):
        check_headers(an_outgoing(to=to), SENDER)


def test_europe_is_one_word() -> None:
    """The region chooses the host, unless one is named."""
    urls = [
        EmailSettings.from_environment(given).sendgrid_url
        for given in (
            {},
            {"SENDGRID_REGION": "eu"},
            {"SENDGRID_REGION": "eu", "SENDGRID_BASE_URL": "http://127.0.0.1:9"},
        )
    ]
    assert urls == ["https://api.sendgrid.com", "https://api.eu.sendgrid.com", "http://127.0.0.1:9"]
