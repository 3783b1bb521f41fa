"""Contacts that refer to a secret instead of holding it: `env:NAME` and `file:PATH`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import PrivateAttr

from activities.channels.base import HttpSettings
from domain.errors import DeliveryError, DeliveryReason


class ReferringSettings(HttpSettings):
    """Base of the settings of a channel whose contacts may be references."""

    _environment: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        made = super().from_environment(environment)
        made._environment = dict(environment)  # contacts refer to it: `env:ALICE_DISCORD`
        return made

    def resolve(self, to: str) -> str:
        """The URL behind a contact: itself, or what `env:NAME` or `file:PATH` holds. Blocking.

        Raises:
            DeliveryError: the reference leads nowhere; what was found there is not told.
        """
        kind, _, name = to.partition(":")
        if kind == "env":
            found = self._environment.get(name, "").strip()
            if not found:
                raise unset(f"the contact's variable {name} is not set for the worker")
            return found
        if kind == "file":
            try:
                found = Path(name).read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                raise unset(
                    f"the contact's file {name} cannot be read: {type(error).__name__}"
                ) from None
            if not found:
                raise unset(f"the contact's file {name} is empty")
            return found
        return to


def unset(detail: str) -> DeliveryError:
    """Something that the channel needs is not set up: it fails for good."""
    return DeliveryError(DeliveryReason.NOT_CONFIGURED, detail, retryable=False)
