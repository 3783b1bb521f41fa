"""Paging past the orchestrator: whoever is on call hears of critical alerts that wait while Temporal is away.

It needs the policy and the roster's copy on disk and the channels, and nothing else: no Temporal, no
records, no worker. It runs as a process of its own (`worker.py page-directly`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel

from activities.channels.base import Outgoing, Part
from activities.contact_plans import About, plan_targets
from activities.delivery import Postman
from activities.direct_words import WORDS, direct_text
from activities.looking_up import PolicySource, why
from domain.messages import DeliveryState, PageTarget, PageText, Purpose
from domain.on_call import resolve_targets
from domain.policy.model import Policy
from domain.policy.person import Contact
from domain.policy.slice import plan_for
from templates.renderer import Renderer

PERSON_SECONDS = 25.0
"""For one person over all their contacts: the next ones wait for it."""
log = structlog.get_logger(__name__)


class WaitingAlert(BaseModel):
    """A critical alert that waits in the journal."""

    key: str
    summary: str
    severity: str | None = None
    link: str | None = None


class WaitingService(BaseModel):
    """The critical alerts of one service."""

    service: str
    key: str
    """Batch key of the oldest: names this wait, also after a restart."""
    round: int = 1
    """How often somebody is paged about them, with this time."""
    count: int
    since: float
    """When the oldest was kept. Units: seconds since the epoch."""
    alerts: list[WaitingAlert]


class DirectRequest(BaseModel):
    """What stands on stdin."""

    services: list[WaitingService]


class DirectAnswer(BaseModel):
    """What is printed."""

    said: dict[str, list[str]]
    """By service: what became of it, each a sentence for the incident's timeline."""


class DirectPager:
    """Pages about services that wait; each person gets one message.

    Args:
        clock: the time now, in UTC.
    """

    def __init__(
        self,
        policy: PolicySource,
        renderer: Renderer,
        postman: Postman,
        clock: Callable[[], datetime],
    ) -> None:
        self._policy, self._renderer = policy, renderer
        self._postman, self._clock = postman, clock

    async def answer(self, request: str) -> str:
        """As `page`, with request and answer as JSON; then the channels are closed."""
        try:
            return (await self.page(DirectRequest.model_validate_json(request))).model_dump_json()
        finally:
            await self._postman.aclose()

    async def page(self, request: DirectRequest) -> DirectAnswer:
        """Page whoever is on call for each service; who is next where nobody is reached.

        Each time that it is repeated, one more step of the escalation policy is paged with it, and whoever
        has several contacts is tried over the next one first.
        """
        said: dict[str, list[str]] = {one.service: [] for one in request.services}
        left = list(request.services)
        try:
            _, policy = self._policy.current()
        except Exception as error:
            log.exception("policy unreadable")
            said = {name: [f"nobody could be paged: {why(error)}"] for name in said}
            await self._tell_operator(Policy(), left, said)
            return DirectAnswer(said=said)
        waves = max((len(_waves(policy, one)) for one in left), default=0)
        for number in range(waves):
            wanted = [(one, _waves(policy, one)[number : number + 1]) for one in left]
            left = await self._wave(policy, [(one, w[0]) for one, w in wanted if w], left, said)
            if not left:
                break
        if left:
            await self._tell_operator(policy, left, said)
        return DirectAnswer(said=said)

    async def _wave(
        self,
        policy: Policy,
        wanted: list[tuple[WaitingService, list[str]]],
        left: list[WaitingService],
        said: dict[str, list[str]],
    ) -> list[WaitingService]:
        """Page those behind some targets; the services for which still nobody is reached."""
        people: dict[str, tuple[PageTarget, list[WaitingService]]] = {}
        for one, targets in wanted:
            for target in self._targets(policy, one, targets, said[one.service]):
                people.setdefault(target.person, (target, []))[1].append(one)
        pages = (self._person(policy, target, services) for target, services in people.values())
        reached: set[str] = set()
        for (_, services), (is_reached, sentences) in zip(
            people.values(), await asyncio.gather(*pages), strict=True
        ):
            for one in services:
                said[one.service] += sentences
                if is_reached:
                    reached.add(one.service)
        return [one for one in left if one.service not in reached]

    def _targets(
        self, policy: Policy, one: WaitingService, targets: list[str], said: list[str]
    ) -> list[PageTarget]:
        at = self._clock()
        people, reasons = resolve_targets(policy, targets, at)
        about = About(severity=_severity(policy, one), is_major=True)
        planned = plan_targets(policy, self._postman, people, about, at)
        said += [f"{reason}, while Temporal was away" for reason in reasons if not people]
        return planned.targets

    async def _person(
        self, policy: Policy, target: PageTarget, services: list[WaitingService]
    ) -> tuple[bool, list[str]]:
        """Try a person's contacts one after the other until one takes it."""
        said: list[str] = []
        shown = [_shown(policy, one) for one in services]
        text = direct_text(self._renderer, policy.organisation.name, shown, nobody=False)
        contacts = self._contacts(policy, target, max(one.round for one in services))
        try:
            async with asyncio.timeout(PERSON_SECONDS):
                for contact in contacts:
                    message = self._message(policy, target.person, contact, services, text)
                    delivery = await self._postman.deliver(message)
                    at = f"{self._clock():%H:%M} UTC"
                    if delivery.state is DeliveryState.SENT:
                        said.append(
                            f"{target.person} was paged directly by {contact.channel} at {at}: {WORDS}"
                        )
                        return True, said
                    detail = delivery.detail or delivery.state.value
                    said.append(
                        f"{target.person} could not be paged directly by {contact.channel} at {at}: "
                        f"{detail}"
                    )
        except TimeoutError:
            said.append(
                f"{target.person} could not be paged directly within {PERSON_SECONDS:.0f} s"
            )
        return False, said

    def _contacts(self, policy: Policy, target: PageTarget, round_: int) -> list[Contact]:
        """In the order of the plan, beginning with another one each time."""
        person = policy.people[target.person]
        usable = self._postman.usable_contacts(target.person, person.contacts)
        every = [contact for _, contact in usable.contacts]
        numbers = dict.fromkeys(one.contact for one in target.plan if one.contact < len(every))
        planned = [every[number] for number in numbers] or every
        start = (round_ - 1) % len(planned) if planned else 0
        return [*planned[start:], *planned[:start]]

    def _message(
        self,
        policy: Policy,
        person: str,
        contact: Contact,
        services: list[WaitingService],
        text: PageText,
    ) -> Outgoing:
        place = hashlib.sha256(contact.to.encode()).hexdigest()[:8]
        parts = tuple(
            Part(
                key=f"direct/{one.service}/{one.key}/{one.round}/{person}/{contact.channel}-{place}",
                incident=one.service,
                severity=_severity(policy, one),
            )
            for one in services
        )
        return Outgoing(
            key=parts[0].key,
            incident=parts[0].incident,
            purpose=Purpose.PAGE,
            channel=contact.channel,
            to=contact.to,
            recipient=f"person:{person}",
            subject=text.subject,
            text=text.text,
            html=text.html,
            severity=parts[0].severity,
            bundle=f"direct/{parts[0].key}" if len(parts) > 1 else None,
            parts=parts if len(parts) > 1 else (),
        )

    async def _tell_operator(
        self, policy: Policy, left: Iterable[WaitingService], said: dict[str, list[str]]
    ) -> None:
        """Nobody is reached: an error in the log, and a file for whoever runs Tocsin."""
        for one in left:
            log.error("NOBODY COULD BE PAGED", service=one.service, alerts=one.count)
            shown = [_shown(policy, one)]
            text = direct_text(self._renderer, policy.organisation.name, shown, nobody=True)
            delivery = await self._postman.deliver(
                Outgoing(
                    key=f"direct/{one.service}/{one.key}/{one.round}/operator",
                    incident=one.service,
                    purpose=Purpose.OPERATOR,
                    channel="operator",
                    to="operator",
                    recipient="operator",
                    subject=text.subject,
                    text=text.text,
                    html=text.html,
                    severity=_severity(policy, one),
                )
            )
            told = (
                "the operator was told"
                if delivery.state is DeliveryState.SENT
                else "only the log says so"
            )
            said[one.service].append(f"nobody could be paged directly ({WORDS}): {told}")


def _waves(policy: Policy, one: WaitingService) -> list[list[str]]:
    """Whose turn it is, one after the other until somebody is reached."""
    steps = [step.targets for step in plan_for(policy, one.service).steps]
    first = [target for targets in steps[: one.round] for target in targets]
    return [wave for wave in (first, *steps[one.round :], policy.catch_all()) if wave]


def _severity(policy: Policy, one: WaitingService) -> str:
    severity = one.alerts[0].severity if one.alerts else None
    return severity or policy.organisation.default_severity


def _shown(policy: Policy, one: WaitingService) -> dict[str, Any]:
    """A service as the template shows it."""
    return {
        "service": one.service,
        "service_name": policy.service(one.service).name or one.service,
        "severity": _severity(policy, one),
        "count": one.count,
        "since": datetime.fromtimestamp(one.since, UTC),
        "alerts": [{"summary": alert.summary, "link": alert.link or ""} for alert in one.alerts]
        or [{"summary": "", "link": ""}],
    }
