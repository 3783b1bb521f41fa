"""Who may subscribe with what, when nobody waits for them any more, and what is shown of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.subscribers import (
    MOST_INVITES,
    Subscriber,
    SubscriberKind,
    SubscriberState,
    Told,
    clean_address,
    counted,
    masked,
    shown,
)

NOW = datetime(2026, 11, 24, 14, 7, tzinfo=UTC)
EMAIL, SMS, WEBHOOK = SubscriberKind.EMAIL, SubscriberKind.SMS, SubscriberKind.WEBHOOK


def a_subscriber(**changes: object) -> Subscriber:
    data = {"id": "s1", "kind": "email", "address": "kim@example.com", "created_at": NOW}
    return Subscriber.model_validate(data | changes)


@pytest.mark.parametrize(
    ("kind", "text", "kept"),
    [
        (EMAIL, " Kim.Lee+x@Example.COM ", "Kim.Lee+x@example.com"),
        (EMAIL, "kim@sub-domain.example.co.uk", "kim@sub-domain.example.co.uk"),
        (SMS, "+49 (1555) 000-1", "+4915550001"),
        (WEBHOOK, "https://hooks.example.com/a?b=1#part", "https://hooks.example.com/a?b=1"),
    ],
)
def test_one_address_is_written_one_way(kind: SubscriberKind, text: str, kept: str) -> None:
    """Blanks, capital letters of a domain and the part behind # make no second subscriber."""
    assert clean_address(kind, text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "", "kim", "kim@", "@example.com", "kim@localhost", "kim@example.com, all@example.com",
        "kim@example.com\r\nBcc: all@example.com", "kim@example.com\x00", "Kim <kim@example.com>",
        '"kim@evil.example" <kim@example.com>', "kim@example.com>", "kim @example.com", ".kim@example.com",
        "kim..lee@example.com", "kim.@example.com", "kim@-example.com", "kim@exa_mple.com", "kim@[127.0.0.1]",
        "kim@example.com\u202e", "kim@ex\u0430mple.com", "kim@example.com;all@example.com",
        "a" * 65 + "@example.com", "kim@" + "a" * 250 + ".com", "kim@@example.com", "kim@example.com.",
        "=cmd|' /C calc'!A0@example", "kim%0d%0aBcc:x@example.com ", "<script>@example.com",
        "=?utf-8?q?kim=2c_all=40example.com?=@example.com",
    ],
)  # fmt: skip
def test_what_is_no_plain_mail_address_is_none(text: str) -> None:
    """No second recipient, no header, no name beside it, no letter that looks like another."""
    found = clean_address(EMAIL, text)
    assert found is None or set(found) <= set(text.strip()) - set('\r\n<>,;" ')
    assert found is None or "%0d" in text


@pytest.mark.parametrize(
    "text",
    [
        "", "ftp://example.com", "https://", "https://user:pass@example.com/", "javascript:alert(1)",
        "https://example.com:99999/", "https://exa mple.com/", "https://example.com/\r\nX: y",
        "//example.com",
        "https://example.com/" + "a" * 1000, "file:///etc/passwd",
    ],
)  # fmt: skip
def test_what_is_no_web_address_is_none(text: str) -> None:
    """Where one leads to is asked later; what is none is refused at once."""
    assert clean_address(WEBHOOK, text) is None


@pytest.mark.parametrize("text", ["", "0155501", "+0123456", "+1", "+123456789012345678", "+49abc"])
def test_what_is_no_number_is_none(text: str) -> None:
    """Numbers are international."""
    assert clean_address(SMS, text) is None


def test_who_has_not_confirmed_hears_nothing() -> None:
    """Only a confirmed subscriber is told, of all components or of those they chose."""
    assert not a_subscriber().hears("c1")
    assert not a_subscriber(state="gone").hears("c1")
    everything = a_subscriber(state="active")
    chosen = a_subscriber(state="active", components=["c1"])
    assert (everything.hears("c1"), everything.hears("c2")) == (True, True)
    assert (chosen.hears("c1"), chosen.hears("c2")) == (True, False)


def test_nobody_is_asked_for_ever() -> None:
    """Three messages at most, none after 48 hours, none to an address that is gone."""
    at = NOW + timedelta(hours=47, minutes=59)
    assert a_subscriber().may_be_invited(at)
    assert not a_subscriber(invites=MOST_INVITES).may_be_invited(at)
    assert not a_subscriber().may_be_invited(NOW + timedelta(hours=48))
    assert not a_subscriber(state=SubscriberState.GONE).may_be_invited(at)
    assert a_subscriber().is_overdue(NOW + timedelta(hours=48))


@pytest.mark.parametrize(
    ("kind", "address", "seen"),
    [
        (EMAIL, "kim@example.com", "k…@example.com"),
        (SMS, "+4915550001", "+49…01"),
        (WEBHOOK, "https://hooks.example.com/secret", "https://hooks.example.com/…"),
        (WEBHOOK, "http://hooks.internal:8443/secret", "http://hooks.internal/…"),
    ],
)
def test_an_address_is_shown_in_part(kind: SubscriberKind, address: str, seen: str) -> None:
    """Enough to know it again, not enough to write to."""
    assert masked(kind, address) == seen
    (row,) = shown([a_subscriber(kind=kind, address=address)])
    assert address not in str(row)


def test_what_became_of_an_update_is_one_sentence() -> None:
    """It counts who has it, who has not and why, and who may have it."""
    counts = {Told.SENT: 400, Told.DELIVERED: 98, Told.FAILED: 2}
    assert (
        counted(counts, {"bounced": 1, "rejected": 1})
        == "498 sent, 2 failed (bounced 1, rejected 1)"
    )
    said = counted({Told.SENT: 1, Told.UNCERTAIN: 2, Told.WAITING: 3, Told.SENDING: 1}, {})
    assert said == "1 sent, 2 uncertain: they may have it, and it is not sent again, 4 not yet"
