"""The channels, by name. A new one is a file here and a line in `CHANNELS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from activities.channels.base import Channel, ChannelSettings
from activities.channels.email import EmailChannel, EmailSettings


class Registered(NamedTuple):
    """A channel's class and its settings."""

    channel: Any
    """Called with the settings, makes a `Channel`."""
    settings: type[ChannelSettings]


CHANNELS: dict[str, Registered] = {
    "email": Registered(EmailChannel, EmailSettings),
}


class ChannelSettingsError(Exception):
    """A channel's settings are wrong: names the variables, never what stands in them."""


def build_channels(environment: Mapping[str, str]) -> dict[str, Channel]:
    """Every channel, set up from the variables that are its own (`ChannelSettings.variables`).

    Call it once for each worker: what a channel keeps open is not shared between queues.

    Raises:
        ChannelSettingsError: with every variable that is wrong.
    """
    built: dict[str, Channel] = {}
    wrong: list[str] = []
    for name, registered in CHANNELS.items():
        try:
            settings = registered.settings.from_environment(environment)
        except ValidationError as error:
            wrong += [f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
            continue
        built[name] = registered.channel(settings)
    if wrong:
        raise ChannelSettingsError("; ".join(wrong))
    return built
