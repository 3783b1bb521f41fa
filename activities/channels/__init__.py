"""The channels, by name. A new one is a file here and a line in `CHANNELS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from activities.channels.apprise import AppriseChannel, AppriseSettings
from activities.channels.base import Channel, ChannelSettings
from activities.channels.bluesky import BlueskyChannel, BlueskySettings
from activities.channels.email import EmailChannel, EmailSettings
from activities.channels.mastodon import MastodonChannel, MastodonSettings
from activities.channels.ntfy import NtfyChannel, NtfySettings
from activities.channels.slack import SlackChannel, SlackSettings
from activities.channels.sms import SmsChannel, SmsSettings
from activities.channels.statuspage import StatuspageChannel, StatuspageSettings
from activities.channels.voice import VoiceChannel, VoiceSettings
from activities.channels.webhook import WebhookChannel, WebhookSettings
from activities.channels.x import XChannel, XSettings


class Registered(NamedTuple):
    """A channel's class and its settings."""

    channel: Any
    """Called with the settings, makes a `Channel`."""
    settings: type[ChannelSettings]


CHANNELS: dict[str, Registered] = {
    "email": Registered(EmailChannel, EmailSettings),
    "sms": Registered(SmsChannel, SmsSettings),
    "voice": Registered(VoiceChannel, VoiceSettings),
    "ntfy": Registered(NtfyChannel, NtfySettings),
    "slack": Registered(SlackChannel, SlackSettings),
    "apprise": Registered(AppriseChannel, AppriseSettings),
    "webhook": Registered(WebhookChannel, WebhookSettings),
    "mastodon": Registered(MastodonChannel, MastodonSettings),
    "bluesky": Registered(BlueskyChannel, BlueskySettings),
    "x": Registered(XChannel, XSettings),
    "statuspage": Registered(StatuspageChannel, StatuspageSettings),
}
ALIASES = {"push": "ntfy"}
"""Names that a contact may use, by the channel that they stand for: whoever changes the app for push
messages does not have to change everybody's contacts."""


class ChannelSettingsError(Exception):
    """A channel's settings are wrong: names the variables, never what stands in them."""


def read_settings(environment: Mapping[str, str]) -> dict[str, ChannelSettings]:
    """Each channel's settings, from the variables that are its own (`ChannelSettings.variables`).

    Raises:
        ChannelSettingsError: with every variable that is wrong.
    """
    found: dict[str, ChannelSettings] = {}
    wrong: dict[str, None] = {}
    for name, registered in CHANNELS.items():
        try:
            found[name] = registered.settings.from_environment(environment)
        except ValidationError as error:
            for item in error.errors():
                said = item["msg"].removeprefix("Value error, ")
                wrong[f"{str(item['loc'][0]).upper()}: {said}"] = None
    if wrong:
        raise ChannelSettingsError("; ".join(wrong))
    return found


def build_channels(environment: Mapping[str, str]) -> dict[str, Channel]:
    """Every channel, set up from the environment.

    Call it once for each worker: what a channel keeps open is not shared between queues.

    Raises:
        ChannelSettingsError: with every variable that is wrong.
    """
    settings = read_settings(environment)
    return {name: CHANNELS[name].channel(settings[name]) for name in CHANNELS}
