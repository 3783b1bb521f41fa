"""People as the policy knows them: how each is reached, and when."""

from __future__ import annotations

from pydantic import Field

from domain.policy.base import Strict


class Contact(Strict):
    channel: str
    to: str = Field(min_length=1, max_length=320)


class Person(Strict):
    name: str = ""
    timezone: str | None = None
    contacts: list[Contact] = []
