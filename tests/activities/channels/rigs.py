"""Every channel in front of a fake of its vendor. A new channel gets an entry in `RIGS`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import pytest

from activities.channels import CHANNELS
from activities.channels.base import Answer, AnswerLostError, Channel, Outgoing
from domain.errors import DeliveryError
from domain.messages import Purpose
from domain.spoken_update import SpokenUpdate
from domain.updates import Audience, UpdateStatus
from tests.fakes import (
    apprise_target,
    bluesky,
    mastodon,
    ntfy,
    sendgrid,
    slack,
    statuspage,
    twilio,
    webhook,
    x,
)
from tests.fakes.organisation import NOW, an_outgoing

LINK = "http://tocsin.test/answer/TOKEN-of-alice"
ANSWER = Answer(
    url=LINK,
    code="checkout-17",
    token="TOKEN-of-alice",
    receipt_url="http://tocsin.test/answer/receipt/TOKEN-of-alice",
    voice_url="http://tocsin.test/answer/voice/TOKEN-of-alice",
)
SECONDS = 10.0
"""Timeout of a channel whose vendor is to answer: long enough for the slowest machine."""
IMPATIENT_SECONDS = 0.4
"""Of one whose vendor hangs on purpose."""


async def given_up(send: Callable[[], Awaitable[Any]], fake: Any) -> DeliveryError:
    """The error of a call that the vendor has: one during which the machine stood still is made again."""
    for _ in range(3):
        with pytest.raises(DeliveryError) as caught:
            await send()
        if isinstance(caught.value, AnswerLostError) or fake.calls:
            break
    return caught.value


class Rig(NamedTuple):
    """How one channel is set up before its fake."""

    fake: Callable[[], AbstractContextManager[Any]]
    settings: Callable[[str], dict[str, Any]]
    """For a vendor at an address."""
    to: Callable[[str], str]
    """A contact's address, for a vendor at an address."""
    secret: str
    wrong_secret: dict[str, Any]
    """Settings with a key that the vendor does not know; empty where it stands in the contact."""
    names_its_messages: bool = True
    """Whether a success without an id of the vendor's is none."""


def _twilio(url: str) -> dict[str, Any]:
    return {
        "twilio_account_sid": twilio.ACCOUNT,
        "twilio_auth_token": twilio.TOKEN,
        "twilio_from": twilio.OURS,
        "twilio_base_url": url,
        "twilio_timeout": SECONDS,
    }


def _always(value: str) -> Callable[[str], str]:
    return lambda url: value


RIGS: dict[str, Rig] = {
    "email": Rig(
        sendgrid.sendgrid_fake,
        lambda url: {
            "sendgrid_api_key": sendgrid.KEY,
            "sendgrid_base_url": url,
            "sendgrid_timeout": SECONDS,
        },
        _always("alice@example.com"),
        sendgrid.KEY,
        {"sendgrid_api_key": "SG.wrong"},
        names_its_messages=False,
    ),
    "sms": Rig(
        twilio.twilio_fake,
        _twilio,
        _always("+4915550001"),
        twilio.TOKEN,
        {"twilio_auth_token": "wrong"},
    ),
    "voice": Rig(
        twilio.twilio_fake,
        _twilio,
        _always("+4915550001"),
        twilio.TOKEN,
        {"twilio_auth_token": "wrong"},
    ),
    "ntfy": Rig(
        ntfy.ntfy_fake,
        lambda url: {
            "ntfy_base_url": url,
            "ntfy_token": ntfy.TOKEN,
            "ntfy_timeout": SECONDS,
        },
        _always("alice-k7Qz3w"),
        ntfy.TOKEN,
        {"ntfy_token": "tk_wrong"},
    ),
    "slack": Rig(
        slack.slack_fake,
        lambda url: {
            "slack_bot_token": slack.TOKEN,
            "slack_base_url": url,
            "slack_timeout": SECONDS,
        },
        _always("U02ABCDEF"),
        slack.TOKEN,
        {"slack_bot_token": "xoxb-wrong"},
    ),
    "apprise": Rig(
        apprise_target.apprise_target,
        lambda url: {"apprise_schemas": "json", "apprise_timeout": SECONDS},
        apprise_target.contact_url,
        apprise_target.PASSWORD,
        {},
        names_its_messages=False,
    ),
    "webhook": Rig(
        webhook.webhook_fake,
        lambda url: {
            "webhook_signing_key": webhook.KEY,
            "webhook_timeout": SECONDS,
            "tocsin_egress_allow": "127.0.0.1,vendor.test",
        },
        lambda url: url + webhook.PATH,
        webhook.KEY,
        {"webhook_signing_key": "another-webhook-signing-key-0123456789"},
        names_its_messages=False,
    ),
    "mastodon": Rig(
        mastodon.mastodon_fake,
        lambda url: {
            "mastodon_base_url": url,
            "mastodon_token": mastodon.TOKEN,
            "mastodon_timeout": SECONDS,
        },
        _always("@status@social.example"),
        mastodon.TOKEN,
        {"mastodon_token": "wrong"},
    ),
    "bluesky": Rig(
        bluesky.bluesky_fake,
        lambda url: {
            "bluesky_base_url": url,
            "bluesky_handle": bluesky.HANDLE,
            "bluesky_app_password": bluesky.PASSWORD,
            "bluesky_timeout": SECONDS,
        },
        _always("@status.example.com"),
        bluesky.PASSWORD,
        {"bluesky_app_password": "wrong"},
    ),
    "x": Rig(
        x.x_fake,
        lambda url: {**x.KEYS, "x_base_url": url, "x_timeout": SECONDS},
        _always("@example_status"),
        x.KEYS["x_consumer_secret"],
        {"x_access_secret": "wrong"},
    ),
    "statuspage": Rig(
        statuspage.statuspage_fake,
        lambda url: {
            "statuspage_api_key": statuspage.KEY,
            "statuspage_base_url": url,
            "statuspage_timeout": SECONDS,
            "statuspage_pace": 0,
        },
        _always(statuspage.PAGE),
        statuspage.KEY,
        {"statuspage_api_key": "wrong"},
    ),
}


def an_update(**changes: Any) -> SpokenUpdate:
    """What the outside is told of checkout-17, by default."""
    data = {
        "incident": "checkout-17",
        "number": 2,
        "side": Audience.EXTERNAL,
        "variant": "follow_up",
        "service": "checkout",
        "service_name": "Checkout",
        "title": "Working on issues with Checkout",
        "text": "Some payments by card fail. We have found the cause.",
        "status": UpdateStatus.IDENTIFIED,
        "severity": "SEV1",
        "at": NOW,
        "next_update_at": NOW,
        "url": "https://status.example.com",
    }
    return SpokenUpdate.model_validate(data | changes)


class Bench:
    """A channel under test: its fake, and messages for it.

    Args:
        url: where the channel believes its vendor to be, if not at the fake.
    """

    def __init__(self, name: str, fake: Any, url: str = "", **settings: Any) -> None:
        self.name, self.fake, self.rig = name, fake, RIGS[name]
        self._url = url or fake.url
        self._updates = 1
        registered = CHANNELS[name]
        self._wanted = self.rig.settings(self._url) | settings
        self.channel: Channel = registered.channel(registered.settings.model_validate(self._wanted))

    async def lose_patience(self) -> None:
        """Set the channel up anew, with a timeout for a vendor that hangs on purpose."""
        await self.channel.aclose()
        registered = CHANNELS[self.name]
        wanted = self._wanted | {
            name: IMPATIENT_SECONDS for name in self._wanted if name.lower().endswith("_timeout")
        }
        self.channel = registered.channel(registered.settings.model_validate(wanted))

    def message(self, **changes: Any) -> Outgoing:
        """A page; for a channel that is not fit for one, an update for the outside."""
        self._updates += (
            1  # each is an update of its own: one that is public already is not sent again
        )
        own: dict[str, Any] = {"channel": self.name, "to": self.rig.to(self._url)}
        if self.channel.capabilities.pages:
            own["answer"] = ANSWER
        else:
            own |= {"purpose": Purpose.EXTERNAL_UPDATE, "update": an_update(number=self._updates)}
        return an_outgoing(**own | changes)

    async def aclose(self) -> None:
        """Close what the channel keeps open."""
        await self.channel.aclose()
