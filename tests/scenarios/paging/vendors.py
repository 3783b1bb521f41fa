"""A running Tocsin that really sends: strict fakes of three vendors, and a list of all that they took.

A story ends with `everything(...)`: exactly these pages left, over these channels, and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from records.policy_file import read_policy
from records.policy_store import PolicyStore
from tests.fakes.ntfy import TOKEN as NTFY_TOKEN
from tests.fakes.ntfy import ntfy_fake
from tests.fakes.sendgrid import KEY, SendGridFake, sendgrid_fake
from tests.fakes.twilio import ACCOUNT, twilio_fake
from tests.fakes.twilio import TOKEN as TWILIO_TOKEN
from tests.fakes.vendor import Refusal, Request, Taken, VendorFake
from tests.world import World, a_world

SENT = ("sent", "delivered")
NUMBERS = {"alice": "+4915550001", "bob": "+4915550002", "carol": "+4915550003"}
WHO = {number: person for person, number in NUMBERS.items()}


ALONE: dict[str, Any] = {
    "bundle_window": "0s",
    "throttles": {"sms": [], "voice": [], "others": []},
}
"""Each page by itself: what bundles and throttles has stories of its own, `test_not_too_much.py`."""


def contact(channel: str, person: str, **fields: Any) -> dict[str, Any]:
    """One contact of a person, as the fakes take it."""
    to = {"email": f"{person}@example.com", "push": f"topic-{person}"}.get(channel)
    return {"channel": channel, "to": to or NUMBERS[person], **fields}


def a_policy(
    steps: list[dict[str, Any]], people: dict[str, dict[str, Any]] | None = None, **sections: Any
) -> dict[str, Any]:
    """Checkout, with alice, bob and carol reached by mail where nothing else is said."""
    known = {
        name: {"contacts": [contact("email", name)], **(people or {}).get(name, {})}
        for name in NUMBERS
    }
    policy = sections.pop("policy", {})
    whole = {
        "version": 1,
        "organisation": {"catch_all": ["person:carol"], "timezone": "Europe/Berlin"},
        "people": known,
        "teams": {"payments": {"members": ["alice", "bob"]}},
        "schedules": {"payments": {"rotations": [{"people": ["alice"], "starts": "2020-01-06"}]}},
        "escalation_policies": {"payments": {"repeat": 0, "steps": steps, **policy}},
        "services": {"checkout": {"name": "Checkout", "team": "payments"}},
        "limits": ALONE,
    }
    return whole | sections


def paging(*people: str, **fields: Any) -> dict[str, Any]:
    """One step."""
    return {"page": [f"person:{person}" for person in people], **fields}


@dataclass
class Vendors:
    """The fakes, and what pages are on record."""

    email: SendGridFake
    push: VendorFake
    twilio: VendorFake
    world: World = field(init=False)
    log: list[tuple[float, str, str]] = field(default_factory=list)
    """Monotonic seconds, channel and person of each request of Twilio and ntfy, taken or not."""

    def watch(self) -> None:
        """Note every request with its time."""
        self.push.check = self._noting(self.push.check, "push", lambda push: push["topic"][6:])
        self.twilio.check = self._noting(
            self.twilio.check, "sms", lambda form: WHO[form["To"]], lambda r: "Messages" in r.path
        )

    def _noting(
        self, check: Callable[[Request], Refusal | Taken], channel: str,
        person: Callable[[Any], str], is_it: Callable[[Request], bool] = lambda request: True,
    ) -> Callable[[Request], Refusal | Taken]:  # fmt: skip
        def noted(request: Request) -> Refusal | Taken:
            found = check(request)
            if isinstance(found, Taken):
                name = channel if is_it(request) else "voice"
                self.log.append((time.monotonic(), name, person(found.content)))
            return found

        return noted

    def pages(self) -> list[tuple[str, str]]:
        """(person, channel) of every page that left, oldest first."""
        sent = [m for m in self.world.outbox("page") if m["state"] in SENT]
        return [(m["idempotency_key"].split("/")[4], m["channel"]) for m in sent]

    def everything(self, *pages: tuple[str, str]) -> None:
        """Exactly these pages left; what the vendors took is what is on record; nothing was refused."""
        assert self.pages() == list(pages)
        self.nothing_else()

    def nothing_else(self) -> None:
        """No vendor took a message that is not on record, and none refused one."""
        left = [m for m in self.world.outbox() if m["state"] in SENT]
        assert len(self.email.accepted) == len([m for m in left if m["channel"] == "email"])
        assert len(self.push.accepted) == len([m for m in left if m["channel"] == "push"])
        phone = [m for m in left if m["channel"] in ("sms", "voice")]
        assert len(self.twilio.accepted) == len(phone)
        assert self.email.refused == self.push.refused == self.twilio.refused == []


@asynccontextmanager
async def vendors_and_world(
    data: Path, policy: dict[str, Any], *, skipping: bool = True,
    environment: dict[str, str] | None = None, **options: Any,
) -> AsyncIterator[tuple[World, Vendors]]:  # fmt: skip
    """A Tocsin with that policy, in virtual time or, with `skipping=False`, in real time."""
    file = data / "policy.yaml"
    file.write_text(yaml.safe_dump(policy), encoding="utf-8")
    async with AsyncExitStack() as stack:
        vendors = Vendors(
            stack.enter_context(sendgrid_fake()),
            stack.enter_context(ntfy_fake()),
            stack.enter_context(twilio_fake()),
        )
        vendors.watch()
        settings = {
            "TOCSIN_DELIVERY": "live",
            "EMAIL_FROM": "tocsin@example.com",
            "SENDGRID_API_KEY": KEY,
            "SENDGRID_BASE_URL": vendors.email.url,
            "NTFY_BASE_URL": vendors.push.url,
            "NTFY_TOKEN": NTFY_TOKEN,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
            "TWILIO_FROM": "+15550100",
            "TWILIO_BASE_URL": vendors.twilio.url,
            **(environment or {}),
        }
        vendors.world = await stack.enter_async_context(
            a_world(data / "data", skipping=skipping, policy=file, environment=settings, **options)
        )
        yield vendors.world, vendors


async def facts(world: World, incident: str, name: str, count: int = 1) -> list[dict[str, Any]]:
    """The facts of a name, once there are as many, and then no more."""

    async def look() -> list[dict[str, Any]]:
        found = await world.facts(incident, name)
        return found if len(found) >= count else []

    found: list[dict[str, Any]] = await world.eventually(look, within=30)
    assert len(found) == count, [entry["text"] for entry in found]
    return found


def adopt(world: World, folder: Path, policy: dict[str, Any]) -> None:
    """Another policy is in force from now on."""
    file = folder / "another.yaml"
    file.write_text(yaml.safe_dump(policy), encoding="utf-8")
    PolicyStore(world.data).adopt(read_policy(file))
