"""Messages about reports: to those who should look at one, and to whoever reported."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from temporalio import activity

from activities.channels.base import Outgoing
from activities.delivery import Postman
from activities.looking_up import PolicySource
from domain.messages import Delivery, DeliveryState, Purpose
from domain.on_call import resolve_targets
from domain.policy.model import Policy
from domain.policy.person import Contact
from domain.policy.slice import plan_for
from domain.reporting import Ending, TellOfReport, TellReporter, ToldOfReport, report_id
from records.reads import RecordsReader
from records.reporters import Reporters
from templates.renderer import Rendered, Renderer

STEPS_TOLD = 2
"""Of the escalation policy: who is on call and, from the first reminder on, who stands behind them."""
log = structlog.get_logger(__name__)


class Reporting:
    """Tells of reports."""

    def __init__(
        self,
        policy: PolicySource,
        renderer: Renderer,
        postman: Postman,
        reporters: Reporters,
        reader: RecordsReader,
        clock: Callable[[], datetime],
    ) -> None:
        self._policy, self._renderer, self._postman = policy, renderer, postman
        self._reporters, self._reader, self._clock = reporters, reader, clock

    @activity.defn(name="ending_of")
    async def ending_of(self, incident_id: str) -> Ending:
        """How an incident stands, by the records.

        Raises:
            RecordsUnavailableError: they do not answer. Asked again later.
        """
        view = await asyncio.to_thread(self._reader.incident, incident_id)
        return Ending(status=str(view["status"]) if view else None)

    @activity.defn(name="tell_reporter")
    async def tell_reporter(self, request: TellReporter) -> ToldOfReport:
        """One attempt at the receipt, or at the outcome; after the outcome the address is forgotten."""
        report = request.report
        try:
            address = await asyncio.to_thread(self._reporters.address, report.ref)
        except (OSError, ValueError) as error:
            return ToldOfReport(detail=f"the address cannot be read: {error}", retryable=True)
        if address is None:
            return ToldOfReport(detail="no address is kept")
        text = self._rendered("report_answer", request.topic, report.view())
        delivery = await self._send(
            request.topic, report.ref, "reporter", Contact(channel="email", to=address), text
        )
        told = _told([delivery])
        if request.topic == "outcome" and not told.retryable:
            await asyncio.to_thread(self._reporters.forget, report.ref)
        return told

    @activity.defn(name="tell_of_report")
    async def tell_of_report(self, request: TellOfReport) -> ToldOfReport:
        """One attempt to tell people that a report waits for somebody to look at it."""
        report = request.report
        _, policy = self._policy.current()
        people = self._people(policy, report.said.service, report.reminders, loud=report.is_loud)
        text = self._rendered("report_notice", "waiting", report.view())
        deliveries, unreached = [], []
        for person in people:
            usable = self._postman.usable_contacts(
                person, policy.people[person].contacts, pages=False
            )
            if not usable.contacts:
                unreached.append(f"{person} has no usable contact")
                continue
            topic = f"waiting-{report.reminders}"
            contact = usable.contacts[0][1]
            deliveries.append(
                await self._send(topic, report.ref, f"person:{person}", contact, text)
            )
        if report.is_loud or not deliveries:
            log.error("nobody answers a report", ref=report.ref, service=report.said.service)
            operator = Contact(channel="operator", to="operator")
            topic = f"waiting-{report.reminders}"
            deliveries.append(await self._send(topic, report.ref, "operator", operator, text))
        told = _told(deliveries)
        return told.model_copy(update={"detail": "; ".join([told.detail, *unreached]).strip("; ")})

    def _people(self, policy: Policy, service: str, reminders: int, *, loud: bool) -> list[str]:
        """Who is on call for the service; those behind them once nobody has answered."""
        steps = plan_for(policy, service).steps[: STEPS_TOLD if reminders else 1]
        targets = [target for step in steps for target in step.targets]
        found, _ = resolve_targets(policy, targets, self._clock())
        if loud or not found:
            more, _ = resolve_targets(policy, policy.catch_all(), self._clock())
            found = [*found, *more]
        return list(dict.fromkeys(one.person for one in found))

    def _rendered(self, folder: str, topic: str, report: dict[str, object]) -> Rendered:
        _, policy = self._policy.current()
        service = policy.service(str(report["service"])).name or str(report["service"])
        return self._renderer.render(
            folder,
            {
                "organisation": policy.organisation.name,
                "incident": {},
                "topic": topic,
                "report": report,
                "service": service,
            },
        )

    async def _send(
        self, topic: str, ref: str, recipient: str, contact: Contact, text: Rendered
    ) -> Delivery:
        return await self._postman.deliver(
            Outgoing(
                key=f"{report_id(ref)}/{topic}/{recipient}/{contact.channel}",
                incident="",
                purpose=Purpose.OPERATOR if recipient == "operator" else Purpose.REPORT,
                channel=contact.channel,
                to=contact.to,
                recipient=recipient,
                subject=text.subject,
                text=text.text,
                html=text.html,
                severity="",
            )
        )


def _told(deliveries: list[Delivery]) -> ToldOfReport:
    failed = [one for one in deliveries if one.state is not DeliveryState.SENT]
    return ToldOfReport(
        reached=[one.recipient for one in deliveries if one.state is DeliveryState.SENT],
        detail="; ".join(f"{one.recipient}: {one.detail}" for one in failed),
        retryable=any(one.retryable for one in failed),
    )
