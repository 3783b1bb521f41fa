"""One running Tocsin that sends for real to fakes of three vendors, and people who fare as their names say.

A person is paged by mail first and by push where the mail fails; the mail vendor treats each address
in its own manner. Times are monotonic seconds of this machine.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from starter.event_loop import THREADS
from tests.fakes.ntfy import TOKEN as NTFY_TOKEN
from tests.fakes.ntfy import ntfy_fake
from tests.fakes.sendgrid import KEY, Call, SendGridFake, sendgrid_fake
from tests.fakes.twilio import ACCOUNT, OURS, twilio_fake
from tests.fakes.twilio import TOKEN as TWILIO_TOKEN
from tests.fakes.vendor import Refusal, Request, Taken, VendorFake
from tests.world import World, a_world

PHONE_HOST, PUSH_HOST, MAIL_HOST = "phone.vendor.test", "push.vendor.test", "mail.vendor.test"
"""Resolved by `Resolver` only: the machine's own names are left alone."""

Ladder = list[tuple[list[str], str]]
"""Whom a step pages, and how long after the one before."""


def mail(person: str) -> dict[str, Any]:
    return {"channel": "email", "to": f"{person}@example.com"}


def push(person: str) -> dict[str, Any]:
    return {"channel": "push", "to": f"topic-{person}"}


def a_policy(
    ladders: dict[str, Ladder], people: dict[str, list[dict[str, Any]]], **sections: Any
) -> str:
    """A policy with a service for each ladder; carol is the catch-all."""
    contacts = {"carol": [mail("carol")], **people}
    policy = {
        "version": 1,
        "organisation": {"name": "Example", "catch_all": ["person:carol"]},
        "people": {name: {"contacts": listed} for name, listed in contacts.items()},
        "escalation_policies": {
            name: {
                "repeat": 0,
                "repeat_after": "1h",
                "steps": [{"page": targets, "after": after} for targets, after in steps],
            }
            for name, steps in ladders.items()
        },
        "services": {name: {"escalation": name} for name in ladders},
        **sections,
    }
    return yaml.safe_dump(policy)


class Resolver:
    """Names of hosts as the machine resolves them; those of the vendors may be gone, or hang."""

    def __init__(self) -> None:
        self.is_down = self.all_down = False
        self.hanging = 0
        self.over = threading.Event()
        """Look-ups of the telephone's name wait for this."""
        self.over.set()
        self._real: Callable[..., Any] = socket.getaddrinfo

    def __call__(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in (PHONE_HOST, PUSH_HOST, MAIL_HOST):
            return self._real(host, *args, **kwargs)
        if name == PHONE_HOST and not self.over.is_set():
            self.hanging += 1
            self.over.wait(20)
            self.hanging -= 1
        if self.all_down or (self.is_down and name == PHONE_HOST):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._real("127.0.0.1", *args, **kwargs)


class Paging:
    """The world, its vendors, and what reached whom."""

    def __init__(
        self, mails: SendGridFake, pushes: VendorFake, phone: VendorFake, resolver: Resolver
    ) -> None:
        self.mails, self.pushes, self.phone, self.resolver = mails, pushes, phone, resolver
        self.world: World
        self.policy: str
        self.pushed: list[tuple[float, str, str]] = []
        """When, to whom and with which title a push was taken."""
        pushes.check = self._noting(pushes.check)

    def _noting(
        self, check: Callable[[Request], Refusal | Taken]
    ) -> Callable[[Request], Refusal | Taken]:
        def noted(request: Request) -> Refusal | Taken:
            found = check(request)
            if isinstance(found, Taken) and not self.pushes.status:
                person = str(found.content["topic"]).removeprefix("topic-")
                self.pushed.append((time.monotonic(), person, found.content["title"]))
            return found

        return noted

    def pushed_to(self, person: str) -> list[tuple[float, str]]:
        return [(at, title) for at, who, title in list(self.pushed) if who == person]

    def mailed(self, person: str, *, accepted: bool = True) -> list[Call]:
        """Pages by mail to a person; other messages of the process are left out."""
        return [
            call
            for call in list(self.mails.log)
            if call.to == f"{person}@example.com"
            and (call.is_accepted or not accepted)
            and is_page(call.key)
        ]

    async def push_to(self, person: str, within: float) -> float:
        """When the person was reached by push."""
        found = await self.world.eventually(lambda: self.pushed_to(person), within)
        return float(found[0][0])

    async def mail_to(self, person: str, within: float) -> float:
        """When the person was reached by mail."""
        found = await self.world.eventually(lambda: self.mailed(person), within)
        return float(found[0].at)

    async def facts(self, incident: str, name: str, within: float = 30) -> list[dict[str, Any]]:
        """The facts of a name, once there are any."""

        async def look() -> list[dict[str, Any]]:
            return await self.world.facts(incident, name)

        found: list[dict[str, Any]] = await self.world.eventually(look, within)
        return found

    async def declare(self, service: str, summary: str = "Cards are refused") -> tuple[str, float]:
        """An incident, and when it was asked for."""
        began = time.monotonic()
        return await self.world.declare(summary, service=service), began

    async def declare_all(self, *services: str) -> dict[str, tuple[str, float]]:
        """Incidents of several services at once."""
        found = await asyncio.gather(*(self.declare(service) for service in services))
        return dict(zip(services, found, strict=True))

    async def end(self, *incidents: str) -> None:
        """Cancel what a story leaves behind, so that the next one is alone."""
        for incident in incidents:
            await self.world.command(incident, "cancel", "carol", reason="the story is over")


def is_page(key: str) -> bool:
    """Whether an idempotency key is that of a page: `checkout-1/p1/r1/s1/alice/email-0`."""
    parts = key.split("/")
    return len(parts) == 6 and parts[1].startswith("p") and parts[2].startswith("r")


@asynccontextmanager
async def a_paging_world(
    folder: Path, policy: str, resolver: Resolver, **settings: str
) -> AsyncIterator[Paging]:
    """A running one on the development server, in real time."""
    file = folder / "policy.yaml"
    file.write_text(policy, encoding="utf-8")
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS))  # as the worker has it
    async with AsyncExitStack() as stack:
        paging = Paging(
            stack.enter_context(sendgrid_fake()),
            stack.enter_context(ntfy_fake()),
            stack.enter_context(twilio_fake()),
            resolver,
        )
        paging.policy = policy
        environment = {
            "TOCSIN_DELIVERY": "live",
            "EMAIL_FROM": "tocsin@example.com",
            "SENDGRID_API_KEY": KEY,
            "SENDGRID_BASE_URL": paging.mails.url.replace("127.0.0.1", MAIL_HOST),
            "NTFY_BASE_URL": paging.pushes.url.replace("127.0.0.1", PUSH_HOST),
            "NTFY_TOKEN": NTFY_TOKEN,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
            "TWILIO_FROM": OURS,
            "TWILIO_BASE_URL": paging.phone.url.replace("127.0.0.1", PHONE_HOST),
            **settings,
        }
        paging.world = await stack.enter_async_context(
            a_world(folder / "data", skipping=False, policy=file, environment=environment)
        )
        yield paging
