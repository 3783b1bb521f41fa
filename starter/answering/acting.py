"""Carrying an answer out: the same commands as everybody's, once per person and step."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import structlog

from domain.access.tokens import answering
from domain.commands.paging import KEY_PARTS
from domain.errors import IncidentError, UnknownNameError
from domain.policy.model import Policy
from domain.policy.slice import plan_for
from records.database import RecordsUnavailableError
from starter.access.signing import acting
from starter.answering.standing import Kind, Standing, standing_of
from starter.api.metrics import Metrics
from starter.gateway import Accepted, Gateway, NoSuchIncidentError
from starter.records_access import View
from starter.security import PageRef
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError, RefusedError

ACKNOWLEDGE, ESCALATE = "acknowledge", "escalate"
ACKNOWLEDGE_ALL = "acknowledge_all"
_STEP = re.compile(r"s([1-9][0-9]*)")
log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What came of an answer. A closed list: metric labels."""

    DONE = "done"
    ACCEPTED = "accepted"
    """Kept; done as soon as a worker is up."""
    YOURS = "yours"
    TAKEN = "taken"
    ENDED = "ended"
    FOREIGN = "foreign"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    """Nothing is known to be kept: the person has to answer again, or some other way."""


IS_KEPT = (Outcome.DONE, Outcome.ACCEPTED)


@dataclass(frozen=True)
class Result:
    """What came of an answer, and how the page stood before it."""

    outcome: Outcome
    standing: Standing
    detail: str = ""
    """Why not; for an escalation whom it pages."""
    view: View = field(default_factory=dict)
    """The incident afterwards, where a worker has answered."""


@dataclass(frozen=True)
class _Sent:
    """What one command came to."""

    outcome: Outcome
    detail: str = ""
    view: View = field(default_factory=dict)

    def of(self, standing: Standing) -> Result:
        return Result(self.outcome, standing, self.detail, self.view)


class Answering:
    """Acknowledges and escalates for the person whom a page went to.

    Args:
        policy: the policy in force now.
    """

    def __init__(self, gateway: Gateway, policy: Callable[[], Policy], metrics: Metrics) -> None:
        self._gateway, self._policy, self._metrics = gateway, policy, metrics

    async def standing(self, page: PageRef) -> Standing:
        """How the page stands; reads only."""
        return await standing_of(self._gateway, self._policy(), page)

    async def together(self, page: PageRef) -> list[PageRef]:
        """The other pages of the message that held this one; none where the records do not answer."""
        records = self._gateway.records
        try:
            others = await records.read_if_up(records.reader.bundled_with, page.key)
        except RecordsUnavailableError:
            return []
        return [PageRef(incident, page.person, key) for incident, key in others]

    async def acknowledge_all(self, pages: Sequence[PageRef], via: str) -> list[Result]:
        """The person takes every page of a message, all at once. Never raises."""
        return list(await asyncio.gather(*(self.acknowledge(page, via) for page in pages)))

    async def acknowledge(self, page: PageRef, via: str) -> Result:
        """The person takes the page. Never raises.

        Args:
            via: `link`, `sms`, `keypress` or `chat`.
        """
        standing = await self.standing(page)
        if standing.kind is not Kind.OPEN:
            return self._counted(via, Result(Outcome(standing.kind.value), standing))
        body = {"actor": page.person, "via": via}
        if len(page.key.split("/")) == KEY_PARTS:
            body["page"] = page.key
        sent = await self._send(page, ACKNOWLEDGE, body, page.answer_key, via)
        return self._counted(via, sent.of(standing))

    async def escalate(self, page: PageRef, via: str) -> Result:
        """The person cannot take it: whoever is next on the escalation policy is paged now. Never raises."""
        standing = await self.standing(page)
        if standing.kind not in (Kind.OPEN, Kind.YOURS):
            return self._counted(via, Result(Outcome(standing.kind.value), standing))
        targets = next_targets(self._policy(), standing)
        last = _Sent(Outcome.DONE)
        for number, target in enumerate(targets, start=1):
            body = {
                "actor": page.person,
                "to": target,
                "reason": f"{page.person} passes the page on, by {via}",
            }
            key = f"{page.answer_key}/{ESCALATE}/{number}"
            last = await self._send(page, ESCALATE, body, key, via)
            if last.outcome not in IS_KEPT:
                return self._counted(via, last.of(standing))
        return self._counted(via, replace(last, detail=", ".join(targets)).of(standing))

    async def acknowledge_unpaged(
        self, incident_id: str, person: str, via: str, key: str
    ) -> Result:
        """Take an incident by its full id, though no page to the person is known. Never raises."""
        page = PageRef(incident_id, person, "")
        sent = await self._send(page, ACKNOWLEDGE, {"actor": person, "via": via}, key, via)
        return self._counted(via, sent.of(Standing(page, Kind.OPEN)))

    async def _send(
        self, page: PageRef, name: str, body: dict[str, str], key: str, via: str
    ) -> _Sent:
        try:
            with acting(answering(page.person, via)):
                answer = await self._gateway.command(page.incident, name, body, key)
        except (NoSuchIncidentError, UnknownNameError) as error:
            return _Sent(Outcome.FOREIGN, str(error))
        except RefusedError as error:
            is_foreign = error.kind == "UnknownNameError"
            return _Sent(Outcome.FOREIGN if is_foreign else Outcome.REFUSED, str(error))
        except IncidentError as error:
            return _Sent(Outcome.REFUSED, str(error))
        except (GatewayUnavailableError, NotAnsweredError, RecordsUnavailableError) as error:
            why = str(error)
            log.warning("an answer was not kept", incident=page.incident, command=name, why=why)
            return _Sent(Outcome.UNAVAILABLE, why)
        if isinstance(answer, Accepted):
            self._metrics.commands.labels(name, "accepted").inc()
            return _Sent(Outcome.ACCEPTED)
        self._metrics.commands.labels(name, "answered").inc()
        return _Sent(Outcome.DONE, view=answer.view)

    def _counted(self, via: str, result: Result) -> Result:
        self._metrics.answers.labels(via, result.outcome.value).inc()
        return result


def next_targets(policy: Policy, standing: Standing) -> list[str]:
    """Whom an answered page passes on to: the targets of the next step, else the catch-all."""
    step = _STEP.fullmatch(standing.page.place.rpartition("/")[2])
    service = str(standing.view.get("service", ""))
    if step is not None and service and standing.cause != "escalated":
        for following in plan_for(policy, service).steps[int(step[1]) :]:
            if following.targets:
                return list(following.targets)
    return policy.catch_all()
